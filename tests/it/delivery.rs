//! Alerts on their way to people: receivers that fail, servers that stop, routes, and what people decide.
//!
//! Invariant under test: *Delivery.* Every granted alert reaches every channel its route names, in order, when the
//! channel works again; or it is visible in the dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Reaction, Received, Server, Sink, client, wait_for, wait_until};

/// Quick retries.
const DELIVER: &str =
    "[deliver]\ntimeout = \"300ms\"\nlease = \"1s\"\nbackoff_first = \"20ms\"\nbackoff_longest = \"50ms\"\n";
/// Signs what is sent.
const SECRET: &str = "whsec-of-the-tests";

/// A `[[channel]]` that posts to the sink.
fn channel(name: &str, sink: &Sink, more: &str) -> String {
    format!("[[channel]]\nname = \"{name}\"\nurl = \"{}\"\n{more}\n", sink.url())
}

fn signed(sink: &Sink) -> String {
    channel("ops", sink, &format!("type = \"webhook\"\nsecret = \"{SECRET}\""))
}

fn ordinals<'a>(received: impl IntoIterator<Item = &'a Received>) -> Vec<u64> {
    received.into_iter().map(|one| one.json["ordinal"].as_u64().unwrap()).collect()
}

fn idempotency_key(one: &Received) -> &str {
    one.headers["idempotency-key"].to_str().unwrap()
}

/// Verifies as the documentation tells receivers to: HMAC-SHA256 over `{t}.{body}`.
fn verify(one: &Received) {
    let signature = one.headers["x-bongsu-signature"].to_str().unwrap();
    let (t, v1) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = <Hmac<Sha256>>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{t}.").as_bytes());
    mac.update(&one.body);
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(v1, expected);
}

async fn send(server: &Server, times: usize) -> Vec<Value> {
    let mut outcomes = Vec::new();
    for _ in 0..times {
        let answer = server.send(&json!({ "detail": "connection refused", "environment": "prod" })).await;
        outcomes.push(answer["outcomes"][0].clone());
    }
    outcomes
}

async fn metric(server: &Server, line: &str) -> Option<String> {
    let text = client().get(format!("{}/metrics", server.base())).send().await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines().find_map(|found| found.strip_prefix(line).map(|rest| rest.trim().to_owned()))
}

#[tokio::test]
async fn a_receiver_that_fails_gets_every_alert_in_the_end_and_in_order() {
    type Fails = fn() -> Reaction;
    let too_many = || Reaction::Answer(429, vec![("retry-after", "1".to_owned())], "slow down".to_owned());
    let kinds: [(&str, Fails); 4] = [
        ("answers 429", too_many),
        ("answers 500", || Reaction::status(500)),
        ("hangs", || Reaction::Hang),
        ("breaks off", || Reaction::Drop),
    ];
    let all = kinds.map(|(name, fails)| async move {
        // Of one issue one alert is on its way at a time: the first attempt of each fails, the second is taken.
        let sink = Sink::reacting(move |n, _| if n % 2 == 0 { fails() } else { Reaction::status(200) }).await;
        let server = Server::start(&format!("{}{DELIVER}", signed(&sink))).await;
        send(&server, 8).await;
        wait_for(name, || sink.received().len() == 10).await;
        let received = sink.received();
        received.iter().for_each(verify);
        assert_eq!(ordinals(&received), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "{name}");
        for attempts in received.chunks(2) {
            assert_eq!(idempotency_key(&attempts[0]), idempotency_key(&attempts[1]), "{name}");
            assert_eq!(attempts[0].body, attempts[1].body, "{name}");
            if name == "answers 429" {
                // A lower bound: what the receiver asked for, less the grain of the clocks.
                assert!(attempts[1].at - attempts[0].at >= Duration::from_millis(990), "{name}");
            }
        }
        let mut keys: Vec<_> = received.iter().map(idempotency_key).collect();
        keys.dedup();
        assert_eq!(keys.len(), 5, "{name}");
        // What cannot be delivered is logged, never sent in as an error: there is the one issue and no other.
        let issues = server.api("/api/v1/issues").await;
        assert_eq!(issues["items"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(issues["items"][0]["occurrences"], 8, "{name}");
        wait_until("all to be settled", async || {
            let deliveries = server.api("/api/v1/deliveries?state=delivered").await;
            deliveries["items"].as_array().unwrap().len() == 5
        })
        .await;
    });
    let [a, b, c, d] = all;
    tokio::join!(a, b, c, d);
}

#[tokio::test]
async fn what_a_receiver_will_never_take_lies_in_the_dead_letters_and_can_be_sent_again() {
    let mended = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&mended);
    let sink = Sink::reacting(move |_, _| match works.load(Ordering::SeqCst) {
        true => Reaction::status(204),
        false => Reaction::Answer(404, Vec::new(), "no such hook".to_owned()),
    })
    .await;
    let server = Server::start(&signed(&sink)).await;
    send(&server, 6).await;
    let dead = async || server.api("/api/v1/deliveries?state=dead").await["items"].as_array().unwrap().clone();
    wait_until("five dead letters", async || dead().await.len() == 5).await;
    let letters = dead().await;
    assert!(letters.iter().all(|letter| letter["error"] == "answered 404: no such hook"), "{letters:?}");
    assert!(letters.iter().all(|letter| letter["attempts"] == 1), "nothing is repeated that was refused: {letters:?}");
    wait_until("the gauge", async || metric(&server, "bongsu_deliveries_dead ").await.as_deref() == Some("5")).await;
    let refused = "bongsu_delivery_attempts_total{channel=\"ops\",result=\"refused\"} ";
    assert_eq!(metric(&server, refused).await.as_deref(), Some("5"));

    mended.store(true, Ordering::SeqCst);
    for letter in letters.iter().rev() {
        let (status, answer) = server.act(&format!("/api/v1/deliveries/{}/resend", letter["id"]), &json!({})).await;
        assert_eq!((status, &answer), (200, &json!({ "resent": 1 })));
    }
    wait_for("the alerts sent again", || sink.received().len() == 10).await;
    assert_eq!(ordinals(&sink.received()[5..]), [1, 2, 3, 4, 5]);
    wait_until("no dead letters", async || dead().await.is_empty()).await;
    let (status, answer) = server.act(&format!("/api/v1/deliveries/{}/resend", letters[0]["id"]), &json!({})).await;
    assert_eq!(status, 404, "what was delivered is not sent again: {answer}");
}

#[tokio::test]
async fn what_may_have_arrived_is_repeated_where_it_would_be_missed() {
    // Of the first alert the first attempt hangs, of the later ones each.
    let sink = Sink::reacting(|n, _| if n == 1 { Reaction::status(200) } else { Reaction::Hang }).await;
    let slack = channel("ops", &sink, "type = \"slack\"\nper_minute = 6000");
    let server = Server::start(&format!("{slack}{DELIVER}")).await;
    send(&server, 3).await;
    let settled = async || {
        let mut items = server.api("/api/v1/deliveries").await["items"].as_array().unwrap().clone();
        items.retain(|one| one["state"] != "pending");
        items
    };
    wait_until("all to be settled", async || settled().await.len() == 3).await;
    let [third, second, first] = settled().await.try_into().unwrap();
    assert_eq!(first["state"], "delivered");
    assert_eq!([&first, &second, &third].map(|one| one["unanswered"].as_u64()), [Some(1); 3]);
    assert_eq!([&first, &second, &third].map(|one| one["attempts"].as_u64()), [Some(2), Some(1), Some(1)]);
    for letter in [second, third] {
        assert_eq!(letter["error"], "nobody knows whether it arrived; not sent again: no answer in time");
    }
    let unanswered = "bongsu_delivery_attempts_total{channel=\"ops\",result=\"unanswered\"} ";
    assert_eq!(metric(&server, unanswered).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn who_stands_in_is_told_what_a_channel_refuses_and_what_waits_too_long_for_it() {
    // It refuses what comes first, and then fails.
    let ops = Sink::reacting(|n, _| Reaction::status(if n == 0 { 404 } else { 503 })).await;
    let (mail, pager) = (Sink::reacting(|_, _| Reaction::status(410)).await, Sink::start().await);
    let toml = [
        channel("ops", &ops, "type = \"webhook\"\nfallback = \"mail\"\nfallback_after = \"300ms\""),
        channel("mail", &mail, "type = \"webhook\"\nfallback = \"pager\""),
        channel("pager", &pager, "type = \"webhook\"\nlocale = \"ko\""),
        "[[route]]\nchannels = [\"ops\"]\n".to_owned(),
        DELIVER.replace("backoff_longest = \"50ms\"", "backoff_longest = \"10s\""),
    ]
    .concat();
    let server = Server::start(&toml).await;
    send(&server, 3).await;
    wait_for("the last to stand in", || pager.count() == 3).await;
    assert_eq!(ordinals(&pager.received()), [1, 2, 3]);
    for one in [mail.received(), pager.received()].concat() {
        let (first, instead_of) = (one.json["ordinal"] == 1, &one.json["instead_of"]);
        let whose = instead_of["channel"].as_str().unwrap();
        let why = match whose {
            "mail" => "answered 410",
            _ if first => "answered 404",
            // Those behind the one that fails had no turn of their own.
            _ if one.json["ordinal"] == 2 => "answered 503",
            _ => "",
        };
        assert_eq!(instead_of["error"], why, "{}", one.json);
        let text = one.json["text"].as_str().unwrap();
        let said =
            if whose == "mail" { "대신 알림: mail 채널이 " } else { "Instead of: ops, which fails since " };
        assert!(text.contains(said), "{text}");
    }
    let deliveries = server.api("/api/v1/deliveries?channel=ops").await["items"].as_array().unwrap().clone();
    let states: Vec<_> = deliveries.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["pending", "pending", "dead"], "the original goes on being tried");
    assert_eq!(server.api("/api/v1/deliveries").await["items"].as_array().unwrap().len(), 9, "each once");
}

#[tokio::test]
async fn dead_letters_are_listed_and_sent_again_by_the_command_line() {
    let mended = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&mended);
    let sink = Sink::reacting(move |_, _| Reaction::status(if works.load(Ordering::SeqCst) { 204 } else { 404 })).await;
    let server = Server::start(&format!("{}{DELIVER}", signed(&sink))).await;
    send(&server, 4).await;
    let cli = |arguments: &[&str]| {
        let (code, out, err) = server.cli(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    let dead = ["deliveries", "--state", "dead", "--channel", "ops"];
    wait_until("four dead letters", async || cli(&dead).lines().count() == 4).await;
    let list = cli(&dead);
    assert!(list.lines().all(|line| line.contains("  dead       ops  ") && line.ends_with("  answered 404")), "{list}");
    let letters: Value = serde_json::from_str(&cli(&[&dead[..], &["--json"]].concat())).unwrap();
    assert_eq!((&letters[0]["error"], &letters[0]["unanswered"]), (&json!("answered 404"), &json!(0)));
    assert_eq!(cli(&["deliveries", "--channel", "none", "--limit", "1"]), "");

    mended.store(true, Ordering::SeqCst);
    let id = |n: usize| letters[n]["id"].to_string();
    assert_eq!(cli(&["resend", &id(2), &id(3)]), format!("{}  is sent again\n{}  is sent again\n", id(3), id(2)));
    wait_for("the two", || sink.count() == 6).await;
    let (code, _, err) = server.cli(&["resend", "--all", "--channel", "opps"]);
    assert!(code == 1 && err.contains("there is no channel \"opps\" (did you mean \"ops\"?)"), "{err}");
    assert_eq!(cli(&["resend", "--all", "--channel", "ops"]), "2 deliveries are sent again\n");
    wait_for("all", || sink.count() == 8).await;
    assert_eq!(ordinals(&sink.received()[4..]), [1, 2, 3, 4]);
    wait_until("no dead letters", async || cli(&dead).is_empty()).await;
    let (code, _, err) = server.cli(&["resend", &id(0)]);
    assert!(code == 1 && err.contains("there is no dead delivery"), "{err}");
    for wrong in [&["resend"][..], &["resend", "1", "--all"], &["resend", "1", "--channel", "ops"]] {
        assert_eq!(server.cli(wrong).0, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn what_expires_before_it_could_be_sent_is_said_to_be_dead() {
    let sink = Sink::reacting(|_, _| Reaction::status(503)).await;
    let quick = DELIVER.replace("[deliver]", "[deliver]\nexpiry = \"400ms\"");
    let server = Server::start(&format!("{}{quick}", signed(&sink))).await;
    send(&server, 2).await;
    wait_until("two dead letters", async || {
        server.api("/api/v1/deliveries?state=dead").await["items"].as_array().unwrap().len() == 2
    })
    .await;
    let letters = server.api("/api/v1/deliveries").await;
    let why = |n: usize| letters["items"][n]["error"].as_str().unwrap();
    assert!(why(1).starts_with("given up after ") && why(1).ends_with(" attempts: answered 503"), "{letters}");
    // The second had to wait for the first; whether there was time left to try it depends on the machine.
    assert!(why(0).contains("given up after") || why(0).contains("too old to help"), "{letters}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_down_while_the_server_stops_gets_its_alerts_after_the_restart() {
    for killed in [false, true] {
        let up = Arc::new(AtomicBool::new(false));
        let works = Arc::clone(&up);
        let sink = Sink::reacting(move |_, _| match works.load(Ordering::SeqCst) {
            true => Reaction::status(200),
            false => Reaction::Drop,
        })
        .await;
        let mut server = Server::start(&format!("{}{DELIVER}", signed(&sink))).await;
        send(&server, 7).await;
        wait_for("an attempt", || !sink.received().is_empty()).await;
        match killed {
            true => server.kill(),
            false => assert!(server.stop().success()),
        }
        let before = sink.received().len();
        up.store(true, Ordering::SeqCst);
        server.start_again().await;
        wait_for("the alerts after the restart", || sink.received().len() >= before + 5).await;
        let received = sink.received();
        assert_eq!(ordinals(&received[before..]), [1, 2, 3, 4, 5], "killed: {killed}");
        assert_eq!(idempotency_key(&received[0]), idempotency_key(&received[before]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_to_stop_ends_the_process_though_receivers_hang_and_loses_nothing_acknowledged() {
    const SENDERS: usize = 8;
    let sink = Sink::reacting(|_, _| Reaction::Hang).await;
    // Longer than the server is willing to wait for what is on its way.
    let patient = "[deliver]\ntimeout = \"10m\"\nlease = \"20m\"\n";
    let mut server = Server::start(&format!("{}{patient}", signed(&sink))).await;
    send(&server, 1).await;
    wait_for("an attempt", || sink.received().len() == 1).await;
    let acknowledged = Arc::new(AtomicUsize::new(1));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (client, acknowledged) = (client(), Arc::clone(&acknowledged));
            let url = format!("{}/api/v1/events", server.base());
            tokio::spawn(async move {
                let body = json!({ "detail": "connection refused", "environment": "prod" }).to_string();
                let post = || client.post(&url).bearer_auth(crate::harness::KEY).body(body.clone()).send();
                // Until the door is closed.
                while let Ok(answer) = post().await {
                    acknowledged.fetch_add(usize::from(answer.status() == 202), Ordering::SeqCst);
                }
            })
        })
        .collect();
    wait_for("some load", || acknowledged.load(Ordering::SeqCst) > 100).await;
    let status = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(server.log().iter().any(|line| line.contains("deliveries were still on their way")), "{:?}", server.log());
    for sender in senders {
        sender.await.unwrap();
    }
    server.start_again().await;
    let issues = server.api("/api/v1/issues").await;
    let (stored, acknowledged) =
        (issues["items"][0]["occurrences"].as_u64().unwrap(), acknowledged.load(Ordering::SeqCst) as u64);
    assert!(
        (acknowledged..=acknowledged + SENDERS as u64).contains(&stored),
        "{acknowledged} acknowledged, {stored} stored"
    );
    let pending = server.api("/api/v1/deliveries?state=pending").await;
    assert_eq!(pending["items"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn routes_decide_who_is_told_and_how_often() {
    let (ops, pay, chat) = (Sink::start().await, Sink::start().await, Sink::start().await);
    let toml = [
        channel("ops", &ops, "type = \"webhook\""),
        channel("pay", &pay, "type = \"webhook\"\nlocale = \"ko\"\ntime_zone = \"Asia/Seoul\""),
        channel("chat", &chat, "type = \"slack\""),
        r#"
        [[route]]
        match = { environment = "prod", module = "pay-*" }
        channels = ["pay"]
        policy = { budget = 2 }
        continue = true
        [[route]]
        match = { environment = "prod" }
        channels = ["ops"]
        [[route]]
        match = { environment = "dev" }
        channels = []
        [[route]]
        match = { level = "fatal", "tags.team" = "night" }
        channels = ["chat"]
        "#
        .to_owned(),
    ]
    .concat();
    let server = Server::start(&toml).await;
    let event = |environment: &str, module: &str, detail: &str| json!({ "environment": environment, "module": module, "detail": detail });
    let refused = event("prod", "pay-api", "한도 초과");
    let answer = server.send(&json!([refused, refused, refused])).await;
    assert_eq!(answer["outcomes"][2]["reason"], "budget", "the first route has a policy of its own: {answer}");
    server
        .send(&json!([event("prod", "order-api", "b"), event("dev", "pay-api", "c"), event("stage", "x", "d")]))
        .await;
    let mut fatal = event("stage", "batch", "e");
    fatal["level"] = json!("fatal");
    fatal["tags"] = json!({ "Team": "night" });
    server.send(&fatal).await;

    wait_for("all alerts", || ops.received().len() == 4 && pay.received().len() == 3 && chat.received().len() == 2)
        .await;
    let told = |sink: &Sink| {
        let mut told: Vec<_> =
            sink.received().iter().map(|one| one.json["attributes"]["detail"].as_str().unwrap().to_owned()).collect();
        told.sort_unstable();
        told
    };
    assert_eq!(told(&ops), ["b", "d", "한도 초과", "한도 초과"]);
    assert_eq!(told(&pay), ["d", "한도 초과", "한도 초과"]);
    for one in pay.received() {
        let text = one.json["text"].as_str().unwrap();
        assert!(text.contains("발생: ") && text.contains(" KST"), "{text}");
    }
    for one in chat.received() {
        let (text, blocks) = (one.json["text"].as_str().unwrap(), &one.json["blocks"]);
        assert!(
            text.contains("1/5 [stage]") && blocks[0]["type"] == "header" && blocks.as_array().unwrap().len() <= 50
        );
    }
    // Nobody is told of dev; it is counted all the same.
    let dev = server.api("/api/v1/issues?environment=dev").await;
    assert_eq!(dev["items"][0]["occurrences"], 1);
}

#[tokio::test]
async fn a_window_that_held_something_back_is_closed_with_a_message() {
    let sink = Sink::start().await;
    let server = Server::start(&format!("{}[policy]\nbudget = 2\nwindow = \"1s\"\n", signed(&sink))).await;
    let alone = json!({ "detail": "once only" });
    let storm = json!({ "detail": "disk full", "environment": "prod" });
    server.send(&json!([alone, storm, storm, storm, storm, storm])).await;
    wait_for("the closing message", || !sink.payloads("closing").is_empty()).await;
    let closing = &sink.payloads("closing")[0];
    assert_eq!(closing["attributes"]["detail"], "disk full");
    let figures =
        ["occurrences", "suppressed", "alerts", "budget", "peak_per_minute"].map(|name| closing[name].as_u64());
    assert_eq!(figures, [5, 3, 2, 2, 5].map(Some), "{closing}");
    assert_eq!(closing["ongoing"], false, "{closing}");
    // A window of its own afterwards, with the whole budget, and nothing to tell about the error that came once.
    let again = server.send(&storm).await;
    assert_eq!((&again["outcomes"][0]["outcome"], &again["outcomes"][0]["ordinal"]), (&json!("alerted"), &json!(1)));
    wait_for("the new window's alert", || sink.payloads("alert").len() == 4).await;
    assert_eq!(sink.payloads("closing").len(), 1);
    sink.received().iter().for_each(verify);
}

#[tokio::test]
async fn what_people_decide_holds_at_once_by_the_api_and_by_the_command_line() {
    let sink = Sink::start().await;
    let server = Server::start(&signed(&sink)).await;
    let first = send(&server, 1).await;
    let fingerprint = first[0]["fingerprint"].as_str().unwrap().to_owned();
    let prefix = &fingerprint[..10];
    let path = |action: &str| format!("/api/v1/issues/{prefix}/{action}");
    let cli = |arguments: &[&str]| {
        let (code, out, err) = server.cli(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    let fates = async |times| -> Vec<String> {
        let fate = |outcome: &Value| outcome["reason"].as_str().or(outcome["outcome"].as_str()).unwrap().to_owned();
        send(&server, times).await.iter().map(fate).collect()
    };

    assert!(cli(&["ack", prefix, "--by", "민수"]).contains("acknowledged"));
    assert_eq!(fates(2).await, ["acknowledged", "acknowledged"]);
    let (status, issue) = server.act(&path("resolve"), &json!({ "by": "지영", "note": "pool enlarged" })).await;
    assert_eq!((status, &issue["state"]), (200, &json!("resolved")));
    assert_eq!(fates(2).await, ["alerted", "alerted"]);
    wait_for("the regression", || sink.received().len() == 3).await;
    let regression = &sink.received()[1].json;
    assert_eq!((&regression["regression"], &regression["ordinal"]), (&json!(true), &json!(1)));
    assert!(regression["text"].as_str().unwrap().contains("pool enlarged"), "{regression}");

    let (status, _) = server.act(&path("mute"), &json!({ "more": 2 })).await;
    assert_eq!(status, 200);
    assert_eq!(fates(3).await, ["muted", "muted", "alerted"]);
    assert!(cli(&["mute", prefix, "--for", "1h"]).contains("muted"));
    assert_eq!(fates(2).await, ["muted", "muted"]);
    assert!(cli(&["reopen", prefix]).contains("open"));
    assert_eq!(fates(1).await, ["alerted"]);
    let (status, _) = server.act(&path("acknowledge"), &json!({})).await;
    assert_eq!((status, fates(1).await), (200, vec!["acknowledged".to_owned()]));
    assert!(cli(&["resolve", &fingerprint]).contains("resolved"));
    assert_eq!(fates(1).await, ["alerted"]);

    let issue = server.api(&format!("/api/v1/issues/{fingerprint}")).await;
    assert_eq!((&issue["occurrences"], &issue["alerts"]), (&json!(13), &json!(6)));
}

#[tokio::test]
async fn patience_beyond_the_expiry_ends_with_one_more_try_before_it() {
    for (works, expected) in [(true, "delivered"), (false, "dead")] {
        let too_many = || Reaction::Answer(429, vec![("retry-after", "3000".to_owned())], "slow down".to_owned());
        let sink = Sink::reacting(move |n, _| if n == 1 && works { Reaction::status(200) } else { too_many() }).await;
        let deliver = "[deliver]\nexpiry = \"2s\"\ntimeout = \"1s\"\nlease = \"2s\"\nbackoff_first = \"10ms\"\n";
        let server = Server::start(&format!("{deliver}{}", sink.as_channel())).await;
        server.send(&json!({ "detail": "refused", "location": "a.B.c" })).await;
        wait_until("the end", async || {
            server.api(&format!("/api/v1/deliveries?state={expected}")).await["items"].as_array().unwrap().len() == 1
        })
        .await;
        assert_eq!(sink.count(), 2, "{expected}");
    }
}
