//! Texts that several groups use.

use std::path::Path;

use crate::model::check::Text;

pub(super) fn path(path: &Path) -> Text {
    Text::same(path.display().to_string())
}

/// A path with more about it.
pub(super) fn of(path: &Path, more: &Text) -> Text {
    let path = path.display();
    more.within(|more| Text::same(format!("{path}: {more}")))
}
