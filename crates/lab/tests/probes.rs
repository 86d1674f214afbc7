//! Health checks against the servers that people run: nginx with TLS, dnsmasq, unbound, an SMTP server; good, bad, slow and dead.
//! On the loopback, with ports of their own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use check::Probe;
use check::config::{
    ClientTls, Connection, Dialogue, Dns, Http, HttpVersion, Pace, RecordType, Regex, RegexOptions, Smtp, Sni,
    StatusCodes, Url,
};
use check::judge::Answer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prober::{Outcome, Prober};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server; it ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nobody to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// It does not run for a while; the kernel takes what is sent to it.
    fn pause(&self) {
        kill(Pid::from_raw(self.0.id() as i32), Signal::SIGSTOP).unwrap();
    }

    fn resume(&self) {
        kill(Pid::from_raw(self.0.id() as i32), Signal::SIGCONT).unwrap();
    }
}

fn start(program: &str, words: &[&str]) -> Server {
    let child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Server(child.unwrap_or_else(|error| panic!("{program}: {error} (make setup)")))
}

/// A port that was free a moment ago.
fn free() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    #[allow(clippy::disallowed_methods, reason = "a deadline of a test")]
    let end = Instant::now() + Duration::from_secs(20);
    while !happened() {
        #[allow(clippy::disallowed_methods, reason = "a deadline of a test")]
        let now = Instant::now();
        assert!(now < end, "{what} does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn connection(port: u16) -> Connection {
    Connection {
        address: Ipv4Addr::LOCALHOST.into(),
        port,
        timeout: Duration::from_secs(5),
        from: None,
    }
}

fn run(dialogue: Dialogue) -> Outcome {
    let probe = Probe {
        pace: Pace {
            delay_loop: Duration::from_secs(1),
            retry: 0,
            delay_before_retry: Duration::from_secs(1),
            warmup: Duration::ZERO,
        },
        alpha: false,
        log_all_failures: false,
        dialogue,
    };
    let (prober, troubles) = Prober::new(&ClientTls::default(), [&probe]);
    assert_eq!(troubles, []);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(prober.probe(&probe, 0))
}

fn page(connection: Connection, tls: bool, path: &str, change: impl FnOnce(&mut Url)) -> Outcome {
    let mut url = Url {
        path: path.into(),
        host: None,
        sni: Sni::Off,
        tls_compliant: false,
        status: StatusCodes::default(),
        digest: None,
        regex: None,
    };
    change(&mut url);
    run(Dialogue::Http(Box::new(Http {
        connection,
        tls,
        version: HttpVersion::V11,
        fast_recovery: false,
        urls: vec![url],
    })))
}

fn said(outcome: &Outcome) -> (Answer, &str) {
    (outcome.answer, outcome.reason.as_str())
}

const GOOD: (Answer, &str) = (Answer::Good, "");

fn nginx(folder: &Path, http: u16, https: u16) -> Server {
    let path = |name: &str| folder.join(name).display().to_string();
    let (key, certificate) = (path("k.pem"), path("c.pem"));
    let words = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=www.example",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    let made = Command::new("openssl")
        .args(words)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    let own = folder.display();
    let config = format!(
        "daemon off; master_process off; pid {own}/pid; error_log {own}/error;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {own}/1; proxy_temp_path {own}/2; fastcgi_temp_path {own}/3; uwsgi_temp_path {own}/4; scgi_temp_path {own}/5;
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location = /good {{ return 200 \"hello from $ssl_server_name\"; }}
        location = /bad {{ return 503; }}
        location = /moved {{ return 301 /good; }}
        location = /slow {{ limit_rate 1; root {own}; }}
    }}
}}
"
    );
    std::fs::write(folder.join("slow"), vec![b'x'; 100_000]).unwrap();
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let server = start(
        "/usr/sbin/nginx",
        &["-c", &path("nginx.conf"), "-e", &path("error"), "-p", &own.to_string()],
    );
    wait_for("nginx", || TcpStream::connect((Ipv4Addr::LOCALHOST, https)).is_ok());
    server
}

#[test]
fn nginx_is_asked_over_http_and_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (http, https) = (free(), free());
    let server = nginx(folder.path(), http, https);
    for (port, tls) in [(http, false), (https, true)] {
        let ask = |path: &str| page(connection(port), tls, path, |_| {});
        assert_eq!(said(&ask("/good")), GOOD);
        let bad = ask("/bad");
        assert_eq!(
            (said(&bad).1, bad.details.status),
            ("HTTP status code error to", Some(503))
        );
        assert_eq!(ask("/moved").details.status, Some(301));
        let allowed = page(connection(port), tls, "/moved", |url| {
            assert!(url.status.allow(301, 302))
        });
        assert_eq!(said(&allowed), GOOD);
        let mut hurried = connection(port);
        hurried.timeout = Duration::from_millis(500);
        let slow = page(hurried, tls, "/slow", |_| {});
        assert_eq!(slow.answer, Answer::Bad);
        assert!(slow.reason.starts_with("Timeout "), "{slow:?}");
    }
    let named = |wanted: &str| {
        page(connection(https), true, "/good", |url| {
            url.sni = Sni::Name("www.example".into());
            url.tls_compliant = true;
            url.regex = Some(Arc::new(Regex {
                pattern: wanted.as_bytes().into(),
                options: RegexOptions::CASELESS,
                no_match: false,
                min_offset: 0,
                max_offset: None,
                stack: None,
            }));
        })
    };
    assert_eq!(said(&named("^HELLO from www\\.example$")), GOOD);
    assert_eq!(said(&named("from elsewhere")).1, "Regex match failed");
    // TLS where there is none, and the other way round.
    assert_eq!(
        said(&page(connection(http), true, "/good", |_| {})).1,
        "SSL handshake/communication error connecting to"
    );
    let plain = page(connection(https), false, "/good", |_| {});
    assert_eq!(plain.details.status, Some(400));
    drop(server);
    assert_eq!(
        said(&page(connection(http), false, "/good", |_| {})).1,
        "Connection failed"
    );
}

/// A TLS server that speaks as these options of `openssl s_server` say.
fn tls_server(folder: &Path, port: u16, options: &[&str]) -> Server {
    let path = |name: &str| folder.join(name).display().to_string();
    let (key, certificate) = (path("k.pem"), path("c.pem"));
    if !Path::new(&key).exists() {
        let words = [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=old",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        let made = Command::new("openssl").args(words).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }
    let accept = port.to_string();
    let words = [
        "s_server",
        "-accept",
        &accept,
        "-4",
        "-key",
        &key,
        "-cert",
        &certificate,
        "-www",
        "-quiet",
    ];
    let server = start("openssl", &[&words[..], options].concat());
    wait_for("openssl", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    server
}

#[test]
fn tls_that_is_too_old_fails_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |options: &[&str]| {
        let port = free();
        let _server = tls_server(folder.path(), port, options);
        page(connection(port), true, "/", |_| {})
    };
    for good in [&["-tls1_3"][..], &["-tls1_2"]] {
        assert_eq!(said(&ask(good)), GOOD, "{good:?}");
    }
    // ledger: old-tls
    for old in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
    ] {
        let outcome = ask(old);
        let wanted = (Answer::Bad, "SSL handshake/communication error connecting to");
        assert_eq!(said(&outcome), wanted, "{old:?}");
        assert!(outcome.details.error.is_some(), "{outcome:?}");
    }
}

fn name(port: u16, name: &str, record: RecordType, timeout: Duration) -> Outcome {
    run(Dialogue::Dns(Box::new(Dns {
        connection: Connection {
            timeout,
            ..connection(port)
        },
        record,
        name: name.into(),
    })))
}

#[test]
fn dnsmasq_is_asked_for_names() {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let port_option = format!("--port={port}");
    let words = [
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--no-poll",
        "--conf-file=/dev/null",
        "--pid-file",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--user=root",
        "--local=/example/",
        "--address=/www.example/192.0.2.1",
        "--address=/www.example/2001:db8::1",
        &port_option,
    ];
    let server = start("/usr/sbin/dnsmasq", &words);
    let timeout = Duration::from_secs(5);
    wait_for("dnsmasq", || {
        name(port, "www.example", RecordType::A, timeout).answer == Answer::Good
    });
    assert_eq!(said(&name(port, "www.example", RecordType::Aaaa, timeout)), GOOD);
    let missing = name(port, "missing.example", RecordType::A, timeout);
    assert_eq!(said(&missing).1, "read error occurred. (rcode = 3)");
    let elsewhere = name(port, "www.elsewhere", RecordType::A, timeout);
    assert_eq!(said(&elsewhere).1, "read error occurred. (rcode = 5)");
    drop(server);
    let dead = name(port, "www.example", RecordType::A, timeout);
    assert_eq!(said(&dead).1, "failed to read socket; errno 111 (Connection refused)");
    let silent = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let slow = name(
        silent.local_addr().unwrap().port(),
        "www.example",
        RecordType::A,
        Duration::from_millis(300),
    );
    assert_eq!(said(&slow).1, "read timeout from socket");
}

fn unbound(folder: &Path, port: u16) -> Server {
    let own = folder.display();
    let config = format!(
        "server:
    interface: 127.0.0.1
    port: {port}
    do-daemonize: no
    username: \"\"
    chroot: \"\"
    directory: \"{own}\"
    pidfile: \"\"
    use-syslog: no
    logfile: \"{own}/log\"
    access-control: 127.0.0.0/8 allow
    module-config: \"iterator\"
    local-zone: \"example.\" static
    local-data: \"www.example. A 192.0.2.1\"
    local-data: \"www.example. TXT \\\"hello\\\"\"
    local-data: \"example. MX 10 mail.example.\"
    local-zone: \"refused.test.\" refuse
    local-zone: \"dropped.test.\" deny
remote-control:
    control-enable: no
"
    );
    let file = folder.join("unbound.conf");
    std::fs::write(&file, config).unwrap();
    start("/usr/sbin/unbound", &["-d", "-c", &file.display().to_string()])
}

#[test]
fn unbound_is_asked_for_names() {
    let folder = tempfile::tempdir().unwrap();
    let port = free();
    let server = unbound(folder.path(), port);
    let (patience, hurry) = (Duration::from_secs(5), Duration::from_millis(300));
    wait_for("unbound", || {
        name(port, "www.example", RecordType::A, patience).answer == Answer::Good
    });
    assert_eq!(said(&name(port, "example", RecordType::Mx, patience)), GOOD);
    assert_eq!(said(&name(port, "WWW.Example", RecordType::Txt, patience)), GOOD);
    let missing = name(port, "missing.example", RecordType::A, patience);
    assert_eq!(said(&missing).1, "read error occurred. (rcode = 3)");
    let refused = name(port, "www.refused.test", RecordType::A, patience);
    assert_eq!(said(&refused).1, "read error occurred. (rcode = 5)");
    // A server that chooses not to answer, and one that cannot.
    let dropped = name(port, "www.dropped.test", RecordType::A, hurry);
    assert_eq!(said(&dropped).1, "read timeout from socket");
    server.pause();
    let slow = name(port, "www.example", RecordType::A, hurry);
    assert_eq!(said(&slow).1, "read timeout from socket");
    server.resume();
    assert_eq!(said(&name(port, "www.example", RecordType::A, patience)), GOOD);
    drop(server);
    let dead = name(port, "www.example", RecordType::A, patience);
    assert_eq!(said(&dead).1, "failed to read socket; errno 111 (Connection refused)");
}

fn greet(port: u16, helo: &str, timeout: Duration) -> Outcome {
    run(Dialogue::Smtp(Box::new(Smtp {
        connection: Connection {
            timeout,
            ..connection(port)
        },
        helo: helo.into(),
    })))
}

#[test]
fn a_mail_server_is_greeted() {
    let folder = tempfile::tempdir().unwrap();
    let port = free();
    let server = start("/usr/bin/aiosmtpd", &["-n", "-l", &format!("127.0.0.1:{port}")]);
    let (patience, hurry) = (Duration::from_secs(5), Duration::from_millis(300));
    wait_for("aiosmtpd", || {
        greet(port, "lb.example", patience).answer == Answer::Good
    });
    assert_eq!(said(&greet(port, "lb.example", patience)), GOOD);
    // It wants a name.
    let nameless = greet(port, "", patience);
    assert_eq!(said(&nameless), (Answer::Bad, "Bad HELO response from"));
    server.pause();
    assert_eq!(said(&greet(port, "lb.example", hurry)).1, "Read timeout from");
    server.resume();
    assert_eq!(said(&greet(port, "lb.example", patience)), GOOD);
    drop(server);
    assert_eq!(said(&greet(port, "lb.example", patience)).1, "Could not connect to");
    // Another server answers where mail is expected.
    let (http, https) = (free(), free());
    let web = nginx(folder.path(), http, https);
    assert_eq!(said(&greet(http, "lb.example", hurry)).1, "Read timeout from");
    drop(web);
}
