//! Exim, for one test: a mail server that takes mail by STARTTLS from those who log in, and puts it into a file.

use std::path::Path;

use super::{Process, as_user, ask, existing, free_port, give_to, is_root, redis, wait_for};

const HINT: &str = "install Exim (Debian: exim4-daemon-light)";

/// A mail server in a folder of its own.
pub struct Exim {
    folder: tempfile::TempDir,
    port: u16,
    process: Process,
}

impl Exim {
    /// Makes a server and starts it. Its user is `kim`, whose password is `pass-word`.
    pub fn start() -> Exim {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let at = folder.path();
        redis::certificates(at);
        let user = if is_root() { existing("nobody").to_owned() } else { ask("id", &["-un"]) };
        let group = ask("id", &["-gn", &user]);
        std::fs::write(at.join("exim.conf"), configuration(at, port, &user, &group)).unwrap();
        for entry in std::fs::read_dir(at).unwrap() {
            give_to(&entry.unwrap().path(), &user);
        }
        give_to(at, &user);
        let command = as_user(&user, Path::new("/usr/sbin/exim4"));
        let mut arguments: Vec<String> = command.get_args().map(|one| one.to_str().unwrap().to_owned()).collect();
        arguments.extend(["-C".to_owned(), at.join("exim.conf").display().to_string(), "-bdf".to_owned()]);
        let process = Process::start(Path::new(command.get_program()), &arguments, at, HINT);
        let server = Exim { folder, port, process };
        wait_for("Exim", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    /// Its URL, with this password.
    pub fn url(&self, password: &str) -> String {
        let ca = self.folder.path().join("ca.pem");
        format!("smtp://kim:{password}@localhost:{}?ca={}", self.port, ca.display())
    }

    /// Everything it has taken so far.
    pub fn mails(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("box")).unwrap_or_default()
    }

    /// The server's process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

fn configuration(folder: &Path, port: u16, user: &str, group: &str) -> String {
    const TEMPLATE: &str = r"
spool_directory = FOLDER/spool
log_file_path = FOLDER/%slog
pid_file_path = FOLDER/pid
primary_hostname = localhost
exim_user = USER
exim_group = GROUP
never_users =
deliver_drop_privilege = true
local_interfaces = <; [127.0.0.1]:PORT
tls_advertise_hosts = *
tls_certificate = FOLDER/cert.pem
tls_privatekey = FOLDER/key.pem
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = rcpt
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
begin acl
rcpt:
  deny local_parts = gone
       message = no such user
  accept authenticated = *
  deny message = log in first
begin routers
all:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  file = FOLDER/box
  user = USER
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{kim}}{eq{$auth3}{pass-word}}}}
  server_set_id = $auth2
";
    let folder = folder.display().to_string();
    TEMPLATE.replace("FOLDER", &folder).replace("PORT", &port.to_string()).replace("USER", user).replace("GROUP", group)
}
