//! What an answer means for a delivery: the table that every channel starts from.
//!
//! Promises: pure; nothing that may pass by itself is given up (an answer that asks for patience, a far side in trouble,
//! any failure of the network), nothing that will not is repeated, and what may have arrived is told from both; what people read quotes no URL, token or header.
//! Deliberately not here: how long to wait when the far side named no moment; `backoff` says that.

use std::time::Duration;

use crate::alert::Attempt;
use crate::time::Time;

use super::parcel::{Failure, Reply};
use super::text;

/// A far side that asks for more patience is asked again all the same: an hour later its word may no longer hold.
const PATIENCE_MAX: Duration = Duration::from_secs(3600);
/// Characters of an answer that are shown to people.
const ANSWER_CHARS: usize = 200;

/// Judges what the courier brought back. `hidden` are the texts that must not be shown.
pub(crate) fn judge(brought: &Result<Reply, Failure>, hidden: &[String], now: Time) -> Attempt {
    match brought {
        Err(failure @ Failure::Invalid(_)) => Attempt::Refused { error: shown(&failure.to_string(), hidden) },
        Err(failure @ (Failure::Timeout | Failure::Broken(_))) => {
            Attempt::Unanswered { error: shown(&failure.to_string(), hidden) }
        }
        Err(failure) => Attempt::Failed { error: shown(&failure.to_string(), hidden), not_before: None },
        Ok(reply) => match reply.status {
            200..=299 => Attempt::Delivered,
            408 | 425 | 429 | 500..=599 => failed(reply, hidden, now),
            _ => refused(reply, hidden),
        },
    }
}

/// What a channel reads in an answer that its status does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No further try will help.
    Permanent,
    /// It may pass.
    Temporary,
}

/// Judges what the courier brought back by what the channel reads in the answer, and else by the status. A channel may
/// put into `retry_after` what the answer asks for elsewhere.
pub(crate) fn judge_read(
    brought: &Result<Reply, Failure>,
    hidden: &[String],
    now: Time,
    read: impl FnOnce(&mut Reply) -> Option<Fate>,
) -> Attempt {
    let Ok(reply) = brought else { return judge(brought, hidden, now) };
    let mut reply = reply.clone();
    match read(&mut reply) {
        Some(Fate::Temporary) => failed(&reply, hidden, now),
        Some(Fate::Permanent) => refused(&reply, hidden),
        None => judge(&Ok(reply), hidden, now),
    }
}

/// Worth another try.
pub(crate) fn failed(reply: &Reply, hidden: &[String], now: Time) -> Attempt {
    let not_before = reply.retry_after.as_deref().and_then(|asked| retry_at(asked, now));
    Attempt::Failed { error: answer(reply, hidden), not_before }
}

/// Never to be tried again.
pub(crate) fn refused(reply: &Reply, hidden: &[String]) -> Attempt {
    Attempt::Refused { error: answer(reply, hidden) }
}

/// `answered 404: no such hook`
fn answer(reply: &Reply, hidden: &[String]) -> String {
    let said = shown(&String::from_utf8_lossy(&reply.body), hidden);
    let redirected =
        if (300..400).contains(&reply.status) { " (redirects are not followed: configure the final URL)" } else { "" };
    match said.is_empty() {
        true => format!("answered {}{redirected}", reply.status),
        false => format!("answered {}{redirected}: {said}", reply.status),
    }
}

/// Hidden before it is cut, or a cut secret would no longer be recognised.
fn shown(said: &str, hidden: &[String]) -> String {
    text::line(&text::hide(said, hidden), ANSWER_CHARS)
}

/// The moment `Retry-After` names, as seconds or as an HTTP date; at most an hour away. `None` for what is neither.
fn retry_at(asked: &str, now: Time) -> Option<Time> {
    let asked = asked.trim();
    let moment = match asked.parse::<u64>() {
        Ok(seconds) => now.plus(Duration::from_secs(seconds)),
        // Some servers write fractions, against the specification.
        Err(_) => match asked.parse::<f64>() {
            Ok(seconds) if seconds >= 0.0 => now.plus(Duration::try_from_secs_f64(seconds).unwrap_or(PATIENCE_MAX)),
            _ => Time(jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(asked).ok()?.as_millisecond()),
        },
    };
    Some(moment.clamp(now, now.plus(PATIENCE_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_410_131_000);

    fn reply(status: u16, body: &str) -> Result<Reply, Failure> {
        Ok(Reply { status, retry_after: None, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn statuses_by_what_they_mean() {
        let table: [(&str, &[u16]); 3] = [
            ("delivered", &[200, 201, 202, 204, 299]),
            ("failed", &[408, 425, 429, 500, 502, 503, 504, 599]),
            ("refused", &[100, 301, 302, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422, 451, 600]),
        ];
        for (expected, statuses) in table {
            for status in statuses {
                assert_eq!(judge(&reply(*status, ""), &[], NOW).name(), expected, "{status}");
            }
        }
    }

    #[test]
    fn failures_of_the_network_are_worth_another_try() {
        let what = || "x".to_owned();
        for failure in [Failure::Connect(what()), Failure::Address(what()), Failure::Print(what())] {
            let attempt = judge(&Err(failure.clone()), &[], NOW);
            assert!(matches!(attempt, Attempt::Failed { not_before: None, .. }), "{failure:?}");
        }
        for failure in [Failure::Timeout, Failure::Broken(what())] {
            assert_eq!(judge(&Err(failure.clone()), &[], NOW).name(), "unanswered", "{failure:?}");
        }
        assert!(matches!(judge(&Err(Failure::Invalid(what())), &[], NOW), Attempt::Refused { .. }));
    }

    #[test]
    fn retry_after_is_honoured_up_to_an_hour() {
        let table = [
            ("30", Some(30_000)),
            (" 0 ", Some(0)),
            ("1.5", Some(1_500)),
            ("7200", Some(3_600_000)),
            ("18446744073709551615", Some(3_600_000)),
            ("1e300", Some(3_600_000)),
            ("Mon, 23 Nov 2026 05:03:11 GMT", Some(60_000)),
            ("Mon, 23 Nov 2026 04:00:00 GMT", Some(0)),
            ("Thu, 01 Jan 2099 00:00:00 GMT", Some(3_600_000)),
            ("-5", None),
            ("nan", None),
            ("soon", None),
            ("", None),
        ];
        for (asked, expected_ms) in table {
            let seen = retry_at(asked, NOW).map(|at| at.ms() - NOW.ms());
            assert_eq!(seen, expected_ms, "{asked:?}");
        }
    }

    #[test]
    fn the_answer_is_quoted_short_and_without_secrets() {
        let body = format!("no hook at /T0/B0/xyzxyz\n\u{1b}[31m{}", "가".repeat(500));
        let Attempt::Refused { error } = judge(&reply(404, &body), &["/T0/B0/xyzxyz".to_owned()], NOW) else {
            panic!("a 404 is final");
        };
        assert!(error.starts_with("answered 404: no hook at (hidden) [31m가"), "{error}");
        assert_eq!(error.chars().count(), "answered 404: ".len() + ANSWER_CHARS);
    }

    #[test]
    fn a_redirect_says_what_to_do() {
        let attempt = judge(&reply(301, ""), &[], NOW);
        let error = "answered 301 (redirects are not followed: configure the final URL)".to_owned();
        assert_eq!(attempt, Attempt::Refused { error });
    }
}
