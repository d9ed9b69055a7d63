//! A moment, as whole milliseconds since the Unix epoch in UTC.
//!
//! Promises: plain arithmetic that saturates, RFC 3339 in and out. Deliberately not here: reading the clock. `now` is
//! an argument everywhere; only the server reads it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in UTC, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// One minute, the grain of the tallies.
pub const MINUTE_MS: i64 = 60_000;
/// One day, the grain of sampling.
pub const DAY_MS: i64 = 86_400_000;

impl Time {
    /// Milliseconds since the epoch.
    pub fn ms(self) -> i64 {
        self.0
    }

    /// The start of the UTC minute this moment lies in.
    pub fn minute(self) -> Time {
        Time(self.0.div_euclid(MINUTE_MS) * MINUTE_MS)
    }

    /// The UTC day this moment lies in, in days since the epoch.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// This moment moved forward; saturates at the end of time.
    pub fn plus(self, span: Duration) -> Time {
        Time(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment moved back; saturates at the beginning of time.
    pub fn minus(self, span: Duration) -> Time {
        Time(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// Reads RFC 3339 (`2026-11-23T14:02:11.120Z`, any offset). `None` when the text is not that.
    pub fn parse_rfc3339(text: &str) -> Option<Time> {
        let text = text.trim();
        let plain = || text.parse::<jiff::Timestamp>().ok().map(|t| Time(t.as_millisecond()));
        common(text.as_bytes()).or_else(plain)
    }

    fn to_jiff(self) -> jiff::Timestamp {
        let end_of_time = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(end_of_time)
    }

    /// This moment on the wall clock of a time zone.
    pub fn in_zone(self, zone: &jiff::tz::TimeZone) -> jiff::Zoned {
        self.to_jiff().to_zoned(zone.clone())
    }
}

/// RFC 3339 in UTC with milliseconds.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = written(self.0);
        match written.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            Some(text) => f.write_str(text),
            None => write!(f, "{:.3}", self.to_jiff()),
        }
    }
}

/// The form that clients send: `2026-11-23T14:02:11.120Z`, with or without a fraction. None for every other, which may be
/// RFC 3339 all the same; this one comes with every event.
fn common(text: &[u8]) -> Option<Time> {
    let (fixed, rest) = text.split_first_chunk::<19>()?;
    let [fraction @ .., b'Z'] = rest else { return None };
    let joints = [fixed[4], fixed[7], fixed[10], fixed[13], fixed[16]];
    let number =
        |digits: &[u8]| digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')));
    let [year, month, day] = [number(&fixed[..4])?, number(&fixed[5..7])?, number(&fixed[8..10])?];
    let [hour, minute, second] = [number(&fixed[11..13])?, number(&fixed[14..16])?, number(&fixed[17..])?];
    // The 29th to the 31st are left to the calendar, and what lies before 1970 with its negative numbers.
    let is_plain = joints == *b"--T::" && year >= 1970 && (1..=12).contains(&month) && (1..=28).contains(&day);
    if !is_plain || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ms = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            number(digits)? * 1000 / 10_i64.pow(digits.len() as u32)
        }
        _ => return None,
    };
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(Time(seconds * 1000 + ms))
}

/// Days from the epoch to a date. Years are counted from March, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// A moment from 1970 to 9999 in RFC 3339, without the way through a calendar's types: every outcome says one.
fn written(ms: i64) -> Option<[u8; 24]> {
    // The calendar's own end, where any zone's time is still in the year 9999.
    const LAST_MS: i64 = 253_402_207_200_999;
    let mut rest = u64::try_from(ms).ok().filter(|_| ms <= LAST_MS)?;
    let mut part = |size| {
        let part = rest % size;
        rest /= size;
        part
    };
    let [ms, second, minute, hour] = [part(1000), part(60), part(60), part(24)];
    // Of 400 years from a March on, counted as in `days`.
    let days = rest + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (end, width, mut number) in
        [(4, 4, year), (7, 2, month), (10, 2, day), (13, 2, hour), (16, 2, minute), (19, 2, second), (23, 3, ms)]
    {
        for digit in text[end - width..end].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    Some(text)
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_goes_in_and_out() {
        let t = Time::parse_rfc3339("2026-11-23T14:02:11.120+09:00").unwrap();
        assert_eq!(t.to_string(), "2026-11-23T05:02:11.120Z");
        assert_eq!(Time(i64::MAX).to_string().get(..4), Some("9999"));
    }

    #[test]
    fn days_are_written_and_read_as_the_calendar_does() {
        for day in (0..2_932_894).step_by(17) {
            let time = Time(day * DAY_MS + day * 7_919 % DAY_MS);
            let text = time.to_string();
            assert_eq!(text, format!("{:.3}", time.to_jiff()));
            assert_eq!(Time::parse_rfc3339(&text), Some(time));
        }
        for ms in [-1, i64::MIN, i64::MAX, 253_402_207_200_999, 253_402_207_201_000, 253_402_300_800_000] {
            assert_eq!(Time(ms).to_string(), format!("{:.3}", Time(ms).to_jiff()));
        }
    }

    proptest::proptest! {
        #[test]
        fn texts_near_a_time_are_read_as_the_calendar_does(
            text in "[0-2][0-9]{3}[-/][0-1][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,10})?[Zz+ ]?"
        ) {
            let wanted = text.trim().parse::<jiff::Timestamp>().ok().map(|t| Time(t.as_millisecond()));
            assert_eq!(Time::parse_rfc3339(&text), wanted, "{text}");
        }
    }

    #[test]
    fn minutes_and_days_round_down_before_the_epoch_too() {
        assert_eq!(Time(-1).minute(), Time(-MINUTE_MS));
        assert_eq!(Time(-1).day(), -1);
    }
}
