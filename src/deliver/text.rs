//! Text from outside, made fit to be shown: cleaned of control characters and cut to a length.
//!
//! Promises: one linear pass; what comes out is never longer than the limit, and never cut inside of what a reader sees
//! as one character (a Hangul syllable of jamo, a family emoji, a flag, a letter with its accents). Deliberately not
//! here: full grapheme segmentation: its tables buy nothing that a cut needs beyond the joiners below.

use std::borrow::Cow;

/// The mark of a cut.
const ELLIPSIS: char = '…';

/// So many joined characters in a row are no writing but mischief; a cut may then fall between them.
const LONGEST_CLUSTER: usize = 32;

/// The text, cut to at most `limit` characters, the mark of the cut included.
pub(crate) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    cut_by(text, limit, |_| 1)
}

/// The text, cut so that the costs of its characters add up to at most `limit`, the mark of the cut included.
pub(crate) fn cut_by(text: &str, limit: usize, cost: impl Fn(char) -> usize) -> Cow<'_, str> {
    let room = limit.saturating_sub(cost(ELLIPSIS));
    let (mut spent, mut kept) = (0usize, 0);
    for (at, c) in text.char_indices() {
        if spent <= room {
            kept = at;
        }
        spent += cost(c);
        if spent > limit {
            return Cow::Owned(format!("{}{ELLIPSIS}", text[..boundary(text, kept)].trim_end()));
        }
    }
    Cow::Borrowed(text)
}

/// The nearest place at or before `at` where a reader sees a character end.
fn boundary(text: &str, at: usize) -> usize {
    let mut end = at;
    for _ in 0..LONGEST_CLUSTER {
        let (Some(before), Some(after)) = (text[..end].chars().next_back(), text[end..].chars().next()) else {
            return end;
        };
        if !joined(&text[..end], before, after) {
            return end;
        }
        end -= before.len_utf8();
    }
    at
}

fn joined(text_before: &str, before: char, after: char) -> bool {
    const JOINER: char = '\u{200d}';
    let flag = |c: char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    let pairs_flags = || {
        let run = text_before.chars().rev().take(LONGEST_CLUSTER).take_while(|c| flag(*c)).count();
        flag(before) && flag(after) && run % 2 == 1
    };
    before == JOINER || after == JOINER || extends(after) || (before == '\r' && after == '\n') || pairs_flags()
}

/// Whether the character changes the one before it rather than standing alone.
fn extends(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'       // accents
        | '\u{1160}'..='\u{11ff}'   // Hangul vowels and finals after an initial
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{d7b0}'..='\u{d7ff}'   // further Hangul vowels and finals
        | '\u{fe00}'..='\u{fe0f}'   // variation selectors
        | '\u{1f3fb}'..='\u{1f3ff}' // skin tones
        | '\u{e0020}'..='\u{e007f}' // the tags of regional flags
    )
}

/// Characters that a terminal or a messenger would obey instead of showing: controls, and those that turn the direction
/// of the text around them.
fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text as one line of at most `limit` characters: runs of white space become one space, what would be obeyed is
/// dropped.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let (mut out, mut length, mut gap) = (String::new(), 0, false);
    for c in text.chars().filter(|c| c.is_whitespace() || !obeyed(*c)) {
        if c.is_whitespace() {
            gap = length > 0;
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
            length += 1;
        }
        out.push(c);
        length += 1;
        // One character too many is enough for the cut to notice.
        if length > limit {
            break;
        }
    }
    cut(&out, limit).into_owned()
}

/// The text as a block of lines of at most `limit` characters; tabs and line ends stay, what would be obeyed is dropped.
pub(crate) fn block(text: &str, limit: usize) -> String {
    let kept: String =
        text.trim().chars().filter(|c| matches!(c, '\n' | '\t') || !obeyed(*c)).take(limit + 1).collect();
    cut(&kept, limit).into_owned()
}

/// Removes every hidden text: answers of a far side may quote the secret URL they were called by.
pub(crate) fn hide<'t>(text: &'t str, hidden: &[String]) -> Cow<'t, str> {
    hidden.iter().fold(Cow::Borrowed(text), |text, secret| match text.contains(secret.as_str()) {
        true => Cow::Owned(text.replace(secret.as_str(), "(hidden)")),
        false => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_falls_inside_of_a_character() {
        let cases = [
            ("주문 결제 실패", 5, "주문 결…"),
            ("주문", 2, "주문"),
            ("a👨‍👩‍👧‍👦b", 5, "a…"),
            ("ab👍🏽c", 4, "ab…"),
            ("🇰🇷🇰🇷", 4, "🇰🇷🇰🇷"),
            ("🇰🇷🇰🇷x", 4, "🇰🇷…"),
            ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}…"),
            ("\u{1112}\u{1161}\u{11ab}\u{1100}", 3, "…"),
            ("", 3, ""),
        ];
        for (text, limit, expected) in cases {
            assert_eq!(cut(text, limit), expected, "{text:?} to {limit}");
        }
    }

    #[test]
    fn a_limit_holds_whatever_is_piled_up() {
        let piled = "a".to_owned() + &"\u{301}".repeat(10_000);
        assert!(cut(&piled, 100).chars().count() <= 100);
        assert_eq!(cut("abc", 0).chars().count(), 1, "a cut of nothing is its mark");
    }

    #[test]
    fn what_would_be_obeyed_is_dropped() {
        assert_eq!(line("  a\u{1b}[31m\n\n b\u{202e}c\0 ", 50), "a[31m bc");
        assert_eq!(block("a\r\n\tb\u{7}", 50), "a\n\tb");
        assert_eq!(block("가나다라", 3), "가나…");
    }

    #[test]
    fn a_long_line_of_blanks_stays_linear_and_short() {
        assert_eq!(line(&format!("a{}b", " ".repeat(100_000)), 10), "a b");
        assert_eq!(line(&"가".repeat(100_000), 10).chars().count(), 10);
    }

    #[test]
    fn secrets_are_hidden() {
        assert_eq!(hide("no /T0/B0/xyz here", &["/T0/B0/xyz".to_owned()]), "no (hidden) here");
    }
}
