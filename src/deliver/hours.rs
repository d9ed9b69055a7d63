//! Spans of time that the configuration names: once, or every week by the wall clock of a zone.
//!
//! Promises: pure; a span begins and ends when a clock on the wall of its zone says so, also where that clock is put
//! forward or back; one that ends before it begins ends on the next day, and its `days` are those on which it begins.
//! What was found is remembered until it changes, since it is asked for every event. Deliberately not here: what a span is
//! for.

use std::sync::Mutex;

use jiff::civil::{self, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

use crate::config::hint;
use crate::time::Time;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
/// More spans than a week has never follow each other without a gap, unless there is none.
const CHAIN_MAX: usize = 16;

/// A span, compiled.
#[derive(Debug)]
pub(super) struct Hours {
    when: When,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
enum When {
    Once { from: Time, to: Time },
    Weekly { days: Vec<Weekday>, from: civil::Time, to: civil::Time, zone: TimeZone },
}

/// What was found at a moment, and until when it stays so.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Time,
    until: Time,
    inside: bool,
}

/// How a span is written.
pub(super) struct Written<'a> {
    pub(super) days: &'a [String],
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) time_zone: Option<&'a str>,
}

impl Hours {
    /// Times of the day, on some days of the week; without any, on each.
    pub(super) fn weekly(written: &Written<'_>) -> Result<Hours, Vec<String>> {
        let mut problems = Vec::new();
        let mut note = |problem: String| problems.push(problem);
        let from = of_day("from", written.from).map_err(&mut note).unwrap_or_default();
        let to = of_day("to", written.to).map_err(&mut note).unwrap_or_default();
        let zone = zone(written.time_zone).map_err(&mut note).unwrap_or(TimeZone::UTC);
        let days: Vec<Weekday> = written.days.iter().filter_map(|day| weekday(day).map_err(&mut note).ok()).collect();
        let all = days.is_empty() || DAYS.iter().all(|(_, day)| days.contains(day));
        if problems.is_empty() && from == to && all {
            problems.push("`from` and `to` are the same on every day: it would never end".to_owned());
        }
        let days = if days.is_empty() { DAYS.map(|(_, day)| day).to_vec() } else { days };
        match problems.is_empty() {
            true => Ok(Hours { when: When::Weekly { days, from, to, zone }, seen: Mutex::default() }),
            false => Err(problems),
        }
    }

    /// The same, or once: from one date and time to another.
    pub(super) fn new(written: &Written<'_>) -> Result<Hours, Vec<String>> {
        if of_day("from", written.from).is_ok() || of_day("to", written.to).is_ok() {
            return Hours::weekly(written);
        }
        let mut problems = Vec::new();
        let mut note = |problem: String| problems.push(problem);
        let zone = zone(written.time_zone).map_err(&mut note).unwrap_or(TimeZone::UTC);
        let from = moment("from", written.from, &zone).map_err(&mut note).unwrap_or_default();
        let to = moment("to", written.to, &zone).map_err(&mut note).unwrap_or_default();
        if !written.days.is_empty() {
            problems.push("`days` go with times of the day, such as from = \"02:00\"".to_owned());
        }
        if problems.is_empty() && to <= from {
            problems.push("`to` is not after `from`".to_owned());
        }
        match problems.is_empty() {
            true => Ok(Hours { when: When::Once { from, to }, seen: Mutex::default() }),
            false => Err(problems),
        }
    }

    /// The end of the span that the moment lies in.
    pub(super) fn end(&self, now: Time) -> Option<Time> {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = match *seen {
            Some(known) if (known.at..known.until).contains(&now) => known,
            _ => self.when.look(now),
        };
        *seen = Some(found);
        found.inside.then_some(found.until)
    }
}

/// The first moment from `now` on that lies in none of these spans; `None`: it lies in none of them itself.
pub(super) fn first_outside<'a>(spans: impl Iterator<Item = &'a Hours> + Clone, now: Time) -> Option<Time> {
    let mut at = now;
    for _ in 0..CHAIN_MAX {
        let Some(end) = spans.clone().filter_map(|span| span.end(at)).max() else { break };
        at = end;
    }
    (at > now).then_some(at)
}

impl When {
    fn look(&self, now: Time) -> Seen {
        let seen = |until, inside| Seen { at: now, until, inside };
        match self {
            When::Once { from, to } if now < *from => seen(*from, false),
            When::Once { to, .. } if now < *to => seen(*to, true),
            When::Once { .. } => seen(Time(i64::MAX), false),
            When::Weekly { days, from, to, zone } => {
                let today = now.in_zone(zone).date();
                // From the day before, whose span may not be over, to the same day of the next week.
                let dates = (-1..=8).filter_map(|days| today.checked_add(i64::from(days).days()).ok());
                let spans = dates.filter(|date| days.contains(&date.weekday())).filter_map(|date| {
                    let last = if to <= from { date.tomorrow().ok()? } else { date };
                    Some((on_wall(date, *from, zone)?, on_wall(last, *to, zone)?))
                });
                // Where a clock is put forward over all of a span there is none.
                let mut coming = spans.filter(|(begin, end)| begin < end && now < *end);
                match coming.next() {
                    Some((begin, end)) if begin <= now => seen(end, true),
                    Some((begin, _)) => seen(begin, false),
                    None => seen(Time(now.ms() + 86_400_000), false),
                }
            }
        }
    }
}

/// The moment at which a clock on the wall shows that; what it leaves out is the moment it is put forward, and what it
/// shows twice the first of both.
fn on_wall(date: civil::Date, time: civil::Time, zone: &TimeZone) -> Option<Time> {
    let zoned: Zoned = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(Time(zoned.timestamp().as_millisecond()))
}

fn of_day(key: &str, text: &str) -> Result<civil::Time, String> {
    let wrong = || format!("`{key}`: {text:?} is not a time of the day, such as \"22:00\"");
    // The end of the day is the beginning of the next, and a span may end there.
    let text = if text == "24:00" { "00:00" } else { text };
    match text.len() {
        5 => civil::Time::strptime("%H:%M", text).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn moment(key: &str, text: &str, zone: &TimeZone) -> Result<Time, String> {
    let local = || {
        let zoned = text.trim().parse::<civil::DateTime>().ok()?.to_zoned(zone.clone()).ok()?;
        Some(Time(zoned.timestamp().as_millisecond()))
    };
    Time::parse_rfc3339(text).or_else(local).ok_or_else(|| {
        format!(
            "`{key}`: {text:?} is neither a time of the day (\"22:00\") nor a moment (\"2026-12-01T02:00:00+09:00\", \
             or \"2026-12-01T02:00\" in time_zone)"
        )
    })
}

fn weekday(text: &str) -> Result<Weekday, String> {
    let known = || DAYS.iter().map(|(name, _)| *name);
    DAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day).ok_or_else(|| {
        let list = known().collect::<Vec<_>>().join(", ");
        format!("`days`: {text:?} is not a day{}; known are {list}", hint(text, known()))
    })
}

/// A time zone by its name; without one, UTC.
pub(super) fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    TimeZone::get(name).map_err(|_| format!("`time_zone`: {name:?} is not an IANA time zone, such as \"Asia/Seoul\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[&str], from: &str, to: &str, time_zone: &str) -> Result<Hours, Vec<String>> {
        let days: Vec<String> = days.iter().map(|&day| day.to_owned()).collect();
        Hours::new(&Written { days: &days, from, to, time_zone: Some(time_zone) })
    }

    fn check(hours: &Hours, table: &[(&str, Option<&str>)]) {
        let at = |text: &str| Time::parse_rfc3339(text).unwrap();
        // In both directions: what is remembered must not show.
        for (now, end) in table.iter().chain(table.iter().rev()) {
            assert_eq!(hours.end(at(now)), end.map(at), "{now}");
        }
    }

    #[test]
    fn a_night_begins_on_its_day_and_ends_on_the_next() {
        let nights = hours(&["mon", "fri"], "22:00", "08:00", "Asia/Seoul").unwrap();
        check(
            &nights,
            &[
                ("2026-11-23T21:59:59.999+09:00", None),
                ("2026-11-23T22:00:00+09:00", Some("2026-11-24T08:00:00+09:00")),
                ("2026-11-24T07:59:59.999+09:00", Some("2026-11-24T08:00:00+09:00")),
                ("2026-11-24T08:00:00+09:00", None),
                ("2026-11-24T23:00:00+09:00", None),
                ("2026-11-27T23:00:00+09:00", Some("2026-11-28T08:00:00+09:00")),
                ("2026-11-28T23:00:00+09:00", None),
            ],
        );
    }

    #[test]
    fn without_days_it_is_every_day_and_a_day_may_be_whole() {
        let noon = hours(&[], "12:00", "13:00", "UTC").unwrap();
        check(
            &noon,
            &[
                ("2026-11-22T12:30:00Z", Some("2026-11-22T13:00:00Z")),
                ("2026-11-25T12:00:00Z", Some("2026-11-25T13:00:00Z")),
                ("2026-11-25T11:00:00Z", None),
            ],
        );
        let weekend = hours(&["sat", "sun"], "00:00", "24:00", "UTC").unwrap();
        check(
            &weekend,
            &[
                ("2026-11-27T23:59:00Z", None),
                ("2026-11-28T00:00:00Z", Some("2026-11-29T00:00:00Z")),
                ("2026-11-29T00:00:00Z", Some("2026-11-30T00:00:00Z")),
                ("2026-11-30T00:00:00Z", None),
            ],
        );
        let at = |text: &str| Time::parse_rfc3339(text).unwrap();
        let both = [hours(&["fri"], "22:00", "00:00", "UTC").unwrap(), weekend];
        let free = at("2026-11-30T00:00:00Z");
        assert_eq!(first_outside(both.iter(), at("2026-11-27T23:00:00Z")), Some(free));
        assert_eq!(first_outside(both.iter(), free), None);
    }

    /// On 2026-03-29 clocks in Berlin go from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00.
    #[test]
    fn clocks_that_are_put_forward_or_back_are_followed() {
        let nights = hours(&[], "22:00", "08:00", "Europe/Berlin").unwrap();
        check(
            &nights,
            &[
                ("2026-03-28T21:00:00Z", Some("2026-03-29T06:00:00Z")),
                ("2026-10-24T20:00:00Z", Some("2026-10-25T07:00:00Z")),
            ],
        );
        let gap = hours(&[], "02:15", "02:45", "Europe/Berlin").unwrap();
        check(
            &gap,
            &[
                ("2026-03-29T00:59:00Z", None),
                ("2026-03-30T00:20:00Z", Some("2026-03-30T00:45:00Z")),
                // The first time that the clock shows it.
                ("2026-10-25T00:20:00Z", Some("2026-10-25T00:45:00Z")),
                ("2026-10-25T01:20:00Z", None),
            ],
        );
    }

    #[test]
    fn once_is_from_one_moment_to_another() {
        for (from, to) in
            [("2026-12-01T02:00", "2026-12-01 04:30"), ("2026-11-30T17:00:00Z", "2026-12-01T04:30:00+09:00")]
        {
            check(
                &hours(&[], from, to, "Asia/Seoul").unwrap(),
                &[
                    ("2026-11-30T16:59:59Z", None),
                    ("2026-11-30T17:00:00Z", Some("2026-11-30T19:30:00Z")),
                    ("2026-11-30T19:30:00Z", None),
                    ("2030-01-01T00:00:00Z", None),
                ],
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        let wrong = |days: &[&str], from, to, zone| hours(days, from, to, zone).unwrap_err().join("; ");
        assert_eq!(
            wrong(&["monday"], "22:00", "8", "Asia/Soul"),
            "`to`: \"8\" is not a time of the day, such as \"22:00\"; `time_zone`: \"Asia/Soul\" is not an IANA time zone, \
             such as \"Asia/Seoul\"; `days`: \"monday\" is not a day (did you mean \"mon\"?); known are mon, tue, wed, thu, \
             fri, sat, sun"
        );
        assert!(wrong(&[], "08:00", "08:00", "UTC").contains("never end"));
        assert!(wrong(&["sun"], "2026-12-01T02:00", "2026-12-01T04:00", "UTC").contains("`days` go with"));
        assert!(wrong(&[], "2026-12-01T02:00", "2026-12-01T02:00", "UTC").contains("not after"));
        assert!(wrong(&[], "noon", "midnight", "UTC").contains("neither a time of the day"));
        assert!(hours(&["sun"], "08:00", "08:00", "UTC").is_ok(), "a day from eight to eight");
    }
}
