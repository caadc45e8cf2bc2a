//! `oplat.xml`: from totals to the lines that a till prints. The format is described in the default
//! template itself, for whoever edits it in a shop.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use roxmltree::{Document, Node};

use super::{DEFAULT_TEMPLATE, Difference, Reconciliation, Total};
use crate::base::regular_file;
use crate::model::money::Kopecks;
use crate::texts::cashier;

/// Columns of receipt printers.
const WIDTHS: std::ops::RangeInclusive<usize> = 32..=48;
/// Largest template.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most lines of one report.
const MAX_LINES: usize = 10_000;

/// What is wrong with a template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read, or is not UTF-8.
    #[error("oplat.xml cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// Not XML.
    #[error("oplat.xml is no XML")]
    Xml(#[source] roxmltree::Error),
    /// Not what the format allows.
    #[error("oplat.xml:{line}: {what}")]
    Format {
        line: u32,
        /// What is wrong, and what is allowed.
        what: String,
    },
    /// Larger than any report needs.
    #[error("oplat.xml is larger than {MAX_BYTES} bytes")]
    TooLarge,
}

/// What the report shows beside the reconciliation.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Of the till.
    pub reg_num: String,
    /// When it was made.
    pub at: Timestamp,
}

/// A template that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    width: usize,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Header or totals.
    Once(Vec<Item>),
    Kinds(Vec<Item>),
    Differences(Vec<Item>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Rule(char),
    Line { align: Align, pieces: Vec<Piece> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Center,
    Right,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(String),
    Fill(char),
}

const ONCE: [&str; 8] = [
    "shift",
    "regNum",
    "date",
    "time",
    "till",
    "service",
    "differences",
    "verdict",
];
const KINDS: [&str; 5] = ["title", "count", "amount", "serviceCount", "serviceAmount"];
const DIFFERENCES: [&str; 5] = ["what", "operation", "paymentId", "till", "service"];

/// The text of a template: UTF-8, or CP1251 where the first line declares it, as editors of older tills do.
fn text_of(bytes: Vec<u8>) -> std::io::Result<String> {
    let is_declaration = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        line.starts_with("<?xml") && line.contains("windows-1251")
    };
    let end = bytes.iter().position(|byte| *byte == b'>');
    if end
        .and_then(|end| bytes.get(..end))
        .is_some_and(is_declaration)
    {
        return Ok(bytes.into_iter().map(crate::base::text::cp1251).collect());
    }
    String::from_utf8(bytes).map_err(|_| {
        let what = "neither UTF-8 nor declared as windows-1251";
        std::io::Error::new(std::io::ErrorKind::InvalidData, what)
    })
}

impl Template {
    /// Reads and checks a template.
    ///
    /// # Errors
    /// [`TemplateError`] naming the line and what is allowed there.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        if text.len() > MAX_BYTES {
            return Err(TemplateError::TooLarge);
        }
        let document = Document::parse(text).map_err(TemplateError::Xml)?;
        let root = document.root_element();
        if root.tag_name().name() != "report" {
            return Err(wrong(root, "the outermost element must be <report>"));
        }
        attributes(root, &["width"])?;
        let width = root.attribute("width").unwrap_or("40");
        let width = width
            .parse()
            .ok()
            .filter(|width| WIDTHS.contains(width))
            .ok_or_else(|| wrong(root, &format!("width=\"{width}\": 32 to 48 are allowed")))?;
        let mut parts = Vec::new();
        for node in elements(root)? {
            parts.push(part(node)?);
        }
        Ok(Template { width, parts })
    }

    /// Reads the template of a shop; where there is none, the built-in one.
    ///
    /// # Errors
    /// [`TemplateError`]; the file is left alone.
    pub fn load(path: &Path) -> Result<Template, TemplateError> {
        let text = match regular_file::read(path, MAX_BYTES).and_then(text_of) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Template::parse(DEFAULT_TEMPLATE);
            }
            Err(source) => return Err(TemplateError::Unreadable(source)),
        };
        Template::parse(&text)
    }

    /// The lines of a report, none longer than the template's width.
    pub fn render(&self, reconciliation: &Reconciliation, facts: &Facts) -> Vec<String> {
        let mut lines = Vec::new();
        for part in &self.parts {
            match part {
                Part::Once(items) => self.put(items, &once(reconciliation, facts), &mut lines),
                Part::Kinds(items) => {
                    for fields in kinds(reconciliation) {
                        self.put(items, &fields, &mut lines);
                    }
                }
                Part::Differences(items) => {
                    for difference in &reconciliation.differences {
                        self.put(items, &of_difference(difference), &mut lines);
                    }
                }
            }
        }
        lines.truncate(MAX_LINES);
        lines
    }

    fn put(&self, items: &[Item], fields: &Fields, lines: &mut Vec<String>) {
        for item in items {
            if lines.len() >= MAX_LINES {
                return;
            }
            match item {
                Item::Rule(char) => lines.push(char.to_string().repeat(self.width)),
                Item::Line { align, pieces } => self.line(*align, pieces, fields, lines),
            }
        }
    }

    fn line(&self, align: Align, pieces: &[Piece], fields: &Fields, lines: &mut Vec<String>) {
        let (mut left, mut right, mut fill) = (String::new(), String::new(), None);
        for piece in pieces {
            let side = if fill.is_some() {
                &mut right
            } else {
                &mut left
            };
            match piece {
                Piece::Text(text) => side.push_str(text),
                Piece::Field(name) => {
                    side.push_str(fields.get(name.as_str()).map_or("", String::as_str));
                }
                Piece::Fill(char) => fill = Some(*char),
            }
        }
        let Some(fill) = fill else {
            let wrapped = wrap(&left, self.width);
            lines.extend(
                wrapped
                    .into_iter()
                    .map(|line| aligned(&line, align, self.width)),
            );
            return;
        };
        let (used, needed) = (length(&left), length(&right));
        if used + needed < self.width {
            let between = self.width - used - needed;
            // A sign that is not a space keeps off the words by one space on each side.
            let middle = match between {
                3.. if fill != ' ' => format!(" {} ", fill.to_string().repeat(between - 2)),
                _ => " ".repeat(between),
            };
            return lines.push(format!("{left}{middle}{right}"));
        }
        lines.extend(wrap(&left, self.width));
        let rest = wrap(&right, self.width);
        lines.extend(
            rest.into_iter()
                .map(|line| aligned(&line, Align::Right, self.width)),
        );
    }
}

fn part(node: Node<'_, '_>) -> Result<Part, TemplateError> {
    match node.tag_name().name() {
        "header" | "totals" => {
            attributes(node, &[])?;
            Ok(Part::Once(items(node, &ONCE)?))
        }
        "rows" => {
            attributes(node, &["of", "when"])?;
            if !matches!(node.attribute("when"), None | Some("some")) {
                return Err(wrong(node, "when: only some is allowed"));
            }
            match node.attribute("of") {
                Some("kinds") => Ok(Part::Kinds(items(node, &KINDS)?)),
                Some("differences") => Ok(Part::Differences(items(node, &DIFFERENCES)?)),
                Some(_) | None => Err(wrong(node, "of: kinds or differences is needed")),
            }
        }
        name => {
            let what = format!("<{name}>: header, rows and totals are allowed here");
            Err(wrong(node, &what))
        }
    }
}

fn items(node: Node<'_, '_>, fields: &[&str]) -> Result<Vec<Item>, TemplateError> {
    elements(node)?
        .into_iter()
        .map(|node| match node.tag_name().name() {
            "rule" => {
                attributes(node, &["char"])?;
                Ok(Item::Rule(sign(node, '-')?))
            }
            "line" => line(node, fields),
            name => {
                let what = format!("<{name}>: line and rule are allowed here");
                Err(wrong(node, &what))
            }
        })
        .collect()
}

fn line(node: Node<'_, '_>, fields: &[&str]) -> Result<Item, TemplateError> {
    attributes(node, &["align"])?;
    let align = match node.attribute("align") {
        None | Some("left") => Align::Left,
        Some("center") => Align::Center,
        Some("right") => Align::Right,
        Some(other) => {
            let what = format!("align=\"{other}\": left, center and right are allowed");
            return Err(wrong(node, &what));
        }
    };
    let mut pieces = Vec::new();
    for child in node.children() {
        if let Some(text) = child.text().filter(|_| child.is_text()) {
            text_pieces(child, text, fields, &mut pieces)?;
        } else if child.is_element() && child.tag_name().name() == "fill" {
            attributes(child, &["char"])?;
            if pieces.iter().any(|piece| matches!(piece, Piece::Fill(_))) {
                return Err(wrong(child, "a line has one <fill/> at most"));
            }
            pieces.push(Piece::Fill(sign(child, ' ')?));
        } else if child.is_element() {
            return Err(wrong(child, "in a line only text and <fill/> are allowed"));
        }
    }
    Ok(Item::Line { align, pieces })
}

fn text_pieces(
    node: Node<'_, '_>,
    text: &str,
    fields: &[&str],
    pieces: &mut Vec<Piece>,
) -> Result<(), TemplateError> {
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '{' | '}' if chars.peek() == Some(&char) => {
                chars.next();
                plain.push(char);
            }
            '{' => {
                let name: String = chars.by_ref().take_while(|char| *char != '}').collect();
                if !fields.contains(&name.as_str()) {
                    let what = format!("{{{name}}}: the fields here are {}", fields.join(", "));
                    return Err(wrong(node, &what));
                }
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Field(name));
            }
            '}' => return Err(wrong(node, "a lonely }; write it twice")),
            '\n' | '\r' | '\t' => plain.push(' '),
            char if char.is_control() => {}
            char => plain.push(char),
        }
    }
    pieces.push(Piece::Text(plain));
    Ok(())
}

/// The child elements; any text between them is a mistake.
fn elements<'a, 'i>(node: Node<'a, 'i>) -> Result<Vec<Node<'a, 'i>>, TemplateError> {
    let stray = node
        .children()
        .find(|child| child.is_text() && child.text().is_some_and(|text| !text.trim().is_empty()));
    match stray {
        Some(text) => Err(wrong(text, "text is allowed in <line> only")),
        None => Ok(node.children().filter(Node::is_element).collect()),
    }
}

fn attributes(node: Node<'_, '_>, allowed: &[&str]) -> Result<(), TemplateError> {
    match node
        .attributes()
        .find(|found| !allowed.contains(&found.name()))
    {
        None => Ok(()),
        Some(found) => {
            let name = found.name();
            let what = if allowed.is_empty() {
                format!("{name}: no attribute is allowed here")
            } else {
                format!("{name}: the attributes here are {}", allowed.join(", "))
            };
            Err(wrong(node, &what))
        }
    }
}

/// The one sign of `char`.
fn sign(node: Node<'_, '_>, usual: char) -> Result<char, TemplateError> {
    let Some(text) = node.attribute("char") else {
        return Ok(usual);
    };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(sign), None) if !sign.is_control() => Ok(sign),
        _ => Err(wrong(node, "char: one sign is needed")),
    }
}

fn wrong(node: Node<'_, '_>, what: &str) -> TemplateError {
    let place = node.document().text_pos_at(node.range().start);
    TemplateError::Format {
        line: place.row,
        what: what.chars().take(200).collect(),
    }
}

type Fields = BTreeMap<&'static str, String>;

fn once(reconciliation: &Reconciliation, facts: &Facts) -> Fields {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(3));
    let at = zone.to_datetime(facts.at);
    let count = reconciliation.differences.len() as u64 + reconciliation.more_differences;
    let verdict = if count == 0 {
        cashier::SLIP_NO_DIFFERENCES.to_owned()
    } else {
        cashier::slip_differences(count)
    };
    BTreeMap::from([
        ("shift", reconciliation.shift.clone()),
        ("regNum", facts.reg_num.clone()),
        ("date", at.strftime("%d.%m.%Y").to_string()),
        ("time", at.strftime("%H:%M").to_string()),
        ("till", roubles(reconciliation.till.net)),
        ("service", roubles(reconciliation.service.net)),
        ("differences", count.to_string()),
        ("verdict", verdict),
    ])
}

fn kinds(reconciliation: &Reconciliation) -> [Fields; 4] {
    let (till, service) = (&reconciliation.till, &reconciliation.service);
    let fields = |title: &str, till: Total, service: Total| {
        BTreeMap::from([
            ("title", title.to_owned()),
            ("count", till.count.to_string()),
            ("amount", roubles(till.amount)),
            ("serviceCount", service.count.to_string()),
            ("serviceAmount", roubles(service.amount)),
        ])
    };
    [
        fields(cashier::SLIP_SALES, till.sales, service.sales),
        fields(cashier::SLIP_REFUNDS, till.refunds, service.refunds),
        fields(
            cashier::SLIP_CANCELLATIONS,
            till.cancellations,
            service.cancellations,
        ),
        fields(
            cashier::SLIP_CANCELLED_REFUNDS,
            till.cancelled_refunds,
            service.cancelled_refunds,
        ),
    ]
}

fn of_difference(difference: &Difference) -> Fields {
    let side = |side: &Option<super::Side>| {
        side.as_ref().map_or_else(
            || cashier::SLIP_NOTHING.to_owned(),
            |side| roubles(side.amount),
        )
    };
    let number = difference.payment_id.map(|id| id.to_string());
    BTreeMap::from([
        ("what", difference.what.words().to_owned()),
        (
            "operation",
            difference.operation.clone().unwrap_or_default(),
        ),
        ("paymentId", number.unwrap_or_default()),
        ("till", side(&difference.till)),
        ("service", side(&difference.service)),
    ])
}

/// As receipts write money.
fn roubles(amount: Kopecks) -> String {
    amount.to_string().replace('.', ",")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn aligned(line: &str, align: Align, width: usize) -> String {
    let room = width.saturating_sub(length(line));
    match align {
        Align::Left => line.to_owned(),
        Align::Center => format!("{}{line}", " ".repeat(room / 2)),
        Align::Right => format!("{}{line}", " ".repeat(room)),
    }
}

/// Breaks between words where that is possible; what is longer than a line is broken anywhere.
fn wrap(text: &str, width: usize) -> Vec<String> {
    if length(text) <= width {
        return vec![text.trim_end().to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && length(&line) + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests;
