//! A Slack app, from a storm to a thread and back: against a receiver that keeps to what Slack documents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Reaction, Received, Server, Sink, client, wait_for, wait_until};
use crate::servers::postgres::Postgres;

const TOKEN: &str = "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy";
const CHAT: &str = "C0123456789";
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// A message, and what it said at first and after each edit.
#[derive(Clone, Debug)]
struct Message {
    thread_ts: Option<String>,
    said: Vec<Value>,
    /// People took it away.
    deleted: bool,
}

/// What stands in the channel, by timestamp.
#[derive(Default)]
struct Workspace {
    messages: BTreeMap<String, Message>,
    /// What is taken next, is not answered.
    silent: bool,
    /// Requests by method.
    calls: Vec<String>,
    /// What was not taken, and why.
    refused: Vec<String>,
}

/// A Slack of our own.
struct Slack {
    sink: Sink,
    workspace: Arc<Mutex<Workspace>>,
}

impl Slack {
    async fn start() -> Slack {
        let workspace = Arc::new(Mutex::new(Workspace::default()));
        let of_sink = Arc::clone(&workspace);
        let sink = Sink::reacting(move |_, request| {
            let mut workspace = of_sink.lock().unwrap();
            let answer = workspace.take(request).unwrap_or_else(|why| {
                workspace.refused.push(why.clone());
                json!({ "ok": false, "error": why })
            });
            if std::mem::take(&mut workspace.silent) {
                return Reaction::Drop;
            }
            Reaction::Answer(200, vec![("content-type", "application/json".to_owned())], answer.to_string())
        })
        .await;
        Slack { sink, workspace }
    }

    fn channel(&self) -> String {
        format!(
            "[[channel]]\nname = \"ops\"\ntype = \"slack-app\"\nurl = \"{}\"\ntoken = \"{TOKEN}\"\nchat = \"{CHAT}\"\n\
             signing_secret = \"{SECRET}\"\n",
            self.sink.url()
        )
    }

    /// The messages in their order.
    fn messages(&self) -> Vec<(String, Message)> {
        self.workspace.lock().unwrap().messages.iter().map(|(ts, one)| (ts.clone(), one.clone())).collect()
    }

    fn count(&self) -> usize {
        self.messages().len()
    }

    /// The first message, as it stands there now.
    fn root(&self) -> Value {
        self.messages()[0].1.said.last().unwrap().clone()
    }

    fn delete(&self, ts: &str) {
        self.workspace.lock().unwrap().messages.get_mut(ts).unwrap().deleted = true;
    }

    fn refused(&self) -> Vec<String> {
        self.workspace.lock().unwrap().refused.clone()
    }
}

impl Workspace {
    /// `chat.postMessage`, `chat.update` and `auth.test`, as documented; the error is Slack's word.
    fn take(&mut self, request: &Received) -> Result<Value, String> {
        let header = |name: &str| request.headers.get(name).map_or("", |value| value.to_str().unwrap());
        if header("authorization") != format!("Bearer {TOKEN}") {
            return Err("invalid_auth".to_owned());
        }
        let method = request.path.rsplit('/').next().unwrap();
        self.calls.push(method.to_owned());
        if method.starts_with("conversations.") {
            return self.list(&request.body, header("content-type"));
        }
        if !header("content-type").starts_with("application/json") {
            return Err("invalid_post_type".to_owned());
        }
        let body = &request.json;
        let text = |name: &str| body[name].as_str();
        if method == "auth.test" {
            return Ok(json!({ "ok": true, "team": "Example", "user": "bongsu", "team_id": "T1", "user_id": "U1" }));
        }
        if text("channel") != Some(CHAT) {
            return Err("channel_not_found".to_owned());
        }
        if text("text").is_none_or(str::is_empty) {
            return Err("no_text".to_owned());
        }
        blocks_are_good(&body["blocks"])?;
        match &body["metadata"] {
            Value::Object(metadata) if metadata["event_type"].is_string() && metadata["event_payload"].is_object() => {}
            _ => return Err("invalid_metadata_format".to_owned()),
        }
        match method {
            "chat.postMessage" => {
                let thread_ts = text("thread_ts").map(str::to_owned);
                if let Some(thread_ts) = &thread_ts {
                    let root = self.messages.get(thread_ts).filter(|root| !root.deleted);
                    if root.ok_or("thread_not_found")?.thread_ts.is_some() {
                        return Err("cannot_reply_to_message".to_owned());
                    }
                }
                let ts = format!("{}.{:06}", now_s(), self.messages.len());
                let message = Message { thread_ts, said: vec![body.clone()], deleted: false };
                assert!(self.messages.insert(ts.clone(), message).is_none(), "a timestamp is there once");
                Ok(json!({ "ok": true, "channel": CHAT, "ts": ts, "message": { "text": body["text"], "ts": ts } }))
            }
            "chat.update" => {
                let ts = text("ts").unwrap_or_default();
                let message = self.messages.get_mut(ts).filter(|one| !one.deleted).ok_or("message_not_found")?;
                message.said.push(body.clone());
                Ok(json!({ "ok": true, "channel": CHAT, "ts": ts, "text": body["text"] }))
            }
            _ => Err("unknown_method".to_owned()),
        }
    }
}

impl Workspace {
    /// `conversations.history` and `conversations.replies`, which read forms and no JSON.
    fn list(&self, form: &[u8], content_type: &str) -> Result<Value, String> {
        if content_type != "application/x-www-form-urlencoded" {
            return Err("invalid_post_type".to_owned());
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(form).into_owned().collect();
        if form.get("channel").is_none_or(|channel| channel != CHAT) {
            return Err("channel_not_found".to_owned());
        }
        let since = |ts: &str| form.get("oldest").is_none_or(|oldest| ts > oldest.as_str());
        let thread = form.get("ts");
        let with_metadata = form.get("include_all_metadata").is_some_and(|all| all == "true");
        let here = |(ts, one): &(&String, &Message)| !one.deleted && since(ts) && one.thread_ts.as_ref() == thread;
        let shown = |(ts, one): (&String, &Message)| {
            let said = one.said.last().unwrap();
            let metadata = if with_metadata { said["metadata"].clone() } else { Value::Null };
            json!({ "type": "message", "ts": ts, "text": said["text"], "blocks": said["blocks"], "metadata": metadata })
        };
        let limit = form.get("limit").map_or(100, |limit| limit.parse().unwrap());
        let messages: Vec<Value> = self.messages.iter().rev().filter(here).map(shown).take(limit).collect();
        Ok(json!({ "ok": true, "messages": messages, "has_more": false }))
    }
}

/// Slack's limits of a message and of its buttons.
fn blocks_are_good(blocks: &Value) -> Result<(), String> {
    let blocks = blocks.as_array().ok_or("invalid_blocks_format")?;
    let within = |value: &Value, limit: usize| {
        let units = value.as_str().map_or(0, |text| text.encode_utf16().count());
        if (1..=limit).contains(&units) { Ok(()) } else { Err("invalid_blocks") }
    };
    if blocks.len() > 50 {
        return Err("invalid_blocks".to_owned());
    }
    for block in blocks {
        match block["type"].as_str() {
            Some("header") => within(&block["text"]["text"], 150)?,
            Some("section") if block["fields"].is_array() => {
                let fields = block["fields"].as_array().unwrap();
                if !(1..=10).contains(&fields.len()) {
                    return Err("invalid_blocks".to_owned());
                }
                fields.iter().try_for_each(|field| within(&field["text"], 2_000))?;
            }
            Some("section") => within(&block["text"]["text"], 3_000)?,
            Some("context") => {
                block["elements"].as_array().unwrap().iter().try_for_each(|one| within(&one["text"], 3_000))?
            }
            Some("actions") => {
                let elements = block["elements"].as_array().ok_or("invalid_blocks")?;
                let mut ids: Vec<&str> = elements.iter().filter_map(|one| one["action_id"].as_str()).collect();
                ids.sort_unstable();
                ids.dedup();
                if ids.len() != elements.len() || !(1..=25).contains(&ids.len()) {
                    return Err("invalid_blocks".to_owned());
                }
                for element in elements {
                    within(&element["action_id"], 255)?;
                    within(&element["value"], 2_000)?;
                    within(&element["text"]["text"], 75)?;
                }
            }
            _ => return Err("invalid_blocks".to_owned()),
        }
    }
    Ok(())
}

/// The ids of a message's buttons.
fn buttons(message: &Value) -> Vec<&str> {
    let actions = message["blocks"].as_array().unwrap().iter().filter(|block| block["type"] == "actions");
    let elements = actions.flat_map(|block| block["elements"].as_array().unwrap());
    elements.map(|element| element["action_id"].as_str().unwrap()).collect()
}

fn title(message: &Value) -> &str {
    message["blocks"][0]["text"]["text"].as_str().unwrap()
}

/// Whether some part of the message says so.
fn says(message: &Value, what: &str) -> bool {
    message.to_string().contains(what)
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A request as Slack makes it when somebody presses a button.
#[derive(Clone)]
struct Press {
    timestamp: String,
    signature: String,
    body: String,
}

impl Press {
    fn of(action_id: &str, fingerprint: &str, secret: &str, timestamp: i64) -> Press {
        let payload = json!({
            "type": "block_actions",
            "user": { "id": "U2CERLKJA", "username": "kim", "name": "kim", "team_id": "T1" },
            "api_app_id": "A1",
            "token": "xyzz0WbapA4vBCDEFasx0q6G",
            "container": { "type": "message", "message_ts": "1503435956.000000", "channel_id": CHAT },
            "trigger_id": format!("{timestamp}.{action_id}"),
            "channel": { "id": CHAT, "name": "ops" },
            "message": { "type": "message", "text": "an alert" },
            "response_url": "https://hooks.slack.com/actions/T1/1/x",
            "actions": [{ "type": "button", "action_id": action_id, "block_id": "b", "value": fingerprint, "action_ts": "1503436000.000000" }],
        });
        let body: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
        let mut mac = <Hmac<Sha256>>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("v0:{timestamp}:{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Press { timestamp: timestamp.to_string(), signature: format!("v0={hex}"), body }
    }

    async fn send(&self, server: &Server) -> (u16, String) {
        let request = client()
            .post(format!("{}/slack/interactions", server.base()))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", &self.timestamp)
            .header("x-slack-signature", &self.signature)
            .body(self.body.clone());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap())
    }
}

fn error() -> Value {
    json!({ "detail": "connection refused", "environment": "prod", "module": "order", "location": "shop.Orders.place" })
}

async fn issue(server: &Server) -> Value {
    server.api("/api/v1/issues").await["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_one_thread_whose_first_message_grows() {
    let slack = Slack::start().await;
    let server = Server::start(&format!("[policy]\nwindow = \"20s\"\n{}", slack.channel())).await;
    let (code, out, err) = server.cli(&["check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("channel \"ops\": knows the token: bongsu of Example (nothing was sent)"), "{out}");

    server.send(&error()).await;
    wait_for("the first message", || slack.count() == 1).await;
    assert_eq!(
        buttons(&slack.root()),
        ["bongsu.acknowledge", "bongsu.mute_hour", "bongsu.mute_hundred", "bongsu.resolve"]
    );
    let storm = Value::Array(vec![error(); 60]);
    for _ in 0..5 {
        server.send(&storm).await;
    }
    wait_for("its answers", || slack.count() == 5).await;
    let messages = slack.messages();
    let root = &messages[0].0;
    assert_eq!(messages[0].1.thread_ts, None);
    assert!(messages[1..].iter().all(|(_, one)| one.thread_ts.as_ref() == Some(root)), "{messages:?}");
    wait_for("the message to grow", || title(&slack.root()).contains("5/5") && says(&slack.root(), "\\n301\"")).await;
    wait_for("the end of the window", || slack.count() == 6 && says(&slack.root(), "Window over")).await;
    let closing = &slack.messages()[5].1;
    assert_eq!(closing.thread_ts.as_ref(), Some(root));
    assert!(says(&closing.said[0], "301 in 20 s (5 alerts, 296 held back)"), "{:#}", closing.said[0]);
    // Nobody acknowledges what is over.
    assert_eq!(buttons(&slack.root()), ["bongsu.mute_hour", "bongsu.mute_hundred", "bongsu.resolve"]);
    // An edit names the same delivery, and says all that the message said.
    let said = &slack.messages()[0].1.said;
    assert!(said.iter().all(|one| one["metadata"] == said[0]["metadata"] && says(one, "shop.Orders.place")));
    assert_eq!(slack.refused(), [""; 0]);

    // The next window has a thread of its own.
    server.send(&error()).await;
    wait_for("another thread", || slack.count() == 7).await;
    assert_eq!(slack.messages()[6].1.thread_ts, None);
}

#[tokio::test]
async fn a_press_changes_the_issue_and_the_message_and_a_forged_one_nothing() {
    let slack = Slack::start().await;
    let server = Server::start(&slack.channel()).await;
    server.send(&error()).await;
    wait_for("the message", || slack.count() == 1).await;
    let fingerprint = issue(&server).await["fingerprint"].as_str().unwrap().to_owned();
    let press = |action: &str, at| Press::of(action, &fingerprint, SECRET, at);

    let forged = Press::of("bongsu.resolve", &fingerprint, "another-secret", now_s());
    let good = press("bongsu.resolve", now_s());
    let tampered = Press { body: good.body.replace("block_actions", "block_actionz"), ..good.clone() };
    let shifted = Press { timestamp: (now_s() + 1).to_string(), ..good.clone() };
    let unsigned = Press { signature: String::new(), ..good.clone() };
    let stale = press("bongsu.resolve", now_s() - 310);
    let early = press("bongsu.resolve", now_s() + 310);
    for (what, bad) in [
        ("forged", forged),
        ("tampered", tampered),
        ("shifted", shifted),
        ("unsigned", unsigned),
        ("stale", stale),
        ("early", early),
    ] {
        let (status, body) = bad.send(&server).await;
        assert!(status == 401 && body.contains("\"title\":\"not signed\""), "{what}: {status} {body}");
        assert!(!body.contains(SECRET), "{what}");
    }
    let huge = Press { body: "x".repeat(70_000), ..good };
    assert_eq!(huge.send(&server).await.0, 413);
    assert_eq!(issue(&server).await["state"], "open");
    assert_eq!(slack.messages()[0].1.said.len(), 1, "nothing was edited");

    let acknowledge = press("bongsu.acknowledge", now_s());
    assert_eq!(acknowledge.send(&server).await, (200, String::new()));
    assert_eq!(issue(&server).await["state"], "acknowledged");
    wait_for("the message to say so", || says(&slack.root(), "Acknowledged by kim")).await;
    assert_eq!(buttons(&slack.root()), ["bongsu.mute_hour", "bongsu.mute_hundred", "bongsu.resolve"]);
    assert_eq!(press("somebody.else", now_s()).send(&server).await, (200, String::new()));

    // What is decided elsewhere shows up as well.
    let (status, _) = server
        .act(&format!("/api/v1/issues/{fingerprint}/mute"), &json!({ "by": "lee", "more": 7, "note": "known" }))
        .await;
    assert_eq!(status, 200);
    wait_for("the mute to be told", || says(&slack.root(), "Muted until 7 more by lee")).await;
    let (code, out, err) = server.cli(&["reopen", &fingerprint]);
    assert_eq!(code, 0, "{out}{err}");
    wait_for("the command to be told", || buttons(&slack.root()).contains(&"bongsu.mute_hour")).await;

    assert_eq!(press("bongsu.resolve", now_s()).send(&server).await.0, 200);
    wait_for("the end to be told", || says(&slack.root(), "Resolved by kim")).await;
    assert_eq!(buttons(&slack.root()), ["bongsu.reopen"]);
    assert_eq!(issue(&server).await["state"], "resolved");

    // Nothing is done twice.
    let (status, body) = acknowledge.send(&server).await;
    assert!(status == 409 && body.contains("taken before"), "{status} {body}");
    let spelled = Press { signature: acknowledge.signature.to_uppercase().replacen('V', "v", 1), ..acknowledge };
    assert_eq!(spelled.send(&server).await.0, 409);
    assert_eq!(issue(&server).await["state"], "resolved");

    // It comes back in a thread of its own, and says from what.
    server.send(&error()).await;
    wait_for("the regression", || slack.count() == 2).await;
    let (_, regression) = &slack.messages()[1];
    assert!(regression.thread_ts.is_none() && says(&regression.said[0], "by kim"), "{regression:?}");
    assert_eq!(Press::of("bongsu.resolve", &"0".repeat(32), SECRET, now_s()).send(&server).await.0, 404);
    assert_eq!(slack.refused(), [""; 0]);
    assert!(!format!("{:?}", server.log()).contains(TOKEN) && !format!("{:?}", server.log()).contains(SECRET));
}

#[tokio::test]
async fn an_app_acts_only_on_what_its_channel_was_told_of_and_holds_no_more_than_all_may() {
    const OTHER: &str = "e6b19c573432dcc6b075501d51b51bb8";
    let slack = Slack::start().await;
    let (ops, limits) = (slack.channel(), "body_bytes = 4096\ndecoded_bytes = 4096\nheld_bytes = 8192\n");
    let other = ops.replace("\"ops\"", "\"other\"").replace(SECRET, OTHER);
    let server = Server::start(&format!("[limits]\n{limits}{ops}{other}[[route]]\nchannels = [\"ops\"]\n")).await;
    server.send(&error()).await;
    wait_for("the message", || slack.count() == 1).await;
    let fingerprint = issue(&server).await["fingerprint"].as_str().unwrap().to_owned();
    let press = |secret| Press::of("bongsu.mute_hour", &fingerprint, secret, now_s());
    let (status, body) = press(OTHER).send(&server).await;
    assert!(status == 404 && body.contains("there is no issue"), "{status} {body}");
    assert_eq!(issue(&server).await["state"], "open");
    assert_eq!(press(SECRET).send(&server).await.0, 200);
    assert_eq!(issue(&server).await["state"], "muted");

    // A stranger's.
    let long = Press { body: "x".repeat(20_000), ..press("nobody's") };
    let (status, body) = long.send(&server).await;
    assert!(status == 429 && body.contains("limits.held_bytes"), "{status} {body}");
    let malformed = Press { signature: "v0=".to_owned(), ..long };
    assert_eq!(malformed.send(&server).await.0, 401, "nothing of it is read");
}

#[tokio::test]
async fn a_thread_goes_on_after_a_crash_and_begins_anew_when_people_delete_it() {
    let slack = Slack::start().await;
    let mut server = Server::start(&slack.channel()).await;
    server.send(&error()).await;
    wait_until("the message to be settled", async || {
        server.api("/api/v1/deliveries?state=delivered").await["items"].as_array().unwrap().len() == 1
    })
    .await;
    server.kill_and_restart().await;
    server.send(&error()).await;
    wait_for("the answer", || slack.count() == 2).await;
    let root = slack.messages()[0].0.clone();
    assert_eq!(slack.messages()[1].1.thread_ts.as_ref(), Some(&root));

    slack.delete(&root);
    server.send(&error()).await;
    wait_for("a message of its own", || slack.count() == 3).await;
    let (second, third) = (slack.messages()[2].clone(), || slack.messages()[3].clone());
    assert_eq!(second.1.thread_ts, None);
    assert!(!buttons(&second.1.said[0]).is_empty());
    server.send(&error()).await;
    wait_for("the answer to that", || slack.count() == 4).await;
    assert_eq!(third().1.thread_ts, Some(second.0));
    assert!(slack.refused().iter().all(|why| why == "thread_not_found" || why == "message_not_found"));
}

/// Edits have a pace of their own: they come one after the other, and all alerts meanwhile.
#[tokio::test]
async fn many_messages_grow_and_no_alert_waits_for_it() {
    const ERRORS: [&str; 16] = [
        "Cart", "Stock", "Login", "Search", "Refund", "Cancel", "Ship", "Report", "Coupon", "Invoice", "Ledger",
        "Mail", "Media", "Price", "Quota", "Review",
    ];
    const OCCURRENCES: usize = 30;
    let slack = Slack::start().await;
    let server = Server::start(&format!("{}per_minute = 1200\nfold = false\n", slack.channel())).await;
    let error = |name: &str| json!({ "module": name, "location": format!("shop.{name}.run"), "detail": format!("{name} failed") });
    let all = Value::Array(ERRORS.iter().map(|name| error(name)).collect());
    for _ in 0..OCCURRENCES {
        server.send(&all).await;
    }
    wait_for("all alerts", || slack.count() == 5 * ERRORS.len()).await;
    let roots = || slack.messages().into_iter().filter(|(_, one)| one.thread_ts.is_none()).collect::<Vec<_>>();
    assert_eq!(roots().len(), ERRORS.len());
    wait_for("all to have grown", || {
        let grown =
            |one: &Message| one.said.last().is_some_and(|now| title(now).contains("5/5") && says(now, "\\n30\""));
        roots().iter().all(|(_, one)| grown(one))
    })
    .await;
    let edits: usize = roots().iter().map(|(_, one)| one.said.len() - 1).sum();
    assert!(edits <= 3 * ERRORS.len(), "{edits} edits of {} messages", ERRORS.len());
    assert_eq!(slack.refused(), [""; 0]);
}

/// What tells of several errors is no message of one of them.
#[tokio::test]
async fn a_storm_is_told_without_buttons_and_makes_no_thread() {
    let slack = Slack::start().await;
    let server = Server::start(&format!("[storm]\nwait = \"1s\"\nabove = 1\n{}", slack.channel())).await;
    let outage = |module: &str| {
        json!({
            "module": module,
            "environment": "prod",
            "location": format!("com.acme.{module}.Repository.find"),
            "exception": { "type": "com.acme.ApiException", "value": "failed",
                "cause": { "type": "java.net.ConnectException", "value": "Connection refused: db-primary:5432" } },
        })
    };
    for module in ["cart", "stock", "login", "search", "refund", "cancel"] {
        server.send(&outage(module)).await;
    }
    let storm = || slack.messages().into_iter().find(|(_, one)| title(&one.said[0]).starts_with("⛈️"));
    wait_for("the storm to be told", || storm().is_some()).await;
    let (ts, storm) = storm().unwrap();
    assert!(storm.thread_ts.is_none() && buttons(&storm.said[0]).is_empty(), "{storm:?}");
    wait_until("all to be settled", async || {
        server.api("/api/v1/deliveries?state=delivered").await["items"].as_array().unwrap().len() == 6
    })
    .await;
    assert!(slack.messages().iter().all(|(_, one)| one.thread_ts.as_ref() != Some(&ts)));
    assert_eq!(slack.refused(), [""; 0]);
}

/// Another configuration: the door goes by its secrets, and the thread goes on with the channel's new editor.
#[tokio::test]
async fn a_reload_changes_the_secret_and_the_thread_goes_on() {
    const OTHER: &str = "e6b19c573432dcc6b075501d51b51bb8";
    let slack = Slack::start().await;
    let server = Server::start(&slack.channel()).await;
    server.send(&error()).await;
    wait_until("the message to be settled", async || {
        server.api("/api/v1/deliveries?state=delivered").await["items"].as_array().unwrap().len() == 1
    })
    .await;
    let fingerprint = issue(&server).await["fingerprint"].as_str().unwrap().to_owned();
    let config = std::fs::read_to_string(server.config_file()).unwrap().replace(SECRET, OTHER);
    std::fs::write(server.config_file(), config + "locale = \"ko\"\n").unwrap();
    server.hang_up();
    let old = Press::of("bongsu.acknowledge", &fingerprint, SECRET, now_s());
    let new = Press::of("bongsu.acknowledge", &fingerprint, OTHER, now_s());
    wait_until("the new secret to be good", async || new.send(&server).await.0 == 200).await;
    assert_eq!(old.send(&server).await.0, 401);
    wait_for("the message to say so", || says(&slack.root(), "kim 님이 확인 처리했습니다")).await;
    assert_eq!(buttons(&slack.root()), ["bongsu.mute_hour", "bongsu.mute_hundred", "bongsu.resolve"]);
}

/// Slack took the message, and its answer was lost: it is looked for, and not sent twice.
#[tokio::test]
async fn a_message_whose_answer_was_lost_is_not_sent_again() {
    let slack = Slack::start().await;
    let server = Server::start(&format!("{}[deliver]\nbackoff_first = \"20ms\"\n", slack.channel())).await;
    let silence = || slack.workspace.lock().unwrap().silent = true;
    let delivered = async |count: usize| {
        wait_until("the delivery to be settled", async || {
            server.api("/api/v1/deliveries?state=delivered").await["items"].as_array().unwrap().len() == count
        })
        .await;
    };
    silence();
    server.send(&error()).await;
    delivered(1).await;
    silence();
    server.send(&error()).await;
    delivered(2).await;
    let messages = slack.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[1].1.thread_ts.as_ref(), Some(&messages[0].0), "what was found begins the thread");
    let calls = slack.workspace.lock().unwrap().calls.clone();
    let of = |method: &str| calls.iter().filter(|call| *call == method).count();
    assert_eq!(
        (of("conversations.history"), of("conversations.replies"), of("chat.postMessage")),
        (1, 1, 2),
        "{calls:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_good_is_said_and_what_could_not_be_sent_lies_in_the_dead_letters() {
    let slack = Slack::start().await;
    let server = Server::start(&slack.channel().replace(TOKEN, "xoxb-not-the-token")).await;
    server.send(&error()).await;
    let dead = async || server.api("/api/v1/deliveries?state=dead").await["items"].clone();
    wait_until("the dead letter", async || dead().await.as_array().unwrap().len() == 1).await;
    assert!(dead().await[0]["error"].as_str().unwrap().contains("invalid_auth"));
    let (code, out, err) = server.cli(&["check"]);
    assert!(code != 0 && out.contains("invalid_auth"), "{out}{err}");
    assert!(!format!("{out}{err}{:?}", server.log()).contains("xoxb-not"), "{out}{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pods_make_one_thread_and_take_a_press_once() {
    let (postgres, slack) = (Postgres::start(), Slack::start().await);
    let stores = format!("[archive]\nurl = \"{}\"\n", postgres.database("slack"));
    let mut one = Server::start_on(&stores, &slack.channel()).await;
    let other = Server::start_on(&stores, &slack.channel()).await;
    let storm = Value::Array(vec![error(); 50]);
    for pod in [&one, &other, &one, &other] {
        pod.send(&storm).await;
    }
    wait_for("five messages", || slack.count() == 5).await;
    let messages = slack.messages();
    assert!(messages[1..].iter().all(|(_, message)| message.thread_ts.as_ref() == Some(&messages[0].0)));
    wait_for("the message to grow", || says(&slack.root(), "\\n200\"")).await;

    let fingerprint = issue(&one).await["fingerprint"].as_str().unwrap().to_owned();
    let press = Press::of("bongsu.acknowledge", &fingerprint, SECRET, now_s());
    assert_eq!(press.send(&one).await.0, 200);
    assert_eq!(press.send(&other).await.0, 409, "the second pod knows it");
    wait_for("the message to say so", || says(&slack.root(), "Acknowledged by kim")).await;
    // Whoever remains goes on.
    one.kill();
    let press = Press::of("bongsu.resolve", &fingerprint, SECRET, now_s());
    assert_eq!(press.send(&other).await.0, 200);
    wait_for("the other pod to say so", || says(&slack.root(), "Resolved by kim")).await;
    other.send(&error()).await;
    wait_for("the regression", || slack.count() == 6).await;
    assert_eq!(slack.messages()[5].1.thread_ts, None);
    assert_eq!(slack.refused(), [""; 0]);
}
