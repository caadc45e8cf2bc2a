//! Templates, good and bad.

use super::*;
use crate::report::{Side, Totals, What};

fn reconciliation(differences: usize) -> Reconciliation {
    let total = |count, amount| Total {
        count,
        amount: Kopecks(amount),
    };
    let till = Totals {
        sales: total(120, 1_234_567),
        refunds: total(3, 4500),
        cancellations: total(1, 999),
        cancelled_refunds: total(0, 0),
        net: Kopecks(1_229_068),
    };
    let difference = Difference {
        what: What::UnknownHere,
        operation: None,
        payment_id: Some(100_500),
        till: None,
        service: Some(Side {
            amount: Kopecks(700),
            state: "1".into(),
        }),
    };
    Reconciliation {
        shift: "24112026".into(),
        till,
        service: till,
        differences: vec![difference; differences],
        more_differences: 0,
        settled: Vec::new(),
        lines: Vec::new(),
    }
}

fn facts() -> Facts {
    Facts {
        reg_num: "OPL000011111".into(),
        at: "2026-11-24T17:05:00Z".parse().unwrap(),
    }
}

fn lines(body: &str) -> Vec<String> {
    let text = format!("<report width=\"32\"><header>{body}</header></report>");
    let template = Template::parse(&text).unwrap();
    template.render(&reconciliation(0), &facts())
}

#[test]
fn the_default_template_prints_a_report() {
    let template = Template::parse(DEFAULT_TEMPLATE).unwrap();
    let lines = template.render(&reconciliation(1), &facts());
    insta::assert_snapshot!(lines.join("\n"));
    assert!(lines.iter().all(|line| line.chars().count() <= 40));
    let none = template.render(&reconciliation(0), &facts()).join("\n");
    assert!(none.contains("Расхождений нет") && !none.contains("нет в кассе"));
}

#[test]
fn lines_are_aligned_filled_and_wrapped_in_cyrillic() {
    assert_eq!(
        lines("<line align=\"right\">Ы</line>"),
        [format!("{}Ы", " ".repeat(31))]
    );
    assert_eq!(
        lines("<line align=\"center\">ЎІ</line>"),
        [format!("{}ЎІ", " ".repeat(15))]
    );
    assert_eq!(
        lines("<line>а<fill char=\".\"/>б</line>"),
        [format!("а {} б", ".".repeat(28))]
    );
    assert_eq!(
        lines("<line>а<fill/>б</line>"),
        [format!("а{}б", " ".repeat(30))]
    );
    assert_eq!(lines("<rule char=\"=\"/>"), ["=".repeat(32)]);
    let long = lines("<line>слово слово слово слово слово слово</line>");
    assert_eq!(long, ["слово слово слово слово слово", "слово"]);
    let endless = lines(&format!("<line>{}</line>", "ж".repeat(70)));
    assert_eq!(
        endless
            .iter()
            .map(|line| line.chars().count())
            .collect::<Vec<_>>(),
        [32, 32, 6]
    );
    let narrow = lines("<line>длинное название слева<fill/>и справа тоже длинное</line>");
    assert_eq!(narrow.len(), 2);
    assert_eq!(lines("<line>{{{shift}}}</line>"), ["{24112026}"]);
}

/// Each is a template and a part of the error about it.
const WRONG: &[(&str, &str)] = &[
    ("<report", "no XML"),
    (
        "<a/>",
        "oplat.xml:1: the outermost element must be <report>",
    ),
    ("<report width=\"31\"/>", "width=\"31\": 32 to 48"),
    ("<report width=\"x\"/>", "32 to 48"),
    (
        "<report color=\"red\"/>",
        "color: the attributes here are width",
    ),
    (
        "<report>\n<footer/></report>",
        "oplat.xml:2: <footer>: header, rows and totals",
    ),
    (
        "<report>\n\n<rows/></report>",
        "oplat.xml:3: of: kinds or differences",
    ),
    (
        "<report><rows of=\"kinds\" when=\"x\"/></report>",
        "when: only some",
    ),
    (
        "<report><header>x</header></report>",
        "text is allowed in <line> only",
    ),
    (
        "<report><header><b/></header></report>",
        "<b>: line and rule",
    ),
    (
        "<report><header><line align=\"up\"/></header></report>",
        "align=\"up\": left, center and right",
    ),
    (
        "<report><header><line>{sum}</line></header></report>",
        "{sum}: the fields here are shift",
    ),
    (
        "<report><header><line>{title}</line></header></report>",
        "{title}: the fields",
    ),
    (
        "<report><header><line>a}</line></header></report>",
        "a lonely }",
    ),
    (
        "<report><header><line>{shift</line></header></report>",
        "{shift",
    ),
    (
        "<report><header><line><fill/><fill/></line></header></report>",
        "one <fill/>",
    ),
    (
        "<report><header><rule char=\"ab\"/></header></report>",
        "one sign is needed",
    ),
    ("<!DOCTYPE x [<!ENTITY a \"b\">]><report/>", "no XML"),
];

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, expected) in WRONG {
        let error = match Template::parse(text) {
            Ok(_) if text.contains("{shift<") => continue,
            Ok(template) => panic!("{text} was taken: {template:?}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{text}: {error}");
    }
    let huge = format!("<report>{}</report>", " ".repeat(MAX_BYTES));
    assert!(matches!(
        Template::parse(&huge),
        Err(TemplateError::TooLarge)
    ));
}

proptest::proptest! {
    #[test]
    fn no_template_panics(text in "\\PC{0,200}", body in "[<>/a-zа-я{} =\"]{0,80}") {
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("<report><header><line>{body}</line></header></report>"));
    }
}

#[test]
fn a_template_may_declare_cp1251() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oplat.xml");
    let head = b"<?xml version=\"1.0\" encoding=\"windows-1251\"?>\n<report>";
    let line = b"<line>\xc8\xf2\xee\xe3</line></report>";
    let declared = [head.as_slice(), line].concat();
    assert!(text_of(declared).unwrap().contains("Итог"));
    std::fs::write(&path, [b"<report>".as_slice(), line].concat()).unwrap();
    let error = Template::load(&path).unwrap_err();
    assert!(matches!(error, TemplateError::Unreadable(_)), "{error:?}");
    let own = DEFAULT_TEMPLATE.replace("UTF-8", "windows-1251");
    let own: Vec<u8> = own
        .chars()
        .map(|c| {
            (0..=u8::MAX)
                .find(|byte| crate::base::text::cp1251(*byte) == c)
                .unwrap_or(b'?')
        })
        .collect();
    std::fs::write(&path, own).unwrap();
    assert_eq!(
        Template::load(&path).unwrap(),
        Template::parse(DEFAULT_TEMPLATE).unwrap()
    );
}
