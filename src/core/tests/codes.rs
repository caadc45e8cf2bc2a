//! Buyers' codes: which of them pays, and which goes on to the till.

use super::stories::paying;
use super::world::{Fate, SECOND, World};
use crate::core::call::PaymentStatus;
use crate::model::operation::{Mode, State};

#[test]
fn goods_codes_go_on_and_a_refused_code_may_be_followed_by_another() {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan("4810268003455");
    assert_eq!(world.operation("s").message, "Это не код О!плати");
    assert_eq!(world.state("s"), State::AwaitingScan);
    world.scan("https://getapp.o-plati.by/c/OLD");
    world.answer(Fate::Refused);
    assert_eq!(
        (world.state("s"), world.operation("s").message.as_str()),
        (State::AwaitingScan, "нельзя")
    );
    world.scan("https://getapp.o-plati.by/c/NEW");
    world.answer(Fate::RequestLost);
    assert_eq!(
        world.state("s"),
        State::AwaitingScan,
        "a lost demandPayment asks for the code again"
    );
    world.scan("https://getapp.o-plati.by/c/NEW");
    world.settle();
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
}

#[test]
fn a_code_read_just_before_the_sale_counts_once() {
    let mut world = World::new(Mode::ConsumerQr);
    world.scan("https://getapp.o-plati.by/c/AB12");
    world.pass(SECOND / 2);
    world.begin("s", 1999);
    world.settle();
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    world.scan("https://getapp.o-plati.by/c/AB12");
    world.begin("t", 1999);
    world.settle();
    assert_eq!(
        world.state("t"),
        State::AwaitingScan,
        "the last used code never pays again"
    );
}

/// The same buyer pays twice in a row: nothing is known of how long a code lives, and a sale that asks for
/// one leaves it to the service.
#[test]
fn an_armed_sale_takes_a_code_that_paid_another() {
    let code = "https://getapp.o-plati.by/c/AB12";
    let mut world = paying();
    world.settle();
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    world.begin("t", 5);
    world.settle();
    assert_eq!(world.state("t"), State::AwaitingScan);
    world.scan(code);
    world.settle();
    assert_eq!(world.state("t"), State::AwaitingConfirmation);
}

/// A presentation scanner sees the telephone as long as it is held there.
#[test]
fn a_buyers_code_that_is_read_again_while_its_sale_lasts_is_not_the_tills() {
    let code = "https://getapp.o-plati.by/c/AB12";
    let mut world = World::new(Mode::ConsumerQr);
    world.scan(code);
    assert!(!world.withheld, "nobody awaits a code");
    world.begin("s", 1999);
    world.settle();
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.scan(code);
    assert!(world.withheld);
    world.scan("https://example.by/of-another");
    assert!(!world.withheld, "it is not the buyer's of this sale");
    world.scan("4810268003455");
    assert!(!world.withheld, "goods are the till's");
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    world.scan(code);
    assert!(!world.withheld, "the sale is over");
}

#[test]
fn a_code_read_while_the_sale_waits_to_begin_counts_and_so_does_one_just_before() {
    for before in [true, false] {
        let mut world = paying();
        world.answer(Fate::NotSent);
        let code = "https://getapp.o-plati.by/c/NEXT";
        if before {
            world.scan(code);
            world.pass(SECOND / 2);
        }
        world.begin("t", 5);
        assert!(
            !world.journal.contains_key("t"),
            "the connection is probed first"
        );
        world.pass(SECOND);
        if !before {
            world.scan(code);
            assert!(world.withheld);
        }
        world.scan("4810268003455");
        assert!(!world.withheld);
        world.settle();
        assert_eq!(world.state("t"), State::AwaitingConfirmation);
    }
}

#[test]
fn a_code_read_earlier_pays_nothing() {
    let mut world = World::new(Mode::ConsumerQr);
    world.scan("https://getapp.o-plati.by/c/AB12");
    world.pass(2 * SECOND);
    world.begin("s", 1999);
    world.settle();
    assert_eq!(world.state("s"), State::AwaitingScan);
}
