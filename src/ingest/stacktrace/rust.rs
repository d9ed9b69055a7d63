//! Rust: what a panic prints, `Backtrace` as text, and errors with a chain of causes (`anyhow`, `eyre`).

use std::borrow::Cow;

use super::{EXCEPTIONS_MAX, Exception, Frame, Text, foreign, lines, push, with_line};

/// What stands before the causes of an error.
const CAUSES: &str = "\nCaused by:";

pub(super) fn knows(line: &str, next: &str) -> bool {
    panicked(line).is_some() || is_heading(line) || function(line).is_some() && place(next).is_some()
}

/// The frames are the root's: where the stack was kept.
pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    let mut chain = chain(text);
    let mut frames = Exception::default();
    let mut called = None;
    // The numbers of causes look like those of frames, but behind causes the frames have a heading.
    let heading = lines(text).find(|(_, line)| is_heading(line)).map(|(at, _)| at);
    let begin = heading.unwrap_or(if text.contains(CAUSES) { text.len() } else { 0 });
    for (_, line) in lines(&text[begin..]) {
        match (function(line), place(line)) {
            (Some(name), _) => end(&mut frames, called.replace(name), ("", None)),
            (None, Some(place)) => end(&mut frames, called.take(), place),
            (None, None) => {}
        }
    }
    end(&mut frames, called, ("", None));
    name_closures(&mut frames.frames);
    // Without `RUST_BACKTRACE` the place of the panic is all there is.
    if let Some((file, line)) =
        text.lines().find_map(panicked).and_then(panic_place).filter(|_| frames.frames.is_empty())
    {
        push(&mut frames, super::frame("", "", file, line));
    }
    if chain.is_empty() {
        chain.push(Exception::default());
    }
    if let Some(root) = chain.last_mut() {
        root.frames = frames.frames;
    }
    chain
}

/// Ends a frame. What stands before the panic was called because of it.
fn end<'t>(exception: &mut Exception<'t>, called: Option<&'t str>, (file, line): (&'t str, Option<u32>)) {
    let Some(name) = called else { return };
    if ["rust_begin_unwind", "panicking::begin_panic"].iter().any(|begin| name.contains(begin)) {
        exception.frames.clear();
        return;
    }
    let is_library =
        ["/rustc/", "/registry/src/", "/rustlib/"].iter().any(|part| file.contains(part)) || is_standard(name);
    push(exception, foreign(super::frame("", name, file, line), is_library));
}

/// Frames outwards of a closure in which it may be named, and the places in each.
const NAMING_MAX: usize = 16;
/// Bytes of a path.
const PATH_MAX: usize = 512;

/// An inlined closure is called `{closure#0}` alone. The type of the closure, which has its path, stands among the type
/// arguments of what called it (`call_once<shop::pay::{closure_env#0}>`); else the function it was written in is the
/// next one of the same file.
fn name_closures(frames: &mut [Frame<'_>]) {
    for at in 0..frames.len() {
        let (inner, outer) = frames.split_at_mut(at + 1);
        let Some(closure) = inner.last_mut().filter(|frame| frame.in_app.is_none()) else { continue };
        let Some((kind, number)) = bare_closure(&closure.function) else { continue };
        let environment = format!("::{{{kind}_env#{number}}}");
        let outer = &outer[..outer.len().min(NAMING_MAX)];
        let named = outer.iter().find_map(|frame| path_before(&frame.function, &environment));
        let enclosing = || outer.iter().find(|frame| frame.file == closure.file && !frame.function.starts_with('{'));
        if let Some(name) = named.or_else(|| enclosing().map(|frame| frame.function.clone())) {
            closure.function = name;
        }
    }
}

/// `{async_block#1}` as its kind and its number.
fn bare_closure(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix('{')?.strip_suffix('}')?.split_once('#').filter(|(_, number)| !number.contains('{'))
}

/// `shop::pay` of `call_once<shop::pay::{closure_env#0}>`, but for closures of the standard library's own.
fn path_before<'t>(name: &Text<'t>, end: &str) -> Option<Text<'t>> {
    let paths = name.match_indices(end).map(|(at, _)| {
        let floor = name.floor_char_boundary(at.saturating_sub(PATH_MAX));
        let begin = name[floor..at].rfind(['<', ' ', '&', '(', ',']).map_or(floor, |before| floor + before + 1);
        begin..at
    });
    let path = paths.take(NAMING_MAX).find(|path| !is_standard(&name[path.clone()]))?;
    Some(match name {
        Cow::Borrowed(name) => name[path].into(),
        Cow::Owned(name) => name[path].to_owned().into(),
    })
}

/// Whether a path begins in the standard library: `core::fmt`, `<alloc[fdfd2bd8633a6659]::boxed::Box<F> as …>`.
fn is_standard(path: &str) -> bool {
    let path = path.trim_start_matches(['<', '&', '(']);
    let name = path.split(['[', ':']).next().unwrap_or("");
    matches!(name, "std" | "core" | "alloc" | "__rustc") && name.len() < path.len()
}

/// Titles: of a panic its message, of an error the list of its causes.
fn chain(text: &str) -> Vec<Exception<'_>> {
    let has_causes = text.contains(CAUSES);
    let end = lines(text).find(|(_, line)| is_heading(line) || !has_causes && function(line).is_some());
    let said = end.map_or(text, |(at, _)| &text[..at]);
    let (kind, said) = match lines(said).find_map(|(at, line)| Some((at, panicked(line)?))) {
        Some((at, rest)) => ("panic", message(rest, &said[at..])),
        None => ("", said),
    };
    let (value, causes) = said.split_once(CAUSES).unwrap_or((said, ""));
    let value = value.trim();
    let values = std::iter::once(value.strip_prefix("Error: ").unwrap_or(value)).chain(causes.lines().map(cause));
    let mut chain = Vec::new();
    for value in values.filter(|value| !value.is_empty()).take(EXCEPTIONS_MAX) {
        let kind = if chain.is_empty() { kind } else { "" };
        chain.push(Exception { kind: kind.into(), value: value.into(), ..Exception::default() });
    }
    chain
}

/// `src/main.rs:4:5:`, before Rust 1.73 `'order 7 is gone', src/main.rs:4:5`
fn panic_place(rest: &str) -> Option<(&str, Option<u32>)> {
    let place = rest.rsplit_once("', ").map_or(rest, |(_, place)| place).trim_end().trim_end_matches(':');
    Some(with_line(place)).filter(|(_, line)| line.is_some())
}

/// `    0: no answer`, or the only one without a number.
fn cause(line: &str) -> &str {
    let line = line.trim();
    line.split_once(": ").filter(|(number, _)| number.parse::<u32>().is_ok()).map_or(line, |(_, value)| value)
}

/// The message of a panic: in the lines behind the place, before Rust 1.73 in quotes before it.
fn message<'t>(rest: &'t str, from: &'t str) -> &'t str {
    match rest.strip_prefix('\'').and_then(|rest| rest.rsplit_once("', ")) {
        Some((message, _)) => message,
        None => {
            let message = from.split_once('\n').map_or("", |(_, message)| message);
            message.split_once("\nnote: run with `RUST_BACKTRACE").map_or(message, |(message, _)| message)
        }
    }
}

/// What stands behind ``thread 'main' panicked at ``.
fn panicked(line: &str) -> Option<&str> {
    line.strip_prefix("thread '")?.split_once(" panicked at ").map(|(_, rest)| rest)
}

fn is_heading(line: &str) -> bool {
    line.trim().strip_suffix(" backtrace:").is_some_and(|word| word.eq_ignore_ascii_case("stack"))
}

/// `  12: shop::pay`, `  12:     0x5565c37a105b - shop::pay`
fn function(line: &str) -> Option<&str> {
    let (number, name) = line.trim_start().split_once(": ")?;
    number.parse::<u32>().ok()?;
    let name = name.trim();
    let name = if name.starts_with("0x") { name.split_once(" - ").map_or("", |(_, name)| name) } else { name };
    (!name.is_empty()).then_some(name)
}

/// `             at ./src/shop.rs:41:16`
fn place(line: &str) -> Option<(&str, Option<u32>)> {
    let (file, line) = with_line(line.trim().strip_prefix("at ")?);
    (line.is_some() && !file.contains(['(', ')'])).then_some((file, line))
}
