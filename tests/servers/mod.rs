//! Real servers for tests: started on free ports in temporary folders, stopped when they are dropped.
//!
//! Promises: nothing is shared with servers of the system, nothing is left behind, and a server that is not installed is
//! a failure that says what to install. Waiting is for a condition; its deadline is far away and only turns a hang into a
//! failure. Deliberately not here: what is tested on them.

#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod dynamodb;
pub mod exim;
pub mod mariadb;
pub mod postgres;
pub mod redis;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a condition may take before its test is called failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// A port that nothing listens on, and that no other caller in this process was given.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Waits until a condition holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a condition holds that takes questions to find out.
pub async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < DEADLINE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server's process. It ends with this value.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program`; `hint` says where it comes from. What it says goes to `log` in its folder.
    pub fn start(program: &Path, arguments: &[String], folder: &Path, hint: &str) -> Process {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}; {hint}", program.display()));
        Process { child }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Stops it in its tracks: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Stops it in its tracks, and with it the processes that it started itself.
    pub fn pause_all(&self) {
        self.pause();
        self.children().into_iter().for_each(|pid| signal(pid, "STOP"));
    }

    /// Lets all of them go on.
    pub fn resume_all(&self) {
        self.children().into_iter().for_each(|pid| signal(pid, "CONT"));
        self.resume();
    }

    fn children(&self) -> Vec<u32> {
        let id = self.child.id();
        let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("Linux lists children");
        list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// Ends it without a chance to save anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it at once, and with it the processes that it started itself.
    pub fn quit(&mut self) {
        self.signal("QUIT");
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        self::signal(self.child.id(), signal);
    }
}

fn signal(pid: u32, signal: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {pid}")).status();
    assert!(sent.unwrap().success());
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; a paused process is killed as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command as `user`, when this is root and there is such a user: database servers refuse to run as root.
pub fn as_user(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let user = existing(user);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", &group_of(user), "--clear-groups"]).arg(program);
    command
}

/// Lets `user` write in a folder.
pub fn give_to(folder: &Path, user: &str) {
    if is_root() {
        let owner = existing(user);
        let done = Command::new("chown").arg(format!("{owner}:{}", group_of(owner))).arg(folder).status();
        assert!(done.unwrap().success());
    }
}

fn is_root() -> bool {
    ask("id", &["-u"]) == "0"
}

/// The user, or one that every system has.
fn existing(user: &str) -> &str {
    let known = Command::new("id").arg(user).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if known.unwrap().success() { user } else { "nobody" }
}

fn group_of(user: &str) -> String {
    ask("id", &["-g", user])
}

fn ask(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}
