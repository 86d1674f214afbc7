//! How what the engine says and announces reads in the log.

use crate::log::Level;
use ::vrrp::action::{Announced, Announcement};
use ::vrrp::event;
use base::IfName;

/// The level of a line for the level of an event.
pub(super) fn level(level: event::Level) -> Level {
    match level {
        event::Level::Debug => Level::Debug,
        event::Level::Detail => Level::Detail,
        event::Level::Info => Level::Info,
        event::Level::Warning => Level::Warning,
    }
}

/// The line about one announcement, in the words of the original.
pub(super) fn announcement(announcement: &Announcement, place: Option<&IfName>) -> String {
    let place = place.map_or_else(|| announcement.interface.to_string(), ToString::to_string);
    match announcement.what {
        Announced::Arp(address) => format!("Sending gratuitous ARP on {place} for {address}"),
        Announced::Neighbour { address, .. } => {
            format!("Sending unsolicited Neighbour Advert on {place} for {address}")
        }
    }
}
