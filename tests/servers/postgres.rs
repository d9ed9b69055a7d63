//! PostgreSQL, for one test. It refuses to run as root, so it is started as another user then.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Process, as_user, free_port, wait_for};

const HINT: &str = "install PostgreSQL (Debian: postgresql)";

/// A PostgreSQL server in a folder of its own.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// Makes a server and starts it.
    pub fn start() -> Postgres {
        let folder = tempfile::tempdir().unwrap();
        super::give_to(folder.path(), "postgres");
        let made = as_user("postgres", &program("initdb"))
            .args(["--username=bongsu", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .output()
            .unwrap_or_else(|error| panic!("cannot run initdb: {error}; {HINT}"));
        assert!(made.status.success(), "initdb: {}; {HINT}", String::from_utf8_lossy(&made.stderr));
        let mut server = Postgres { folder, port: free_port(), process: None };
        server.go();
        server
    }

    fn go(&mut self) {
        let folder = self.folder.path();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let command = as_user("postgres", &program("postgres"));
        let settings = ["max_connections=200", "fsync=off", "listen_addresses=127.0.0.1", "deadlock_timeout=200ms"];
        let mut arguments: Vec<String> = command.get_args().map(|one| one.to_str().unwrap().to_owned()).collect();
        arguments.extend(["-D".to_owned(), text(&folder.join("data")), "-p".to_owned(), self.port.to_string()]);
        arguments.extend(["-k".to_owned(), text(folder)]);
        arguments.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]));
        self.process = Some(Process::start(Path::new(command.get_program()), &arguments, folder, HINT));
        wait_for("PostgreSQL", || self.run("postgres", "SELECT 1"));
    }

    /// Runs a statement. Answers whether that went well.
    pub fn run(&self, database: &str, sql: &str) -> bool {
        let port = self.port.to_string();
        let arguments = ["-q", "-h", "127.0.0.1", "-p", &port, "-U", "bongsu", "-d", database, "-c", sql];
        let done = Command::new(program("psql")).args(arguments).output();
        done.unwrap_or_else(|error| panic!("cannot run psql: {error}; {HINT}")).status.success()
    }

    /// Makes a database and answers its URL.
    pub fn database(&self, name: &str) -> String {
        assert!(self.run("postgres", &format!("CREATE DATABASE {name}")));
        format!("postgres://bongsu:hush-hush@127.0.0.1:{}/{name}", self.port)
    }

    /// Starts it again where it ended.
    pub fn start_again(&mut self) {
        self.go();
    }

    /// Ends it as a power failure would.
    pub fn stop(&mut self) {
        let process = self.process.as_mut().unwrap();
        // Its own processes too, at once.
        process.quit();
        self.process = None;
    }

    /// The server's process.
    pub fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }
}

/// Debian keeps the programs of each version in a folder of its own.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}
