//! `real_server` and its own keywords.

use super::{LONGEST_DELAY, LONGEST_TIMEOUT, Line, RealReading};
use crate::lower::Lowering;
use crate::model::{Command, ServerNotify};
use check::draft::Inherited;
use lvs::config::{Endpoint, Named, WEIGHT_MAX};
use lvs::draft::RealDraft;
use std::sync::Arc;

/// `real_server ADDR [PORT] {`.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Real) {
        return low.refuse_block();
    }
    let word = line.word(1).unwrap_or_default();
    let (address, port) = (Lowering::server_address(word), low.port(line, 2));
    let (Some(address), Ok(port)) = (address, port) else {
        let port = line.word(2).unwrap_or_default();
        let text = format!("Invalid real server ip address/port {word}/{port} - skipping");
        low.error(line, 1, "real-server", text);
        return low.refuse_block();
    };
    low.lvs.real = Some(RealReading {
        draft: RealDraft::new(Endpoint::new(address, port)),
        at: line.mark(1),
        end: None,
        inherited: Inherited::default(),
        host: None,
        notify: ServerNotify::default(),
        checks: Vec::new(),
    });
}

/// The end of a real server.
pub(crate) fn close(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let (Some(mut real), Some(service)) = (low.lvs.real.take(), &mut low.lvs.service) {
        real.end = Some(line.mark(0));
        service.draft.reals.push(real.draft.clone());
        service.reals.push(real);
    }
}

impl Lowering<'_> {
    fn real(&mut self) -> Option<&mut RealDraft> {
        self.lvs.real.as_mut().map(|real| &mut real.draft)
    }

    fn real_for_checks(&mut self) -> Option<&mut Inherited> {
        self.lvs.real.as_mut().map(|real| &mut real.inherited)
    }

    /// The name of the real server that is being read, for messages.
    pub(crate) fn real_name(&self) -> String {
        let protocol = self.lvs.service.as_ref().and_then(|reading| reading.draft.protocol);
        let at = self.lvs.real.as_ref().map(|real| real.draft.at);
        at.map(|at| Named::of(at, protocol).to_string()).unwrap_or_default()
    }

    /// `KEYWORD [BOOL]`, with upstream's message.
    pub(crate) fn switch_or(&mut self, line: Line<'_, '_>, invalid: &str) -> Option<bool> {
        let value = self.flag(line);
        if value.is_none() {
            let word = line.word(1).unwrap_or_default();
            self.error(line, 1, "boolean", format!("{invalid} {word}"));
        }
        value
    }
}

/// `weight N`.
pub(crate) fn weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.unsigned(line, 1, 0, WEIGHT_MAX);
    if value.is_none() {
        let word = line.word(1).unwrap_or_default();
        let text = format!("Real server weight {word} is outside range 0-{WEIGHT_MAX}");
        low.error(line, 1, "weight", text);
    }
    if let Some(real) = low.real() {
        real.weight = value.or(real.weight);
    }
}

/// `lvs_method NAT|DR|TUN ...`.
pub(crate) fn lvs_method(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let method = super::method::read(low, line, "real");
    if let Some(real) = low.real() {
        real.forwarding = method.or(real.forwarding);
    }
}

fn threshold(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<u32> {
    let value = low.unsigned(line, 1, 0, u32::MAX);
    if value.is_none() {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        let text = format!("Invalid real_server {keyword} '{word}' - ignoring");
        low.error(line, 1, "threshold", text);
    }
    value
}

/// `uthreshold N`.
pub(crate) fn uthreshold(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = threshold(low, line);
    if let Some(real) = low.real() {
        real.upper_threshold = value.unwrap_or(real.upper_threshold);
    }
}

/// `lthreshold N`.
pub(crate) fn lthreshold(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = threshold(low, line);
    if let Some(real) = low.real() {
        real.lower_threshold = value.unwrap_or(real.lower_threshold);
    }
}

/// `inhibit_on_failure [BOOL]`.
pub(crate) fn inhibit_on_failure(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.switch_or(line, "Invalid inhibit_on_failure parameter");
    if let Some(real) = low.real() {
        real.inhibit_on_failure = value.or(real.inhibit_on_failure);
    }
}

/// `smtp_alert [BOOL]`.
pub(crate) fn smtp_alert(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.switch_or(line, "Invalid real_server smtp_alert parameter");
    if let Some(real) = low.real() {
        real.smtp_alert = value.or(real.smtp_alert);
    }
}

/// `alpha [BOOL]`.
pub(crate) fn alpha(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.switch_or(line, "Invalid alpha parameter");
    if let Some(inherited) = low.real_for_checks() {
        inherited.alpha = value.or(inherited.alpha);
    }
}

/// `retry N`.
pub(crate) fn retry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.server_retry(line);
    if let Some(inherited) = low.real_for_checks() {
        inherited.retry = value.or(inherited.retry);
    }
}

/// `delay_before_retry SECS`.
pub(crate) fn delay_before_retry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.delay(line);
    if let Some(inherited) = low.real_for_checks() {
        inherited.delay_before_retry = value.or(inherited.delay_before_retry);
    }
}

/// `warmup SECS`.
pub(crate) fn warmup(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.delay(line);
    if let Some(inherited) = low.real_for_checks() {
        inherited.warmup = value.or(inherited.warmup);
    }
}

/// `connect_timeout SECS`.
pub(crate) fn connect_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let invalid = |word: &str| format!("real server connect_timeout {word} invalid - ignoring");
    let value = low.positive(line, LONGEST_TIMEOUT, invalid);
    if let Some(inherited) = low.real_for_checks() {
        inherited.connect_timeout = value.or(inherited.connect_timeout);
    }
}

/// `delay_loop SECS`.
pub(crate) fn delay_loop(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let invalid = |word: &str| format!("real server delay_loop '{word}' invalid - ignoring");
    let value = low.positive(line, LONGEST_DELAY, invalid);
    if let Some(inherited) = low.real_for_checks() {
        inherited.delay_loop = value.or(inherited.delay_loop);
    }
}

/// `virtualhost STRING`.
pub(crate) fn virtualhost(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let host = low.first_word(line, "real server virtualhost missing");
    if let Some(real) = &mut low.lvs.real {
        real.host = host.or(real.host.take());
    }
}

/// `snmp_name STRING`.
pub(crate) fn snmp_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = low.sole_word(line, "real server snmp_name missing or extra parameters");
    if let Some(real) = low.real() {
        real.snmp_name = name.or(real.snmp_name.take());
    }
}

/// A command that may be given once.
fn notify(low: &mut Lowering<'_>, line: Line<'_, '_>, slot: fn(&mut ServerNotify) -> &mut Option<Arc<Command>>) {
    let taken = low
        .lvs
        .real
        .as_mut()
        .is_some_and(|real| slot(&mut real.notify).is_some());
    if taken {
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        let text = format!(
            "({}) {keyword} script already specified - ignoring {word}",
            low.real_name()
        );
        return low.error(line, 1, "script", text);
    }
    let command = low.server_command(line);
    if let Some(real) = &mut low.lvs.real {
        *slot(&mut real.notify) = command;
    }
}

/// `notify_up COMMAND`.
pub(crate) fn notify_up(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    notify(low, line, |notify| &mut notify.up);
}

/// `notify_down COMMAND`.
pub(crate) fn notify_down(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    notify(low, line, |notify| &mut notify.down);
}
