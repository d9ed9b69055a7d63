//! Latencies, kept as a log-linear histogram.
//!
//! Promises: constant memory, an error below one percent, and a quantile that is never under the true one. Deliberately
//! not here: the mean; it hides what people feel.

use std::time::Duration;

/// Buckets in one doubling: 128 keep the error below 1/128.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Up to 2^37 ns, more than two minutes.
const DOUBLINGS: u32 = 37 - STEP_BITS;

/// How often each latency was seen.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram { counts: vec![0; (STEPS * (u64::from(DOUBLINGS) + 1)) as usize], total: 0, max: 0 }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = latency.as_nanos().min(u128::from(u64::MAX)) as u64;
        let last = self.counts.len() - 1;
        self.counts[bucket(nanos).min(last)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The latency that the given share of the records does not exceed; `None` without records.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_nanos(highest(at).min(self.max)));
            }
        }
        None
    }
}

fn bucket(nanos: u64) -> usize {
    let doubling = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEP_BITS + 1);
    (u64::from(doubling) * STEPS + (nanos >> doubling)) as usize
}

/// The highest value that falls into a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let doubling = (bucket / STEPS).saturating_sub(1);
    ((bucket - doubling * STEPS + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_percent_and_never_too_low() {
        let mut histogram = Histogram::new();
        for micros in 1..=100_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, micros) in [(0.5, 50_000.0), (0.99, 99_000.0), (0.999, 99_900.0), (1.0, 100_000.0)] {
            let got = histogram.quantile(share).unwrap().as_secs_f64() * 1e6;
            assert!(got >= micros && got <= micros * 1.01, "{share}: {got} for {micros}");
        }
    }

    #[test]
    fn every_value_lies_in_its_bucket_and_above_the_one_before() {
        for nanos in (0..20_000).chain([1 << 30, (1 << 37) - 1]) {
            let at = bucket(nanos);
            assert!(highest(at) >= nanos, "{nanos}");
            assert!(at == 0 || highest(at - 1) < nanos, "{nanos}");
        }
    }

    #[test]
    fn the_odd_ends_are_counted_too() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), None);
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_secs(3600));
        assert_eq!(histogram.total(), 2);
        assert_eq!(histogram.quantile(0.5), Some(Duration::ZERO));
        assert!(histogram.quantile(1.0).unwrap() > Duration::from_secs(120));
    }
}
