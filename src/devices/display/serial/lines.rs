//! A scene in two lines of twenty columns. Money and codes stand on the right, whole; the word on the
//! left gives way to them.

use super::code_page::transliterated;
use crate::config::{Language, WALLET_NAME};
use crate::core::scene::Scene;
use crate::devices::display::Theme;
use crate::devices::display::words::{NAME, to_pay};
use crate::devices::profile::display::Pole;
use crate::model::money::Kopecks;

/// Of a line.
pub(super) const COLUMNS: usize = 20;

/// Russian, Belarusian, English.
type Words = [&'static str; 3];

/// What a line is made of.
enum Line {
    /// Words, in the middle.
    Said(Words),
    /// A name that a person chose, in the middle.
    Named(String),
    /// Words on the left, money on the right.
    Money(Words, Kopecks),
    /// The wallet, in the middle.
    Wallet(Naming),
    /// The wallet on the left, a code on the right.
    Code(Naming, String),
}

/// What is said of the wallet. The usual name is never declined; another one may be, so that it stands where nothing
/// declines it, or not at all where it is too long.
struct Naming {
    /// With the usual name.
    usual: Words,
    /// With `{name}` in place of another one.
    named: Words,
    /// Where that has no room.
    bare: Words,
}

impl Naming {
    /// Spelt with what the display has, for so many columns.
    fn transliterated(&self, look: &Theme, pole: &Pole, room: usize) -> String {
        let with_name = |words| {
            let text = said(words, look.language).replacen(NAME, &look.wallet_name, 1);
            transliterated(&text, pole, room)
        };
        if look.wallet_name == WALLET_NAME {
            return with_name(self.usual);
        }
        let named = with_name(self.named);
        if named.chars().count() <= room {
            return named;
        }
        with_name(self.bare)
    }
}

/// A scene's lines, transliterated with what the display has.
pub(super) fn lines(scene: &Scene, look: &Theme, pole: &Pole) -> [String; 2] {
    let language = look.language;
    let shop = look
        .shop_name
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    if let (Scene::Idle, Some(shop)) = (scene, shop) {
        let shop = transliterated(shop, pole, COLUMNS);
        if let Some(both) = on_two(&shop) {
            return both.map(|line| centred(&line));
        }
    }
    let laid = |line: Line| match line {
        Line::Said(words) => centred(&transliterated(said(words, language), pole, COLUMNS)),
        Line::Named(name) => centred(&transliterated(&name, pole, COLUMNS)),
        Line::Money(words, amount) => money(said(words, language), amount, language, pole),
        Line::Wallet(naming) => centred(&naming.transliterated(look, pole, COLUMNS)),
        Line::Code(naming, code) => {
            let code = transliterated(&code, pole, COLUMNS);
            let room = COLUMNS.saturating_sub(code.chars().count() + 1);
            apart(&naming.transliterated(look, pole, room), &code)
        }
    };
    table(scene, shop).map(laid)
}

fn said(words: Words, language: Language) -> &'static str {
    let [russian, belarusian, english] = words;
    match language {
        Language::Ru => russian,
        Language::Be => belarusian,
        Language::En => english,
    }
}

const WELCOME: Words = ["Добро пожаловать!", "Вітаем вас!", "Welcome!"];
const PAY_WITH: Naming = Naming {
    usual: ["Оплата: О!плати", "Аплата: О!плати", "Pay with О!плати"],
    named: ["Оплата: {name}", "Аплата: {name}", "Pay with {name}"],
    bare: [NAME; 3],
};
const SHOW_CODE: Words = ["Покажите QR-код", "Пакажыце QR-код", "Show your QR code"];
const FROM_THE_APP: Naming = Naming {
    usual: [
        "из О!плати сканеру",
        "з О!плати сканеру",
        "from the О!плати app",
    ],
    named: [
        "из приложения {name}",
        "з праграмы {name}",
        "from the {name} app",
    ],
    bare: ["из приложения", "з праграмы", "from the app"],
};
// On another display or on the till: these two lines do not say where.
const SCAN_CODE: Words = [
    "Отсканируйте QR-код",
    "Адскануйце QR-код",
    "Scan the QR code",
];
const USE_CARD: Words = ["и получите карту", "і атрымайце картку", "to use your card"];
const CODE_IS: Naming = Naming {
    usual: ["Код О!плати", "Код О!плати", "О!плати code"],
    named: ["{name}: код", "{name}: код", "{name}: code"],
    bare: ["Код", "Код", "Code"],
};
const ENTER_CODE: Words = [
    "Введите в приложении",
    "Увядзіце ў праграме",
    "Enter it in the app",
];
const CONFIRM: Words = [
    "Подтвердите оплату",
    "Пацвердзіце аплату",
    "Confirm the payment",
];
const CHECKING: Words = [
    "Проверяем оплату",
    "Правяраем аплату",
    "Checking the payment",
];
const WAIT: Words = ["Подождите", "Пачакайце", "Please wait"];
const PAID: Words = ["ОПЛАЧЕНО", "АПЛАЧАНА", "PAID"];
const THANKS: Words = ["Спасибо за покупку!", "Дзякуй за пакупку!", "Thank you!"];
const DECLINED: Words = ["Оплата отклонена", "Аплата адхілена", "Payment declined"];
const NOTHING_TAKEN: Words = [
    "Деньги не списаны",
    "Грошы не спісаны",
    "No money was taken",
];
const NOT_ENOUGH: Words = [
    "Недостаточно средств",
    "Недастаткова сродкаў",
    "Not enough money",
];
const TOP_UP: Words = [
    "Пополните кошелёк",
    "Папоўніце кашалёк",
    "Top up your wallet",
];
const TIME_IS_UP: Words = ["Время истекло", "Час скончыўся", "Time is up"];
const NOT_MADE: Words = [
    "Оплата не проведена",
    "Аплата не праведзена",
    "Payment not made",
];
const CANCELLED: Words = ["Оплата отменена", "Аплата адменена", "Payment cancelled"];
const ASK_CASHIER: Words = [
    "Обратитесь к кассиру",
    "Звярніцеся да касіра",
    "Ask the cashier",
];
const REFUNDED: Words = ["Деньги возвращены", "Грошы вернуты", "Money refunded"];
const AMOUNT: Words = ["Сумма", "Сума", "Amount"];
const CARD_FOUND: Words = ["Карта найдена", "Карта знойдзена", "Card found"];
const NOT_COMPLETED: Words = [
    "Оплата не завершена",
    "Аплата не завершана",
    "Payment incomplete",
];
const WILL_RETURN: Words = [
    "Списанное вернётся",
    "Спісанае вернецца",
    "Charges are returned",
];
const NO_CONNECTION: Naming = Naming {
    usual: ["Нет связи с О!плати", "Няма сувязі", "No connection"],
    named: ["Нет связи: {name}", "Няма сувязі", "No connection"],
    bare: ["Нет связи", "Няма сувязі", "No connection"],
};

fn table(scene: &Scene, shop: Option<&str>) -> [Line; 2] {
    use Line::{Code, Money, Named, Said, Wallet};
    let due = [Language::Ru, Language::Be, Language::En].map(to_pay);
    let or_money =
        |amount: Option<Kopecks>, words| amount.map_or(Said(words), |amount| Money(due, amount));
    let name = |name: &str| Named(name.to_owned());
    match scene {
        Scene::Idle => [shop.map_or(Said(WELCOME), name), Wallet(PAY_WITH)],
        Scene::ScanMe => [Said(SHOW_CODE), Wallet(FROM_THE_APP)],
        Scene::Qr { amount, .. } => [Said(SCAN_CODE), or_money(*amount, USE_CARD)],
        Scene::Code { code, amount } => {
            [Code(CODE_IS, code.clone()), or_money(*amount, ENTER_CODE)]
        }
        Scene::PleaseConfirm { amount } => [Said(CONFIRM), Money(due, *amount)],
        Scene::Checking => [Said(CHECKING), Said(WAIT)],
        Scene::Paid { amount } => [Money(PAID, *amount), Said(THANKS)],
        Scene::Declined => [Said(DECLINED), Said(NOTHING_TAKEN)],
        Scene::NotEnoughMoney => [Said(NOT_ENOUGH), Said(TOP_UP)],
        Scene::TimeIsUp => [Said(TIME_IS_UP), Said(NOT_MADE)],
        Scene::Cancelled => [Said(CANCELLED), Said(ASK_CASHIER)],
        Scene::Refunded { amount } => [Said(REFUNDED), Money(AMOUNT, *amount)],
        Scene::CardFound { name: found } => [Said(CARD_FOUND), name(found)],
        Scene::NotCompleted => [Said(NOT_COMPLETED), Said(WILL_RETURN)],
        Scene::NoConnection => [Wallet(NO_CONNECTION), Said(ASK_CASHIER)],
    }
}

/// The amount with its unit if both have room, else without it.
fn money(word: &str, amount: Kopecks, language: Language, pole: &Pole) -> String {
    let plain = amount.to_string();
    let (plain, unit) = match language {
        Language::Ru | Language::Be => (plain.replace('.', ","), "руб"),
        Language::En => (plain, "BYN"),
    };
    let with_unit = transliterated(&format!("{plain} {unit}"), pole, COLUMNS);
    let word = transliterated(word, pole, COLUMNS);
    let both = word.chars().count() + 1 + with_unit.chars().count();
    apart(&word, if both <= COLUMNS { &with_unit } else { &plain })
}

/// A word on the left and what it is about on the right, which wins the room.
fn apart(word: &str, value: &str) -> String {
    let room = COLUMNS.saturating_sub(value.chars().count());
    let word: String = word.chars().take(room.saturating_sub(1)).collect();
    let width = COLUMNS - word.chars().count();
    format!("{word}{value:>width$}")
}

fn centred(line: &str) -> String {
    let line: String = line.trim().chars().take(COLUMNS).collect();
    format!("{line:^COLUMNS$}")
}

/// A name that is too long for one line and has a place to break it for two.
fn on_two(name: &str) -> Option<[String; 2]> {
    if name.chars().count() <= COLUMNS {
        return None;
    }
    let spaces = name.char_indices().filter(|(_, letter)| *letter == ' ');
    let halves = spaces.filter_map(|(at, _)| name.split_at_checked(at));
    let fits = |half: &str| half.trim().chars().count() <= COLUMNS;
    let halves = halves.filter(|(upper, lower)| fits(upper) && fits(lower));
    // The most even one.
    let (upper, lower) = halves.min_by_key(|(upper, lower)| upper.len().abs_diff(lower.len()))?;
    Some([upper.to_owned(), lower.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::super::code_page::tests::pole;
    use super::*;
    use crate::devices::profile::display::{CodePage, Dialect};

    const LANGUAGES: [Language; 3] = [Language::Ru, Language::Be, Language::En];
    const PAGES: [CodePage; 3] = [CodePage::Cp866, CodePage::Cp1251, CodePage::Ascii];

    fn of(scene: &Scene) -> [String; 2] {
        let pole = pole(Dialect::Epson, CodePage::Cp866);
        lines(scene, &Theme::default(), &pole)
    }

    fn look(language: Language, wallet: &str) -> Theme {
        Theme {
            language,
            wallet_name: wallet.to_owned(),
            ..Theme::default()
        }
    }

    #[test]
    fn every_scene_has_its_words_whole_in_every_language_and_page() {
        for (language, page) in LANGUAGES
            .into_iter()
            .flat_map(|one| PAGES.map(|page| (one, page)))
        {
            let pole = pole(Dialect::Epson, page);
            let look = look(language, WALLET_NAME);
            for scene in Scene::samples() {
                for line in lines(&scene, &look, &pole) {
                    assert_eq!(line.chars().count(), COLUMNS, "{line:?}");
                    assert!(!line.contains('?'), "{line:?}");
                }
                for line in table(&scene, None) {
                    let transliterated = match line {
                        Line::Said(words) => transliterated(said(words, language), &pole, COLUMNS),
                        Line::Wallet(naming) => naming.transliterated(&look, &pole, COLUMNS),
                        Line::Named(_) | Line::Money(..) | Line::Code(..) => continue,
                    };
                    assert!(
                        transliterated.chars().count() <= COLUMNS,
                        "{transliterated:?} is cut"
                    );
                }
            }
        }
    }

    #[test]
    fn amounts_and_codes_stand_right_and_whole() {
        let amount = Kopecks(123_456);
        let code = Scene::code("482915".into(), Some(amount));
        assert_eq!(of(&code), ["Код О!плати   482915", "К оплате 1234,56 руб"]);
        let long = Scene::code("123456789012345678".into(), None);
        assert_eq!(of(&long), ["К 123456789012345678", "Введите в приложении"]);
        let paid = |kopecks| {
            of(&Scene::Paid {
                amount: Kopecks(kopecks),
            })
        };
        assert_eq!(paid(5)[0], "ОПЛАЧЕНО    0,05 руб");
        assert_eq!(paid(12_345_678)[0], "ОПЛАЧЕНО   123456,78");
        assert_eq!(paid(123_456_789_012)[0], "ОПЛАЧЕ 1234567890,12");
        assert_eq!(paid(i64::MAX)[0], "92233720368547758,07");
    }

    #[test]
    fn a_code_to_scan_is_asked_for_with_its_sum_and_without_a_claim_where_it_is() {
        let qr = Scene::qr("https://x".into(), Some(Kopecks(1999)));
        assert_eq!(of(&qr), ["Отсканируйте QR-код ", "К оплате   19,99 руб"]);
        let none = pole(Dialect::Utc, CodePage::Ascii);
        let latin = lines(&qr, &Theme::default(), &none);
        assert_eq!(latin, ["Otskaniruyte QR-kod ", "K oplate   19,99 rub"]);
        let english = lines(&qr, &look(Language::En, WALLET_NAME), &none);
        assert_eq!(english, ["  Scan the QR code  ", "To pay     19.99 BYN"]);
    }

    #[test]
    fn a_shops_name_uses_both_lines_if_it_must() {
        let pole = pole(Dialect::Epson, CodePage::Cp866);
        let idle = |name: &str| {
            let shop_name = Some(name.to_owned());
            let look = Theme {
                shop_name,
                ..Theme::default()
            };
            lines(&Scene::Idle, &look, &pole)
        };
        assert_eq!(
            idle("Ромашка"),
            ["      Ромашка       ", "  Оплата: О!плати   "]
        );
        assert_eq!(
            idle("Магазин «Ромашка» на углу"),
            ["      Магазин       ", " \"Ромашка\" на углу  "]
        );
        let endless = idle("Ж".repeat(50).as_str());
        assert_eq!(endless[0], "Ж".repeat(20));
        assert_eq!(idle("  \u{1b}[2J ")[0].trim(), "[2J");
    }

    #[test]
    fn another_name_of_the_wallet_stands_where_it_has_room() {
        let dos = pole(Dialect::Epson, CodePage::Cp866);
        let shown = |scene: &Scene, language, name| {
            let both = lines(scene, &look(language, name), &dos);
            both.map(|line| line.trim().to_owned())
        };
        let code = Scene::code("482915".into(), None);
        let (ru, be, en) = (Language::Ru, Language::Be, Language::En);
        assert_eq!(shown(&Scene::Idle, ru, "Оплати")[1], "Оплата: Оплати");
        assert_eq!(shown(&Scene::Idle, en, "Оплати")[1], "Pay with Оплати");
        assert_eq!(
            shown(&Scene::ScanMe, ru, "Оплати")[1],
            "из приложения Оплати"
        );
        assert_eq!(shown(&Scene::ScanMe, be, "Оплати")[1], "з праграмы Оплати");
        assert_eq!(shown(&code, ru, "Оплати")[0], "Оплати: код   482915");
        assert_eq!(
            shown(&Scene::NoConnection, ru, "Оплати")[0],
            "Нет связи: Оплати"
        );
        let long = "Кошелёк нашего города";
        assert_eq!(shown(&Scene::Idle, ru, long)[1], "Кошелёк нашего город");
        assert_eq!(shown(&Scene::ScanMe, ru, long)[1], "из приложения");
        assert_eq!(shown(&Scene::ScanMe, en, long)[1], "from the app");
        assert_eq!(shown(&code, ru, long)[0], "Код           482915");
        assert_eq!(shown(&Scene::NoConnection, ru, long)[0], "Нет связи");
        // Without Cyrillic it is transliterated in Latin letters.
        let latin = pole(Dialect::Utc, CodePage::Ascii);
        let idle = lines(&Scene::Idle, &look(ru, "Оплати"), &latin);
        assert_eq!(idle[1].trim(), "Oplata: Oplati");
        for scene in Scene::samples() {
            for name in ["Я", "{name}", "!#!#!#!#", "漢漢", &"Ж".repeat(32)] {
                for language in LANGUAGES {
                    for line in lines(&scene, &look(language, name), &latin) {
                        assert_eq!(line.chars().count(), COLUMNS, "{line:?}");
                    }
                }
            }
        }
    }
}
