//! DynamoDB: dynoxide, an emulator whose conditional updates are atomic.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Process, free_port, wait_for};

const HINT: &str = "run ./test, which installs it, or: cargo install dynoxide-rs --version 3.2.0 --locked \
                    --no-default-features --features native-sqlite,http-server,cli --root target/tools";

/// A running emulator, with nothing in it.
pub struct DynamoDb {
    /// Its process.
    pub process: Process,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    _folder: TempDir,
}

impl DynamoDb {
    /// Starts one.
    pub fn start() -> DynamoDb {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let arguments = ["serve", "--host", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned);
        let mut process = Process::start(&program(), &arguments, folder.path(), HINT);
        wait_for("dynoxide to listen", || {
            assert!(process.runs(), "dynoxide ended");
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        DynamoDb { process, port, _folder: folder }
    }
}

/// In the target folder, where `./test` puts it; else wherever the system finds it.
fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("tools/bin/dynoxide");
    if own.exists() { own } else { "dynoxide".into() }
}
