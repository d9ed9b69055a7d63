//! What is the same error, as users see it over the public doors.

use serde_json::{Value, json};

use crate::harness::{Server, Sink, wait_until};

fn at(slug: &str) -> Value {
    json!({
        "module": "shop", "method": "GET", "url": format!("/shop/{slug}/reviews"),
        "location": "shop.Reviews.list(Reviews.java:40)", "detail": "the review store does not answer",
    })
}

async fn outcome(server: &Server, event: &Value) -> Value {
    server.send(event).await["outcomes"][0].clone()
}

#[tokio::test]
async fn slugs_are_learned_from_traffic_and_no_issue_is_split() {
    const WORDS: [&str; 7] = ["red", "blue", "warm", "light", "small", "soft", "plain"];
    const THINGS: [&str; 7] = ["shoes", "boots", "socks", "coats", "hats", "belts", "bags"];
    // Of two words, as a route may have.
    let slug = |nth: usize| format!("{}-{}", WORDS[nth % 7], THINGS[nth / 7]);
    let server = Server::start("").await;
    let first = outcome(&server, &at(&slug(0))).await;
    for nth in 1..30 {
        let outcome = outcome(&server, &at(&slug(nth))).await;
        assert_eq!(outcome["occurrences"], 1, "{nth}: not learned yet");
    }
    wait_until("it is learned that slugs are a parameter", async || {
        let [one, other] = [outcome(&server, &at(&slug(40))).await, outcome(&server, &at(&slug(41))).await];
        one["fingerprint"] == other["fingerprint"]
    })
    .await;
    // An issue that there was goes on in the new one, with what it counted.
    let again = outcome(&server, &at(&slug(0))).await;
    assert_ne!(again["fingerprint"], first["fingerprint"]);
    let old = server.api(&format!("/api/v1/issues/{}", first["fingerprint"].as_str().unwrap())).await;
    assert_eq!(old["occurrences"], 1);
    // A plain word is a route of its own.
    let plain = [outcome(&server, &at("latest")).await, outcome(&server, &at("popular")).await];
    assert_ne!(plain[0]["fingerprint"], plain[1]["fingerprint"]);
}

#[tokio::test]
async fn issues_are_merged_and_unmerged_by_hand() {
    let sink = Sink::start().await;
    let server = Server::start(&sink.as_channel()).await;
    let event = |detail: &str| json!({ "module": "shop", "detail": detail });
    let send = async |detail: &str| outcome(&server, &event(detail)).await;
    let [kettle, teapot] = [send("kettle is empty").await, send("teapot is empty").await];
    for _ in 0..5 {
        send("kettle is empty").await;
    }
    let path = |one: &Value, action: &str| format!("/api/v1/issues/{}/{action}", one["fingerprint"].as_str().unwrap());
    let into = json!({ "into": kettle["fingerprint"], "by": "kim" });
    let (status, merged) = server.act(&path(&teapot, "merge"), &into).await;
    assert_eq!((status, &merged["occurrences"]), (200, &json!(7)), "{merged}");

    let outcome = send("teapot is empty").await;
    assert_eq!((&outcome["fingerprint"], &outcome["reason"]), (&kettle["fingerprint"], &json!("budget")));
    let detail = server.api(&format!("/api/v1/issues/{}", kettle["fingerprint"].as_str().unwrap())).await;
    assert_eq!((&detail["occurrences"], &detail["merged"][0]["merged_by"]), (&json!(8), &json!("kim")));
    assert_eq!(server.api("/api/v1/issues").await["items"].as_array().unwrap().len(), 1);

    let (status, wrong) = server.act(&path(&teapot, "merge"), &into).await;
    assert_eq!(status, 200, "again is no mistake: {wrong}");
    let (status, wrong) = server.act(&path(&kettle, "merge"), &into).await;
    assert_eq!((status, &wrong["title"]), (400, &json!("bad request")), "{wrong}");
    let (status, _) = server.act(&path(&kettle, "merge"), &json!({ "into": "ffffffff" })).await;
    assert_eq!(status, 404);

    // By the command, while the server runs.
    let fingerprint = teapot["fingerprint"].as_str().unwrap();
    let (code, said, wrong) = server.cli(&["unmerge", fingerprint]);
    assert_eq!(code, 0, "{said}{wrong}");
    wait_until("the server has heard of it", async || {
        send("teapot is empty").await["fingerprint"] == teapot["fingerprint"]
    })
    .await;
    let (code, said, _) = server.cli(&["merge", fingerprint, "--into", kettle["fingerprint"].as_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let (code, said, _) = server.cli(&["issues", &fingerprint[..10]]);
    assert!(code == 0 && said.contains("merged into"), "{said}");
}
