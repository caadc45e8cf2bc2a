//! Which names oplati.conf has, and the nearest to one that it has not.

use super::{hints, ini};

/// Sections and their keys.
pub(super) const KNOWN: [(&str, &[&str]); 4] = [
    (
        "Main",
        &[
            "url",
            "timeout",
            "regNum",
            "mode",
            "password",
            "valutcode",
            "waitBuyer",
            "settle",
            "journalDays",
            "pollPayment",
            "pollSession",
            "walletName",
            "reconcileAt",
        ],
    ),
    (
        "Scanner",
        &["device", "profile", "layout", "share", "buyerCode"],
    ),
    (
        "Display",
        &[
            "device", "profile", "language", "shopName", "logo", "rotate",
        ],
    ),
    ("Till", &["socket", "listen", "tokenFile"]),
];
/// Keys whose values are never shown.
pub(super) const SECRET_KEYS: [&str; 1] = ["password"];

/// Whether a key of this name exists, in whatever section, and its value is no secret.
pub(crate) fn may_be_shown(key: &str) -> bool {
    let is_known = KNOWN.iter().any(|(_, keys)| keys.contains(&key));
    is_known && !SECRET_KEYS.contains(&key)
}

/// A value fit for a message: nothing of a secret, and of an address neither user and password nor what follows `?`
/// or `#`, where tokens stand. The address may be any text: that it is wrong is what the message is about.
pub(crate) fn without_secrets(key: &str, value: &str) -> String {
    const MASK: &str = "***";
    if SECRET_KEYS.contains(&key) {
        return MASK.to_owned();
    }
    if key != "url" {
        return value.to_owned();
    }
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['@', '?', '#']) => (format!("{scheme}://"), rest),
        Some(_) | None => (String::new(), value),
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    let rest = match rest.find(['?', '#']) {
        Some(at) => {
            let (address, query) = rest.split_at(at);
            let mark: String = query.chars().take(1).collect();
            format!("{address}{mark}{MASK}")
        }
        None => rest.to_owned(),
    };
    format!("{scheme}{user}{rest}")
}

/// What is wrong with a name, with the nearest known one.
pub(super) fn unknown(section: &str, key: &str) -> Option<String> {
    let Some((_, keys)) = KNOWN.iter().find(|(name, _)| *name == section) else {
        if section.is_empty() {
            return Some(format!(
                "{} stands before any [Section] and means nothing",
                ini::cut(key)
            ));
        }
        let near = nearest(section, KNOWN.iter().map(|(name, _)| *name));
        let hint = hint(section);
        return Some(format!(
            "unknown section [{}]; the nearest is [{near}]{hint}",
            ini::cut(section)
        ));
    };
    if keys.contains(&key) {
        return None;
    }
    let near = nearest(key, keys.iter().copied());
    let hint = hint(key);
    Some(format!(
        "unknown key {} in [{section}]; the nearest is {near}{hint}",
        ini::cut(key)
    ))
}

fn hint(name: &str) -> String {
    hints::of_name(name).map_or_else(String::new, |hint| format!("; {hint}"))
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let lower = ini::cut(word).to_lowercase();
    known
        .min_by_key(|name| strsim::damerau_levenshtein(&lower, &name.to_lowercase()))
        .unwrap_or_default()
}
