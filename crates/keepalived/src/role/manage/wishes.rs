//! What a manager sets: from the name and value of an object to a wish for a role.

use super::mib::servers::WEIGHT;
use super::mib::{BASE_PRIORITY, KEEPALIVED, Known, PREEMPT};
use crate::status::{Wish, service_name};
use agentx::{Answer, Value, VarBind};

/// The wish that this is; `None`: what it is about is not there any more.
pub(super) fn of(known: &Known<'_>, bind: &VarBind) -> Option<Wish> {
    let Answer::Value(Value::Integer(number)) = bind.answer else {
        return None;
    };
    match bind.name.numbers().strip_prefix(&KEEPALIVED)? {
        [2, 3, 1, column, row] => {
            let row = known.rows().find(|one| one.number == *row)?;
            let instance = row.config.name.to_string();
            match *column {
                BASE_PRIORITY => Some(Wish::Priority {
                    instance,
                    priority: u8::try_from(number).ok()?,
                }),
                PREEMPT => Some(Wish::Preempt {
                    instance,
                    preempt: number == 1,
                }),
                _ => None,
            }
        }
        [3, 4, 1, WEIGHT, server, row] => {
            let server = known.servers().find(|one| one.number == *server)?;
            let service = &server.server.service;
            // The sorry server is before the others, if there is one.
            let before = 1 + usize::from(service.sorry.is_some());
            let place = usize::try_from(*row).ok()?.checked_sub(before)?;
            let real = service.reals.get(place)?;
            Some(Wish::Weight {
                service: service_name(server.key),
                address: real.at.address,
                port: real.at.port,
                weight: u32::try_from(number).ok()?,
            })
        }
        _ => None,
    }
}
