//! The JVM: Java, Kotlin, Scala, Groovy, by `printStackTrace` or a logger.

use super::{EXCEPTIONS_MAX, Exception, FRAMES_MAX, Frame, indent, lines, push, title_start, titled};

pub(super) fn knows(line: &str, _: &str) -> bool {
    frame(line).is_some()
}

/// What begins another exception: a text, and whether the exception is the cause of the one before it. Logback can
/// print the root first; then each wraps the one before.
const NEXT: [(&str, bool); 2] = [("Caused by: ", true), ("Wrapped by: ", false)];

pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    let mut chain: Vec<Exception<'_>> = Vec::new();
    // Where the title begins that is being read, until its first frame.
    let mut title = Some(0);
    let mut is_root_first = false;
    // How far the suppressed exception is indented that is being left out.
    let mut suppressed = None;
    for (at, line) in lines(text) {
        let trimmed = line.trim_start();
        if suppressed.is_some_and(|begin| indent(line) >= begin || !trimmed.starts_with(NEXT[0].0)) {
            continue;
        }
        suppressed = None;
        let next = NEXT.iter().find(|(mark, _)| trimmed.starts_with(mark));
        let frame = frame(line);
        let is_suppressed = trimmed.starts_with("Suppressed: ");
        let omitted = omitted(trimmed);
        if next.is_none() && frame.is_none() && !is_suppressed && omitted.is_none() {
            continue;
        }
        if let Some(begin) = title.take()
            && chain.len() < EXCEPTIONS_MAX
        {
            chain.push(opened(&text[begin..at], chain.is_empty()));
        }
        if let (Some(frame), Some(last)) = (frame, chain.last_mut()) {
            push(last, frame);
        }
        if let (Some(count), [.., before, last]) = (omitted, &mut chain[..]) {
            share(before, last, count);
        }
        if let Some((mark, is_cause)) = next {
            title = Some(at + indent(line) + mark.len());
            is_root_first |= !is_cause;
        }
        suppressed = is_suppressed.then_some(indent(line));
    }
    if let Some(begin) = title.filter(|begin| *begin > 0 && chain.len() < EXCEPTIONS_MAX) {
        chain.push(titled(&text[begin..]));
    }
    if is_root_first {
        chain.reverse();
    }
    chain
}

/// `... 12 more`, `... 12 common frames omitted`: the outermost frames, as those of the exception printed before.
fn omitted(line: &str) -> Option<usize> {
    line.strip_prefix("... ")?.split(' ').next()?.parse().ok()
}

/// Often the application's own frames are among them: a driver's exception has none before those that it shares with
/// the one that wraps it. Where the other's were too many to keep, they are left out.
fn share<'t>(before: &Exception<'t>, last: &mut Exception<'t>, count: usize) {
    let from = before.frames.len().checked_sub(count).filter(|_| before.frames.len() < FRAMES_MAX);
    for frame in &before.frames[from.unwrap_or(before.frames.len())..] {
        push(last, frame.clone());
    }
}

fn opened(before: &str, is_first: bool) -> Exception<'_> {
    if !is_first {
        return titled(before);
    }
    // `Exception in thread "main" java.lang.…`
    let title = match before.split_once("Exception in thread \"").and_then(|(_, rest)| rest.split_once("\" ")) {
        Some((_, title)) => title,
        None => &before[title_start(before)..],
    };
    titled(title)
}

/// `at java.base/java.util.List.of(List.java:12) ~[na:na]`
fn frame(line: &str) -> Option<Frame<'_>> {
    let line = line.trim_start();
    let marked = line.strip_prefix("at ");
    let (name, rest) = marked.unwrap_or(line).split_once('(')?;
    let (inside, _) = rest.split_once(')')?;
    let name = without_loader(name);
    let (module, function) = name.rsplit_once('.')?;
    let is_name = !module.is_empty() && !function.is_empty() && !name.contains(char::is_whitespace);
    let unknown = matches!(inside, "Unknown Source" | "Native Method");
    let (file, line) = super::with_line(inside);
    let is_file = !file.is_empty() && !file.contains(['/', '\\', ' ', ',', ':', '(']);
    // As its elements print themselves, one a line.
    let is_source =
        || [".java", ".kt", ".scala", ".groovy", ".clj"].iter().any(|end| file.ends_with(end)) && line.is_some();
    if !is_name || !(unknown || is_file) || marked.is_none() && !is_source() {
        return None;
    }
    Some(super::frame(module, function, if unknown { "" } else { file }, line))
}

/// A class without the loader and the module before it. The address of a hidden class stands behind a slash as well.
fn without_loader(name: &str) -> &str {
    let mut rest = name;
    while let Some((_, behind)) = rest.split_once('/').filter(|(_, behind)| !behind.starts_with("0x")) {
        rest = behind;
    }
    rest
}
