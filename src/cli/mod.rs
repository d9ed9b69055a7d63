//! The command line: one file a command.
//!
//! Promises: results on standard output, everything else on standard error; `--json` where a machine would read;
//! colours only on a terminal; exit code 0 when it worked, 1 when it did not, 2 when it was asked wrongly.

mod bench;
mod check;
mod deliveries;
mod issues;
mod preview;
mod print;
mod project;
mod rules;
mod sameness;
mod send;
mod serve;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::filter::EnvFilter;

use crate::archive::Archive;
use crate::config::{self, Config, LogFormat, hint};

/// Self-hosted, real-time error alerts: the same error at most five times, nothing lost silently.
#[derive(Parser)]
#[command(name = "bongsu", version, about, max_term_width = 120, disable_help_subcommand = true)]
struct Cli {
    /// Configuration file; without one, ./bongsu.toml when it is there, otherwise the defaults
    #[arg(long, short, global = true, value_name = "FILE", env = "BONGSU_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (what happens without a command)
    Serve,
    /// Check the configuration, and whether every store and channel can be reached
    Check(check::Check),
    /// Measure the stores
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Make projects and list them
    #[command(subcommand)]
    Project(project::Project),
    /// Send a test error to a running server
    Send(send::Send),
    /// Print the fingerprint of each event of a file of JSON lines
    Fingerprint(sameness::FingerprintOf),
    /// Explain sameness: an event's attributes before and after; of two, what separates them, and what would join them
    Explain(sameness::Explain),
    /// Show what a channel would send, without sending it
    Preview(preview::Preview),
    /// Try rules of sameness
    #[command(subcommand)]
    Rules(rules::Rules),
    /// List issues, or show one
    Issues(issues::List),
    /// Say that an issue is over: the next occurrence is a regression and alerts at once
    Resolve(issues::Resolve),
    /// Hold an issue's alerts back for a time, or until so many more occurrences
    Mute(issues::Mute),
    /// Say who looks after an issue: no further alerts in its window
    Ack(issues::Ack),
    /// Open an issue again, whatever it was
    Reopen(issues::Reopen),
    /// Count an issue's occurrences with another's from now on
    Merge(issues::Merge),
    /// Count a merged issue's occurrences on its own again
    Unmerge(issues::Unmerge),
    /// List deliveries: what is on its way, what arrived, what lies in the dead letters
    Deliveries(deliveries::List),
    /// Send dead letters again
    Resend(deliveries::Resend),
    /// Print a shell's completions
    Completions(Completions),
}

#[derive(clap::Args)]
struct Completions {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            print::error(&format!("bongsu: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let config = || load(cli.config.as_deref()).map(|(config, _)| config);
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(load(cli.config.as_deref())?, cli.config),
        Command::Check(command) => command.run(load(cli.config.as_deref())),
        Command::Bench(command) => command.run(&config()?),
        Command::Project(command) => block_on(command.run(config()?)),
        Command::Send(command) => block_on(command.run(config()?)),
        Command::Fingerprint(command) => command.run(&config()?),
        Command::Explain(command) => block_on(command.run(config()?)),
        Command::Preview(command) => command.run(&config()?),
        Command::Rules(command) => block_on(command.run(config()?)),
        Command::Issues(command) => block_on(command.run(config()?)),
        Command::Resolve(command) => block_on(command.run(config()?)),
        Command::Mute(command) => block_on(command.run(config()?)),
        Command::Ack(command) => block_on(command.run(config()?)),
        Command::Reopen(command) => block_on(command.run(config()?)),
        Command::Merge(command) => block_on(command.run(config()?)),
        Command::Unmerge(command) => block_on(command.run(config()?)),
        Command::Deliveries(command) => block_on(command.run(config()?)),
        Command::Resend(command) => block_on(command.run(config()?)),
        Command::Completions(Completions { shell }) => {
            // By way of a text: it panics when its writer fails, and a reader may go away at any time.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bongsu", &mut script);
            print::line(String::from_utf8_lossy(&script).trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(file: Option<&std::path::Path>) -> Result<(Config, Option<PathBuf>)> {
    Ok(config::load(file, std::env::vars())?)
}

fn block_on(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// The archive of a configuration, for commands that ask or act without the server.
async fn archive(config: &Config) -> Result<Archive> {
    Ok(Archive::open(&config.archive).await?)
}

/// What is logged.
fn log_filter(log: &config::Log) -> Result<EnvFilter> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    // A word alone that is no level would be taken for a part of the program, and nothing be logged.
    let is_word = log.level.chars().all(|c| c.is_ascii_alphanumeric());
    if is_word && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(&log.level)) {
        let near = hint(&log.level, LEVELS.into_iter());
        anyhow::bail!("log.level: {:?} is not a level{near}; known are {}", log.level, LEVELS.join(", "));
    }
    EnvFilter::try_new(&log.level).map_err(|error| anyhow::anyhow!("log.level: {:?}: {error}", log.level))
}

/// Changes what is logged from now on.
type SetFilter = Box<dyn Fn(EnvFilter) + Send>;

/// Starts the log on standard error.
fn start_log(log: &config::Log) -> Result<SetFilter> {
    let filter = log_filter(log)?;
    let terminal = std::io::stderr().is_terminal();
    let text = match log.format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if text {
        let ansi = terminal && std::env::var_os("NO_COLOR").is_none();
        let builder = builder.with_ansi(ansi).with_target(false).with_filter_reloading();
        let handle = builder.reload_handle();
        builder.init();
        Ok(Box::new(move |filter| drop(handle.reload(filter))))
    } else {
        let builder = builder.json().flatten_event(true).with_filter_reloading();
        let handle = builder.reload_handle();
        builder.init();
        Ok(Box::new(move |filter| drop(handle.reload(filter))))
    }
}
