//! Hostile and odd texts for as long as one likes: no panic, nothing left to change, and time that grows as the text does.
//!
//! ```text
//! FUZZ_MINUTES=10 cargo test --release --lib fuzz -- --ignored --nocapture
//! ```
//!
//! Deliberately not here: what is right (`pairs`, `kinds`); the clock measures, it decides nothing a server does.

use std::time::{Duration, Instant};

use super::MARKS;
use super::pairs::{Draw, TEXTS, drawn, normal};
use crate::normalize::{Version, message, names, url};

const ATTRIBUTES: [&str; 4] = ["detail", "location", "url", "module"];

/// Pieces that rules look for.
fn pieces() -> Vec<String> {
    let words = [
        "*",
        "+",
        "%",
        "~",
        "`",
        "|",
        "\\",
        "\0",
        "\n",
        "가",
        "님",
        "은",
        "는",
        "만",
        "년",
        "월 ",
        "é",
        "0x",
        "::h",
        "</",
        "/>",
        "<any>",
        "<num>",
        "<time> ",
        "<str>",
        "{id}",
        "1",
        "42",
        "2024",
        "a",
        "B7",
        "status ",
        "lambda$",
        "$1",
        "[scrubbed:card]",
        "values (",
        ")=(",
        "near ",
        "no such ",
        "Unexpected token ",
        "enum constant a.",
        "#<A",
        "A[a=",
        "oken ",
    ];
    let names = names::TABLE.iter().flat_map(|rule| [rule.marker_for_tests(), rule.example.0]);
    let messages = message::TABLE.iter().map(|rule| rule.example.0);
    let segments = url::RULES.iter().map(|rule| rule.example);
    let lines = TEXTS.iter().flat_map(|text| text.lines());
    MARKS
        .into_iter()
        .chain(words)
        .chain(names)
        .chain(messages)
        .chain(segments)
        .chain(lines)
        .map(str::to_owned)
        .collect()
}

fn text(pieces: &[String], draw: &mut Draw) -> String {
    const KINDS: [&str; 6] = ["uuid", "hex8", "nanoid", "b64_44", "isots", "kname"];
    let mut out = String::new();
    for _ in 0..draw.within(1, 9) {
        match draw.within(0, 9) {
            0..=5 => out.push_str(&pieces[draw.within(0, pieces.len() as u64 - 1) as usize]),
            6 => out.push_str(&drawn(KINDS[draw.within(0, 5) as usize], draw).unwrap()),
            7 => out.extend(char::from_u32(draw.within(0, 0x2_ffff) as u32)),
            _ => {
                let piece: Vec<char> = pieces[draw.within(0, pieces.len() as u64 - 1) as usize].chars().collect();
                let from = draw.within(0, piece.len() as u64) as usize;
                let end = draw.within(from as u64, piece.len() as u64) as usize;
                out.extend(&piece[from..end]);
            }
        }
    }
    out
}

fn time(attribute: &str, text: &str) -> Duration {
    let once = || {
        let start = Instant::now();
        std::hint::black_box(normal(Version::PRESENT, attribute, text));
        start.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap()
}

#[test]
#[ignore = "takes as long as one likes"]
#[expect(clippy::print_stdout, reason = "it is for people")]
fn fuzz() {
    let minutes: f64 = std::env::var("FUZZ_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (pieces, mut draw, mut texts) = (pieces(), Draw(seed), 0_u64);
    let (mut restless, mut worst, mut slowest) = (Vec::new(), (0.0, String::new()), (0.0, String::new()));
    while Instant::now() < end {
        for _ in 0..2_000 {
            let text = text(&pieces, &mut draw);
            for attribute in ATTRIBUTES {
                let once = normal(Version::PRESENT, attribute, &text);
                let twice = normal(Version::PRESENT, attribute, &once);
                if once != twice && restless.len() < 20 {
                    restless.push(format!("{attribute} {text:?}\n    {once:?}\n    {twice:?}"));
                }
                texts += 1;
            }
        }
        let piece = text(&pieces, &mut draw) + ".";
        let repeated = |bytes: usize| piece.repeat((bytes / piece.len().max(1)).max(1));
        for attribute in &ATTRIBUTES[..3] {
            let (half, whole) = (repeated(32 << 10), repeated(64 << 10));
            let (of_half, of_whole) = (time(attribute, &half), time(attribute, &whole));
            // Below a millisecond, other processes decide.
            let ratio = of_whole.as_secs_f64() / of_half.as_secs_f64().max(1e-3);
            let per_byte = of_whole.as_nanos() as f64 / whole.len() as f64;
            if ratio > worst.0 {
                worst = (ratio, format!("{attribute} {piece:?}"));
            }
            if per_byte > slowest.0 {
                slowest = (per_byte, format!("{attribute} {piece:?}"));
            }
        }
    }
    println!("{texts} texts; twice the text took at most {:.1} times as long ({})", worst.0, worst.1);
    println!("a byte took at most {:.0} ns ({})", slowest.0, slowest.1);
    for text in &restless {
        println!("{text}");
    }
    assert!(restless.is_empty(), "{} texts change when they are normalised twice", restless.len());
}
