//! The words of messages, one table for each language.
//!
//! Promises: a table is a value of one struct, so a language that lacks a word does not compile. Labels are nouns;
//! sentences are functions, because languages order their facts differently. Deliberately not here: facts.

mod en;
mod ko;

use std::time::Duration;

use crate::alert::{Health, Spread};
use crate::config::Locale;
use crate::issue::Press;

/// The words of one language.
pub(super) struct Words {
    pub(super) category: &'static str,
    pub(super) request: &'static str,
    pub(super) thrown_at: &'static str,
    pub(super) wrapped_in: &'static str,
    pub(super) occurrences: &'static str,
    pub(super) first_seen: &'static str,
    pub(super) last_seen: &'static str,
    pub(super) window_opened: &'static str,
    pub(super) window_ends: &'static str,
    pub(super) release: &'static str,
    pub(super) server: &'static str,
    pub(super) servers: &'static str,
    pub(super) owner: &'static str,
    pub(super) trace_id: &'static str,
    pub(super) level: &'static str,
    pub(super) alerts_sent: &'static str,
    pub(super) held_back: &'static str,
    pub(super) busiest_minute: &'static str,
    pub(super) details: &'static str,
    /// The first window of an issue.
    pub(super) new: &'static str,
    /// A further window of an issue that nobody resolved.
    pub(super) known: &'static str,
    pub(super) still_occurring: &'static str,
    pub(super) quiet: &'static str,
    /// The environment's name as people say it.
    pub(super) environment: fn(&str) -> String,
    /// A number of occurrences.
    pub(super) times: fn(u64) -> String,
    /// Occurrences ever, beside those of the window.
    pub(super) in_all: fn(u64) -> String,
    /// A span of time.
    pub(super) span: fn(Duration) -> String,
    /// A later alert of a window, with the occurrences so far.
    pub(super) again: fn(u64) -> String,
    /// The budget is spent; the window ends at the given time.
    pub(super) last_of_window: fn(&str) -> String,
    pub(super) regression: fn(&Resolved) -> String,
    pub(super) window_ended: fn(&Ended) -> String,
    /// The window is over, in a message that was sent while it lasted.
    pub(super) window_over: &'static str,
    /// What people decided.
    pub(super) decided: fn(&Decision) -> String,
    /// What a button does.
    pub(super) press: fn(Press) -> &'static str,
    pub(super) modules: &'static str,
    /// A number of modules.
    pub(super) in_modules: fn(u64) -> String,
    /// One cause: how far it has spread, how many of its errors are told, in which module it was seen first, and when.
    pub(super) one_cause: fn(&Spread, u64, &str, &str) -> String,
    /// Errors that came at once.
    pub(super) at_once: fn(&Digest) -> String,
    /// Why errors are told together.
    pub(super) told_together: fn(&Digest) -> String,
    /// The ends of the windows of so many errors, of which some go on.
    pub(super) windows_ended: fn(u64, u64) -> String,
    /// Errors besides those that are named.
    pub(super) and_more: fn(u64) -> String,
    pub(super) away_for: &'static str,
    /// Beside the channel that failed.
    pub(super) instead_of: &'static str,
    /// A channel fails since then, and why, if that is known.
    pub(super) fails: fn(&str, &str, &str) -> String,
    /// A store of bongsu's own went away or came back.
    pub(super) health: fn(Health) -> &'static str,
    /// Where a test error stopped.
    pub(super) stopped: fn(&str) -> &'static str,
    /// They arrive again.
    pub(super) works: &'static str,
    /// One arrived.
    pub(super) canary: &'static str,
    /// The label of what was answered where it stopped.
    pub(super) said: &'static str,
    /// What that means, by who decides now.
    pub(super) decides: fn(&str) -> &'static str,
}

/// What is told together.
pub(super) struct Digest {
    pub(super) errors: u64,
    /// Of these, those that nobody has heard of.
    pub(super) new: u64,
    /// Of these, those that were thought to be over.
    pub(super) regressions: u64,
    pub(super) modules: u64,
}

/// How an issue that came back had been resolved.
pub(super) struct Resolved {
    pub(super) at: Option<String>,
    pub(super) by: String,
    pub(super) note: String,
}

/// What a window held when it ended.
pub(super) struct Ended {
    pub(super) span: String,
    pub(super) occurrences: u64,
    pub(super) alerts: u64,
    pub(super) suppressed: u64,
    pub(super) last_seen: String,
    pub(super) ongoing: bool,
}

/// What people decided about an issue.
pub(super) struct Decision {
    pub(super) at: Option<String>,
    pub(super) by: String,
    pub(super) what: Verdict,
}

pub(super) enum Verdict {
    Acknowledged,
    /// Until a moment, or until so many more.
    Muted(Option<String>, Option<u64>),
    Resolved,
}

pub(super) fn of(locale: Locale) -> &'static Words {
    match locale {
        Locale::En => &en::WORDS,
        Locale::Ko => &ko::WORDS,
    }
}

/// A span in its two largest units, named as the table says: days, hours, minutes, seconds.
fn span_in(units: [&str; 4], span: Duration) -> String {
    let secs = span.as_secs();
    let parts = [secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60];
    let first = parts.iter().position(|n| *n > 0).unwrap_or(3);
    let shown: Vec<String> = (first..4)
        .take(2)
        .filter(|i| *i == first || parts[*i] > 0)
        .map(|i| format!("{}{}", parts[i], units[i]))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_in_their_two_largest_units() {
        let ko = |secs| (of(Locale::Ko).span)(Duration::from_secs(secs));
        let en = |secs| (of(Locale::En).span)(Duration::from_secs(secs));
        assert_eq!(
            [0, 30, 600, 3_600, 5_400, 90_061].map(ko),
            ["0초", "30초", "10분", "1시간", "1시간 30분", "1일 1시간"]
        );
        assert_eq!([0, 30, 600, 3_600, 5_400, 86_460].map(en), ["0 s", "30 s", "10 min", "1 h", "1 h 30 min", "1 d"]);
    }
}
