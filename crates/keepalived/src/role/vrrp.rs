//! The vrrp role. Until its loop is written it waits for the end.

use super::{Context, Order};
use crate::exit;
use crate::ipc::FromRole;
use crate::log::Level;
use std::os::fd::AsFd;

/// Runs until the supervisor says stop; gives the exit code.
pub(crate) fn run(mut context: Context) -> u8 {
    context.send(&FromRole::Ready {
        generation: context.generation,
    });
    let reporter = context.reporter();
    reporter.say(
        Level::Detail,
        format_args!(
            "{} instances, {} leftovers",
            context.model.vrrp.instances.len(),
            context.leftovers.len()
        ),
    );
    loop {
        while let Some(order) = context.receive() {
            match order {
                Order::Reload { generation, model } => {
                    reporter.say(Level::Detail, format_args!("{} instances", model.vrrp.instances.len()));
                    context.send(&FromRole::Reloaded { generation });
                }
                Order::Dump(kind) => context.answer_dump(kind, ""),
                Order::ClearStats => {}
                Order::Stop => return exit::OK,
            }
        }
        context.flush();
        if let Err(error) = linux::ipc::wait(&[context.as_fd()], context.options.beat_every) {
            reporter.error(error);
            return exit::FATAL;
        }
        if context.options.beat_every.is_some() {
            context.send(&FromRole::Beat);
        }
    }
}
