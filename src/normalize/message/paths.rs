//! Paths, in URLs and on disks: the directory names stay, the parameters among them go.
//!
//! Promises: the same table of parameters as request URLs (`url`). Deliberately not here: hosts and ports.

use std::borrow::Cow;

use super::site::Site;
use super::{Edit, site::CLASS, site::Class};
use crate::normalize::rewrite::Put;
use crate::normalize::{Version, url};

/// Directories whose files are made and thrown away.
const TEMPORARY: &[&str] =
    &["/tmp/", "/var/tmp/", "/var/folders/", "/private/var/folders/", "/private/tmp/", "/dev/shm/"];

/// Extensions of source files: a number behind one is a line, not a port.
const SOURCES: &[&str] = &[
    "c", "cc", "clj", "cpp", "cs", "erb", "ex", "go", "groovy", "java", "js", "jsx", "kt", "mjs", "php", "py", "rb",
    "rs", "scala", "swift", "ts", "tsx", "vue", "yml", "yaml", "json", "xml", "csv",
];

pub(super) fn is_source(extension: &str) -> bool {
    SOURCES.contains(&extension)
}

fn in_path(b: u8) -> bool {
    !matches!(
        b,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | b'"'
            | b'\''
            | b'`'
            | b'('
            | b')'
            | b','
            | b';'
            | b'|'
            | b'?'
            | b'#'
            | b'&'
            | b'='
            | b'*'
            | 0
    )
}

/// `/tmp/upload_60f2c121/x.tmp`, `C:\Users\kim\AppData\Local\Temp\x`.
pub(super) fn temporary(site: &Site<'_>) -> Option<Edit> {
    let opened = CLASS[site.before(site.at) as usize] == Class::Other
        && !matches!(site.before(site.at), b'/' | b'.' | b'_' | b'-');
    let known = TEMPORARY.iter().any(|directory| site.text[site.at..].starts_with(directory));
    let end = || trimmed(site, site.run(site.at, in_path));
    (opened && known).then(|| Edit::put(site.at..end(), "<path>")).flatten()
}

/// A sentence's punctuation behind a path is not the path's.
fn trimmed(site: &Site<'_>, end: usize) -> usize {
    let text = &site.text[site.at..end];
    site.at + text.trim_end_matches(['.', ':', ']', '>', '!']).len()
}

/// `/v1/items/42?page=2`: one path, with its parameters for `{id}` and without its query.
pub(super) fn parameters(site: &Site<'_>) -> Option<Edit> {
    if site.at < site.paths_read.get() {
        return None;
    }
    let before = site.before(site.at);
    // `3/4` is a fraction, `</div>` a tag.
    if matches!(before, b'<' | b'/' | b'\\') || before.is_ascii_digit() && !in_address(site) {
        return None;
    }
    let end = trimmed(site, site.run(site.at, |b| in_path(b) && b != b'[' && b != b']' && b != b':' && b != b'@'));
    let path = &site.text[site.at..end];
    if path.len() < 2 || starts_with_address(&path[1..]) {
        return None;
    }
    if !path.bytes().any(|b| b.is_ascii_digit()) && site.byte(end) != b'?' {
        site.paths_read.set(end);
        return None;
    }
    let mut out = String::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // Stores fan their files out by the first digits of the hash.
        let fan = (1..=3).contains(&segment.len())
            && segment.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
            && segments.peek().is_some_and(|next| url::parameter(site.version, next).is_some());
        out.push('/');
        out.push_str(&if fan { "{id}".into() } else { file_name(site.version, segment) });
    }
    let mut cut = end;
    if site.byte(end) == b'?' && !matches!(site.byte(end + 1), b' ' | b'\n' | 0 | b'"' | b'\'' | b')') {
        cut = site.run(end, |b| in_path(b) || matches!(b, b'?' | b'&' | b'=' | b'#' | b';' | b',' | b'*'));
        cut = end + site.text[end..cut].trim_end_matches(['.', ':', ']', '>', '!', ',', ';']).len();
    }
    let put = if out == path && cut == end { Put::Same } else { Put::Composed(out) };
    Some(Edit { cut: site.at..cut, put })
}

/// A segment, or `{id}`; a file keeps its extension.
fn file_name(version: Version, segment: &str) -> Cow<'_, str> {
    match segment.rsplit_once('.') {
        Some((stem, extension))
            if (1..=5).contains(&extension.len())
                && extension.starts_with(|c: char| c.is_ascii_alphabetic())
                && url::parameter(version, stem).is_some() =>
        {
            format!("{{id}}.{extension}").into()
        }
        _ if url::parameter(version, segment).is_some() => "{id}".into(),
        _ => segment.into(),
    }
}

/// Whether this is the path of a URL whose host ends with a digit (`http://10.0.0.1:8080/…`).
fn in_address(site: &Site<'_>) -> bool {
    let low = site.at.saturating_sub(100);
    let authority = site.bytes()[low..site.at]
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'@'))
        .count();
    site.bytes()[..site.at - authority].ends_with(b"//")
}

/// `host/10.0.0.1:5432`, as Java writes a socket address.
fn starts_with_address(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].split('.').count() == 4 && !text[..end].split('.').any(str::is_empty)
}
