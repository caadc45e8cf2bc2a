//! Anything may happen in any order: the promises hold after every step, and when the trouble ends,
//! the money is where it belongs.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{Fate, World};
use crate::core::call::PaymentStatus;
use crate::model::operation::{Kind, Mode, State};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Deed {
    Begin,
    Abort,
    Scan,
    Join,
    Buyer(PaymentStatus),
    Answer(Fate),
    Pass(u64),
    Crash(u64),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::NotSent),
        1 => Just(Fate::RequestLost),
        1 => Just(Fate::AnswerLost),
        1 => (1_u64..20).prop_map(Fate::Late),
        1 => Just(Fate::TokenNeeded),
    ]
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Begin),
        1 => Just(Deed::Abort),
        2 => Just(Deed::Scan),
        2 => Just(Deed::Join),
        2 => Just(Deed::Buyer(PaymentStatus::Ok)),
        1 => Just(Deed::Buyer(PaymentStatus::Decline)),
        12 => fates().prop_map(Deed::Answer),
        6 => (1_u64..15_000).prop_map(Deed::Pass),
        1 => (0_u64..300).prop_map(Deed::Crash),
    ]
}

/// Sales, each until it is final; `World` checks every write and every request on the way.
fn play(mode: Mode, deeds: Vec<Deed>) -> World {
    let mut world = World::new(mode);
    let mut sales = 0;
    for deed in deeds {
        match deed {
            Deed::Begin => {
                sales += 1;
                world.begin(&format!("s{sales}"), 100 + sales);
            }
            Deed::Abort => {
                let open = world
                    .journal
                    .values()
                    .find(|record| record.is_open() && record.operation().of.is_none());
                if let Some(id) = open.map(|record| record.operation().id.clone()) {
                    world.abort(&id);
                }
            }
            Deed::Scan => world.scan(&format!("https://getapp.o-plati.by/c/{sales}")),
            Deed::Join => world.join(),
            Deed::Buyer(status) => world.buyer(status),
            Deed::Answer(fate) => world.answer(fate),
            Deed::Pass(millis) => world.pass(Duration::from_millis(millis)),
            Deed::Crash(seconds) => world.crash(Duration::from_secs(seconds)),
        }
    }
    world
}

/// With the trouble over, the queue empties and every sale that is not done took no money.
fn check_peace(world: &mut World) -> Result<(), TestCaseError> {
    world.advance(Duration::from_secs(600));
    prop_assert_eq!(
        world.core.status(world.now).queue_depth,
        0,
        "the queue never empties"
    );
    for record in world.journal.values() {
        let operation = record.operation();
        prop_assert!(
            operation.state.is_final() || operation.undo.is_some(),
            "{:?} hangs",
            operation
        );
        if operation.kind != Kind::Sale {
            continue;
        }
        let ours =
            |id: &&i64| world.service.ledger[*id].info.order_number == operation.order_number;
        let payments: Vec<&i64> = world.service.ledger.keys().filter(ours).collect();
        prop_assert!(payments.len() <= 1);
        let taken: i64 = payments
            .iter()
            .filter(|id| world.service.ledger[**id].info.status == PaymentStatus::Ok)
            .map(|id| operation.amount.0 - world.service.reversed(**id))
            .sum();
        let owed = if operation.state == State::Done {
            operation.amount.0
        } else {
            0
        };
        prop_assert_eq!(taken, owed, "{:?}", operation);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_money_is_where_it_belongs(
        mode in prop_oneof![Just(Mode::ConsumerQr), Just(Mode::StaticQr), Just(Mode::DynamicQr)],
        deeds in prop::collection::vec(deeds(), 1..120),
    ) {
        let mut world = play(mode, deeds);
        check_peace(&mut world)?;
    }
}
