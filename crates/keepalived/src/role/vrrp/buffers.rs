//! Room for what the kernel reports while nobody reads (`vrrp_netlink_*_rcv_bufs`, `process_monitor_rcv_bufs`).
//!
//! Ours are large already, and past the system's limit: a smaller number leaves them, a larger one makes them larger.

use super::Role;
use super::dump::Known;
use conf::Model;
use conf::model::{Global, ReceiveBuffer, Tracking};
use linux::SysError;

impl Role {
    /// Takes over what is needed of a configuration beside what the engine runs.
    pub(super) fn remember(&mut self, model: &mut Model) {
        self.size_buffers(&model.global, &model.tracking);
        self.known = Known::of(model);
    }

    /// The same of the configuration the role begins with.
    pub(super) fn remember_own(&mut self) {
        let mut model = std::mem::take(&mut self.context.model);
        self.remember(&mut model);
        self.context.model = model;
    }

    /// Makes the buffers as large as a configuration wants them at least.
    fn size_buffers(&self, global: &Global, tracking: &Tracking) {
        self.size(global.netlink_command_buffer, |bytes| self.effects.reserve(bytes));
        self.size(global.netlink_monitor_buffer, |bytes| self.watcher.reserve(bytes));
        self.size(global.netlink_monitor_buffer, |bytes| self.ear.reserve(bytes));
        self.size(tracking.process_buffer, |bytes| self.finder.reserve(bytes));
    }

    fn size(&self, wanted: Option<ReceiveBuffer>, reserve: impl Fn(u32) -> Result<(), SysError>) {
        if let Some(wanted) = wanted
            && let Err(error) = reserve(wanted.bytes)
        {
            self.reporter.error(error);
        }
    }
}
