//! The figures, and what is made of them; as JSON they are what they are here.
//!
//! Promises: what stands for several rounds is their median, each figure for itself, and what went wrong stays next to
//! it. Deliberately not here: judgement, and what it looks like to people (`table`).

use serde::Serialize;

use crate::alert::AlertFigures;
use crate::suite::Settings;

/// What one run gave.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) accepted_per_second: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// User and system time of the server's process.
    pub(crate) cpu_us_per_event: f64,
    pub(crate) peak_rss_bytes: f64,
    /// After the stop.
    pub(crate) data_bytes: f64,
    /// Share of its core that the generator used; an open loop spins and uses all.
    pub(crate) generator_busy: f64,
    /// The same of the shared stores.
    pub(crate) stores_busy: f64,
    /// Alerts that reached the sink during the run.
    pub(crate) webhooks: f64,
    /// User and system time of the stores the server shares, NaN (null) without any.
    pub(crate) stores_cpu_us_per_event: f64,
    /// What these were asked from the first event of the warm-up until the server had stopped, for a thousand accepted
    /// events; NaN where there is no such store.
    pub(crate) redis_commands_per_thousand: f64,
    pub(crate) redis_scripts_per_thousand: f64,
    pub(crate) redis_reads_per_thousand: f64,
    pub(crate) archive_commits_per_thousand: f64,
}

/// One server's runs of one case.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) server: &'static str,
    /// Its requests/s to those of the servers it is compared with.
    pub(crate) of_bare: Option<f64>,
    pub(crate) of_naive: Option<f64>,
    pub(crate) of_script: Option<f64>,
    pub(crate) median: Figures,
    pub(crate) rounds: Vec<Figures>,
    /// What went wrong.
    pub(crate) notes: Vec<String>,
}

/// One kind of load, all servers.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Of one request, head included.
    pub(crate) request_bytes: usize,
    pub(crate) events_per_request: u64,
    pub(crate) sides: Vec<Side>,
}

/// A server that has just started.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) server: &'static str,
    pub(crate) start_ms: f64,
    pub(crate) rss_bytes: f64,
}

/// Where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) pinning: String,
    /// When, and how busy the machine was with other work.
    pub(crate) at: String,
    pub(crate) load_average: String,
    /// The shared stores, when some are measured.
    pub(crate) stores: Option<String>,
}

/// How long alerts of one server take.
#[derive(Debug, Serialize)]
pub(crate) struct Alert {
    pub(crate) server: &'static str,
    #[serde(flatten)]
    pub(crate) figures: AlertFigures,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) idle: Vec<Idle>,
    pub(crate) cases: Vec<Case>,
    pub(crate) alerts: Vec<Alert>,
    /// What could not be measured here, and why.
    pub(crate) skipped: Vec<String>,
}

impl Side {
    pub(crate) fn new(server: &'static str, rounds: Vec<Figures>, notes: Vec<String>) -> Side {
        let middle = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
        let median = Figures {
            accepted_per_second: middle(|f| f.accepted_per_second),
            requests_per_second: middle(|f| f.requests_per_second),
            p50_ms: middle(|f| f.p50_ms),
            p99_ms: middle(|f| f.p99_ms),
            p999_ms: middle(|f| f.p999_ms),
            cpu_us_per_event: middle(|f| f.cpu_us_per_event),
            peak_rss_bytes: middle(|f| f.peak_rss_bytes),
            data_bytes: middle(|f| f.data_bytes),
            generator_busy: middle(|f| f.generator_busy),
            stores_busy: middle(|f| f.stores_busy),
            webhooks: middle(|f| f.webhooks),
            stores_cpu_us_per_event: middle(|f| f.stores_cpu_us_per_event),
            redis_commands_per_thousand: middle(|f| f.redis_commands_per_thousand),
            redis_scripts_per_thousand: middle(|f| f.redis_scripts_per_thousand),
            redis_reads_per_thousand: middle(|f| f.redis_reads_per_thousand),
            archive_commits_per_thousand: middle(|f| f.archive_commits_per_thousand),
        };
        Side { server, of_bare: None, of_naive: None, of_script: None, median, rounds, notes }
    }

    /// How far the rounds lie apart, as a share of the median.
    pub(crate) fn spread(&self) -> f64 {
        let rates = self.rounds.iter().map(|round| round.accepted_per_second);
        let (low, high) = rates.fold((f64::INFINITY, 0.0), |(low, high), rate| (rate.min(low), rate.max(high)));
        (high - low) / self.median.accepted_per_second
    }
}

/// Says of each side how its rate compares with those before it that are there to compare with.
pub(crate) fn compare(sides: &mut [Side]) {
    for at in 1..sides.len() {
        let (before, rest) = sides.split_at_mut(at);
        let side = &mut rest[0];
        let of = |name: &str| {
            let reference = before.iter().find(|other| other.server == name)?;
            Some(side.median.requests_per_second / reference.median.requests_per_second)
        };
        (side.of_bare, side.of_naive, side.of_script) = (of("bare"), of("naive"), of("script"));
    }
}

/// The middle one, the mean of the middle two, or NaN of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_side_is_compared_with_those_before_it() {
        let side = |server, rate: f64| {
            let round = Figures { requests_per_second: rate, ..Figures::default() };
            Side::new(server, vec![round], Vec::new())
        };
        let mut sides = [side("bare", 100.0), side("naive", 20.0), side("bongsu", 50.0)];
        compare(&mut sides);
        let of = |at: usize| (sides[at].of_bare, sides[at].of_naive, sides[at].of_script);
        assert_eq!(of(0), (None, None, None));
        assert_eq!(of(1), (Some(0.2), None, None));
        assert_eq!(of(2), (Some(0.5), Some(2.5), None));
    }
}
