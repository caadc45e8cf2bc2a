//! A scene in two lines of twenty columns. Money and codes stand on the right, whole; the word on the
//! left gives way to them.

use super::code_page::transliterated;
use crate::config::{Language, WALLET_NAME};
use crate::core::scene::Scene;
use crate::devices::display::Theme;
use crate::devices::display::messages::in_language;
use crate::devices::profile::display::Pole;
use crate::model::money::Kopecks;
use crate::texts::buyer::{self, Text};

/// The width of a line, characters.
pub(super) const COLUMNS: usize = 20;

/// What a line is made of.
enum Line {
    /// Words, in the middle.
    Words(Text),
    /// A name that a person chose, in the middle.
    Named(String),
    /// Words on the left, money on the right.
    Money(Text, Kopecks),
    /// The wallet, in the middle.
    Wallet(Naming),
    /// The wallet on the left, a code on the right.
    Code(Naming, String),
}

/// What is shown of the wallet. The usual name is never declined; another one may be, so that it stands where nothing
/// declines it, or not at all where it is too long.
struct Naming {
    /// With the usual name.
    usual: Text,
    /// With another one.
    named: Text,
    /// Where that has no room; the name alone, as far as it has room, if there is none.
    bare: Option<Text>,
}

impl Naming {
    /// Spelt with what the display has, for so many columns.
    fn transliterated(self, theme: &Theme, pole: &Pole, room: usize) -> String {
        let to_letters = |text: &str| transliterated(text, pole, room);
        if theme.wallet_name == WALLET_NAME {
            return to_letters(&in_language(self.usual, theme.language));
        }
        let named = to_letters(&in_language(self.named, theme.language));
        if named.chars().count() <= room {
            return named;
        }
        let bare = self.bare.map(|bare| in_language(bare, theme.language));
        to_letters(bare.as_deref().unwrap_or(&theme.wallet_name))
    }
}

/// A scene's lines, transliterated with what the display has.
pub(super) fn lines(scene: &Scene, theme: &Theme, pole: &Pole) -> [String; 2] {
    let language = theme.language;
    let shop = theme
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
        Line::Words(words) => centred(&transliterated(
            &in_language(words, language),
            pole,
            COLUMNS,
        )),
        Line::Named(name) => centred(&transliterated(&name, pole, COLUMNS)),
        Line::Money(words, amount) => money(&in_language(words, language), amount, language, pole),
        Line::Wallet(naming) => centred(&naming.transliterated(theme, pole, COLUMNS)),
        Line::Code(naming, code) => {
            let code = transliterated(&code, pole, COLUMNS);
            let room = COLUMNS.saturating_sub(code.chars().count() + 1);
            apart(&naming.transliterated(theme, pole, room), &code)
        }
    };
    table(scene, shop, &theme.wallet_name).map(laid)
}

fn table(scene: &Scene, shop: Option<&str>, wallet: &str) -> [Line; 2] {
    use Line::{Code, Money, Named, Wallet, Words};
    let or_money = |amount: Option<Kopecks>, words| {
        amount.map_or(Words(words), |amount| Money(buyer::TO_PAY, amount))
    };
    let name = |name: &str| Named(name.to_owned());
    let naming = |usual, named, bare| Naming { usual, named, bare };
    match scene {
        Scene::Idle => {
            let pay_with = naming(
                buyer::LINE_PAY_WITH,
                buyer::line_pay_with_named(wallet),
                None,
            );
            [shop.map_or(Words(buyer::IDLE), name), Wallet(pay_with)]
        }
        Scene::ScanMe => {
            let from_the_app = naming(
                buyer::LINE_FROM_THE_APP,
                buyer::line_from_the_app_named(wallet),
                Some(buyer::LINE_FROM_THE_APP_BARE),
            );
            [Words(buyer::SCAN_ME), Wallet(from_the_app)]
        }
        Scene::Qr { amount, .. } => [
            Words(buyer::QR_FOR_CARD),
            or_money(*amount, buyer::QR_FOR_CARD_HINT),
        ],
        Scene::Code { code, amount } => {
            let code_is = naming(
                buyer::LINE_CODE,
                buyer::line_code_named(wallet),
                Some(buyer::LINE_CODE_BARE),
            );
            [
                Code(code_is, code.clone()),
                or_money(*amount, buyer::LINE_ENTER_CODE),
            ]
        }
        Scene::PleaseConfirm { amount } => {
            [Words(buyer::PLEASE_CONFIRM), Money(buyer::TO_PAY, *amount)]
        }
        Scene::Checking => [Words(buyer::CHECKING), Words(buyer::LINE_WAIT)],
        Scene::Paid { amount } => [Money(buyer::LINE_PAID, *amount), Words(buyer::PAID_HINT)],
        Scene::Declined => [Words(buyer::DECLINED), Words(buyer::DECLINED_HINT)],
        Scene::NotEnoughMoney => [Words(buyer::NOT_ENOUGH_MONEY), Words(buyer::LINE_TOP_UP)],
        Scene::TimeIsUp => [Words(buyer::TIME_IS_UP), Words(buyer::LINE_NOT_MADE)],
        Scene::Cancelled => [Words(buyer::CANCELLED), Words(buyer::LINE_ASK_CASHIER)],
        Scene::Refunded { amount } => [Words(buyer::REFUNDED), Money(buyer::LINE_AMOUNT, *amount)],
        Scene::CardFound { name: found } => [Words(buyer::CARD_FOUND), name(found)],
        Scene::NotCompleted => [
            Words(buyer::LINE_NOT_COMPLETED),
            Words(buyer::LINE_WILL_RETURN),
        ],
        Scene::NoConnection => {
            let no_connection = naming(
                buyer::LINE_NO_CONNECTION,
                buyer::line_no_connection_named(wallet),
                Some(buyer::LINE_NO_CONNECTION_BARE),
            );
            [Wallet(no_connection), Words(buyer::LINE_ASK_CASHIER)]
        }
    }
}

/// The amount with its unit if both have room, else without it.
fn money(word: &str, amount: Kopecks, language: Language, pole: &Pole) -> String {
    let plain = amount.to_string();
    let plain = match language {
        Language::Ru | Language::Be => plain.replace('.', ","),
        Language::En => plain,
    };
    let unit = in_language(buyer::LINE_UNIT, language);
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

    fn theme(language: Language, wallet: &str) -> Theme {
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
            let theme = theme(language, WALLET_NAME);
            for scene in Scene::samples() {
                for line in lines(&scene, &theme, &pole) {
                    assert_eq!(line.chars().count(), COLUMNS, "{line:?}");
                    assert!(!line.contains('?'), "{line:?}");
                }
                for line in table(&scene, None, &theme.wallet_name) {
                    let transliterated = match line {
                        Line::Words(words) => {
                            transliterated(&in_language(words, language), &pole, COLUMNS)
                        }
                        Line::Wallet(naming) => naming.transliterated(&theme, &pole, COLUMNS),
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
        let english = lines(&qr, &theme(Language::En, WALLET_NAME), &none);
        assert_eq!(english, ["  Scan the QR code  ", "To pay     19.99 BYN"]);
    }

    #[test]
    fn a_shops_name_uses_both_lines_if_it_must() {
        let pole = pole(Dialect::Epson, CodePage::Cp866);
        let idle = |name: &str| {
            let shop_name = Some(name.to_owned());
            let theme = Theme {
                shop_name,
                ..Theme::default()
            };
            lines(&Scene::Idle, &theme, &pole)
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
            let both = lines(scene, &theme(language, name), &dos);
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
        let idle = lines(&Scene::Idle, &theme(ru, "Оплати"), &latin);
        assert_eq!(idle[1].trim(), "Oplata: Oplati");
        for scene in Scene::samples() {
            for name in ["Я", "{name}", "!#!#!#!#", "漢漢", &"Ж".repeat(32)] {
                for language in LANGUAGES {
                    for line in lines(&scene, &theme(language, name), &latin) {
                        assert_eq!(line.chars().count(), COLUMNS, "{line:?}");
                    }
                }
            }
        }
    }
}
