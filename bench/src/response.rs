//! Reads an HTTP/1.1 answer, as far as a generator must.
//!
//! Promises: a status, a body by its `Content-Length`, and nothing allocated. Deliberately not here: chunked answers,
//! trailers, 1xx: none of the measured servers sends any, and one that does is an error rather than a wrong figure.

use memchr::{memchr, memmem};

/// A whole answer at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Bytes of head and body.
    pub(crate) length: usize,
}

/// Not an answer the generator can read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// The first answer in `bytes`; `None` while it is not all there.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Response<'_>>, Unreadable> {
    let Some(head_end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..head_end + 2];
    let status = status(head)?;
    let body_at = head_end + 4;
    let length = body_at.saturating_add(content_length(head)?);
    Ok(bytes.get(body_at..length).map(|body| Response { status, body, length }))
}

fn status(head: &[u8]) -> Result<u16, Unreadable> {
    match head {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', digits @ ..] if digits.len() > 3 => digits[..3]
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0')))
            .ok_or(Unreadable("the status is not a number")),
        _ => Err(Unreadable("not an HTTP/1 answer")),
    }
}

fn content_length(head: &[u8]) -> Result<usize, Unreadable> {
    const NAME: &[u8] = b"content-length:";
    let mut rest = head;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let number = std::str::from_utf8(&line[NAME.len()..]).map(str::trim);
            return number.ok().and_then(|text| text.parse().ok()).ok_or(Unreadable("Content-Length is not a number"));
        }
        rest = &rest[end + 1..];
    }
    Err(Unreadable("no Content-Length"))
}

/// What a native answer says became of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) accepted: u64,
    /// Outcomes named.
    pub(crate) named: u64,
    pub(crate) alerted: u64,
}

/// Counts the outcomes in the body of a native answer, without parsing all of it.
pub(crate) struct OutcomeCounter {
    accepted: memmem::Finder<'static>,
    outcome: memmem::Finder<'static>,
}

impl OutcomeCounter {
    pub(crate) fn new() -> OutcomeCounter {
        OutcomeCounter {
            accepted: memmem::Finder::new(b"\"accepted\":"),
            outcome: memmem::Finder::new(b"\"outcome\":\""),
        }
    }

    pub(crate) fn count(&self, body: &[u8]) -> Outcomes {
        let mut outcomes = Outcomes::default();
        if let Some(at) = self.accepted.find(body) {
            let digits = body[at + self.accepted.needle().len()..].iter().take_while(|byte| byte.is_ascii_digit());
            outcomes.accepted = digits.fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
        }
        for at in self.outcome.find_iter(body) {
            outcomes.named += 1;
            let name = &body[at + self.outcome.needle().len()..];
            outcomes.alerted += u64::from(name.starts_with(b"alerted\""));
        }
        outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_when_they_are_whole() {
        let whole = b"HTTP/1.1 202 Accepted\r\ncontent-type: x\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), Ok(None), "{cut}");
        }
        let expected = Response { status: 202, body: b"hello", length: whole.len() };
        assert_eq!(parse(whole), Ok(Some(expected)));
        let two = [whole.as_slice(), whole].concat();
        assert_eq!(parse(&two).unwrap().unwrap().length, whole.len());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for (bytes, why) in [
            (&b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..], "no Content-Length"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "Content-Length is not a number"),
            (b"HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n", "the status is not a number"),
            (b"SSH-2.0\r\n\r\n", "not an HTTP/1 answer"),
        ] {
            assert_eq!(parse(bytes), Err(Unreadable(why)));
        }
    }

    #[test]
    fn outcomes_are_counted() {
        let body = br#"{"accepted":12,"outcomes":[{"outcome":"alerted","ordinal":1},
            {"fingerprint":"x","outcome":"suppressed","reason":"budget"},{"outcome":"rejected"}]}"#;
        assert_eq!(OutcomeCounter::new().count(body), Outcomes { accepted: 12, named: 3, alerted: 1 });
        assert_eq!(OutcomeCounter::new().count(b"{}"), Outcomes::default());
    }
}
