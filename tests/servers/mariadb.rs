//! MariaDB, for one test.

use std::path::Path;
use std::process::Command;

use super::{Process, as_user, free_port, give_to, wait_for};

const HINT: &str = "install MariaDB (Debian: mariadb-server)";

/// A MariaDB server in a folder of its own.
pub struct Mariadb {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Process>,
}

impl Mariadb {
    /// Makes a server and starts it.
    pub fn start() -> Mariadb {
        let folder = tempfile::tempdir().unwrap();
        give_to(folder.path(), "mysql");
        let made = as_user("mysql", Path::new("mariadb-install-db"))
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", folder.path().join("data").display()))
            .current_dir(folder.path())
            .output()
            .unwrap_or_else(|error| panic!("cannot run mariadb-install-db: {error}; {HINT}"));
        assert!(made.status.success(), "mariadb-install-db: {}; {HINT}", String::from_utf8_lossy(&made.stderr));
        let mut server = Mariadb { folder, port: free_port(), process: None };
        server.go();
        let user = "CREATE USER bongsu@'%' IDENTIFIED BY 'hush-hush'; GRANT ALL ON *.* TO bongsu@'%'";
        assert!(server.run(user), "{HINT}");
        server
    }

    fn go(&mut self) {
        let folder = self.folder.path();
        let command = as_user("mysql", Path::new("mariadbd"));
        let mut arguments: Vec<String> = command.get_args().map(|one| one.to_str().unwrap().to_owned()).collect();
        arguments.extend([
            "--no-defaults".to_owned(),
            format!("--datadir={}", folder.join("data").display()),
            format!("--socket={}", folder.join("socket").display()),
            format!("--pid-file={}", folder.join("pid").display()),
            format!("--port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--innodb-flush-log-at-trx-commit=2".to_owned(),
            "--max-connections=200".to_owned(),
            "--event-scheduler=ON".to_owned(),
        ]);
        self.process = Some(Process::start(Path::new(command.get_program()), &arguments, folder, HINT));
        wait_for("MariaDB", || self.run("SELECT 1"));
    }

    /// Runs statements. Answers whether that went well.
    pub fn run(&self, sql: &str) -> bool {
        let socket = format!("--socket={}", self.folder.path().join("socket").display());
        let done = Command::new("mariadb").args(["--no-defaults", &socket, "--user=root", "-e", sql]).output();
        done.unwrap_or_else(|error| panic!("cannot run mariadb: {error}; {HINT}")).status.success()
    }

    /// Makes a database and answers its URL.
    pub fn database(&self, name: &str) -> String {
        assert!(self.run(&format!("CREATE DATABASE {name}")));
        format!("mysql://bongsu:hush-hush@127.0.0.1:{}/{name}", self.port)
    }

    /// Starts it again where it ended.
    pub fn start_again(&mut self) {
        self.go();
    }

    /// Ends it as a power failure would.
    pub fn stop(&mut self) {
        self.process.as_mut().unwrap().kill();
        self.process = None;
    }

    /// The server's process.
    pub fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }
}
