//! PHP: an exception as text, `getTraceAsString`, and what PHP logs of one that nobody caught.

use super::{EXCEPTIONS_MAX, Exception, Frame, foreign, lines, push, title_start, titled, with_line};

pub(super) fn knows(line: &str, _: &str) -> bool {
    call(line).is_some()
}

/// The root stands first; what `Next` begins has wrapped it.
pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    let mut chain: Vec<Exception<'_>> = Vec::new();
    let mut begin = 0;
    // Where the call that is read next was made; a line tells the call, and where its caller was.
    let mut place = ("", None);
    for (at, line) in lines(text) {
        let Some((number, caller, name)) = call(line) else { continue };
        if number == 0 {
            if chain.len() == EXCEPTIONS_MAX {
                break;
            }
            let (exception, thrown) = opened(&text[begin..at]);
            chain.push(exception);
            place = thrown;
        }
        if let Some(last) = chain.last_mut() {
            // Thrown where the call was made: by PHP itself, which has no lines.
            let is_internal = number == 0 && place == caller && place.1.is_some();
            push(last, frame(name, place, is_internal));
        }
        place = caller;
        begin = at + line.len();
    }
    chain.reverse();
    chain
}

type Place<'t> = (&'t str, Option<u32>);

/// `Shop\PaymentException: card refused in /app/shop.php:21`, and `Stack trace:` behind it.
fn opened(before: &str) -> (Exception<'_>, Place<'_>) {
    let before = before.trim();
    if let Some(logged) = before.strip_suffix("[stacktrace]").and_then(logged) {
        return logged;
    }
    let before = before.strip_suffix("Stack trace:").unwrap_or(before).trim_end();
    let uncaught = || before.split_once("Uncaught ").map(|(_, title)| title);
    let title = before.strip_prefix("Next ").or_else(uncaught).unwrap_or(&before[title_start(before)..]);
    match title.rsplit_once(" in ") {
        Some((title, place)) => (titled(title), with_line(place)),
        None => (titled(title), ("", None)),
    }
}

/// As Monolog, and so Laravel, has it: `… [object] (App\PaymentException(code: 0): card refused at /app/shop.php:21)`.
fn logged(before: &str) -> Option<(Exception<'_>, Place<'_>)> {
    let (_, object) = before.rsplit_once("[object] (")?;
    let (kind, rest) = object.split_once("(code: ")?;
    let (value, place) = rest.split_once("): ")?.1.trim_end().strip_suffix(')')?.rsplit_once(" at ")?;
    Some((Exception { kind: kind.into(), value: value.into(), ..Exception::default() }, with_line(place)))
}

/// `#0 /app/shop.php(25): Shop\Order->pay('x')`: its number, where the call was made, and what was called.
fn call(line: &str) -> Option<(u32, Place<'_>, &str)> {
    let (number, rest) = line.trim_start().strip_prefix('#')?.split_once(' ')?;
    let number = number.parse().ok()?;
    if rest.trim_end() == "{main}" {
        return Some((number, ("", None), "{main}"));
    }
    let (place, call) = rest.split_once(": ")?;
    let place = match place.strip_suffix(')').and_then(|place| place.rsplit_once('(')) {
        Some((file, line)) => (file, Some(line.parse().ok()?)),
        None if place == "[internal function]" => ("", None),
        None => return None,
    };
    // The name of a closure may have parentheses of its own.
    let name_at = call.find('}').unwrap_or(0);
    let name = call[name_at..].find('(').map_or(call, |end| &call[..name_at + end]);
    Some((number, place, name))
}

fn frame<'t>(name: &'t str, (file, line): Place<'t>, is_internal: bool) -> Frame<'t> {
    // The name of a closure may have the name of a method in it.
    let plain = &name[..name.find('{').unwrap_or(name.len())];
    let method = ["->", "::"].iter().find_map(|mark| plain.find(mark).map(|at| (at, at + mark.len())));
    let split = method.or_else(|| plain.rfind('\\').map(|at| (at, at + 1)));
    let split = split.map(|(end, begin)| (&name[..end], &name[begin..]));
    let (module, function) = split.unwrap_or(("", name));
    foreign(super::frame(module, function, file, line), is_internal || file.contains("/vendor/"))
}
