//! What a check costs: `cargo run --release -p prober --example cost -- tcp|http [TARGETS [ROUNDS]]`.
//!
//! Asks many targets on the loopback side by side, again and again, and prints processor time for each check. The server
//! is a process of its own. `strace -cf` around it counts the calls.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails has nothing to say"
)]

use check::Probe;
use check::config::{ClientTls, Connection, Dialogue, Http, HttpVersion, Pace, Sni, StatusCodes, Url};
use check::judge::Answer;
use linux::process::thread_time;
use prober::Prober;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| words.get(at).map(String::as_str);
    if word(0) == Some("serve") {
        return serve();
    }
    let number = |at: usize, otherwise: u32| word(at).map_or(otherwise, |word| word.parse().unwrap());
    let (http, targets, rounds) = (word(0) == Some("http"), number(1, 1000), number(2, 10));
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port = line.trim().parse().unwrap();
    linux::process::raise_descriptor_limit().unwrap();
    let probes: Vec<Rc<Probe>> = (0..targets).map(|at| Rc::new(probe(http, at, port))).collect();
    let (prober, _) = Prober::new(&ClientTls::default(), probes.iter().map(|probe| &**probe));
    let prober = Rc::new(prober);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    let (mut bad, mut spent) = (0, Duration::ZERO);
    for round in 0..=rounds {
        let began = thread_time();
        bad += local.block_on(&runtime, ask_all(&prober, &probes));
        if round > 0 {
            spent += thread_time() - began;
        }
    }
    let checks = targets * rounds;
    println!(
        "{checks} checks, {bad} bad, {:.1} us each",
        spent.as_secs_f64() * 1e6 / f64::from(checks)
    );
    // The end of its input is the end of the server.
    drop(server.stdin.take());
    server.wait().unwrap();
}

async fn ask_all(prober: &Rc<Prober>, probes: &[Rc<Probe>]) -> usize {
    let mut tasks = Vec::with_capacity(probes.len());
    for probe in probes {
        let (prober, probe) = (Rc::clone(prober), Rc::clone(probe));
        tasks.push(tokio::task::spawn_local(
            async move { prober.probe(&probe, 0).await.answer },
        ));
    }
    let mut bad = 0;
    for task in tasks {
        bad += usize::from(task.await.unwrap() != Answer::Good);
    }
    bad
}

fn probe(http: bool, at: u32, port: u16) -> Probe {
    let connection = Connection {
        address: IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + at)),
        port,
        timeout: Duration::from_secs(5),
        from: None,
    };
    let url = || Url {
        path: "/".into(),
        host: None,
        sni: Sni::Off,
        tls_compliant: false,
        status: StatusCodes::default(),
        digest: None,
        regex: None,
    };
    let dialogue = if http {
        Dialogue::Http(Box::new(Http {
            connection,
            tls: false,
            version: HttpVersion::V10,
            fast_recovery: false,
            urls: vec![url()],
        }))
    } else {
        Dialogue::Tcp(connection)
    };
    Probe {
        pace: Pace {
            delay_loop: Duration::from_secs(1),
            retry: 0,
            delay_before_retry: Duration::from_secs(1),
            warmup: Duration::ZERO,
        },
        alpha: false,
        log_all_failures: false,
        dialogue,
    }
}

/// Answers every request until its own input ends.
fn serve() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "0.0.0.0:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(16_384).unwrap();
    println!("{}", socket.local_addr().unwrap().as_socket().unwrap().port());
    std::thread::spawn(move || {
        let listener: std::net::TcpListener = socket.into();
        let mut room = [0; 1024];
        for mut stream in listener.incoming().flatten() {
            if matches!(stream.read(&mut room), Ok(length) if length > 0) {
                let answer = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
                // The client may be gone.
                let _ = stream.write_all(answer);
            }
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
