//! What the buyer reads, in three languages.

use crate::config::{Language, WALLET_NAME};
use crate::core::scene::Scene;
use crate::devices::display::render::Theme;
use crate::model::money::Kopecks;

/// A scene's words: what it says at first glance, and one line of what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Large.
    pub title: &'static str,
    /// Smaller, below; may be empty.
    pub hint: String,
}

/// The words of a scene in the buyer's language, with the wallet's name as the shop writes it.
#[must_use]
pub fn words(scene: &Scene, look: &Theme) -> Words {
    let [ru, be, en] = table(scene);
    let (title, hint) = match look.language {
        Language::Ru => ru,
        Language::Be => be,
        Language::En => en,
    };
    let hint = with_wallet(hint, &look.wallet_name, look.language);
    Words { title, hint }
}

/// Stands for the wallet's name where no sentence declines it.
pub(super) const NAME: &str = "{name}";
/// Stands for the wallet as something to open or to pay with.
const APP: &str = "{app}";
/// Stands for the means of a payment.
const MEANS: &str = "{means}";

/// Puts the wallet's name into a text, which has at most one place for it. The default name is never declined and
/// stands by itself; another one may be, so that it follows the word for an app, which the sentence declines instead.
pub(super) fn with_wallet(text: &str, wallet: &str, language: Language) -> String {
    let is_usual = wallet == WALLET_NAME;
    let app = match language {
        _ if is_usual => wallet.to_owned(),
        Language::Ru => format!("приложение {wallet}"),
        Language::Be => format!("праграму {wallet}"),
        Language::En => format!("the {wallet} app"),
    };
    let means = match language {
        _ if is_usual => wallet.to_owned(),
        Language::Ru => format!("через {app}"),
        Language::Be => format!("праз {app}"),
        Language::En => format!("with {app}"),
    };
    let places = [(NAME, wallet), (APP, &app), (MEANS, &means)];
    let found = places.into_iter().find_map(|(place, said)| {
        let (before, after) = text.split_once(place)?;
        Some(format!("{before}{said}{after}"))
    });
    found.unwrap_or_else(|| text.to_owned())
}

/// A narrow space that does not break.
const THOUSANDS: char = '\u{202f}';

type Line = (&'static str, &'static str);

const IDLE: [Line; 3] = [
    ("Добро пожаловать!", "Здесь можно оплатить через {app}"),
    ("Вітаем вас!", "Тут можна аплаціць праз {app}"),
    ("Welcome!", "You can pay with {app} here"),
];
const SCAN_ME: [Line; 3] = [
    (
        "Покажите QR-код",
        "Откройте {app} и поднесите код к сканеру",
    ),
    (
        "Пакажыце QR-код",
        "Адкрыйце {app} і паднясіце код да сканера",
    ),
    (
        "Show your QR code",
        "Open {app} and hold your code to the scanner",
    ),
];
const QR_FOR_CARD: [Line; 3] = [
    ("Отсканируйте QR-код", "и получите карту"),
    ("Адскануйце QR-код", "і атрымайце картку"),
    ("Scan the QR code", "to use your card"),
];
const QR: [Line; 3] = [
    ("Отсканируйте QR-код для оплаты", "в приложении {name}"),
    ("Адскануйце QR-код для аплаты", "у праграме {name}"),
    ("Scan the QR code to pay", "in the {name} app"),
];
const CODE: [Line; 3] = [
    ("Код подтверждения", "Введите его в приложении {name}"),
    ("Код пацвярджэння", "Увядзіце яго ў праграме {name}"),
    ("Confirmation code", "Enter it in the {name} app"),
];
const PLEASE_CONFIRM: [Line; 3] = [
    ("Подтвердите оплату", "на своём телефоне"),
    ("Пацвердзіце аплату", "на сваім тэлефоне"),
    ("Confirm the payment", "on your phone"),
];
const CHECKING: [Line; 3] = [
    ("Проверяем оплату", "не закрывайте приложение"),
    ("Правяраем аплату", "не закрывайце праграму"),
    ("Checking the payment", "do not close the app"),
];
const PAID: [Line; 3] = [
    ("Оплачено", "Спасибо за покупку!"),
    ("Аплачана", "Дзякуй за пакупку!"),
    ("Paid", "Thank you!"),
];
const DECLINED: [Line; 3] = [
    ("Оплата отклонена", "Деньги не списаны"),
    ("Аплата адхілена", "Грошы не спісаны"),
    ("Payment declined", "No money was taken"),
];
const NOT_ENOUGH_MONEY: [Line; 3] = [
    (
        "Недостаточно средств",
        "Пополните кошелёк или выберите другой способ",
    ),
    (
        "Недастаткова сродкаў",
        "Папоўніце кашалёк або выберыце іншы спосаб",
    ),
    ("Not enough money", "Top up your wallet or pay another way"),
];
const TIME_IS_UP: [Line; 3] = [
    ("Время истекло", "Оплата не проведена"),
    ("Час скончыўся", "Аплата не праведзена"),
    ("Time is up", "The payment was not made"),
];
const CANCELLED: [Line; 3] = [
    ("Оплата отменена", "Обратитесь к кассиру"),
    ("Аплата адменена", "Звярніцеся да касіра"),
    ("Payment cancelled", "Please ask the cashier"),
];
const REFUNDED: [Line; 3] = [
    ("Деньги возвращены", "на ваш кошелёк {name}"),
    ("Грошы вернуты", "на ваш кашалёк {name}"),
    ("Money refunded", "to your {name} wallet"),
];
const CARD_FOUND: [Line; 3] = [
    ("Карта найдена", "Спасибо!"),
    ("Карта знойдзена", "Дзякуй!"),
    ("Card found", "Thank you!"),
];
const NOT_COMPLETED: [Line; 3] = [
    ("Оплата не завершена", "Если деньги списаны, они вернутся"),
    ("Аплата не завершана", "Калі грошы спісаны, яны вернуцца"),
    (
        "Payment not completed",
        "If money was taken, it will be returned",
    ),
];
const NO_CONNECTION: [Line; 3] = [
    ("Нет связи", "Оплата {means} сейчас недоступна"),
    ("Няма сувязі", "Аплата {means} зараз недаступная"),
    ("No connection", "{name} is not available right now"),
];

fn table(scene: &Scene) -> [Line; 3] {
    match scene {
        Scene::Idle => IDLE,
        Scene::ScanMe => SCAN_ME,
        Scene::Qr { amount: None, .. } => QR_FOR_CARD,
        Scene::Qr { .. } => QR,
        Scene::Code { .. } => CODE,
        Scene::PleaseConfirm { .. } => PLEASE_CONFIRM,
        Scene::Checking => CHECKING,
        Scene::Paid { .. } => PAID,
        Scene::Declined => DECLINED,
        Scene::NotEnoughMoney => NOT_ENOUGH_MONEY,
        Scene::TimeIsUp => TIME_IS_UP,
        Scene::Cancelled => CANCELLED,
        Scene::Refunded { .. } => REFUNDED,
        Scene::CardFound { .. } => CARD_FOUND,
        Scene::NotCompleted => NOT_COMPLETED,
        Scene::NoConnection => NO_CONNECTION,
    }
}

/// The word above an amount.
#[must_use]
pub fn to_pay(language: Language) -> &'static str {
    match language {
        Language::Ru => "К оплате",
        Language::Be => "Да аплаты",
        Language::En => "To pay",
    }
}

/// `1 234,56 руб.`, thousands apart by a narrow space; no space in it breaks.
#[must_use]
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
    match language {
        Language::Ru | Language::Be => format!("{grouped},{kopecks:02}\u{a0}руб."),
        Language::En => format!("{grouped}.{kopecks:02}\u{a0}BYN"),
    }
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
            words(&qr, &Theme::default()).title,
            "Отсканируйте QR-код для оплаты"
        );
    }

    #[test]
    fn every_scene_speaks_every_language() {
        for scene in Scene::samples() {
            for language in [Language::Ru, Language::Be, Language::En] {
                let look = Theme {
                    language,
                    ..Theme::default()
                };
                let words = words(&scene, &look);
                assert!(
                    !words.title.is_empty() && !words.hint.is_empty(),
                    "{scene:?}"
                );
                let money = amount(Kopecks(123_456_789), language);
                for weight in [Weight::Regular, Weight::Bold] {
                    let all = [words.title, &words.hint, to_pay(language), &money].concat();
                    let missing: String = all.chars().filter(|c| !has(*c, weight)).collect();
                    assert_eq!(missing, "", "{scene:?} {language:?} {weight:?}");
                }
            }
        }
    }

    /// All sentences that name the wallet.
    fn naming(language: Language, wallet: &str) -> Vec<String> {
        let look = Theme {
            language,
            wallet_name: wallet.to_owned(),
            ..Theme::default()
        };
        let hints = Scene::samples()
            .into_iter()
            .map(|scene| words(&scene, &look).hint);
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
            let text = with_wallet("a {app} b", name, Language::Ru);
            assert_eq!(text, format!("a приложение {name} b"));
        }
    }
}
