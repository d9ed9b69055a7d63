//! Sentry's protocol, as its SDKs speak it: what is in a request, who sent it, which error it tells of.
//!
//! Promises: pure functions of the bytes; item types, fields and mechanisms that are not known are passed over, as the
//! protocol asks. Deliberately not here: HTTP and decompression, transactions, sessions, replays, attachments: bongsu
//! reads errors only.

pub(crate) mod auth;
mod chain;
pub(crate) mod envelope;
pub(crate) mod event;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
mod wire;

use std::time::Duration;

/// The values of `Retry-After` and `X-Sentry-Rate-Limits` that make SDKs hold back errors for a while.
///
/// Whole seconds, rounded up: half of the SDKs read no fractions, and one that comes back early is refused again. The
/// limit names the category `error` alone, as nothing else is counted here.
pub(crate) fn rate_limits(retry_after: Duration, reason: &str) -> (String, String) {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let seconds = seconds.max(1);
    // Colons, semicolons and commas separate the header's parts.
    let reason: String = reason.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    (seconds.to_string(), format!("{seconds}:error:key:{reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_are_what_sdks_read() {
        let headers = |ms, reason| rate_limits(Duration::from_millis(ms), reason);
        assert_eq!(headers(60_000, "overloaded"), ("60".to_owned(), "60:error:key:overloaded".to_owned()));
        assert_eq!(headers(1_001, "too large: 5,6"), ("2".to_owned(), "2:error:key:too_large__5_6".to_owned()));
        assert_eq!(headers(0, ""), ("1".to_owned(), "1:error:key:".to_owned()));
    }
}
