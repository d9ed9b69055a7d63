//! Every channel once, from an error to what its service is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Reaction, Server, Sink, wait_for, wait_until};
use crate::servers::exim::Exim;

/// A type, its keys with `{}` for the address, and where its payload says what happened.
const KINDS: [(&str, &str, &str); 11] = [
    ("slack", "url = \"{}\"", "/blocks/0/text/text"),
    ("discord", "url = \"{}\"", "/embeds/0/title"),
    ("teams", "url = \"{}\"", "/attachments/0/content/body/0/inlines/0/text"),
    ("telegram", "url = \"{}\"\ntoken = \"123:tele-secret\"\nchat = \"-1001\"", "/text"),
    ("mattermost", "url = \"{}\"", "/text"),
    ("google-chat", "url = \"{}?key=k&token=google-secret\"", "/cardsV2/0/card/header/title"),
    ("pagerduty", "url = \"{}\"\nrouting_key = \"pager-secret\"", "/payload/summary"),
    ("kakaowork", "url = \"{}\"\ntoken = \"kakao-secret\"\nchat = \"77\"", "/text"),
    ("naver-works", "url = \"{}\"", "/title"),
    ("dooray", "url = \"{}\"", "/attachments/0/title"),
    ("jandi", "url = \"{}\"", "/body"),
];

/// Quick retries.
const DELIVER: &str =
    "[deliver]\ntimeout = \"5s\"\nlease = \"20s\"\nbackoff_first = \"20ms\"\nbackoff_longest = \"50ms\"\n";

fn error() -> Value {
    json!({ "detail": "connection refused", "environment": "prod", "module": "order" })
}

#[tokio::test]
async fn every_service_is_told() {
    let (mut sinks, mut toml) = (Vec::new(), DELIVER.to_owned());
    for (kind, keys, _) in KINDS {
        let sink = Sink::start().await;
        let keys = keys.replace("{}", sink.url());
        toml.push_str(&format!("[[channel]]\nname = \"{kind}\"\ntype = \"{kind}\"\nlocale = \"ko\"\n{keys}\n"));
        sinks.push(sink);
    }
    let server = Server::start(&toml).await;
    server.send(&error()).await;
    for ((kind, _, place), sink) in KINDS.iter().zip(&sinks) {
        wait_for(kind, || sink.count() == 1).await;
        let one = &sink.received()[0];
        let said = one.json.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{kind}: {}", one.json));
        assert!(said.contains("1/5") && said.contains("order"), "{kind}: {said}");
        assert_eq!(one.headers["content-type"], "application/json; charset=utf-8", "{kind}");
    }
    let header = |kind: &str, name: &str| {
        let at = KINDS.iter().position(|(known, ..)| *known == kind).unwrap();
        sinks[at].received()[0].headers[name].to_str().unwrap().to_owned()
    };
    assert_eq!(header("jandi", "accept"), "application/vnd.tosslab.jandi-v2+json");
    assert_eq!(header("kakaowork", "authorization"), "Bearer kakao-secret");
    wait_until("all to be settled", async || {
        let deliveries = server.api("/api/v1/deliveries?state=delivered").await;
        deliveries["items"].as_array().unwrap().len() == KINDS.len()
    })
    .await;
    // A check reaches them all, and tells nobody.
    let (code, out, err) = server.cli(&["check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out.matches("can be reached (nothing was sent)").count(), KINDS.len(), "{out}");
    assert!(sinks.iter().all(|sink| sink.count() == 1));
    assert!(!format!("{out}{err}{:?}", server.log()).contains("-secret"), "{out}{err}");
}

#[tokio::test]
async fn a_service_that_asks_for_patience_in_its_answer_is_given_it() {
    let answers = [
        ("discord", "url = \"{}\"", r#"{"message": "slow down", "retry_after": 1.0, "global": false}"#),
        (
            "telegram",
            "url = \"{}\"\ntoken = \"123:tele-secret\"\nchat = \"-1001\"",
            r#"{"ok": false, "parameters": {"retry_after": 1}}"#,
        ),
    ];
    for (kind, keys, answer) in answers {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let sink = Sink::reacting(move |n, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            if n == 0 { Reaction::Answer(429, Vec::new(), answer.to_owned()) } else { Reaction::status(200) }
        })
        .await;
        let keys = keys.replace("{}", sink.url());
        let server = Server::start(&format!("{DELIVER}[[channel]]\nname = \"ops\"\ntype = \"{kind}\"\n{keys}\n")).await;
        server.send(&error()).await;
        wait_for("the second attempt", || asked.load(Ordering::SeqCst) == 2).await;
        let received = sink.received();
        // A lower bound: what was asked for, less the grain of the clocks.
        assert!((received[1].at - received[0].at).as_millis() >= 990, "{kind}");
        assert_eq!(received[0].body, received[1].body, "{kind}");
    }
}

fn mail_channel(exim: &Exim, password: &str, to: &str) -> String {
    let url = exim.url(password);
    format!(
        "{DELIVER}[[channel]]\nname = \"mail\"\ntype = \"email\"\nsmtp = \"{url}\"\nfrom = \"bongsu <alerts@mail.example>\"\nto = [{to}]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_takes_alerts_by_starttls_from_who_logs_in() {
    let exim = Exim::start();
    let server = Server::start(&mail_channel(&exim, "pass-word", "\"kim@mail.example\", \"lee@mail.example\"")).await;
    server.send(&json!([error(), error()])).await;
    wait_for("two mails to two people", || exim.mails().matches("\nMessage-ID: ").count() >= 2).await;
    wait_until("both to be settled", async || {
        server.api("/api/v1/deliveries?state=delivered").await["items"].as_array().unwrap().len() == 2
    })
    .await;
    let mails = exim.mails();
    for expected in
        ["with esmtpsa", "From: bongsu <alerts@mail.example>", "Auto-Submitted: auto-generated", "References: <"]
    {
        assert!(mails.contains(expected), "{expected} in {mails}");
    }
    let (code, out, err) = server.cli(&["check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("channel \"mail\": answers, and lets bongsu in (nothing was sent)"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_refused_says_why_and_shows_no_password() {
    let exim = Exim::start();
    let cases = [
        ("pass-word", "\"gone@mail.example\"", "answered 550"),
        ("not-the-word", "\"kim@mail.example\"", "answered 535"),
    ];
    for (password, to, expected) in cases {
        let server = Server::start(&mail_channel(&exim, password, to)).await;
        server.send(&error()).await;
        let dead = async || server.api("/api/v1/deliveries?state=dead").await;
        wait_until("a dead letter", async || dead().await["items"].as_array().unwrap().len() == 1).await;
        let why = dead().await["items"][0]["error"].as_str().unwrap().to_owned();
        assert!(why.starts_with(expected), "{why}");
        let (code, out, err) = server.cli(&["check"]);
        assert_eq!(code == 0, password == "pass-word", "{out}{err}");
        assert!(!format!("{out}{err}{why}{:?}", server.log()).contains(password), "{out}{err}{why}");
    }
    assert_eq!(exim.mails(), "");
}
