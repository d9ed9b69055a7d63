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

/// `C:\Users\kim\AppData\Local\Temp\x.tmp`, `D:\in\20240501\7.csv`: from the drive's colon.
pub(super) fn windows(site: &Site<'_>) -> Option<Edit> {
    let drive = site.before(site.at).is_ascii_alphabetic()
        && site.byte(site.at + 1) == b'\\'
        && (site.at < 2 || !site.before(site.at - 1).is_ascii_alphanumeric());
    if !drive {
        return None;
    }
    let end = site.run(site.at + 1, |b| in_path(b) && !matches!(b, b':' | b'[' | b']' | b'<' | b'>'));
    let end = site.at + site.text[site.at..end].trim_end_matches(['.', '!']).len();
    let path = &site.text[site.at..end];
    if ["\\Temp\\", "\\temp\\", "\\Tmp\\"].iter().any(|temporary| path.contains(temporary)) && site.at > site.floor {
        return Edit::put(site.at - 1..end, "<path>");
    }
    let mut out = String::from(":");
    let mut of_users = false;
    for segment in path[1..].split('\\').skip(1) {
        out.push('\\');
        out.push_str(&if of_users && !segment.is_empty() {
            url::PARAMETER.into()
        } else {
            file_name(site.version, segment)
        });
        of_users = segment.eq_ignore_ascii_case("users");
    }
    let put = if out == path { Put::Same } else { Put::Composed(out) };
    Some(Edit { cut: site.at..end, put })
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
        // Actors: those without a name are numbered, those with one are often named after what they are of.
        let actor = site.version >= Version::V2 && path.contains("/user/");
        let named = numbered(segment).filter(|_| actor);
        out.push_str(&match named {
            Some(number) => format!("{}{{id}}", &segment[..number]).into(),
            None if fan || actor && segment.starts_with('$') => url::PARAMETER.into(),
            None => file_name(site.version, segment),
        });
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
    let longest = if version >= Version::V2 { 8 } else { 5 };
    match segment.rsplit_once('.') {
        Some((stem, extension)) if version >= Version::V2 && numbered(stem).is_some() && is_extension(extension) => {
            format!("{}{{id}}.{extension}", &stem[..numbered(stem).unwrap_or(0)]).into()
        }
        Some((stem, extension))
            if (1..=longest).contains(&extension.len())
                && extension.starts_with(|c: char| c.is_ascii_alphabetic())
                && url::parameter(version, stem).is_some() =>
        {
            format!("{{id}}.{extension}").into()
        }
        _ if url::parameter(version, segment).is_some() => url::PARAMETER.into(),
        _ => segment.into(),
    }
}

fn is_extension(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Where the number of `part-00012` begins: letters, a joint, digits.
fn numbered(stem: &str) -> Option<usize> {
    let number = stem.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_')).len();
    let joint = stem[number..].starts_with(['-', '_']);
    let digits = stem[number..].bytes().filter(u8::is_ascii_digit).count();
    let letters = number > 1 && stem[..number].bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'));
    (joint && digits >= 1 && letters && stem.ends_with(|c: char| c.is_ascii_digit())).then_some(number + 1)
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
