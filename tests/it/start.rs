//! Starts that go wrong must not take anything with them.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Reaction, Server, Sink, wait_for};

/// The first lines of a server's standard output, up to and with the `curl` line.
fn welcome(folder: &std::path::Path, port: u16) -> Option<String> {
    use std::io::{BufRead, BufReader};
    let mut process = Command::new(env!("CARGO_BIN_EXE_bongsu"))
        .current_dir(folder)
        .env("BONGSU_LISTEN", format!("127.0.0.1:{port}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let (said, hear) = mpsc::channel();
    let out = process.stdout.take().unwrap();
    std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
    let mut text = String::new();
    while let Ok(line) = hear.recv_timeout(Duration::from_secs(60)) {
        text += &line;
        text.push('\n');
        if line.contains("curl ") {
            break;
        }
    }
    process.kill().ok();
    process.wait().unwrap();
    text.contains("curl ").then_some(text)
}

#[test]
fn what_the_first_start_makes_is_shown_even_if_an_earlier_start_failed() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    assert_eq!(welcome(folder.path(), port), None, "the address is in use");
    drop(taken);
    let shown = welcome(folder.path(), port).expect("the first start that works shows the key");
    assert!(shown.contains("DSN") && shown.contains("API token"), "{shown}");
}

#[tokio::test]
async fn a_server_that_has_nothing_to_wait_for_stops_without_waiting() {
    let mut server = Server::start("").await;
    server.send(&json!({ "detail": "the last one" })).await;
    assert!(server.stop().success());
    let said = |what: &str| server.log().iter().any(|line| line.contains(what));
    wait_for("its last word", || said("stopped")).await;
    assert!(!said("WARN"), "{:#?}", server.log());
}

#[tokio::test]
async fn a_second_server_on_the_same_archive_leaves_the_first_ones_outbox_alone() {
    // Refused for now, so that the delivery waits.
    let sink = Sink::reacting(|_, _| Reaction::status(503)).await;
    let server = Server::start(&sink.as_channel()).await;
    server.send(&json!({ "detail": "waits" })).await;
    wait_for("the first attempt", || !sink.received().is_empty()).await;

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.toml");
    let archive = server.config_file().with_file_name("bongsu.db");
    let address = server.base().trim_start_matches("http://").to_owned();
    std::fs::write(&other, format!("listen = \"{address}\"\n[archive]\nurl = \"sqlite:{}\"\n", archive.display()))
        .unwrap();
    let (code, _, said) = crate::harness::cli(&["serve", "--config", other.to_str().unwrap()]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("cannot listen on"), "{said}");
    assert_eq!(server.api("/api/v1/deliveries").await["items"][0]["state"], "pending");
}
