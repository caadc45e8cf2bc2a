//! What each rule forbids, one test for each way to break it.

use super::service::Payment;
use super::world::failures::lost_with_500;
use super::world::{Fate, SECOND, World};
use crate::core::call::{Answer, Call, Failure, PaymentInfo, PaymentStatus, PaymentType, Reply};
use crate::core::event::{Event, JournalContext};
use crate::core::validate::tests::request;
use crate::model::money::Kopecks;
use crate::model::operation::{ErrorCode, Mode, OperationRequest, State, Undo};
use crate::model::problem::Code;

const CODE: &str = "https://getapp.o-plati.by/c/1";

/// Ends the oldest request with this answer.
fn answer_oldest(world: &mut World, answer: Answer) {
    let (request, _) = world.pending.remove(0);
    world.event(Event::Answered { request, answer });
}

/// Lets everything be answered until such a request is under way.
fn until(world: &mut World, is_it: fn(&Call) -> bool) {
    for _ in 0..500 {
        world.run_due();
        match world.pending.first() {
            Some((_, call)) if is_it(call) => return,
            Some(_) => world.answer(Fate::Answered),
            None => world.pass(SECOND),
        }
    }
    panic!("it is never asked: {:?}", world.pending);
}

fn is_look_up(call: &Call) -> bool {
    matches!(call, Call::LookUp { .. })
}

fn is_reversal(call: &Call) -> bool {
    matches!(call, Call::Reverse { .. })
}

fn is_status(call: &Call) -> bool {
    matches!(call, Call::Payment { .. })
}

/// A paid row under an operation's number.
fn row(world: &World, id: &str, payment_id: i64) -> PaymentInfo {
    let operation = world.operation(id);
    PaymentInfo {
        payment_id,
        payment_type: PaymentType::Sale,
        sum: operation.amount,
        status: PaymentStatus::Ok,
        order_number: operation.order_number.clone(),
        created: Some(world.now.wall),
        paid: Some(world.now.wall),
        paid_text: String::new(),
        purse: None,
    }
}

fn found(rows: &[&PaymentInfo]) -> Answer {
    Ok(Reply::Found(rows.iter().copied().cloned().collect()))
}

/// The service has that row in an operation's shift.
fn enter(world: &mut World, id: &str, info: PaymentInfo) {
    let shift = world.operation(id).shift.clone();
    let payment = Payment {
        info,
        target: None,
        cancelled_by_us: false,
        shift,
        made_at: world.now.mono,
    };
    let id = payment.info.payment_id;
    world.service.ledger.insert(id, payment);
}

/// A sale whose payment has left.
fn paying() -> World {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan(CODE);
    world.answer(Fate::Answered);
    assert!(matches!(world.pending[0].1, Call::Pay { .. }));
    world
}

/// A sale whose payment was lost and that ended as failed: `~1` undoes it.
fn released() -> World {
    let mut world = paying();
    for _ in 0..30 {
        while !world.pending.is_empty() && !world.state("s").is_final() {
            world.answer(Fate::RequestLost);
        }
        world.pass(SECOND / 2);
    }
    assert_eq!(world.operation("s").undo, Some(Undo::Pending));
    world
}

/// A sale whose payment the service holds.
fn held() -> World {
    let mut world = World::new(Mode::DynamicQr);
    world.service.quirks.holds_answers = true;
    world.begin("s", 1999);
    world.settle();
    world.join();
    world.advance(SECOND);
    assert_eq!(world.held.len(), 1);
    world
}

/// The same, which no report shows, aborted and ended as failed.
fn held_and_released() -> World {
    let mut world = held();
    hide(&mut world, true);
    world.abort("s");
    world.advance(12 * SECOND);
    let sale = world.operation("s");
    assert_eq!(
        (sale.state, sale.undo),
        (State::Failed, Some(Undo::Pending))
    );
    world
}

/// Whether the reports show what is in the ledger.
fn hide(world: &mut World, is_hidden: bool) {
    let shift = world.operation("s").shift.clone();
    for payment in world.service.ledger.values_mut() {
        payment.shift = if is_hidden {
            "hidden".into()
        } else {
            shift.clone()
        };
    }
}

/// Till sold to twice, its line dead for `seconds`, with the cancellation `c1` of the first sale in the queue.
fn queued_for(seconds: u64) -> World {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    for _ in 0..seconds {
        world.run_due();
        while !world.pending.is_empty() {
            world.answer(Fate::NotSent);
        }
        world.pass(SECOND);
    }
    assert_eq!(world.state("c1"), State::Queued);
    world
}

// ---- what an answer is --------------------------------------------------------------------------

#[test]
fn the_answer_about_another_payment_is_none() {
    let changes: [fn(&mut PaymentInfo); 3] = [
        |info| info.order_number.push('x'),
        |info| info.sum = Kopecks(1998),
        |info| info.payment_type = PaymentType::ReversalOfSale,
    ];
    for change in changes {
        let mut world = paying();
        let mut other = row(&world, "s", 2000);
        change(&mut other);
        answer_oldest(&mut world, Ok(Reply::Payment(other.clone())));
        assert_eq!(world.state("s"), State::InDoubt, "{other:?}");
        until(&mut world, is_look_up);
        answer_oldest(&mut world, found(&[&other]));
        assert_eq!(world.state("s"), State::InDoubt, "{other:?}");
    }
}

#[test]
fn the_status_of_another_payment_is_no_end_of_a_sale() {
    let changes: [fn(&mut PaymentInfo); 2] =
        [|info| info.payment_id += 1, |info| info.sum = Kopecks(1998)];
    for change in changes {
        let mut world = paying();
        until(&mut world, is_status);
        let mut other = row(&world, "s", 1000);
        change(&mut other);
        answer_oldest(&mut world, Ok(Reply::Payment(other)));
        assert_eq!(world.state("s"), State::AwaitingConfirmation);
    }
}

#[test]
fn a_plea_for_patience_instead_of_a_payment_leaves_doubt() {
    let mut world = paying();
    let plea = Failure::TooManyRequests {
        retry_after: None,
        detail: "HTTP 429".into(),
    };
    answer_oldest(&mut world, Err(plea));
    assert_eq!(world.state("s"), State::InDoubt);
}

#[test]
fn a_payment_that_is_refused_for_the_token_is_watched() {
    let mut world = paying();
    world.answer(Fate::TokenNeeded);
    // The report cannot be asked either.
    until(&mut world, is_look_up);
    world.answer(Fate::TokenNeeded);
    assert_eq!(world.state("s"), State::Failed);
    world.pay_late("s");
    world.advance(900 * SECOND);
    assert_eq!(world.given_back(), 1999);
}

#[test]
fn a_payment_under_a_refunds_number_is_no_refund() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::RequestLost);
    until(&mut world, is_look_up);
    let payment = row(&world, "r1", 2000);
    answer_oldest(&mut world, found(&[&payment]));
    assert_eq!(world.state("r1"), State::InDoubt);
}

#[test]
fn a_token_error_denies_no_reversal_that_has_left_before() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::RequestLost);
    until(&mut world, is_reversal);
    let reversal = world.operation("c1").clone();
    let paid = world.operation("s").payment_id.unwrap();
    world.carry_out_reversal(
        paid,
        &reversal.order_number,
        reversal.amount,
        &reversal.shift,
    );
    world.answer(Fate::TokenNeeded);
    world.advance(120 * SECOND);
    assert_eq!(
        (world.state("c1"), world.reverses_of("c1")),
        (State::Done, 2)
    );
}

// ---- looking up ---------------------------------------------------------------------------------

#[test]
fn an_absence_counts_from_its_question() {
    let mut world = released();
    world.advance(2 * SECOND);
    until(&mut world, is_look_up);
    world.pass(60 * SECOND);
    answer_oldest(&mut world, found(&[]));
    assert_eq!(world.state("~1"), State::Queued);
    world.advance(60 * SECOND);
    assert_eq!(world.state("~1"), State::Done);
}

#[test]
fn an_absence_of_a_refund_counts_from_its_question() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::RequestLost);
    until(&mut world, is_look_up);
    world.pass(60 * SECOND);
    answer_oldest(&mut world, found(&[]));
    assert_eq!(world.state("r1"), State::InDoubt);
    world.advance(60 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    let remedy = &world.operation("r1").error.as_ref().unwrap().remedy;
    assert!(
        remedy.contains("через час") && !remedy.contains("оплату"),
        "{remedy}"
    );
}

#[test]
fn the_settling_time_of_a_reversal_begins_with_its_loss() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    for _ in 0..90 {
        world.run_due();
        world.answer(Fate::NotSent);
        world.pass(SECOND);
    }
    until(&mut world, is_reversal);
    let before = world.reverses_of("c1");
    world.answer(Fate::Late(20));
    world.advance(120 * SECOND);
    assert_eq!(
        (world.state("c1"), world.reverses_of("c1")),
        (State::Done, before)
    );
    assert_eq!(world.given_back(), 1999);
}

#[test]
fn the_settling_time_begins_anew_with_a_restart() {
    let mut world = World::sold();
    world.advance(60 * SECOND);
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(20));
    world.crash(SECOND);
    world.advance(10 * SECOND);
    assert_eq!(world.state("r1"), State::InDoubt);
    world.advance(60 * SECOND);
    assert_eq!((world.state("r1"), world.given_back()), (State::Done, 500));
}

#[test]
fn a_refund_in_doubt_states_what_not_to_do_as_long_as_it_is_in_doubt() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::AnswerLost);
    for _ in 0..2 {
        let refund = world.operation("r1").clone();
        let error = refund.error.unwrap();
        assert_eq!(
            (refund.state, error.code),
            (State::InDoubt, ErrorCode::NoConnection)
        );
        assert_eq!(error.message, refund.message);
        assert!(
            error.remedy.starts_with("Не повторяйте возврат"),
            "{error:?}"
        );
        world.crash(SECOND);
    }
    world.advance(120 * SECOND);
    let refund = world.operation("r1");
    assert_eq!((refund.state, refund.error.as_ref()), (State::Done, None));
}

#[test]
fn a_reversal_is_sought_under_its_sales_shift_too() {
    let mut world = World::sold();
    world.crash(3 * 24 * 3600 * SECOND);
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::AnswerLost);
    let shift = world.operation("s").shift.clone();
    assert_ne!(world.operation("c1").shift, shift);
    for payment in world.service.ledger.values_mut() {
        payment.shift.clone_from(&shift);
    }
    world.advance(120 * SECOND);
    assert_eq!(
        (world.state("c1"), world.reverses_of("c1")),
        (State::Done, 1)
    );
}

#[test]
fn another_payment_under_the_number_is_no_absence() {
    let mut world = paying();
    world.answer(Fate::Refused);
    until(&mut world, is_look_up);
    let mut other = row(&world, "s", 2000);
    other.sum = Kopecks(1998);
    answer_oldest(&mut world, found(&[&other]));
    assert_eq!(world.state("s"), State::InDoubt);

    let mut world = released();
    enter(&mut world, "s", other);
    world.advance(120 * SECOND);
    assert_eq!(world.state("~1"), State::Queued);
}

#[test]
fn what_is_paid_decides_before_what_is_pending() {
    let mut world = paying();
    world.answer(Fate::AnswerLost);
    world.buyer(PaymentStatus::Ok);
    until(&mut world, is_look_up);
    let (mut pending, paid) = (row(&world, "s", 2000), row(&world, "s", 1000));
    pending.status = PaymentStatus::InProgress;
    answer_oldest(&mut world, found(&[&pending, &paid]));
    // Among several the service itself is asked for the one that the report calls paid.
    assert_eq!(world.operation("s").payment_id, Some(1000));
    world.advance(5 * SECOND);
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn the_number_from_before_a_restart_is_watched_though_no_report_came() {
    let mut world = World::begun(Mode::ConsumerQr);
    let journal = world.journal.clone();
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::AnswerLost);
    world.buyer(PaymentStatus::Ok);
    world.journal = journal;
    world.crash(SECOND);
    world.service.fails = Some(|_, call| is_look_up(call).then(lost_with_500));
    world.advance(15 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingScan);
    world.service.fails = None;
    world.advance(900 * SECOND);
    assert_eq!(world.service.reversed(1000), 1999);
}

// ---- late is not lost ---------------------------------------------------------------------------

#[test]
fn what_a_held_answer_brings_is_undone_once() {
    let mut world = held_and_released();
    world.buyer(PaymentStatus::Ok);
    world.let_go();
    world.advance(60 * SECOND);
    assert_eq!(world.given_back(), 1999);
    assert!(!world.journal.contains_key("~2"), "there is one payment");
}

#[test]
fn a_held_answer_to_what_the_report_has_shown_meanwhile_is_no_second_payment() {
    let mut world = held_and_released();
    world.buyer(PaymentStatus::Ok);
    hide(&mut world, false);
    world.advance(60 * SECOND);
    assert_eq!((world.state("~1"), world.given_back()), (State::Done, 1999));
    world.let_go();
    world.advance(60 * SECOND);
    assert!(!world.journal.contains_key("~2"), "there is one payment");
}

#[test]
fn the_settling_time_begins_when_a_held_connection_breaks() {
    let mut world = held_and_released();
    world.advance(60 * SECOND);
    world.cut_held();
    world.advance(20 * SECOND);
    assert_eq!(world.state("~1"), State::Queued);
    world.buyer(PaymentStatus::Ok);
    hide(&mut world, false);
    world.advance(60 * SECOND);
    assert_eq!((world.state("~1"), world.given_back()), (State::Done, 1999));
}

// ---- down, and what waits for the line ----------------------------------------------------------

#[test]
fn any_answer_has_what_waits_for_the_line_tried_at_once() {
    let mut world = queued_for(300);
    assert!(world.pending.is_empty());
    let answer = Ok(Reply::Alive);
    world.event(Event::Answered {
        request: 9999,
        answer,
    });
    world.run_due();
    assert!(!world.pending.is_empty());
}

#[test]
fn a_sale_that_finds_the_queue_waiting_has_it_tried_at_once() {
    let mut world = queued_for(300);
    assert!(world.pending.is_empty());
    world.begin("t", 5);
    world.run_due();
    assert!(!world.pending.is_empty());
}

#[test]
fn no_answer_ends_no_outage() {
    let mut world = paying();
    world.answer(Fate::NotSent);
    for id in ["t", "u", "v"] {
        world.begin(id, 5);
        let probes = |(_, call): &(u64, Call)| matches!(call, Call::Probe { .. });
        assert!(world.pending.first().is_some_and(probes), "{id}");
        world.answer(Fate::RequestLost);
        world.run_due();
        assert_eq!(world.problem().code, Code::TemporarilyUnavailable);
    }
}

#[test]
fn what_became_of_a_sale_while_its_refund_waited_counts() {
    let mut world = World::sold();
    world.begin("t", 100);
    world.settle();
    world.join();
    world.advance(2 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    assert_eq!(world.state("t"), State::Done);
    world.cancel("c0", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    assert!(world.entry("c0").set_aside);
    world.cancel("c1", "t", false);
    while world.entry("c0").rechecks[0]
        .duration_since(world.now.wall)
        .as_secs()
        > 1
    {
        world.run_due();
        while !world.pending.is_empty() {
            world.answer(Fate::NotSent);
        }
        world.pass(SECOND / 2);
    }
    assert_eq!(world.state("c1"), State::Queued);
    // Another copy of the first cancellation has been carried out.
    let (c0, paid) = (world.entry("c0").clone(), world.operation("s").payment_id);
    let (number, sum) = (&c0.earlier[0], c0.operation.amount);
    world.carry_out_reversal(paid.unwrap(), number, sum, &c0.operation.shift);
    world.refund("r1", "s", 500);
    assert!(!world.journal.contains_key("r1"), "it waits for the queue");
    while !world.pending.is_empty() {
        world.answer(Fate::NotSent);
    }
    world.pass(SECOND * 3 / 2);
    world.advance(5 * SECOND);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    assert!(!world.journal.contains_key("r1"));
}

#[test]
fn a_sale_of_a_set_aside_receipt_is_refused() {
    let mut world = World::sold();
    let context = JournalContext {
        set_aside: Some("c0".into()),
        ..JournalContext::default()
    };
    world.event(Event::Begin {
        ticket: 900,
        id: "t".into(),
        requested: OperationRequest::Sale(request(100)),
        existing: None,
        context: Box::new(context),
    });
    assert_eq!(world.problem().code, Code::Conflict);
    assert!(!world.journal.contains_key("t"));
}

// ---- aborts, shifts -----------------------------------------------------------------------------

#[test]
fn an_abort_in_doubt_leaves_an_undoing() {
    let mut world = paying();
    world.answer(Fate::AnswerLost);
    assert_eq!(world.state("s"), State::InDoubt);
    world.abort("s");
    let sale = world.operation("s");
    assert_eq!(
        (sale.state, sale.undo),
        (State::Failed, Some(Undo::Pending))
    );
    world.buyer(PaymentStatus::Ok);
    world.advance(60 * SECOND);
    assert_eq!(world.given_back(), 1999);
}

#[test]
fn a_cancellation_is_made_in_the_shift_of_its_first_sending() {
    let mut world = World::sold();
    world.crash(3 * 24 * 3600 * SECOND);
    world.cancel("c1", "s", false);
    world.run_due();
    let Some((_, Call::Reverse { shift, .. })) = world.pending.first() else {
        panic!("{:?}", world.pending)
    };
    assert_eq!(shift, "27112026");
}

#[test]
fn a_refunds_cancellation_is_looked_for_in_the_shift_of_the_sale_as_well() {
    let mut world = World::sold();
    world.crash(3 * 24 * 3600 * SECOND);
    world.refund("r1", "s", 500);
    world.settle();
    assert_eq!(world.state("r1"), State::Done);
    world.cancel("c1", "r1", false);
    world.run_due();
    world.answer(Fate::AnswerLost);
    // The refund is looked at first.
    world.pass(10 * SECOND);
    world.answer(Fate::Answered);
    world.pass(10 * SECOND);
    let Some((_, Call::LookUp { shifts, .. })) = world.pending.first() else {
        panic!("{:?}", world.pending)
    };
    let sale = &world.operation("s").shift;
    assert!(shifts.contains(sale), "{sale} is not among {shifts:?}");
}

#[test]
fn an_abort_from_before_a_restart_waits_for_no_buyer() {
    let mut world = held();
    world.abort("s");
    assert_eq!(world.state("s"), State::InProgress);
    world.crash(SECOND);
    let sale = world.operation("s");
    assert_eq!(
        (sale.state, sale.undo),
        (State::Failed, Some(Undo::Pending))
    );
}

#[test]
fn a_sale_of_another_account_is_not_taken_up() {
    let mut world = World::begun(Mode::DynamicQr);
    world.settings.account.as_mut().unwrap().reg_num = "OPL000022222".into();
    world.crash(SECOND);
    world.run_due();
    assert_eq!(world.state("s"), State::Expired);
    assert!(world.pending.is_empty(), "{:?}", world.pending);
}

#[test]
fn an_aborted_payment_that_the_buyer_declines_is_cancelled() {
    let mut world = held();
    world.abort("s");
    world.buyer(PaymentStatus::Decline);
    world.let_go();
    assert_eq!(world.state("s"), State::Cancelled);
}

#[test]
fn what_is_being_undone_is_named() {
    let mut world = released();
    world.cancel("c1", "s", false);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    assert!(
        world.problem().detail.contains("~1"),
        "{:?}",
        world.problem()
    );
}
