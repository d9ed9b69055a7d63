//! Ruby: `full_message`, `backtrace`.

use super::{EXCEPTIONS_MAX, Exception, Frame, foreign, kind_and_value, lines, push, with_line};

pub(super) fn knows(line: &str, _: &str) -> bool {
    frame(line).is_some()
}

/// The outermost exception stands first, each cause behind it.
pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    let mut chain: Vec<Exception<'_>> = Vec::new();
    for (at, line) in lines(text) {
        let Some((frame, message)) = frame(line) else { continue };
        let is_first = !line.trim_start().starts_with("from ") && !message.is_empty();
        if is_first || chain.is_empty() {
            if chain.len() == EXCEPTIONS_MAX {
                break;
            }
            let (kind, value) = class_of(message, text[..at].trim_end());
            chain.push(Exception { kind: kind.into(), value: value.into(), ..Exception::default() });
        }
        let Some(last) = chain.last_mut() else { continue };
        if let Some(inner) = last.frames.last_mut()
            && is_written_in_c(inner, &frame)
        {
            inner.in_app = Some(false);
        }
        push(last, frame);
    }
    chain
}

/// What is written in C has no lines of its own: it is given those of the method that called it.
fn is_written_in_c(inner: &Frame<'_>, caller: &Frame<'_>) -> bool {
    let is_ruby = inner.function.contains(" in ") || inner.function.starts_with('<');
    !is_ruby && inner.file == caller.file && inner.line == caller.line
}

/// `checkout failed (Shop::PaymentError)`; where a list of frames has no message, what stood before it.
fn class_of<'t>(message: &'t str, before: &'t str) -> (&'t str, &'t str) {
    let Some(message) = message.strip_prefix(": ") else {
        return kind_and_value(before.lines().next_back().unwrap_or(""));
    };
    match message.strip_suffix(')').and_then(|message| message.rsplit_once(" (")) {
        Some((value, kind)) => (kind, value),
        None => ("", message),
    }
}

/// ``from /app/shop.rb:17:in `block in pay'``, with what stands behind it. Ruby 3.4 writes `'Shop::Order#pay'`.
fn frame(line: &str) -> Option<(Frame<'_>, &str)> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("from ").unwrap_or(rest);
    let (place, rest) = rest.split_once(":in ")?;
    let name = rest.strip_prefix(['`', '\''])?;
    let end = name.find("': ").or_else(|| name.rfind('\''))?;
    let (function, message) = (&name[..end], name[end + 1..].trim_end());
    let (file, Some(line)) = with_line(place) else { return None };
    let is_library = ["/gems/", "/lib/ruby/"].iter().any(|part| file.contains(part)) || file.starts_with("<internal:");
    Some((foreign(super::frame("", function, file, Some(line)), is_library), message))
}
