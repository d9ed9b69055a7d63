//! Cuts an event to the configured limits.
//!
//! Promises: afterwards every text has at most `text_chars` characters, its beginning and its end kept, and no control
//! characters; frames, exceptions and tags are within their numbers, the innermost and the first kept; `notes` says
//! what was cut. An event that is within its limits is only looked at, never copied. Deliberately not here: the ceilings
//! while reading (`lenient`), and the fingerprint and notes lists, which their readers bound.

use std::borrow::Cow;
use std::time::Duration;

use crate::config::Limits;
use crate::event::{Event, Text};
use crate::time::Time;

/// What the texts that an event borrows from its body may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Whether a control character may stand in them. JSON lets none stand in a string but those above ASCII's letters,
    /// and they share their bytes with little else, so one look at the body spares one at each of a hundred texts.
    odd: bool,
}

impl Origin {
    /// Of texts that are borrowed from JSON strings of this body.
    pub(crate) fn of(body: &[u8]) -> Origin {
        Origin { odd: memchr::memchr2(0x7F, 0xC2, body).is_some() }
    }
}

/// Cuts whatever is over its limit.
pub(crate) fn bound(event: &mut Event<'_>, origin: Origin, limits: &Limits) {
    let exceptions = event.exceptions.len();
    if exceptions > limits.exceptions {
        event.exceptions.drain(..exceptions - limits.exceptions);
        event.notes.push(format!("{exceptions} exceptions: the innermost {} are kept", limits.exceptions).into());
    }
    let longest = event.exceptions.iter().map(|exception| exception.frames.len()).max().unwrap_or(0);
    if longest > limits.frames {
        event.exceptions.iter_mut().for_each(|exception| exception.frames.truncate(limits.frames));
        event.notes.push(format!("{longest} frames: the innermost {} are kept", limits.frames).into());
    }
    let tags = event.tags.len();
    if tags > limits.tags {
        event.tags.truncate(limits.tags);
        event.notes.push(format!("{tags} tags: the first {} are kept", limits.tags).into());
    }

    let mut cutter = Cutter { chars: limits.text_chars, origin, cut: 0, cleaned: 0 };
    each_text(event, |text| cutter.text(text));
    if cutter.cut > 0 {
        let chars = limits.text_chars;
        event.notes.push(format!("{} texts over {chars} characters are cut in the middle", cutter.cut).into());
    }
    if cutter.cleaned > 0 {
        event.notes.push(format!("control characters in {} texts are replaced", cutter.cleaned).into());
    }
}

/// How far a client's clock may be ahead.
const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);
/// How old an event may be: SDKs send what they kept while they were offline.
const AGE_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Leaves out a time that cannot be true: it is only shown, and a wrong one would mislead.
pub(crate) fn plausible(event: &mut Event<'_>, now: Time) {
    let Some(time) = event.occurred_at else { return };
    if time > now.plus(AHEAD_MAX) || time < now.minus(AGE_MAX) {
        event.occurred_at = None;
        event.notes.push(format!("timestamp: {time} is in the future or too long ago; left out").into());
    }
}

fn each_text<'a>(event: &mut Event<'a>, mut cut: impl FnMut(&mut Text<'a>)) {
    let attributes = &mut event.attributes;
    cut(&mut attributes.category);
    cut(&mut attributes.module);
    cut(&mut attributes.environment);
    cut(&mut attributes.url);
    cut(&mut attributes.method);
    cut(&mut attributes.location);
    cut(&mut attributes.detail);
    for exception in &mut event.exceptions {
        cut(&mut exception.kind);
        cut(&mut exception.value);
        for frame in &mut exception.frames {
            cut(&mut frame.module);
            cut(&mut frame.function);
            cut(&mut frame.file);
        }
    }
    let singles = [
        &mut event.template,
        &mut event.stacktrace,
        &mut event.trace_id,
        &mut event.release,
        &mut event.server,
        &mut event.user,
    ];
    singles.into_iter().flatten().for_each(&mut cut);
    for (name, value) in &mut event.tags {
        cut(name);
        cut(value);
    }
    event.fingerprint.iter_mut().for_each(cut);
}

struct Cutter {
    chars: usize,
    origin: Origin,
    cut: usize,
    cleaned: usize,
}

impl Cutter {
    #[inline]
    fn text(&mut self, text: &mut Text<'_>) {
        // A text never has more characters than bytes, so nearly all are done with one comparison.
        if text.len() > self.chars || self.origin.odd || matches!(text, Cow::Owned(_)) {
            self.look(text);
        }
    }

    #[inline(never)]
    fn look(&mut self, text: &mut Text<'_>) {
        if text.len() > self.chars
            && let Some(shorter) = shortened(text, self.chars)
        {
            *text = Cow::Owned(shorter);
            self.cut += 1;
        }
        if may_need_cleaning(text)
            && let Some(clean) = cleaned(text)
        {
            *text = Cow::Owned(clean);
            self.cleaned += 1;
        }
    }
}

/// The beginning and the end of a text, with what is missing said in between. Two thirds for the beginning: it says what
/// happened, the end why.
fn shortened(text: &str, chars_max: usize) -> Option<String> {
    let chars = text.chars().count();
    if chars <= chars_max {
        return None;
    }
    // The mark must fit too; where a limit is too small for it, the beginning alone is kept.
    let mark_chars = format!("…[{chars} characters cut]…").chars().count();
    let Some(room) = chars_max.checked_sub(mark_chars).filter(|room| *room > 0) else {
        return Some(text.chars().take(chars_max).collect());
    };
    let (tail, head) = (room / 3, room - room / 3);
    let head_end = text.char_indices().nth(head).map_or(text.len(), |(at, _)| at);
    let tail_start = match tail {
        0 => text.len(),
        _ => text.char_indices().rev().nth(tail - 1).map_or(0, |(at, _)| at),
    };
    Some(format!("{}…[{} characters cut]…{}", &text[..head_end], chars - room, &text[tail_start..]))
}

/// Whether a byte of the text could begin a control character. No early return, so that it becomes vector code.
fn may_need_cleaning(text: &str) -> bool {
    // 0xC2 begins U+0080 to U+009F, and also harmless signs that `cleaned` sorts out.
    let suspect = |b: u8| (b < 0x20 && b != b'\n' && b != b'\t') | (b == 0x7F) | (b == 0xC2);
    text.as_bytes().chunks(64).any(|chunk| chunk.iter().fold(false, |found, b| found | suspect(*b)))
}

/// The text with its control characters made visible: stores refuse NUL, and terminals obey the others.
fn cleaned(text: &str) -> Option<String> {
    let is_bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_bad) {
        return None;
    }
    let unix = text.replace("\r\n", "\n");
    let picture = |c: char| match c {
        '\0'..='\u{1F}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7F}' => '␡',
        _ => char::REPLACEMENT_CHARACTER,
    };
    Some(unix.chars().map(|c| if is_bad(c) { picture(c) } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Exception, Frame};

    const ODD: Origin = Origin { odd: true };

    fn limits() -> Limits {
        Limits { text_chars: 60, frames: 2, exceptions: 2, tags: 1, ..Limits::default() }
    }

    #[test]
    fn long_texts_keep_their_beginning_and_their_end() {
        let mut event = Event::default();
        event.attributes.detail = "봉".repeat(50).into();
        event.template = Some(format!("start{}end", "불".repeat(1000)).into());
        bound(&mut event, ODD, &limits());
        assert_eq!(event.attributes.detail.chars().count(), 50);
        let template = event.template.unwrap();
        assert_eq!(template.chars().count(), 59);
        assert!(template.starts_with("start불") && template.ends_with("불end"), "{template}");
        assert!(template.contains("…[971 characters cut]…"), "{template}");
        assert_eq!(event.notes, ["1 texts over 60 characters are cut in the middle"]);
    }

    #[test]
    fn a_limit_too_small_for_the_mark_holds_all_the_same() {
        for chars in 1..40 {
            let cut = shortened(&"é".repeat(100), chars).unwrap();
            assert!(cut.chars().count() <= chars, "{chars}: {cut}");
        }
        assert_eq!(shortened("short", 5), None);
    }

    #[test]
    fn the_innermost_exceptions_and_frames_and_the_first_tags_stay() {
        let frame = |n: usize| Frame { function: n.to_string().into(), ..Frame::default() };
        let exception = |n: usize| Exception {
            kind: n.to_string().into(),
            frames: (0..4).map(frame).collect(),
            ..Exception::default()
        };
        let tags = (0..3).map(|n| (n.to_string().into(), "".into())).collect();
        let mut event = Event { exceptions: (0..3).map(exception).collect(), tags, ..Event::default() };
        bound(&mut event, ODD, &limits());
        let kinds: Vec<_> = event.exceptions.iter().map(|e| &*e.kind).collect();
        let functions: Vec<_> = event.exceptions[0].frames.iter().map(|f| &*f.function).collect();
        assert_eq!((kinds, functions, event.tags.len()), (vec!["1", "2"], vec!["0", "1"], 1));
        let said =
            "3 exceptions: the innermost 2 are kept; 4 frames: the innermost 2 are kept; 3 tags: the first 1 are kept";
        assert_eq!(event.notes.join("; "), said);
    }

    #[test]
    fn control_characters_become_visible() {
        let cases = [
            ("a\0b", "a␀b"),
            ("\u{1b}[31mred\u{7f}", "␛[31mred␡"),
            ("one\r\ntwo\rthree", "one\ntwo␍three"),
            ("c1 \u{9b} nbsp \u{a0}", "c1 \u{fffd} nbsp \u{a0}"),
        ];
        for (sent, wanted) in cases {
            let mut event = Event::default();
            event.attributes.detail = sent.into();
            bound(&mut event, ODD, &limits());
            assert_eq!(event.attributes.detail, wanted);
            assert_eq!(event.notes.len(), 1);
        }
    }

    #[test]
    fn a_body_tells_whether_its_strings_may_hold_control_characters() {
        for control in (0x7F..=0x9F).filter_map(char::from_u32) {
            assert!(Origin::of(format!("봉수 {control} a").as_bytes()).odd, "{control:?}");
        }
        assert!(!Origin::of("{\"detail\": \"한글 é ü ー 中\"}\n".as_bytes()).odd);
        let mut event = Event::default();
        event.attributes.detail = "made\0anew".to_owned().into();
        bound(&mut event, Origin { odd: false }, &limits());
        assert_eq!(event.attributes.detail, "made␀anew");
    }

    #[test]
    fn an_event_within_its_limits_is_not_copied() {
        let mut event = Event::default();
        event.attributes.detail = "한글\tand ©\n".into();
        bound(&mut event, ODD, &limits());
        assert!(matches!(event.attributes.detail, Cow::Borrowed(_)));
        assert!(event.notes.is_empty());
    }
}
