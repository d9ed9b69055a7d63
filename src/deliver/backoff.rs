//! How long to wait before the next attempt.
//!
//! Promises: pure; never longer than the longest delay, never shorter than half of what the doubling says. Deliberately
//! not here: a random source (the jitter is an argument), and what a far side asked for with `Retry-After`.

use std::time::Duration;

/// The delay after the attempt with this number (from 1) failed: doubled each time, with *equal* jitter (half is fixed,
/// half is drawn by `jitter` in 0..1). Full jitter would spread better, but may draw nearly nothing: a far side that
/// has just said "too many" would be asked again at once.
pub(crate) fn delay(attempt: u32, first: Duration, longest: Duration, jitter: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let full = first.saturating_mul(1 << doublings).min(longest);
    let half = full / 2;
    let drawn = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    half + (full - half).mul_f64(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(300);

    #[test]
    fn it_doubles_up_to_the_longest() {
        let ms = |attempt| delay(attempt, FIRST, LONGEST, 1.0).as_millis();
        assert_eq!([1, 2, 3, 9, 10, 40, u32::MAX].map(ms), [1_000, 2_000, 4_000, 256_000, 300_000, 300_000, 300_000]);
        assert_eq!(ms(0), 1_000, "an attempt that never was counts as the first");
    }

    #[test]
    fn jitter_draws_the_upper_half_only() {
        let ms = |jitter| delay(2, FIRST, LONGEST, jitter).as_millis();
        assert_eq!([0.0, 0.5, 0.999_999, -1.0, f64::NAN].map(ms), [1_000, 1_500, 1_999, 1_000, 1_000]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(delay(u32::MAX, Duration::MAX, Duration::MAX, 0.0), Duration::MAX / 2);
        assert_eq!(delay(5, Duration::ZERO, LONGEST, 0.5), Duration::ZERO);
    }
}
