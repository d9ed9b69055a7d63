//! How the later rows of interpreted languages' names find what they cut, and those of paths: Python, JavaScript, Ruby,
//! PHP, Elixir, Dart.
//!
//! Promises: as in `find`. Deliberately not here: the rows.

use super::Site;
use super::find::{ident, word};
use crate::normalize::random::is_unlikely;
use crate::normalize::rewrite::{Edit, Put};

/// `.<locals>.<listcomp>`: what a function was written in is its place.
pub(super) fn python_nested(site: &Site<'_>) -> Option<Edit> {
    let made = ["lambda>", "listcomp>", "genexpr>", "dictcomp>", "setcomp>"];
    let found = made.iter().find(|name| site.text[site.end..].starts_with(**name))?;
    Edit::drop(site.at..site.end + found.len())
}

/// `<ipython-input-7-9fe2c1>`, `<rule-10005>`: code without a file is numbered.
pub(super) fn numbered_source(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &['>', '<'])?;
    let inside = &site.text[site.end..close];
    let number = inside.as_bytes().windows(2).position(|pair| pair[0] == b'-' && pair[1].is_ascii_digit())?;
    let counted = inside[number..].bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    (site.bytes()[close] == b'>' && counted).then(|| Edit::drop(site.end + number..close)).flatten()
}

/// `/ipykernel_4711/123456789.py`.
pub(super) fn notebook(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_digit() || b == b'/');
    (end > site.end).then(|| Edit::put(site.at..end, "/ipykernel")).flatten()
}

/// `/opt/venv/lib/python3.12/site-packages/acme/pool.py`: a library is the same wherever it is installed.
pub(super) fn installed(site: &Site<'_>) -> Option<Edit> {
    let start = site.run_back(site.at, |b| !matches!(b, b' ' | b'"' | b'\'' | b'(' | b'`'));
    (start < site.at).then(|| Edit::drop(start..site.at)).flatten()
}

/// `dist-packages/`, as Debian calls it.
pub(super) fn installed_by_system(site: &Site<'_>) -> Option<Edit> {
    Edit::put(site.at..site.end, "site-packages/")
}

/// `wasm://wasm/568482fe:`: a module without a name has its hash.
pub(super) fn wasm_module(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_hexdigit());
    (end - site.end == 8 && site.bytes().get(end) == Some(&b':')).then(|| Edit::drop(site.end..end)).flatten()
}

/// `/go/pkg/mod/`, `/cargo/registry/src/index.crates.io-6f17d22bba15001f/`: up to the library.
pub(super) fn module_cache(site: &Site<'_>) -> Option<Edit> {
    let start = site.run_back(site.at, |b| !matches!(b, b' ' | b'"' | b'\'' | b'(' | b'`'));
    let end = if site.marker_text().starts_with("/registry") {
        site.run(site.end, |b| b != b'/' && b != b' ') + 1
    } else {
        site.end
    };
    (end <= site.text.len()).then(|| Edit::drop(start..end)).flatten()
}

/// `gems/pg-1.5.4/lib`, `pool-0.4.1/src`: a library's version in its directory.
pub(super) fn directory_version(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'));
    let version = &site.text[site.end..end];
    let numbered = version.starts_with(|c: char| c.is_ascii_digit()) && version.contains('.');
    let directory = site.bytes().get(end) == Some(&b'/') && !site.begins(site.at);
    (numbered && directory).then(|| Edit::drop(site.at..end)).flatten()
}

/// `/9f86d081884c/`, `/20240501123000/`, `/4.33.5/`: a directory that is made anew by each deployment.
pub(super) fn deployment(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || b == b'.');
    let name = &site.text[site.end..end];
    let digits = name.bytes().all(|b| b.is_ascii_digit()) && (8..=14).contains(&name.len());
    let hash = name.len() >= 12 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let version = name.split('.').count() == 3
        && name.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let directory = site.bytes().get(end) == Some(&b'/') && site.at > 0;
    (directory && (digits || hash || version)).then(|| Edit::drop(site.at..end)).flatten()
}

/// `Object.<anonymous> (/app/pay.js)`: a function without a name; its file is all that is known.
pub(super) fn anonymous_function(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &[')', '('])?;
    let whole = site.at == 0 && site.bytes()[close] == b')';
    whole.then(|| Edit { cut: site.at..close + 1, put: Put::Part("", site.end..close) })
}

/// `index-CkiCcoLn.js`, `pay-a_3-xYz0.mjs`: eight characters of base64.
pub(super) fn base64_hash(site: &Site<'_>) -> Option<Edit> {
    let start = site.at.checked_sub(8).filter(|start| *start > site.floor && site.text.is_char_boundary(*start))?;
    let hash = &site.bytes()[start..site.at];
    let joined = matches!(site.bytes()[start - 1], b'.' | b'-');
    let base64 = hash.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let capital = hash.iter().any(u8::is_ascii_uppercase);
    let mixed = capital && !hash.iter().all(u8::is_ascii_uppercase)
        || hash.iter().any(u8::is_ascii_digit) && hash.iter().any(u8::is_ascii_lowercase) && !hash.contains(&b'-');
    let letters = hash.iter().all(u8::is_ascii_alphabetic);
    let humps = hash.windows(2).filter(|pair| pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase()).count();
    let odd = !letters || humps >= 4 || hash[7].is_ascii_uppercase() || is_unlikely(&site.text[start..site.at], 1);
    (joined && base64 && mixed && odd).then(|| Edit::drop(start - 1..site.at)).flatten()
}

/// `(index 4)`: which of several promises.
pub(super) fn promise_index(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let whole = end > site.end && site.bytes().get(end) == Some(&b')');
    let start = if site.text[site.floor..site.at].ends_with(' ') { site.at - 1 } else { site.at };
    whole.then(|| Edit::drop(start..end + 1)).flatten()
}

/// `https://cdn.acme.io/main.js`: a script is the same wherever it is served.
pub(super) fn served(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'));
    let host = end > site.end && site.bytes().get(end) == Some(&b'/');
    host.then(|| Edit::drop(site.at..end)).flatten()
}

/// `chunks/210.js`: a chunk is numbered anew by each build.
pub(super) fn chunk_number(site: &Site<'_>) -> Option<Edit> {
    let start = site.run_back(site.at, |b| b.is_ascii_digit());
    let chunk = start < site.at && site.text[..start].ends_with("chunks/");
    chunk.then(|| Edit::drop(start..site.at)).flatten()
}

/// `pay.ts?t=1700000000000`: so that a browser loads it again.
pub(super) fn source_query(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'&' | b'_' | b'-' | b'.'));
    let file = site.run_back(site.at, |b| b.is_ascii_alphanumeric());
    let named = file < site.at && file > site.floor && site.bytes()[file - 1] == b'.' && site.at - file <= 4;
    (named && end > site.end).then(|| Edit::drop(site.at..end)).flatten()
}

/// `` `save' ``: as Ruby quoted a method up to 3.3.
pub(super) fn ruby_quote(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &['\'', '`', ' '])?;
    let last = site.run(close, |b| b == b'\'');
    let name = close > site.end && last > close;
    name.then(|| Edit::put(site.at..site.end, "'")).flatten()
}

/// `rescue in `, `ensure in `, before a Ruby method.
pub(super) fn ruby_clause(site: &Site<'_>) -> Option<Edit> {
    let opened = site.at == 0 || !ident(site.bytes()[site.at - 1]);
    opened.then(|| Edit::drop(site.at..site.end)).flatten()
}

/// `{closure:App\Job::handle():12}` without the line; without anything where a file is all it says.
pub(super) fn php_closure(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &['}'])?;
    let inside = &site.text[site.end..close];
    let line = inside.rfind(':').filter(|at| inside[at + 1..].bytes().all(|b| b.is_ascii_digit()))?;
    if inside.contains("::") || line > 0 && !inside.contains(['/', '\\']) {
        return Edit::drop(site.end + line..close);
    }
    Edit::put(site.at..close + 1, "{closure}")
}

/// `Job::{closure:App\\Job::run():12}`: what encloses it stays, which Rust's closures, written alike, do not say.
pub(super) fn php_closure_in_class(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &['}'])?;
    let inside = &site.text[site.end..close];
    if !inside.contains("::") {
        return None;
    }
    match inside.rfind(':').filter(|at| at + 1 < inside.len() && inside[at + 1..].bytes().all(|b| b.is_ascii_digit())) {
        Some(line) => Edit::drop(site.end + line..close),
        None => Edit::keep(site.at..close + 1),
    }
}

/// `@anonymous␀/app/F.php:62$0b9`: up to what comes behind the class. The NUL is shown in several ways.
pub(super) fn php_anonymous(site: &Site<'_>) -> Option<Edit> {
    let rest = &site.text[site.end..];
    let joint = ["\0", "␀", "%00", "\\0", " ", ""].into_iter().find(|joint| rest.starts_with(joint))?;
    let path = &rest[joint.len()..];
    let bytes = path.as_bytes();
    let absolute = matches!(bytes, [b'/' | b'\\', ..] | [b'A'..=b'Z' | b'a'..=b'z', b':', ..]);
    let ends = |at: &usize| {
        matches!(bytes[*at], b' ' | b'(' | b')' | b'"' | b'\'' | b',')
            || bytes[*at..].starts_with(b"::")
            || bytes[*at..].starts_with(b"->")
    };
    let end = (0..bytes.len().min(512)).find(ends).unwrap_or(bytes.len());
    (absolute && path.is_char_boundary(end)).then(|| Edit::drop(site.end..site.end + joint.len() + end)).flatten()
}

/// `Proxies\__CG__\App\Order`: Doctrine's proxy of `App\Order`.
pub(super) fn doctrine(site: &Site<'_>) -> Option<Edit> {
    let start = site.run_back(site.at, |b| ident(b) || b == b'\\');
    Edit::drop(start..site.end)
}

/// `Container29GPh3I/`: a container is compiled into a folder of its own.
pub(super) fn symfony_container(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric());
    let drawn = end - site.end == 7 && site.bytes().get(end) == Some(&b'/');
    drawn.then(|| Edit::drop(site.end..end)).flatten()
}

/// `(Object(App\Order))`, `(Array, 3)`: arguments as PHP prints them, to the end.
pub(super) fn php_arguments(site: &Site<'_>) -> Option<Edit> {
    let called = site.at > site.floor && !site.text[..site.at].ends_with(' ') && site.text.ends_with(')');
    called.then(|| Edit::drop(site.at..site.text.len())).flatten()
}

/// `(acme 0.1.0) lib/order.ex`: the application, with its version.
pub(super) fn elixir_application(site: &Site<'_>) -> Option<Edit> {
    if site.at > 0 {
        return None;
    }
    let close = site.next(site.end, &[')'])?;
    let inside = &site.text[site.end..close];
    let (name, version) = inside.split_once(' ')?;
    let versioned = version.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(word);
    (versioned && site.text[close..].starts_with(") ")).then(|| Edit::drop(site.at..close + 2)).flatten()
}

/// `order.dart 12:5 Order.settle`: the line between file and function.
pub(super) fn dart_line(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_digit() || b == b':');
    (end > site.end && site.text[end..].starts_with(' ')).then(|| Edit::drop(site.end - 1..end)).flatten()
}

/// `File "/app/pay.py", line 3, in save`: the way to say it, not the place.
pub(super) fn said(site: &Site<'_>) -> Option<Edit> {
    match site.marker_text() {
        "File \"" => (site.at == 0).then(|| Edit::drop(site.at..site.end)).flatten(),
        _ => Edit::put(site.at..site.end, " in "),
    }
}
