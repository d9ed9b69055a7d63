//! Values that the configuration writes in a form of its own: secrets, long texts and spans of time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};

/// A value that is never shown. In TOML a text, or `{ file = "PATH" }` for the trimmed content of a file, or
/// `{ env = "NAME" }` for an environment variable.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The value itself. Whoever calls this must neither log nor show it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a text, { file = \"PATH\" } or { env = \"NAME\" }")]
        enum Form {
            Text(String),
            File(FileForm),
            Env(EnvForm),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct EnvForm {
            env: String,
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Secret(text)),
            Form::File(FileForm { file }) => std::fs::read_to_string(&file)
                .map(|text| Secret(text.trim().to_owned()))
                .map_err(|why| unreadable(&file, &why)),
            Form::Env(EnvForm { env }) => std::env::var(&env)
                .map(Secret)
                .map_err(|_| de::Error::custom(format!("the environment variable {env} is not set"))),
        }
    }
}

/// A text that may be long: in TOML as it is, or `{ file = "PATH" }`. Only where it stands is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's path, when it has one of its own.
    pub file: Option<PathBuf>,
    /// The text itself.
    pub text: String,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("file", &self.file).field("bytes", &self.text.len()).finish()
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a text or { file = \"PATH\" }")]
        enum Form {
            Text(String),
            File(FileForm),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Source { file: None, text }),
            Form::File(FileForm { file }) => {
                let text = std::fs::read_to_string(&file).map_err(|why| unreadable(&file, &why))?;
                Ok(Source { file: Some(file), text })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    file: PathBuf,
}

fn unreadable<E: de::Error>(file: &Path, why: &std::io::Error) -> E {
    E::custom(format!("cannot read the file {}: {why}", file.display()))
}

/// A URL's user or password as it was meant.
pub(crate) fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        let pair =
            digit(rest.next()).zip(digit(rest.next())).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        bytes.push(
            pair.ok_or("the URL's user or password has a % that two hexadecimal digits do not follow; write %25")?,
        );
    }
    String::from_utf8(bytes).map_err(|_| "the URL's user or password is not UTF-8".to_owned())
}

/// A span of time, written with its unit: `"500ms"`, `"30s"`, `"10m"`, `"1h"`, `"7d"`, also combined (`"1h30m"`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// A span of whole seconds.
    pub const fn secs(seconds: u64) -> Span {
        Span(Duration::from_secs(seconds))
    }

    /// A span of milliseconds.
    pub const fn millis(milliseconds: u64) -> Span {
        Span(Duration::from_millis(milliseconds))
    }

    /// The span as the standard library's.
    pub fn get(self) -> Duration {
        self.0
    }

    /// Reads the written form.
    pub fn parse(text: &str) -> Result<Span, String> {
        let bad = || {
            format!("{text:?} is not a span of time: write a number and a unit, such as \"30s\", \"10m\" or \"1h30m\"")
        };
        let mut rest = text.trim();
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let (number, after) = rest.split_at(digits);
            let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(unit_end);
            let ms_per_unit: u64 = match unit.trim() {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 7 * 86_400_000,
                _ => return Err(bad()),
            };
            let ms = number.parse::<u64>().ok().and_then(|n| n.checked_mul(ms_per_unit)).ok_or_else(bad)?;
            total = total.checked_add(Duration::from_millis(ms)).ok_or_else(bad)?;
            rest = after;
        }
        // A century: beyond it sums of moments would have to be checked everywhere.
        if total > Duration::from_secs(100 * 366 * 86_400) {
            return Err(format!("{text:?} is longer than a hundred years"));
        }
        Ok(Span(total))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_units() {
        let ms = |text| Span::parse(text).map(|s| s.get().as_millis());
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("0s"), Ok(0));
        for bad in ["", "5", "h", "-1s", "1 fortnight", "99999999999999999999s", "200000w"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }
}
