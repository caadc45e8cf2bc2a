//! Makes Rust of the Fluent files of this folder; the build script runs it. See the head of `texts` for what it supports.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fluent_syntax::ast::{Entry, Expression, InlineExpression, PatternElement, VariantKey};
use fluent_syntax::parser;
use fluent_syntax::unicode::unescape_unicode_to_string;

type Pattern<'s> = fluent_syntax::ast::Pattern<&'s str>;
type Variant<'s> = fluent_syntax::ast::Variant<&'s str>;

/// In the order in which they stand in the code, each with the forms that a number needs in it: a name, and when it
/// holds of the number `#`. The last one is for all other numbers, and Fluent marks it with `*`.
const LANGUAGES: [(&str, &[(&str, &str)]); 3] =
    [("ru", &EAST_SLAVIC), ("be", &EAST_SLAVIC), ("en", &ENGLISH)];
const EAST_SLAVIC: [(&str, &str); 3] = [
    ("one", "# % 10 == 1 && # % 100 != 11"),
    (
        "few",
        "matches!(# % 10, 2..=4) && !matches!(# % 100, 12..=14)",
    ),
    ("many", ""),
];
const ENGLISH: [(&str, &str); 2] = [("one", "# == 1"), ("other", "")];

/// A file `AUDIENCE.LANGUAGE.ftl`.
pub struct Source {
    /// As people read it in errors.
    pub place: String,
    pub audience: String,
    pub language: String,
    pub content: String,
}

/// A text of one file, as Rust.
struct Text {
    /// `src/texts/cashier.ru.ftl:12`.
    place: String,
    /// An expression: a `&str` where nothing has to be filled in, else a `String`.
    code: String,
    /// By name, and whether it is a number of which forms depend.
    placeholders: BTreeMap<String, bool>,
}

/// The texts of one language by their keys, which are `key` or `key.attribute`.
type Texts = BTreeMap<String, Text>;

/// A module for each audience.
///
/// # Errors
/// All that is wrong, each in a sentence with its place.
pub fn generate(mut sources: Vec<Source>) -> Result<String, Vec<String>> {
    let rank = |one: &Source| LANGUAGES.iter().position(|(name, _)| *name == one.language);
    sources.sort_by_key(|one| (one.audience.clone(), rank(one)));
    let mut errors = Vec::new();
    let mut code = String::new();
    for audience in sources.chunk_by(|one, next| one.audience == next.audience) {
        let read = |source| File::read(source, &mut errors);
        let languages: Vec<(&Source, Texts)> =
            audience.iter().zip(audience.iter().map(read)).collect();
        compare(&languages, &mut errors);
        module(&mut code, &languages);
    }
    if errors.is_empty() {
        Ok(code)
    } else {
        Err(errors)
    }
}

/// Every key must stand in every language, with the same placeholders.
fn compare(languages: &[(&Source, Texts)], errors: &mut Vec<String>) {
    let all: BTreeMap<&String, &Text> = languages
        .iter()
        .rev()
        .flat_map(|(_, texts)| texts)
        .collect();
    for (key, known) in all {
        for (source, texts) in languages {
            let Some(text) = texts.get(key) else {
                errors.push(format!(
                    "{}: lacks `{key}`, which stands in {}",
                    source.place, known.place
                ));
                continue;
            };
            if !text.placeholders.keys().eq(known.placeholders.keys()) {
                let names = |one: &Text| {
                    let names: Vec<_> = one
                        .placeholders
                        .keys()
                        .map(|name| format!("${name}"))
                        .collect();
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                };
                errors.push(format!(
                    "{}: `{key}` has other placeholders ({}) than in {} ({})",
                    text.place,
                    names(text),
                    known.place,
                    names(known)
                ));
            }
        }
    }
}

/// One file while it is read.
struct File<'a> {
    source: &'a Source,
    forms: &'static [(&'static str, &'static str)],
    /// The placeholders without which the present message does, as the comment above it states.
    without: Vec<&'a str>,
    errors: &'a mut Vec<String>,
}

impl<'a> File<'a> {
    fn read(source: &'a Source, errors: &'a mut Vec<String>) -> Texts {
        let Some((_, forms)) = LANGUAGES.iter().find(|(name, _)| *name == source.language) else {
            errors.push(format!(
                "{}: is not named AUDIENCE.LANGUAGE.ftl with a language of ru, be, en",
                source.place
            ));
            return Texts::new();
        };
        let mut file = File {
            source,
            forms,
            without: Vec::new(),
            errors,
        };
        let resource =
            parser::parse(source.content.as_str()).unwrap_or_else(|(resource, errors)| {
                for error in errors {
                    let place = file.place_at(error.pos.start);
                    file.errors.push(format!("{place}: {}", error.kind));
                }
                resource
            });
        let mut texts = Texts::new();
        for entry in &resource.body {
            match entry {
                Entry::Message(message) => {
                    let name = message.id.name;
                    let comment = message.comment.iter().flat_map(|one| &one.content);
                    file.without = comment.filter_map(|line| without(line)).collect();
                    if let Some(pattern) = &message.value {
                        file.add(&mut texts, name, name.to_owned(), pattern);
                    }
                    for attribute in &message.attributes {
                        let key = format!("{name}.{}", attribute.id.name);
                        file.add(&mut texts, attribute.id.name, key, &attribute.value);
                    }
                }
                Entry::Term(term) => {
                    file.unsupported(term.id.name, "a term (-name): write its text out");
                }
                Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
                // Is among the errors of the parser.
                Entry::Junk { .. } => {}
            }
        }
        texts
    }

    fn add(&mut self, texts: &mut Texts, id: &str, key: String, pattern: &Pattern) {
        let place = self.place(id);
        self.check_name(id, &place);
        let mut placeholders = BTreeMap::new();
        let code = self.expression(pattern, &mut placeholders);
        for name in &self.without {
            placeholders.entry((*name).to_owned()).or_default();
        }
        let text = Text {
            place: place.clone(),
            code,
            placeholders,
        };
        // `a_b` and `a.b` would have one name in the code.
        let name = function_name(&key);
        let twice = texts.iter().find(|(other, _)| function_name(other) == name);
        if let Some((other, first)) = twice {
            let error = format!(
                "{place}: `{key}` stands here again, after `{other}` in {}",
                first.place
            );
            self.errors.push(error);
        }
        texts.insert(key, text);
    }

    /// The Rust of a pattern: a literal, or `format!` where something is to be filled in.
    fn expression(
        &mut self,
        pattern: &Pattern,
        placeholders: &mut BTreeMap<String, bool>,
    ) -> String {
        let mut literal = String::new();
        let mut format = String::new();
        let mut numbers = String::new();
        let mut is_literal = true;
        for element in &pattern.elements {
            let text = match element {
                PatternElement::TextElement { value } => (*value).into(),
                PatternElement::Placeable { expression } => match expression {
                    Expression::Inline(InlineExpression::StringLiteral { value }) => {
                        unescape_unicode_to_string(value)
                    }
                    Expression::Inline(InlineExpression::VariableReference { id }) => {
                        self.check_name(id.name, &self.place(id.name));
                        placeholders.entry(id.name.to_owned()).or_default();
                        let _ = write!(format, "{{{}}}", id.name);
                        is_literal = false;
                        continue;
                    }
                    Expression::Select {
                        selector: InlineExpression::VariableReference { id },
                        variants,
                    } => {
                        placeholders.insert(id.name.to_owned(), true);
                        format.push_str("{}");
                        let forms = self.forms(id.name, variants, placeholders);
                        let _ = write!(numbers, ", {forms}");
                        is_literal = false;
                        continue;
                    }
                    Expression::Inline(other)
                    | Expression::Select {
                        selector: other, ..
                    } => {
                        self.unsupported(name_in(other), "this in braces: only { $name }, { \"text\" } and the forms of a { $number -> … } are");
                        continue;
                    }
                },
            };
            literal.push_str(&text);
            format.push_str(&text.replace('{', "{{").replace('}', "}}"));
        }
        if is_literal {
            format!("{literal:?}")
        } else {
            format!("format!({format:?}{numbers})")
        }
    }

    /// A `match` that chooses among the forms of a number.
    fn forms(
        &mut self,
        number: &str,
        variants: &[Variant],
        placeholders: &mut BTreeMap<String, bool>,
    ) -> String {
        let mut exact = String::new();
        let mut named = BTreeMap::new();
        for variant in variants {
            let text = self.expression(&variant.value, placeholders);
            let text = if text.starts_with('"') {
                format!("{text}.to_owned()")
            } else {
                text
            };
            match variant.key {
                VariantKey::NumberLiteral { value } => {
                    let _ = write!(exact, "{value} => {text}, ");
                }
                VariantKey::Identifier { name } => {
                    named.insert((name, variant.default), text);
                }
            }
        }
        let place = self.place(number);
        let mut code = format!("match {number} {{ {exact}");
        for (name, condition) in self.forms {
            let is_last = condition.is_empty();
            let Some(text) = named.remove(&(name, is_last)) else {
                let all: Vec<_> = self.forms.iter().map(|(name, _)| *name).collect();
                self.errors.push(format!(
                    "{place}: the forms of ${number} must be {}, the last of them marked with *, and whole numbers",
                    all.join(", ")
                ));
                return code;
            };
            let _ = if is_last {
                write!(code, "_ => {text} }}")
            } else {
                write!(code, "_ if {} => {text}, ", condition.replace('#', number))
            };
        }
        for (name, _) in named.keys() {
            self.errors.push(format!(
                "{place}: ${number} has no form `{name}` in the language {}",
                self.source.language
            ));
        }
        code
    }

    /// Names become those of Rust.
    fn check_name(&mut self, name: &str, place: &str) {
        let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.chars().all(is_fit) {
            let error = format!("{place}: `{name}` may have small letters, digits and _ alone");
            self.errors.push(error);
        }
    }

    fn unsupported(&mut self, at: &str, what: &str) {
        let place = self.place(at);
        self.errors.push(format!(
            "{place}: the generator of texts does not support {what}"
        ));
    }

    /// The place of a slice of the source.
    fn place(&self, slice: &str) -> String {
        let start = self.source.content.as_ptr().addr();
        self.place_at(slice.as_ptr().addr().saturating_sub(start))
    }

    fn place_at(&self, offset: usize) -> String {
        let before = self.source.content.bytes().take(offset);
        let line = before.filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", self.source.place)
    }
}

/// Any slice of the source that an expression holds, for its place.
fn name_in<'s>(expression: &InlineExpression<&'s str>) -> &'s str {
    match expression {
        InlineExpression::StringLiteral { value } | InlineExpression::NumberLiteral { value } => {
            value
        }
        InlineExpression::FunctionReference { id, .. }
        | InlineExpression::MessageReference { id, .. }
        | InlineExpression::TermReference { id, .. }
        | InlineExpression::VariableReference { id } => id.name,
        InlineExpression::Placeable { expression } => match expression.as_ref() {
            Expression::Inline(inner)
            | Expression::Select {
                selector: inner, ..
            } => name_in(inner),
        },
    }
}

/// The placeholder of a comment `Without $name: …`.
fn without(comment: &str) -> Option<&str> {
    Some(comment.strip_prefix("Without $")?.split_once(':')?.0)
}

fn function_name(key: &str) -> String {
    key.replace('.', "_")
}

/// The code of an audience.
fn module(code: &mut String, languages: &[(&Source, Texts)]) {
    let [(first, texts), others @ ..] = languages else {
        return;
    };
    let _ = writeln!(code, "pub mod {} {{", first.audience);
    let (constant, filled) = if others.is_empty() {
        ("&str", "String")
    } else {
        code.push_str("    use std::borrow::Cow;\n    /// A text in each language.\n");
        code.push_str("    #[derive(Clone, Debug, Default, PartialEq, Eq)]\n    pub struct Text {");
        for (one, _) in languages {
            let _ = write!(code, " pub {}: Cow<'static, str>,", one.language);
        }
        code.push_str(" }\n");
        ("Text", "Text")
    };
    for (key, text) in texts {
        let all = languages
            .iter()
            .filter_map(|(source, texts)| Some((source, texts.get(key)?)));
        let value = if others.is_empty() {
            text.code.clone()
        } else {
            let fields = all.clone().map(|(source, text)| {
                let kind = if text.code.starts_with('"') {
                    "Borrowed"
                } else {
                    "Owned"
                };
                format!("{}: Cow::{kind}({})", source.language, text.code)
            });
            format!("Text {{ {} }}", fields.collect::<Vec<_>>().join(", "))
        };
        // On one line and with its place first, which a warning of the compiler shows.
        let (name, place) = (function_name(key), &text.place);
        let _ = if text.placeholders.is_empty() {
            let name = name.to_uppercase();
            writeln!(
                code,
                "    /* {place} */ pub const {name}: {constant} = {value};"
            )
        } else {
            let arguments = text.placeholders.keys().map(|name| {
                // A number in one language is one in all.
                let is_number = all
                    .clone()
                    .any(|(_, text)| text.placeholders.get(name) == Some(&true));
                let kind = if is_number {
                    "u64"
                } else {
                    "impl std::fmt::Display"
                };
                format!("{name}: {kind}")
            });
            let arguments = arguments.collect::<Vec<_>>().join(", ");
            writeln!(
                code,
                "    /* {place} */ pub fn {name}({arguments}) -> {filled} {{ {value} }}"
            )
        };
    }
    code.push_str("}\n");
}
