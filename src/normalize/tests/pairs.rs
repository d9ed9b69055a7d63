//! Pairs of texts that are, or are not, the same error: our own corpus, written from how runtimes and libraries word
//! things, before the rules were.
//!
//! Promises: `{kinds}` in a case are drawn from a seeded generator, so one line stands for every value of its kind, and
//! the score is the same on every machine. Deliberately not here: the cases (`tests/data/sameness`).

use crate::event::Event;
use crate::normalize::trail::Silent;
use crate::normalize::{Version, location, message, names, normalize_as, plain, url};

/// All texts, for who wants pieces of them.
pub(super) const TEXTS: [&str; 2] = [SEEN, HELD];

const SEEN: &str = include_str!("../../../tests/data/sameness/seen.txt");
/// A third of the cases, by the hash of their names.
const HELD: &str = include_str!("../../../tests/data/sameness/held.txt");

/// A seeded generator (splitmix64): drawn values must not depend on a library's version.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(super) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(super) fn of(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| letters[self.within(0, letters.len() as u64 - 1) as usize]).collect()
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.within(0, of.len() as u64 - 1) as usize]
    }

    /// A number of any size, small ones as often as large ones.
    fn number(&mut self) -> u64 {
        let digits = self.within(1, 7) as u32;
        self.within(10_u64.pow(digits - 1), 10_u64.pow(digits) - 1)
    }
}

pub(super) const DIGITS: &str = "0123456789";
pub(super) const HEX: &str = "0123456789abcdef";
pub(super) const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const WORDS: &[&str] = &[
    "amber", "basil", "cobalt", "dune", "elm", "fennel", "grove", "hazel", "iris", "juniper", "kale", "lotus", "maple",
    "nutmeg", "olive", "poppy", "quince", "rose", "sage", "thyme", "ursa", "violet", "willow", "yarn", "zinnia",
    "minji", "jisoo", "alice", "bob",
];
const KOREAN_NAMES: &[&str] = &["김민지", "이서연", "박도윤", "최하준", "정지우", "강서윤", "조은", "남궁민수"];
const KOREAN_WORDS: &[&str] = &["녹차", "유자청", "현미", "제주감귤", "보리차", "매실원액"];
const WEEK: &[&str] = &["월", "화", "수", "목", "금", "토", "일"];

/// A value of a kind; `None` for a name that is none.
pub(super) fn drawn(kind: &str, draw: &mut Draw) -> Option<String> {
    let text = match kind {
        "num" => draw.number().to_string(),
        "small" => draw.within(1, 60).to_string(),
        "big" => draw.within(100_000, 9_999_999).to_string(),
        "float" => format!("{}.{}", draw.within(0, 500), draw.within(1, 999)),
        "uuid" => [8, 4, 4, 4, 12].map(|length| draw.of(HEX, length)).join("-"),
        "ulid" => format!("01{}", draw.of("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24)),
        "nanoid" => draw.of(&format!("{ALNUM}-_"), 21),
        "ihash" => format!("{:x}", draw.within(1 << 20, (1 << 31) - 1)),
        "email" => format!("{}{}@{}.co.kr", draw.one(WORDS), draw.number(), draw.one(WORDS)),
        "word" => draw.one(WORDS).to_owned(),
        "WORD" => draw.one(WORDS).to_uppercase(),
        "letter" => draw.of("abcdefghijklmnopqrstuvwxyz", 1),
        "user" => format!("{}{}", draw.one(WORDS), draw.within(10, 99_999)),
        "kname" => draw.one(KOREAN_NAMES).to_owned(),
        "kword" => draw.one(KOREAN_WORDS).to_owned(),
        "kday" => draw.one(WEEK).to_owned(),
        "hangul" => draw.of("가나다라마바사", 1),
        "slug" => [draw.one(WORDS), draw.one(WORDS), draw.one(WORDS)].join("-"),
        "kslug" => [draw.one(KOREAN_WORDS), draw.one(KOREAN_WORDS)].join("-"),
        "kpct" => draw.one(KOREAN_WORDS).bytes().map(|b| format!("%{b:02X}")).collect(),
        "ip" => format!("10.{}.{}.{}", draw.within(0, 255), draw.within(0, 255), draw.within(1, 254)),
        "mac" => [(); 6].map(|()| draw.of(HEX, 2)).join(":"),
        "eport" => draw.within(32_768, 60_999).to_string(),
        "month" => format!("{:02}", draw.within(1, 12)),
        "day" => format!("{:02}", draw.within(1, 28)),
        "mm" => format!("{:02}", draw.within(10, 59)),
        "month1" => draw.within(1, 12).to_string(),
        "day1" => draw.within(1, 28).to_string(),
        "date" | "isodate" => date(draw, "-"),
        "isodate8" => date(draw, ""),
        "clock" => clock(draw),
        "isots" => format!("{}T{}.{}Z", date(draw, "-"), clock(draw), draw.of(DIGITS, 3)),
        "rfc1123" => format!("Tue, {:02} Nov 202{} {} GMT", draw.within(1, 28), draw.within(0, 9), clock(draw)),
        "dur" => format!("{}{}", draw.number(), draw.one(&["ms", "s", " ms", " seconds", "ns"])),
        "size" => format!("{}{}", draw.number(), draw.one(&["KB", " MB", "GiB", " bytes"])),
        "won" => format!("{},{}", draw.within(1, 999), draw.of(DIGITS, 3)),
        "phone" => format!("010-{}-{}", draw.of(DIGITS, 4), draw.of(DIGITS, 4)),
        "ver" => format!("{}.{}.{}", draw.within(1, 9), draw.within(0, 40), draw.within(0, 9)),
        "pod" => {
            let k8s = "bcdfghjklmnpqrstvwxz2456789";
            format!("{}-{}", draw.of(k8s, 10), draw.of(k8s, 5))
        }
        "jwt" => format!("eyJ{}.eyJ{}.{}", draw.of(ALNUM, 20), draw.of(ALNUM, 40), draw.of(ALNUM, 43)),
        _ => return sized(kind, draw),
    };
    Some(text)
}

fn date(draw: &mut Draw, joint: &str) -> String {
    let (year, month, day) = (draw.within(2019, 2031), draw.within(1, 12), draw.within(1, 28));
    format!("{year}{joint}{month:02}{joint}{day:02}")
}

fn clock(draw: &mut Draw) -> String {
    format!("{:02}:{:02}:{:02}", draw.within(0, 23), draw.within(0, 59), draw.within(0, 59))
}

/// Kinds that say how long they are: `hex16`, `b64_76`.
fn sized(kind: &str, draw: &mut Draw) -> Option<String> {
    let at = kind.find(|c: char| c.is_ascii_digit() && !kind.starts_with("b64") || c == '_').unwrap_or(kind.len());
    let (name, length) = match kind.strip_prefix("b64u") {
        Some(length) => ("b64u", length),
        None => (&kind[..at], kind[at..].trim_start_matches('_').trim_end_matches(['a', 'u'])),
    };
    let length = length.parse().ok()?;
    let first = |draw: &mut Draw| draw.of("123456789", 1);
    Some(match name {
        "d" => draw.of(DIGITS, length),
        "num" => first(draw) + &draw.of(DIGITS, length - 1),
        "hex" if kind.ends_with('a') => draw.of("123456789abcdef", length),
        "hex" => draw.of(HEX, length),
        "HEX" => draw.of("0123456789ABCDEF", length),
        "HEXU" => draw.of("0123456789ABCDEFGHJKMNPQRSTVWXYZ", length),
        "UPPER" => draw.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", length),
        "alnum" if kind.ends_with('u') => draw.of("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", length),
        "alnum" => draw.of(ALNUM, length),
        "b64" => draw.of(&format!("{ALNUM}+/"), length - 1) + "=",
        "b64u" => draw.of(&format!("{ALNUM}-_"), length),
        _ => return None,
    })
}

/// A line with its kinds drawn.
pub(super) fn filled(line: &str, draw: &mut Draw) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let value = rest.find('}').and_then(|close| Some((drawn(&rest[1..close], draw)?, close)));
        match value {
            Some((value, close)) => {
                out.push_str(&value);
                rest = &rest[close + 1..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out.replace("\\n", "\n").replace("\\t", "\t")
}

pub(super) fn normal(version: Version, attribute: &str, text: &str) -> String {
    match attribute {
        "detail" => message::masked(version, text, &mut Silent).into_owned(),
        "url" => url::path(version, text, "", &mut Silent).into_owned(),
        "module" => plain::module(text, &mut Silent).into_owned(),
        "location" => {
            let mut event = Event::default();
            event.attributes.location = text.into();
            location::normalized(version, &event, &mut Silent).into_owned()
        }
        other => panic!("no attribute {other}"),
    }
}

/// How often each line is drawn.
const DRAWS: usize = 6;

#[derive(Default)]
pub(super) struct Score {
    pub(super) same: (usize, usize),
    pub(super) different: (usize, usize),
    /// The cases in which something is wrong, with two texts for people.
    pub(super) wrong: Vec<(String, String, String)>,
}

impl Score {
    fn share(&self) -> String {
        let ((same, all_same), (different, all_different)) = (self.same, self.different);
        format!("same {same}/{all_same}, different {different}/{all_different}")
    }
}

pub(super) fn score(version: Version, cases: &str) -> Score {
    let (mut score, mut draw) = (Score::default(), Draw(7));
    for case in format!("\n{cases}").split("\n@").skip(1) {
        let (title, lines) = case.split_once('\n').expect("a title and lines");
        let (attribute, _) = title.split_once(' ').expect("attribute and name");
        let mut firsts: Vec<(String, String)> = Vec::new();
        for group in lines.trim_end().split("\n--\n") {
            let texts: Vec<String> = group
                .lines()
                .flat_map(|line| (0..DRAWS).map(move |_| line))
                .map(|line| filled(line, &mut draw))
                .collect();
            let first = normal(version, attribute, &texts[0]);
            for text in &texts[1..] {
                let other = normal(version, attribute, text);
                score.same.1 += 1;
                if other == first {
                    score.same.0 += 1;
                } else {
                    score.wrong.push((title.to_owned(), first.clone(), other));
                }
            }
            for (text, known) in &firsts {
                score.different.1 += 1;
                if *known == first {
                    score.wrong.push((title.to_owned(), text.clone(), texts[0].clone()));
                } else {
                    score.different.0 += 1;
                }
            }
            firsts.push((texts[0].clone(), first));
        }
    }
    score
}

/// What each rule set makes of the cases: higher is better, and never lower than it was.
#[test]
fn the_present_rules_know_more_pairs_than_the_first() {
    let shares = Version::ALL.map(|version| {
        let [seen, held] = [SEEN, HELD].map(|cases| score(version, cases).share());
        format!("{version:?}: {seen}; held out: {held}\n")
    });
    expect_test::expect![[r#"
        V1: same 3360/4755, different 249/255; held out: same 1618/2294, different 124/126
        V2: same 4703/4755, different 255/255; held out: same 2218/2294, different 126/126
    "#]]
    .assert_eq(&shares.concat());
}

/// `cargo test --lib pairs -- --nocapture --ignored` prints what is wrong among the cases that may be looked at.
#[test]
#[ignore = "for people"]
#[expect(clippy::print_stdout, reason = "it is what the test is for")]
fn show_what_is_wrong() {
    for version in Version::ALL {
        let (seen, held) = (score(version, SEEN), score(version, HELD));
        println!("{version:?} seen: {}; held out: {}", seen.share(), held.share());
        let mut last = String::new();
        for (title, a, b) in seen.wrong.iter().filter(|_| version == Version::PRESENT) {
            if *title != last {
                println!("{title}\n    {a}\n    {b}");
            }
            last.clone_from(title);
        }
    }
}

/// Writes what a golden file is made of: texts of every kind, and pieces of them put together at random.
#[test]
#[ignore = "for making golden files"]
fn write_texts() {
    let mut draw = Draw(11);
    let mut texts: Vec<(String, String)> = Vec::new();
    for case in format!("\n{SEEN}\n{HELD}").split("\n@").skip(1) {
        let (title, lines) = case.split_once('\n').unwrap();
        let (attribute, _) = title.split_once(' ').unwrap();
        for line in lines.lines().filter(|line| *line != "--" && !line.starts_with('#')) {
            texts.push((attribute.to_owned(), filled(line, &mut draw)));
        }
    }
    for rule in names::TABLE {
        for text in [rule.example.0, rule.example.1] {
            texts.push(("location".into(), text.into()));
            texts.push(("detail".into(), format!("{text} failed")));
        }
    }
    for rule in message::TABLE {
        for text in [rule.example.0, rule.example.1] {
            texts.push(("detail".into(), text.into()));
        }
    }
    for rule in url::RULES {
        texts.push(("url".into(), format!("/a/{}/b", rule.example)));
        texts.push(("detail".into(), format!("open /a/{} failed", rule.example)));
    }
    let known = texts.len() as u64;
    for _ in 0..400 {
        let mut mixed = String::new();
        for _ in 0..draw.within(2, 4) {
            let text: Vec<char> = texts[draw.within(0, known - 1) as usize].1.chars().collect();
            let from = draw.within(0, text.len() as u64 / 2) as usize;
            let end = draw.within(from as u64, text.len() as u64) as usize;
            mixed.extend(&text[from..end]);
        }
        texts.push((draw.one(&["detail", "location", "url"]).to_owned(), mixed));
    }
    let lines: Vec<String> = texts
        .iter()
        .map(|(attribute, text)| format!("{attribute}\t{}\n", serde_json::to_string(text).unwrap()))
        .collect();
    std::fs::write(std::env::var("TEXTS").unwrap(), lines.concat()).unwrap();
}

/// Invariant: a released rule set never changes. When this test fails, the change belongs in the next version.
#[test]
fn version_1_answers_what_it_always_answered() {
    for line in include_str!("../../../tests/data/sameness/v1.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [attribute, _, text, wanted] = columns[..] else { panic!("four columns: {line}") };
        let [text, wanted]: [String; 2] = [text, wanted].map(|json| serde_json::from_str(json).unwrap());
        let mut event = Event::default();
        let given = &mut event.attributes;
        *match attribute {
            "url" => &mut given.url,
            "location" => &mut given.location,
            "module" => &mut given.module,
            _ => &mut given.detail,
        } = text.as_str().into();
        let normal = normalize_as(Version::V1, &event);
        assert_eq!(normal.get(attribute).unwrap(), &wanted, "{attribute} {text:?}");
    }
}
