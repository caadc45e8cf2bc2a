//! The shift in which money goes back, and identifiers that come again.

use std::time::Duration;

use super::world::{SECOND, World};
use crate::core::call::PaymentStatus;
use crate::core::event::Reply as TillReply;
use crate::core::validate::tests::request;
use crate::model::operation::{CancellationRequest, Mode, OperationRequest, State};
use crate::model::problem::Code;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A paid sale in a shift that the till names, or not.
fn sell(world: &mut World, id: &str, shift: Option<&str>) {
    let mut request = request(1999);
    request.receipt.number = format!("r-{id}");
    request.receipt.shift = shift.map(str::to_owned);
    world.put(id, OperationRequest::Sale(request));
    world.settle();
    world.scan(&format!("https://getapp.o-plati.by/c/{id}"));
    world.settle();
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    assert_eq!(world.operation(id).state, State::Done);
}

fn cancel_in(world: &mut World, id: &str, sale: &str, shift: Option<&str>) -> String {
    let request = CancellationRequest {
        operation: sale.to_owned(),
        annul: false,
        shift: shift.map(str::to_owned),
    };
    world.put(id, OperationRequest::Cancellation(request));
    world.settle();
    assert_eq!(world.operation(id).state, State::Done);
    world.operation(id).shift.clone()
}

#[test]
fn a_cancellation_goes_back_in_the_shift_that_the_till_names() {
    let mut world = World::new(Mode::ConsumerQr);
    sell(&mut world, "s", None);
    assert_eq!(cancel_in(&mut world, "c", "s", Some("7")), "7");
}

#[test]
fn without_a_word_it_goes_back_in_the_tills_present_shift() {
    let mut world = World::new(Mode::ConsumerQr);
    sell(&mut world, "s1", Some("7"));
    sell(&mut world, "s2", Some("8"));
    world.crash(SECOND);
    assert_eq!(cancel_in(&mut world, "c1", "s1", None), "8");
    world.refund("r2", "s2", 500);
    world.settle();
    assert_eq!(world.operation("r2").shift, "8");
    // A till that has named none last counts by days.
    sell(&mut world, "s3", None);
    assert_eq!(
        cancel_in(&mut world, "c3", "s3", None),
        world.operation("s3").shift
    );
}

#[test]
fn a_shift_that_no_service_takes_is_refused() {
    let mut world = World::new(Mode::ConsumerQr);
    sell(&mut world, "s", None);
    for bad in ["", "7\n", &"7".repeat(33)] {
        let request = CancellationRequest {
            operation: "s".into(),
            annul: false,
            shift: Some(bad.to_owned()),
        };
        world.put("c", OperationRequest::Cancellation(request));
        assert_eq!(world.problem().code, Code::Invalid, "{bad:?}");
    }
}

#[test]
fn an_identifier_that_comes_again_the_next_day_is_no_paid_sale() {
    let mut world = World::new(Mode::ConsumerQr);
    super::waiting::set_service_time(&mut world, jiff::SignedDuration::ZERO);
    sell(&mut world, "check-117", None);
    let again = |world: &mut World| {
        let mut request = request(1999);
        request.receipt.number = "r-check-117".into();
        world.put("check-117", OperationRequest::Sale(request));
    };
    world.pass(DAY - 10 * SECOND);
    again(&mut world);
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((false, _))))
    ));
    world.pass(20 * SECOND);
    again(&mut world);
    let problem = world.problem();
    assert_eq!(problem.code, Code::Conflict);
    let finished =
        crate::base::zone::minsk().to_datetime(world.operation("check-117").finished_at.unwrap());
    let finished = finished.strftime("%d.%m.%Y %H:%M").to_string();
    assert!(problem.detail.contains(&finished), "{}", problem.detail);
}
