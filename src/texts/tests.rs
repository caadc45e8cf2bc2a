use super::generate::{Source, generate};

mod built {
    include!(concat!(env!("OUT_DIR"), "/texts_example.rs"));
}
use built::example;

fn source(name: &str, content: &str) -> Source {
    let (audience, language) = name.split_once('.').unwrap();
    Source {
        place: format!("{name}.ftl"),
        audience: audience.to_owned(),
        language: language.to_owned(),
        content: content.to_owned(),
    }
}

fn errors(sources: &[(&str, &str)]) -> Vec<String> {
    let sources = sources
        .iter()
        .map(|(name, content)| source(name, content))
        .collect();
    generate(sources).unwrap_err()
}

fn both(text: &example::Text) -> [&str; 2] {
    [&text.ru, &text.en]
}

#[test]
fn texts_come_as_they_are_written() {
    assert_eq!(both(&example::PLAIN), ["Слово", "Word"]);
    assert_eq!(example::PLAIN_REMEDY.ru, "Ещё {слово}\u{a0}");
    assert_eq!(example::PLAIN_REMEDY.en, "More {words}\u{a0}");
    let several = example::several("{name}");
    assert_eq!(several.ru, "Первая строка\nвторая {name}");
    assert_eq!(several.en, "{name} is in the second line");
    let told = example::told("x");
    assert_eq!(both(&told), ["Сказано: x", "Told"]);
}

#[test]
fn numbers_have_the_forms_of_their_language() {
    for (count, russian, english) in [
        (0, "Ещё ни одной попытки из 9", "Of 9, 0 attempts left"),
        (1, "Ещё 1 попытка из 9", "Of 9, one attempt left"),
        (3, "Ещё 3 попытки из 9", "Of 9, 3 attempts left"),
        (11, "Ещё 11 попыток из 9", "Of 9, 11 attempts left"),
        (14, "Ещё 14 попыток из 9", "Of 9, 14 attempts left"),
        (21, "Ещё 21 попытка из 9", "Of 9, 21 attempts left"),
        (112, "Ещё 112 попыток из 9", "Of 9, 112 attempts left"),
        (122, "Ещё 122 попытки из 9", "Of 9, 122 attempts left"),
    ] {
        let text = example::attempts(count, 9);
        assert_eq!(both(&text), [russian, english]);
    }
}

#[test]
fn a_key_must_stand_in_every_language() {
    let both = errors(&[
        ("a.ru", "one = 1\ntwo = 2\n"),
        ("a.en", "\none = 1\n    .more = 3\n"),
    ]);
    assert_eq!(
        both,
        [
            "a.ru.ftl: lacks `one.more`, which stands in a.en.ftl:3",
            "a.en.ftl: lacks `two`, which stands in a.ru.ftl:2",
        ]
    );
}

#[test]
fn placeholders_must_agree() {
    let texts = [
        ("a.ru", "k = { $x } { $y }\n"),
        ("a.be", "k = { $y }{ $x }\n"),
        ("a.en", "\nk = { $z }\n"),
    ];
    assert_eq!(
        errors(&texts),
        ["a.en.ftl:2: `k` has other placeholders ($z) than in a.ru.ftl:1 ($x, $y)"]
    );
    let texts = [("a.ru", "k = { $x }\n"), ("a.en", "k = x\n")];
    assert_eq!(
        errors(&texts),
        ["a.en.ftl:1: `k` has other placeholders (none) than in a.ru.ftl:1 ($x)"]
    );
}

#[test]
fn audiences_are_not_compared() {
    let sources = vec![
        source("b.en", "two = { $x }\n"),
        source("a.ru", "one = 1\n"),
    ];
    assert_eq!(
        generate(sources).unwrap(),
        "pub mod a {\n    /* a.ru.ftl:1 */ pub const ONE: &str = \"1\";\n}\n\
         pub mod b {\n    /* b.en.ftl:1 */ pub fn two(x: impl std::fmt::Display) -> String { format!(\"{x}\") }\n}\n"
    );
}

#[test]
fn what_is_wrong_in_a_file_is_reported_with_its_line() {
    for (content, expected) in [
        (
            "a = 1\na = 2\n",
            "t.ru.ftl:2: `a` stands here again, after `a` in t.ru.ftl:1",
        ),
        (
            "a_b = 1\na = 2\n    .b = 3\n",
            "t.ru.ftl:3: `a.b` stands here again, after `a_b` in t.ru.ftl:1",
        ),
        (
            "a-b = 1\n",
            "t.ru.ftl:1: `a-b` may have small letters, digits and _ alone",
        ),
        (
            "a = { $Name }\n",
            "t.ru.ftl:1: `Name` may have small letters, digits and _ alone",
        ),
        (
            "\n-brand = O\n",
            "t.ru.ftl:2: the generator of texts does not support a term (-name): write its text out",
        ),
        (
            "a = 1\nb = { a }\n",
            "t.ru.ftl:2: the generator of texts does not support this in braces: only { $name }, { \"text\" } and the \
             forms of a { $number -> … } are",
        ),
        (
            "a = { $n ->\n    [one] 1\n   *[many] 5\n}\n",
            "t.ru.ftl:1: the forms of $n must be one, few, many, the last of them marked with *, and whole numbers",
        ),
        (
            "a = { $n ->\n    [one] 1\n    [few] 2\n    [two] 3\n   *[many] 5\n}\n",
            "t.ru.ftl:1: $n has no form `two` in the language ru",
        ),
        (
            "a = 1\n\nb\n",
            "t.ru.ftl:3: Expected a token starting with \"=\"",
        ),
    ] {
        assert_eq!(errors(&[("t.ru", content)]), [expected], "{content}");
    }
    assert_eq!(
        errors(&[("t.de", "")]),
        ["t.de.ftl: is not named AUDIENCE.LANGUAGE.ftl with a language of ru, be, en"]
    );
}
