//! What discriminates: rules that protect.
//!
//! Promises: every rule here answers with a kept range, or with nothing. Deliberately not here: rules that mask.

use super::Edit;
use super::context::{CODE_ENDINGS, CODE_WORDS, REASONS, STATUS_WORDS, ends_like, in_table, word_after, word_before};
use super::site::{Shape, Site, Word};

/// Families whose number is part of the name, also across a `-`, a `/` or a space: `UTF-8`, `HTTP/2`, `TLS 1.3`.
const FAMILIES: &[&str] = &[
    "aes", "base", "cp", "crc", "ec", "ed", "euc", "h", "http", "ieee", "ipv", "iso", "java", "jdk", "ks", "latin",
    "md", "mpeg", "oauth", "rfc", "rsa", "s", "scram", "sha", "spdy", "ssl", "sslv", "tls", "tlsv", "utf", "v",
    "windows",
];

/// Digits a code has at most; longer ones are identifiers.
const CODE_DIGITS: usize = 6;

/// A number, alone: nothing joins it to more digits.
fn alone(site: &Site<'_>, end: usize) -> bool {
    let next = site.byte(end);
    let joined = matches!(next, b'-' | b'.' | b',' | b':' | b'/') && site.byte(end + 1).is_ascii_alphanumeric();
    site.ends(end) && !joined
}

/// `status 503`, `errno=13`, `Error: 1205`, `SQLCODE=-803`, `vendorCode 1062`, `exit code 139`.
pub(super) fn behind_code_word(site: &Site<'_>) -> Option<Edit> {
    let short = site.word.len() <= CODE_DIGITS && alone(site, site.word.end);
    if !short {
        return None;
    }
    let (word, between) = word_before(site, site.at);
    let code = in_table(word, CODE_WORDS) || word.len() > 5 && ends_like(word, CODE_ENDINGS);
    // `error of 12`, `errors: 12` are counts; so is `error 12 times`, but nothing tells it from a code.
    (code && between.len() <= 3 && !between.is_empty()).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// `ERROR 1062 (23000)`: a code in parentheses behind a code.
pub(super) fn behind_code(site: &Site<'_>) -> Option<Edit> {
    if site.word.len() != 5 || site.before(site.at) != b'(' || site.byte(site.word.end) != b')' {
        return None;
    }
    let open = site.at - 1;
    let number_end = open.checked_sub(1).filter(|at| site.bytes()[*at] == b' ')?;
    let digits = site.bytes()[..number_end].iter().rev().take(7).take_while(|b| b.is_ascii_digit()).count();
    let (word, _) = word_before(site, number_end - digits);
    (digits > 0 && in_table(word, CODE_WORDS)).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// The same, but neither a process in a log line (`ERROR 4711 --- [main]`) nor a code with a fraction.
pub(super) fn code(site: &Site<'_>) -> Option<Edit> {
    let process = site.text[site.word.end..].starts_with(" --- ");
    behind_code_word(site).or_else(|| numbered_error(site)).filter(|_| !process)
}

/// `Error Number:1205,State:1`, as SQL Server's drivers say.
fn numbered_error(site: &Site<'_>) -> Option<Edit> {
    let (word, between) = word_before(site, site.at);
    let number = word.eq_ignore_ascii_case("number") && matches!(between, ":" | " " | ": " | "=");
    let error = || {
        let behind = super::context::before(site, site.at - between.len() - word.len(), 6);
        behind.get(..5).is_some_and(|behind| behind.eq_ignore_ascii_case("error"))
    };
    let short = site.word.len() <= CODE_DIGITS && site.ends(site.word.end);
    (number && short && error()).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// `version 61.0`: digits and a dot behind that word.
pub(super) fn told_version(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.word.end + 1);
    let (word, between) = word_before(site, site.at);
    let told = matches!(between, " " | ": " | "=") && in_table(word, &["version", "버전"]);
    (told && end > site.word.end + 1 && site.ends(end)).then(|| Edit::keep(site.at..end)).flatten()
}

/// The port of a service, also behind a bare name that something was to reach, and of no host in particular (`:::8080`).
pub(super) fn port(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.at + 1);
    let rest = &site.text[end..];
    if [" ms", "ms", " s ", " sec"].iter().any(|unit| rest.starts_with(unit)) {
        return None;
    }
    service_port(site).or_else(|| {
        let port = site.number(site.at + 1, end).filter(|port| (20..32768).contains(port))?;
        let any = site.text[..site.at].ends_with("::") && port > 0;
        let host = site.bytes()[..site.at].iter().rev().take(40).take_while(|b| b.is_ascii_lowercase()).count();
        let (word, between) = word_before(site, site.at - host);
        let reached = host > 1 && between == " " && in_table(word, &["host", "lookup", "reach", "tcp", "connect"]);
        ((any || reached) && site.ends(end)).then(|| Edit::keep(site.at..end)).flatten()
    })
}

/// `port=8080`, `(port 8443)`: a service's, when it is not an ephemeral one.
pub(super) fn named_port(site: &Site<'_>) -> Option<Edit> {
    if !(2..=5).contains(&site.word.len()) {
        return None;
    }
    let (word, between) = word_before(site, site.at);
    let named = matches!(between, " " | "=" | ": ") && in_table(word, &["port", "포트"]);
    let service = || site.number(site.at, site.word.end).is_some_and(|port| (20..32768).contains(&port));
    (named && alone(site, site.word.end) && service()).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// `404 Not Found`, `[503 Service Unavailable]`, `returned 502`.
pub(super) fn http_status(site: &Site<'_>) -> Option<Edit> {
    let status = site.number(site.at, site.word.end).filter(|n| site.word.len() == 3 && (100..600).contains(n))?;
    let after = site.byte(site.word.end);
    let reason = word_after(site, site.word.end);
    let phrase = REASONS.iter().any(|(code, first)| *code == status && first.eq_ignore_ascii_case(reason));
    let told = || {
        let (word, between) = word_before(site, site.at);
        let unit = after == b' '
            && !reason.is_empty()
            && !matches!(reason, "from" | "for" | "on" | "in" | "while" | "when" | "to" | "at");
        status >= 400 && alone(site, site.word.end) && !unit && between.len() <= 2 && in_table(word, STATUS_WORDS)
    };
    (phrase || told()).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// `40P01`, `42S02`, `08S01`: SQLSTATE by its shape.
pub(super) fn sqlstate(site: &Site<'_>) -> Option<Edit> {
    let b = site.word_text().as_bytes();
    let shaped = b.len() == 5
        && site.word.upper
        && b[..2].iter().all(|b| b.is_ascii_digit() || matches!(b, b'H' | b'X' | b'P' | b'F' | b'Y' | b'V'))
        && b[3..].iter().all(u8::is_ascii_digit);
    (shaped && site.ends(site.word.end)).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// `ORA-00001`, `CPN-1003`, `ERR_COUPON_4203`: capitals, a joint, a short number.
pub(super) fn capitals_and_number(site: &Site<'_>) -> Option<Edit> {
    let joint = site.byte(site.word.end);
    let number = Word::read(site.bytes(), site.word.end + 1);
    let code = site.word.upper
        && site.word.len() >= 2
        && number.shape == Shape::Digits
        && (2..=CODE_DIGITS).contains(&number.len())
        && (joint == b'-' || joint == b'_')
        && alone(site, number.end)
        && site.byte(number.end) != b'_';
    code.then(|| Edit::keep(site.at..number.end)).flatten()
}

/// `UTF-8`, `SHA-256`, `ISO-8859-1`, `HTTP/1.1`, `TLS 1.3`, `TLSv1.2`.
pub(super) fn family(site: &Site<'_>) -> Option<Edit> {
    let letters = site.word_text();
    // Nearly no word has a digit behind its joint, so that is asked before the table.
    if !site.byte(site.word.end + 1).is_ascii_digit()
        || site.byte(site.word.end) == b' ' && !site.word.upper
        || !in_table(letters, FAMILIES)
    {
        return None;
    }
    let mut end = site.word.end;
    while matches!(site.byte(end), b'-' | b'/' | b'.') || end == site.word.end {
        let digits = site.digits(end + 1);
        if digits == end + 1 || digits > end + 6 || !site.ends(digits) {
            break;
        }
        end = digits;
    }
    let small = end > site.word.end && (letters.len() > 1 || site.byte(site.word.end) != b' ');
    small.then(|| Edit::keep(site.at..end)).flatten()
}

/// `S3`, `v2`, `oauth2`, `H264`, `TLSv1.2`, `b2b`, `5xx`, `E11000`: letters and few digits are a name.
pub(super) fn name_with_digits(site: &Site<'_>) -> Option<Edit> {
    let word = site.word_text();
    let bytes = word.as_bytes();
    let letter_first = bytes[0].is_ascii_alphabetic();
    let groups = bytes.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = bytes.len() - digits;
    let known = || in_table(word.trim_end_matches(|c: char| c.is_ascii_digit()), FAMILIES);
    let named = match (letter_first, groups) {
        (true, 1) => digits <= 3 || digits <= 5 && site.word.upper || digits <= 4 && known(),
        (true, 2 | 3) => digits <= 3 && letters >= digits,
        // `5xx` and `2fa`, but neither `30s` nor `12a`.
        (false, 1) => {
            digits == 1
                && bytes[1] != b'x'
                && letters == 2
                && !matches!(&bytes[1..], b"ms" | b"us" | b"ns" | b"kb" | b"mb" | b"gb")
        }
        _ => false,
    };
    if !named {
        return None;
    }
    let mut end = site.word.end;
    while site.byte(end) == b'.' && site.digits(end + 1) > end + 1 && site.ends(site.digits(end + 1)) {
        end = site.digits(end + 1);
    }
    Edit::keep(site.at..end)
}

/// `order_2`, `idx_10`: a short number in a snake-case name.
pub(super) fn snake_number(site: &Site<'_>) -> Option<Edit> {
    let joined = site.before(site.at) == b'_' && site.at >= 2 && site.bytes()[site.at - 2].is_ascii_alphanumeric();
    (joined && site.word.len() <= 3 && site.ends(site.word.end)).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// `redis-main:6379`, `10.0.3.7:5432`: a port below the ephemeral ones says which dependency it is.
pub(super) fn service_port(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.at + 1);
    let port = site.number(site.at + 1, end)?;
    let chars = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'<' | b'>' | b']');
    let low = site.at.saturating_sub(80);
    let len = site.bytes()[low..site.at].iter().rev().take_while(|b| chars(**b)).count();
    let host = site.text.get(site.at - len..site.at)?;
    let file = host.rsplit_once('.').is_some_and(|(_, extension)| super::paths::is_source(extension));
    let dashed = host.contains('-') || host.contains('.') || matches!(host, "localhost" | "<ip>");
    let named = dashed || site.text[..site.at - len].ends_with("//") || host.ends_with("]");
    let service = (20..32768).contains(&port) && end - site.at <= 6;
    let whole = site.ends(end) && !(matches!(site.byte(end), b':' | b'.') && site.byte(end + 1).is_ascii_digit());
    (named && service && whole && !file && len > 1).then(|| Edit::keep(site.at..end)).flatten()
}

/// `('10.0.3.7', 5432)`: the port of an address as Python prints it.
pub(super) fn port_in_tuple(site: &Site<'_>) -> Option<Edit> {
    let port = site.number(site.at, site.word.end)?;
    let low = site.at.saturating_sub(80);
    let before = site.bytes()[low..site.at].strip_suffix(b", ")?;
    let (quote, before) = before.split_last().filter(|(quote, _)| matches!(quote, b'\'' | b'"'))?;
    let host = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'<' | b'>');
    let len = before.iter().rev().take_while(host).count();
    let opened = before[..before.len() - len].ends_with(&[b'(', *quote]);
    let address = len > 0 && opened && matches!(site.byte(site.word.end), b')' | b',');
    (address && (20..32768).contains(&port)).then(|| Edit::keep(site.at..site.word.end)).flatten()
}

/// `0x80004005`: an HRESULT.
pub(super) fn hresult(site: &Site<'_>) -> Option<Edit> {
    let hex = site.word_text().strip_prefix("0x")?;
    let failure = hex.len() == 8 && hex.starts_with(['8', 'C', 'c']) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let (word, _) = word_before(site, site.at);
    let coded = in_table(word, CODE_WORDS) || ends_like(word, CODE_ENDINGS);
    (failure || coded && hex.len() <= 8).then(|| Edit::keep(site.at..site.word.end)).flatten()
}
