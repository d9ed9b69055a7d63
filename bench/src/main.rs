//! Measures the release binary of bongsu over HTTP, next to a bare server of the same HTTP stack.
//!
//! # The path of a figure
//!
//! `payload` lays out bodies and `mix` says which error each event is; `request` makes them into bytes. `server` starts
//! a `program` on a core of its own, with `stores` where it shares some; `load` sends from another core and reads the
//! answers with `response`, `histogram` keeps the latencies. `sink` receives alerts, `alert` measures how long they take.
//! `suite` puts these in order, `report` keeps what came of it, `table` prints it. Deliberately not here: micro-benchmarks of single functions, and verdicts on the figures.

mod alert;
mod cores;
mod histogram;
mod load;
mod mix;
mod payload;
mod program;
mod report;
mod request;
mod response;
mod server;
mod sink;
mod stores;
mod suite;
mod table;

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::program::System;
use crate::report::{Machine, Report};
use crate::stores::Stores;
use crate::suite::{Plan, Settings, Suite};

/// Measures bongsu over HTTP, next to a bare server of the same HTTP stack.
///
/// Closed loop over every payload and mix, open loop at a fixed rate, memory and start of an idle server, and the time
/// from an error's first event to its webhook. Wants two cores, and a machine that does nothing else.
#[derive(Parser)]
#[command(name = "bongsu-bench", version)]
struct Arguments {
    /// The bongsu binary
    #[arg(long, value_name = "FILE", required_unless_present_any = ["bare_only", "list"])]
    server: Option<PathBuf>,
    /// The bare server [default: bongsu-bench-bare next to this program]
    #[arg(long, value_name = "FILE")]
    bare: Option<PathBuf>,
    /// The naive server [default: bongsu-bench-naive next to this program]
    #[arg(long, value_name = "FILE")]
    naive: Option<PathBuf>,
    /// Measure bongsu with Redis and PostgreSQL next to services made by hand; starts its own of both
    #[arg(long)]
    stores: bool,
    /// Measure without bongsu: what this machine can do
    #[arg(long, conflicts_with = "server")]
    bare_only: bool,
    /// A short run, to see that everything works; its figures mean little
    #[arg(long)]
    quick: bool,
    /// Only what has PATTERN in its name (see --list); may be given more than once
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Print the names of all measurements, and end
    #[arg(long)]
    list: bool,
    /// Write the figures of every round as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep-alive connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Rounds of each case; shown is the median [default: 3, quick: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Measured seconds of a round [default: 4, quick: 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    measure: Option<f64>,
    /// Seconds before those [default: 1, quick: 0.2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    warm_up: Option<f64>,
    /// Requests a second of the open-loop cases
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Alerts timed one after another [default: 200, quick: 20]
    #[arg(long, value_name = "N")]
    alerts: Option<u16>,
    /// Compressed bodies made for gzip/distinct [default: 150000, quick: 10000]
    #[arg(long, value_name = "N")]
    pool: Option<u32>,
    /// Give bongsu no channel: alerts are decided but not sent
    #[arg(long)]
    no_channel: bool,
    /// Where servers keep their data; on the kind of disk that is meant [default: the system's temporary folder]
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=3_600.0).contains(&number) { Ok(number) } else { Err("from 0.1 to 3600".to_owned()) }
}

impl Arguments {
    fn settings(&self) -> Settings {
        let quick = self.quick;
        Settings {
            connections: usize::from(self.connections),
            rounds: usize::from(self.rounds.unwrap_or(if quick { 1 } else { 3 })),
            warm_up_seconds: self.warm_up.unwrap_or(if quick { 0.2 } else { 1.0 }),
            measured_seconds: self.measure.unwrap_or(if quick { 0.5 } else { 4.0 }),
            open_per_second: self.rate,
            alerts: usize::from(self.alerts.unwrap_or(if quick { 20 } else { 200 })),
            pool: self.pool.map_or(if quick { 10_000 } else { 150_000 }, |pool| pool.max(1) as usize),
        }
    }

    fn plans(&self) -> Vec<Plan> {
        if self.stores { Plan::with_stores() } else { Plan::all() }
    }

    /// The servers to measure, and their files.
    fn systems(&self) -> anyhow::Result<Vec<(System, PathBuf)>> {
        let here = std::env::current_exe()?;
        let file = |given: &Option<PathBuf>, name| given.clone().unwrap_or_else(|| here.with_file_name(name));
        let mut systems = vec![(System::Bare, file(&self.bare, "bongsu-bench-bare"))];
        if self.stores {
            let naive = file(&self.naive, "bongsu-bench-naive");
            systems.extend([(System::Naive, naive.clone()), (System::Script, naive)]);
        }
        if let Some(bongsu) = &self.server {
            systems.push((System::Bongsu, bongsu.clone()));
            if self.stores {
                systems.push((System::BongsuStores, bongsu.clone()));
            }
        }
        Ok(systems)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| name.contains(pattern.as_str()))
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bongsu-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if arguments.list {
        let plans = arguments.plans().into_iter().map(Plan::name);
        for name in ["idle".to_owned()].into_iter().chain(plans).chain(["alert".to_owned()]) {
            writeln!(out, "{name}")?;
        }
        return Ok(());
    }
    let scratch = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = scratch.join(format!("bongsu-bench-{}", std::process::id()));
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let result = measure(arguments, scratch.clone(), &mut out);
    fs::remove_dir_all(&scratch)?;
    result
}

fn measure(arguments: &Arguments, scratch: PathBuf, out: &mut impl Write) -> anyhow::Result<()> {
    let machine_before = machine();
    let cores = cores::pin();
    let stores = arguments.stores.then(|| Stores::start(&scratch)).transpose()?;
    let versions = stores.as_ref().map(|stores| stores.versions.clone());
    let mut suite = Suite {
        settings: arguments.settings(),
        systems: arguments.systems()?,
        stores,
        scratch,
        core: cores.server,
        sink: sink::Sink::start()?,
        channel: !arguments.no_channel,
        at_rest: RefCell::default(),
    };
    let machine = Machine { pinning: cores.note, stores: versions, ..machine_before };
    let settings = suite.settings.clone();
    let mut report = Report { machine, settings, idle: vec![], cases: vec![], alerts: vec![], skipped: vec![] };
    table::write_machine(out, &report.machine)?;
    report.skipped = suite.skip_refused()?;
    table::write_skipped(out, &report.skipped)?;
    let failed = fill(&mut report, &suite, arguments, out)?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    anyhow::ensure!(failed.is_empty(), "not measured:\n{}", failed.join("\n"));
    Ok(())
}

/// Measures what is wanted, and prints it as it comes. Answers what could not be measured.
fn fill(
    report: &mut Report,
    suite: &Suite,
    arguments: &Arguments,
    out: &mut impl Write,
) -> anyhow::Result<Vec<String>> {
    if arguments.wants("idle") {
        report.idle = suite.idle()?;
        table::write_idle(out, &report.idle)?;
    }
    let plans: Vec<Plan> = arguments.plans().into_iter().filter(|plan| arguments.wants(&plan.name())).collect();
    let table = if arguments.stores { table::STORES } else { table::PLAIN };
    let mut failed = Vec::new();
    if !plans.is_empty() {
        writeln!(out)?;
        table.write_head(out)?;
    }
    for plan in plans {
        match suite.case(plan) {
            Ok(case) => {
                table.write_case(out, &case)?;
                report.cases.push(case);
            }
            // The other cases stand by themselves.
            Err(error) => failed.push(format!("{}: {error:#}", plan.name())),
        }
    }
    if arguments.stores && !report.cases.is_empty() {
        table::write_calls(out, &report.cases)?;
    }
    if arguments.wants("alert") {
        match suite.alerts() {
            Ok(alerts) => report.alerts = alerts,
            Err(error) => failed.push(format!("alert: {error:#}")),
        }
        table::write_alerts(out, &report.alerts)?;
    }
    Ok(failed)
}

/// What `/proc` says of this machine.
fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let models: Vec<&str> = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()))
        .collect();
    Machine {
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        processor: format!("{} x {}", models.len(), models.first().unwrap_or(&"unknown")),
        pinning: String::new(),
        stores: None,
        at: jiff::Timestamp::now().to_string(),
        load_average: read("/proc/loadavg").split_whitespace().next().unwrap_or("unknown").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
