//! What a reconciliation must not pass over, and must not count.

use std::time::Duration;

use super::service::quirks::NEVER_S;
use super::world::{SECOND, World, closed_by_a_person};
use crate::core::call::{PaymentInfo, PaymentStatus, PaymentType};
use crate::core::record::{Record, ReversalRecord};
use crate::model::money::Kopecks;
use crate::model::operation::{Mode, Outcome, State};
use crate::report::{Compared, Comparison, What};

/// One row past what the journal knows of it.
fn compare(info: &PaymentInfo, known: &Record, undoings: &[ReversalRecord]) -> Compared {
    let mut comparison = Comparison::default();
    comparison.reported(info, Some(known), undoings);
    comparison.journalled(known, true);
    comparison.finish()
}

/// A sale that ended as cancelled, and the service's payment as paid.
fn cancelled() -> (World, PaymentInfo) {
    let mut world = World::begun(Mode::DynamicQr);
    world.join();
    world.advance(3 * SECOND);
    world.abort("s");
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::Cancelled);
    let mut info = world.service.ledger[&1000].info.clone();
    info.status = PaymentStatus::Ok;
    (world, info)
}

#[test]
fn the_newest_undoing_answers_for_a_payment() {
    let (world, info) = cancelled();
    let newest = world.entry("~1").clone();
    let mut older = newest.clone();
    (older.operation.state, older.settled) = (State::Failed, Some("by hand".into()));
    let compared = |undoings: &[ReversalRecord]| compare(&info, &world.journal["s"], undoings);
    assert_eq!(compared(&[newest.clone(), older.clone()]).count(), 0);
    let compared = compared(&[older, newest]);
    assert_eq!(
        (compared.count(), compared.unmoved),
        (1, vec!["s".to_owned()])
    );
}

#[test]
fn what_a_person_left_undone_is_a_difference_until_the_money_is_back() {
    let (world, info) = cancelled();
    for (outcome, count) in [(Outcome::CarriedOut, 0), (Outcome::NotCarriedOut, 1)] {
        let mut entry = world.entry("~1").clone();
        entry.operation.state = State::Failed;
        (entry.settled, entry.outcome) = (Some("by hand".into()), Some(outcome));
        let compared = compare(&info, &world.journal["s"], &[entry]);
        assert_eq!(compared.count(), count, "{outcome:?}");
    }
}

#[test]
fn a_persons_word_that_the_service_bears_out_counts_once() {
    let mut world = World::sold();
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.cancel("c1", "s", false);
    world.advance(Duration::from_secs(4000));
    assert!(world.entry("c1").set_aside);
    let verdict = closed_by_a_person(900, "c1", Outcome::CarriedOut, "проверено");
    world.event(verdict);
    let row = world.service.ledger.values().next_back().unwrap();
    let mut info = row.info.clone();
    info.status = PaymentStatus::Ok;
    let compared = compare(&info, &world.journal["c1"], &[]);
    assert_eq!((compared.count(), compared.till), (0, compared.service));
    assert_eq!(compared.till.cancellations.count, 1);
}

#[test]
fn another_payment_under_the_number_and_another_sum_are_differences() {
    let world = World::sold();
    let own = world.service.ledger[&1000].info.clone();
    let differences = |info: &PaymentInfo| {
        let compared = compare(info, &world.journal["s"], &[]);
        let found = compared.differences.into_iter();
        found.map(|difference| difference.what).collect::<Vec<_>>()
    };
    assert_eq!(differences(&own), []);
    let (mut second, mut dearer) = (own.clone(), own);
    second.payment_id = 2000;
    assert_eq!(differences(&second), [What::UnknownHere]);
    dearer.sum = Kopecks(2000);
    assert_eq!(differences(&dearer), [What::SumDiffers]);
}

#[test]
fn a_row_that_is_there_twice_counts_once() {
    let world = World::sold();
    let own = world.service.ledger[&1000].info.clone();
    let record = &world.journal["s"];
    let compared = |rows: &[&PaymentInfo], known: Option<&Record>| {
        let mut comparison = Comparison::default();
        for row in rows {
            comparison.reported(row, known, &[]);
        }
        known
            .into_iter()
            .for_each(|known| comparison.journalled(known, true));
        comparison.finish()
    };
    let whats = |compared: &Compared| {
        let differences = compared.differences.iter();
        differences.map(|found| found.what).collect::<Vec<_>>()
    };
    let twice = compared(&[&own, &own], Some(record));
    assert_eq!((twice.count(), twice.till), (0, twice.service));
    assert_eq!(twice.service.sales.count, 1);
    // The same of what the till does not know.
    let foreign = compared(&[&own, &own], None);
    assert_eq!(whats(&foreign), [What::UnknownHere]);
    assert_eq!(foreign.service.sales.count, 1);
    // Another row of the same number is none of these: it states something else.
    let (mut pending, mut dearer) = (own.clone(), own.clone());
    pending.status = PaymentStatus::InProgress;
    dearer.sum = Kopecks(2000);
    assert_eq!(
        whats(&compared(&[&own, &dearer], Some(record))),
        [What::SumDiffers]
    );
    let changed = compared(&[&pending, &own], Some(record));
    assert_eq!(whats(&changed), [What::StatusDiffers]);
    assert_eq!(changed.till, changed.service);
}

#[test]
fn a_row_of_another_kind_is_not_the_operation() {
    let world = World::sold();
    let mut row = world.service.ledger[&1000].info.clone();
    for odd in [
        PaymentType::Purchase,
        PaymentType::ReversalOfSale,
        PaymentType::Unknown(7),
    ] {
        row.payment_type = odd;
        let compared = compare(&row, &world.journal["s"], &[]);
        let differences = compared.differences.iter();
        let whats: Vec<What> = differences.map(|found| found.what).collect();
        assert_eq!(whats, [What::UnknownHere, What::UnknownThere], "{odd:?}");
        assert_eq!(compared.till.sales.count, 1);
    }
}

#[test]
fn what_one_side_lacks_is_a_difference() {
    let world = World::sold();
    let mut comparison = Comparison::default();
    comparison.reported(&world.service.ledger[&1000].info, None, &[]);
    comparison.journalled(&world.journal["s"], false);
    let found = comparison.finish().differences.into_iter();
    let found: Vec<What> = found.map(|difference| difference.what).collect();
    assert_eq!(found, [What::UnknownHere, What::UnknownThere]);
}
