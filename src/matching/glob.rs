//! Patterns of matchers: text in which `*` stands for any run of characters.
//!
//! Promises: linear in the text, whatever the pattern; ASCII letters match in either case. Deliberately not here: `?`,
//! character sets, alternatives; a second route says "or" more readably.

use memchr::memmem::Finder;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    head: Vec<u8>,
    /// What follows the first `*`; `None` when there is none, and the text must be the head.
    rest: Option<Rest>,
}

#[derive(Clone, Debug)]
struct Rest {
    /// Lower-cased pieces that must be found one after another.
    middle: Vec<Finder<'static>>,
    tail: Vec<u8>,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Glob {
        let pattern = pattern.to_ascii_lowercase();
        let mut pieces: Vec<&str> = pattern.split('*').collect();
        let head = pieces.remove(0).as_bytes().to_vec();
        let rest = pieces.pop().map(|tail| Rest {
            middle: pieces
                .iter()
                .filter(|piece| !piece.is_empty())
                .map(|piece| Finder::new(piece).into_owned())
                .collect(),
            tail: tail.as_bytes().to_vec(),
        });
        Glob { head, rest }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let Some(Rest { middle, tail }) = &self.rest else { return text.eq_ignore_ascii_case(&self.head) };
        let Some(inner_len) = text.len().checked_sub(self.head.len() + tail.len()) else { return false };
        let (head, after) = text.split_at(self.head.len());
        let (inner, end) = after.split_at(inner_len);
        if !head.eq_ignore_ascii_case(&self.head) || !end.eq_ignore_ascii_case(tail) {
            return false;
        }
        if middle.is_empty() {
            return true;
        }
        let lowered = inner.to_ascii_lowercase();
        let mut from = 0;
        middle.iter().all(|piece| match piece.find(&lowered[from..]) {
            Some(at) => {
                from += at + piece.needle().len();
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_by_example() {
        let table = [
            ("prod", "prod", true),
            ("prod", "PROD", true),
            ("prod", "prod2", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("*", "anything", true),
            ("order-*", "order-api", true),
            ("order-*", "order-", true),
            ("order-*", "reorder-api", false),
            ("*-api", "order-api", true),
            ("*-api", "api", false),
            ("*.pay.*", "com.acme.Pay.Service", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("**", "x", true),
            ("주문*", "주문 실패", true),
            ("*timeout*timeout*", "a timeout only once", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    /// The definition: exponential, and obviously right.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some((b'*', rest)), None) => by_definition(rest, text),
            (Some((b'*', rest)), Some((_, after))) => by_definition(rest, text) || by_definition(pattern, after),
            (Some((p, rest)), Some((t, after))) => p.eq_ignore_ascii_case(t) && by_definition(rest, after),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_the_definition(pattern in "[abA*]{0,8}", text in "[abB]{0,10}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&text), by_definition(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
