//! `bongsu send`: a test error to a running server.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value};

use super::print;
use crate::config::{Config, Outgoing, Secret};
use crate::deliver::{Courier, Parcel};

#[derive(Args)]
pub(super) struct Send {
    /// The project's key; without one, that of the first project of the configuration
    #[arg(long, env = "BONGSU_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The server; without one, that of the configuration
    #[arg(long, value_name = "URL", env = "BONGSU_SERVER")]
    server: Option<String>,
    /// How often
    #[arg(long, short = 'n', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// The message
    #[arg(default_value = "A test error from `bongsu send`")]
    detail: String,
    /// Kind of exception
    #[arg(long)]
    category: Option<String>,
    /// The service
    #[arg(long)]
    module: Option<String>,
    /// prod, staging, …
    #[arg(long, default_value = "test")]
    environment: String,
    /// Request URL
    #[arg(long)]
    url: Option<String>,
    /// HTTP method
    #[arg(long)]
    method: Option<String>,
    /// Throw location
    #[arg(long)]
    location: Option<String>,
    /// For machines: the server's answer as it is
    #[arg(long)]
    json: bool,
}

/// Events of one request: as many as their answer, of some 250 bytes each, fits into what the courier reads of one.
const BATCH: usize = 200;

impl Send {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let configured = || config.project.first().map(|project| project.key.expose().to_owned());
        let key = self.key.clone().or_else(configured).context("name the project's key by --key or BONGSU_KEY")?;
        let server = self.server.clone().unwrap_or_else(|| config.public_url());
        let url = format!("{}/api/v1/events", server.trim_end_matches('/'));
        let event = Value::Object(self.event());
        let mut left = self.count as usize;
        let mut outcomes = Vec::new();
        while left > 0 {
            let batch = vec![&event; left.min(BATCH)];
            left -= batch.len();
            let (status, answer) = post(&config, &url, &key, serde_json::to_vec(&batch)?).await?;
            if self.json {
                print::line(&answer);
            }
            let mut answer: Value =
                serde_json::from_str(&answer).with_context(|| format!("{url} answered {status}, not as a bongsu"))?;
            if status != 202 {
                let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                bail!("{url} answered {status} {}: {}; {}", text("title"), text("detail"), text("hint"));
            }
            outcomes.extend(answer["outcomes"].as_array_mut().map(std::mem::take).unwrap_or_default());
        }
        if !self.json {
            summary(&outcomes);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn event(&self) -> Map<String, Value> {
        let fields = [
            ("category", &self.category),
            ("module", &self.module),
            ("url", &self.url),
            ("method", &self.method),
            ("location", &self.location),
        ];
        let mut event: Map<String, Value> =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into()))).collect();
        event.insert("environment".to_owned(), self.environment.clone().into());
        event.insert("detail".to_owned(), self.detail.clone().into());
        event
    }
}

fn summary(outcomes: &[Value]) {
    let of = |kind: &str| outcomes.iter().filter(|outcome| outcome["outcome"] == kind).count();
    let last = outcomes.last().unwrap_or(&Value::Null);
    print::line(&format!(
        "{} alerted, {} suppressed, {} rejected; issue {}, {} in its window until {}",
        of("alerted"),
        of("suppressed"),
        of("rejected"),
        last["fingerprint"].as_str().unwrap_or("-"),
        last["occurrences"],
        last["window_ends_at"].as_str().unwrap_or("-"),
    ));
}

async fn post(config: &Config, url: &str, key: &str, body: Vec<u8>) -> Result<(u16, String)> {
    let parcel = Parcel::Post {
        url: Secret::new(url),
        headers: vec![("authorization".to_owned(), Secret::new(format!("Bearer {key}")))],
        body: body.into(),
    };
    // Whoever calls this names the server; the rule is for channels.
    let outgoing = Outgoing { allow_private: true };
    let courier = Courier::new(&outgoing, config.deliver.timeout.get())?;
    let reply = courier.carry(parcel).await.with_context(|| format!("cannot reach {url}; does the server run?"))?;
    Ok((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
}
