//! Every text that a person reads, as data: one file for each audience and language, `AUDIENCE.LANGUAGE.ftl`.
//!
//! | audience | language | reads |
//! |---|---|---|
//! | `original` | ru | the messages of the original module, letter for letter: no text of this file is ever changed |
//! | `buyer` | ru, be, en | the display |
//! | `cashier` | ru | messages of operations, and problems in answers of the till API |
//! | `technician` | ru, en | the self-test, the tests of devices and the command line |
//! | `newcomer` | ru | `oplati demo`, and samples of scenes |
//!
//! The pages for browsers speak Russian in HTML and JavaScript of their own (`src/api`, `src/demo`), which no translation
//! shares. What Rust holds in Russian beside these files, `tests/architecture.rs` lists, each with its reason.
//!
//! The files are [Fluent](https://projectfluent.org/fluent/guide/), and the build makes Rust of them (`generate.rs`):
//! `no_card = …` becomes the constant `NO_CARD`, `.remedy = …` below it `NO_CARD_REMEDY`, and `code = … { $code }` the
//! function `code(code)`. Where an audience has several languages, each of them is a `Text` with one field for each
//! language, filled in or not. So nothing is parsed when the program starts, and nothing can be missing when it speaks: the build fails,
//! with the file and the line, if a key lacks in one language or has other placeholders there, and the compiler names a
//! text that nobody uses.
//!
//! Weighed against it: *fluent-bundle* reads the same files when the program runs. It puts ten crates into it, finds a
//! key by its name only when the text is needed, and must have an answer for one that is missing; it earns that
//! where a language can be added without a build, which no till needs. *gettext*, as `debian/po` has it, takes the text
//! itself as the key, so that one text cannot be two in another language; it makes English or Russian the code's own
//! language, and a library in C and files beside the program find the text when it runs.
//! Tables in Rust, as before, make who translates edit code.
//!
//! What is supported of Fluent, and nothing else:
//!
//! - messages and their attributes, comments, texts of several lines;
//! - `{ $name }`, filled in as it displays itself, without marks for the direction of writing. Arguments stand in the
//!   order of the alphabet, whatever their order in the text, so that who turns a sentence round swaps none;
//! - a comment `# Without $name: REASON` above a message whose language does without a placeholder of the others;
//! - `{ "text" }`, for spaces at an end, braces, and characters that nobody sees (`{ "\u00A0" }`, `{ "\u000A" }`);
//! - the forms of a number, `{ $count -> … }` with `[one]`, `[few]`, `*[many]` in Russian and Belarusian, `[one]` and
//!   `*[other]` in English, and `[0]` for a number itself. Such an argument is a `u64`.

include!(concat!(env!("OUT_DIR"), "/texts.rs"));

#[cfg(test)]
mod generate;
#[cfg(test)]
mod tests;
