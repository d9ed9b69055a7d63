//! `bongsu serve`: the server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::project::dsn;
use super::{print, start_log};
use crate::config::Config;
use crate::server::{Made, Server};

pub(super) fn run((config, file): (Config, Option<PathBuf>)) -> Result<ExitCode> {
    start_log(&config.log)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config, file))
}

async fn serve(config: Config, file: Option<PathBuf>) -> Result<ExitCode> {
    let public_url = config.public_url();
    let state = config.archive.place();
    // Before the doors open, so that no signal is missed.
    let stop = stop_signal()?;
    let server = Server::open(config).await?;
    welcome(server.made(), &public_url, &state);
    let file = file.map_or_else(|| "(defaults)".to_owned(), |file| file.display().to_string());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), address = %server.address()?, config = file, state, "listening");
    server.run(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// What the first start made is shown once: only its hash is kept.
fn welcome(made: &Made, public_url: &str, state: &str) {
    if made.key.is_none() && made.token.is_none() {
        return;
    }
    print::line(&print::bold("This is the first start. Keep what follows: it is shown once, only hashes are stored."));
    if let Some((project, key)) = &made.key {
        print::line(&format!("\n  project    {}", project.name));
        print::line(&format!("  DSN        {}      (Sentry SDKs)", dsn(public_url, key, project.id)));
        print::line(&format!("  key        {key}      (may only send)"));
    }
    if let Some(token) = &made.token {
        print::line(&format!("  API token  {token}      (reads and actions)"));
    }
    print::line(&format!("  state      {state}"));
    if let Some((_, key)) = &made.key {
        print::line("\nSend a first error:\n");
        print::line(&format!(
            "  curl {public_url}/api/v1/events -H 'Authorization: Bearer {key}' -d '{{\"environment\":\"prod\",\"detail\":\"Hello from bongsu\"}}'\n"
        ));
    }
}

/// Ready when the process is told to stop: SIGTERM, or Ctrl-C. A second signal ends it at once.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
    })
}
