//! The figures, as a table and as JSON.
//!
//! Promises: what is shown is the median of the rounds, each figure for itself, and what went wrong is shown next to
//! it. Deliberately not here: judgement; the targets are in README.md.

use std::io::Write;

use serde::Serialize;

use crate::alert::AlertFigures;
use crate::suite::Settings;

const MIB: f64 = 1024.0 * 1024.0;

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
    /// Alerts that reached the sink during the run.
    pub(crate) webhooks: f64,
}

/// One server's runs of one case.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) median: Figures,
    pub(crate) rounds: Vec<Figures>,
    /// What went wrong.
    pub(crate) notes: Vec<String>,
}

/// One kind of load, both servers.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Of one request, head included.
    pub(crate) request_bytes: usize,
    pub(crate) events_per_request: u64,
    pub(crate) bare: Side,
    pub(crate) bongsu: Option<Side>,
    /// Requests/s of bongsu to the bare server's; not of an open loop, whose rate is given.
    pub(crate) of_bare: Option<f64>,
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
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) idle: Vec<Idle>,
    pub(crate) cases: Vec<Case>,
    pub(crate) alert: Option<AlertFigures>,
}

impl Side {
    pub(crate) fn new(rounds: Vec<Figures>, notes: Vec<String>) -> Side {
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
            webhooks: middle(|f| f.webhooks),
        };
        Side { median, rounds, notes }
    }

    /// How far the rounds lie apart, as a share of the median.
    fn spread(&self) -> f64 {
        let rates = self.rounds.iter().map(|round| round.accepted_per_second);
        let (low, high) = rates.fold((f64::INFINITY, 0.0), |(low, high), rate| (rate.min(low), rate.max(high)));
        (high - low) / self.median.accepted_per_second
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

/// Writes where it is measured.
pub(crate) fn write_machine(out: &mut impl Write, machine: &Machine) -> std::io::Result<()> {
    let Machine { kernel, processor, pinning, at, load_average } = machine;
    writeln!(out, "{processor}, Linux {kernel}, {at}, load average {load_average}\n{pinning}")?;
    out.flush()
}

/// Writes the head of the table of cases.
pub(crate) fn write_case_head(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\n{:<18}{:<8}{:>11}{:>12}{:>9}{:>9}{:>9}{:>9}{:>11}{:>10}{:>10}{:>8}",
        "case",
        "server",
        "accepted/s",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "p99.9",
        "of bare",
        "CPU us/ev",
        "peak MiB",
        "data MiB",
        "spread"
    )
}

/// Writes the rows of a case.
pub(crate) fn write_case(out: &mut impl Write, case: &Case) -> std::io::Result<()> {
    write_side(out, &case.name, "bare", &case.bare, None)?;
    if let Some(side) = &case.bongsu {
        write_side(out, "", "bongsu", side, case.of_bare)?;
    }
    out.flush()
}

fn write_side(
    out: &mut impl Write,
    name: &str,
    server: &str,
    side: &Side,
    of_bare: Option<f64>,
) -> std::io::Result<()> {
    let figures = &side.median;
    let of_bare = of_bare.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0));
    writeln!(
        out,
        "{name:<18}{server:<8}{:>11}{:>12}{:>9}{:>9}{:>9}{of_bare:>9}{:>11}{:>10}{:>10}{:>6} %",
        thousands(figures.accepted_per_second),
        thousands(figures.requests_per_second),
        shown(figures.p50_ms, 2),
        shown(figures.p99_ms, 2),
        shown(figures.p999_ms, 2),
        shown(figures.cpu_us_per_event, 1),
        shown(figures.peak_rss_bytes / MIB, 1),
        shown(figures.data_bytes / MIB, 1),
        shown(side.spread() * 100.0, 0),
    )?;
    for note in &side.notes {
        writeln!(out, "{:<18}! {note}", "")?;
    }
    Ok(())
}

/// Writes one line for each server that was started and left alone.
pub(crate) fn write_idle(out: &mut impl Write, idle: &[Idle]) -> std::io::Result<()> {
    for Idle { server, start_ms, rss_bytes } in idle {
        writeln!(out, "{server:<8} ready {start_ms:.1} ms after its start, {:.1} MiB idle", rss_bytes / MIB)?;
    }
    out.flush()
}

/// Writes the line of the alert latency.
pub(crate) fn write_alert(out: &mut impl Write, alert: &AlertFigures) -> std::io::Result<()> {
    let AlertFigures { sent, missing, p50_ms, p99_ms, max_ms, acknowledged_p50_ms } = alert;
    writeln!(
        out,
        "\nfirst event to webhook, server idle: p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, max {max_ms:.2} ms \
         ({sent} alerts, {missing} missing; acknowledged after p50 {acknowledged_p50_ms:.2} ms)"
    )
}

/// A figure, or a dash where there is none: nothing was accepted that it could be about.
fn shown(number: f64, decimals: usize) -> String {
    if number.is_finite() { format!("{number:.decimals$}") } else { "-".to_owned() }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
    fn numbers_are_grouped() {
        for (number, text) in [(0.4, "0"), (999.0, "999"), (1_000.0, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn a_case_has_a_row_for_each_server_under_the_head_and_its_notes() {
        let side = |rate: f64, notes| {
            let round = Figures { accepted_per_second: rate, requests_per_second: rate, ..Figures::default() };
            Side::new(vec![round], notes)
        };
        let case = Case {
            name: "native/one".to_owned(),
            request_bytes: 700,
            events_per_request: 1,
            bare: side(80_000.0, Vec::new()),
            bongsu: Some(side(60_000.0, vec!["3 answers were not 2xx".to_owned()])),
            of_bare: Some(0.75),
        };
        let mut out = Vec::new();
        write_case_head(&mut out).unwrap();
        write_case(&mut out, &case).unwrap();
        let text = String::from_utf8(out).unwrap();
        let [_, head, bare, bongsu, note] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!((head.len(), head.len()), (bare.len(), bongsu.len()), "{text}");
        assert!(bare.starts_with("native/one") && bare.contains("80,000"), "{text}");
        assert!(bongsu.contains("60,000") && bongsu.contains("75 %"), "{text}");
        assert!(note.contains("! 3 answers were not 2xx"), "{text}");
    }
}
