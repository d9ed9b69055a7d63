//! Python: `traceback`, with chains and exception groups.

use super::{EXCEPTIONS_MAX, Exception, FRAMES_MAX, Frame, foreign, indent, lines, titled};

pub(super) fn knows(line: &str, _: &str) -> bool {
    frame(unmargined(line)).is_some()
}

/// What stands between an exception and the one that it led to.
const LED_TO: [&str; 2] = [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

/// Of a text in which the root cause stands first. The members of a group stand behind it; the first of them, which is
/// one of several failures, is taken for its cause, with a chain of its own.
pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    // Chains of a group, its first member, that one's first member, …; the root of each first.
    let mut chains: Vec<Vec<Exception<'_>>> = vec![Vec::new()];
    let mut reading = Reading::default();
    let mut is_other_member = false;
    for (at, line) in lines(text) {
        let plain = unmargined(line);
        if let Some(number) = member(line) {
            is_other_member |= number != 1;
            if !is_other_member {
                close(&mut chains, &mut reading, &text[..at]);
                chains.push(Vec::new());
            }
            continue;
        }
        if is_other_member && plain.len() != line.len() {
            continue;
        }
        if plain.starts_with("Traceback (most recent call last)") || LED_TO.iter().any(|words| plain.starts_with(words))
        {
            close(&mut chains, &mut reading, &text[..at]);
        } else if let Some(frame) = frame(plain) {
            reading.frame(frame);
        } else if reading.title.is_none() && !reading.frames.is_empty() && indent(plain) == 0 && !plain.is_empty() {
            let begin = at + line.len() - plain.len();
            // In a group the margin stands before every line, so only the first is taken.
            let end = (plain.len() != line.len()).then_some(at + line.len());
            reading.title = Some((begin, end));
        }
    }
    close(&mut chains, &mut reading, text);
    chains.into_iter().flat_map(|chain| chain.into_iter().rev()).take(EXCEPTIONS_MAX).collect()
}

/// An exception being read.
#[derive(Default)]
struct Reading<'t> {
    /// The outermost first.
    frames: Vec<Frame<'t>>,
    /// Where the title begins, and where it ends when that is known.
    title: Option<(usize, Option<usize>)>,
}

impl<'t> Reading<'t> {
    /// The innermost come last, so the first are forgotten, many at once.
    fn frame(&mut self, frame: Frame<'t>) {
        if self.frames.len() == 2 * FRAMES_MAX {
            self.frames.drain(..FRAMES_MAX);
        }
        self.frames.push(frame);
    }
}

/// Ends the exception being read, whose title reaches to the end of the text so far.
fn close<'t>(chains: &mut [Vec<Exception<'t>>], reading: &mut Reading<'t>, text: &'t str) {
    let Reading { mut frames, title } = std::mem::take(reading);
    let Some(chain) = chains.last_mut().filter(|_| !frames.is_empty()) else { return };
    let title = title.map_or("", |(begin, end)| &text[begin..end.unwrap_or(text.len())]);
    frames.reverse();
    frames.truncate(FRAMES_MAX);
    chain.push(Exception { frames, ..titled(title) });
}

/// A line without the margin of exception groups: `  | `, `  + `.
fn unmargined(line: &str) -> &str {
    let inner = line.trim_start();
    match inner.strip_prefix("| ").or_else(|| inner.strip_prefix("+ ")) {
        Some(inner) if inner.starts_with("Exception Group Traceback") => &inner["Exception Group ".len()..],
        Some(inner) => inner,
        None => line,
    }
}

/// The number of a group's member: `+-+---------------- 1 ----------------`. The line that ends a group has none.
fn member(line: &str) -> Option<u32> {
    let rule = line.trim_start().strip_prefix('+')?;
    let number = rule.trim_start_matches(['-', '+']).strip_prefix(' ')?.split(' ').next()?;
    (rule.starts_with('-')).then(|| number.parse().ok()).flatten()
}

/// `  File "/app/shop.py", line 12, in pay`
fn frame(line: &str) -> Option<Frame<'_>> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
    let (line, function) = rest.split_once(", in ").unwrap_or((rest, ""));
    let line = line.trim_end().parse().ok()?;
    let is_library =
        ["/site-packages/", "/dist-packages/", "/lib/python2", "/lib/python3"].iter().any(|part| file.contains(part))
            || file.starts_with("<frozen ");
    Some(foreign(super::frame("", function.trim_end(), file, Some(line)), is_library))
}
