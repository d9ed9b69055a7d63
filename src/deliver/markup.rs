//! Markup: text from outside, written so that a channel shows it as it is, and cut to what the channel takes.
//!
//! Promises: a text costs what its escaped form costs, in the units that the channel counts, so a cut never falls inside
//! of an escape and a limit holds after escaping. Deliberately not here: what goes where; a channel lays itself out, or
//! is a `Dialect`.

use std::borrow::Cow;

use super::text;

/// Breaks what a messenger would obey, and is not seen.
const ZERO_WIDTH_SPACE: &str = "\u{200b}";

/// How a character from outside is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// As it is.
    Same,
    /// As something else.
    Instead(&'static str),
    /// With something before it.
    Before(&'static str),
    /// With something after it.
    After(&'static str),
}

/// How a channel counts a character.
pub(crate) type Unit = fn(char) -> usize;

/// UTF-16 units, as Discord and Telegram count.
pub(crate) fn utf16(c: char) -> usize {
    c.len_utf16()
}

/// Bytes in a JSON text.
pub(crate) fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\t' => 2,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    }
}

/// Characters.
pub(crate) fn chars(_: char) -> usize {
    1
}

/// Escaped and cut to so many units, the mark of the cut included.
pub(crate) fn written(text: &str, limit: usize, unit: Unit, escape: fn(char) -> Form) -> String {
    let of = |text: &str| text.chars().map(unit).sum::<usize>();
    let cut = text::cut_by(text, limit, |c| match escape(c) {
        Form::Same => unit(c),
        Form::Instead(other) => of(other),
        Form::Before(mark) | Form::After(mark) => unit(c) + of(mark),
    });
    let mut out = String::with_capacity(cut.len() + cut.len() / 8);
    for c in cut.chars() {
        match escape(c) {
            Form::Same => out.push(c),
            Form::Instead(other) => out.push_str(other),
            Form::Before(mark) => out.extend([mark, c.encode_utf8(&mut [0; 4])]),
            Form::After(mark) => out.extend([c.encode_utf8(&mut [0; 4]), mark]),
        }
    }
    out
}

/// Prose from outside, escaped and cut: messengers make a link of every bare address, and an error has none of its own.
pub(crate) fn prose(text: &str, limit: usize, unit: Unit, escape: fn(char) -> Form) -> String {
    let text = match text.contains("://") {
        true => Cow::Owned(text.replace("://", &format!(":{ZERO_WIDTH_SPACE}//"))),
        false => Cow::Borrowed(text),
    };
    written(&text, limit, unit, escape)
}

/// Text of a channel without markup, where only a mention rings.
pub(crate) fn plain(c: char) -> Form {
    if c == '@' { Form::After(ZERO_WIDTH_SPACE) } else { Form::Same }
}

/// HTML, as Telegram and Google's cards read it; a mention does not ring.
pub(crate) fn html(c: char) -> Form {
    match c {
        '&' => Form::Instead("&amp;"),
        '<' => Form::Instead("&lt;"),
        '>' => Form::Instead("&gt;"),
        '"' => Form::Instead("&quot;"),
        c => plain(c),
    }
}

/// Markdown that a backslash takes the meaning from, as Discord and Mattermost read it.
pub(crate) fn markdown(c: char) -> Form {
    match c {
        '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '#' | '[' | ']' | '(' | ')' | '!' => Form::Before("\\"),
        // `<@123>`, `<#123>`, and a link in angle brackets.
        '<' => Form::After(ZERO_WIDTH_SPACE),
        c => plain(c),
    }
}

/// Markdown of a channel that documents no escape: what would begin something is kept from what follows.
pub(crate) fn loose_markdown(c: char) -> Form {
    match c {
        '*' | '_' | '~' | '`' | '[' | ']' | '<' => Form::After(ZERO_WIDTH_SPACE),
        c => plain(c),
    }
}

/// Inside of code marked by backticks: each is kept from the next one, and from the closing fence.
pub(crate) fn code(c: char) -> Form {
    if c == '`' { Form::After(ZERO_WIDTH_SPACE) } else { plain(c) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_counts_what_is_written() {
        assert_eq!(written("a<b", 3, utf16, html), "a…");
        assert_eq!(written("a<b", 6, utf16, html), "a&lt;b");
        assert_eq!(written("가나다", 7, json_bytes, plain), "가…");
        assert_eq!(written("🔥🔥", 3, utf16, plain), "🔥…");
        assert_eq!(written("a*b", 3, chars, markdown), "a…");
        assert_eq!(written("a\"b", 4, json_bytes, plain), "a\"b");
    }

    #[test]
    fn a_bare_address_in_prose_is_no_link() {
        assert_eq!(prose("at https://evil.example/x", 99, chars, plain), "at https:\u{200b}//evil.example/x");
        assert_eq!(prose("a://b://c", 8, chars, plain), "a:\u{200b}//b:…", "the break is counted");
    }

    #[test]
    fn what_would_be_obeyed_is_broken() {
        let shown = |escape| written("@all <@1> **b** [x](y) ```", 99, chars, escape);
        assert_eq!(shown(markdown), "@\u{200b}all <\u{200b}@\u{200b}1\\> \\*\\*b\\*\\* \\[x\\]\\(y\\) \\`\\`\\`");
        assert_eq!(shown(html), "@\u{200b}all &lt;@\u{200b}1&gt; **b** [x](y) ```");
        assert!(!shown(code).contains("``") && !shown(loose_markdown).contains("]("));
    }
}
