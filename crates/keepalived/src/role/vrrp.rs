//! The vrrp role. Until its loop is written it waits for the end.

use super::{Context, Order};
use crate::exit;
use crate::ipc::FromRole;
use std::os::fd::AsFd;

/// Runs until the supervisor says stop; gives the exit code.
pub(crate) fn run(mut context: Context) -> u8 {
    context.send(&FromRole::Ready);
    loop {
        while let Some(order) = context.receive() {
            match order {
                Order::Reload { generation, .. } => context.send(&FromRole::Reloaded { generation }),
                Order::Dump(kind) => context.answer_dump(kind, ""),
                Order::ClearStats => {}
                Order::Stop => return exit::OK,
            }
        }
        context.flush();
        if let Err(error) = linux::ipc::wait(&[context.as_fd()], context.options.beat_every) {
            context.reporter().error(error);
            return exit::FATAL;
        }
        if context.options.beat_every.is_some() {
            context.send(&FromRole::Beat);
        }
    }
}
