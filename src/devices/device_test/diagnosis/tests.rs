//! Each fault is put into random codes, and must be found again.

use proptest::prelude::*;

use super::*;

fn found(expected: &str, came: &str) -> Finding {
    diagnose(expected, &[came.to_owned()])
}

/// Latin letters of both cases and digits: what О!плати's codes are made of.
fn latin() -> impl Strategy<Value = String> {
    "[a-z]{2}[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{14,294}"
}

/// With Cyrillic letters in between.
fn cyrillic() -> impl Strategy<Value = String> {
    "[a-z]{2}[А-Я]{2}[а-я]{2}[a-zA-Z0-9а-яА-ЯЁЎі]{14,294}"
}

proptest! {
    #[test]
    fn what_came_back_is_exact(code in prop_oneof![latin(), cyrillic()]) {
        prop_assert_eq!(found(&code, &code), Finding::Exact);
        prop_assert_eq!(diagnose(&code, &[]), Finding::Nothing);
    }

    #[test]
    fn a_layout_is_known(code in latin()) {
        let typed = retyped(&code, US, RU);
        prop_assert_eq!(found(&code, &typed), Finding::Layout { russian: true });
        prop_assert_eq!(found(&typed, &code), Finding::Layout { russian: false });
    }

    #[test]
    fn caps_and_case_are_known(code in latin()) {
        prop_assert_eq!(found(&code, &swapped_case(&code)), Finding::CapsLock);
        prop_assert_eq!(found(&code, &code.to_uppercase()), Finding::Case);
        prop_assert_eq!(found(&code, &code.to_lowercase()), Finding::Case);
    }

    #[test]
    fn a_missing_terminator_is_known(code in latin(), next in latin(), cut in 6_usize..20) {
        let glued = code.repeat(2);
        prop_assert_eq!(found(&code, &glued), Finding::Glued);
        let begun = format!("{code}{}", code.split_at(cut).0);
        prop_assert_eq!(found(&code, &begun), Finding::Glued);
        let between = format!("{next}{code}{next}");
        prop_assert_eq!(found(&code, &between), Finding::Glued);
    }

    #[test]
    fn a_code_in_parts_is_known(code in latin(), cut in 1_usize..19) {
        let (first, second) = code.split_at(cut);
        let parts = [first.to_owned(), second.to_owned()];
        prop_assert_eq!(diagnose(&code, &parts), Finding::Split(2));
    }

    #[test]
    fn code_pages_are_known(code in cyrillic()) {
        for sent in Page::ALL {
            for read in Page::ALL {
                let bytes = sent.write(&code);
                let Some(text) = read.read(&bytes).filter(|text| sent != read && *text != code) else { continue };
                prop_assert_eq!(found(&code, &visible(&text)), Finding::CodePage { sent, read });
            }
        }
    }

    #[test]
    fn lost_cyrillic_is_known(code in cyrillic()) {
        let asked: String = code.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        prop_assert_eq!(found(&code, &asked), Finding::CyrillicLost);
        prop_assert_eq!(found(&code, &without_cyrillic(&code)), Finding::CyrillicLost);
    }

    #[test]
    fn what_stands_around_is_known(code in latin()) {
        prop_assert_eq!(found(&code, &format!("]Q1{code}")), Finding::Prefix { length: 3, aim: true });
        prop_assert_eq!(found(&code, &format!("*№{code}")), Finding::Prefix { length: 2, aim: false });
        prop_assert_eq!(found(&code, &format!("{code}~~")), Finding::Suffix(2));
    }

    #[test]
    fn a_cut_code_is_known(code in latin(), at in 1_usize..19) {
        prop_assert_eq!(found(&code, code.split_at(at).0), Finding::Truncated(at));
    }

    #[test]
    fn a_swallowed_character_is_known(code in latin(), at in 1_usize..18) {
        let mut came = code.clone();
        came.remove(at);
        prop_assume!(!code.starts_with(&came) && !code.ends_with(&came));
        prop_assert_eq!(found(&code, &came), Finding::Swallowed(1));
    }

    #[test]
    fn a_doubled_character_is_known(code in latin(), at in 1_usize..18) {
        let mut came = code.clone();
        came.insert(at, code.as_bytes()[at].into());
        // The first of equal characters twice is a prefix as well.
        prop_assume!(!came.ends_with(&code));
        prop_assert_eq!(found(&code, &came), Finding::Doubled(1));
    }

    #[test]
    fn anything_may_come(code in latin(), came in prop::collection::vec(".{0,400}", 0..4)) {
        let finding = diagnose(&code, &came);
        prop_assert_eq!(finding == Finding::Exact, finding.remedy().is_none());
    }
}

#[test]
fn another_code_is_no_fault_of_the_scanner() {
    assert_eq!(
        found("abcdEFGH0123456789xy", "4810268003455"),
        Finding::Other
    );
}

#[test]
fn both_layouts_have_the_same_keys() {
    assert_eq!(US.chars().count(), RU.chars().count());
    assert_eq!(retyped("Http", US, RU), "Реез");
}
