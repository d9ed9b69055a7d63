//! JSON that strict readers refuse and that clients send all the same.
//!
//! Texts cut in the middle of a character (a lone half of a surrogate pair from JavaScript, invalid UTF-8 from others),
//! raw control characters and unknown escapes in texts, `NaN` and infinite numbers. Promises: linear time, and a result
//! only when there was something to mend; called after a strict read has failed, so a sound event never pays for it.
//! Deliberately not here: truncated documents, trailing commas, comments: no known client sends those.

use memchr::memchr2;

/// The same text with what is known to be mendable mended; `None` when there is nothing of that kind.
pub(crate) fn mended(json: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(json);
    let mut mender = Mender { rest: &text, out: String::with_capacity(text.len()), changed: false };
    mender.run();
    let (out, changed) = (mender.out, mender.changed);
    (changed || matches!(text, std::borrow::Cow::Owned(_))).then_some(out)
}

struct Mender<'a> {
    rest: &'a str,
    out: String,
    changed: bool,
}

impl Mender<'_> {
    fn run(&mut self) {
        while let Some(first) = self.rest.bytes().next() {
            match first {
                b'"' => {
                    self.keep(1);
                    self.string();
                }
                b'-' | b'0'..=b'9' | b'N' | b'I' => self.number(),
                _ => self.keep(self.rest.chars().next().map_or(1, char::len_utf8)),
            }
        }
    }

    fn keep(&mut self, bytes: usize) {
        let (kept, rest) = self.rest.split_at(bytes);
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn replace(&mut self, bytes: usize, by: &str) {
        self.out.push_str(by);
        self.rest = &self.rest[bytes..];
        self.changed = true;
    }

    /// A number, or what other languages write for one that JSON has not.
    fn number(&mut self) {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
        let token = &self.rest[..end.unwrap_or(self.rest.len())];
        // `f64` reads `NaN`, `Infinity` and `1e999` too, so finite is the one question.
        match token.parse::<f64>() {
            Ok(number) if !number.is_finite() => self.replace(token.len(), "null"),
            _ => self.keep(token.len().max(1)),
        }
    }

    /// The rest of a string, with its closing quote.
    fn string(&mut self) {
        loop {
            let stop = memchr2(b'"', b'\\', self.rest.as_bytes()).unwrap_or(self.rest.len());
            self.characters(stop);
            match self.rest.bytes().next() {
                Some(b'\\') => self.escape(),
                Some(_) => return self.keep(1),
                None => return,
            }
        }
    }

    /// A run of characters without escapes: control characters may not stand in it.
    fn characters(&mut self, bytes: usize) {
        let end = self.rest.len() - bytes;
        while self.rest.len() > end {
            let run = &self.rest[..self.rest.len() - end];
            let sound = run.bytes().position(|b| b < 0x20).unwrap_or(run.len());
            self.keep(sound);
            match self.rest.bytes().next() {
                Some(b'\n') if sound < run.len() => self.replace(1, "\\n"),
                Some(b'\t') if sound < run.len() => self.replace(1, "\\t"),
                Some(_) if sound < run.len() => self.replace(1, " "),
                _ => {}
            }
        }
    }

    fn escape(&mut self) {
        match self.rest.as_bytes().get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.keep(2),
            Some(b'u') => match (unit(self.rest), unit(self.rest.get(6..).unwrap_or(""))) {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => self.keep(12),
                (Some(0xD800..=0xDFFF), _) => self.replace(6, "\\ufffd"),
                (Some(_), _) => self.keep(6),
                (None, _) => self.replace(1, "\\\\"),
            },
            Some(_) => self.replace(1, "\\\\"),
            None => self.keep(1),
        }
    }
}

/// The UTF-16 unit that an escape at the beginning of the text stands for.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_get_wrong_becomes_json() {
        let cases: [(&[u8], &str); 9] = [
            (br#"{"a":"cut \ud83d"}"#, r#"{"a":"cut \ufffd"}"#),
            (br#"{"a":"\ude00 \ud83d\ude00 \ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd \ud83d\ude00 \ufffd\ud83d\ude00"}"#),
            (b"{\"a\":\"caf\xe9\"}", "{\"a\":\"caf\u{fffd}\"}"),
            (b"{\"a\":\"one\ntwo\tthree\x00\"}", r#"{"a":"one\ntwo\tthree "}"#),
            (br#"{"a":"C:\xampp \u12"}"#, r#"{"a":"C:\\xampp \\u12"}"#),
            (br#"{"a":NaN,"b":-Infinity,"c":1e999}"#, r#"{"a":null,"b":null,"c":null}"#),
            (br#"{"a":"NaN","b":NaN}"#, r#"{"a":"NaN","b":null}"#),
            (br#"[1e999,"\"1e999\""]"#, r#"[null,"\"1e999\""]"#),
            (b"{\"a\":\"\xff", "{\"a\":\"\u{fffd}"),
        ];
        for (sent, wanted) in cases {
            assert_eq!(mended(sent).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_cannot_be_mended_is_left_alone() {
        for sent in [r#"{"a":1.5e3,"b":"\u00e9\"\\"}"#, r#"{"a":"#, "", "\"", "\"\\", "nonsense", r#"{"a":"봉수"}"#] {
            assert_eq!(mended(sent.as_bytes()), None, "{sent}");
        }
    }
}
