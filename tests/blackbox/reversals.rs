//! Refunds, cancellations and cards with the real program.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::harness::{Sim, Till, assert_holds, refused, wait_for};

const PAYS: &str = "join=10ms,confirm=10ms,outcome=done";

fn refund(sale: &str, amount: i64) -> Value {
    json!({"sale": sale, "amount": amount, "receipt": {"number": "v", "items": [{"name": "Хлеб", "cost": amount}]}})
}

fn sold() -> (Sim, Till) {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    till.begin("s", 1999);
    assert_eq!(till.until_final("s")["state"], "done");
    (sim, till)
}

#[test]
fn refunds_cancellations_and_annulments_move_the_money_they_state() {
    let (sim, till) = sold();
    assert_eq!(till.put("/v1/refunds/r1", refund("s", 500)).0, 201);
    let done = till.until_final("r1");
    assert_eq!((&done["state"], &done["of"]), (&json!("done"), &json!("s")));
    assert_eq!(
        (sim.balance(), &till.operation("s")["left"]),
        (1499, &json!(1499))
    );
    assert_eq!(till.put("/v1/refunds/r1", refund("s", 500)).0, 200);
    refused(
        till.put("/v1/refunds/r2", refund("s", 1500)),
        422,
        "more_than_left",
    );
    // The refund is cancelled, then the whole sale is annulled.
    let cancel = json!({"operation": "r1"});
    assert_eq!(till.put("/v1/cancellations/c1", cancel).0, 201);
    assert_eq!(till.until_final("c1")["kind"], "cancel_refund");
    assert_eq!(sim.balance(), 1999);
    let annul = json!({"operation": "s", "annul": true});
    assert_eq!(till.put("/v1/cancellations/c2", annul).0, 201);
    assert_eq!(till.until_final("c2")["kind"], "annul");
    assert_eq!(
        (sim.balance(), &till.operation("s")["undo"]),
        (0, &json!("done"))
    );
    let again = json!({"operation": "s"});
    refused(
        till.put("/v1/cancellations/c3", again),
        422,
        "already_undone",
    );
    let nameless =
        json!({"amount": 5, "receipt": {"number": "v", "items": [{"name": "x", "cost": 5}]}});
    refused(
        till.put("/v1/refunds/r3", nameless),
        422,
        "return_receipt_unavailable",
    );
}

#[test]
fn a_receipt_that_is_partly_paid_by_card_is_sold_refunded_and_cancelled() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    let receipt = |cost: i64, otherwise: i64| json!({"number": "m", "items": [{"name": "Хлеб", "cost": cost}], "paid_otherwise": otherwise});
    let sale = |otherwise| json!({"amount": 734, "receipt": receipt(1234, otherwise)});
    refused(till.put("/v1/sales/s1", sale(501)), 422, "amount_mismatch");
    assert_eq!(till.put("/v1/sales/s1", sale(500)).0, 201);
    let sold = till.until_final("s1");
    assert_holds(&sold, json!({"state": "done", "amount": 734, "left": 734}));
    assert_eq!(sim.balance(), 734);
    assert_eq!(till.put("/v1/sales/s1", sale(500)).0, 200);
    // A part goes back to the wallet and a part by card, then the rest of the wallet's.
    let part = json!({"sale": "s1", "amount": 234, "receipt": receipt(334, 100)});
    assert_eq!(till.put("/v1/refunds/r1", part).0, 201);
    assert_eq!(till.until_final("r1")["state"], "done");
    assert_eq!(sim.balance(), 500);
    let rest = json!({"operation": "s1"});
    assert_eq!(till.put("/v1/cancellations/c1", rest).0, 201);
    assert_eq!(till.until_final("c1")["state"], "done");
    assert_eq!(sim.balance(), 0);
    // All of a sale at once repeats its items.
    assert_eq!(till.put("/v1/sales/s2", sale(500)).0, 201);
    assert_eq!(till.until_final("s2")["state"], "done");
    let whole = json!({"operation": "s2"});
    assert_eq!(till.put("/v1/cancellations/c2", whole).0, 201);
    assert_eq!(till.until_final("c2")["amount"], 734);
    assert_eq!(sim.balance(), 0);
    // That nothing is paid otherwise means the same whether the till sends it or leaves it out.
    till.begin("s3", 100);
    till.until_final("s3");
    let mut same = crate::harness::sale("s3", 100);
    same["receipt"]["paid_otherwise"] = json!(0);
    assert_eq!(till.put("/v1/sales/s3", same).0, 200);
}

#[test]
fn a_cancellation_waits_for_the_connection_and_blocks_sales_until_then() {
    let (sim, till) = sold();
    sim.fault(json!({"on": "any", "do": "lose_request", "times": 0}));
    let cancel = json!({"operation": "s"});
    assert_eq!(till.put("/v1/cancellations/c1", cancel).0, 201);
    till.until("c1", &["queued"]);
    let queue = till.get("/v1/queue").1;
    assert_eq!(queue["items"][0]["id"], "c1");
    assert_eq!(till.health()["status"], "blocked");
    refused(till.begin("t", 100), 503, "temporarily_unavailable");
    sim.clear_faults();
    assert_eq!(till.until_final("c1")["state"], "done");
    assert_eq!(sim.balance(), 0);
    // What was refused without a trace may be tried again, under the same name.
    assert_eq!(till.begin("t", 100).0, 201);
}

#[test]
fn lost_answers_of_refund_and_cancellation_are_found() {
    for (requested, id, body) in [
        ("refunds", "r1", refund("s", 500)),
        ("cancellations", "c1", json!({"operation": "s"})),
    ] {
        let (sim, till) = sold();
        sim.fault(json!({"on": "reversals", "do": "lose_answer"}));
        assert_eq!(till.put(&format!("/v1/{requested}/{id}"), body).0, 201);
        let done = wait_for("the end", || {
            let operation = till.operation(id);
            (operation["state"] == "done").then_some(operation)
        });
        let back = if requested == "refunds" { 500 } else { 1999 };
        assert_eq!(
            (sim.balance(), &done["amount"]),
            (1999 - back, &json!(back))
        );
    }
}

#[test]
fn a_card_is_found_and_its_parameters_are_checked() {
    let sim = Sim::start(Some("join=10ms"));
    let card = json!({"cards": [{"number": "1234567890", "name": "Ромашка"}]});
    sim.control("POST", "/sim/buyer/loyalty", card);
    let till = Till::started(&sim.url, 2, "valutcode = 7\n");
    let good = json!({"valutcode": 7, "cardNumberType": 5});
    assert_eq!(till.put("/v1/cards/k", good).0, 201);
    let done = till.until_final("k");
    assert_eq!(
        done["card"],
        json!({"number": "1234567890", "name": "Ромашка"})
    );
    assert_eq!(sim.payments().len(), 0);
    for bad in [
        json!({"valutcode": 8, "cardNumberType": 5}),
        json!({"valutcode": 7, "cardNumberType": 1}),
    ] {
        assert_eq!(till.put("/v1/cards/k2", bad).0, 422);
    }
}

#[test]
fn the_verbs_do_the_same() {
    let (sim, till) = sold();
    let prints = |verb: &[&str], what: &str| {
        let (code, out, err) = till.run(verb);
        assert!(code == 0 && out.starts_with(what), "{out} {err}");
    };
    prints(&["refund", "s", "5"], "Возврат выполнен: 5.00");
    prints(&["cancel", "s"], "Оплата отменена: 14.99");
    assert_eq!(sim.balance(), 0);
    till.begin("t", 100);
    till.until_final("t");
    prints(&["annul", "t"], "Чек аннулирован: 1.00");
    prints(&["card"], "Карта не найдена");
    till.begin("u", 100);
    till.until_final("u");
    prints(&["refund", "u"], "Возврат выполнен: 1.00");
    assert_eq!(sim.balance(), 0);
}

#[test]
fn a_refund_in_doubt_is_not_paid_twice_from_the_command_line() {
    let (sim, till) = sold();
    // Carried out, but the answer is lost, and nobody can look.
    sim.fault(json!({"on": "reversals", "do": "lose_answer"}));
    sim.fault(json!({"on": "reports", "do": "lose_answer", "times": 0}));
    let mut refund = till.verb(&["refund", "s", "5", "--id", "r1"]);
    let mut refund = refund.env("LANG", "ru_RU.UTF-8").spawn().unwrap();
    let mut remarks = BufReader::new(refund.stderr.take().unwrap()).lines();
    let advice =
        "Не повторяйте возврат: программа сама узнаёт результат. Посмотреть: oplati operations";
    assert!(remarks.any(|line| line.unwrap() == advice));
    let in_doubt = till.get("/v1/operations/r1").1;
    assert_eq!(in_doubt["state"], "in_doubt");
    assert_eq!(in_doubt["error"]["code"], "no_connection");
    assert_eq!(in_doubt["error"]["message"], in_doubt["message"]);
    assert_eq!(in_doubt["error"]["remedy"], advice);
    let pid = rustix::process::Pid::from_child(&refund);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(refund.wait().unwrap().code(), Some(130));
    let rest: Vec<String> = remarks.map(Result::unwrap).collect();
    assert_eq!(rest, ["Возврат продолжается без вас: oplati operations"]);
    let again = |more: &[&str]| {
        let verb = [&["refund", "s", "5"], more].concat();
        let output = till.verb(&verb).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), stderr)
    };
    let (code, stderr) = again(&[]);
    assert!(code == Some(64) && stderr.contains("--again"), "{stderr}");
    sim.clear_faults();
    let done = till.until_final("r1");
    assert_holds(&done, json!({"state": "done", "error": null}));
    assert_eq!(sim.balance(), 1499);
    assert_eq!(again(&[]).0, Some(64));
    // The same identifier is the same refund, and whoever passes --again gives as much once more.
    assert_eq!(again(&["--id", "r1"]).0, Some(0));
    assert_eq!(sim.balance(), 1499);
    assert_eq!(again(&["--again"]).0, Some(0));
    assert_eq!(sim.balance(), 999);
}
