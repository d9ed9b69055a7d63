//! A dialect: a message as one text, in the markup of a channel that has no better form.
//!
//! Promises: within the channel's limit whatever the error says; title, reason and link always, the rest as far as there
//! is room: what the error says before its facts, its facts before its frames; the
//! only links are ours and the operator's. Deliberately not here: the request
//! around the text.

use super::links::Link;
use super::markup::{self, Form, Unit, written};
use super::message::Message;

/// The title, and the reason.
const HEAD_UNITS: usize = 600;
/// What the error says, or its frames.
const BLOCK_UNITS: usize = 1_500;
const VALUE_UNITS: usize = 300;
const LABEL_UNITS: usize = 100;

/// A markup language.
pub(crate) struct Dialect {
    /// What the channel takes, in its units.
    pub(crate) limit: usize,
    /// How it counts.
    pub(crate) unit: Unit,
    /// Text from outside, in prose.
    pub(crate) prose: fn(char) -> Form,
    /// Text from outside, between the marks of code.
    pub(crate) code: fn(char) -> Form,
    /// Around what is bold.
    pub(crate) bold: (&'static str, &'static str),
    /// Around code in a line.
    pub(crate) span: (&'static str, &'static str),
    /// Around lines of code.
    pub(crate) block: (&'static str, &'static str),
    /// A link: its label, and where to.
    pub(crate) link: fn(&str, &str) -> String,
    /// Between two links.
    pub(crate) between: &'static str,
}

impl Dialect {
    /// Of a channel without markup: text from outside is only kept from making any.
    pub(crate) const fn unmarked(limit: usize, unit: Unit, prose: fn(char) -> Form) -> Dialect {
        let none = ("", "");
        let link = |label: &str, url: &str| format!("{label}: {url}");
        Dialect { limit, unit, prose, code: prose, bold: none, span: none, block: none, link, between: "\n" }
    }

    /// The whole message.
    pub(crate) fn text(&self, message: &Message) -> String {
        let title = self.bold(&message.title);
        let head = format!("{}{title}\n{}\n", mention_line(message), self.prose(&message.why, HEAD_UNITS));
        let (page, more) = message.page_and_more();
        self.join(head, &self.body(message), &self.links(Some(page), more))
    }

    /// The message below its title and reason, with the links besides the page.
    pub(crate) fn facts(&self, message: &Message) -> String {
        self.join(String::new(), &self.body(message), &self.links(None, message.page_and_more().1))
    }

    /// A link of ours or the operator's.
    pub(crate) fn link(&self, Link { label, url }: &Link) -> String {
        (self.link)(&self.prose(label, LABEL_UNITS), url)
    }

    /// The page, where it is among them, and as many more as fit into a third of the room.
    fn links(&self, page: Option<&Link>, more: &[Link]) -> String {
        let mut out = page.map(|page| self.link(page)).unwrap_or_default();
        for link in more {
            let between = if out.is_empty() { "" } else { self.between };
            let next = format!("{between}{}", self.link(link));
            if self.cost(&out) + self.cost(&next) > self.limit / 3 {
                break;
            }
            out.push_str(&next);
        }
        out
    }

    /// Prose from outside.
    pub(crate) fn prose(&self, text: &str, units: usize) -> String {
        markup::prose(text, units, self.unit, self.prose)
    }

    /// Code from outside, which stands as prose where there are no marks for it.
    fn coded(&self, text: &str, units: usize, (before, after): (&str, &str)) -> String {
        let text = match before.is_empty() {
            true => self.prose(text, units),
            false => written(text, units, self.unit, self.code),
        };
        format!("{before}{text}{after}")
    }

    /// A bold line.
    pub(crate) fn bold(&self, text: &str) -> String {
        format!("{}{}{}", self.bold.0, self.prose(text, HEAD_UNITS), self.bold.1)
    }

    fn join(&self, mut out: String, parts: &[String], tail: &str) -> String {
        let mut room = self.limit.saturating_sub(self.cost(&out) + self.cost(tail));
        for part in parts {
            let Some(left) = room.checked_sub(self.cost(part)) else { continue };
            room = left;
            out.push_str(part);
        }
        out.push_str(tail);
        out
    }

    /// What a text takes of the limit.
    pub(crate) fn cost(&self, text: &str) -> usize {
        text.chars().map(self.unit).sum()
    }

    /// Parts that end in a new line each, the most important first.
    fn body(&self, message: &Message) -> Vec<String> {
        let units = BLOCK_UNITS.min(self.limit / 2);
        let block = |text: &str| self.coded(text, units, self.block) + "\n";
        let mut parts = Vec::new();
        if !message.detail.is_empty() {
            parts.push(block(&message.detail));
        }
        for field in &message.fields {
            // A backtick would end what backticks mark.
            let value = match field.code && !(self.span.0 == "`" && field.value.contains('`')) {
                true => self.coded(&field.value, VALUE_UNITS, self.span),
                false => self.prose(&field.value, VALUE_UNITS),
            };
            parts.push(format!("{}{}{}: {value}\n", self.bold.0, field.label, self.bold.1));
        }
        if !message.frames.is_empty() {
            parts.push(block(&message.frames.join("\n")));
        }
        parts
    }
}

/// What calls people, in a line of its own.
pub(crate) fn mention_line(message: &Message) -> String {
    message.mention.as_ref().map_or_else(String::new, |mention| format!("{mention}\n"))
}
