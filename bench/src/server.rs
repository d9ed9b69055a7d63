//! The servers under test, as child processes.
//!
//! Promises: a server is used when it answers `/readyz`, not after a guess of seconds; it is stopped with SIGTERM and
//! waited for; it does not outlive the benchmark. What it used is read from `/proc`. Deliberately not here: load.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::program::Program;

const START_LIMIT: Duration = Duration::from_secs(20);
/// Longer than bongsu lets deliveries end after the signal.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const PROBE_GAP: Duration = Duration::from_millis(1);

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Its state, its configuration and its log; removed when it is dropped.
    folder: PathBuf,
    /// From the start of the process to the first answer of `/readyz`.
    pub(crate) start: Duration,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Of its children that have ended.
    pub(crate) reaped_cpu: Duration,
    pub(crate) rss_bytes: u64,
    pub(crate) peak_rss_bytes: u64,
}

impl Server {
    /// Starts a server in a folder of its own under `scratch`, on the given core, and waits until it is ready.
    pub(crate) fn start(program: &Program, scratch: &Path, core: Option<usize>) -> anyhow::Result<Server> {
        let address = free_address()?;
        let folder = scratch.join(format!("server-{}", address.port()));
        fs::create_dir_all(folder.join("data")).with_context(|| format!("cannot make {}", folder.display()))?;
        let (path, arguments) = (&program.path, program.arguments(address, &folder)?);
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(path);
                command
            }
            None => Command::new(path),
        };
        let log = File::create(folder.join("log"))?;
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", path.display()))?;
        let mut server = Server { child, address, folder, start: Duration::ZERO };
        while !ready(address) {
            if let Some(status) = server.child.try_wait()? {
                anyhow::bail!("{} ended with {status}:\n{}", path.display(), server.log());
            }
            if begun.elapsed() > START_LIMIT {
                anyhow::bail!("{} is not ready after {START_LIMIT:?}:\n{}", path.display(), server.log());
            }
            std::thread::sleep(PROBE_GAP);
        }
        server.start = begun.elapsed();
        Ok(server)
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        read_usage(&self.child.id().to_string())
    }

    /// Stops it with SIGTERM and waits. Answers the bytes its data takes then.
    pub(crate) fn stop(mut self) -> anyhow::Result<u64> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            anyhow::ensure!(begun.elapsed() < STOP_LIMIT, "the server runs on {STOP_LIMIT:?} after SIGTERM");
            std::thread::sleep(PROBE_GAP);
        }
        folder_bytes(&self.folder.join("data"))
    }

    /// The end of what the server wrote.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` these find nothing to do; on an error's way out, nothing better can be done than to try.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Why this bongsu does not take the configuration or cannot reach what it names; `None`: it does and can.
pub(crate) fn refusal(program: &Program, scratch: &Path) -> anyhow::Result<Option<String>> {
    let folder = scratch.join("check");
    fs::create_dir_all(folder.join("data")).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = program.write_configuration(free_address()?, &folder)?;
    let asked = Command::new(&program.path).args(["check", "--config"]).arg(&file).stdin(Stdio::null()).output();
    let asked = asked.with_context(|| format!("cannot start {}", program.path.display()))?;
    fs::remove_dir_all(&folder)?;
    if asked.status.success() {
        return Ok(None);
    }
    let said = [asked.stdout, asked.stderr].concat();
    // What is well is of no interest here.
    let said = String::from_utf8_lossy(&said).replace(&format!("{}, ", file.display()), "");
    let bad: Vec<&str> = said.lines().filter(|line| !line.starts_with("ok ")).map(str::trim).collect();
    Ok(Some(bad.join(" ")))
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

/// What this process has used so far.
pub(crate) fn own_usage() -> anyhow::Result<Usage> {
    read_usage("self")
}

pub(crate) fn read_usage(process: &str) -> anyhow::Result<Usage> {
    let folder = Path::new("/proc").join(process);
    let (stat, status) = (fs::read_to_string(folder.join("stat"))?, fs::read_to_string(folder.join("status"))?);
    usage(&stat, &status, rustix::param::clock_ticks_per_second()).context("/proc is not as expected")
}

fn usage(stat: &str, status: &str, ticks_per_second: u64) -> Option<Usage> {
    // The command's name may hold blanks and parentheses; the fields begin after the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let spent = |ticks: u64| Duration::from_nanos(ticks * 1_000_000_000 / ticks_per_second);
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Usage {
        cpu: spent(ticks(11)? + ticks(12)?),
        reaped_cpu: spent(ticks(13)? + ticks(14)?),
        rss_bytes: kib("VmRSS:")? * 1024,
        peak_rss_bytes: kib("VmHWM:")? * 1024,
    })
}

fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::System;

    #[test]
    fn usage_is_read_whatever_the_name_of_the_process() {
        let stat = "42 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 150 50 75 25 20 0 3 0 100 1000 200";
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let usage = usage(stat, status, 100).unwrap();
        assert_eq!((usage.cpu, usage.reaped_cpu), (Duration::from_secs(2), Duration::from_secs(1)));
        assert_eq!((usage.peak_rss_bytes, usage.rss_bytes), (2 << 20, 1 << 20));
    }

    fn program(path: &str) -> Program {
        Program { system: System::Bare, path: path.into(), webhook: None, redis: None, database: None }
    }

    #[test]
    fn a_configuration_is_refused_in_the_words_of_the_check() {
        let scratch = std::env::temp_dir().join(format!("bongsu-bench-check-{}", std::process::id()));
        assert_eq!(refusal(&program("/bin/true"), &scratch).unwrap(), None);
        assert_eq!(refusal(&program("/bin/false"), &scratch).unwrap().as_deref(), Some(""));
        let said = refusal(&program("/bin/ls"), &scratch).unwrap().unwrap();
        assert!(said.contains("--config"), "{said}");
        fs::remove_dir_all(&scratch).unwrap();
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_with_its_words() {
        let scratch = std::env::temp_dir().join(format!("bongsu-bench-test-{}", std::process::id()));
        let program = program("/bin/echo");
        let error = Server::start(&program, &scratch, None).err().unwrap().to_string();
        assert!(error.contains("ended with") && error.contains("127.0.0.1:"), "{error}");
        fs::remove_dir_all(&scratch).unwrap();
    }
}
