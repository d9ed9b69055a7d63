//! `bongsu fingerprint` and `bongsu explain`: which errors are the same, and why.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::issues::find;
use super::print;
use crate::archive::Archive;
use crate::config::{Config, Limits};
use crate::event::Event;
use crate::fingerprint::{self, Sameness};
use crate::ingest::native;
use crate::scrub::Scrubber;
use crate::server;

#[derive(Args)]
pub(super) struct FingerprintOf {
    /// JSON lines, each a native event or {"id": …, "event": {…}}; `-` is standard input
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct Explain {
    /// A file of one or two native events as JSON (a list, or one a line), `-` for standard input; or an issue: its
    /// fingerprint, or enough of its first digits, for its latest stored event
    a: String,
    /// Another file or issue: its first event is compared with the first one's
    b: Option<String>,
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
    pub(super) fn run(self, config: &Config) -> Result<ExitCode> {
        let scrubber = scrubber(config)?;
        let sameness = Sameness::new(&config.sameness).map_err(anyhow::Error::msg)?;
        let text = read(&self.file)?;
        let mut good = true;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (id, event) = match serde_json::from_str::<Named<'_>>(line) {
                Ok(named) => (named.id.get().trim_matches('"').to_owned(), named.event.get()),
                Err(_) => ((number + 1).to_string(), line),
            };
            // A bad line does not take the good ones with it.
            match native::one(event, &config.limits, server::now()) {
                Ok(mut event) => {
                    scrubber.scrub(&mut event);
                    let fingerprint = sameness.identify(&event);
                    print::line(&format!("{id}\t{fingerprint}"));
                }
                Err(why) => {
                    print::error(&format!("line {}: {}", number + 1, why.detail));
                    good = false;
                }
            }
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Explain {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let sameness = Sameness::new(&config.sameness).map_err(anyhow::Error::msg)?;
        let mut archive = None;
        let mut found = Vec::new();
        for place in [Some(&self.a), self.b.as_ref()].into_iter().flatten() {
            let mut there = self.events(place, &config, &mut archive).await?;
            if self.b.is_some() {
                there.truncate(1);
            }
            found.append(&mut there);
        }
        if let Some(archive) = &archive {
            sameness.learn(archive.parameters().await?);
        }
        match found.as_slice() {
            [one] => self.show(&fingerprint::explain(&sameness, one)),
            [a, b] => self.show(&fingerprint::compare(&sameness, a, b)),
            others => bail!("one or two events are wanted; there are {}", others.len()),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The events of a file, or the latest of an issue. The archive is opened only for that.
    async fn events(&self, place: &str, config: &Config, archive: &mut Option<Archive>) -> Result<Vec<Event<'static>>> {
        let file = Path::new(place);
        let digits = place.len() <= 32 && place.bytes().all(|b| b.is_ascii_hexdigit());
        if place == "-" || file.exists() || !digits {
            let read = events(&read(file)?, &config.limits)?;
            let mut read: Vec<Event<'static>> =
                read.into_iter().collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
            let scrubber = scrubber(config)?;
            read.iter_mut().for_each(|event| scrubber.scrub(event));
            return Ok(read);
        }
        if archive.is_none() {
            *archive = Some(super::archive(config).await?);
        }
        let archive = archive.as_ref().context("it was opened")?;
        let fingerprint = find(archive, place).await?;
        let detail = archive.issue(fingerprint).await?.context("the issue has just gone")?;
        let latest = detail.events.into_iter().next();
        let (_, event) =
            latest.with_context(|| format!("no event of issue {fingerprint} is stored any more (retention.events)"))?;
        Ok(vec![event])
    }

    fn show(&self, told: &(impl std::fmt::Display + serde::Serialize)) {
        if self.json {
            print::json(told);
        } else {
            print::line(told.to_string().trim_end());
        }
    }
}

/// A server knows events only without secrets and personal data, and so tells them apart.
pub(super) fn scrubber(config: &Config) -> Result<Scrubber> {
    Scrubber::new(&config.scrub).map_err(anyhow::Error::msg)
}

pub(super) fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The events of a text: good ones, or what is wrong with each.
pub(super) fn events(text: &str, limits: &Limits) -> Result<Vec<Result<Event<'static>, String>>> {
    native::read(text.as_bytes(), limits, server::now(), |events| {
        let owned = |event: Result<Event<'_>, crate::outcome::Reject>| {
            event.map(Event::into_owned).map_err(|reject| reject.detail)
        };
        events.into_iter().map(owned).collect()
    })
    .map_err(|reject| anyhow::anyhow!(reject.detail))
}
