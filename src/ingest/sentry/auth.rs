//! Which project key a request of a Sentry SDK carries, and where.
//!
//! Promises: the four places in which SDKs put it are looked at in a fixed order, and the first key found counts.
//! Deliberately not here: whether the key is one of ours.

use std::fmt;

/// Longer ones are nobody's: Sentry's keys have 32 characters, and so have ours.
const KEY_CHARS_MAX: usize = 64;

/// A project key as sent. It may only send, but it is still no text for logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<'a>(&'a str);

impl<'a> Key<'a> {
    /// A text that has the form of a key.
    fn new(text: &'a str) -> Option<Key<'a>> {
        let is_key = (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        is_key.then_some(Key(text))
    }

    /// The key.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The key of a request: of `X-Sentry-Auth`, `Authorization`, the query string, or the DSN in the envelope's header.
pub(crate) fn key_of<'a>(
    x_sentry_auth: Option<&'a str>,
    authorization: Option<&'a str>,
    query: Option<&'a str>,
    envelope_dsn: Option<&'a str>,
) -> Option<Key<'a>> {
    x_sentry_auth
        .and_then(of_header)
        .or_else(|| authorization.and_then(of_header))
        .or_else(|| query.and_then(of_query))
        .or_else(|| envelope_dsn.and_then(of_dsn))
}

/// `Sentry sentry_version=7, sentry_key=…, sentry_client=…`, with or without blanks after the commas.
fn of_header(header: &str) -> Option<Key<'_>> {
    let header = header.trim();
    let parts = match header.split_once(' ') {
        Some((scheme, parts)) if scheme.eq_ignore_ascii_case("sentry") => parts,
        _ => header,
    };
    parts.split([',', ' ']).find_map(|part| Key::new(part.strip_prefix("sentry_key=")?.trim_matches('"')))
}

/// `sentry_key=…&sentry_version=7`. A key holds nothing that is percent-encoded.
fn of_query(query: &str) -> Option<Key<'_>> {
    query.split('&').find_map(|part| Key::new(part.strip_prefix("sentry_key=")?))
}

/// `http://KEY@host/PROJECT`, of old clients `http://KEY:SECRET@host/PROJECT`.
fn of_dsn(dsn: &str) -> Option<Key<'_>> {
    let (_, rest) = dsn.split_once("://")?;
    let (user, _) = rest.split_once('@')?;
    Key::new(user.split(':').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn sdks_put_their_key_in_four_places() {
        let header = format!("Sentry sentry_version=7, sentry_key={KEY}, sentry_client=sentry.java/8.1");
        let tight = format!("sentry sentry_key={KEY},sentry_version=7");
        let query = format!("sentry_version=7&sentry_key={KEY}&sentry_client=a%2Fb");
        let dsn = format!("https://{KEY}@bongsu.example/3");
        let old_dsn = format!("https://{KEY}:secret@bongsu.example/3");
        let places = [
            key_of(Some(&header), None, None, None),
            key_of(None, Some(&header), None, None),
            key_of(Some(&tight), None, None, None),
            key_of(Some("Sentry sentry_version=7"), Some("Bearer x"), Some(&query), None),
            key_of(None, None, None, Some(&dsn)),
            key_of(None, None, Some("a=b"), Some(&old_dsn)),
        ];
        for (place, key) in places.into_iter().enumerate() {
            assert_eq!(key.map(Key::as_str), Some(KEY), "place {place}");
        }
    }

    #[test]
    fn what_is_not_a_key_is_none() {
        let long = format!("sentry_key={}", "a".repeat(KEY_CHARS_MAX + 1));
        for header in
            ["", "Sentry", "sentry_key=", "Sentry sentry_key=a/b", "Sentry xsentry_key=ab", "Bearer abc", &long]
        {
            assert_eq!(key_of(Some(header), Some(header), Some(header), Some(header)), None, "{header}");
        }
        for dsn in ["", "key@host", "http://host/1", "http://@host/1", "http://:secret@host/1"] {
            assert_eq!(key_of(None, None, None, Some(dsn)), None, "{dsn}");
        }
    }

    #[test]
    fn a_key_is_not_for_logs() {
        assert_eq!(format!("{:?}", Key::new(KEY).unwrap()), "Key(…)");
    }
}
