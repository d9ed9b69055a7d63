//! `bongsu bench stores`: the stores compared by purpose, expiry and latency, on the user's own servers.
//!
//! Promises: nothing of the user's is changed, and what was written is removed again, also after Ctrl-C. The figures are
//! those of this machine, this network and this moment. Deliberately not here: the whole server under load.

mod expiry;
mod load;
mod report;
mod store;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};

use self::load::{RATE_MAX, Search, Step};
use self::report::{Expiry, Report, Series};
use self::store::{Asked, Store};
use super::print;
use crate::config::{Config, Secret};

/// How long a rate is held while the highest one is searched for, at most.
const SEARCH_SPAN: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
pub(super) enum Bench {
    /// Compare the stores: latency of a decision, the rate they sustain, what happens at an expiry
    Stores(Stores),
}

#[derive(Args)]
pub(super) struct Stores {
    /// A store, as in archive.url or cache.url; may be given several times. Without it: those of the configuration,
    /// besides `memory:` and a SQLite file in the system's temporary folder
    #[arg(long = "store", value_name = "URL")]
    stores: Vec<String>,
    /// Decisions a second
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 5000], value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
    rates: Vec<u32>,
    /// How long each rate is held
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// How long a record is watched after its end: MySQL's and MariaDB's event scheduler comes every minute
    #[arg(long, value_name = "SECONDS", default_value_t = 65.0, value_parser = seconds)]
    watch: f64,
    /// Write into the archive itself where no place of its own can be made, though it holds issues
    #[arg(long)]
    yes: bool,
    /// For machines
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    if (0.1..=600.0).contains(&value) { Ok(value) } else { Err("write 0.1 to 600 seconds".to_owned()) }
}

impl Bench {
    pub(super) fn run(self, config: &Config) -> Result<ExitCode> {
        let Bench::Stores(stores) = self;
        // As the server runs.
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(stores.run(config))
    }
}

impl Stores {
    async fn run(self, config: &Config) -> Result<ExitCode> {
        let name = format!("bongsu_bench_{:08x}", getrandom::u32()?);
        let temporary = std::env::temp_dir().join(&name);
        let urls = self.urls(config, &temporary);
        // A URL that cannot be used is known before anything is measured.
        let places: Vec<String> = urls.iter().map(|url| store::place(config, url)).collect::<Result<_>>()?;
        let mut reports = Vec::new();
        for (url, place) in urls.iter().zip(places) {
            reports.push(self.measure(config, url, place, &name).await?);
        }
        print::progress("");
        if self.json {
            print::json(&serde_json::json!({ "stores": reports, "rates": self.rates, "seconds": self.seconds }));
        } else {
            report::show(&reports, &self.rates);
        }
        let good = reports.iter().all(|report| report.problem.is_none());
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn urls(&self, config: &Config, temporary: &std::path::Path) -> Vec<Secret> {
        if !self.stores.is_empty() {
            return self.stores.iter().map(Secret::new).collect();
        }
        let mut urls = vec![Secret::new("memory:")];
        urls.extend(config.cache.url.clone());
        urls.push(config.archive.url.clone());
        urls.push(Secret::new(format!("sqlite:{}/bongsu.db", temporary.display())));
        urls
    }

    /// What is wrong with one store is said in its report: the others are measured all the same. An error ends it all.
    async fn measure(&self, config: &Config, url: &Secret, place: String, name: &str) -> Result<Report> {
        let say = |text: &str| {
            print::progress("");
            print::error(&format!("{place}: {text}"));
        };
        let mut report = Report {
            store: place.clone(),
            kind: String::new(),
            version: None,
            purpose: "",
            expiry: Expiry::default(),
            decisions: Vec::new(),
            problem: None,
        };
        match Store::open(config, url, name, self.yes, say).await {
            Err(error) => report.problem = Some(format!("{error:#}")),
            Ok(store) => {
                let measured = tokio::select! {
                    measured = self.measure_opened(&store, &mut report) => measured,
                    interrupted = tokio::signal::ctrl_c() => Err(interrupted.err().map_or(anyhow!(Interrupted), Into::into)),
                };
                let cleaned = store.clean_up().await;
                match measured {
                    Err(error) if error.is::<Interrupted>() => return Err(error),
                    measured => report.problem = measured.err().map(|error| format!("{error:#}")),
                }
                if let Err(error) = cleaned {
                    report.problem.get_or_insert(format!("what is named {name} may have stayed: {error:#}"));
                }
            }
        }
        Ok(report)
    }

    async fn measure_opened(&self, store: &Store, report: &mut Report) -> Result<()> {
        let words = store.words().await?;
        (report.kind, report.version, report.purpose) = (words.kind, words.version, words.purpose);
        report.expiry.mechanism = words.mechanism;
        print::progress(&format!("{}: expiry", report.store));
        report.expiry = expiry::measure(store, words.mechanism, Duration::from_secs_f64(self.watch)).await?;
        for asked in store.decisions() {
            report.decisions.push(self.series(&report.store, &asked).await);
        }
        Ok(())
    }

    async fn series(&self, place: &str, asked: &Asked) -> Series {
        let Asked { decision, way, decide } = asked;
        let span = Duration::from_secs_f64(self.seconds);
        let tell = |rate: u32| print::progress(&format!("{place}: {decision}, {way}, {rate}/s"));
        // Connections, prepared statements, scripts: no part of a decision.
        load::at_rate(self.rates[0].min(100), span.min(SEARCH_SPAN) / 4, decide).await;
        let mut steps: Vec<Step> = Vec::with_capacity(self.rates.len());
        for rate in &self.rates {
            tell(*rate);
            steps.push(load::at_rate(*rate, span, decide).await);
        }
        let mut search = Search::after(&steps);
        while let Some(rate) = search.next() {
            tell(rate);
            let step = load::at_rate(rate, span.min(SEARCH_SPAN), decide).await;
            search.tried(rate, step.kept_up);
        }
        Series::new(decision, way, steps, search)
    }
}

/// Somebody pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; what was written is removed")]
struct Interrupted;
