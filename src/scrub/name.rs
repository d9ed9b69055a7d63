//! Names whose values are secrets, and how such a name is recognised at the end of a longer one.
//!
//! `_` in the table stands for one optional `_`, `-`, `.` or space, so that `api_key` is also `apiKey`, `Api-Key` and
//! `api key`; case does not matter. A name matches whole or as the last words of a name: `db_password`,
//! `spring.datasource.password`. So `tokenizer`, `password_length` and `max_tokens` do not.
//!
//! Deliberately not here: `key`, `auth`, `code`, `signature` alone. They name ids, states and methods far more often.

use super::scan::begins;

/// A name whose values are secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pattern: Box<[u8]>,
    /// Whether it must be whole words: no English word ends in `password`, but `spin` ends in `pin`.
    bounded: bool,
    /// How far an unquoted value reaches.
    pub(super) reach: Reach,
}

/// How far an unquoted value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the next blank or delimiter.
    Word,
    /// The same, but `name: value` without quotes is prose (`pass: 3`, `cannot open session: timeout`).
    WordUnlessProse,
    /// A scheme and its credentials, else to the line's end.
    Authorization,
    /// To the line's end.
    Line,
}

/// Names that no other word ends in.
const ANYWHERE: &[&str] = &[
    "password",
    "pass_word",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secret_key",
    "token",
    "api_key",
    "access_key",
    "private_key",
    "encryption_key",
    "signing_key",
    "credential",
    "credentials",
    "session_id",
    "sess_id",
    "amz_signature",
    "card_number",
    "비밀 번호",
    "패스워드",
    "비번",
    "암호",
    "토큰",
    "주민번호",
    "주민등록번호",
    "외국인등록번호",
    "여권번호",
    "면허번호",
    "계좌번호",
    "카드번호",
    "인증번호",
];

/// Names that are the end of other words.
const WHOLE_WORDS: &[&str] =
    &["pw", "pin", "pin_code", "otp", "sid", "csrf", "xsrf", "cvc", "cvv", "ssn", "rrn", "jumin", "jumin_no"];

const WITH_REACH: &[(&str, Reach)] = &[
    ("pass", Reach::WordUnlessProse),
    ("session", Reach::WordUnlessProse),
    ("authorization", Reach::Authorization),
    ("cookie", Reach::Line),
    // The older RFC's spelling, still in the wild.
    ("cookie2", Reach::Line),
];

/// All names, found by their last byte.
#[derive(Debug)]
pub(super) struct Names {
    sorted: Vec<Name>,
    /// Where in `sorted` the names with that last byte begin; they end where the next one's begin.
    first: [u16; 257],
}

impl Names {
    /// The built-in names and those of the configuration.
    pub(super) fn new(keys: &[String]) -> Result<Names, String> {
        let name = |text: &str, bounded, reach| Name { pattern: canonical(text), bounded, reach };
        let mut sorted: Vec<Name> = Vec::new();
        sorted.extend(ANYWHERE.iter().map(|text| name(text, false, Reach::Word)));
        sorted.extend(WHOLE_WORDS.iter().map(|text| name(text, true, Reach::Word)));
        sorted.extend(WITH_REACH.iter().map(|(text, reach)| name(text, true, *reach)));
        for key in keys {
            let name = name(key, true, Reach::Word);
            if !name.pattern.iter().any(|b| *b != b'_') {
                return Err(format!("scrub.keys: {key:?} holds no letter or digit that a name could be told by"));
            }
            sorted.push(name);
        }
        if sorted.len() > usize::from(u16::MAX) {
            return Err(format!("scrub.keys: {} names are more than the {} there can be", keys.len(), u16::MAX));
        }
        sorted.sort_by_key(|name| name.pattern.last().copied());
        let mut first = [0; 257];
        for (byte, first) in (0u16..).zip(&mut first) {
            *first = sorted.partition_point(|name| name.pattern.last().is_some_and(|b| u16::from(*b) < byte)) as u16;
        }
        Ok(Names { sorted, first })
    }

    /// The name that ends here, and where it begins.
    pub(super) fn ending_at(&self, text: &[u8], floor: usize, end: usize) -> Option<(&Name, usize)> {
        if end <= floor {
            return None;
        }
        let last = usize::from(text[end - 1].to_ascii_lowercase());
        let candidates = usize::from(self.first[last])..usize::from(self.first[last + 1]);
        self.sorted[candidates].iter().find_map(|name| Some((name, name.begin(text, floor, end)?)))
    }
}

impl Name {
    fn begin(&self, text: &[u8], floor: usize, end: usize) -> Option<usize> {
        let mut at = end;
        for byte in self.pattern.iter().rev() {
            if *byte == b'_' {
                at -= usize::from(at > floor && is_joint(text[at - 1]));
            } else if at > floor && text[at - 1].to_ascii_lowercase() == *byte {
                at -= 1;
            } else {
                return None;
            }
        }
        (!self.bounded || word_begins(text, floor, at)).then_some(at)
    }
}

/// A word of a name begins where any word does, and at the hump of `userPin`.
fn word_begins(text: &[u8], floor: usize, at: usize) -> bool {
    begins(text, floor, at) || text[at].is_ascii_uppercase() && !text[at - 1].is_ascii_uppercase()
}

fn is_joint(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'.' | b' ')
}

fn canonical(name: &str) -> Box<[u8]> {
    name.trim_matches(|c: char| c.is_ascii() && is_joint(c as u8))
        .bytes()
        .map(|b| if is_joint(b) { b'_' } else { b.to_ascii_lowercase() })
        .collect()
}
