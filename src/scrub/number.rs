//! Numbers that belong to a person: payment cards, Korean resident and foreigner numbers, Korean telephone numbers.
//!
//! Logs are full of other long numbers (times in milliseconds, ids, order numbers, amounts), so each rule asks for all
//! that its kind of number must have. A number that is part of a longer one (of digits, or joined by `-` or `.` to
//! further digits) is none of these.

use super::scan::{Step, before, begins, ends, run};
use super::{Rule, Rules};

/// Groups of digits that are read together: the longest card has five.
const GROUPS_MAX: usize = 5;

/// The longest number of any kind.
const DIGITS_MAX: usize = 19;

/// At the first digit of a run. Most runs in a log are times, lines, small counts and parts of ids: they cost no more
/// than being skipped.
#[inline]
pub(super) fn at_digit(rules: Rules, text: &[u8], floor: usize, at: usize) -> Step {
    let mut end = at + 1;
    while text.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    match may_begin(text, floor, at, end - at) {
        true => find(rules, text, floor, at, end - at).unwrap_or(Step::On(end)),
        false => Step::On(end),
    }
}

/// Whether the first group has the length and the neighbours that one of the numbers has.
#[inline]
fn may_begin(text: &[u8], floor: usize, at: usize, len: usize) -> bool {
    let joint = || text.get(at + len).copied().unwrap_or(0);
    let fits = match len {
        1 | 5 => false,
        2 => matches!((text[at], joint()), (b'0' | b'8', b'-')),
        3 => text[at] == b'0' && matches!(joint(), b'-' | b'.' | b' '),
        4 => matches!(joint(), b'-' | b' ') && text.get(at + 5).is_some_and(u8::is_ascii_digit),
        6 => joint() == b'-',
        _ => (10..=DIGITS_MAX).contains(&len),
    };
    fits || before(text, floor, at) == Some(b'+')
}

fn find(rules: Rules, text: &[u8], floor: usize, at: usize, len: usize) -> Option<Step> {
    if len > DIGITS_MAX || !stands_alone(text, floor, at) {
        return None;
    }
    let number = Number::read(text, at, len);
    let hit = |start, end: Option<usize>, rule| {
        end.filter(|end| rules.has(rule) && is_over(text, *end)).map(|end| Step::Hit { start, end, rule })
    };
    let start = if before(text, floor, at) == Some(b'+') { at - 1 } else { at };
    hit(at, number.resident(), Rule::Resident)
        .or_else(|| hit(start, number.phone().or_else(|| international(text, start)), Rule::Phone))
        .or_else(|| hit(at, number.card(), Rule::Card))
}

/// Not the continuation of a word or of a number.
fn stands_alone(text: &[u8], floor: usize, at: usize) -> bool {
    let joined = matches!(before(text, floor, at), Some(b'-' | b'.'))
        && at.checked_sub(1).and_then(|at| before(text, floor, at)).is_some_and(|b| b.is_ascii_digit());
    begins(text, floor, at) && !joined
}

/// Not continued by a word or a number.
fn is_over(text: &[u8], end: usize) -> bool {
    let joined = matches!(text.get(end), Some(b'-' | b'.')) && text.get(end + 1).is_some_and(u8::is_ascii_digit);
    ends(text, end) && !joined
}

/// Digits in groups, all joined by the same one of `-`, `.` and a blank.
struct Number<'t> {
    text: &'t [u8],
    start: usize,
    joint: u8,
    /// Lengths of the groups; 0 behind the last.
    lens: [usize; GROUPS_MAX],
}

impl<'t> Number<'t> {
    fn read(text: &'t [u8], start: usize, first_len: usize) -> Number<'t> {
        let joint = text.get(start + first_len).copied().filter(|b| matches!(b, b'-' | b'.' | b' ')).unwrap_or(0);
        let mut number = Number { text, start, joint, lens: [first_len, 0, 0, 0, 0] };
        let mut at = start + first_len;
        for len in &mut number.lens[1..] {
            if joint == 0 || text.get(at) != Some(&joint) {
                break;
            }
            let bound = text.len().min(at + 2 + DIGITS_MAX);
            *len = run(&text[..bound], at + 1, |b| b.is_ascii_digit());
            at += 1 + *len;
        }
        number
    }

    /// Whether the number begins with groups of these lengths, and where the last of them ends.
    fn grouped(&self, lens: &[usize]) -> Option<usize> {
        self.lens.starts_with(lens).then(|| self.start + lens.iter().sum::<usize>() + lens.len() - 1)
    }

    fn starts_with(&self, digits: &str) -> bool {
        self.text[self.start..].starts_with(digits.as_bytes())
    }

    /// A date of birth, a digit for century and sex, a serial. Since October 2020 the serial has no check digit, so it
    /// is asked for only where the dash is missing. Without a dash, what begins like Unix milliseconds of 2017 to 2033
    /// is taken for those: log lines hold far more of them than of people born in 1915 to 1919 or 2015 to 2019.
    fn resident(&self) -> Option<usize> {
        let (end, dash) = match self.grouped(&[6, 7]).filter(|_| self.joint == b'-') {
            Some(end) => (end, 1),
            None => (self.grouped(&[13])?, 0),
        };
        let digit = |at: usize| u32::from(self.text[self.start + at + if at < 6 { 0 } else { dash }] - b'0');
        let (month, day, century) = (digit(2) * 10 + digit(3), digit(4) * 10 + digit(5), digit(6));
        let is_dated = (1..=12).contains(&month) && (1..=31).contains(&day) && (1..=8).contains(&century);
        if dash == 0 {
            let sum: u32 = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5].iter().enumerate().map(|(at, w)| w * digit(at)).sum();
            let complement = if century >= 5 { 13 } else { 11 };
            let is_time = digit(0) == 1 && digit(1) >= 5;
            return (is_dated && !is_time && (complement - sum % 11) % 10 == digit(12)).then_some(end);
        }
        is_dated.then_some(end)
    }

    /// Mobile numbers in any writing, land lines and virtual ones with a joint. Company numbers (15xx, 16xx) are nobody's.
    fn phone(&self) -> Option<usize> {
        const MOBILE: [&str; 6] = ["010", "011", "016", "017", "018", "019"];
        const LAND: [&str; 26] = [
            "031", "032", "033", "041", "042", "043", "044", "051", "052", "053", "054", "055", "061", "062", "063",
            "064", "070", "080", "0502", "0503", "0504", "0505", "0506", "0507", "0508", "02",
        ];
        if MOBILE.iter().any(|prefix| self.starts_with(prefix)) {
            return [&[11][..], &[10], &[3, 4, 4], &[3, 3, 4], &[3, 8]].iter().find_map(|lens| self.grouped(lens));
        }
        let prefix = LAND.iter().find(|prefix| self.starts_with(prefix)).filter(|_| self.joint == b'-')?;
        self.grouped(&[prefix.len(), 4, 4]).or_else(|| self.grouped(&[prefix.len(), 3, 4]))
    }

    /// Length, issuer and check digit, in one run or grouped as on the card.
    fn card(&self) -> Option<usize> {
        const GROUPED: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1]];
        match self.lens[0] {
            len @ 13..=DIGITS_MAX => Some(self.start + len).filter(|end| self.is_card(*end)),
            4 if self.joint != b'.' => {
                GROUPED.iter().filter_map(|lens| self.grouped(lens)).find(|end| self.is_card(*end))
            }
            _ => None,
        }
    }

    fn is_card(&self, end: usize) -> bool {
        let mut digits = [0; DIGITS_MAX];
        let mut len = 0;
        for byte in self.text[self.start..end].iter().filter(|b| b.is_ascii_digit()) {
            digits[len] = byte - b'0';
            len += 1;
        }
        has_issuer(&digits[..len]) && has_check_digit(&digits[..len])
    }
}

/// Which first digits go with which lengths. Maestro's other ranges are left out: they hold most numbers there are.
fn has_issuer(digits: &[u8]) -> bool {
    let head = digits[..4].iter().fold(0, |head, digit| head * 10 + u32::from(*digit));
    match head {
        4000..=4999 => matches!(digits.len(), 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => digits.len() == 16,
        3400..=3499 | 3700..=3799 => digits.len() == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => digits.len() == 14,
        3528..=3589 | 6011 | 6200..=6299 | 6440..=6599 => (16..=19).contains(&digits.len()),
        // Korean domestic cards.
        9400..=9599 => digits.len() == 16,
        _ => false,
    }
}

/// Luhn's.
fn has_check_digit(digits: &[u8]) -> bool {
    let double = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| u32::from(if at % 2 == 1 { double(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}

/// `+82`, then nine or ten digits with at most two joints or brackets between two of them.
fn international(text: &[u8], start: usize) -> Option<usize> {
    // Without the plus only as `82-10-…`: 82 begins too many other numbers.
    let from = match &text[start..] {
        [b'+', b'8', b'2', ..] => start + 3,
        [b'8', b'2', b'-', b'1', b'0', b'-', ..] => start + 2,
        _ => return None,
    };
    let (mut at, mut end, mut joints, mut national) = (from, from, 0, [0u8; 10]);
    let mut len = 0;
    while len < national.len() {
        match text.get(at) {
            Some(b'0') if len == 0 => joints = 0,
            Some(digit) if digit.is_ascii_digit() => {
                national[len] = *digit;
                (len, joints, end) = (len + 1, 0, at + 1);
            }
            Some(b'-' | b'.' | b' ' | b'(' | b')') if joints < 2 => joints += 1,
            _ => break,
        }
        at += 1;
    }
    let fits = match national[0] {
        b'1' => matches!(national[1], b'0' | b'1' | b'6'..=b'9') && len >= 9,
        b'2'..=b'7' => len >= 8,
        _ => false,
    };
    fits.then_some(end)
}
