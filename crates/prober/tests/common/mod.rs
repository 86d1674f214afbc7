//! What the tests of probes share.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses what it needs")]

use check::Probe;
use check::config::{ClientTls, Connection, Dialogue, Pace};
use prober::{Outcome, Prober};
use std::net::SocketAddr;
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
