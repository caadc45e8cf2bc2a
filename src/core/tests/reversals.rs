//! Refunds, cancellations and cards, one story for each promise.

use std::time::Duration;

use super::world::{Fate, SECOND, World};
use crate::core::call::PaymentStatus;
use crate::core::event::{Event, Reply as TillReply};
use crate::core::record::ReversalProgress;
use crate::core::scene::Scene;
use crate::model::money::Kopecks;
use crate::model::operation::{Card, ErrorCode, Kind, Mode, State, Undo};
use crate::model::problem::Code;
use crate::texts::original;

/// A till with a paid sale `s` of 19.99.
pub(super) fn sold() -> World {
    let mut world = World::new(Mode::ConsumerQr);
    sell(&mut world, "s", 1999);
    world
}

pub(super) fn sell(world: &mut World, id: &str, amount: i64) {
    world.begin(id, amount);
    world.settle();
    world.scan(&format!("https://getapp.o-plati.by/c/{id}"));
    world.settle();
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    assert_eq!(world.state(id), State::Done);
}

pub(super) fn left(world: &World, id: &str) -> i64 {
    world.operation(id).left.unwrap().0
}

/// What the buyer has paid for `s` and not got back.
pub(super) fn taken(world: &World) -> i64 {
    let operation = world.operation("s");
    operation.amount.0 - world.service.reversed(operation.payment_id.unwrap())
}

#[test]
fn refunds_go_on_until_nothing_is_left() {
    let mut world = sold();
    for (id, amount, rest) in [("r1", 500, 1499), ("r2", 1000, 499), ("r3", 499, 0)] {
        world.refund(id, "s", amount);
        world.settle();
        assert_eq!(world.state(id), State::Done, "{id}");
        assert_eq!((left(&world, "s"), taken(&world)), (rest, rest));
        assert_eq!(world.operation(id).message, "Возврат выполнен");
        let slip = world.operation(id).slip.as_ref().unwrap();
        assert_eq!(slip.amount, Kopecks(amount));
        let amount = Kopecks(amount);
        assert_eq!(world.scenes.last(), Some(&Scene::Refunded { amount }));
    }
    world.refund("r4", "s", 1);
    assert_eq!(world.problem().code, Code::MoreThanLeft);
    assert!(!world.journal.contains_key("r4"));
    world.advance(6 * SECOND);
    assert_eq!(world.scenes.last(), Some(&Scene::Idle));
}

#[test]
fn more_than_is_left_an_unknown_sale_and_a_missing_sale_send_nothing() {
    let mut world = sold();
    let sent = world.requests;
    world.refund("r1", "s", 2000);
    assert_eq!(world.problem().code, Code::MoreThanLeft);
    assert!(world.problem().detail.contains("19.99"));
    world.refund("r1", "nobody", 5);
    assert_eq!(world.problem().status, 404);
    world.cancel("c1", "nobody", false);
    assert_eq!(world.problem().status, 404);
    let receipt = crate::core::validate::tests::request(5).receipt;
    let mut nameless = crate::model::operation::RefundRequest {
        sale: None,
        payment_id: None,
        amount: Kopecks(5),
        receipt,
    };
    world.put(
        "r1",
        crate::model::operation::OperationRequest::Refund(nameless.clone()),
    );
    assert_eq!(world.problem().code, Code::ReturnReceiptUnavailable);
    assert_eq!(world.problem().detail, original::RETURN_UNAVAILABLE);
    (nameless.sale, nameless.payment_id) = (Some("s".into()), Some(1000));
    world.put(
        "r1",
        crate::model::operation::OperationRequest::Refund(nameless),
    );
    assert_eq!(
        (world.problem().code, world.problem().status),
        (Code::Invalid, 422)
    );
    world.settle();
    assert_eq!(world.requests, sent, "something was sent");
}

#[test]
fn a_sale_is_cancelled_once() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.settle();
    let cancel = world.operation("c1");
    assert_eq!(
        (cancel.kind, cancel.state, cancel.of.as_deref()),
        (Kind::Cancel, State::Done, Some("s"))
    );
    assert_eq!(cancel.message, "Оплата отменена");
    assert_eq!((left(&world, "s"), taken(&world)), (0, 0));
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(
        world.state("s"),
        State::Done,
        "the sale itself stays as it ended"
    );
    for again in [true, false] {
        world.cancel("c2", "s", again);
        assert_eq!(world.problem().code, Code::AlreadyUndone);
        assert!(
            world.problem().detail.contains("c1"),
            "{}",
            world.problem().detail
        );
    }
    world.refund("r1", "s", 1);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    world.cancel("c2", "c1", false);
    assert_eq!(
        (world.problem().code, world.problem().status),
        (Code::Invalid, 422)
    );
}

#[test]
fn a_cancellation_after_a_refund_reverses_the_rest_with_one_line() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.cancel("c1", "s", true);
    assert_eq!(world.entry("c1").receipt, None);
    world.settle();
    assert_eq!(world.operation("c1").kind, Kind::Annul);
    assert_eq!(world.operation("c1").amount, Kopecks(1499));
    assert_eq!(world.operation("c1").message, "Чек аннулирован");
    assert_eq!(taken(&world), 0);
}

#[test]
fn a_whole_cancellation_repeats_the_receipt() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    let items = &world.entry("c1").receipt.as_ref().unwrap().items;
    assert_eq!(items[0].name, "Хлеб «Нарочанский»");
}

#[test]
fn a_cancelled_refund_gives_the_sale_its_money_again() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.cancel("c1", "r1", false);
    world.settle();
    assert_eq!(world.operation("c1").kind, Kind::CancelRefund);
    assert_eq!(world.operation("c1").message, "Возврат отменён");
    assert_eq!(world.operation("r1").undo, Some(Undo::Done));
    assert_eq!((left(&world, "s"), taken(&world)), (1999, 1999));
    world.cancel("c2", "r1", false);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    world.refund("r2", "s", 1999);
    world.settle();
    assert_eq!((left(&world, "s"), taken(&world)), (0, 0));
}

#[test]
fn a_purse_that_is_too_empty_leaves_the_cancellation_to_a_person() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.service.quirks.empty_purses = true;
    world.cancel("c1", "r1", false);
    world.settle();
    let entry = world.entry("c1");
    assert!(entry.set_aside && entry.operation.state == State::Queued);
    assert_eq!(entry.operation.undo, Some(Undo::SetAside));
    assert_eq!(world.operation("r1").undo, Some(Undo::SetAside));
    assert_eq!(world.core.status(world.now).queue_depth, 0, "sales go on");
    assert_eq!(left(&world, "s"), 1499);
    // A new cancellation takes its place, and now the purse is full.
    world.service.quirks.empty_purses = false;
    world.cancel("c2", "r1", false);
    assert_eq!(world.state("c1"), State::Failed);
    assert_eq!(world.entry("c1").settled.as_deref(), Some("repeated as c2"));
    world.advance(2 * SECOND);
    assert_eq!(world.state("c2"), State::Done);
    assert_eq!((left(&world, "s"), taken(&world)), (1999, 1999));
}

#[test]
fn unfinished_and_moneyless_operations_cannot_be_undone() {
    let mut world = World::begun(Mode::ConsumerQr);
    world.cancel("c1", "s", false);
    assert_eq!(world.problem().code, Code::Busy);
    world.refund("r1", "s", 5);
    assert_eq!(world.problem().code, Code::Busy);
    world.abort("s");
    world.cancel("c1", "s", false);
    assert_eq!(
        (world.problem().code, world.problem().status),
        (Code::Invalid, 422)
    );
    world.refund("r1", "s", 5);
    assert_eq!(
        (world.problem().code, world.problem().status),
        (Code::Invalid, 422)
    );
}

#[test]
fn a_refund_takes_the_place_of_a_buyer() {
    let mut world = sold();
    world.refund("r1", "s", 5);
    world.run_due();
    assert_eq!(world.state("r1"), State::InProgress);
    for id in ["t", "r2", "c1", "k"] {
        match id {
            "t" => world.begin(id, 5),
            "r2" => world.refund(id, "s", 5),
            "c1" => world.cancel(id, "s", false),
            _ => world.card(id),
        }
        assert_eq!(world.problem().code, Code::Busy, "{id}");
    }
    world.abort("r1");
    let Some(TillReply::Aborted(Err(problem))) = world.replies.last() else {
        panic!()
    };
    assert_eq!(problem.code, Code::Busy);
}

#[test]
fn a_refund_of_which_nothing_was_sent_can_be_aborted() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.abort("r1");
    assert_eq!(world.state("r1"), State::Cancelled);
    assert_eq!(left(&world, "s"), 1999);
    world.settle();
    assert_eq!(taken(&world), 1999);
}

#[test]
fn a_refund_that_could_not_be_written_leaves_the_sale_as_it_was() {
    let mut world = sold();
    let before = world.journal.clone();
    world.refund("r1", "s", 500);
    world.journal = before;
    world.event(Event::BeginFailed { id: "r1".into() });
    world.settle();
    assert_eq!((left(&world, "s"), taken(&world)), (1999, 1999));
    world.refund("r2", "s", 1999);
    world.settle();
    assert_eq!(world.state("r2"), State::Done);
}

#[test]
fn a_refund_by_payment_is_verified_first() {
    let mut world = sold();
    let payment_id = world.operation("s").payment_id.unwrap();
    world.refund_payment("r1", payment_id, 500);
    world.settle();
    assert_eq!(
        world.operation("r1").of.as_deref(),
        Some("s"),
        "the journal knows it"
    );
    // Another till's sale.
    let mut other = World::new(Mode::ConsumerQr);
    other.service = std::mem::take(&mut world.service);
    // Its order numbers are others.
    other.crash(Duration::ZERO);
    other.refund_payment("r1", payment_id, 1000);
    other.settle();
    assert_eq!(other.state("r1"), State::Done);
    other.refund_payment("r2", payment_id, 1000);
    other.advance(2 * SECOND);
    assert_eq!(other.problem().code, Code::MoreThanLeft);
    other.refund_payment("r2", 4711, 5);
    other.advance(2 * SECOND);
    assert_eq!(other.problem().status, 404);
    let refund = other.operation("r1").payment_id.unwrap();
    other.refund_payment("r2", refund, 5);
    other.advance(2 * SECOND);
    assert_eq!(
        (other.problem().code, other.problem().status),
        (Code::Invalid, 422)
    );
    other.pass(2 * SECOND);
    other.refund_payment("r2", payment_id, 5);
    other.run_due();
    other.answer(Fate::NotSent);
    other.run_due();
    assert_eq!(other.problem().code, Code::TemporarilyUnavailable);
}

#[test]
fn a_refund_that_was_not_sent_or_refused_has_failed_and_takes_nothing() {
    for (fate, code) in [
        (Fate::NotSent, ErrorCode::NoConnection),
        (Fate::Refused, ErrorCode::ServiceRejected),
        (Fate::TokenNeeded, ErrorCode::TokenNeeded),
    ] {
        let mut world = sold();
        world.refund("r1", "s", 500);
        world.run_due();
        world.answer(fate);
        world.settle();
        let refund = world.operation("r1");
        assert_eq!(refund.state, State::Failed);
        assert_eq!(refund.error.as_ref().map(|error| error.code), Some(code));
        // What was refused is held until the settling time is over.
        world.advance(40 * SECOND);
        assert_eq!((left(&world, "s"), taken(&world)), (1999, 1999));
        assert_eq!(world.core.status(world.now).queue_depth, 0);
    }
}

#[test]
fn a_lost_refund_is_in_doubt_until_it_is_known_and_never_sent_again() {
    for (fate, state, rest) in [
        (Fate::AnswerLost, State::Done, 1499),
        (Fate::Late(20), State::Done, 1499),
        (Fate::RequestLost, State::Failed, 1499),
    ] {
        let mut world = sold();
        world.refund("r1", "s", 500);
        world.run_due();
        world.answer(fate);
        assert_eq!(world.state("r1"), State::InDoubt);
        assert_eq!(world.operation("r1").message, original::NO_CONNECTION);
        assert_eq!(left(&world, "s"), 1499, "what is in doubt counts");
        assert_eq!(
            world.core.status(world.now).queue_depth,
            1,
            "it is an entry of the queue"
        );
        world.refund("r2", "s", 1);
        assert_eq!(world.problem().code, Code::Busy);
        world.advance(60 * SECOND);
        assert_eq!((world.state("r1"), left(&world, "s")), (state, rest));
        assert_eq!(world.reverses_of("r1"), 1, "sent once");
        // What was not found may have reached the buyer all the same, until it was asked for last.
        world.advance(3700 * SECOND);
        assert_eq!(left(&world, "s"), taken(&world));
    }
}

#[test]
fn a_refund_that_comes_after_its_absence_counts_and_is_reported() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(300));
    world.advance(60 * SECOND);
    assert_eq!(
        (world.state("r1"), left(&world, "s")),
        (State::Failed, 1499),
        "its part is held until it was asked for last"
    );
    world.advance(700 * SECOND);
    assert_eq!(world.state("r1"), State::Failed, "final is final");
    assert_eq!((left(&world, "s"), taken(&world)), (1499, 1499));
    assert!(
        world
            .operation("r1")
            .message
            .contains("деньги у покупателя")
    );
    assert!(
        world
            .alarms
            .iter()
            .any(|what| what.contains("the buyer has the money"))
    );
}

#[test]
fn a_card_is_found_in_each_mode() {
    for mode in [Mode::ConsumerQr, Mode::StaticQr, Mode::DynamicQr] {
        for card in [true, false] {
            let mut world = World::new(mode);
            world.service.card = card.then(|| Card {
                number: "1234567890".into(),
                name: "Ромашка".into(),
            });
            world.card("k");
            world.settle();
            if mode == Mode::ConsumerQr {
                assert_eq!(world.state("k"), State::AwaitingScan);
                world.scan("https://getapp.o-plati.by/c/AB12");
            } else {
                assert_eq!(world.state("k"), State::AwaitingBuyer);
                assert!(world.operation("k").shows.is_some());
                world.join();
            }
            world.advance(3 * SECOND);
            let operation = world.operation("k");
            assert_eq!((operation.kind, operation.state), (Kind::Card, State::Done));
            assert_eq!(operation.card, world.service.card);
            let message = if card {
                "Карта найдена"
            } else {
                "Карта не найдена"
            };
            assert_eq!(operation.message, message);
            assert!(world.service.ledger.is_empty(), "a card costs nothing");
        }
    }
}

#[test]
fn a_cards_parameters_are_checked() {
    let mut world = World::new(Mode::DynamicQr);
    world.settings.valutcode = Some(7);
    world.crash(SECOND);
    for (valutcode, card_number_type, good) in [(7, 5, true), (8, 5, false), (7, 4, false)] {
        let requested =
            crate::model::operation::OperationRequest::Card(crate::model::operation::CardRequest {
                valutcode,
                card_number_type,
            });
        world.put("k", requested);
        if good {
            world.abort("k");
            world.journal.remove("k");
        } else {
            assert_eq!(
                (world.problem().code, world.problem().status),
                (Code::Invalid, 422)
            );
        }
    }
}

#[test]
fn a_card_can_be_aborted_and_expires() {
    let mut world = World::new(Mode::DynamicQr);
    world.card("k1");
    world.settle();
    world.abort("k1");
    assert_eq!(world.operation("k1").message, "Получение карты отменено");
    world.card("k2");
    world.advance(200 * SECOND);
    assert_eq!(world.state("k2"), State::Expired);
}

#[test]
fn another_tills_account_is_left_alone() {
    let mut world = sold();
    world.settings.account = Some(crate::core::record::Account {
        url: "http://elsewhere".into(),
        reg_num: "OPL000022222".into(),
    });
    world.crash(SECOND);
    let sent = world.requests;
    world.refund("r1", "s", 5);
    assert_eq!(world.problem().code, Code::NotConfigured);
    world.cancel("c1", "s", false);
    assert_eq!(world.problem().code, Code::NotConfigured);
    world.settle();
    assert_eq!(world.requests, sent);
}

#[test]
fn a_repeated_put_changes_nothing_and_another_content_conflicts() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.refund("r1", "s", 500);
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((false, _))))
    ));
    world.refund("r1", "s", 501);
    assert_eq!(world.problem().code, Code::Conflict);
    world.begin("r1", 500);
    assert_eq!(world.problem().code, Code::Conflict);
    assert_eq!(world.entry("r1").reversal, ReversalProgress::Known(1001));
}

#[test]
fn what_was_refunded_of_a_cancelled_sale_stays_with_the_buyer() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.cancel("c1", "r1", false);
    world.run_due();
    world.cancel("c2", "s", false);
    assert_eq!(
        world.problem().code,
        Code::Busy,
        "its refund is being cancelled"
    );
    world.refund("r2", "s", 5);
    assert_eq!(world.problem().code, Code::Busy);
    world.settle();
    world.refund("r3", "s", 500);
    world.settle();
    world.cancel("c3", "s", false);
    world.cancel("c4", "r3", false);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    assert!(world.problem().detail.contains("Продажа s отменена"));
    world.settle();
    world.cancel("c4", "r3", false);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    assert_eq!(taken(&world), 0);
}

#[test]
fn another_content_under_a_name_that_waits_for_the_queue_conflicts_too() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::NotSent);
    world.begin("t", 5);
    world.begin("t", 6);
    assert_eq!(world.problem().code, Code::Conflict);
    world.begin("t", 5);
    world.advance(3 * SECOND);
    let begun = world.replies.iter().filter(
        |reply| matches!(reply, TillReply::Begun(Ok((true, operation))) if operation.id == "t"),
    );
    assert_eq!(begun.count(), 2, "both callers get the one sale");
}
