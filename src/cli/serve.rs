//! `bongsu serve`: the server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::project::dsn;
use super::{SetFilter, load, log_filter, print, start_log};
use crate::config::Config;
use crate::server::{Again, Made, Server};

/// `named`: the file that was asked for; another may have been found.
pub(super) fn run((config, file): (Config, Option<PathBuf>), named: Option<PathBuf>) -> Result<ExitCode> {
    let set_filter = start_log(&config.log)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config, file, named, set_filter))
}

async fn serve(
    config: Config,
    file: Option<PathBuf>,
    named: Option<PathBuf>,
    set_filter: SetFilter,
) -> Result<ExitCode> {
    let public_url = config.public_url();
    let state = config.archive.place();
    // Before the doors open, so that no signal is missed.
    let stop = stop_signal()?;
    let again = again(named, set_filter)?;
    let server = Server::open(config).await?;
    welcome(server.made(), &public_url, &state);
    let file = file.map_or_else(|| "(defaults)".to_owned(), |file| file.display().to_string());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), address = %server.address()?, config = file, state, "listening");
    server.run(stop, Some(again)).await;
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

/// SIGHUP, and nothing else, has the configuration read again: from where it was read at the start.
fn again(named: Option<PathBuf>, set_filter: SetFilter) -> Result<Again> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Again {
        asked: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
        read: Box::new(move || {
            let (config, _) = load(named.as_deref())?;
            log_filter(&config.log)?;
            Ok(config)
        }),
        taken: Box::new(move |config| {
            if let Ok(filter) = log_filter(&config.log) {
                set_filter(filter);
            }
        }),
    })
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
