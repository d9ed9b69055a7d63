//! What was measured, for people and machines.
//!
//! Promises: pure but for the colours, which a terminal alone gets. Deliberately not here: measuring.

use serde::Serialize;

use super::load::{P99_MAX, Search, Step};
use crate::cli::print;

/// Everything about one store.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Where it is, without user and password.
    pub(super) store: String,
    /// What it is.
    pub(super) kind: String,
    /// Its version, when it says so.
    pub(super) version: Option<String>,
    /// What bongsu has it for.
    pub(super) purpose: &'static str,
    /// How what is over goes away.
    pub(super) expiry: Expiry,
    /// Each decision, each way of asking.
    pub(super) decisions: Vec<Series>,
    /// Why it could not be measured, or not to the end.
    pub(super) problem: Option<String>,
}

/// How what is over goes away, and how late.
#[derive(Debug, Default, Serialize)]
pub(super) struct Expiry {
    /// By what.
    pub(super) mechanism: &'static str,
    /// How long after its end an error could alert again, in milliseconds.
    pub(super) rearmed_late_ms: Option<u64>,
    /// How long after its end a record was gone from the store.
    pub(super) removed_late_ms: Option<u64>,
    /// What the figures do not say.
    pub(super) note: Option<String>,
}

/// One kind of decision, asked in one way.
#[derive(Debug, Serialize)]
pub(super) struct Series {
    /// `count`, `grant` or `admit`.
    pub(super) decision: &'static str,
    /// `one by one` or `group commit`.
    pub(super) way: &'static str,
    /// At the rates asked for.
    pub(super) steps: Vec<Step>,
    /// The highest rate it kept up with; `None`: with none.
    pub(super) sustained_per_second: Option<u32>,
    /// Whether more was not tried.
    pub(super) at_least: bool,
}

impl Series {
    pub(super) fn new(decision: &'static str, way: &'static str, steps: Vec<Step>, search: Search) -> Series {
        let at_least = search.is_open() && search.found().is_some();
        Series { decision, way, steps, sustained_per_second: search.found(), at_least }
    }
}

/// Prints all of it.
pub(super) fn show(reports: &[Report], rates: &[u32]) {
    for report in reports {
        words(report).iter().for_each(|line| print::line(line));
    }
    print::line(&print::bold(&head(rates)));
    for report in reports {
        report.decisions.iter().for_each(|series| print::line(&row(report, series, rates)));
    }
    for (report, series) in
        reports.iter().flat_map(|report| report.decisions.iter().map(move |series| (report, series)))
    {
        if let Some((rate, why)) = series.steps.iter().find_map(|step| Some((step.rate, step.why.as_ref()?))) {
            let Series { decision, way, .. } = series;
            print::line(&format!("{}, {decision}, {way}, at {rate}/s: {why}", report.store));
        }
    }
    print::line(&format!(
        "\nMilliseconds, 50th and 99th percentile; sustained: the highest rate with all answered and p99 within {} ms; !: not kept up with.",
        P99_MAX.as_millis()
    ));
}

fn words(report: &Report) -> Vec<String> {
    let title = match &report.version {
        Some(version) => format!("{} ({version})", report.store),
        None => report.store.clone(),
    };
    let mut lines = vec![print::bold(&title)];
    if !report.purpose.is_empty() {
        lines.push(format!("  for      {}", report.purpose));
        lines.push(format!("  expiry   {}", report.expiry.mechanism));
        lines.push(format!("           {}", late(&report.expiry)));
    }
    lines.extend(report.problem.iter().map(|problem| format!("  {}", print::red(&format!("problem  {problem}")))));
    lines.push(String::new());
    lines
}

fn late(expiry: &Expiry) -> String {
    let ms = |what: &str, ms: Option<u64>| match ms {
        Some(ms) => format!("{what} {ms} ms after its end"),
        None => format!("{what}: not seen"),
    };
    let mut text = format!("{}, {}", ms("re-armed", expiry.rearmed_late_ms), ms("removed", expiry.removed_late_ms));
    if let Some(note) = &expiry.note {
        text += &format!(" ({note})");
    }
    text
}

/// Room for a rate's two figures.
const FIGURES: usize = 16;

fn head(rates: &[u32]) -> String {
    let mut text = format!("{:<26} {:<8} {:<12}", "store", "decision", "way");
    for rate in rates {
        text += &format!(" {:>FIGURES$}", format!("{rate}/s"));
    }
    text + &format!(" {:>12}", "sustained/s")
}

fn row(report: &Report, series: &Series, rates: &[u32]) -> String {
    let mut text = format!("{:<26} {:<8} {:<12}", shortened(&report.store, 26), series.decision, series.way);
    for rate in rates {
        let step = series.steps.iter().find(|step| step.rate == *rate);
        let cell = format!(" {:>FIGURES$}", figures(step));
        text += &if step.is_none_or(|step| step.kept_up) { cell } else { print::red(&cell) };
    }
    let sustained = match (series.sustained_per_second, series.at_least) {
        (None, _) => "none".to_owned(),
        (Some(rate), true) => format!("over {rate}"),
        (Some(rate), false) => rate.to_string(),
    };
    text + &format!(" {sustained:>12}")
}

/// `!` where it did not keep up.
fn figures(step: Option<&Step>) -> String {
    let Some(step) = step else { return "-".to_owned() };
    let mark = if step.kept_up { "" } else { "!" };
    match (step.p50_ms, step.p99_ms) {
        (Some(p50), Some(p99)) => format!("{mark}{} {:>7}", short(p50), short(p99)),
        _ => format!("{mark}failed"),
    }
}

/// Three digits or so.
fn short(ms: f64) -> String {
    let digits = if ms < 1.0 {
        2
    } else if ms < 10.0 {
        1
    } else {
        0
    };
    format!("{ms:.digits$}")
}

/// The end tells stores apart better than the beginning.
fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    format!("…{}", text.chars().skip(count + 1 - most).collect::<String>())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_row_has_each_rate_and_marks_what_did_not_keep_up() {
        let step =
            |rate, p50_ms, p99_ms, kept_up| Step { rate, answered: 1, failed: 0, p50_ms, p99_ms, kept_up, why: None };
        let steps = vec![step(100, Some(0.214), Some(3.04), true), step(1_000, Some(48.2), Some(1_204.0), false)];
        let mut search = Search::after(&steps);
        search.tried(700, true);
        let series = Series::new("admit", "one by one", steps, search);
        let report = Report {
            store: "postgres://a-long-name.example:5432/bongsu".to_owned(),
            kind: "PostgreSQL".to_owned(),
            version: Some("PostgreSQL 16.1".to_owned()),
            purpose: "the archive",
            expiry: Expiry {
                mechanism: "rows",
                rearmed_late_ms: Some(1),
                removed_late_ms: None,
                note: Some("why".to_owned()),
            },
            decisions: Vec::new(),
            problem: None,
        };
        let rates = [100, 1_000, 5_000];
        let text = [words(&report), vec![head(&rates), row(&report, &series, &rates)]].concat().join("\n");
        expect![[r#"
            postgres://a-long-name.example:5432/bongsu (PostgreSQL 16.1)
              for      the archive
              expiry   rows
                       re-armed 1 ms after its end, removed: not seen (why)

            store                      decision way                     100/s           1000/s           5000/s  sustained/s
            …-name.example:5432/bongsu admit    one by one       0.21     3.0      !48    1204                -          700"#]]
        .assert_eq(&text);
    }
}
