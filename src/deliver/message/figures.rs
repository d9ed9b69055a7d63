//! Figures as people read them: local times and numbers with separators.
//!
//! Promises: a time is never longer than it has to be: the date only when it is another day, the year only when it is
//! another year. Deliberately not here: words.

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::time::Time;

/// The wall clock of a channel, on the day of one alert.
pub(super) struct Clock<'a> {
    zone: &'a TimeZone,
    today: Zoned,
}

impl<'a> Clock<'a> {
    pub(super) fn new(zone: &'a TimeZone, now: Time) -> Clock<'a> {
        Clock { zone, today: now.in_zone(zone) }
    }

    /// `14:02:11`, `11-19 14:02:11` or `2025-11-19 14:02:11`.
    pub(super) fn at(&self, time: Time) -> String {
        show(&time.in_zone(self.zone), &self.today)
    }

    /// The same with the zone's name, once in a message: a clock that says not whose it is misleads.
    pub(super) fn at_with_zone(&self, time: Time) -> String {
        let local = time.in_zone(self.zone);
        format!("{} {}", show(&local, &self.today), local.strftime("%Z"))
    }
}

fn show(local: &Zoned, today: &Zoned) -> String {
    let form = match (local.date() == today.date(), local.year() == today.year()) {
        (true, _) => "%H:%M:%S",
        (false, true) => "%m-%d %H:%M:%S",
        (false, false) => "%Y-%m-%d %H:%M:%S",
    };
    local.strftime(form).to_string()
}

/// `8,310`: both languages group by thousands.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let seen = [0, 999, 1_000, 12_345, 1_234_567, u64::MAX].map(thousands);
        assert_eq!(seen, ["0", "999", "1,000", "12,345", "1,234,567", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn a_time_says_the_day_only_when_it_is_another() {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        let at = |text| Time::parse_rfc3339(text).unwrap();
        let clock = Clock::new(&zone, at("2026-11-23T14:02:11Z"));
        assert_eq!(clock.at(at("2026-11-22T15:00:00Z")), "00:00:00");
        assert_eq!(clock.at(at("2026-11-22T14:59:59Z")), "11-22 23:59:59");
        assert_eq!(clock.at(at("2025-11-23T14:02:11Z")), "2025-11-23 23:02:11");
        assert_eq!(clock.at_with_zone(at("2026-11-23T14:02:11Z")), "23:02:11 KST");
    }
}
