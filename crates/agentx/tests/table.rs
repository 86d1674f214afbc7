//! What is said of names, in the order of a walk.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use agentx::pdu::{Range, Status};
use agentx::table::{Builder, MAX_ANSWERS};
use agentx::{Answer, Oid, Permit, Table, Value, VarBind};
use proptest::prelude::*;

fn oid(numbers: &[u32]) -> Oid {
    Oid::new(numbers)
}

fn table() -> Table {
    let mut builder = Builder::default();
    // In no order at all.
    builder.put(&oid(&[1, 3, 2]), &[10], Value::text("ten"));
    builder.put(&oid(&[1, 3, 2]), &[9], Value::text("nine"));
    builder.put(&oid(&[1, 3, 1]), &[0], Value::Integer(1));
    builder.put_with(&oid(&[1, 3, 3]), &[9], Value::Integer(100), Permit::Integer(1, 255));
    builder.put(&oid(&[1, 3, 2]), &[9], Value::text("again"));
    Table::new(builder)
}

fn range(start: &[u32], include: bool, end: &[u32]) -> Range {
    Range {
        start: oid(start),
        include,
        end: oid(end),
    }
}

#[test]
fn a_name_that_is_there_has_its_value_and_of_two_the_first_counts() {
    assert_eq!(table().len(), 4);
    assert_eq!(table().get(&oid(&[1, 3, 2, 9])), Answer::Value(Value::text("nine")));
    assert_eq!(table().get(&oid(&[1, 3, 1, 0])), Answer::Value(Value::Integer(1)));
}

#[test]
fn an_object_without_this_instance_is_told_apart_from_no_object() {
    for missing in [
        &[1, 3, 2, 8][..],
        &[1, 3, 2, 11],
        &[1, 3, 2],
        &[1, 3, 2, 9, 1],
        &[1, 3, 3, 10],
    ] {
        assert_eq!(table().get(&oid(missing)), Answer::NoSuchInstance, "{missing:?}");
    }
    for unknown in [&[1, 3, 4, 1][..], &[1, 3], &[1, 3, 0], &[], &[2]] {
        assert_eq!(table().get(&oid(unknown)), Answer::NoSuchObject, "{unknown:?}");
    }
    assert_eq!(Table::default().get(&oid(&[1])), Answer::NoSuchObject);
}

#[test]
fn a_walk_visits_every_object_once_and_ends() {
    let (table, mut place, mut names) = (table(), range(&[1], false, &[]), Vec::new());
    loop {
        let next = table.next(&place);
        if next.answer == Answer::EndOfMibView {
            assert_eq!(next.name, place.start);
            break;
        }
        names.push(next.name.to_string());
        place.start = next.name;
    }
    assert_eq!(names, [".1.3.1.0", ".1.3.2.9", ".1.3.2.10", ".1.3.3.9"]);
}

#[test]
fn the_beginning_of_a_range_counts_if_it_is_included_and_its_end_never() {
    let at = [1, 3, 2, 9];
    assert_eq!(table().next(&range(&at, true, &[])).name, oid(&at));
    assert_eq!(table().next(&range(&at, false, &[])).name, oid(&[1, 3, 2, 10]));
    assert_eq!(
        table().next(&range(&at, false, &[1, 3, 2, 10])).answer,
        Answer::EndOfMibView
    );
}

#[test]
fn a_bulk_request_repeats_only_what_is_not_asked_once_and_stops_at_the_end() {
    let ranges = [range(&[1], false, &[]), range(&[1, 3, 2], false, &[1, 3, 3])];
    let answers = table().bulk(1, 5, &ranges);
    let names: Vec<String> = answers.iter().map(|bind| bind.name.to_string()).collect();
    assert_eq!(names, [".1.3.1.0", ".1.3.2.9", ".1.3.2.10", ".1.3.2.10"]);
    assert_eq!(answers[3].answer, Answer::EndOfMibView);
    assert_eq!(table().bulk(9, 5, &ranges).len(), 2);
    assert_eq!(table().bulk(0, 0, &ranges), []);
}

#[test]
fn a_bulk_request_without_measure_gets_a_limited_answer() {
    let mut builder = Builder::default();
    for number in 0..5000 {
        builder.put(&oid(&[1]), &[number], Value::Integer(0));
    }
    let answers = Table::new(builder).bulk(0, u16::MAX, &[range(&[1], false, &[])]);
    assert_eq!(answers.len(), MAX_ANSWERS);
}

#[test]
fn only_what_is_permitted_may_be_set() {
    let test = |name: &[u32], value| table().test(&[VarBind::new(oid(name), value)]);
    assert_eq!(test(&[1, 3, 3, 9], Value::Integer(255)), Ok(()));
    assert_eq!(test(&[1, 3, 3, 9], Value::Integer(256)), Err((1, Status::WRONG_VALUE)));
    assert_eq!(test(&[1, 3, 3, 9], Value::Gauge32(5)), Err((1, Status::WRONG_TYPE)));
    assert_eq!(test(&[1, 3, 1, 0], Value::Integer(5)), Err((1, Status::NOT_WRITABLE)));
    assert_eq!(test(&[1, 3, 3, 8], Value::Integer(5)), Err((1, Status::NO_CREATION)));
    let good = VarBind::new(oid(&[1, 3, 3, 9]), Value::Integer(5));
    let bad = VarBind::new(oid(&[1, 3, 1, 0]), Value::Integer(5));
    assert_eq!(table().test(&[good, bad]), Err((2, Status::NOT_WRITABLE)));
}

proptest! {
    #[test]
    fn what_comes_next_is_the_smallest_name_beyond(names in proptest::collection::btree_set(
        proptest::collection::vec(0_u32..4, 1..5), 0..30), start in proptest::collection::vec(0_u32..4, 0..5)) {
        let mut builder = Builder::default();
        for name in &names {
            builder.put(&oid(name), &[], Value::Null);
        }
        let next = Table::new(builder).next(&range(&start, false, &[]));
        match names.iter().find(|name| **name > start) {
            Some(wanted) => prop_assert_eq!(next.name, oid(wanted)),
            None => prop_assert_eq!(next.answer, Answer::EndOfMibView),
        }
    }
}
