//! Which errors an event stream is made of: one, a thousand of unequal frequency, or a new one every time.
//!
//! Promises: the same sequence at every run. What tells two errors apart is a token of eight letters, because digits,
//! hexadecimal runs and ids are what message normalisation removes. Deliberately not here: where the token goes.

use clap::ValueEnum;
use serde::Serialize;

/// Width of a token in a payload.
pub(crate) const TOKEN_LEN: usize = 8;

/// Four syllables make a token. The consonants leave out `b`, `c`, `d` and `f`: no token reads as hexadecimal.
const CONSONANTS: &[u8; 14] = b"ghjklmnprstvwz";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES: u64 = 70;
const TOKENS: u64 = SYLLABLES.pow(4);
/// Prime to `TOKENS` (2, 5 and 7), so that neighbours look unlike each other and none comes twice.
const STRIDE: u64 = 7_368_787;

/// Different errors of the Zipf mix.
const ZIPF_ERRORS: u32 = 1_000;

/// How the events of a stream are spread over errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mix {
    /// One error: a storm.
    One,
    /// A thousand errors, the n-th as frequent as 1/n: an ordinary bad day.
    Zipf,
    /// A new error every time: the worst case for memory and for the archive.
    Distinct,
}

impl Mix {
    pub(crate) const ALL: [Mix; 3] = [Mix::One, Mix::Zipf, Mix::Distinct];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mix::One => "one",
            Mix::Zipf => "zipf",
            Mix::Distinct => "distinct",
        }
    }
}

/// Draws the error of each event.
pub(crate) struct Draw {
    mix: Mix,
    /// Of Zipf(1): the share of the errors up to each.
    cumulative: Vec<f64>,
    random: Random,
    count: u64,
}

impl Draw {
    pub(crate) fn new(mix: Mix) -> Draw {
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=ZIPF_ERRORS)
            .map(|rank| {
                sum += 1.0 / f64::from(rank);
                sum
            })
            .collect();
        let cumulative = sums.into_iter().map(|part| part / sum).collect();
        Draw { mix, cumulative, random: Random(0x626f_6e67_7375), count: 0 }
    }

    pub(crate) fn next(&mut self) -> [u8; TOKEN_LEN] {
        let error = match self.mix {
            Mix::One => 0,
            Mix::Zipf => {
                let share = self.random.unit();
                self.cumulative.partition_point(|up_to| *up_to <= share) as u64
            }
            Mix::Distinct => self.count,
        };
        self.count += 1;
        token(error)
    }
}

fn token(error: u64) -> [u8; TOKEN_LEN] {
    let mut rest = (error % TOKENS) * STRIDE % TOKENS;
    let mut letters = [0; TOKEN_LEN];
    for syllable in letters.chunks_exact_mut(2) {
        let number = (rest % SYLLABLES) as usize;
        rest /= SYLLABLES;
        syllable[0] = CONSONANTS[number / VOWELS.len()];
        syllable[1] = VOWELS[number % VOWELS.len()];
    }
    letters
}

/// SplitMix64: small, seeded, good enough to draw errors and ids.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, but not including, 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn tokens_are_letters_and_never_come_twice() {
        let mut draw = Draw::new(Mix::Distinct);
        let mut seen = HashSet::new();
        for _ in 0..200_000 {
            let token = draw.next();
            assert!(token.iter().all(u8::is_ascii_lowercase));
            assert!(seen.insert(token));
        }
    }

    #[test]
    fn one_is_one() {
        let mut draw = Draw::new(Mix::One);
        let first = draw.next();
        assert!((0..100).all(|_| draw.next() == first));
    }

    #[test]
    fn zipf_gives_the_first_error_its_share_and_stays_within_a_thousand() {
        let mut draw = Draw::new(Mix::Zipf);
        let mut counts: HashMap<[u8; TOKEN_LEN], u32> = HashMap::new();
        for _ in 0..100_000 {
            *counts.entry(draw.next()).or_default() += 1;
        }
        assert!(counts.len() > 950 && counts.len() <= 1_000, "{}", counts.len());
        let first = counts[&token(0)];
        let second = counts[&token(1)];
        // 1/H(1000) = 0.1336 and half of it.
        assert!((12_900..13_800).contains(&first), "{first}");
        assert!((6_300..7_100).contains(&second), "{second}");
    }

    #[test]
    fn a_sequence_repeats_itself() {
        let (mut a, mut b) = (Draw::new(Mix::Zipf), Draw::new(Mix::Zipf));
        assert!((0..1_000).all(|_| a.next() == b.next()));
    }
}
