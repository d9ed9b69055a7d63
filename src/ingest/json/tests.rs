//! Held to `serde_json`: the same texts are taken, with the same content; the others are refused in the same words.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::*;

/// A whole text, every value of it made.
fn tree(text: &str) -> Result<Value, Unreadable> {
    let mut reader = Reader::new(text);
    let read = value(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|fault| reader.told(fault))
}

fn value(reader: &mut Reader<'_>) -> Result<Value, Fault> {
    match reader.peek() {
        Some(b'[') => {
            reader.open();
            let mut list = Vec::new();
            while reader.element(list.is_empty())? {
                list.push(value(reader)?);
            }
            Ok(Value::Array(list))
        }
        Some(b'{') => {
            reader.open();
            let (mut map, mut first) = (Map::new(), true);
            while let Some(name) = reader.name(first)? {
                first = false;
                map.insert(name.into_owned(), value(reader)?);
            }
            Ok(Value::Object(map))
        }
        _ => Ok(match reader.scalar()? {
            Scalar::Null => Value::Null,
            Scalar::Flag(flag) => flag.into(),
            Scalar::Whole(whole) => whole.into(),
            Scalar::Real(real) => real.into(),
            Scalar::Text(text) => (&*text).into(),
            Scalar::List | Scalar::Object => unreachable!("both were looked for"),
        }),
    }
}

/// `serde_json` keeps numbers beyond `i64` as such.
fn large_as_text(value: Value) -> Value {
    match value {
        Value::Number(n) if n.as_i64().is_none() && n.is_u64() => n.to_string().into(),
        Value::Array(list) => list.into_iter().map(large_as_text).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, large_as_text(value))).collect(),
        other => other,
    }
}

fn skipped(text: &str) -> Result<(), Unreadable> {
    let mut reader = Reader::new(text);
    let read = reader.skip().and_then(|()| reader.end());
    read.map_err(|fault| reader.told(fault))
}

fn check(text: &str) {
    let wanted = serde_json::from_str::<Value>(text).map(large_as_text).map_err(|error| error.to_string());
    assert_eq!(tree(text).map_err(|error| error.to_string()), wanted, "{text:?}");
    let wanted = serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| error.to_string());
    assert_eq!(skipped(text).map_err(|error| error.to_string()), wanted, "{text:?}, skipped");
}

/// Pieces of texts that are JSON, that nearly are, and that are not.
const PIECES: [&str; 74] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "\n",
    "\t",
    "\r",
    "\u{c}",
    "\u{a0}",
    "\0",
    "\u{1f}",
    "\u{7f}",
    "a",
    "key",
    "봉수",
    "é",
    "\u{10ffff}",
    "\"a\"",
    "\"a\":",
    "\"a b c d e f g h i j\"",
    "\"12345678\"",
    "\"1234567\\n\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83d\\n\"",
    "\"\\ud83dx\"",
    "\"\\u00e9\"",
    "\"\\u00E9\"",
    "\"\\u12\"",
    "\"\\u+123\"",
    "\"\\x\"",
    "\\\"",
    "\\u",
    "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
    "null",
    "true",
    "false",
    "nul",
    "truth",
    "nullx",
    "0",
    "-0",
    "-",
    "01",
    "-01",
    "1.",
    ".5",
    "1.5",
    "-1.5e3",
    "1e",
    "1e+",
    "1E-7",
    "1e999",
    "-1e999",
    "123456789012345678",
    "1234567890123456789",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "0.1234567890123456789",
    "[]",
    "{}",
    "[1,2]",
    "{\"a\":1,\"a\":2}",
    "[[{\"a\":[]}]]",
];

/// A document, with white space where it may stand.
fn document() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(vec!["", "", "", " ", "\n", "\r\n\t "]);
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|x| serde_json::to_string(&x).unwrap()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "[ -~가-힣]{0,40}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        r#""(\\u[0-9a-fA-F]{4}|[a-z]){0,9}""#,
    ];
    scalar.prop_recursive(6, 60, 6, move |inner| {
        let element = (blank(), inner, blank()).prop_map(|(before, value, behind)| format!("{before}{value}{behind}"));
        let field = ("[a-c\\PC]{0,12}", blank(), element.clone()).prop_map(|(name, blank, value)| {
            format!("{blank}{}{blank}:{value}", serde_json::to_string(&name).unwrap())
        });
        prop_oneof![
            prop::collection::vec(element, 0..6).prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec(field, 0..6).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    })
}

/// Takes some characters out and puts a piece in their place.
fn mutated(text: &str, at: prop::sample::Index, out: usize, piece: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at.index(chars.len() + 1);
    let behind = chars.iter().skip(at + out);
    chars[..at].iter().copied().chain(piece.chars()).chain(behind.copied()).collect()
}

#[test]
fn every_piece_and_every_two_of_them_are_read_as_serde_reads_them() {
    for a in PIECES {
        check(a);
        for b in PIECES {
            check(&format!("{a}{b}"));
            check(&format!("[{a},{b}]"));
            check(&format!("{{\"a\":{a}{b}"));
            check(&format!("{{{a}:{b},\"z\":1}}"));
        }
    }
}

#[test]
fn a_text_cut_anywhere_is_refused_in_the_same_words() {
    let text = " {\"a\": [1, -2.5e3, {\"b\\n\": \"\\ud83d\\ude00 x\"}, true],\n \"c\": {}, \"d\": null} ";
    (0..text.len()).for_each(|end| check(&text[..end]));
    for at in 0..text.len() {
        PIECES.iter().for_each(|piece| check(&format!("{}{piece}{}", &text[..at], &text[at + 1..])));
    }
}

#[test]
fn every_character_is_taken_or_refused_wherever_it_stands() {
    for c in (0..0x180).filter_map(char::from_u32) {
        check(&format!("\"\\{c}\""));
        check(&format!("\"\\u00{c}0\""));
        check(&format!("1{c}"));
        check(&format!("{c}1"));
        for before in 0..18 {
            check(&format!("\"{}{c}{}\"", "a".repeat(before), "é".repeat(before % 5)));
        }
    }
}

#[test]
fn nesting_of_any_depth_is_skipped() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = |closed| format!("{}1{}", open.repeat(100_000), close.repeat(closed));
        assert_eq!(skipped(&text(100_000)), Ok(()));
        skipped(&text(99_999)).unwrap_err();
        skipped(&text(100_001)).unwrap_err();
    }
}

#[test]
fn a_text_without_escapes_is_borrowed() {
    let read = |text| match Reader::new(text).scalar() {
        Ok(Scalar::Text(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(matches!(read("\"봉수 and more\""), Cow::Borrowed("봉수 and more")));
    assert!(matches!(read("\"a\\tb\""), Cow::Owned(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn documents_are_read_as_serde_reads_them(text in document()) {
        check(&text);
    }

    #[test]
    fn mutated_documents_are_read_as_serde_reads_them(
        text in document(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, prop::sample::select(&PIECES[..])), 1..4),
    ) {
        check(&changes.into_iter().fold(text, |text, (at, out, piece)| mutated(&text, at, out, piece)));
    }

    #[test]
    fn heaps_of_pieces_are_read_as_serde_reads_them(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12)) {
        check(&pieces.concat());
    }
}
