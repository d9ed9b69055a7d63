//! V8: Node.js, Deno, by `error.stack` or by an object that is inspected.

use super::{EXCEPTIONS_MAX, Exception, Frame, foreign, lines, push, title_start, titled, with_line};

pub(super) fn knows(line: &str, _: &str) -> bool {
    frame(line).is_some()
}

/// What begins the cause of an error, or the members of one that stands for several. Of those the first is taken.
const NEXT: [&str; 2] = ["[cause]: ", "[errors]: ["];

pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    let mut chain: Vec<Exception<'_>> = Vec::new();
    let mut title = Some(0);
    let mut is_member = false;
    for (at, line) in lines(text) {
        let trimmed = line.trim_start();
        let next = NEXT.iter().find(|mark| trimmed.starts_with(**mark));
        let frame = frame(line);
        if next.is_none() && frame.is_none() {
            continue;
        }
        if let Some(begin) = title.take() {
            if chain.len() == EXCEPTIONS_MAX {
                break;
            }
            chain.push(opened(&text[begin..at]));
        }
        if let (Some(frame), Some(last)) = (frame, chain.last_mut()) {
            push(last, frame);
            // The other members are no causes.
            if is_member && trimmed.ends_with(',') {
                break;
            }
        }
        if let Some(mark) = next {
            title = Some(at + super::indent(line) + mark.len());
            is_member |= *mark == NEXT[1];
        }
    }
    chain
}

/// `[AggregateError: all failed] {`, `Error: failed {`, and what a logger wrote before.
fn opened(before: &str) -> Exception<'_> {
    let title = before[title_start(before)..].trim();
    let title = title.strip_suffix('{').map_or(title, str::trim_end);
    let title = title.strip_prefix('[').and_then(|title| title.strip_suffix(']')).unwrap_or(title);
    titled(title.strip_prefix("Uncaught ").unwrap_or(title))
}

/// `at async Order.load [as get] (file:///app/shop.js:28:11)`, `at /app/shop.js:28:11`
fn frame(line: &str) -> Option<Frame<'_>> {
    let rest = line.trim_start().strip_prefix("at ")?;
    let rest = rest.trim_end().trim_end_matches(['{', ',']).trim_end();
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let (function, place) = match rest.strip_suffix(')').and_then(|rest| rest.split_once(" (")) {
        Some((function, place)) => (function, place),
        None => ("", rest),
    };
    let function = function.split_once(" [as ").map_or(function, |(function, _)| function);
    if let Some((function, file, line)) = evaluated(place) {
        return Some(placed(function, file, line));
    }
    let (file, line) = with_line(place);
    let is_place = line.is_some() && file.contains(['/', '\\', '.', ':']) && !file.contains(" (");
    let is_native = !function.is_empty() && (matches!(place, "<anonymous>" | "native") || place.starts_with("index "));
    (is_place || is_native).then(|| if is_place { placed(function, file, line) } else { placed(function, "", None) })
}

/// Of code that was made at run time, by whom it was made: `eval at rule (file:///app/shop.js:47:10), <anonymous>:3:14`.
fn evaluated(place: &str) -> Option<(&str, &str, Option<u32>)> {
    let mut rest = place.strip_prefix("eval at ")?;
    while let Some((_, inner)) = rest.split_once("(eval at ") {
        rest = inner;
    }
    let (function, rest) = rest.split_once(" (")?;
    let (file, line) = with_line(rest.split_once(')')?.0);
    Some((function, file, line))
}

fn placed<'t>(function: &'t str, file: &'t str, line: Option<u32>) -> Frame<'t> {
    let file = file.strip_prefix("file://").unwrap_or(file);
    let is_runtime = file.is_empty() || file.starts_with("node:") || file.starts_with("internal/");
    foreign(super::frame("", function, file, line), is_runtime || file.contains("node_modules/"))
}
