//! How the later rows of compiled languages' names find what they cut: Go, Rust, C++, Swift, .NET.
//!
//! Promises: as in `find`. Deliberately not here: the rows.

use super::Site;
use super::find::{ident, word};
use crate::normalize::rewrite::{Edit, Put};

/// `main.main.func16.(*Order).Pay.1`: a closure of a function that was inlined is named after the caller. The package,
/// and the function it was written in.
pub(super) fn go_inlined(site: &Site<'_>) -> Option<Edit> {
    let mut end = site.digits(site.end);
    if end == site.end {
        return None;
    }
    while site.bytes().get(end) == Some(&b'.') && site.digits(end + 1) > end + 1 {
        end = site.digits(end + 1);
    }
    let inner = end + 1;
    let named = site.bytes().get(end) == Some(&b'.')
        && site.bytes().get(inner).is_some_and(|b| b.is_ascii_uppercase() || matches!(b, b'(' | b'a'..=b'z'))
        && !["gowrap", "deferwrap", "func"].iter().any(|made| site.text[inner..].starts_with(made));
    if !named {
        return None;
    }
    let token = site.run_back(site.at, |b| !matches!(b, b' ' | b'/'));
    let package = site.text[token..site.at].find('.').map(|dot| token + dot + 1)?;
    (package <= site.at).then(|| Edit::drop(package..inner)).flatten()
}

/// `(*Order).Pay.1`: a closure's number alone.
pub(super) fn go_number(site: &Site<'_>) -> Option<Edit> {
    let mut name = site.run_back(site.at, word);
    if name == site.at || !site.bytes()[name..site.at].iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    name -= usize::from(name > site.floor);
    let method = site.bytes()[name] == b'.' && site.text[..name].ends_with(')');
    let end = site.run(site.end, |b| b.is_ascii_digit() || b == b'.');
    let whole = matches!(site.bytes().get(end), None | Some(b'(' | b' '));
    (method && whole && end > site.end).then(|| Edit::drop(site.at..end)).flatten()
}

/// `glob..func1`: a function of a package's variable; later compilers say `init.func1`.
pub(super) fn go_global(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_digit() || b == b'.');
    (end > site.end && site.begins(site.at)).then(|| Edit::put(site.at..end, "init")).flatten()
}

/// ` in goroutine 42`, ` + 123`, ` on line 12`: a marker and the number behind it, at the end of a word.
pub(super) fn trailing_number(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    (end > site.end && site.ends(end) && site.at > 0).then(|| Edit::drop(site.at..end)).flatten()
}

/// `closure #1 in `, `anonymous fn/2 in `: where it was written stands behind.
pub(super) fn written_in(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let inside = end > site.end && site.text[end..].starts_with(" in ") && site.begins(site.at);
    inside.then(|| Edit::drop(site.at..end + " in ".len())).flatten()
}

/// `{impl#3}`, `{closure#0}`, `{lambda(int)#2}`, `(irb#1)`: a number that was given, not written.
pub(super) fn number_in_braces(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let closed = end > site.end && matches!(site.bytes().get(end), Some(b'}' | b')'));
    closed.then(|| Edit::drop(site.at..end)).flatten()
}

/// `shop[9f86d081884c7d65]::pay`: which build of a crate.
pub(super) fn crate_hash(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_hexdigit());
    let hash = (8..=16).contains(&(end - site.end)) && site.text[end..].starts_with("]::") && !site.begins(site.at);
    hash.then(|| Edit::drop(site.at..end + 1)).flatten()
}

/// `$LT$`, `$u20$`: a character that a linker could not bear.
pub(super) fn escaped(site: &Site<'_>) -> Option<Edit> {
    let put = match site.marker_text() {
        "$LT$" => "<",
        "$GT$" => ">",
        "$u20$" => " ",
        "$RF$" => "&",
        "$C$" => ",",
        _ => return None,
    };
    Edit::put(site.at..site.end, put)
}

/// `shop..Pay`, between brackets: older compilers write `..` for `::`.
pub(super) fn old_path(site: &Site<'_>) -> Option<Edit> {
    let joined = !site.begins(site.at) && !site.ends(site.end) && site.before().contains(['<', '$']);
    joined.then(|| Edit::put(site.at..site.end, "::")).flatten()
}

/// `_<shop::Pay as …>`: the same without the underline.
pub(super) fn old_bracket(site: &Site<'_>) -> Option<Edit> {
    (site.begins(site.at) && site.ahead().contains(" as ")).then(|| Edit::drop(site.at..site.at + 1)).flatten()
}

/// ` [clone .isra.0]`, ` [0x7f12]`: to the bracket.
pub(super) fn to_bracket(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &[']'])?;
    Edit::drop(site.at..close + 1)
}

/// ` at /src/pool.cc:12`, behind a qualified function.
pub(super) fn cpp_file(site: &Site<'_>) -> Option<Edit> {
    site.before().contains("::").then(|| Edit::drop(site.at..site.text.len())).flatten()
}

/// `(Int32 id, String name)`: .NET's parameters. A state machine's name has lost them.
pub(super) fn typed_parameters(site: &Site<'_>) -> Option<Edit> {
    if !site.bytes().get(site.end).is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let close = site.next(site.end, &[')', '('])?;
    let inside = &site.text[site.end..close];
    let typed = |part: &str| {
        let mut words = part.split(' ').filter(|word| !word.is_empty());
        let kind = words.next().is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()));
        kind && words.next().is_none_or(|name| name.bytes().all(word)) && words.next().is_none()
    };
    let listed = site.bytes()[close] == b')' && inside.contains(' ') && inside.split(',').all(typed);
    let called = site.at > site.floor && matches!(site.bytes()[site.at - 1], b'>' | b'$' | b']')
        || !site.begins(site.at) && site.before().contains('.');
    (listed && called && !inside.contains([':', '/', '$'])).then(|| Edit::drop(site.at..close + 1)).flatten()
}

/// `Pay+<Settle>`, `Pay/<Settle>`: reflection's joint before a nested class.
pub(super) fn nested_joint(site: &Site<'_>) -> Option<Edit> {
    (!site.begins(site.at)).then(|| Edit::put(site.at..site.at + 1, ".")).flatten()
}

/// `<>c__DisplayClass1_0`1.`: with type parameters.
pub(super) fn csharp_display_generic(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'`'));
    matches!(site.bytes().get(end), Some(b'.' | b'+' | b'/')).then(|| Edit::drop(site.at..end + 1)).flatten()
}

/// `<SettleAsync>d.MoveNext`, `<Pay>c__AnonStorey2.<>m__0`, `<Main>$`: the method it was written in.
pub(super) fn csharp_method(site: &Site<'_>) -> Option<Edit> {
    let name = site.run_back(site.at, word);
    if name == site.at || name == site.floor || site.bytes()[name - 1] != b'<' {
        return None;
    }
    let mut end = site.run(site.end, |b| b.is_ascii_digit() || b == b'_');
    if site.text[end..].starts_with(".MoveNext") {
        end += ".MoveNext".len();
    }
    if site.text[end..].starts_with(".<>m__") {
        end = site.digits(end + ".<>m__".len());
    }
    Some(Edit { cut: name - 1..end, put: Put::Part("", name..site.at) })
}

/// `Order_9F86…` (64 digits): a proxy class that is named after the hash of its model.
pub(super) fn model_hash(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_hexdigit());
    (end - site.end == 64 && site.ends(end) && !site.begins(site.at)).then(|| Edit::drop(site.at..end)).flatten()
}

/// `OrderProxy_3`: Castle numbers a second proxy of one class.
pub(super) fn castle(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let counted = end > site.end && site.bytes().get(end) == Some(&b'.') && site.before().contains("Proxies.");
    counted.then(|| Edit::drop(site.end - 1..end)).flatten()
}

/// `Acme.Order.-settle/2-fun-0-/1`: an Erlang function's closure.
pub(super) fn erlang_fun(site: &Site<'_>) -> Option<Edit> {
    let name = site.run_back(site.at, |b| ident(b) || matches!(b, b'/' | b'?' | b'!'));
    let end = site.run(site.end, |b| b.is_ascii_digit() || matches!(b, b'-' | b'/' | b'"'));
    let start = site.run_back(name, |b| matches!(b, b'-' | b'"'));
    let edit = Edit { cut: start..end, put: Put::Part("", name..site.at) };
    (name < site.at && start < name).then_some(edit)
}
