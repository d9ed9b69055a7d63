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
        text.trim().parse::<jiff::Timestamp>().ok().map(|t| Time(t.as_millisecond()))
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
        write!(f, "{:.3}", self.to_jiff())
    }
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
    fn minutes_and_days_round_down_before_the_epoch_too() {
        assert_eq!(Time(-1).minute(), Time(-MINUTE_MS));
        assert_eq!(Time(-1).day(), -1);
    }
}
