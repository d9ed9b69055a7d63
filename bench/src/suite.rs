//! What is measured, in which order.
//!
//! Promises: the servers take turns (bare, bongsu, bare, bongsu, …), so that a slow minute of the machine is slow for
//! all; every run starts a fresh server on fresh data, in shared stores too. Deliberately not here: how a load is made.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::alert;
use crate::load::{self, Load, Mark, Pace, Tally};
use crate::mix::Mix;
use crate::payload::Payload;
use crate::program::{Program, System};
use crate::report::{Alert, Case, Figures, Idle, Side, compare, median};
use crate::request::Requests;
use crate::server::{self, Server, own_usage};
use crate::sink::Sink;
use crate::stores::{Calls, Opened, Stores};

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

    /// What is measured on shared stores: native events, which the naive server reads.
    pub(crate) fn with_stores() -> Vec<Plan> {
        let native = Mix::ALL.map(|mix| Plan { payload: Payload::Native, mix, open: false });
        native.into_iter().chain([Plan { payload: Payload::Batch, mix: Mix::One, open: false }]).collect()
    }

    pub(crate) fn name(self) -> String {
        let kind = if self.open { "open/" } else { "" };
        format!("{kind}{}/{}", self.payload.name(), self.mix.name())
    }
}

/// Everything a run needs.
pub(crate) struct Suite {
    pub(crate) settings: Settings,
    /// The servers that take turns, the bare one first, and their files.
    pub(crate) systems: Vec<(System, PathBuf)>,
    /// Present when some of them share stores.
    pub(crate) stores: Option<Stores>,
    pub(crate) scratch: PathBuf,
    pub(crate) core: Option<usize>,
    pub(crate) sink: Sink,
    /// Whether alerts are sent.
    pub(crate) channel: bool,
    /// What a start and a stop ask of the stores.
    pub(crate) at_rest: RefCell<HashMap<System, Calls>>,
}

/// What a run leaves to be made into figures.
struct Run {
    tally: Tally,
    server_cpu: Duration,
    generator_cpu: Duration,
    stores_cpu: Duration,
    peak_rss_bytes: u64,
    data_bytes: u64,
    calls: Calls,
    webhooks: u64,
}

impl Suite {
    /// Empty stores for a system, and the program that is to use them.
    fn prepare(&self, system: System, path: &Path) -> anyhow::Result<(Opened<'_>, Program)> {
        let opened = self.stores.as_ref().map(|stores| stores.open(system)).transpose()?.unwrap_or_default();
        let webhook = (self.channel && system != System::Bare).then_some(self.sink.address);
        let (redis, database) = (opened.redis_url(), opened.database_url());
        Ok((opened, Program { system, path: path.to_owned(), webhook, redis, database }))
    }

    /// Leaves out a bongsu that cannot use the shared stores. Answers what is left out, and why.
    pub(crate) fn skip_refused(&mut self) -> anyhow::Result<Vec<String>> {
        let mut skipped = Vec::new();
        for (system, path) in std::mem::take(&mut self.systems) {
            let refusal = if system == System::BongsuStores {
                let (_opened, program) = self.prepare(system, &path)?;
                server::refusal(&program, &self.scratch)?
            } else {
                None
            };
            match refusal {
                None => self.systems.push((system, path)),
                Some(why) => {
                    skipped.push(format!("{}: `bongsu check` refuses its configuration: {why}", system.name()))
                }
            }
        }
        Ok(skipped)
    }

    /// Time to readiness and memory of a server nobody asks anything.
    pub(crate) fn idle(&self) -> anyhow::Result<Vec<Idle>> {
        let mut all = Vec::new();
        for (system, path) in &self.systems {
            let (mut starts, mut sizes) = (Vec::new(), Vec::new());
            for round in 0..self.settings.rounds {
                progress(&format!("idle: {}, round {}", system.name(), round + 1));
                let (_opened, program) = self.prepare(*system, path)?;
                let server = Server::start(&program, &self.scratch, self.core)?;
                std::thread::sleep(SETTLE);
                starts.push(server.start.as_secs_f64() * 1e3);
                sizes.push(server.usage()?.rss_bytes as f64);
                server.stop()?;
            }
            all.push(Idle { server: system.name(), start_ms: median(starts), rss_bytes: median(sizes) });
        }
        progress("");
        Ok(all)
    }

    /// What a start and a stop without any event ask of the stores.
    fn calls_at_rest(&self, system: System, path: &Path) -> anyhow::Result<Calls> {
        if let Some(calls) = self.at_rest.borrow().get(&system) {
            return Ok(*calls);
        }
        let (opened, program) = self.prepare(system, path)?;
        Server::start(&program, &self.scratch, self.core)?.stop()?;
        let calls = opened.calls()?;
        self.at_rest.borrow_mut().insert(system, calls);
        Ok(calls)
    }

    /// Runs one kind of load against all servers in turn.
    pub(crate) fn case(&self, plan: Plan) -> anyhow::Result<Case> {
        let case = self.rounds(plan);
        progress("");
        case
    }

    fn rounds(&self, plan: Plan) -> anyhow::Result<Case> {
        progress(&format!("{}: making the requests", plan.name()));
        let pool = if plan.mix == Mix::Distinct { self.settings.pool } else { REPEATING_POOL.min(self.settings.pool) };
        let mut requests = Requests::new(plan.payload, plan.mix, pool)?;
        let mut sides: Vec<(Vec<Figures>, Vec<String>)> = self.systems.iter().map(|_| Default::default()).collect();
        for round in 1..=self.settings.rounds {
            for ((system, path), (rounds, notes)) in self.systems.iter().zip(&mut sides) {
                let (case, server) = (plan.name(), system.name());
                progress(&format!("{case}: {server}, round {round} of {}", self.settings.rounds));
                let (figures, troubles) = self.round(plan, *system, path, &mut requests)?;
                rounds.push(figures);
                notes.extend(troubles.into_iter().map(|trouble| format!("round {round}: {trouble}")));
            }
        }
        let sides = self.systems.iter().zip(sides);
        let mut sides: Vec<Side> =
            sides.map(|((system, _), (rounds, notes))| Side::new(system.name(), rounds, notes)).collect();
        // The rate of an open loop is given.
        if !plan.open {
            compare(&mut sides);
        }
        let (request_bytes, events_per_request) = (requests.bytes(), plan.payload.events());
        Ok(Case { name: plan.name(), request_bytes, events_per_request, sides })
    }

    fn round(
        &self,
        plan: Plan,
        system: System,
        path: &Path,
        requests: &mut Requests,
    ) -> anyhow::Result<(Figures, Vec<String>)> {
        let is_bare = system == System::Bare;
        requests.rewind(is_bare);
        let at_rest = self.calls_at_rest(system, path)?;
        let (opened, program) = self.prepare(system, path)?;
        let server = Server::start(&program, &self.scratch, self.core)?;
        let pace = if plan.open { Pace::Open { per_second: self.settings.open_per_second } } else { Pace::Closed };
        let load = Load {
            address: server.address,
            connections: self.settings.connections,
            warm_up: Duration::from_secs_f64(self.settings.warm_up_seconds),
            measured: Duration::from_secs_f64(self.settings.measured_seconds),
            pace,
            events: plan.payload.events(),
            outcomes: !is_bare && plan.payload.answers_outcomes(),
        };
        let run = self.run(load, requests, server, &opened).map_err(|error| error.context(plan.name()))?;
        let figures = figures(&run, run.calls.beyond(at_rest));
        let mut notes = troubles(&load, plan.mix, &run.tally);
        notes.extend(limited(&figures).filter(|_| !plan.open));
        Ok((figures, notes))
    }

    fn run(&self, load: Load, requests: &mut Requests, server: Server, stores: &Opened) -> anyhow::Result<Run> {
        let webhooks_before = self.sink.count();
        let mut spent: Vec<anyhow::Result<[Duration; 3]>> = Vec::new();
        let result = load::run(load, requests, &mut |_: Mark| {
            let all = || Ok([server.usage()?.cpu, own_usage()?.cpu, stores.cpu()?]);
            spent.push(all());
        });
        let tally = result.map_err(|error| error.context(server.log()))?;
        let [server_cpu, generator_cpu, stores_cpu] = between(spent)?;
        let peak_rss_bytes = server.usage()?.peak_rss_bytes;
        let folder_bytes = server.stop()?;
        // First of all, for every further question is one more call.
        let calls = stores.calls()?;
        let data_bytes = folder_bytes + stores.data_bytes()?;
        let webhooks = self.sink.count() - webhooks_before;
        Ok(Run { tally, server_cpu, generator_cpu, stores_cpu, peak_rss_bytes, data_bytes, calls, webhooks })
    }

    /// From the first event of an error to its webhook, for each server that has one.
    pub(crate) fn alerts(&self) -> anyhow::Result<Vec<Alert>> {
        let mut all = Vec::new();
        for (system, path) in self.systems.iter().filter(|(system, _)| self.channel && *system != System::Bare) {
            progress(&format!("alert: {}, one new error after another", system.name()));
            let (_opened, program) = self.prepare(*system, path)?;
            let server = Server::start(&program, &self.scratch, self.core)?;
            let figures = alert::measure(server.address, &self.sink, self.settings.alerts, ALERT_PATIENCE)
                .map_err(|error| error.context(server.log()));
            progress("");
            all.push(Alert { server: system.name(), figures: figures? });
            server.stop()?;
        }
        Ok(all)
    }
}

/// `calls`: those that the events cost.
fn figures(run: &Run, calls: Calls) -> Figures {
    let tally = &run.tally;
    let (seconds, accepted) = (tally.elapsed.as_secs_f64(), tally.accepted as f64);
    let quantile_ms = |share| tally.latencies.quantile(share).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3);
    let shares = calls.redis.is_some() || calls.commits.is_some();
    let of_thousand =
        |count: Option<u64>| count.map_or(f64::NAN, |count| count as f64 * 1e3 / tally.accepted_in_all as f64);
    Figures {
        accepted_per_second: accepted / seconds,
        requests_per_second: tally.latencies.total() as f64 / seconds,
        p50_ms: quantile_ms(0.5),
        p99_ms: quantile_ms(0.99),
        p999_ms: quantile_ms(0.999),
        cpu_us_per_event: run.server_cpu.as_secs_f64() * 1e6 / accepted,
        peak_rss_bytes: run.peak_rss_bytes as f64,
        data_bytes: run.data_bytes as f64,
        generator_busy: run.generator_cpu.as_secs_f64() / seconds,
        stores_busy: run.stores_cpu.as_secs_f64() / seconds,
        webhooks: run.webhooks as f64,
        stores_cpu_us_per_event: if shares { run.stores_cpu.as_secs_f64() * 1e6 / accepted } else { f64::NAN },
        redis_commands_per_thousand: of_thousand(calls.redis.map(|redis| redis.commands)),
        redis_scripts_per_thousand: of_thousand(calls.redis.map(|redis| redis.scripts)),
        redis_reads_per_thousand: of_thousand(calls.redis.map(|redis| redis.reads)),
        archive_commits_per_thousand: of_thousand(calls.commits),
    }
}

/// Whether the generator's core was what was measured.
fn limited(figures: &Figures) -> Option<String> {
    let (own, stores) = (figures.generator_busy * 100.0, figures.stores_busy * 100.0);
    if own + stores <= GENERATOR_BUSY_MAX * 100.0 {
        return None;
    }
    let core = if stores > 0.0 { format!(" and the stores on its core {stores:.0} %") } else { String::new() };
    Some(format!("the generator was {own:.0} % busy{core} and may be the limit"))
}

/// What was used between the two marks of a load.
fn between<const N: usize>(spent: Vec<anyhow::Result<[Duration; N]>>) -> anyhow::Result<[Duration; N]> {
    let spent = spent.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let [begin, end] = spent[..] else { anyhow::bail!("a load has a begin and an end") };
    // A session that ended in between, unseen, may leave less than there was.
    Ok(std::array::from_fn(|at| end[at].saturating_sub(begin[at])))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_of_generator_and_stores_may_be_the_limit() {
        let busy =
            |generator_busy, stores_busy| limited(&Figures { generator_busy, stores_busy, ..Figures::default() });
        assert_eq!(busy(0.5, 0.4), None);
        assert_eq!(busy(0.96, 0.0).unwrap(), "the generator was 96 % busy and may be the limit");
        let both = "the generator was 56 % busy and the stores on its core 41 % and may be the limit";
        assert_eq!(busy(0.56, 0.41).unwrap(), both);
    }

    #[test]
    fn what_is_used_is_the_difference_of_the_marks() {
        let seconds = |all: [u64; 2]| Ok(all.map(Duration::from_secs));
        let used = between(vec![seconds([1, 5]), seconds([4, 3])]).unwrap();
        assert_eq!(used, [Duration::from_secs(3), Duration::ZERO]);
        assert!(between(vec![seconds([1, 5])]).is_err());
    }
}
