//! What the program says it is.

use std::fmt::Write;

/// The level of upstream this daemon is compatible with, which scripts compare with theirs.
pub(crate) const UPSTREAM: &str = "2.4.3";

/// The first line of `-v`, and the name in start and stop messages.
pub(crate) fn title() -> String {
    format!("Keepalived v{UPSTREAM} (Rust {})", env!("CARGO_PKG_VERSION"))
}

/// The text of `-v`.
pub(crate) fn text() -> String {
    let mut text = format!("{}\n\n", title());
    let _ = writeln!(text, "Running on {}", linux::machine::kernel());
    if let Some(distribution) = distribution() {
        let _ = writeln!(text, "Distro: {distribution}");
    }
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let _ = writeln!(
        text,
        "\nBuild: {build} {} {}",
        std::env::consts::ARCH,
        std::env::consts::OS
    );
    let _ = writeln!(
        text,
        "\nConfig options:  VRRP VRRP_AUTH OLD_CHKSUM_COMPAT SYSTEMD_NOTIFY"
    );
    text
}

fn distribution() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}
