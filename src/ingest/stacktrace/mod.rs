//! A stack as text, read into exceptions and frames: what many applications have, since their logger has it.
//!
//! Promises: a table of formats, the first that knows a line of the text reads the whole of it; a text that none knows
//! stays text. Linear, bounded (`FRAMES_MAX`, `EXCEPTIONS_MAX`), and borrowed from the text. A frame says that it is not
//! the application's own where its path does so, as the runtime's error tracking clients would. Costs nothing for events
//! that carry frames. Deliberately not here: which frame is the throw location, and what varies in its name; those are
//! versioned rules (`normalize`).

mod dotnet;
mod go;
mod java;
mod node;
mod php;
mod python;
mod ruby;
mod rust;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::event::{Exception, Frame, Text};

/// Frames of one exception; the innermost are kept.
const FRAMES_MAX: usize = 256;
/// Exceptions of one text.
const EXCEPTIONS_MAX: usize = 64;

/// How a runtime prints a stack.
struct Format {
    /// Whether a line, with the line behind it, is of this format's and of no other's.
    knows: fn(line: &str, next: &str) -> bool,
    /// The chain that a text tells, the outermost exception first; of each the innermost frame first.
    read: fn(text: &str) -> Vec<Exception<'_>>,
}

/// In the order in which a line is shown to them.
const FORMATS: [Format; 8] = [
    Format { knows: python::knows, read: python::read },
    Format { knows: go::knows, read: go::read },
    Format { knows: rust::knows, read: rust::read },
    Format { knows: php::knows, read: php::read },
    Format { knows: ruby::knows, read: ruby::read },
    Format { knows: java::knows, read: java::read },
    Format { knows: dotnet::knows, read: dotnet::read },
    Format { knows: node::knows, read: node::read },
];

/// Gives a chain without frames those of a stack text. What the client itself said of its exceptions stays. Some
/// clients send the whole text in the place of an exception's class.
pub(super) fn fill<'a>(exceptions: &mut Vec<Exception<'a>>, stack: Option<&Text<'a>>) {
    if exceptions.iter().any(|exception| !exception.frames.is_empty()) {
        return;
    }
    if let [only] = &exceptions[..]
        && only.kind.contains('\n')
    {
        let told = told_by(&only.kind);
        if !told.is_empty() {
            *exceptions = told;
            return;
        }
    }
    if let Some(stack) = stack {
        merge(exceptions, told_by(stack));
    }
}

/// What a text tells, borrowed where the text is.
fn told_by<'a>(text: &Text<'a>) -> Vec<Exception<'a>> {
    match text {
        Cow::Borrowed(text) => read(text),
        Cow::Owned(text) => read(text).into_iter().map(Exception::into_owned).collect(),
    }
}

/// The chain that a stack text tells, the outermost exception first. Empty when its format is not known.
fn read(text: &str) -> Vec<Exception<'_>> {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or("");
        if let Some(format) = FORMATS.iter().find(|format| (format.knows)(line, next)) {
            return (format.read)(text);
        }
    }
    Vec::new()
}

/// A text without a chain of its own (Go, Rust) tells where the root was made, so both are laid side by side from the
/// root; a text with a longer chain than the client sent knows better, but for what the client calls the outermost.
fn merge<'a>(exceptions: &mut Vec<Exception<'a>>, mut told: Vec<Exception<'a>>) {
    if told.len() > exceptions.len() {
        if let (Some(told), Some(sent)) = (told.first_mut(), exceptions.first_mut()) {
            keep_words(told, sent);
        }
        *exceptions = told;
        return;
    }
    for (sent, mut told) in exceptions.iter_mut().rev().zip(told.into_iter().rev()) {
        keep_words(&mut told, sent);
        *sent = told;
    }
}

/// The client's own words for an exception go before those of the text.
fn keep_words<'a>(told: &mut Exception<'a>, sent: &mut Exception<'a>) {
    if !sent.kind.is_empty() {
        told.kind = std::mem::take(&mut sent.kind);
    }
    if !sent.value.is_empty() {
        told.value = std::mem::take(&mut sent.value);
    }
}

/// The lines of a text, with where each begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut begin = 0;
    text.split_inclusive('\n').map(move |line| {
        let at = begin;
        begin += line.len();
        (at, line.trim_end_matches(['\n', '\r']))
    })
}

/// How far a line is indented.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Adds a frame while there is room.
fn push<'t>(exception: &mut Exception<'t>, frame: Frame<'t>) {
    if exception.frames.len() < FRAMES_MAX {
        exception.frames.push(frame);
    }
}

fn frame<'t>(module: &'t str, function: &'t str, file: &'t str, line: Option<u32>) -> Frame<'t> {
    Frame { module: module.into(), function: function.into(), file: file.into(), line, in_app: None }
}

/// Says that a frame is not the application's own.
fn foreign(frame: Frame<'_>, is_foreign: bool) -> Frame<'_> {
    Frame { in_app: is_foreign.then_some(false), ..frame }
}

/// An exception by its title: `Kind: value`.
fn titled(title: &str) -> Exception<'_> {
    let (kind, value) = kind_and_value(title);
    Exception { kind: kind.into(), value: value.into(), ..Exception::default() }
}

/// `Kind: value` as two. Without a kind all of it is the value.
fn kind_and_value(title: &str) -> (&str, &str) {
    let title = title.trim();
    let (kind, value) = title.split_once(':').unwrap_or((title, ""));
    match is_kind(kind) && (value.is_empty() || value.starts_with([' ', '\n', '\r'])) {
        true => (kind, value.trim()),
        false => ("", title),
    }
}

/// Whether a text may be the name of an exception's class: one word, but for a code in brackets (`Error [ERR_X]`).
fn is_kind(text: &str) -> bool {
    let name = text.split_once(" [").map_or(text, |(name, code)| if code.ends_with(']') { name } else { text });
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '\\' | '/' | '+' | '`' | '@' | '-' | '*');
    (1..=256).contains(&name.len())
        && name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '*' | '\\'))
        && name.chars().all(word)
}

/// Where the title begins in what stands before the first frame. Loggers put lines of their own before it, and a title
/// may have several lines: the first line that begins with the name of a class that is an error's by its looks.
fn title_start(before: &str) -> usize {
    let is_title = |line: &str| {
        let name = line.split([':', ' ', ',']).next().unwrap_or("").trim_end_matches(['{', ']']);
        let ends = ["Error", "Exception", "Throwable", "Failure", "Fault"];
        is_kind(name)
            && (ends.iter().any(|end| name.ends_with(end)) || name.contains('.') && line[name.len()..].starts_with(':'))
    };
    let found = lines(before).find(|(_, line)| is_title(line.trim_start().trim_start_matches('[')));
    found.map_or(0, |(at, _)| at)
}

/// `path:12` or `path:12:5` as path and line.
fn with_line(place: &str) -> (&str, Option<u32>) {
    let Some((path, last)) = place.rsplit_once(':') else { return (place, None) };
    let Ok(last) = last.parse() else { return (place, None) };
    match path.rsplit_once(':').map(|(path, line)| (path, line.parse())) {
        Some((path, Ok(line))) => (path, Some(line)),
        _ => (path, Some(last)),
    }
}
