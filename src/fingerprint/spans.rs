//! Where two texts differ, in whole words, and an expression that finds such a place.
//!
//! Promises: the smallest spans of whole words that differ; bounded work. Deliberately not here: what the expression is
//! for (`suggest`).

/// Places that differ; with more, the texts have little in common.
const GAPS_MAX: usize = 4;
/// Words of a text that are compared.
const WORDS_MAX: usize = 2_000;

/// A place where two texts differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The word before it and what joins them, the same in both.
    before: String,
    /// What stands there.
    texts: [String; 2],
}

impl Gap {
    /// An expression for what stands there in both, and what else may.
    pub(super) fn pattern(&self) -> String {
        match &self.texts {
            [one, other] if one.is_empty() || other.is_empty() => self.literally().0,
            [one, other] => {
                let words = [one, other].map(|text| kind(text));
                format!("{}{}", self.start(), words[0].max(words[1]))
            }
        }
    }

    /// What is compared instead of what [`Gap::pattern`] finds.
    pub(super) fn put(&self) -> String {
        match self.texts.iter().any(String::is_empty) {
            true => self.literally().1,
            false => format!("{}<any>", self.before).replace('$', "$$"),
        }
    }

    /// An expression for just these two texts, and what is compared instead.
    pub(super) fn literally(&self) -> (String, String) {
        let texts: Vec<String> =
            self.texts.iter().filter(|text| !text.is_empty()).map(|text| regex::escape(text)).collect();
        if texts.len() == 1 {
            return (format!("{}{}", self.start(), texts[0]), self.before.replace('$', "$$"));
        }
        (format!("{}(?:{})", self.start(), texts.join("|")), format!("{}<any>", self.before).replace('$', "$$"))
    }

    fn start(&self) -> String {
        let edge = if self.before.starts_with(is_word) { r"\b" } else { "" };
        format!("{edge}{}", regex::escape(&self.before))
    }
}

/// The narrowest class that a text is of; a wider one is greater.
fn kind(text: &str) -> &'static str {
    if text.chars().all(|c| c.is_ascii_digit()) {
        r"\d+"
    } else if text.chars().all(is_word) {
        r"\w+"
    } else if text.chars().all(|c| is_word(c) || matches!(c, '-' | '.' | ':' | '/' | '@')) {
        r"[\w.:/@-]+"
    } else {
        r".+"
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words, and single characters between them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let joins = |c: char| is_word(c) || matches!(c, '-' | '.' | '@');
        let end = if joins(first) { rest.find(|c| !joins(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        // A full stop ends a sentence, not a word.
        let trimmed = rest[..end].trim_end_matches(['.', '-', '@']).len();
        let end = if trimmed == 0 { first.len_utf8() } else { trimmed };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

/// The places where two texts differ, in order; none when there is nothing in common or too much is different.
pub(super) fn gaps(a: &str, b: &str) -> Vec<Gap> {
    let (a, b) = (words(a), words(b));
    if a == b || a.len().max(b.len()) > WORDS_MAX {
        return Vec::new();
    }
    if a.len() == b.len() {
        let differ: Vec<usize> = (0..a.len()).filter(|at| a[*at] != b[*at]).collect();
        if differ.len() <= GAPS_MAX && differ.len() * 2 < a.len().max(3) {
            return differ.into_iter().map(|at| gap(&a, at, [a[at].to_owned(), b[at].to_owned()])).collect();
        }
    }
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let most = a.len().min(b.len()) - start;
    let end = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    if start + end == 0 {
        return Vec::new();
    }
    vec![gap(&a, start, [a[start..a.len() - end].concat(), b[start..b.len() - end].concat()])]
}

/// The word before a place belongs to it, unless it is a placeholder, which the texts as sent do not have.
fn gap(words: &[&str], at: usize, texts: [String; 2]) -> Gap {
    let joined = words[..at].iter().rposition(|word| word.chars().all(is_word)).filter(|found| at - found <= 3);
    let before = joined.map_or(String::new(), |found| words[found..at].concat());
    let placeholder =
        before.contains(['<', '>', '?']) || joined.is_some_and(|found| found > 0 && words[found - 1] == "<");
    Gap { before: if placeholder { String::new() } else { before }, texts }
}

/// Where two names differ by something that no person wrote: digits, or what follows a `$` or two underscores.
pub(super) fn generated(a: &str, b: &str) -> Option<Gap> {
    let start: usize = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    // From the beginning of the part of the name that differs.
    let part = a[..start].rfind(['$', '_', '-', '@', '#']).map(|at| at + 1)?;
    let end = |text: &str| text[part..].find(|c| !is_word(c)).map_or(text.len(), |at| part + at);
    let texts = [a, b].map(|text| text[part..end(text)].to_owned());
    let drawn = |text: &String| text.is_empty() || text.contains(|c: char| c.is_ascii_digit());
    if !texts.iter().all(drawn) || a[end(a)..] != b[end(b)..] {
        return None;
    }
    let from = a[..part].rfind(['.', '/', ':']).map_or(0, |at| at + 1);
    Some(Gap { before: a[from..part].to_owned(), texts })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(a: &str, b: &str, expected: Expect) {
        let shown: Vec<String> = gaps(a, b).iter().map(|gap| format!("{} => {}", gap.pattern(), gap.put())).collect();
        expected.assert_eq(&shown.join("\n"));
    }

    #[test]
    fn differences_are_whole_words_with_the_word_before_them() {
        check(
            "tenant acme is over its limit",
            "tenant globex is over its limit",
            expect![[r"\btenant \w+ => tenant <any>"]],
        );
        check("queue (eu-west) full", "queue (us-east) full", expect![[r"\bqueue \([\w.:/@-]+ => queue (<any>"]]);
        check("disk full", "disk full again", expect![[r"\bfull again => full"]]);
        check(
            "a of b",
            "c of d",
            expect![[r#"
            \w+ => <any>
            \bof \w+ => of <any>"#]],
        );
        check("x", "y", expect![[r#"\w+ => <any>"#]]);
    }

    #[test]
    fn generated_parts_of_names() {
        let gap = generated("shop.Order$View_1a2b.place", "shop.Order$View_9f8e7.place").unwrap();
        assert_eq!((gap.pattern().as_str(), gap.put().as_str()), (r"\bOrder\$View_\w+", "Order$$View_<any>"));
        assert_eq!(generated("shop.Order.place", "shop.Order.cancel"), None);
    }
}
