//! What the buyer reads, in three languages.

use crate::config::Language;
use crate::display::Scene;
use crate::money::Kopecks;

/// A scene's words: what it says at first glance, and one line of what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Large.
    pub title: &'static str,
    /// Smaller, below; may be empty.
    pub hint: &'static str,
}

/// The words of a scene.
#[must_use]
pub fn words(scene: &Scene, language: Language) -> Words {
    let [ru, be, en] = table(scene);
    let (title, hint) = match language {
        Language::Ru => ru,
        Language::Be => be,
        Language::En => en,
    };
    Words { title, hint }
}

/// A narrow space that does not break.
const THOUSANDS: char = '\u{202f}';

type Line = (&'static str, &'static str);

fn table(scene: &Scene) -> [Line; 3] {
    match scene {
        Scene::Idle => [
            ("Добро пожаловать!", "Здесь можно оплатить через О!плати"),
            ("Вітаем вас!", "Тут можна аплаціць праз О!плати"),
            ("Welcome!", "You can pay with О!плати here"),
        ],
        Scene::ScanMe => [
            (
                "Покажите QR-код",
                "Откройте О!плати и поднесите код к сканеру",
            ),
            (
                "Пакажыце QR-код",
                "Адкрыйце О!плати і паднясіце код да сканера",
            ),
            (
                "Show your QR code",
                "Open О!плати and hold your code to the scanner",
            ),
        ],
        Scene::Qr { amount: None, .. } => [
            ("Отсканируйте QR-код", "и получите карту"),
            ("Адскануйце QR-код", "і атрымайце картку"),
            ("Scan the QR code", "to use your card"),
        ],
        Scene::Qr { .. } => [
            ("Отсканируйте QR-код для оплаты", "в приложении О!плати"),
            ("Адскануйце QR-код для аплаты", "у праграме О!плати"),
            ("Scan the QR code to pay", "in the О!плати app"),
        ],
        Scene::Code { .. } => [
            ("Код подтверждения", "Введите его в приложении О!плати"),
            ("Код пацвярджэння", "Увядзіце яго ў праграме О!плати"),
            ("Confirmation code", "Enter it in the О!плати app"),
        ],
        Scene::PleaseConfirm { .. } => [
            ("Подтвердите оплату", "на своём телефоне"),
            ("Пацвердзіце аплату", "на сваім тэлефоне"),
            ("Confirm the payment", "on your phone"),
        ],
        Scene::Checking => [
            ("Проверяем оплату", "не закрывайте приложение"),
            ("Правяраем аплату", "не закрывайце праграму"),
            ("Checking the payment", "do not close the app"),
        ],
        Scene::Paid { .. } => [
            ("Оплачено", "Спасибо за покупку!"),
            ("Аплачана", "Дзякуй за пакупку!"),
            ("Paid", "Thank you!"),
        ],
        Scene::Declined => [
            ("Оплата отклонена", "Деньги не списаны"),
            ("Аплата адхілена", "Грошы не спісаны"),
            ("Payment declined", "No money was taken"),
        ],
        Scene::NotEnoughMoney => [
            (
                "Недостаточно средств",
                "Пополните кошелёк или выберите другой способ",
            ),
            (
                "Недастаткова сродкаў",
                "Папоўніце кашалёк або выберыце іншы спосаб",
            ),
            ("Not enough money", "Top up your wallet or pay another way"),
        ],
        Scene::TimeIsUp => [
            ("Время истекло", "Оплата не проведена"),
            ("Час скончыўся", "Аплата не праведзена"),
            ("Time is up", "The payment was not made"),
        ],
        Scene::Cancelled => [
            ("Оплата отменена", "Обратитесь к кассиру"),
            ("Аплата адменена", "Звярніцеся да касіра"),
            ("Payment cancelled", "Please ask the cashier"),
        ],
        Scene::Refunded { .. } => [
            ("Деньги возвращены", "на ваш кошелёк О!плати"),
            ("Грошы вернуты", "на ваш кашалёк О!плати"),
            ("Money refunded", "to your О!плати wallet"),
        ],
        Scene::CardFound { .. } => [
            ("Карта найдена", "Спасибо!"),
            ("Карта знойдзена", "Дзякуй!"),
            ("Card found", "Thank you!"),
        ],
        Scene::NotCompleted => [
            ("Оплата не завершена", "Если деньги списаны, они вернутся"),
            ("Аплата не завершана", "Калі грошы спісаны, яны вернуцца"),
            (
                "Payment not completed",
                "If money was taken, it will be returned",
            ),
        ],
        Scene::NoConnection => [
            ("Нет связи", "Оплата О!плати сейчас недоступна"),
            ("Няма сувязі", "Аплата О!плати зараз недаступная"),
            ("No connection", "О!плати is not available right now"),
        ],
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
    use crate::display::typeface::{Weight, has};

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
            words(&qr, Language::Ru).title,
            "Отсканируйте QR-код для оплаты"
        );
    }

    #[test]
    fn every_scene_speaks_every_language() {
        for scene in Scene::samples() {
            for language in [Language::Ru, Language::Be, Language::En] {
                let words = words(&scene, language);
                assert!(
                    !words.title.is_empty() && !words.hint.is_empty(),
                    "{scene:?}"
                );
                let money = amount(Kopecks(123_456_789), language);
                for weight in [Weight::Regular, Weight::Bold] {
                    let all = [words.title, words.hint, to_pay(language), &money].concat();
                    let missing: String = all.chars().filter(|c| !has(*c, weight)).collect();
                    assert_eq!(missing, "", "{scene:?} {language:?} {weight:?}");
                }
            }
        }
    }
}
