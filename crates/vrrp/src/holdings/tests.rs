use super::*;
use crate::action::AddressStep;
use crate::config::AddressFlags;
use crate::config::{AddressKey, VirtualAddress};
use crate::input::InterfaceFacts;
use alloc::collections::BTreeSet;
use alloc::vec;
use base::IfName;
use base::{IfIndex, Prefix};
use core::net::{IpAddr, Ipv4Addr};
use proptest::prelude::*;

const EEXIST: i32 = 17;
const EADDRNOTAVAIL: i32 = 99;

/// What a test does to the holdings.
#[derive(Clone, Debug)]
enum Deed {
    Hold(usize, u8),
    Release(usize, u8),
    /// The kernel will refuse some steps of the next batch for a reason of its own.
    Refuse(Vec<(usize, i32)>),
    /// The answer to the oldest batch arrives.
    Answer,
    /// Some of the kernel's reports arrive.
    Hear(usize),
    /// Somebody else takes away an address.
    Steal(u8),
    /// The interface goes, and its addresses with it.
    LoseInterface,
    GainInterface,
    Wait,
}

proptest! {
    #[test]
    fn whatever_happens_the_kernel_ends_with_what_is_wanted_and_then_nothing_is_left_to_do(
        deeds in proptest::collection::vec(deed(), 0..60)
    ) {
        let mut bench = Bench::new();
        for deed in &deeds {
            bench.does(deed);
        }
        bench.does(&Deed::GainInterface);
        bench.settle();
        prop_assert_eq!(&bench.kernel, &bench.wanted());
        prop_assert!(bench.holdings.is_settled());
        let mut nothing = Vec::new();
        bench.holdings.pump(bench.now, &bench.interfaces, &mut nothing);
        prop_assert_eq!(nothing, []);
    }

    #[test]
    fn a_batch_is_never_larger_than_its_limit_and_never_two_in_one_direction(
        deeds in proptest::collection::vec(deed(), 0..60)
    ) {
        let mut bench = Bench::new();
        for deed in &deeds {
            bench.does(deed);
            let adding = |step: &AddressStep| match step {
                AddressStep::Add { .. } => true,
                AddressStep::Remove { .. } => false,
            };
            let adds = bench.outstanding.iter().filter(|(_, steps, _)| steps.iter().any(adding)).count();
            prop_assert!(adds <= 1 && bench.outstanding.len() - adds <= 1);
            prop_assert!(bench.outstanding.iter().all(|(_, steps, _)| steps.len() <= BATCH));
        }
    }
}

#[test]
fn an_address_goes_with_the_other_end_it_was_put_there_with() {
    let mut bench = Bench::new();
    let address = with_peer(1, "10.9.9.9");
    bench.holdings.hold(Slot(0), &address);
    bench.settle();
    bench.holdings.release(Slot(0), &address.key());
    let removal = AddressStep::Remove {
        interface: IfIndex(2),
        key: address.key(),
        peer: address.peer,
    };
    assert_eq!(bench.next_steps(), [removal]);
}

#[test]
fn an_address_with_other_options_is_taken_away_as_it_was_and_put_there_as_it_is_wanted() {
    let mut bench = Bench::new();
    let (old, new) = (with_peer(1, "10.9.9.9"), with_peer(1, "10.9.9.8"));
    bench.holdings.hold(Slot(0), &old);
    bench.settle();
    assert!(!bench.holdings.hold(Slot(0), &new));
    let removal = AddressStep::Remove {
        interface: IfIndex(2),
        key: old.key(),
        peer: old.peer,
    };
    assert_eq!(bench.next_steps(), [removal]);
    bench.answer();
    let interface = IfIndex(2);
    assert_eq!(
        bench.next_steps(),
        [AddressStep::Add {
            interface,
            address: new
        }]
    );
}

#[test]
fn whether_a_loss_matters_is_no_option_of_the_kernel() {
    let mut bench = Bench::new();
    let address = with_peer(1, "10.9.9.9");
    bench.holdings.hold(Slot(0), &address);
    bench.settle();
    let untracked = Arc::new(VirtualAddress {
        tracked: false,
        ..(*address).clone()
    });
    assert!(bench.holdings.hold(Slot(0), &untracked));
    assert_eq!(bench.next_steps(), []);
}

#[test]
fn a_loss_that_may_be_old_news_leaves_no_address_behind() {
    // The report is of an earlier removal, or the interface has another name now: the kernel has the address.
    let mut bench = Bench::new();
    let address = with_peer(1, "10.9.9.9");
    bench.holdings.hold(Slot(0), &address);
    bench.settle();
    let report = bench.holdings.observed(bench.now, &address.key(), false);
    assert_eq!(report, Report::Repairing(vec![Slot(0)]));
    bench.holdings.release(Slot(0), &address.key());
    assert_eq!(bench.next_steps().len(), 1);
}

#[test]
fn an_addition_of_unknown_outcome_is_taken_back_when_it_is_no_longer_wanted() {
    let mut bench = Bench::new();
    let address = with_peer(1, "10.9.9.9");
    bench.holdings.hold(Slot(0), &address);
    let (batch, ..) = bench.pump_once();
    bench.holdings.finished(bench.now, batch, &[(0, 0)]);
    bench.holdings.release(Slot(0), &address.key());
    assert_eq!(bench.next_steps().len(), 1);
}

#[test]
fn an_interface_that_changes_often_does_not_multiply_what_is_tried_again() {
    let mut bench = Bench::new();
    let address = with_peer(1, "10.9.9.9");
    bench.holdings.hold(Slot(0), &address);
    for _ in 0..50 {
        let (batch, ..) = bench.pump_once();
        bench.holdings.finished(bench.now, batch, &[(0, 1)]);
        bench.holdings.retry_on(eth0());
    }
    assert!(bench.holdings.retries.len() <= 1, "{}", bench.holdings.retries.len());
}

#[test]
fn what_is_taken_away_is_put_back_twice_in_a_second_and_the_third_time_its_owners_hear_of_it() {
    let mut bench = Bench::new();
    let address = with_peer(1, "10.9.9.9");
    bench.holdings.hold(Slot(0), &address);
    bench.settle();
    let lose = |bench: &mut Bench| {
        let report = bench.holdings.observed(bench.now, &address.key(), false);
        bench.now = bench.now.after(Duration::from_millis(300));
        bench.pump();
        bench.answer();
        report
    };
    let repairing = Report::Repairing(vec![Slot(0)]);
    assert_eq!(lose(&mut bench), repairing);
    assert_eq!(lose(&mut bench), repairing);
    bench.now = bench.now.after(Duration::from_secs(1));
    assert_eq!(lose(&mut bench), repairing, "the others are too long ago");
    assert_eq!(lose(&mut bench), repairing);
    assert_eq!(lose(&mut bench), Report::Lost(vec![Slot(0)]));
    assert!(!bench.holdings.is_installed(&address.key()));
}

#[test]
fn the_owners_hear_of_a_repair_that_is_refused_unless_the_interface_is_the_reason() {
    for (errno, hear) in [(1, true), (19, false), (100, false)] {
        let mut bench = Bench::new();
        let address = with_peer(1, "10.9.9.9");
        bench.holdings.hold(Slot(0), &address);
        bench.settle();
        bench.holdings.observed(bench.now, &address.key(), false);
        let (batch, _, _) = bench.pump_once();
        let outcome = bench.holdings.finished(bench.now, batch, &[(0, errno)]);
        assert_eq!(!outcome.lost.is_empty(), hear, "error {errno}");
        // Tried again later, and then it is no repair.
        bench.now = bench.now.after(Duration::from_secs(2));
        let (batch, _, _) = bench.pump_once();
        let outcome = bench.holdings.finished(bench.now, batch, &[(0, errno)]);
        assert_eq!(outcome.lost, []);
    }
}

#[test]
fn what_is_taken_away_before_the_answer_is_here_is_not_taken_for_there() {
    let mut bench = Bench::new();
    let address = with_peer(1, "10.9.9.9");
    bench.holdings.hold(Slot(0), &address);
    let (batch, _, _) = bench.pump_once();
    bench.holdings.observed(bench.now, &address.key(), true);
    bench.holdings.observed(bench.now, &address.key(), false);
    let outcome = bench.holdings.finished(bench.now, batch, &[]);
    assert_eq!(outcome.gone_again, [address.key()]);
    assert_eq!(
        bench.holdings.lost(bench.now, &address.key()),
        Report::Repairing(vec![Slot(0)])
    );
}

fn deed() -> impl Strategy<Value = Deed> {
    let errno = prop_oneof![Just(1), Just(12)];
    prop_oneof![
        4 => (0usize..3, 0u8..100).prop_map(|(slot, n)| Deed::Hold(slot, n)),
        3 => (0usize..3, 0u8..100).prop_map(|(slot, n)| Deed::Release(slot, n)),
        2 => proptest::collection::vec((0usize..4, errno), 0..3).prop_map(Deed::Refuse),
        4 => Just(Deed::Answer),
        3 => (1usize..200).prop_map(Deed::Hear),
        3 => (0u8..100).prop_map(Deed::Steal),
        1 => Just(Deed::LoseInterface),
        1 => Just(Deed::GainInterface),
        1 => Just(Deed::Wait),
    ]
}

/// A batch, its steps and the refusals that its answer will bring.
type Outstanding = (BatchId, Vec<AddressStep>, Vec<(usize, i32)>);

struct Bench {
    holdings: Holdings<VirtualAddress>,
    interfaces: Interfaces,
    kernel: BTreeSet<AddressKey>,
    owners: BTreeSet<(AddressKey, usize)>,
    refusing: Vec<(usize, i32)>,
    /// The kernel does the work when it is asked; only its answer takes time.
    outstanding: Vec<Outstanding>,
    /// What the kernel has reported and nobody has heard yet.
    reports: VecDeque<(AddressKey, bool)>,
    now: Instant,
}

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench {
            holdings: Holdings::default(),
            interfaces: Interfaces::default(),
            kernel: BTreeSet::new(),
            owners: BTreeSet::new(),
            refusing: Vec::new(),
            outstanding: Vec::new(),
            reports: VecDeque::new(),
            now: Instant::ZERO,
        };
        bench.does(&Deed::GainInterface);
        bench
    }

    fn wanted(&self) -> BTreeSet<AddressKey> {
        self.owners.iter().map(|(key, _)| *key).collect()
    }

    fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Hold(slot, n) => {
                // An instance takes and drops addresses in tens, so that batches fill.
                for address in tens(*n) {
                    self.owners.insert((address.key(), *slot));
                    self.holdings.hold(Slot(*slot), &address);
                }
            }
            Deed::Release(slot, n) => {
                for address in tens(*n) {
                    self.owners.remove(&(address.key(), *slot));
                    self.holdings.release(Slot(*slot), &address.key());
                }
            }
            Deed::Refuse(refused) => self.refusing.clone_from(refused),
            Deed::Answer => self.answer(),
            Deed::Hear(most) => self.hear(*most),
            Deed::Steal(n) => {
                for address in tens(*n).take(1) {
                    if self.kernel.remove(&address.key()) {
                        self.reports.push_back((address.key(), false));
                    }
                }
            }
            Deed::LoseInterface => {
                let gone = core::mem::take(&mut self.kernel);
                self.reports.extend(gone.into_iter().map(|key| (key, false)));
                // Addresses and interfaces are reported in one stream.
                self.hear(usize::MAX);
                self.interfaces.update(eth0(), None);
                self.holdings.lost_interface(eth0());
            }
            Deed::GainInterface => {
                self.interfaces.update(eth0(), Some(facts()));
                self.holdings.retry_on(eth0());
            }
            Deed::Wait => self.now = self.now.after(Duration::from_secs(2)),
        }
        self.pump();
    }

    fn pump(&mut self) {
        let mut actions = Vec::new();
        self.holdings.pump(self.now, &self.interfaces, &mut actions);
        for action in actions {
            match action {
                Action::ChangeAddresses { batch, steps } => {
                    let refused = self.work(&steps);
                    self.outstanding.push((batch, steps, refused));
                }
                Action::SendAdvert(_)
                | Action::ChangeRoutes { .. }
                | Action::ChangeRules { .. }
                | Action::PromoteSecondaries { .. }
                | Action::Announce(_)
                | Action::Notify { .. }
                | Action::NotifyGroup { .. }
                | Action::NotifyPriority { .. }
                | Action::LowerPrioritySeen { .. }
                | Action::Tell(_)
                | Action::ChangeFilter { .. }
                | Action::SocketsChanged => panic!("{action:?}"),
            }
        }
    }

    /// Asks for what is due, which is one batch.
    fn pump_once(&mut self) -> Outstanding {
        self.pump();
        let last = self.outstanding.pop();
        last.unwrap_or_else(|| panic!("nothing is due: {:?}", self.holdings))
    }

    /// The steps of what is due, which stays outstanding.
    fn next_steps(&mut self) -> Vec<AddressStep> {
        let before = self.outstanding.len();
        self.pump();
        let new = self.outstanding.iter().skip(before);
        new.flat_map(|(_, steps, _)| steps.clone()).collect()
    }

    fn work(&mut self, steps: &[AddressStep]) -> Vec<(usize, i32)> {
        let wished = core::mem::take(&mut self.refusing);
        let mut refused = Vec::new();
        for (position, step) in steps.iter().enumerate() {
            let wish = wished.iter().find(|(at, _)| *at == position);
            let errno = match (step, wish) {
                (_, Some((_, errno))) => Some(*errno),
                (AddressStep::Add { address, .. }, None) => {
                    let key = address.key();
                    let new = self.kernel.insert(key);
                    self.reports.extend(new.then_some((key, true)));
                    (!new).then_some(EEXIST)
                }
                (AddressStep::Remove { key, .. }, None) => {
                    let was = self.kernel.remove(key);
                    self.reports.extend(was.then_some((*key, false)));
                    (!was).then_some(EADDRNOTAVAIL)
                }
            };
            refused.extend(errno.map(|errno| (position, errno)));
        }
        refused
    }

    fn answer(&mut self) {
        if self.outstanding.is_empty() {
            return;
        }
        let (batch, _, refused) = self.outstanding.remove(0);
        let outcome = self.holdings.finished(self.now, batch, &refused);
        for key in outcome.gone_again {
            self.holdings.lost(self.now, &key);
        }
    }

    /// Hears up to `most` reports.
    fn hear(&mut self, most: usize) {
        for _ in 0..most.min(self.reports.len()) {
            if let Some((key, present)) = self.reports.pop_front() {
                self.holdings.observed(self.now, &key, present);
            }
        }
    }

    fn settle(&mut self) {
        // Each wait ends every backoff that is shorter; answers are then all good.
        for _ in 0..200 {
            while !self.outstanding.is_empty() || !self.reports.is_empty() {
                self.answer();
                self.hear(1);
                self.pump();
            }
            self.now = self.now.after(Duration::from_secs(100));
            self.pump();
            if self.outstanding.is_empty() && self.holdings.deadline().is_none() {
                return;
            }
        }
        panic!("never settles: {:?}", self.holdings);
    }
}

fn tens(n: u8) -> impl Iterator<Item = Arc<VirtualAddress>> {
    (0..10).map(move |m| {
        Arc::new(VirtualAddress {
            prefix: Prefix::host(IpAddr::V4(Ipv4Addr::new(10, 0, n, m))),
            interface: eth0(),
            scope: 0,
            broadcast: None,
            label: None,
            peer: None,
            flags: AddressFlags::default(),
            preferred_lifetime: None,
            tracked: true,
        })
    })
}

fn with_peer(n: u8, peer: &str) -> Arc<VirtualAddress> {
    let address = tens(n).next().unwrap();
    Arc::new(VirtualAddress {
        peer: Some(peer.parse().unwrap()),
        ..(*address).clone()
    })
}

fn eth0() -> IfName {
    "eth0".parse().unwrap()
}

fn facts() -> InterfaceFacts {
    InterfaceFacts {
        index: IfIndex(2),
        mac: None,
        mtu: 1500,
        up: true,
        running: true,
        multicast: true,
        noarp: false,
        forwarding6: false,
        ipv4: Vec::new(),
        link_local: Vec::new(),
        ipv6: Vec::new(),
    }
}
