//! A session that nobody joins ends after a while: that is neither a bad line nor the sale's end.

use std::time::Duration;

use serde_json::{Value, json};

use super::http::Answer;
use super::ledger::{Pay, Session};
use super::rules::Call;
use super::service::Service;
use super::{
    begin, ends, events_until, restart, scan, scene, steps, till, till_with_display, until,
    until_shown, watch,
};
use crate::harness::{Till, assert_holds, wait_for, wait_until};
use crate::sales::qr_on;

/// Instead of the service's sixty seconds.
const LIFE: Duration = Duration::from_secs(6);
/// The tills of these tests ask for a session once in a second, and a little more.
const QUESTION_INTERVAL: Duration = Duration::from_millis(1500);
/// So long the till may take to get that a session is over and to clear its code away.
const CLEARING_TOLERANCE: Duration = Duration::from_secs(1);
/// More than any test asks.
const ALWAYS: usize = usize::MAX;

/// A service with short lives, whose buyers join by hand.
fn short_lived() -> Service {
    let service = Service::start();
    service.plan(|plan| {
        plan.life = LIFE;
        plan.joins_after = None;
    });
    service
}

/// Nobody sees the code of a session after it was reported to the till as over.
fn until_renewed(service: &Service, till: &Till, id: &str, old: &Session) -> Session {
    let reported = service.until_reported_over(&old.id);
    let number = service.sessions().iter().position(|one| one.id == old.id);
    watch(till, id, "the next session's code", |operation| {
        let shown = &operation["shows"];
        let shows =
            |one: &Session| *shown == json!({"qr": one.qr}) || *shown == json!({"code": one.code});
        assert!(
            !shows(old) || reported.elapsed() < CLEARING_TOLERANCE,
            "the code of a session that is over is still shown"
        );
        service.sessions().into_iter().skip(number? + 1).find(shows)
    })
}

/// A sale in mode 2 whose till has seen one session end, so that it opens the next one early: the
/// old session, which lives on, and the new one, which is on the display.
fn with_two_sessions(service: &Service) -> (Till, Session, Session) {
    let till = till(service, 2, &[]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    let old = until_renewed(service, &till, "s-1", &first);
    // This one lives longer than the till believes.
    service.plan(|plan| plan.life = Duration::from_secs(600));
    let new = watch(&till, "s-1", "a session beside the old one", |_| {
        let sessions = service.sessions();
        let at = sessions.iter().position(|one| one.id == old.id)?;
        sessions.get(at + 1).cloned()
    });
    until_shown(&till, "s-1", &new.qr);
    assert!(service.session(&old.id).reported_over.is_none());
    (till, old, new)
}

#[test]
fn in_mode_2_a_new_qr_takes_the_place_of_the_old_one() {
    let service = short_lived();
    let till = till_with_display(&service, 2, &[]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    let second = until_renewed(&service, &till, "s-1", &first);
    assert_ne!(first.qr, second.qr);
    wait_for("the new QR on the display", || {
        (qr_on(&till.path("buyer.png"))? == second.qr).then_some(())
    });
    let before = till.operation("s-1");
    assert_holds(
        &before,
        json!({"state": "awaiting_buyer", "message": "Отсканируйте QR-код для оплаты"}),
    );
    service.join(&second.id);
    ends(&till, "s-1", "done");
    assert_eq!(service.sales()[0].session, second.id);
    is_on_record(&till, &[first, second]);
}

/// Each session of a sale is a step, an event and a line of the log, none of which holds its code.
fn is_on_record(till: &Till, sessions: &[Session]) {
    let steps = steps(till, "s-1");
    let awaits = |step: &&Value| step["state"] == "awaiting_buyer";
    assert!(
        steps.iter().filter(awaits).count() >= sessions.len(),
        "a renewal is no step: {steps:?}"
    );
    let events = events_until(till, "\"state\":\"done\"");
    let log = till.log();
    let steps = format!("{steps:?}");
    for session in sessions {
        let tail = session.qr.get(session.qr.len() - 4..).unwrap();
        assert!(events.contains(tail), "no event holds …{tail}: {events}");
        assert!(log.contains(tail), "the log does not show …{tail}");
        for (place, text) in [("events", &events), ("log", &log), ("steps", &steps)] {
            assert!(!text.contains(&session.qr), "a whole QR stands in {place}");
        }
    }
}

#[test]
fn whoever_joins_the_old_session_beside_the_new_one_pays() {
    let service = short_lived();
    let (till, old, _) = with_two_sessions(&service);
    service.join(&old.id);
    ends(&till, "s-1", "done");
    assert_eq!(service.sales()[0].session, old.id);
    assert_eq!(service.sales().len(), 1);
}

#[test]
fn whoever_joins_the_new_session_beside_the_old_one_pays() {
    let service = short_lived();
    let (till, _, new) = with_two_sessions(&service);
    service.join(&new.id);
    ends(&till, "s-1", "done");
    assert_eq!(service.sales()[0].session, new.id);
    assert_eq!(service.sales().len(), 1);
}

#[test]
fn the_old_session_is_asked_until_it_ends_and_no_longer() {
    let service = short_lived();
    let (till, old, new) = with_two_sessions(&service);
    wait_until("questions for the old session beside the new one", || {
        let asked = service.questions(&old.id).into_iter();
        asked.filter(|one| one.at > new.opened).count() >= 2
    });
    service.end(&old.id);
    let reported = service.until_reported_over(&old.id);
    let before = service.questions(&new.id).len();
    wait_until("further questions for the new session", || {
        service.questions(&new.id).len() >= before + 3
    });
    let last = service.questions(&old.id).last().unwrap().at;
    assert!(
        last <= reported,
        "a session that is over is still asked for"
    );
    service.join(&new.id);
    ends(&till, "s-1", "done");
}

#[test]
fn in_mode_1_the_code_changes_only_at_the_end_of_its_session() {
    let service = short_lived();
    let till = till(&service, 1, &[]);
    begin(&till, "s-1", 700);
    until(&till, "s-1", "awaiting_buyer");
    let mut seen: Vec<String> = Vec::new();
    // The second code is shown by a till that knows how long sessions live.
    let third = watch(&till, "s-1", "the third code", |operation| {
        let sessions = service.sessions();
        let code = operation["shows"]["code"].as_str()?.to_owned();
        let message = operation["message"].as_str()?;
        assert!(message.contains(&code), "the cashier cannot tell {code}");
        if seen.last() != Some(&code) {
            for old in sessions.iter().filter(|old| seen.contains(&old.code)) {
                // The till knows the life to one question, and shows no code that may be over.
                let is_ending = old.opened.elapsed() + QUESTION_INTERVAL >= LIFE;
                assert!(
                    is_ending || old.reported_over.is_some(),
                    "the cashier's code changed while it was good"
                );
            }
            seen.push(code.clone());
        }
        (seen.len() == 3).then(|| sessions.into_iter().find(|one| one.code == code))
    });
    let third = third.unwrap();
    service.join(&third.id);
    ends(&till, "s-1", "done");
    assert_eq!(service.sales()[0].session, third.id);
}

#[test]
fn without_a_next_session_the_display_shows_it_and_recovers() {
    let service = short_lived();
    let till = till_with_display(&service, 2, &[("timeout", "15")]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    service.trouble(Call::DemandPayment, ALWAYS, Answer::Close);
    service.until_reported_over(&first.id);
    let operation = watch(&till, "s-1", "a till that shows nothing", |operation| {
        operation["shows"].is_null().then(|| operation.clone())
    });
    assert!(operation["finished_at"].is_null(), "{operation}");
    wait_until("the word on the display", || {
        scene(&till) == "no_connection"
    });
    assert_eq!(qr_on(&till.path("buyer.png")), None);
    service.recover();
    let second = service.until_session(2);
    until_shown(&till, "s-1", &second.qr);
    wait_until("the QR on the display", || scene(&till) == "qr");
    service.join(&second.id);
    ends(&till, "s-1", "done");
}

#[test]
fn a_renewal_that_fails_leaves_the_old_code_while_it_is_good() {
    let service = short_lived();
    let till = till(&service, 2, &[("timeout", "15")]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    let old = until_renewed(&service, &till, "s-1", &first);
    service.plan(|plan| plan.life = Duration::from_secs(600));
    service.trouble(Call::DemandPayment, ALWAYS, Answer::Close);
    watch(&till, "s-1", "attempts to open the next session", |_| {
        let attempts = service.seen(Call::DemandPayment).into_iter();
        (attempts.filter(|one| one.answered == Some(0)).count() >= 2).then_some(())
    });
    let operation = till.operation("s-1");
    assert_eq!(operation["shows"]["qr"], json!(old.qr), "{operation}");
    service.join(&old.id);
    ends(&till, "s-1", "done");
    assert_eq!(service.sales()[0].session, old.id);
}

#[test]
fn an_answer_that_is_lost_after_a_renewal_is_found() {
    let service = short_lived();
    service.plan(|plan| plan.pay = [Pay::Held { listed: false }].into());
    let till = till(&service, 2, &[("timeout", "5")]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    let second = until_renewed(&service, &till, "s-1", &first);
    service.join(&second.id);
    watch(&till, "s-1", "a request for money", |_| service.held());
    service.cut();
    until(&till, "s-1", "in_doubt");
    service.decide(1);
    service.list_all();
    ends(&till, "s-1", "done");
    assert_eq!(service.sales().len(), 1);
}

#[test]
fn a_restart_in_the_middle_opens_a_session_of_its_own() {
    let service = short_lived();
    service.plan(|plan| plan.life = Duration::from_secs(60));
    let mut till = till(&service, 2, &[]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    restart(&service, &mut till, || {});
    let second = service.until_session(2);
    until_shown(&till, "s-1", &second.qr);
    service.join(&second.id);
    ends(&till, "s-1", "done");
    assert_eq!(service.sales()[0].session, second.id);
}

#[test]
fn a_restart_after_the_session_ended_opens_the_next() {
    let service = short_lived();
    let mut till = till(&service, 2, &[]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    restart(&service, &mut till, || service.end(&first.id));
    let second = service.until_session(2);
    until_shown(&till, "s-1", &second.qr);
    let third = until_renewed(&service, &till, "s-1", &second);
    service.join(&third.id);
    ends(&till, "s-1", "done");
}

#[test]
fn in_mode_0_the_buyer_scans_anew() {
    let service = short_lived();
    let till = till(&service, 0, &[]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    // Nobody answers on the phone.
    watch(&till, "s-1", "the end of the session", |_| {
        let is_paid = !service.sales().is_empty();
        (is_paid || service.session(&first.id).reported_over.is_some()).then_some(())
    });
    if service.sales().is_empty() {
        until(&till, "s-1", "awaiting_scan");
        scan(&till, "https://getapp.o-plati.by/c/PM55190");
        let second = service.until_session(2);
        service.join(&second.id);
    }
    ends(&till, "s-1", "done");
}

#[test]
fn a_card_survives_the_end_of_its_session() {
    for mode in [1, 2] {
        let service = short_lived();
        let till = till(&service, mode, &[("valutcode", "7")]);
        let card = json!({"valutcode": 7, "cardNumberType": 5});
        assert_eq!(till.put("/v1/cards/k-1", card).0, 201);
        until(&till, "k-1", "awaiting_buyer");
        let first = service.until_session(1);
        let second = until_renewed(&service, &till, "k-1", &first);
        service.join(&second.id);
        let operation = ends(&till, "k-1", "done");
        assert_eq!(operation["card"], Value::Null);
        assert!(service.sales().is_empty());
    }
}

#[test]
fn an_abort_after_a_renewal_asks_for_nothing_more() {
    let service = short_lived();
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    until_renewed(&service, &till, "s-1", &first);
    let (status, operation) = till.abort("s-1");
    assert_eq!((status, &operation["state"]), (200, &json!("cancelled")));
    // The next sale shows that the first is past.
    let of_first = service.sessions().len();
    service.plan(|plan| plan.joins_after = Some(1));
    begin(&till, "s-2", 100);
    ends(&till, "s-2", "done");
    let sale = &service.sales()[0];
    assert_eq!(service.sales().len(), 1);
    let sessions = service.sessions();
    assert_eq!(
        sessions.iter().position(|one| one.id == sale.session),
        Some(of_first),
        "a session was opened for a sale that was aborted"
    );
}

#[test]
fn renewals_end_with_wait_buyer() {
    let service = short_lived();
    let till = till(&service, 2, &[("waitBuyer", "10")]);
    begin(&till, "s-1", 1999);
    let first = service.until_session(1);
    until_shown(&till, "s-1", &first.qr);
    until_renewed(&service, &till, "s-1", &first);
    let operation = ends(&till, "s-1", "expired");
    assert!(operation["shows"].is_null(), "{operation}");
    assert!(service.seen(Call::Payments).is_empty());
    till.until_queue_is_empty();
}
