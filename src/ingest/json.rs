//! JSON, pulled token by token from a text: what is wanted is borrowed, what is not is read past.
//!
//! Promises: takes and refuses what `serde_json` takes and refuses, with its words and its places (a test holds the two
//! together); a text without escapes is borrowed; a value that is skipped is checked, but nothing of it is made, and no
//! depth of nesting is too deep. Linear time. Deliberately not here: what fields mean (`lenient`), JSON that is none
//! (`mend`).

mod past;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::event::Text;
use past::{past_blanks, past_number, past_string, past_value, plain_end};

/// The text could not be read on; its reader knows where, and [`Reader::told`] tells. Empty, as it is part of every
/// result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(());

/// What is wrong where a reader stopped.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// Something else belongs between the values here.
    Between(&'static str),
    /// The scalar that begins here.
    Scalar,
    /// Something in the value that begins here, which was to be skipped.
    Skipped,
}

/// Why a text could not be read, with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(String);

impl Unreadable {
    /// For what is wrong with the text beyond its being JSON.
    pub(crate) fn new(why: impl fmt::Display) -> Unreadable {
        Unreadable(why.to_string())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn placed(what: &str, text: &str, at: usize) -> String {
    let (line, column) = position(text, at);
    format!("{what} at line {line} column {column}")
}

/// The line, from one, and the bytes in it before a place.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at];
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    (1 + memchr::memchr_iter(b'\n', before).count(), at - start)
}

/// What stands where one value is wanted.
#[derive(Debug, PartialEq)]
pub(crate) enum Scalar<'de> {
    Null,
    Flag(bool),
    Whole(i64),
    Real(f64),
    Text(Text<'de>),
    /// No scalar, and read past.
    List,
    /// No scalar, and read past.
    Object,
}

/// A place in a text.
pub(crate) struct Reader<'de> {
    text: &'de str,
    at: usize,
    wrong: Wrong,
}

impl<'de> Reader<'de> {
    /// At the beginning of the text.
    pub(crate) fn new(text: &'de str) -> Reader<'de> {
        Reader { text, at: 0, wrong: Wrong::Scalar }
    }

    #[cold]
    fn fail(&mut self, wrong: Wrong) -> Fault {
        self.wrong = wrong;
        Fault(())
    }

    fn between(&mut self, wanted: &'static str) -> Fault {
        self.fail(Wrong::Between(wanted))
    }

    /// What is wrong with the text. What a value may be wrong in is told by `serde_json`, which reads the one value
    /// again: it happens once for a body that is refused.
    #[cold]
    pub(crate) fn told(&self, _: Fault) -> Unreadable {
        let Reader { text, at, wrong } = *self;
        let rest = &text[at..];
        let again = &mut serde_json::Deserializer::from_str(rest);
        let error = match wrong {
            // Counted from one, so the place is behind the byte that is wrong; at the end there is none.
            Wrong::Between(wanted) => return Unreadable(placed(wanted, text, at + usize::from(!rest.is_empty()))),
            Wrong::Scalar => serde_json::Value::deserialize(again).err(),
            Wrong::Skipped => IgnoredAny::deserialize(again).err(),
        };
        let Some(error) = error else { return Unreadable(placed("it cannot be read", text, at)) };
        let (line, column) = position(text, at);
        let (lines, columns) = (error.line().saturating_sub(1), error.column());
        let column = if lines == 0 { column + columns } else { columns };
        let told = error.to_string();
        let what = told.rsplit_once(" at line ").map_or(&*told, |(what, _)| what);
        Unreadable(format!("{what} at line {} column {column}", line + lines))
    }

    /// The next byte that is not white space, unread.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match self.text.as_bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => {
                self.at = past_blanks(self.text.as_bytes(), self.at);
                self.text.as_bytes().get(self.at).copied()
            }
        }
    }

    /// Reads the byte that was peeked at.
    #[inline]
    pub(crate) fn open(&mut self) {
        self.at += 1;
    }

    /// Nothing may follow.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.between("trailing characters")),
        }
    }

    /// The next name of an opened object, with the colon behind it; none at the closing brace.
    #[inline]
    pub(crate) fn name(&mut self, first: bool) -> Result<Option<Text<'de>>, Fault> {
        // As clients write it: no blanks, no escapes.
        let bytes = self.text.as_bytes();
        let quote = self.at + usize::from(!first);
        if (first || bytes.get(self.at) == Some(&b',')) && bytes.get(quote) == Some(&b'"') {
            let end = plain_end(bytes, quote + 1);
            if let Some([b'"', b':', ..]) = bytes.get(end..) {
                self.at = end + 2;
                return Ok(Some(Cow::Borrowed(&self.text[quote + 1..end])));
            }
        }
        self.any_name(first)
    }

    #[inline(never)]
    fn any_name(&mut self, first: bool) -> Result<Option<Text<'de>>, Fault> {
        match self.peek() {
            Some(b'"') if first => {}
            Some(b',') if !first => {
                self.at += 1;
                if self.peek() != Some(b'"') {
                    return Err(self.no_name());
                }
            }
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(_) if first => return Err(self.between("key must be a string")),
            Some(_) => return Err(self.between("expected `,` or `}`")),
            None => return Err(self.between("EOF while parsing an object")),
        }
        let name = self.string()?;
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.between("expected `:`")),
            None => return Err(self.between("EOF while parsing an object")),
        }
        Ok(Some(name))
    }

    /// What stands behind a comma in the place of a name.
    #[cold]
    fn no_name(&mut self) -> Fault {
        let wanted = match self.peek() {
            Some(b'}') => "trailing comma",
            Some(_) => "key must be a string",
            None => "EOF while parsing a value",
        };
        self.between(wanted)
    }

    /// Whether an opened list has a next element; the closing bracket is read.
    #[inline]
    pub(crate) fn element(&mut self, first: bool) -> Result<bool, Fault> {
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                match self.peek() {
                    Some(b']') => Err(self.between("trailing comma")),
                    Some(_) => Ok(true),
                    None => Err(self.between("EOF while parsing a value")),
                }
            }
            Some(_) => Err(self.between("expected `,` or `]`")),
            None => Err(self.between("EOF while parsing a list")),
        }
    }

    /// The string whose opening quote was peeked at.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'de>, Fault> {
        let start = self.at + 1;
        let end = plain_end(self.text.as_bytes(), start);
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        self.escaped().map(Cow::Owned)
    }

    #[inline(never)]
    fn escaped(&mut self) -> Result<String, Fault> {
        let end = past_string(self.text.as_bytes(), self.at);
        let made = end.and_then(|end| Some((unescaped(&self.text[self.at + 1..end - 1])?, end)));
        let (text, end) = made.ok_or_else(|| self.fail(Wrong::Scalar))?;
        self.at = end;
        Ok(text)
    }

    /// Whatever is there, as one value.
    pub(crate) fn scalar(&mut self) -> Result<Scalar<'de>, Fault> {
        let found = self.peek();
        let start = self.at;
        let bytes = self.text.as_bytes();
        let literal = |word: &[u8]| bytes[start..].starts_with(word).then_some(start + word.len());
        let (scalar, end) = match found {
            Some(b'"') => return self.string().map(Scalar::Text),
            Some(b'{') => return self.drain_object().map(|_| Scalar::Object),
            Some(b'[') => return self.drain_list().map(|_| Scalar::List),
            Some(b'n') => (Some(Scalar::Null), literal(b"null")),
            Some(b't') => (Some(Scalar::Flag(true)), literal(b"true")),
            Some(b'f') => (Some(Scalar::Flag(false)), literal(b"false")),
            Some(b'-' | b'0'..=b'9') => match short_whole(bytes, start) {
                Some((whole, end)) => (Some(Scalar::Whole(whole)), Some(end)),
                None => {
                    let end = past_number(bytes, start);
                    (end.and_then(|end| number(&self.text[start..end])), end)
                }
            },
            _ => (None, None),
        };
        let (Some(scalar), Some(end)) = (scalar, end) else {
            return Err(self.fail(Wrong::Scalar));
        };
        self.at = end;
        Ok(scalar)
    }

    /// Reads past the value that comes next.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.peek();
        match past_value(self.text.as_bytes(), self.at) {
            Some(end) => self.at = end,
            None => return Err(self.fail(Wrong::Skipped)),
        }
        Ok(())
    }

    /// Reads past the list whose opening bracket was peeked at. Whether there was anything in it.
    pub(crate) fn drain_list(&mut self) -> Result<bool, Fault> {
        self.open();
        let mut filled = false;
        while self.element(!filled)? {
            filled = true;
            self.skip()?;
        }
        Ok(filled)
    }

    /// Reads past the object whose opening brace was peeked at. Whether there was anything in it.
    pub(crate) fn drain_object(&mut self) -> Result<bool, Fault> {
        self.open();
        let mut filled = false;
        while self.name(!filled)?.is_some() {
            filled = true;
            self.skip()?;
        }
        Ok(filled)
    }
}

/// A whole number that surely fits, and where it ends. None for all others, which may be numbers too.
fn short_whole(bytes: &[u8], start: usize) -> Option<(i64, usize)> {
    const DIGITS_MAX: usize = 18;
    let mut whole = 0;
    let mut at = start;
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        if at - start == DIGITS_MAX {
            return None;
        }
        whole = whole * 10 + i64::from(digit - b'0');
        at += 1;
    }
    let is_whole = at > start && (bytes[start] != b'0' || at == start + 1);
    (is_whole && !matches!(bytes.get(at), Some(b'.' | b'e' | b'E'))).then_some((whole, at))
}

/// A number by its text, made by `serde_json`, which rounds in a way of its own.
fn number(text: &str) -> Option<Scalar<'static>> {
    let number: serde_json::Number = serde_json::from_str(text).ok()?;
    if let Some(whole) = number.as_i64() {
        return Some(Scalar::Whole(whole));
    }
    // Ids above `i64` keep their digits, as text.
    let large = number.as_u64().map(|whole| Scalar::Text(Cow::Owned(whole.to_string())));
    large.or_else(|| number.as_f64().map(Scalar::Real))
}

/// A string's text, whose escapes are well formed. None when one of them stands for no character.
fn unescaped(mut rest: &str) -> Option<String> {
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (character, len) = match rest.as_bytes().get(at + 1)? {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode(&rest[at..])?,
            other => (char::from(*other), 2),
        };
        out.push(character);
        rest = &rest[at + len..];
    }
    out.push_str(rest);
    Some(out)
}

/// The character of the escape at the beginning, or of two that make one, and how many bytes they are.
fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let first = unit(text)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first)?, 6));
    }
    let second = unit(text.get(6..)?).filter(|second| (0xDC00..0xE000).contains(second))?;
    Some((char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))?, 12))
}

#[cfg(test)]
mod tests;
