//! What the buyer reads, in three languages.

use std::borrow::Cow;

use crate::config::{Language, WALLET_NAME};
use crate::core::scene::Scene;
use crate::devices::display::render::Theme;
use crate::model::money::Kopecks;
use crate::texts::buyer::{self, Text};

/// A scene's words: what it shows at first glance, and one line of what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    pub title: Cow<'static, str>,
    /// Smaller, below; may be empty.
    pub hint: Cow<'static, str>,
}

/// The words of a scene in the buyer's language, with the wallet's name as the shop writes it.
pub fn messages(scene: &Scene, theme: &Theme) -> Messages {
    let name = theme.wallet_name.as_str();
    let or_app = |usual, app| if name == WALLET_NAME { usual } else { app };
    let (title, hint) = match scene {
        Scene::Idle => {
            let hint = or_app(buyer::idle_hint(name), buyer::idle_hint_app(name));
            (buyer::IDLE, hint)
        }
        Scene::ScanMe => {
            let hint = or_app(buyer::scan_me_hint(name), buyer::scan_me_hint_app(name));
            (buyer::SCAN_ME, hint)
        }
        Scene::Qr { amount: None, .. } => (buyer::QR_FOR_CARD, buyer::QR_FOR_CARD_HINT),
        Scene::Qr { .. } => (buyer::QR, buyer::qr_hint(name)),
        Scene::Code { .. } => (buyer::CODE, buyer::code_hint(name)),
        Scene::PleaseConfirm { .. } => (buyer::PLEASE_CONFIRM, buyer::PLEASE_CONFIRM_HINT),
        Scene::Checking => (buyer::CHECKING, buyer::CHECKING_HINT),
        Scene::Paid { .. } => (buyer::PAID, buyer::PAID_HINT),
        Scene::Declined => (buyer::DECLINED, buyer::DECLINED_HINT),
        Scene::NotEnoughMoney => (buyer::NOT_ENOUGH_MONEY, buyer::NOT_ENOUGH_MONEY_HINT),
        Scene::TimeIsUp => (buyer::TIME_IS_UP, buyer::TIME_IS_UP_HINT),
        Scene::Cancelled => (buyer::CANCELLED, buyer::CANCELLED_HINT),
        Scene::Refunded { .. } => (buyer::REFUNDED, buyer::refunded_hint(name)),
        Scene::CardFound { .. } => (buyer::CARD_FOUND, buyer::CARD_FOUND_HINT),
        Scene::NotCompleted => (buyer::NOT_COMPLETED, buyer::NOT_COMPLETED_HINT),
        Scene::NoConnection => {
            let hint = or_app(
                buyer::no_connection_hint(name),
                buyer::no_connection_hint_app(name),
            );
            (buyer::NO_CONNECTION, hint)
        }
    };
    let [title, hint] = [title, hint].map(|text| in_language(text, theme.language));
    Messages { title, hint }
}

/// The one that the buyer reads.
pub(super) fn in_language(text: Text, language: Language) -> Cow<'static, str> {
    match language {
        Language::Ru => text.ru,
        Language::Be => text.be,
        Language::En => text.en,
    }
}

/// A narrow space that does not break.
const THOUSANDS: char = '\u{202f}';

/// The word above an amount.
pub fn to_pay(language: Language) -> Cow<'static, str> {
    in_language(buyer::TO_PAY, language)
}

/// `1 234,56 руб.`, thousands apart by a narrow space; no space in it breaks.
pub fn amount(amount: Kopecks, language: Language) -> String {
    let (roubles, kopecks) = (amount.0.unsigned_abs() / 100, amount.0.unsigned_abs() % 100);
    let digits = roubles.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(THOUSANDS);
        }
        grouped.push(digit);
    }
    let text = buyer::amount(format_args!("{kopecks:02}"), grouped);
    in_language(text, language).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::display::font::{Weight, has};

    #[test]
    fn amounts_are_grouped_and_do_not_break() {
        assert_eq!(
            amount(Kopecks(123_456_789), Language::Ru),
            "1\u{202f}234\u{202f}567,89\u{a0}руб."
        );
        assert_eq!(amount(Kopecks(5), Language::En), "0.05\u{a0}BYN");
        assert_eq!(amount(Kopecks(10_000), Language::Be), "100,00\u{a0}руб.");
    }

    #[test]
    fn the_seeds_words_stand_on_the_display() {
        let qr = Scene::qr("x".into(), Some(Kopecks(1)));
        assert_eq!(
            messages(&qr, &Theme::default()).title,
            "Отсканируйте QR-код для оплаты"
        );
    }

    #[test]
    fn every_scene_speaks_every_language() {
        for scene in Scene::samples() {
            for language in [Language::Ru, Language::Be, Language::En] {
                let theme = Theme {
                    language,
                    ..Theme::default()
                };
                let messages = messages(&scene, &theme);
                assert!(
                    !messages.title.is_empty() && !messages.hint.is_empty(),
                    "{scene:?}"
                );
                let money = amount(Kopecks(123_456_789), language);
                for weight in [Weight::Regular, Weight::Bold] {
                    let all = [
                        &messages.title,
                        &messages.hint,
                        &to_pay(language),
                        money.as_str(),
                    ]
                    .concat();
                    let missing: String = all.chars().filter(|c| !has(*c, weight)).collect();
                    assert_eq!(missing, "", "{scene:?} {language:?} {weight:?}");
                }
            }
        }
    }

    /// All sentences that name the wallet.
    fn naming(language: Language, wallet: &str) -> Vec<String> {
        let theme = Theme {
            language,
            wallet_name: wallet.to_owned(),
            ..Theme::default()
        };
        let hints = Scene::samples()
            .into_iter()
            .map(|scene| messages(&scene, &theme).hint.into_owned());
        hints.filter(|hint| hint.contains(wallet)).collect()
    }

    #[test]
    fn the_usual_name_stands_by_itself() {
        let expected = [
            "Здесь можно оплатить через О!плати",
            "Откройте О!плати и поднесите код к сканеру",
            "в приложении О!плати",
            "Введите его в приложении О!плати",
            "на ваш кошелёк О!плати",
            "Оплата О!плати сейчас недоступна",
            "Введите его в приложении О!плати",
        ];
        assert_eq!(naming(Language::Ru, WALLET_NAME), expected);
        let english = naming(Language::En, WALLET_NAME);
        assert!(english.contains(&"You can pay with О!плати here".to_owned()));
    }

    #[test]
    fn any_other_name_is_declined_by_nobody() {
        let name = "Карта Плюс";
        let russian = [
            "Здесь можно оплатить через приложение Карта Плюс",
            "Откройте приложение Карта Плюс и поднесите код к сканеру",
            "в приложении Карта Плюс",
            "Введите его в приложении Карта Плюс",
            "на ваш кошелёк Карта Плюс",
            "Оплата через приложение Карта Плюс сейчас недоступна",
            "Введите его в приложении Карта Плюс",
        ];
        assert_eq!(naming(Language::Ru, name), russian);
        let belarusian = [
            "Тут можна аплаціць праз праграму Карта Плюс",
            "Адкрыйце праграму Карта Плюс і паднясіце код да сканера",
            "у праграме Карта Плюс",
            "Увядзіце яго ў праграме Карта Плюс",
            "на ваш кашалёк Карта Плюс",
            "Аплата праз праграму Карта Плюс зараз недаступная",
            "Увядзіце яго ў праграме Карта Плюс",
        ];
        assert_eq!(naming(Language::Be, name), belarusian);
        let english = [
            "You can pay with the Карта Плюс app here",
            "Open the Карта Плюс app and hold your code to the scanner",
            "in the Карта Плюс app",
            "Enter it in the Карта Плюс app",
            "to your Карта Плюс wallet",
            "Карта Плюс is not available right now",
            "Enter it in the Карта Плюс app",
        ];
        assert_eq!(naming(Language::En, name), english);
    }

    #[test]
    fn a_name_is_no_pattern() {
        for name in ["{app}", "{name}", "{means}"] {
            let hints = naming(Language::Ru, name);
            let expected = format!("Здесь можно оплатить через приложение {name}");
            assert_eq!(hints.first(), Some(&expected));
        }
    }
}
