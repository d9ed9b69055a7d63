//! The user's own rules of sameness through public doors: what the documentation says of them, explanations of stored
//! issues, and the preview.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Server, cli};

/// The blocks of the page that follow a mark, each with the block behind it.
fn examples(mark: &str) -> Vec<(String, String)> {
    let page = include_str!("../../docs/sameness.md");
    let mark = format!("<!-- test: {mark} -->\n```");
    let after = page.split(&mark).skip(1);
    let block = |text: &str| text.split_once('\n').unwrap().1.split("```").next().unwrap().to_owned();
    after.map(|rest| (block(rest), rest.split("```json").nth(1).map_or_else(String::new, block))).collect()
}

/// The fingerprints of events under a configuration.
fn fingerprints(config: &str, events: &str) -> Vec<String> {
    let (code, out, err) = cli(&["--config", config, "fingerprint", events]);
    assert_eq!(code, 0, "{err}");
    out.lines().map(|line| line.split_once('\t').unwrap().1.to_owned()).collect()
}

#[test]
fn the_examples_of_the_documentation_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, events, none) = (file("own.toml"), file("events.json"), file("none.toml"));
    std::fs::write(&none, "").unwrap();
    let mut tested = 0;
    for (mark, same) in [("one error", true), ("two errors", false)] {
        for (toml, json) in examples(mark) {
            std::fs::write(&events, json).unwrap();
            let before = fingerprints(&none, &events);
            assert_eq!(before[0] == before[1], !same, "{toml}: before");
            std::fs::write(&config, toml.replace("@1", &before[0]).replace("@2", &before[1])).unwrap();
            let after = fingerprints(&config, &events);
            assert_eq!(after[0] == after[1], same, "{toml}");
            let (code, said, _) = cli(&["--config", &config, "explain", &events]);
            assert_eq!((code, said.starts_with("the same error")), (0, same), "{said}");
            tested += 1;
        }
    }
    assert!(tested >= 6, "{tested}");
}

#[test]
fn the_commands_of_the_documentation_work() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("kettle.json", r#"{"detail": "kettle 1 is empty"}"#),
        ("teapot.json", r#"{"detail": "teapot 2 is empty"}"#),
        ("new.toml", "[sameness]\nignore = [\"method\"]"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let [(script, _)] = examples("commands").try_into().unwrap();
    let script = script.replace("bongsu ", &format!("{} ", env!("CARGO_BIN_EXE_bongsu")));
    let output = Command::new("bash").args(["-euc", &script]).current_dir(folder.path()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("to make them one") && out.contains("there is nothing to replay"), "{out}");
}

fn tenant(name: &str, nth: usize) -> Value {
    json!({ "module": "billing", "environment": "prod", "detail": format!("tenant {name} is over its limit of {nth}") })
}

const NAMES: [&str; 4] = ["acme", "globex", "initech", "hooli"];
const MASK: &str = "[[sameness.mask]]\nattribute = \"detail\"\npattern = '\\btenant \\w+'\nput = \"tenant <any>\"\n";

async fn send_all(server: &Server) -> Vec<String> {
    let mut fingerprints = Vec::new();
    for name in NAMES {
        for nth in 0..6 {
            let answer = server.send(&tenant(name, nth)).await;
            if nth == 0 {
                fingerprints.push(answer["outcomes"][0]["fingerprint"].as_str().unwrap().to_owned());
            }
        }
    }
    fingerprints
}

#[tokio::test]
async fn stored_issues_are_explained_and_the_suggestion_joins_them() {
    let server = Server::start("").await;
    let issues = send_all(&server).await;
    let (code, said, err) = server.cli(&["explain", &issues[0][..10], &issues[1]]);
    assert_eq!(code, 0, "{err}");
    assert!(said.starts_with("two errors") && said.contains(MASK.trim()), "{said}");

    // Over the API, one of them as an event.
    let pair = json!({ "a": issues[0], "b": tenant("umbrella", 3) });
    let (status, told) = server.act("/api/v1/explain", &pair).await;
    assert_eq!((status, &told["same"]), (200, &json!(false)), "{told}");
    assert_eq!(told["suggestions"][0]["toml"], json!(MASK), "{told}");
    let (status, told) = server.act("/api/v1/explain", &json!({ "a": tenant("umbrella", 3) })).await;
    let detail = told["attributes"][6]["normalized"].as_str().unwrap_or_default();
    assert!(status == 200 && detail.starts_with("tenant umbrella is over its limit of <"), "{told}");
    for (pair, says) in [
        (json!({ "a": "ffff" }), 404),
        (json!({ "a": 7 }), 400),
        (json!({ "a": { "level": "error" } }), 400),
        (json!({ "b": issues[0] }), 400),
    ] {
        let (status, told) = server.act("/api/v1/explain", &pair).await;
        assert_eq!(status, says, "{pair}: {told}");
    }

    // A server that starts with it, on the same archive, alerts nobody again.
    let mut server = server;
    server.stop();
    let config = server.config_file();
    let toml = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{toml}\n{MASK}")).unwrap();
    server.start_again().await;
    let answers = [server.send(&tenant("acme", 9)).await, server.send(&tenant("hooli", 9)).await];
    let [one, other] = answers.map(|answer| answer["outcomes"][0].clone());
    assert_eq!(one["fingerprint"], other["fingerprint"]);
    assert_ne!(one["fingerprint"], json!(issues[0]));
    assert_eq!((&one["reason"], &other["reason"]), (&json!("budget"), &json!("budget")), "{one} {other}");
}

#[tokio::test]
async fn a_preview_says_what_changed_rules_would_make_of_the_stored_events() {
    let server = Server::start("").await;
    let issues = send_all(&server).await;
    for nth in 0..3 {
        server.send(&json!({ "module": "store", "detail": format!("shard {nth} is down") })).await;
    }
    server.send(&json!({ "module": "mail", "detail": "no answer" })).await;

    let (code, said, err) = server.cli(&["rules", "preview"]);
    assert!(code == 0 && said.starts_with("6 issues would stay as they are"), "{said}{err}");

    let toml = std::fs::read_to_string(server.config_file()).unwrap();
    let changed = tempfile::NamedTempFile::new().unwrap();
    let split = "[[sameness.protect]]\nattribute = \"detail\"\npattern = 'shard \\d+'";
    std::fs::write(changed.path(), format!("{toml}\n{MASK}\n{split}")).unwrap();
    let path = changed.path().to_str().unwrap();
    let (code, out, err) = cli(&["rules", "preview", "--config", path, "--json"]);
    assert_eq!(code, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    // 4 x 5 alerts of tenants, 3 of shards, 1 of mail; then 5 of all tenants, one of each shard, 1 of mail.
    assert_eq!((&report["issues_before"], &report["issues_after"]), (&json!(6), &json!(5)), "{report}");
    assert_eq!((&report["alerts_before"], &report["alerts_after"]), (&json!(24), &json!(9)), "{report}");
    let joined: Vec<&str> =
        report["joins"][0]["issues"].as_array().unwrap().iter().filter_map(|one| one["fingerprint"].as_str()).collect();
    assert!(joined.len() == 4 && issues.iter().all(|issue| joined.contains(&issue.as_str())), "{report}");
    assert_eq!(report["splits"][0]["parts"].as_array().unwrap().len(), 3, "{report}");

    let (_, said, _) = cli(&["rules", "preview", "--config", path, "--days", "30"]);
    assert!(said.starts_with("6 issues would become 5; 9 alerts instead of 24 in the last 30 days"), "{said}");
    assert!(said.contains("4 issues would join into ") && said.contains(" would split into 3"), "{said}");
}
