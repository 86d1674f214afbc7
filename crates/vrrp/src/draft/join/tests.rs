use super::*;
use crate::draft::{Defaults, Draft, Surroundings};
use alloc::vec;
use base::IfName;

struct Nothing;

impl Surroundings for Nothing {
    fn mtu(&self, _: &IfName) -> Option<u32> {
        None
    }
    fn multicast(&self, _: &IfName) -> Option<bool> {
        None
    }
}

fn config(name: &str, priority: u8, trackers: Vec<Tracker>) -> (Name, Config) {
    let draft = Draft {
        interface: Some("eth0".parse().unwrap()),
        vrid: core::num::NonZeroU8::new(1).map(crate::config::Vrid),
        priority: Some(priority),
        trackers,
        ..Draft::default()
    };
    let name = Name::from(name);
    let done = draft.finish(name.clone(), &Defaults::default(), &Nothing);
    (name, done.config.unwrap())
}

fn weighs(object: Tracked, value: i32) -> Tracker {
    Tracker {
        object,
        weight: Weight { value, reverse: false },
    }
}

fn script(name: &str) -> Tracked {
    Tracked::Script(Name::from(name))
}

fn file(name: &str) -> Tracked {
    Tracked::File(Name::from(name))
}

fn link(name: &str) -> Tracked {
    Tracked::Interface(name.parse().unwrap())
}

fn group(name: &str, members: &[&str], trackers: Vec<Tracker>) -> GroupDraft {
    GroupDraft {
        members: members.iter().map(|member| Name::from(*member)).collect(),
        trackers,
        ..GroupDraft::new(Name::from(name))
    }
}

fn run(configs: Vec<(Name, Config)>, groups: Vec<GroupDraft>) -> (BTreeMap<Name, Config>, Joined) {
    let order: Vec<Name> = configs.iter().map(|(name, _)| name.clone()).collect();
    let mut configs: BTreeMap<Name, Config> = configs.into_iter().collect();
    let all = order.iter().cloned().collect();
    let joined = join(&mut configs, &order, groups, &all);
    (configs, joined)
}

fn texts(joined: &Joined) -> Vec<&str> {
    let said = joined.remarks.iter().filter(|remark| !remark.at_start);
    said.map(|remark| remark.finding.text.as_str()).collect()
}

#[test]
fn a_group_takes_only_members_that_exist_and_are_nowhere_else() {
    let configs = vec![config("A", 100, vec![]), config("B", 100, vec![])];
    let groups = vec![
        group("G", &["A", "X", "B"], vec![]),
        group("H", &["B"], vec![]),
        group("I", &[], vec![]),
    ];
    let (configs, joined) = run(configs, groups);
    // C 2.2.7 says these lines.
    assert_eq!(
        texts(&joined),
        [
            "Virtual router X specified in sync group G doesn't exist - ignoring",
            "Virtual router B cannot exist in more than one sync group; ignoring H",
            "Sync group H, no matching virtual router found in group declaration - removing",
            "Sync group I has no virtual router(s). removing",
        ]
    );
    assert_eq!(joined.groups.keys().map(Name::as_str).collect::<Vec<_>>(), ["G"]);
    assert!(configs.values().all(|config| config.group == Some(Name::from("G"))));
}

#[test]
fn a_group_of_one_is_worth_a_warning() {
    let (_, joined) = run(vec![config("A", 100, vec![])], vec![group("G", &["A"], vec![])]);
    assert_eq!(
        texts(&joined),
        ["Sync group G has only 1 virtual router(s) - this probably isn't what you want"]
    );
}

#[test]
fn weights_of_members_need_the_groups_permission() {
    let own = || {
        vec![
            weighs(script("w"), 5),
            weighs(script("s"), 0),
            weighs(file("one"), 1),
            weighs(file("two"), 2),
            weighs(link("eth1"), 3),
            weighs(link("eth0"), 3),
        ]
    };
    let both = |tracking_weight| {
        let configs = vec![config("A", 100, own()), config("B", 100, vec![])];
        let group = GroupDraft {
            tracking_weight,
            ..group("G", &["A", "B"], vec![])
        };
        run(configs, vec![group])
    };
    let (configs, joined) = both(false);
    assert_eq!(
        texts(&joined),
        [
            "(A) ignoring eth1 tracked interface weight due to SYNC group",
            "(A) Ignoring track_interface eth0 since own interface",
            "(A) ignoring tracked script w with weights due to SYNC group",
            "(A) ignoring weight from tracked file one due to SYNC group. specify weight 0",
            "(A) ignoring tracked file two with weight 2 due to SYNC group",
        ]
    );
    let kept = vec![weighs(link("eth1"), 0), weighs(script("s"), 0), weighs(file("one"), 0)];
    assert_eq!(configs[&Name::from("A")].trackers, kept);
    let (configs, _) = both(true);
    assert_eq!(configs[&Name::from("A")].trackers.len(), 5);
}

#[test]
fn what_a_group_tracks_every_member_tracks_by_the_groups_weight_unless_it_is_unweighted_there() {
    let configs = vec![
        config("A", 100, vec![weighs(link("eth1"), 7)]),
        config("B", 100, vec![weighs(link("eth1"), 0)]),
    ];
    let draft = GroupDraft {
        tracking_weight: true,
        ..group("G", &["A", "B"], vec![weighs(link("eth1"), 4), weighs(script("s"), 2)])
    };
    let (configs, joined) = run(configs, vec![draft]);
    let of = |name: &str| configs[&Name::from(name)].trackers.clone();
    assert_eq!(of("A"), [weighs(link("eth1"), 4), weighs(script("s"), 2)]);
    assert_eq!(of("B"), [weighs(link("eth1"), 0), weighs(script("s"), 2)]);
    assert_eq!(texts(&joined).len(), 2);
    assert!(texts(&joined)[0].starts_with("(A) track_interface eth1 is configured on VRRP instance and sync group."));
}

#[test]
fn an_owner_takes_the_weights_of_itself_and_of_its_group() {
    let configs = vec![
        config("A", 255, vec![weighs(link("eth1"), 7), weighs(script("s"), 3)]),
        config("B", 100, vec![]),
    ];
    let groups = vec![group(
        "G",
        &["A", "B"],
        vec![weighs(script("g"), 2), weighs(file("f"), 2)],
    )];
    let (configs, joined) = run(configs, groups);
    assert_eq!(
        texts(&joined),
        [
            "(A) ignoring eth1 tracked interface due to address owner",
            "(A) ignoring tracked script s with weights due to address_owner",
            "(G) Cannot have weighted track script 'g' with member having priority 255 - clearing weight",
            "(G) Cannot have weighted track file 'f' with member having priority 255 - setting weight 0",
        ]
    );
    let all = [weighs(script("g"), 0), weighs(file("f"), 0)];
    assert!(configs.values().all(|config| config.trackers == all));
    assert_eq!(configs[&Name::from("A")].wanted, Wanted::Backup);
}

#[test]
fn only_a_group_of_owners_begins_as_master() {
    let configs = vec![config("A", 255, vec![]), config("B", 255, vec![])];
    let (configs, _) = run(configs, vec![group("G", &["A", "B"], vec![])]);
    assert!(configs.values().all(|config| config.wanted == Wanted::Master));
}
