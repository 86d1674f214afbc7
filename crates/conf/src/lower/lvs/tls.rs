//! `SSL`: who the checks are to servers that ask for a certificate.

use super::Line;
use crate::lower::Lowering;
use check::config::{ClientTls, Secret};
use std::sync::Arc;

/// `SSL {`: a second block replaces the first.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if low.lvs.has_tls {
        let text = "SSL context already specified - replacing";
        low.error(line, 0, "tls", text.to_owned());
    }
    low.lvs.has_tls = true;
    low.lvs.servers.tls = ClientTls::default();
}

/// `password STRING`. It goes nowhere but into the model.
pub(crate) fn password(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(word) = line.word(1) else {
        return low.error(line, 0, "tls", "SSL password missing".to_owned());
    };
    let secret = Secret(word.to_owned());
    if low.lvs.servers.tls.password.replace(secret).is_some() {
        // Upstream quotes both; see docs/divergences.md, "passwords-masked".
        let text = "Duplicate SSL - overwriting ******** with ********";
        low.error(line, 1, "tls", text.to_owned());
    }
}

fn file(low: &mut Lowering<'_>, line: Line<'_, '_>, missing: &str, slot: fn(&mut ClientTls) -> &mut Option<Arc<str>>) {
    let Some(word) = line.word(1) else {
        return low.error(line, 0, "tls", format!("SSL {missing} missing"));
    };
    let before = slot(&mut low.lvs.servers.tls).replace(Arc::from(word));
    if let Some(before) = before {
        let text = format!("Duplicate SSL - overwriting {before} with {word}");
        low.error(line, 1, "tls", text);
    }
}

/// `ca FILE`.
pub(crate) fn ca(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    file(low, line, "cafile", |tls| &mut tls.ca);
}

/// `certificate FILE`.
pub(crate) fn certificate(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    file(low, line, "certfile", |tls| &mut tls.certificate);
}

/// `key FILE`.
pub(crate) fn key(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    file(low, line, "keyfile", |tls| &mut tls.key);
}
