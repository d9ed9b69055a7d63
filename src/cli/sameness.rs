//! `bongsu fingerprint` and `bongsu explain`: which errors are the same, and why.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::print;
use crate::config::Limits;
use crate::event::Event;
use crate::ingest::native;
use crate::{fingerprint, normalize, server};

#[derive(Args)]
pub(super) struct FingerprintOf {
    /// JSON lines, each a native event or {"id": …, "event": {…}}; `-` is standard input
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct Explain {
    /// One or two native events as JSON (a list, or one a line); `-` is standard input
    file: PathBuf,
    /// A second file: its first event is compared with the first one's
    second: Option<PathBuf>,
    /// For machines
    #[arg(long)]
    json: bool,
}

/// A line with an id of its own.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    event: &'a RawValue,
}

impl FingerprintOf {
    /// Prints `id<TAB>fingerprint` for each line: the line's number where there is no id.
    pub(super) fn run(self, limits: &Limits) -> Result<ExitCode> {
        let text = read(&self.file)?;
        let mut good = true;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (id, event) = match serde_json::from_str::<Named<'_>>(line) {
                Ok(named) => (named.id.get().trim_matches('"').to_owned(), named.event.get()),
                Err(_) => ((number + 1).to_string(), line),
            };
            // A bad line does not take the good ones with it.
            match one(event, limits) {
                Ok(event) => {
                    let (fingerprint, _) = fingerprint::identify(&event, &normalize::normalize(&event));
                    print::line(&format!("{id}\t{fingerprint}"));
                }
                Err(why) => {
                    print::error(&format!("line {}: {why:#}", number + 1));
                    good = false;
                }
            }
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Explain {
    pub(super) fn run(self, limits: &Limits) -> Result<ExitCode> {
        let mut found = events(&read(&self.file)?, limits)?;
        if let Some(second) = &self.second {
            found.truncate(1);
            found.extend(events(&read(second)?, limits)?.into_iter().take(1));
        }
        let found: Vec<Event<'_>> = found.into_iter().collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
        match found.as_slice() {
            [one] => self.show(&fingerprint::explain(one)),
            [a, b] => self.show(&fingerprint::compare(a, b)),
            others => bail!("one or two events are wanted; there are {}", others.len()),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self, told: &(impl std::fmt::Display + serde::Serialize)) {
        if self.json {
            print::json(told);
        } else {
            print::line(told.to_string().trim_end());
        }
    }
}

fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The one event of a line.
fn one(text: &str, limits: &Limits) -> Result<Event<'static>> {
    let found: Result<Vec<Event<'static>>, String> = events(text, limits)?.into_iter().collect();
    match <[Event<'static>; 1]>::try_from(found.map_err(anyhow::Error::msg)?) {
        Ok([event]) => Ok(event),
        Err(others) => bail!("one event a line is wanted; there are {}", others.len()),
    }
}

/// The events of a text: good ones, or what is wrong with each.
fn events(text: &str, limits: &Limits) -> Result<Vec<Result<Event<'static>, String>>> {
    native::read(text.as_bytes(), limits, server::now(), |events| {
        let owned = |event: Result<Event<'_>, crate::outcome::Reject>| {
            event.map(Event::into_owned).map_err(|reject| reject.detail)
        };
        events.into_iter().map(owned).collect()
    })
    .map_err(|reject| anyhow::anyhow!(reject.detail))
}
