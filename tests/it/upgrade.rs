//! A newer version on the store of an older one: nobody is alerted again, and nothing is lost.

use std::collections::HashSet;
use std::io::Read;

use serde_json::{Value, json};

use crate::harness::{Server, Sink};

/// See `tests/data/upgrade/README.md`.
const STORE: &[u8] = include_bytes!("../data/upgrade/v1.db.zst");
const ISSUES: usize = 500;

/// What the older version was sent: the events that it stored, in their order, with their issues.
fn stored(archive: &std::path::Path) -> Vec<(String, Value)> {
    let archive = rusqlite::Connection::open(archive).unwrap();
    let mut query = archive
        .prepare("SELECT lower(hex(i.fingerprint)), i.attributes FROM issues i WHERE i.rules = 1 ORDER BY i.id")
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(|row| row.unwrap()).map(|(issue, seven)| (issue, serde_json::from_str(&seven).unwrap())).collect()
}

#[tokio::test]
async fn an_upgrade_of_the_rules_alerts_nobody_again_and_loses_no_history() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("v1.db");
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(STORE).unwrap().read_to_end(&mut bytes).unwrap();
    std::fs::write(&archive, bytes).unwrap();
    let before = stored(&archive);
    assert_eq!(before.len(), ISSUES);

    let sink = Sink::start().await;
    let keep =
        "[policy]\nwindow = \"20000d\"\n[retention]\nissues = \"20000d\"\nalerts = \"20000d\"\nevents = \"20000d\"\n";
    let stores = format!("[archive]\nurl = \"sqlite:{}\"\n", archive.display());
    let mut server = Server::start_on(&stores, &format!("{keep}{}", sink.as_channel())).await;
    let alerts = async |server: &Server| {
        let mut count = 0;
        let mut page = server.api("/api/v1/alerts?limit=500").await;
        loop {
            count += page["items"].as_array().unwrap().len();
            let Some(next) = page["next"].as_str() else { return count };
            page = server.api(&format!("/api/v1/alerts?limit=500&after={next}")).await;
        }
    };
    assert_eq!(alerts(&server).await, 5 * ISSUES);

    // Each error is seen again, in another order, on both sides of a restart.
    let mut names = HashSet::new();
    for (nth, (_, event)) in before.iter().enumerate().rev() {
        if nth == ISSUES / 2 {
            server.kill_and_restart().await;
        }
        let answer = server.send(&json!([event, event])).await;
        for outcome in answer["outcomes"].as_array().unwrap() {
            assert_eq!(outcome["outcome"], "suppressed", "{event}: {outcome}");
            names.insert(outcome["fingerprint"].as_str().unwrap().to_owned());
        }
    }
    assert!(names.len() < ISSUES, "the newer rules find some of them to be one error, or this tests nothing");
    assert_eq!(alerts(&server).await, 5 * ISSUES, "nobody is alerted again");

    // Every issue is found by the name it had, with what people said of it, and all that was counted is there.
    let (mut all, mut occurrences) = (HashSet::new(), 0);
    for (nth, (name, _)) in before.iter().enumerate() {
        let issue = server.api(&format!("/api/v1/issues/{name}")).await;
        if nth % 50 == 0 {
            assert_eq!((&issue["decided_by"], &issue["note"]), (&json!("kim"), &json!(format!("note {nth}"))));
        }
        if all.insert(issue["fingerprint"].as_str().unwrap().to_owned()) && issue["merged_into"].is_null() {
            occurrences += issue["occurrences"].as_u64().unwrap();
        }
    }
    assert_eq!(all.len(), ISSUES, "each goes on as itself, or is merged into another");
    assert_eq!(occurrences as usize, ISSUES * (6 + 2));
    assert!(sink.received().is_empty());
}
