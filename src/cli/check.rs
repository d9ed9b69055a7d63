//! `bongsu check`: is the configuration good, and can everything it names be reached?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{archive, block_on, log_filter, print};
use crate::archive::Keep;
use crate::cache::{self, Cache};
use crate::config::{Channel, ChannelKind, Config};
use crate::deliver::{Channels, Courier, Routes, SlackApp, address_of, explain};
use crate::fingerprint::Sameness;
use crate::scrub::Scrubber;
use crate::server::{self, cache_settings};

#[derive(Args)]
pub(super) struct Check {
    /// Look at the configuration only; open and reach nothing
    #[arg(long)]
    offline: bool,
    /// Say where an event would go, and what would be said of it: a native event as JSON, `-` for standard input. Opens and
    /// reaches nothing
    #[arg(long, value_name = "EVENT")]
    explain: Option<PathBuf>,
    /// For machines
    #[arg(long)]
    json: bool,
}

/// What was found of one thing.
#[derive(Serialize)]
struct Finding {
    what: String,
    good: bool,
    detail: String,
    /// What works, and had better be otherwise.
    warnings: Vec<String>,
}

impl Finding {
    fn of(what: impl Into<String>, found: Result<String, String>) -> Finding {
        let good = found.is_ok();
        Finding { what: what.into(), good, detail: found.unwrap_or_else(|why| why), warnings: Vec::new() }
    }

    fn with(self, warnings: Vec<String>) -> Finding {
        Finding { warnings, ..self }
    }
}

impl Check {
    pub(super) fn run(self, loaded: Result<(Config, Option<PathBuf>)>) -> Result<ExitCode> {
        if let Some(event) = &self.explain {
            let explanation = explanation(event, &loaded?.0)?;
            match self.json {
                true => print::json(&explanation),
                false => print::line(explanation.to_string().trim_end()),
            }
            return Ok(ExitCode::SUCCESS);
        }
        let findings = match loaded {
            Err(error) => vec![Finding::of("configuration", Err(format!("{error:#}")))],
            Ok((config, file)) => {
                let mut findings = configuration(&config, file);
                if !self.offline && findings.iter().all(|finding| finding.good) {
                    block_on(async {
                        findings.extend(reach(&config).await);
                        Ok(ExitCode::SUCCESS)
                    })?;
                }
                findings
            }
        };
        let good = findings.iter().all(|finding| finding.good);
        if self.json {
            print::json(&serde_json::json!({ "good": good, "findings": findings }));
        } else {
            for Finding { what, good, detail, warnings } in &findings {
                print::line(&format!("{}  {what}: {detail}", if *good { "ok  " } else { "BAD " }));
                warnings.iter().for_each(|warning| print::line(&format!("warn  {what}: {warning}")));
            }
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Where the event of a file would go now.
fn explanation(event: &Path, config: &Config) -> Result<impl std::fmt::Display + Serialize + use<>> {
    let channels = Channels::new(config).map_err(anyhow::Error::msg)?;
    let routes = Routes::new(config).map_err(anyhow::Error::msg)?;
    let sameness = Sameness::new(&config.sameness).map_err(anyhow::Error::msg)?;
    let supposed = super::preview::supposed(event, config)?;
    let cause = sameness.cause(&supposed.event);
    Ok(explain(&channels, &routes, &supposed, cause, server::now()))
}

/// What can be known without opening anything.
fn configuration(config: &Config, file: Option<PathBuf>) -> Vec<Finding> {
    let file = file.map_or_else(|| "the defaults (no file)".to_owned(), |file| file.display().to_string());
    let mut findings = vec![Finding::of("configuration", Ok(file))];
    let compiled = |what: &str, result: Result<(), String>| Finding::of(what, result.map(|()| "good".to_owned()));
    findings.push(compiled("channels", Channels::new(config).map(drop)).with(not_only(config)));
    findings.push(compiled("routes", Routes::new(config).map(drop)));
    findings.push(compiled("rules of sameness", Sameness::new(&config.sameness).map(drop)));
    findings.push(compiled("scrub rules", Scrubber::new(&config.scrub).map(drop)));
    findings.push(compiled("log", log_filter(&config.log).map(drop).map_err(|error| error.to_string())));
    if config.cache.url.is_some() {
        findings.push(cache_url(config));
    }
    // What is wrong so far would be said twice.
    if findings.iter().all(|finding| finding.good) {
        findings.push(compiled("all that a server goes by", server::fit(config)));
    }
    findings
}

/// Channels that are meant for something else, and get every alert besides.
fn not_only(config: &Config) -> Vec<String> {
    if !config.route.is_empty() {
        return Vec::new();
    }
    let meant = |name: &str| {
        let stands_in = config.channel.iter().find(|channel| channel.fallback.as_deref() == Some(name));
        let fallback = stands_in.map(|channel| format!("the fallback of {:?}", channel.name));
        fallback.or_else(|| (config.watch.channel.as_deref() == Some(name)).then(|| "watch.channel".to_owned()))
    };
    let of = |channel: &Channel| {
        let (name, meant) = (&channel.name, meant(&channel.name)?);
        Some(format!(
            "{name:?} is {meant}, and gets every alert as well, since there is no [[route]]: add one that names the other \
             channels, if it is meant for that alone"
        ))
    };
    config.channel.iter().filter_map(of).collect()
}

fn cache_url(config: &Config) -> Finding {
    let opened = cache_settings(&config.cache).and_then(|settings| settings.as_ref().map(Cache::new).transpose());
    let mut warnings = Vec::new();
    if config.archive.sqlite_path().is_some() {
        warnings.push(
            "a cache is for several bongsu on one archive, and a SQLite file cannot be shared: set archive.url to a \
             PostgreSQL, MySQL or MariaDB, or leave the cache out"
                .to_owned(),
        );
    }
    Finding::of("cache url", opened.map(|_| "good".to_owned()).map_err(|why| format!("cache.url: {why}")))
        .with(warnings)
}

/// What has to be opened.
async fn reach(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let opened = match archive(config).await {
        Ok(archive) => {
            let kind = format!("{} at {}", archive.kind(), config.archive.place());
            match archive.probe().await {
                Ok(()) => {
                    let who = archive.expire_by_itself(&Keep(config.retention.clone())).await;
                    Ok(format!("{kind}: opens and takes writes; {who}"))
                }
                Err(error) => Err(format!("{kind}: {error}")),
            }
        }
        Err(error) => Err(format!("{error:#}")),
    };
    findings.push(Finding::of("archive", opened));
    if let Ok(Some(settings)) = cache_settings(&config.cache) {
        findings.push(reach_cache(&settings).await);
    }
    let listen = std::net::TcpListener::bind(config.listen);
    findings.push(Finding::of(
        "listen",
        match listen {
            Ok(_) => Ok(format!("{} is free", config.listen)),
            // A running bongsu is the usual reason, and no fault.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                Ok(format!("{} is in use: by a bongsu that runs already, or by something else", config.listen))
            }
            Err(error) => Err(format!("{}: {error}", config.listen)),
        },
    ));
    match Courier::new(&config.outgoing, config.deliver.timeout.get()) {
        Err(error) => findings.push(Finding::of("outgoing", Err(format!("{error:#}")))),
        Ok(courier) => {
            for channel in config.channel.iter().filter(|channel| channel.kind != ChannelKind::Console) {
                findings.push(reach_channel(&courier, channel).await);
            }
            if let Some(url) = &config.watch.heartbeat {
                let reached = courier.reach(url).await;
                let said = "can be reached (nothing was sent)".to_owned();
                findings.push(Finding::of("watch.heartbeat", reached.map(|()| said)));
            }
        }
    }
    findings
}

/// Asks the cache what it is.
async fn reach_cache(settings: &cache::Settings) -> Finding {
    let place = settings.place();
    let described = match Cache::new(settings) {
        Ok(cache) => cache.describe().await.map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match described {
        Err(why) => Finding::of("cache", Err(format!("{place}: {why}"))),
        Ok(said) => {
            let version = said.version.map_or_else(String::new, |version| format!(", {version},"));
            Finding::of("cache", Ok(format!("{}{version} at {place}: answers", said.kind))).with(said.advice)
        }
    }
}

/// Connects to where the channel posts, without posting: a check must not ring.
async fn reach_channel(courier: &Courier, channel: &Channel) -> Finding {
    if channel.kind == ChannelKind::SlackApp {
        return Finding::of(format!("channel {:?}", channel.name), greet(courier, channel).await);
    }
    let reached = match &channel.smtp {
        Some(smtp) => courier.greet(smtp).await.map(|()| "answers, and lets bongsu in (nothing was sent)".to_owned()),
        None => match address_of(channel) {
            Some(url) => courier.reach(&url).await.map(|()| "can be reached (nothing was sent)".to_owned()),
            None => Err("url is missing".to_owned()),
        },
    };
    Finding::of(format!("channel {:?}", channel.name), reached)
}

/// Asks Slack whose the token is.
async fn greet(courier: &Courier, channel: &Channel) -> Result<String, String> {
    let app = SlackApp::of(channel)?;
    let hidden: Vec<String> = channel.token.iter().map(|token| token.expose().to_owned()).collect();
    app.greeted(&courier.carry(app.greeting()).await, &hidden).map(|said| format!("{said} (nothing was sent)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_toml;

    #[test]
    fn a_fallback_and_the_canary_s_channel_get_everything_unless_there_are_routes() {
        let channels = ["ops", "mail", "canaries"].map(|name| {
            let fallback = if name == "ops" { "fallback = \"mail\"\n" } else { "" };
            format!("[[channel]]\nname = \"{name}\"\ntype = \"console\"\n{fallback}")
        });
        let toml = format!("{}[watch]\nchannel = \"canaries\"\n", channels.concat());
        let warnings = |toml: &str| {
            let findings = configuration(&from_toml(toml).unwrap(), None);
            assert!(findings.iter().all(|finding| finding.good));
            findings.into_iter().flat_map(|finding| finding.warnings).collect::<Vec<_>>()
        };
        let said = warnings(&toml);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("\"mail\" is the fallback of \"ops\", and gets every alert"), "{said:?}");
        assert!(said[1].starts_with("\"canaries\" is watch.channel, and gets every alert"), "{said:?}");
        assert!(warnings(&format!("{toml}[[route]]\nchannels = [\"ops\"]\n")).is_empty());
    }

    #[test]
    fn what_a_server_refuses_is_not_good() {
        for (heartbeat, good) in
            [("ftp://x", false), ("http://169.254.1.1/x", false), ("https://beats.example/x", true)]
        {
            let config = from_toml(&format!("[watch]\nheartbeat = \"{heartbeat}\"\n")).unwrap();
            let findings = configuration(&config, None);
            assert_eq!(findings.iter().all(|finding| finding.good), good, "{heartbeat}");
            assert_eq!(findings.last().unwrap().detail.contains("watch.heartbeat"), !good, "{heartbeat}");
        }
    }
}
