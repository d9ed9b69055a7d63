//! Redis: one server, one with TLS and users, a cluster of masters, a master that sentinels watch.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Process, free_port, wait_for};

const HINT: &str =
    "install redis-server, 7.0 or later (Debian: apt-get install redis-server), or run ./test, which does";

/// A running `redis-server`.
pub struct Redis {
    folder: TempDir,
    arguments: Vec<String>,
    /// Its process.
    pub process: Process,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// For the tests' own commands: the URL without TLS.
    direct: Option<String>,
}

impl Redis {
    /// A server of its own, which saves nothing unless it is told to.
    pub fn start() -> Redis {
        Redis::with(&[])
    }

    /// A server with further arguments.
    pub fn with(more: &[&str]) -> Redis {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let own = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let arguments: Vec<String> = own.iter().chain(more).map(|argument| (*argument).to_owned()).collect();
        let direct = Some(format!("redis://127.0.0.1:{port}"));
        Redis::launch(folder, arguments, port, direct)
    }

    /// A server that speaks TLS only, and lets in only the user `bongsu` with the rights that its documentation asks
    /// for. Answers the path of its certificate authority too.
    pub fn with_tls_and_user(password: &str, rights: &str) -> (Redis, String) {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        certificates(folder.path());
        let users = format!("user default off\nuser bongsu on >{password} resetchannels {rights}\n");
        std::fs::write(folder.path().join("users.acl"), users).unwrap();
        let ca = folder.path().join("ca.pem").display().to_string();
        let arguments = [
            "--port 0 --bind 127.0.0.1 --save  --aclfile users.acl --tls-auth-clients no --tls-cert-file cert.pem \
             --tls-key-file key.pem --tls-ca-cert-file ca.pem --tls-port",
            &port.to_string(),
        ];
        let arguments = arguments.join(" ").split(' ').map(str::to_owned).collect();
        (Redis::launch(folder, arguments, port, None), ca)
    }

    fn launch(folder: TempDir, arguments: Vec<String>, port: u16, direct: Option<String>) -> Redis {
        let process = Process::start(Path::new("redis-server"), &arguments, folder.path(), HINT);
        let mut redis = Redis { folder, arguments, process, port, direct };
        redis.wait_until_it_listens();
        redis
    }

    fn wait_until_it_listens(&mut self) {
        let port = self.port;
        let (process, folder) = (&mut self.process, self.folder.path());
        wait_for("redis-server to listen", || {
            let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(process.runs(), "redis-server ended: {}", log());
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        if self.direct.is_some() {
            wait_for("redis-server to answer", || self.try_command(&["PING"]).is_ok());
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it with SIGKILL and starts it again on the same port, in the same folder.
    pub fn kill_and_restart(&mut self) {
        self.process.kill();
        self.process = Process::start(Path::new("redis-server"), &self.arguments, self.folder.path(), HINT);
        self.wait_until_it_listens();
    }

    /// Whether it takes writes for itself.
    pub fn is_master(&self) -> bool {
        let info: String = redis::from_redis_value(self.command(&["INFO", "replication"])).unwrap();
        info.contains("role:master")
    }

    /// Does a command that must succeed.
    pub fn command(&self, words: &[&str]) -> redis::Value {
        self.try_command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Does a command.
    pub fn try_command(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let url = self.direct.as_deref().expect("this server lets only its user in");
        let mut connection = redis::Client::open(url)?.get_connection()?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection)
    }
}

/// A certificate authority, and a certificate of it for 127.0.0.1.
pub(super) fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        let made = made.unwrap_or_else(|error| panic!("cannot start openssl: {error}; install it, or run ./test"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!("{key} -keyout ca-key.pem -out ca.pem -subj /CN=tests-ca"));
    openssl(&format!(
        "{key} -keyout key.pem -out cert.pem -subj /CN=tests -CA ca.pem -CAkey ca-key.pem \
         -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1,DNS:localhost"
    ));
}

/// Three masters that divide the slots, without replicas.
pub struct Cluster {
    /// The masters.
    pub masters: Vec<Redis>,
}

impl Cluster {
    /// Starts them and waits until they agree.
    pub fn start() -> Cluster {
        let settings = |bus: &str| Redis::with(&["--cluster-enabled", "yes", "--cluster-port", bus]);
        let buses: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let masters: Vec<Redis> = buses.iter().map(|bus| settings(&bus.to_string())).collect();
        for (index, master) in masters.iter().enumerate() {
            let (first, last) = (index * 16_384 / 3, (index + 1) * 16_384 / 3 - 1);
            master.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            // Told apart from the start, or the first to meet would take it for a collision.
            master.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for (master, bus) in masters.iter().zip(&buses).skip(1) {
            masters[0].command(&["CLUSTER", "MEET", "127.0.0.1", &master.port.to_string(), &bus.to_string()]);
        }
        let cluster = Cluster { masters };
        wait_for("the cluster to agree", || cluster.masters.iter().all(Cluster::is_complete));
        cluster
    }

    fn is_complete(master: &Redis) -> bool {
        let info: String = redis::from_redis_value(master.command(&["CLUSTER", "INFO"])).unwrap();
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
    }

    /// All masters, with commas.
    pub fn addresses(&self) -> String {
        self.masters.iter().map(Redis::address).collect::<Vec<_>>().join(",")
    }

    /// Gives a slot from one master to another, with what is in it.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) {
        let id = |master: &Redis| -> String { redis::from_redis_value(master.command(&["CLUSTER", "MYID"])).unwrap() };
        let (from, to, slot) = (&self.masters[from], &self.masters[to], slot.to_string());
        to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        let keys: Vec<String> =
            redis::from_redis_value(from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"])).unwrap();
        for key in keys {
            from.command(&["MIGRATE", "127.0.0.1", &to.port.to_string(), &key, "0", "5000"]);
        }
        let owner = id(to);
        for master in [to, from].into_iter().chain(&self.masters) {
            master.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &owner]);
        }
    }
}

/// A master `main` with a replica, and three sentinels that watch them.
pub struct Watched {
    /// The master at the start, then its replica.
    pub servers: Vec<Redis>,
    sentinels: Vec<(Process, u16, TempDir)>,
}

impl Watched {
    /// Starts them and waits until they know each other.
    pub fn start() -> Watched {
        let master = Redis::start();
        let port = master.port.to_string();
        let replica = Redis::with(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
        let sentinels = (0..3).map(|_| Watched::sentinel(&port)).collect();
        let watched = Watched { servers: vec![master, replica], sentinels };
        wait_for("the sentinels to know each other", || watched.sentinels.iter().all(Watched::knows_all));
        watched
    }

    fn sentinel(master: &str) -> (Process, u16, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds main 600\nsentinel failover-timeout main 3000\n"
        );
        std::fs::write(folder.path().join("sentinel.conf"), settings).unwrap();
        let arguments = ["sentinel.conf".to_owned(), "--sentinel".to_owned()];
        let process = Process::start(Path::new("redis-server"), &arguments, folder.path(), HINT);
        (process, port, folder)
    }

    fn knows_all(sentinel: &(Process, u16, TempDir)) -> bool {
        let ask = || -> redis::RedisResult<Vec<String>> {
            let mut connection = redis::Client::open(format!("redis://127.0.0.1:{}", sentinel.1))?.get_connection()?;
            redis::cmd("SENTINEL").arg("MASTER").arg("main").query(&mut connection)
        };
        let field = |fields: &[String], name: &str| {
            let at = fields.iter().position(|field| field == name)?;
            fields.get(at + 1).cloned()
        };
        ask().is_ok_and(|fields| {
            field(&fields, "num-other-sentinels").as_deref() == Some("2")
                && field(&fields, "num-slaves").as_deref() == Some("1")
        })
    }

    /// Asks the sentinels to make the replica the master, although nothing is wrong.
    pub fn fail_over(&self) {
        let url = format!("redis://127.0.0.1:{}", self.sentinels[0].1);
        wait_for("a sentinel to agree", || {
            let mut connection = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
            redis::cmd("SENTINEL").arg("FAILOVER").arg("main").exec(&mut connection).is_ok()
        });
    }

    /// All sentinels, with commas.
    pub fn addresses(&self) -> String {
        self.sentinels.iter().map(|(_, port, _)| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }
}
