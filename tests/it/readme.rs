//! The README's walk-through, word for word, but for the ports.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::harness::wait_for;
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

/// The block of the README that follows this mark.
fn block(mark: &str) -> String {
    let readme = include_str!("../../README.md");
    let after = readme.split(&format!("<!-- test: {mark} -->\n```sh\n")).nth(1).expect("the README has the block");
    after.split("```").next().unwrap().to_owned()
}

struct Walk {
    folder: tempfile::TempDir,
    receiver_port: u16,
    server_port: u16,
}

impl Walk {
    fn command(&self, mark: &str, output: &str) -> Command {
        let script = block(mark)
            .replace("cargo run --release --", env!("CARGO_BIN_EXE_bongsu"))
            .replace("8505", &self.server_port.to_string())
            .replace("9000", &self.receiver_port.to_string());
        // `exec` where the block ends in a server, so that ending the shell ends it.
        let script = match script.trim_end().rsplit_once('\n') {
            Some((before, last)) if mark == "server" => format!("{before}\nexec {last}"),
            _ => script,
        };
        let script = if mark == "receiver" { format!("exec {script}") } else { script };
        let mut command = Command::new("bash");
        command.args(["-euc", &script]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("BONGSU_LISTEN", format!("127.0.0.1:{}", self.server_port));
        let file = std::fs::File::create(self.folder.path().join(output)).unwrap();
        command.stdout(file).stderr(Stdio::null());
        command
    }

    fn said(&self, output: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(output)).unwrap()
    }
}

/// Ends a process with its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_walk_through_works_word_for_word() {
    let walk = Walk { folder: tempfile::tempdir().unwrap(), receiver_port: free_port(), server_port: free_port() };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    std::os::unix::fs::symlink(examples, walk.folder.path().join("examples")).unwrap();
    let _receiver = Ends(walk.command("receiver", "receiver.txt").spawn().unwrap());
    let _server = Ends(walk.command("server", "server.txt").spawn().unwrap());
    for port in [walk.receiver_port, walk.server_port] {
        wait_for("a port to open", || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    }
    let mut client = walk.command("client", "client.txt");
    let Output { status, .. } = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    assert!(status.success(), "{}", walk.said("client.txt"));

    let list = walk.said("client.txt");
    assert!(list.contains(" 40 times") && list.lines().count() == 1, "{list}");
    wait_for("the closing message", || walk.said("receiver.txt").contains("35")).await;
    let messages = walk.said("receiver.txt");
    for ladder in ["🔥▫️▫️▫️▫️ 1/5", "🔥🔥▫️▫️▫️ 2/5", "🔥🔥🔥▫️▫️ 3/5", "🔥🔥🔥🔥▫️ 4/5", "🔥🔥🔥🔥🔥 5/5"]
    {
        assert_eq!(messages.matches(ladder).count(), 1, "{messages}");
    }
}

/// On servers of the test's own, at rates that do not take long.
#[test]
fn the_stores_are_checked_and_measured_as_the_readme_says() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let folder = tempfile::tempdir().unwrap();
    let script = block("stores")
        .replace("bongsu --config", &format!("{} --config", env!("CARGO_BIN_EXE_bongsu")))
        .replace("postgres://bongsu@127.0.0.1:5432/bongsu", &postgres.database("bongsu"))
        .replace("redis://127.0.0.1:6379", &format!("redis://{}", redis.address()))
        .replace("--rates 100,1000,5000", "--rates 100,1000,5000 --seconds 0.1 --watch 0.5");
    let output = Command::new("bash")
        .args(["-euc", &script])
        .current_dir(folder.path())
        .env("BONGSU_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("ok    cache: redis, Redis ") && out.contains("ok    archive: PostgreSQL "), "{out}");
    let head = include_str!("../../README.md").lines().find(|line| line.starts_with("store  ")).unwrap();
    assert!(out.lines().any(|line| line == head), "{head}\n{out}");
}
