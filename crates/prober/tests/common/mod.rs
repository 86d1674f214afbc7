//! What the tests of probes share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test uses what it needs"
)]

use check::Probe;
use check::config::{ClientTls, Connection, Dialogue, Pace};
use prober::{Outcome, Prober};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// A connection with a generous timeout.
pub(crate) fn connection(target: SocketAddr) -> Connection {
    Connection {
        address: target.ip(),
        port: target.port(),
        timeout: Duration::from_secs(10),
        from: None,
    }
}

/// A probe of which only the dialogue matters.
pub(crate) fn probe(dialogue: Dialogue) -> Probe {
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

/// Runs one probe to its end.
pub(crate) fn run(probe: &Probe) -> Outcome {
    run_as(&ClientTls::default(), probe)
}

/// Runs one probe to its end, as this client.
pub(crate) fn run_as(tls: &ClientTls, probe: &Probe) -> Outcome {
    let (prober, _) = Prober::new(tls, [probe]);
    block_on(prober.probe(probe, 0))
}

/// Runs a future in a runtime as the role has it.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// What a server does with a connection.
pub(crate) type Script = Box<dyn FnOnce(TcpStream) + Send>;

/// A server on the loopback that does what it is told, one script for each connection, in order.
pub(crate) struct Peer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Starts it.
    pub(crate) fn new(scripts: Vec<Script>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            for script in scripts {
                let (stream, _) = listener.accept().unwrap();
                // A script that waits for a client that is gone ends with the test.
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
                script(stream);
            }
        });
        Peer {
            address,
            thread: Some(thread),
        }
    }

    /// One that takes one connection.
    pub(crate) fn once(script: impl FnOnce(TcpStream) + Send + 'static) -> Peer {
        Peer::new(vec![Box::new(script)])
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let result = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            result.unwrap().unwrap();
        }
    }
}

/// Reads a request up to its empty line; what was read.
pub(crate) fn request(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Writes bytes; the client may be gone.
pub(crate) fn say(stream: &mut impl Write, bytes: &[u8]) -> bool {
    stream.write_all(bytes).and_then(|()| stream.flush()).is_ok()
}

/// Waits until the client is gone, and reads what it says until then.
pub(crate) fn until_gone(stream: &mut impl Read) {
    let mut room = [0; 4096];
    while matches!(stream.read(&mut room), Ok(length) if length > 0) {}
}
