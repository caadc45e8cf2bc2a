//! What a till may ask for, checked once at the door.

use crate::base::text::is_unsafe;
use crate::model::money::{Kopecks, MAX_AMOUNT};
use crate::model::operation::{
    CancellationRequest, CardRequest, Item, OperationRequest, Receipt, RefundRequest, SaleRequest,
};
use crate::model::problem::{Code, Problem};
use crate::texts::{cashier, original};

/// Most items of one receipt.
pub const MAX_ITEMS: usize = 1000;

/// Checks a till's identifier.
///
/// # Errors
/// `invalid` naming what is allowed.
pub fn id(id: &str) -> Result<(), Problem> {
    let mut bytes = id.bytes();
    let good = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && id.len() <= 64;
    if good {
        return Ok(());
    }
    Err(Code::Invalid.problem(cashier::BAD_ID, cashier::BAD_ID_REMEDY))
}

/// The `cardNumberType` of a card that comes from the processing.
const CARD_FROM_PROCESSING: u32 = 5;

/// Checks a till's request before anything is journalled. `valutcode` is the configured number of the
/// payment type, if there is one.
///
/// # Errors
/// `invalid` naming the field and its bounds, `amount_mismatch` when the items do not add up,
/// `return_receipt_unavailable` for a refund that names no sale.
pub fn request(requested: &OperationRequest, valutcode: Option<u32>) -> Result<(), Problem> {
    match requested {
        OperationRequest::Sale(sale) => self::sale(sale),
        OperationRequest::Refund(refund) => self::refund(refund),
        OperationRequest::Cancellation(cancellation) => self::cancellation(cancellation),
        OperationRequest::Card(card) => self::card(card, valutcode),
    }
}

fn cancellation(request: &CancellationRequest) -> Result<(), Problem> {
    if let Some(shift) = &request.shift {
        text("shift", shift, 32)?;
    }
    let operation = request.operation.as_str();
    id(operation.strip_prefix('~').unwrap_or(operation))
}

fn card(request: &CardRequest, valutcode: Option<u32>) -> Result<(), Problem> {
    if request.card_number_type != CARD_FROM_PROCESSING {
        let value = request.card_number_type;
        return Err(invalid(cashier::card_number_type(
            CARD_FROM_PROCESSING,
            value,
        )));
    }
    match valutcode {
        Some(ours) if ours != request.valutcode => Err(Problem::unprocessable(
            cashier::other_valutcode(ours, request.valutcode),
            cashier::OTHER_VALUTCODE_REMEDY,
        )),
        Some(_) | None => Ok(()),
    }
}

fn refund(request: &RefundRequest) -> Result<(), Problem> {
    match (&request.sale, request.payment_id) {
        (Some(sale), None) => id(sale)?,
        (None, Some(number)) if number > 0 => {}
        (None, Some(number)) => {
            return Err(invalid(cashier::payment_id_positive(number)));
        }
        (Some(_), Some(_)) => {
            return Err(invalid(cashier::SALE_OR_PAYMENT));
        }
        (None, None) => {
            return Err(Code::ReturnReceiptUnavailable.problem(
                original::RETURN_UNAVAILABLE,
                cashier::RETURN_UNAVAILABLE_REMEDY,
            ));
        }
    }
    amount_and_receipt(request.amount, &request.receipt)
}

fn sale(request: &SaleRequest) -> Result<(), Problem> {
    amount_and_receipt(request.amount, &request.receipt)
}

fn amount_and_receipt(amount: Kopecks, receipt: &Receipt) -> Result<(), Problem> {
    in_range("amount", amount, 1)?;
    self::receipt(receipt)?;
    let otherwise = receipt.paid_otherwise;
    let sum = receipt.total();
    if sum.is_some() && sum == amount.checked_add(otherwise) {
        return Ok(());
    }
    let endless = || cashier::AMOUNT_MISMATCH_ENDLESS.to_owned();
    let sum = sum.map_or_else(endless, |sum| sum.0.to_string());
    let detail = if otherwise.is_zero() {
        cashier::amount_mismatch(amount.0, sum)
    } else {
        cashier::amount_mismatch_with_otherwise(amount.0, otherwise.0, sum)
    };
    Err(Code::AmountMismatch.problem(detail, cashier::AMOUNT_MISMATCH_REMEDY))
}

fn receipt(receipt: &Receipt) -> Result<(), Problem> {
    text("receipt.number", &receipt.number, 64)?;
    if let Some(shift) = &receipt.shift {
        text("receipt.shift", shift, 32)?;
    }
    for (name, value) in [
        ("receipt.header", &receipt.header),
        ("receipt.footer", &receipt.footer),
    ] {
        if let Some(value) = value {
            lines(name, value, 1024, &['\n', '\r', '\t'])?;
        }
    }
    in_range("receipt.paid_otherwise", receipt.paid_otherwise, 0)?;
    let count = receipt.items.len();
    if !(1..=MAX_ITEMS).contains(&count) {
        return Err(invalid(cashier::items_count(count, MAX_ITEMS)));
    }
    receipt
        .items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| check_item(index, item))
}

fn check_item(index: usize, item: &Item) -> Result<(), Problem> {
    let place = |field: &str| format!("receipt.items[{index}].{field}");
    // A long name may be broken into lines.
    text(&place("name"), &item.name.replace('\n', " "), 256)?;
    in_range(&place("cost"), item.cost, 0)?;
    if let Some(price) = item.price {
        in_range(&place("price"), price, 0)?;
    }
    if let Some(quantity) = &item.quantity
        && !is_quantity(quantity)
    {
        return Err(invalid(cashier::quantity(place("quantity"))));
    }
    let is_barcode = |code: &str| {
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
    };
    match &item.barcode {
        Some(code) if !is_barcode(code) => Err(invalid(cashier::barcode(place("barcode")))),
        Some(_) | None => Ok(()),
    }
}

/// Decimal text above zero: 1 to 9 digits, optionally a point and 1 to 3 digits.
fn is_quantity(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    digits(whole, 9) && digits(fraction, 3) && !is_zero
}

/// The one rule for a text of one line that a till or a person gives: 1 to `most` characters, one of which can be seen,
/// none of which controls anything.
///
/// # Errors
/// `invalid` naming the place.
pub fn text(place: &str, value: &str, most: usize) -> Result<(), Problem> {
    if !value.chars().any(is_visible) {
        return Err(invalid(cashier::text_invisible(most, place)));
    }
    lines(place, value, most, &[])
}

/// The same for a text that may be empty, and may hold these characters between its lines.
fn lines(place: &str, value: &str, most: usize, breaks: &[char]) -> Result<(), Problem> {
    let length = value.chars().count();
    if length > most {
        return Err(invalid(cashier::text_too_long(length, most, place)));
    }
    let odd = value
        .chars()
        .find(|c| c.is_control() && !breaks.contains(c));
    odd.map_or(Ok(()), |odd| {
        let code = format!("{:04X}", u32::from(odd));
        Err(invalid(cashier::text_control(code, place)))
    })
}

/// Blanks that are no white space to Unicode, beside those that change the direction of what follows.
fn is_visible(character: char) -> bool {
    let is_blank = matches!(
        character,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
    );
    !character.is_whitespace() && !is_unsafe(character) && !is_blank
}

fn in_range(place: &str, value: Kopecks, from: i64) -> Result<(), Problem> {
    let most = MAX_AMOUNT.0;
    if (from..=most).contains(&value.0) {
        return Ok(());
    }
    Err(invalid(cashier::range_kopecks(from, place, most, value.0)))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::unprocessable(detail, cashier::INVALID_REMEDY)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::operation::ItemKind;

    pub(crate) fn request(amount: i64) -> SaleRequest {
        let item = Item {
            name: "Хлеб «Нарочанский»".into(),
            quantity: Some("1.000".into()),
            price: Some(Kopecks(amount)),
            cost: Kopecks(amount),
            kind: ItemKind::Goods,
            barcode: None,
        };
        let receipt = Receipt {
            number: "1".into(),
            shift: None,
            items: vec![item],
            header: None,
            footer: None,
            paid_otherwise: Kopecks::ZERO,
        };
        SaleRequest {
            amount: Kopecks(amount),
            receipt,
            mode: None,
        }
    }

    #[test]
    fn identifiers_are_bounded() {
        for good in ["a", "A-1._x", &"x".repeat(64)] {
            assert_eq!(id(good), Ok(()), "{good}");
        }
        for bad in ["", "~1", "-a", "a b", "ы", &"x".repeat(65), "a/b"] {
            assert_eq!(id(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    /// What is spoilt, and the place that the answer names.
    type Spoil = fn(&mut SaleRequest);

    const FAULTS: [(&str, Spoil); 18] = [
        ("receipt.paid_otherwise", |r| {
            r.receipt.paid_otherwise = Kopecks(-1);
        }),
        ("receipt.paid_otherwise", |r| {
            r.receipt.paid_otherwise = Kopecks(MAX_AMOUNT.0 + 1);
        }),
        ("receipt.number", |r| r.receipt.number = " ".into()),
        ("receipt.shift", |r| r.receipt.shift = Some("x".repeat(33))),
        ("receipt.items", |r| r.receipt.items.clear()),
        ("items[0].name", |r| {
            r.receipt.items[0].name = "a\u{0}".into()
        }),
        ("items[0].cost", |r| r.receipt.items[0].cost = Kopecks(-1)),
        ("items[0].quantity", |r| {
            r.receipt.items[0].quantity = Some("1e3".into())
        }),
        ("receipt.header", |r| {
            r.receipt.header = Some("x".repeat(1025))
        }),
        ("receipt.header", |r| r.receipt.header = Some("a\0".into())),
        (
            "receipt.footer: управляющий символ U+001B",
            |r| {
                r.receipt.footer = Some("\u{1b}[2J".into());
            },
        ),
        ("receipt.number", |r| r.receipt.number = "1\n".into()),
        ("receipt.shift", |r| r.receipt.shift = Some("7\n".into())),
        ("items[0].name", |r| {
            r.receipt.items[0].name = "\u{200b}\u{3164}\n".into();
        }),
        ("items[0].barcode", |r| {
            r.receipt.items[0].barcode = Some("48A".into());
        }),
        ("items[0].barcode", |r| {
            r.receipt.items[0].barcode = Some(String::new());
        }),
        ("items[0].quantity", |r| {
            r.receipt.items[0].quantity = Some("0".into())
        }),
        ("items[0].quantity", |r| {
            r.receipt.items[0].quantity = Some("000.000".into())
        }),
    ];

    #[test]
    fn a_good_sale_passes_and_each_fault_is_named() {
        assert_eq!(sale(&request(1999)), Ok(()));
        let mut odd = request(1999);
        odd.receipt.header = Some("Магазин\r\n\tНеман\n".into());
        odd.receipt.footer = Some(String::new());
        odd.receipt.items[0].name = "Хлеб\n«Нарочанский» \u{ad}1 кг".into();
        odd.receipt.items[0].quantity = Some("0.001".into());
        odd.receipt.items[0].barcode = Some("4810268003455".into());
        assert_eq!(sale(&odd), Ok(()));
        assert!(sale(&request(0)).unwrap_err().detail.contains("amount = 0"));
        assert!(
            sale(&request(100_000_001))
                .unwrap_err()
                .detail
                .contains("100000000")
        );
        let mut mismatch = request(7);
        mismatch.receipt.items[0].cost = Kopecks(8);
        assert_eq!(sale(&mismatch).unwrap_err().code, Code::AmountMismatch);
        for (place, fault) in FAULTS {
            let mut broken = request(5);
            fault(&mut broken);
            let problem = sale(&broken).unwrap_err();
            assert!(
                problem.detail.contains(place),
                "{place}: {}",
                problem.detail
            );
            assert_eq!(problem.status, 422);
        }
    }

    #[test]
    fn items_add_up_to_what_is_paid_here_and_otherwise() {
        let mut mixed = request(1234);
        mixed.amount = Kopecks(734);
        assert_eq!(sale(&mixed).unwrap_err().code, Code::AmountMismatch);
        mixed.receipt.paid_otherwise = Kopecks(500);
        assert_eq!(sale(&mixed), Ok(()));
        let refund = RefundRequest {
            sale: Some("s1".into()),
            payment_id: None,
            amount: mixed.amount,
            receipt: mixed.receipt.clone(),
        };
        assert_eq!(
            super::request(&OperationRequest::Refund(refund), None),
            Ok(())
        );
        mixed.receipt.paid_otherwise = Kopecks(501);
        let problem = sale(&mixed).unwrap_err();
        assert_eq!(problem.code, Code::AmountMismatch);
        for part in ["1234", "734", "paid_otherwise (501)"] {
            assert!(problem.detail.contains(part), "{}", problem.detail);
        }
        // The wallet must have something to pay.
        mixed.amount = Kopecks(0);
        mixed.receipt.paid_otherwise = Kopecks(1234);
        assert!(sale(&mixed).unwrap_err().detail.contains("amount = 0"));
    }

    #[test]
    fn sums_beyond_64_bits_are_a_mismatch_not_a_panic() {
        let mut huge = request(1);
        let mut item = huge.receipt.items[0].clone();
        item.cost = MAX_AMOUNT;
        huge.receipt.items = vec![item; MAX_ITEMS];
        assert_eq!(sale(&huge).unwrap_err().code, Code::AmountMismatch);
    }
}
