//! The pass over the members of a sync group (`spec/vrrp-behaviour.md` 7).
//!
//! Decides, from nothing but where each member stands, whether all have to move to MASTER or BACKUP, and which state the
//! group as a whole has. That one member in FAULT holds all others there is decided before: it is one of the things they
//! wait for. Does not know timers, adverts or priorities.

use crate::action::StateName;

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not begun.
    Init,
    /// Waiting for something, its own or another member's.
    Fault,
    /// Listening; `claims` if as far as it is concerned the group may go to MASTER.
    Backup {
        /// Its master-down timer has ended, and it heard no better router since.
        claims: bool,
    },
    /// Holding the addresses.
    Master,
    /// Ended.
    Stopped,
}

/// What members have to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Stay,
    /// All go to MASTER.
    Rise,
    /// Those that are MASTER leave it.
    Fall,
}

/// What follows from where the members stand.
///
/// MASTER is reached together only; so where masters and backups are mixed, somebody has left, and all follow.
pub fn decide(members: impl IntoIterator<Item = Standing>) -> Decision {
    let (mut masters, mut others, mut claims) = (0_u32, 0_u32, 0_u32);
    for standing in members {
        match standing {
            Standing::Master => masters += 1,
            Standing::Backup { claims: true } => claims += 1,
            Standing::Backup { claims: false } | Standing::Fault | Standing::Init => others += 1,
            Standing::Stopped => {}
        }
    }
    match (masters, claims, others) {
        (0, 1.., 0) => Decision::Rise,
        (1.., 1.., _) | (1.., _, 1..) => Decision::Fall,
        (_, _, _) => Decision::Stay,
    }
}

/// The state of a group.
pub fn state(members: impl IntoIterator<Item = Standing>) -> StateName {
    let mut state = None;
    for standing in members {
        let name = match standing {
            Standing::Init => StateName::Init,
            Standing::Fault => StateName::Fault,
            Standing::Backup { .. } => StateName::Backup,
            Standing::Master => StateName::Master,
            Standing::Stopped => StateName::Stop,
        };
        state = Some(state.map_or(name, |other| worse(other, name)));
    }
    state.unwrap_or(StateName::Init)
}

/// Of two members the one that decides what the group is.
fn worse(a: StateName, b: StateName) -> StateName {
    let rank = |state: StateName| match state {
        StateName::Fault => 0,
        StateName::Init => 1,
        StateName::Backup => 2,
        StateName::Master => 3,
        StateName::Stop | StateName::Deleted => 4,
    };
    if rank(a) <= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Standing = Standing::Backup { claims: false };
    const CLAIMS: Standing = Standing::Backup { claims: true };

    #[test]
    fn a_group_rises_only_when_all_members_claim() {
        assert_eq!(decide([CLAIMS, CLAIMS]), Decision::Rise);
        assert_eq!(decide([CLAIMS, WAITS]), Decision::Stay);
        assert_eq!(decide([CLAIMS, Standing::Fault]), Decision::Stay);
        assert_eq!(decide([CLAIMS, Standing::Init]), Decision::Stay);
        assert_eq!(decide([]), Decision::Stay);
    }

    #[test]
    fn when_one_leaves_all_leave() {
        assert_eq!(decide([Standing::Master, WAITS]), Decision::Fall);
        assert_eq!(decide([Standing::Master, CLAIMS]), Decision::Fall);
        assert_eq!(decide([Standing::Master, Standing::Fault]), Decision::Fall);
        assert_eq!(decide([Standing::Master, Standing::Master]), Decision::Stay);
        assert_eq!(decide([Standing::Master, Standing::Stopped]), Decision::Stay);
    }

    #[test]
    fn the_state_of_a_group_is_that_of_its_worst_member() {
        assert_eq!(state([Standing::Master, Standing::Master]), StateName::Master);
        assert_eq!(state([Standing::Master, WAITS]), StateName::Backup);
        assert_eq!(state([WAITS, Standing::Fault]), StateName::Fault);
        assert_eq!(state([Standing::Stopped, Standing::Stopped]), StateName::Stop);
    }
}
