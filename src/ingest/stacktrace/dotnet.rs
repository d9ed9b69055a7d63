//! .NET and Mono: `Exception.ToString()`.

use super::{EXCEPTIONS_MAX, Exception, Frame, foreign, lines, push, title_start, titled};

/// What stands between an exception and the one inside it.
const INNER: &str = "---> ";
/// What stands behind the frames of an exception that is inside another.
const INNER_ENDS: &str = "--- End of inner exception stack trace ---";
/// What begins the list of an aggregate's members, which repeats what was told.
const MEMBERS: &str = "---> (Inner Exception #";

/// What the runtime prints before an exception that nobody caught.
const UNHANDLED: [&str; 2] = ["Unhandled exception. ", "Unhandled Exception: "];

pub(super) fn knows(line: &str, _: &str) -> bool {
    frame(line).is_some()
}

pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    let mut chain: Vec<Exception<'_>> = Vec::new();
    // Whose frames are read: the innermost exception's stand first.
    let mut current = 0;
    for (at, line) in lines(text) {
        let trimmed = line.trim_start();
        if trimmed.starts_with(MEMBERS) {
            break;
        }
        let frame = frame(line);
        if chain.is_empty() && (frame.is_some() || trimmed.starts_with(INNER_ENDS)) {
            let before = &text[..at];
            let title = before.trim_start();
            let title =
                UNHANDLED.iter().find_map(|words| title.strip_prefix(words)).unwrap_or(&before[title_start(before)..]);
            let titles = title.split(INNER);
            chain.extend(titles.take(EXCEPTIONS_MAX).map(titled));
            current = chain.len() - 1;
        }
        if trimmed.starts_with(INNER_ENDS) {
            current = current.saturating_sub(1);
        } else if let Some(frame) = frame {
            push(&mut chain[current], frame);
        }
    }
    chain
}

/// `at Shop.Order.Pay(String code) in /src/Order.cs:line 12`, `at Shop.Order.Pay (System.String code) [0x0001] in <…>:0`
fn frame(line: &str) -> Option<Frame<'_>> {
    let rest = line.trim_start().strip_prefix("at ")?;
    // `(wrapper managed-to-native) System.…`
    let rest = rest.strip_prefix("(wrapper ").and_then(|rest| rest.split_once(") ")).map_or(rest, |(_, rest)| rest);
    let (name, rest) = rest.split_once('(')?;
    let name = name.trim_end();
    let (parameters, rest) = rest.split_once(')')?;
    let (module, function) = split(name)?;
    let is_name = !module.is_empty() && !name.contains([' ', '/', ':']);
    // V8 has a path there.
    let is_list = !parameters.contains(':') && !matches!(parameters, "<anonymous>" | "native");
    if !is_name || !is_list {
        return None;
    }
    let (file, line) = rest.split_once(" in ").map_or(("", None), |(_, place)| place_of(place.trim()));
    let is_framework = ["System.", "Microsoft.", "Interop."].iter().any(|begin| module.starts_with(begin));
    Some(foreign(super::frame(module, function, file, line), is_framework))
}

/// Constructors are called `.ctor` and `.cctor`.
fn split(name: &str) -> Option<(&str, &str)> {
    let at = ["..ctor", "..cctor"].iter().find_map(|end| name.strip_suffix(end).map(str::len));
    let at = at.or_else(|| name.rfind('.'))?;
    Some((&name[..at], &name[at + 1..]))
}

/// `/src/Order.cs:line 12`; Mono has an assembly's id without debug information.
fn place_of(place: &str) -> (&str, Option<u32>) {
    if place.starts_with('<') {
        return ("", None);
    }
    match place.rsplit_once(":line ") {
        Some((file, line)) => (file, line.parse().ok()),
        None => super::with_line(place),
    }
}
