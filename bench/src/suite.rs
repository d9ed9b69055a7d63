//! What is measured, in which order.
//!
//! Promises: the two servers take turns (bare, bongsu, bare, bongsu, …), so that a slow minute of the machine is slow
//! for both; every run starts a fresh server on fresh data. Deliberately not here: how a load is made.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::alert::{self, AlertFigures};
use crate::load::{self, Load, Mark, Pace, Tally};
use crate::mix::Mix;
use crate::payload::Payload;
use crate::report::{Case, Figures, Idle, Side, median};
use crate::request::Requests;
use crate::server::{Program, Server, Usage, own_usage};
use crate::sink::Sink;

/// bongsu's default budget, which the answers are checked against.
const BUDGET: u64 = 5;
const ZIPF_ERRORS: u64 = 1_000;
/// Compressed bodies of the mixes in which errors come again.
const REPEATING_POOL: usize = 16_384;
/// After a start, before the memory of an idle server is read.
const SETTLE: Duration = Duration::from_millis(500);
/// An open loop spins; in a closed one, a generator busier than this is what is measured.
const GENERATOR_BUSY_MAX: f64 = 0.95;
const ALERT_PATIENCE: Duration = Duration::from_secs(5);

/// How long and how much.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) connections: usize,
    pub(crate) rounds: usize,
    pub(crate) warm_up_seconds: f64,
    pub(crate) measured_seconds: f64,
    /// Requests a second of the open-loop cases.
    pub(crate) open_per_second: u32,
    pub(crate) alerts: usize,
    /// Compressed bodies of the distinct mix.
    pub(crate) pool: usize,
}

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) payload: Payload,
    pub(crate) mix: Mix,
    pub(crate) open: bool,
}

impl Plan {
    /// Closed loop: each payload with each mix. Open loop: the two shapes that clients send most.
    pub(crate) fn all() -> Vec<Plan> {
        let closed = Payload::ALL
            .into_iter()
            .flat_map(|payload| Mix::ALL.into_iter().map(move |mix| Plan { payload, mix, open: false }));
        let open = [Payload::Native, Payload::Gzip].map(|payload| Plan { payload, mix: Mix::Zipf, open: true });
        closed.chain(open).collect()
    }

    pub(crate) fn name(self) -> String {
        let kind = if self.open { "open/" } else { "" };
        format!("{kind}{}/{}", self.payload.name(), self.mix.name())
    }
}

/// Everything a run needs.
pub(crate) struct Suite {
    pub(crate) settings: Settings,
    pub(crate) bare: PathBuf,
    /// Absent: the bare server alone is measured.
    pub(crate) bongsu: Option<PathBuf>,
    pub(crate) scratch: PathBuf,
    pub(crate) core: Option<usize>,
    pub(crate) sink: Sink,
    /// Whether bongsu has a channel to send alerts to.
    pub(crate) channel: bool,
}

impl Suite {
    fn programs(&self) -> Vec<Program> {
        let webhook = self.channel.then_some(self.sink.address);
        let bongsu = self.bongsu.iter().map(|path| Program::Bongsu { path: path.clone(), webhook });
        std::iter::once(Program::Bare(self.bare.clone())).chain(bongsu).collect()
    }

    /// Time to readiness and memory of a server nobody asks anything.
    pub(crate) fn idle(&self) -> anyhow::Result<Vec<Idle>> {
        let mut all = Vec::new();
        for program in self.programs() {
            let (mut starts, mut sizes) = (Vec::new(), Vec::new());
            for round in 0..self.settings.rounds {
                progress(&format!("idle: {}, round {}", program.name(), round + 1));
                let server = Server::start(&program, &self.scratch, self.core)?;
                std::thread::sleep(SETTLE);
                starts.push(server.start.as_secs_f64() * 1e3);
                sizes.push(server.usage()?.rss_bytes as f64);
                server.stop()?;
            }
            all.push(Idle { server: program.name(), start_ms: median(starts), rss_bytes: median(sizes) });
        }
        progress("");
        Ok(all)
    }

    /// Runs one kind of load against both servers in turn.
    pub(crate) fn case(&self, plan: Plan) -> anyhow::Result<Case> {
        let case = self.rounds(plan);
        progress("");
        case
    }

    fn rounds(&self, plan: Plan) -> anyhow::Result<Case> {
        progress(&format!("{}: making the requests", plan.name()));
        let pool = if plan.mix == Mix::Distinct { self.settings.pool } else { REPEATING_POOL.min(self.settings.pool) };
        let mut requests = Requests::new(plan.payload, plan.mix, pool)?;
        let programs = self.programs();
        let mut sides: Vec<(Vec<Figures>, Vec<String>)> = programs.iter().map(|_| Default::default()).collect();
        for round in 0..self.settings.rounds {
            for (program, (rounds, notes)) in programs.iter().zip(&mut sides) {
                progress(&format!(
                    "{}: {}, round {} of {}",
                    plan.name(),
                    program.name(),
                    round + 1,
                    self.settings.rounds
                ));
                let (figures, troubles) = self.round(plan, program, &mut requests)?;
                rounds.push(figures);
                notes.extend(troubles.into_iter().map(|trouble| format!("round {}: {trouble}", round + 1)));
            }
        }
        let mut sides = sides.into_iter().map(|(rounds, notes)| Side::new(rounds, notes));
        let bare = sides.next().expect("the bare server is always measured");
        let bongsu = sides.next();
        let of_bare = bongsu
            .as_ref()
            .filter(|_| !plan.open)
            .map(|side| side.median.requests_per_second / bare.median.requests_per_second);
        let (request_bytes, events_per_request) = (requests.bytes(), plan.payload.events());
        Ok(Case { name: plan.name(), request_bytes, events_per_request, bare, bongsu, of_bare })
    }

    fn round(&self, plan: Plan, program: &Program, requests: &mut Requests) -> anyhow::Result<(Figures, Vec<String>)> {
        let is_bongsu = matches!(program, Program::Bongsu { .. });
        requests.rewind(!is_bongsu);
        let server = Server::start(program, &self.scratch, self.core)?;
        let pace = if plan.open { Pace::Open { per_second: self.settings.open_per_second } } else { Pace::Closed };
        let load = Load {
            address: server.address,
            connections: self.settings.connections,
            warm_up: Duration::from_secs_f64(self.settings.warm_up_seconds),
            measured: Duration::from_secs_f64(self.settings.measured_seconds),
            pace,
            events: plan.payload.events(),
            outcomes: is_bongsu && plan.payload.answers_outcomes(),
        };
        let webhooks_before = self.sink.count();
        let (mut usages, mut own) = (Vec::new(), Vec::new());
        let result = load::run(load, requests, &mut |_: Mark| {
            usages.push(server.usage());
            own.push(own_usage());
        });
        let tally = result.map_err(|error| error.context(format!("{}\n{}", plan.name(), server.log())))?;
        let (server_cpu, generator_cpu) = (cpu_between(usages)?, cpu_between(own)?);
        let peak_rss_bytes = server.usage()?.peak_rss_bytes as f64;
        let data_bytes = server.stop()? as f64;
        let seconds = tally.elapsed.as_secs_f64();
        let quantile_ms =
            |share| tally.latencies.quantile(share).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3);
        let figures = Figures {
            accepted_per_second: tally.accepted as f64 / seconds,
            requests_per_second: tally.latencies.total() as f64 / seconds,
            p50_ms: quantile_ms(0.5),
            p99_ms: quantile_ms(0.99),
            p999_ms: quantile_ms(0.999),
            cpu_us_per_event: server_cpu.as_secs_f64() * 1e6 / tally.accepted as f64,
            peak_rss_bytes,
            data_bytes,
            generator_busy: generator_cpu.as_secs_f64() / seconds,
            webhooks: (self.sink.count() - webhooks_before) as f64,
        };
        let mut notes = troubles(&load, plan.mix, &tally);
        if !plan.open && figures.generator_busy > GENERATOR_BUSY_MAX {
            notes.push(format!("the generator was {:.0} % busy and may be the limit", figures.generator_busy * 100.0));
        }
        Ok((figures, notes))
    }

    /// From the first event of an error to its webhook; `None` when there is no bongsu or no channel.
    pub(crate) fn alert(&self) -> anyhow::Result<Option<AlertFigures>> {
        let Some(program) = self.programs().into_iter().nth(1).filter(|_| self.channel) else { return Ok(None) };
        progress("alert: one new error after another");
        let server = Server::start(&program, &self.scratch, self.core)?;
        let figures = alert::measure(server.address, &self.sink, self.settings.alerts, ALERT_PATIENCE)
            .map_err(|error| error.context(server.log()));
        progress("");
        let figures = figures?;
        server.stop()?;
        Ok(Some(figures))
    }
}

/// What a process used between the two marks of a load.
fn cpu_between(usages: Vec<anyhow::Result<Usage>>) -> anyhow::Result<Duration> {
    let usages = usages.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let [begin, end] = usages[..] else { anyhow::bail!("a load has a begin and an end") };
    Ok(end.cpu - begin.cpu)
}

/// What a reader of the figures must know.
fn troubles(load: &Load, mix: Mix, tally: &Tally) -> Vec<String> {
    let mut all = Vec::new();
    let counts = [
        (tally.refused, "answers were not 2xx"),
        (tally.miscounted, "answers had another number of outcomes than the request had events"),
        (tally.broken, "connections broke under a request"),
        (tally.unanswered, "requests were not answered after the end"),
    ];
    all.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    all.extend(tally.first_refusal.iter().map(|text| format!("the first answer that was not 2xx: {text}")));
    let expected = match mix {
        Mix::One => BUDGET..=BUDGET,
        Mix::Zipf => 1..=BUDGET * ZIPF_ERRORS,
        Mix::Distinct => tally.accepted_in_all..=tally.accepted_in_all,
    };
    if load.outcomes && !expected.contains(&tally.alerted_in_all) {
        let (low, high) = (expected.start(), expected.end());
        all.push(format!("{} events alerted; {low} to {high} were expected", tally.alerted_in_all));
    }
    if tally.ran_out {
        all.push(format!("the compressed bodies ran out after {:.1} s (--pool)", tally.elapsed.as_secs_f64()));
    }
    all
}

/// Says on a terminal what is going on; an empty text clears the line.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K{text}");
    }
}
