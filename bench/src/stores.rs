//! Redis and PostgreSQL for the systems that share them, and what these are asked.
//!
//! Promises: servers of the benchmark's own, on free ports in its scratch folder, with the settings they come with; each
//! run gets an empty Redis, which saves nothing, and an empty database. They run where they are started from: on the
//! generator's core. They end with the benchmark, unless that is killed. Deliberately not here: what the figures are
//! divided by.

use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::program::System;
use crate::server::{free_address, read_usage};

const LIMIT: Duration = Duration::from_secs(60);
const PROBE_GAP: Duration = Duration::from_millis(5);
/// Who runs PostgreSQL when the benchmark is run by root, which PostgreSQL refuses.
const POSTGRES_USER: &str = "postgres";

/// What the stores were asked since they were empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) redis: Option<RedisCalls>,
    /// Transactions.
    pub(crate) commits: Option<u64>,
}

/// What Redis counts of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RedisCalls {
    /// Commands, also those that scripts ran.
    pub(crate) commands: u64,
    /// Scripts.
    pub(crate) scripts: u64,
    /// Times it found something to read: what was sent together may be read together.
    pub(crate) reads: u64,
}

impl Calls {
    /// Without those that a start and a stop cost.
    pub(crate) fn beyond(self, at_rest: Calls) -> Calls {
        let redis = self.redis.zip(at_rest.redis).map(|(all, rest)| RedisCalls {
            commands: all.commands.saturating_sub(rest.commands),
            scripts: all.scripts.saturating_sub(rest.scripts),
            reads: all.reads.saturating_sub(rest.reads),
        });
        let commits = self.commits.zip(at_rest.commits).map(|(all, rest)| all.saturating_sub(rest));
        Calls { redis, commits }
    }
}

/// What makes stores for runs.
pub(crate) struct Stores {
    folder: PathBuf,
    postgres: Postgres,
    /// For people.
    pub(crate) versions: String,
    /// Databases made so far.
    made: Cell<u32>,
}

/// The stores of one run.
#[derive(Default)]
pub(crate) struct Opened<'a> {
    redis: Option<Redis>,
    database: Option<Database<'a>>,
}

impl Stores {
    /// Starts PostgreSQL, and sees whether Redis can be started.
    pub(crate) fn start(scratch: &Path) -> anyhow::Result<Stores> {
        // Not all of them stay in the folder that they are started in.
        let scratch = &fs::canonicalize(scratch).with_context(|| format!("there is no {}", scratch.display()))?;
        let folder = scratch.join("stores");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let info = Redis::start(&folder)?.info()?;
        let redis = info_field(&info, "redis_version").unwrap_or("of unknown version");
        let postgres = Postgres::start(scratch)?;
        let versions = format!("Redis {redis}, PostgreSQL {}", postgres.ask("SHOW server_version")?);
        Ok(Stores { folder, postgres, versions, made: Cell::new(0) })
    }

    /// Empty ones, as far as the system wants them.
    pub(crate) fn open(&self, system: System) -> anyhow::Result<Opened<'_>> {
        let redis = system.wants_redis().then(|| Redis::start(&self.folder)).transpose()?;
        let database = system.wants_database().then(|| {
            self.made.set(self.made.get() + 1);
            Database::make(&self.postgres, format!("run_{}", self.made.get()))
        });
        Ok(Opened { redis, database: database.transpose()? })
    }
}

impl Opened<'_> {
    pub(crate) fn redis_url(&self) -> Option<String> {
        self.redis.as_ref().map(Redis::url)
    }

    pub(crate) fn database_url(&self) -> Option<String> {
        let Database { postgres, name } = self.database.as_ref()?;
        Some(format!("postgres://bongsu@127.0.0.1:{}/{name}", postgres.port))
    }

    /// User and system time of their processes so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let redis = self.redis.as_ref().map(|redis| tree_cpu(&redis.process));
        let postgres = self.database.as_ref().map(|database| tree_cpu(&database.postgres.process));
        Ok(redis.transpose()?.unwrap_or_default() + postgres.transpose()?.unwrap_or_default())
    }

    /// To be asked when the system has stopped: PostgreSQL's sessions tell what they did when they end, before that
    /// seconds late.
    pub(crate) fn calls(&self) -> anyhow::Result<Calls> {
        let redis = self.redis.as_ref().map(|redis| {
            let info = redis.info()?;
            redis_calls(&info).context("Redis does not tell what it was asked")
        });
        let commits = self.database.as_ref().map(Database::commits);
        Ok(Calls { redis: redis.transpose()?, commits: commits.transpose()? })
    }

    /// What they hold.
    pub(crate) fn data_bytes(&self) -> anyhow::Result<u64> {
        let redis = self.redis.as_ref().map(|redis| {
            let info = redis.info()?;
            let bytes = info_field(&info, "used_memory_dataset").and_then(|text| text.parse::<u64>().ok());
            bytes.context("Redis does not tell what it holds")
        });
        let database = self.database.as_ref().map(|database| database.number("pg_database_size(datname)"));
        Ok(redis.transpose()?.unwrap_or(0) + database.transpose()?.unwrap_or(0))
    }
}

/// A server that is killed when it is dropped.
struct Process {
    child: Child,
    /// How it is told to.
    end: Signal,
}

impl Process {
    /// What the server says goes to `log`.
    fn spawn(mut command: Command, end: Signal, log: &Path, hint: &str) -> anyhow::Result<Process> {
        let file = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().display().to_string();
        let child = command.spawn().with_context(|| format!("cannot start {program}; {hint}"))?;
        Ok(Process { child, end })
    }

    /// Waits until the server answers.
    fn wait_until(&mut self, log: &Path, answers: impl Fn() -> bool) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !answers() {
            let said = || fs::read_to_string(log).unwrap_or_default();
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("a store ended with {status}:\n{}", said());
            }
            anyhow::ensure!(begun.elapsed() < LIMIT, "a store does not answer after {LIMIT:?}:\n{}", said());
            std::thread::sleep(PROBE_GAP);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), self.end);
        let begun = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if begun.elapsed() > LIMIT {
                let _ = self.child.kill();
            }
            std::thread::sleep(PROBE_GAP);
        }
    }
}

/// User and system time of a process, its children, and those it had.
fn tree_cpu(process: &Process) -> anyhow::Result<Duration> {
    let pid = process.child.id();
    let own = read_usage(&pid.to_string())?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    // One that ends between the two reads is missing: a short session.
    let running = children.split_whitespace().filter_map(|child| read_usage(child).ok()).map(|usage| usage.cpu);
    Ok(own.cpu + own.reaped_cpu + running.sum::<Duration>())
}

struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    fn start(folder: &Path) -> anyhow::Result<Redis> {
        let port = free_address()?.port();
        let log = folder.join(format!("redis-{port}.log"));
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.current_dir(folder);
        let process = Process::spawn(command, Signal::KILL, &log, "install Redis 7.0 or later (Debian: redis-server)")?;
        let mut redis = Redis { process, port };
        let url = redis.url();
        redis.process.wait_until(&log, || info(&url).is_ok())?;
        Ok(redis)
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn info(&self) -> anyhow::Result<String> {
        info(&self.url()).context("Redis does not answer")
    }
}

fn info(url: &str) -> redis::RedisResult<String> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    redis::cmd("INFO").arg("all").query(&mut connection)
}

/// Reads Redis' `INFO all`.
fn redis_calls(info: &str) -> Option<RedisCalls> {
    let number = |name| info_field(info, name)?.parse().ok();
    let script = |name| {
        let calls = info_field(info, name).and_then(|fields| fields.strip_prefix("calls="));
        calls.and_then(|fields| fields.split(',').next()?.parse::<u64>().ok())
    };
    // A command that was never used has no line.
    let scripts = ["cmdstat_eval", "cmdstat_evalsha"].into_iter().filter_map(script).sum();
    Some(RedisCalls { commands: number("total_commands_processed")?, scripts, reads: number("total_reads_processed")? })
}

fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    const HINT: &str = "install PostgreSQL (Debian: postgresql)";

    fn start(scratch: &Path) -> anyhow::Result<Postgres> {
        let folder = scratch.join("postgres");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let user = user()?;
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group))?;
            // It has to get there.
            fs::set_permissions(scratch, Permissions::from_mode(0o711))?;
        }
        let command = |name: &str| {
            let mut command = match user {
                None => Command::new(program(name)),
                Some((user, group)) => {
                    let mut command = Command::new("setpriv");
                    command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
                    command.arg(program(name));
                    command
                }
            };
            command.current_dir(&folder).arg("-D").arg(folder.join("data"));
            command
        };
        let mut initdb = command("initdb");
        initdb.args(["--username=bongsu", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        let may = if user.is_some() { "; as root, --scratch must be a folder that others can enter" } else { "" };
        let made = initdb.output().with_context(|| format!("cannot run initdb; {}{may}", Self::HINT))?;
        anyhow::ensure!(made.status.success(), "initdb: {}{may}", String::from_utf8_lossy(&made.stderr).trim());
        let (port, log) = (free_address()?.port(), scratch.join("postgres.log"));
        let mut server = command("postgres");
        // Without a socket in the file system: its path may not be long.
        server.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        // At once, and its sessions with it: what is in its tables is of no interest any more.
        let process = Process::spawn(server, Signal::QUIT, &log, Self::HINT)?;
        let mut postgres = Postgres { process, port };
        postgres.process.wait_until(&log, || ask(port, "SELECT 1").is_ok())?;
        Ok(postgres)
    }

    fn ask(&self, sql: &str) -> anyhow::Result<String> {
        ask(self.port, sql)
    }
}

/// Runs a statement in a database that is not measured.
fn ask(port: u16, sql: &str) -> anyhow::Result<String> {
    let port = port.to_string();
    let arguments = ["-XAtq", "-h", "127.0.0.1", "-p", &port, "-U", "bongsu", "-d", "postgres", "-c", sql];
    let done = Command::new(program("psql")).args(arguments).output();
    let done = done.with_context(|| format!("cannot run psql; {}", Postgres::HINT))?;
    anyhow::ensure!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Debian keeps the programs of each version in a folder of its own.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists());
    found.max().unwrap_or_else(|| name.into())
}

/// Who is to run PostgreSQL, and of which group, when this is root.
fn user() -> anyhow::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("cannot read the list of users")?;
    let found = user_in(&users, POSTGRES_USER).or_else(|| user_in(&users, "nobody"));
    found.map(Some).context("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
}

fn user_in(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// An empty database; it is dropped with this value.
struct Database<'a> {
    postgres: &'a Postgres,
    name: String,
}

impl Database<'_> {
    fn make(postgres: &Postgres, name: String) -> anyhow::Result<Database<'_>> {
        postgres.ask(&format!("CREATE DATABASE {name}"))?;
        // So that a run does not pay for what the one before has left.
        postgres.ask("CHECKPOINT")?;
        Ok(Database { postgres, name })
    }

    fn commits(&self) -> anyhow::Result<u64> {
        let begun = Instant::now();
        let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        while self.postgres.ask(&sessions)? != "0" {
            anyhow::ensure!(begun.elapsed() < LIMIT, "a session of {} goes on after {LIMIT:?}", self.name);
            std::thread::sleep(PROBE_GAP);
        }
        self.number("xact_commit")
    }

    fn number(&self, what: &str) -> anyhow::Result<u64> {
        let told =
            self.postgres.ask(&format!("SELECT {what} FROM pg_stat_database WHERE datname = '{}'", self.name))?;
        told.parse().with_context(|| format!("PostgreSQL's {what} is not a number: {told}"))
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // Only room on the disk is lost if this fails.
        let _ = self.postgres.ask(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_was_asked_is_read_from_its_information() {
        let info = "# Stats\r\ntotal_commands_processed:1234\r\ntotal_reads_processed:56\r\n\
                    # Commandstats\r\ncmdstat_eval:calls=2,usec=9\r\ncmdstat_evalsha:calls=300,usec=1,failed_calls=0\r\n";
        assert_eq!(redis_calls(info), Some(RedisCalls { commands: 1_234, scripts: 302, reads: 56 }));
        assert_eq!(redis_calls("total_commands_processed:1\r\n"), None);
    }

    #[test]
    fn a_start_and_a_stop_are_taken_off() {
        let calls = |commands, commits| {
            let redis = Some(RedisCalls { commands, scripts: 1, reads: 2 });
            Calls { redis, commits }
        };
        let beyond = calls(100, Some(7)).beyond(calls(40, Some(3)));
        assert_eq!(beyond.redis, Some(RedisCalls { commands: 60, scripts: 0, reads: 0 }));
        assert_eq!((beyond.commits, calls(1, None).beyond(calls(1, None)).commits), (Some(4), None));
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "postgresx:x:1:2::/:/bin/sh\npostgres:x:101:104:,,,:/var/lib:/bin/bash\n";
        assert_eq!(user_in(users, "postgres"), Some((101, 104)));
        assert_eq!(user_in(users, "nobody"), None);
    }

    #[test]
    fn a_store_that_is_not_installed_or_ends_says_so() {
        let folder = std::env::temp_dir().join(format!("bongsu-bench-stores-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let log = folder.join("log");
        let error =
            Process::spawn(Command::new("/no/such/store"), Signal::KILL, &log, "install it").err().unwrap().to_string();
        assert_eq!(error, "cannot start /no/such/store; install it");
        let mut command = Command::new("/bin/echo");
        command.arg("no more memory");
        let error = Process::spawn(command, Signal::KILL, &log, "")
            .unwrap()
            .wait_until(&log, || false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("no more memory"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
