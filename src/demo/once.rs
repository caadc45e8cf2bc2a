//! `oplati demo --once`: one sale in each mode, one whose QR code is renewed, a refund and a cancellation,
//! without a page, as a check of the whole program.
//!
//! The cashier's part goes through the till API and the buyer's part through the simulator, as on the
//! page; the states are read from the event stream, since that alone shows each of them. At the end
//! the service's own ledger decides whether all is as it should be, not what the daemon reports of itself.

use std::io::Write;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde::Deserialize;

use super::DemoError;
use super::buyer::{Decision, Payment, Taken};
use super::table::{Table, seconds};
use super::world::{Parts, World};
use crate::client::http::Stream;
use crate::model::money::Kopecks;
use crate::model::operation::{
    Item, ItemKind, Mode, Operation, Receipt, SaleRequest, Shows, State, word,
};
use crate::texts::{cashier, newcomer};

/// The bound of one sale or reversal.
const SALE_LIMIT: Duration = Duration::from_secs(8);

/// So long the first session of the renewed sale lives; the service's own sessions live 60 s.
const SHORT_SESSION_LIFE: Duration = Duration::from_secs(3);

const SESSION_LIFE: Duration = Duration::from_secs(60);

/// Between two looks at the service's ledger and at the code on the display.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a person takes to do the next thing: short, but long enough for the daemon to wait.
const PERSONS_PAUSE: Duration = Duration::from_millis(300);

/// A sale of the plan.
struct Planned {
    id: &'static str,
    title: &'static str,
    mode: Mode,
    goods: &'static str,
    amount: Kopecks,
    /// The buyer comes when the first session is over.
    renewed: bool,
}

const PLAN: [Planned; 4] = [
    Planned {
        id: "demo-mode-0",
        title: newcomer::MODE_0,
        mode: Mode::ConsumerQr,
        goods: newcomer::CHEESE,
        amount: Kopecks(1234),
        renewed: false,
    },
    Planned {
        id: "demo-mode-1",
        title: newcomer::MODE_1,
        mode: Mode::StaticQr,
        goods: newcomer::APPLES,
        amount: Kopecks(700),
        renewed: false,
    },
    Planned {
        id: "demo-mode-2",
        title: newcomer::MODE_2,
        mode: Mode::DynamicQr,
        goods: newcomer::FLOWERS,
        amount: Kopecks(5999),
        renewed: false,
    },
    Planned {
        id: "demo-renewal",
        title: newcomer::RENEWAL,
        mode: Mode::DynamicQr,
        goods: newcomer::MINT,
        amount: Kopecks(345),
        renewed: true,
    },
];

/// What is brought back of the planned sales.
struct Returned {
    id: &'static str,
    title: &'static str,
    collection: &'static str,
    /// Of which sale.
    of: &'static str,
    amount: Kopecks,
}

const RETURNS: [Returned; 2] = [
    Returned {
        id: "demo-refund",
        title: newcomer::REFUND,
        collection: "refunds",
        of: "demo-mode-2",
        amount: Kopecks(500),
    },
    Returned {
        id: "demo-cancel",
        title: newcomer::CANCELLATION,
        collection: "cancellations",
        of: "demo-mode-1",
        amount: Kopecks(700),
    },
];

/// What an event holds of an operation, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Seen {
    id: String,
    state: State,
    message: String,
}

/// Plays the sales, reports them on standard output, and compares with the ledger.
pub async fn play(world: &World) -> Result<(), DemoError> {
    let parts = world.parts();
    let mut table = Table::new(std::io::stdout());
    let began = Instant::now();
    let mut sales = Vec::new();
    for planned in &PLAN {
        let limit = match planned.renewed {
            true => SALE_LIMIT + SHORT_SESSION_LIFE,
            false => SALE_LIMIT,
        };
        let played = play_sale(parts, planned, &mut table);
        sales.push(within(limit, planned.id, played).await?);
    }
    for returned in &RETURNS {
        let played = play_return(parts, returned, &mut table);
        within(SALE_LIMIT, returned.id, played).await?;
    }
    let ledger = parts.buyer.payments().await?;
    check(&PLAN, &sales, &ledger).map_err(DemoError::NotAsItShould)?;
    let violations = parts.buyer.violations().await?;
    if violations > 0 {
        return Err(DemoError::NotAsItShould(format!(
            "the service was asked {violations} times more often than it allows"
        )));
    }
    table.line(&newcomer::ledger(PLAN.len()))?;
    table.line(&newcomer::well(seconds(began.elapsed())))
}

async fn within<T>(
    limit: Duration,
    id: &str,
    played: impl Future<Output = Result<T, DemoError>>,
) -> Result<T, DemoError> {
    let late = |_| DemoError::NotAsItShould(format!("{id} did not end within {limit:?}"));
    tokio::time::timeout(limit, played).await.map_err(late)?
}

async fn play_sale<W: Write>(
    parts: &Parts,
    planned: &Planned,
    table: &mut Table<W>,
) -> Result<Operation, DemoError> {
    table.heading(planned.title, planned.amount)?;
    if planned.renewed {
        parts.buyer.set_session_life(SHORT_SESSION_LIFE).await?;
    }
    // Before the sale begins, so that its first state is not missed.
    let mut events = parts.till.listen("/v1/events", None).await?;
    let began = Instant::now();
    let body =
        serde_json::to_value(request(planned)).map_err(|error| DemoError::Io(error.into()))?;
    let _: Operation = parts
        .till
        .ask(
            Method::PUT,
            &format!("/v1/sales/{}", planned.id),
            Some(&body),
        )
        .await?;
    let mut last: Option<Seen> = None;
    let (mut confirmed, mut acted) = (false, Vec::new());
    loop {
        let seen = tokio::select! {
            seen = next_change(&mut events, planned.id, last.as_ref()) => seen?,
            asked = asked_to_confirm(parts), if !confirmed => {
                asked?;
                confirmed = true;
                tokio::time::sleep(PERSONS_PAUSE).await;
                table.act(newcomer::CONFIRMS)?;
                parts.buyer.decide(Decision::Confirm).await?;
                continue;
            }
        };
        table.state(began.elapsed(), &word(seen.state), &seen.message)?;
        if seen.state.is_final() {
            break;
        }
        // Once for each state: a renewed session may bring one again.
        if !acted.contains(&seen.state) {
            acted.push(seen.state);
            act(parts, planned, seen.state, table).await?;
        }
        last = Some(seen);
    }
    table.line("")?;
    Ok(parts
        .till
        .ask(Method::GET, &format!("/v1/operations/{}", planned.id), None)
        .await?)
}

/// A refund or a cancellation, which no buyer has to confirm.
async fn play_return<W: Write>(
    parts: &Parts,
    returned: &Returned,
    table: &mut Table<W>,
) -> Result<(), DemoError> {
    table.heading(returned.title, returned.amount)?;
    let body = if returned.collection == "refunds" {
        serde_json::json!({
            "sale": returned.of,
            "amount": returned.amount,
            "receipt": {"number": returned.id, "items": [{"name": cashier::REFUND_ITEM, "cost": returned.amount}]},
        })
    } else {
        serde_json::json!({"operation": returned.of})
    };
    let began = Instant::now();
    let path = format!("/v1/{}/{}", returned.collection, returned.id);
    let mut operation: Operation = parts.till.ask(Method::PUT, &path, Some(&body)).await?;
    loop {
        let name = word(operation.state);
        table.state(began.elapsed(), &name, &operation.message)?;
        if operation.state.is_final() {
            break;
        }
        let path = format!("/v1/operations/{}?wait=5&after={name}", returned.id);
        operation = parts.till.ask(Method::GET, &path, None).await?;
    }
    table.line("")?;
    if operation.state == State::Done {
        return Ok(());
    }
    Err(DemoError::NotAsItShould(format!(
        "{} ended {}: {}",
        returned.id,
        word(operation.state),
        operation.message
    )))
}

fn request(planned: &Planned) -> SaleRequest {
    let item = Item {
        name: planned.goods.to_owned(),
        quantity: Some("1.000".to_owned()),
        price: Some(planned.amount),
        cost: planned.amount,
        kind: ItemKind::Goods,
        barcode: None,
    };
    let receipt = Receipt {
        number: planned.id.to_owned(),
        shift: None,
        items: vec![item],
        header: None,
        footer: None,
        paid_otherwise: Kopecks::ZERO,
    };
    SaleRequest {
        amount: planned.amount,
        receipt,
        mode: Some(planned.mode),
    }
}

/// The next event of this operation that holds something new.
async fn next_change(
    events: &mut Stream,
    id: &str,
    last: Option<&Seen>,
) -> Result<Seen, DemoError> {
    while let Some(message) = events.next().await? {
        if message.event != "operation" {
            continue;
        }
        let seen: Seen = serde_json::from_str(&message.data).map_err(|error| {
            DemoError::NotAsItShould(format!("an event of an operation is unreadable: {error}"))
        })?;
        if seen.id == id && last != Some(&seen) {
            return Ok(seen);
        }
    }
    Err(DemoError::NotAsItShould(
        "the daemon closed its event stream".to_owned(),
    ))
}

/// Waits until the buyer's phone asks for a confirmation, which it does as soon as the service has the
/// payment, whatever the till knows of it.
async fn asked_to_confirm(parts: &Parts) -> Result<(), DemoError> {
    while !parts
        .buyer
        .payments()
        .await?
        .iter()
        .any(Payment::is_pending)
    {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// What the display shows for the operation now.
async fn shown(parts: &Parts, id: &str) -> Result<Option<Shows>, DemoError> {
    let path = format!("/v1/operations/{id}");
    let operation: Operation = parts.till.ask(Method::GET, &path, None).await?;
    Ok(operation.shows)
}

/// Waits until the display shows another code than that.
async fn renewed(parts: &Parts, id: &str, before: &Shows) -> Result<Shows, DemoError> {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        match shown(parts, id).await? {
            Some(shows) if shows != *before => return Ok(shows),
            _ => {}
        }
    }
}

/// What the people do when the operation waits for one of them.
async fn act<W: Write>(
    parts: &Parts,
    planned: &Planned,
    state: State,
    table: &mut Table<W>,
) -> Result<(), DemoError> {
    match state {
        State::AwaitingScan => {
            tokio::time::sleep(PERSONS_PAUSE).await;
            let code = parts.buyer.qr().await?;
            table.act(newcomer::SHOWS_QR)?;
            parts.scanner.scan(&code)?;
        }
        State::AwaitingBuyer => {
            tokio::time::sleep(PERSONS_PAUSE).await;
            let id = planned.id;
            let Some(mut shows) = shown(parts, id).await? else {
                return Err(DemoError::NotAsItShould(format!(
                    "{id} waits for the buyer, but shows nothing"
                )));
            };
            if planned.renewed {
                parts.buyer.set_session_life(SESSION_LIFE).await?;
                shows = renewed(parts, id, &shows).await?;
                table.act(newcomer::QR_RENEWED)?;
            }
            let (what, taken) = match shows {
                Shows::Code(code) => (newcomer::TYPES_CODE, Taken::Code(code)),
                Shows::Qr(text) => (newcomer::SCANS_QR, Taken::Qr(text)),
            };
            table.act(what)?;
            parts.buyer.join(&taken).await?;
        }
        State::New
        | State::AwaitingConfirmation
        | State::InProgress
        | State::InDoubt
        | State::Queued
        | State::Done
        | State::Declined
        | State::NotEnoughMoney
        | State::Expired
        | State::Cancelled
        | State::Failed => {}
    }
    Ok(())
}

/// Whether the service's ledger holds exactly the planned sales, each paid once.
fn check(plan: &[Planned], sales: &[Operation], ledger: &[Payment]) -> Result<(), String> {
    for (planned, sale) in plan.iter().zip(sales) {
        if sale.state != State::Done {
            return Err(format!(
                "{} ended {}: {}",
                planned.id,
                word(sale.state),
                sale.message
            ));
        }
        let mut payments = ledger
            .iter()
            .filter(|payment| payment.order_number == sale.order_number);
        let (Some(payment), None) = (payments.next(), payments.next()) else {
            return Err(format!(
                "{} does not have exactly one payment in the service's ledger",
                planned.id
            ));
        };
        if !payment.is_sale() || !payment.is_paid() {
            return Err(format!(
                "{} is done, but its payment is not: {payment:?}",
                planned.id
            ));
        }
        let back = RETURNS.iter().find(|returned| returned.of == planned.id);
        let back = back.map_or(Kopecks::ZERO, |returned| returned.amount);
        if payment.reversed != back {
            return Err(format!(
                "of {} {} came back instead of {back}",
                planned.id, payment.reversed
            ));
        }
        if payment.kopecks != planned.amount {
            return Err(format!(
                "{} is about {}, its payment about {}",
                planned.id, planned.amount, payment.kopecks
            ));
        }
    }
    let payments = ledger.iter().filter(|payment| payment.is_sale()).count();
    if sales.len() != plan.len() || payments != plan.len() {
        return Err(format!(
            "{payments} payments in the service's ledger for {} sales",
            plan.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::validate;
    use crate::model::operation::OperationRequest;

    fn sale(planned: &Planned, order_number: &str) -> Operation {
        serde_json::from_value(serde_json::json!({
            "id": planned.id, "kind": "sale", "state": "done", "amount": planned.amount,
            "mode": planned.mode, "shift": "24112026", "order_number": order_number,
            "payment_id": 1, "of": null, "left": planned.amount, "undo": null, "shows": null,
            "message": "Оплата выполнена", "error": null, "card": null, "slip": null,
            "created_at": "2026-11-24T06:52:50.000Z", "updated_at": "2026-11-24T06:52:51.000Z",
            "finished_at": "2026-11-24T06:52:51.000Z",
        }))
        .unwrap()
    }

    fn paid(planned: &Planned, order_number: &str) -> Payment {
        Payment {
            order_number: order_number.to_owned(),
            kopecks: planned.amount,
            reversed: RETURNS
                .iter()
                .find(|returned| returned.of == planned.id)
                .map_or(Kopecks::ZERO, |returned| returned.amount),
            status: 1,
            kind: 1,
        }
    }

    /// The plan as it should end: operations and ledger.
    fn right() -> (Vec<Operation>, Vec<Payment>) {
        let numbered = || PLAN.iter().zip(["a-1", "a-2", "a-3", "a-4"]);
        (
            numbered().map(|(p, n)| sale(p, n)).collect(),
            numbered().map(|(p, n)| paid(p, n)).collect(),
        )
    }

    #[test]
    fn paid_sales_are_right() {
        let (sales, ledger) = right();
        assert_eq!(check(&PLAN, &sales, &ledger), Ok(()));
    }

    #[test]
    fn each_thing_that_can_be_wrong_is_named() {
        type Spoil = fn(&mut Vec<Operation>, &mut Vec<Payment>);
        let spoils: [(Spoil, &str); 9] = [
            (
                |_, ledger| ledger[2].reversed = Kopecks(499),
                "of demo-mode-2 4.99 came back instead of 5.00",
            ),
            (
                |sales, _| sales[0].state = State::Declined,
                "demo-mode-0 ended declined",
            ),
            (
                |_, ledger| drop(ledger.remove(1)),
                "demo-mode-1 does not have exactly one payment",
            ),
            (
                |_, ledger| ledger.push(ledger[2].clone()),
                "demo-mode-2 does not have exactly one payment",
            ),
            (
                |_, ledger| ledger[0].status = 0,
                "demo-mode-0 is done, but its payment is not",
            ),
            (
                |_, ledger| ledger[0].kind = 3,
                "demo-mode-0 is done, but its payment is not",
            ),
            (
                |_, ledger| ledger[1].kopecks = Kopecks(70_000),
                "demo-mode-1 is about 7.00, its payment about 700.00",
            ),
            (
                |sales, _| drop(sales.pop()),
                "4 payments in the service's ledger for 4 sales",
            ),
            (
                |_, ledger| ledger.push(paid(&PLAN[0], "b-9")),
                "5 payments in the service's ledger for 4 sales",
            ),
        ];
        for (spoil, expected) in spoils {
            let (mut sales, mut ledger) = right();
            spoil(&mut sales, &mut ledger);
            let found = check(&PLAN, &sales, &ledger).unwrap_err();
            assert!(
                found.starts_with(expected),
                "{found:?} instead of {expected:?}"
            );
        }
    }

    #[test]
    fn the_plan_is_a_sale_the_till_may_ask_for() {
        for planned in &PLAN {
            let request = request(planned);
            let sale = OperationRequest::Sale(request.clone());
            assert_eq!(validate::request(&sale, None), Ok(()));
            assert_eq!(
                request
                    .receipt
                    .items
                    .iter()
                    .map(|item| item.cost.0)
                    .sum::<i64>(),
                request.amount.0
            );
        }
    }
}
