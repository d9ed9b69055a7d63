//! Layouts of the user's own, and services that others know: templated webhooks, previews, and Apprise.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Reaction, Server, Sink, cli, wait_for, wait_until};

/// Quick retries.
const DELIVER: &str =
    "[deliver]\ntimeout = \"20s\"\nlease = \"60s\"\nbackoff_first = \"20ms\"\nbackoff_longest = \"50ms\"\n";

/// Fails on the third alert of a window, which the trials at the start have not.
const TEMPLATE: &str = r#"{
  "summary": {{ message.title }},
  "note": "{{ message.detail|in_quotes }} ({{ attributes.module|in_quotes }})",
  "clock": {{ first_seen|local("%Z") }},
  "ordinal": {{ ordinal }}{% if kind == "alert" and ordinal == 3 %}{{ kind.nothing }}{% endif %}
}"#;

fn error() -> Value {
    json!({ "detail": "\"수량\" is not a number: \\ \n<b>", "environment": "prod", "module": "order" })
}

#[tokio::test]
async fn a_webhook_in_a_form_of_the_users_own() {
    let (folder, sink) = (tempfile::tempdir().unwrap(), Sink::start().await);
    let file = folder.path().join("hook.json.j2");
    std::fs::write(&file, TEMPLATE).unwrap();
    let channel = format!(
        "{DELIVER}{}method = \"PUT\"\nsecret = \"whsec\"\ntime_zone = \"Asia/Seoul\"\ntemplate = {{ file = \"{}\" }}\n",
        sink.as_channel(),
        file.display()
    );
    let server = Server::start(&channel).await;
    server.send(&json!([error(), error(), error(), error()])).await;
    wait_for("four alerts", || sink.count() == 4).await;
    let received = sink.received();
    let first = &received[0];
    assert_eq!((first.method.as_str(), &first.headers["content-type"]), ("PUT", &"application/json".parse().unwrap()));
    assert!(first.headers.contains_key("x-bongsu-signature") && first.headers.contains_key("idempotency-key"));
    assert_eq!((&first.json["ordinal"], &first.json["clock"]), (&json!(1), &json!("KST")));
    assert!(first.json["summary"].as_str().unwrap().contains("1/5 [prod] order"), "{}", first.json);
    assert!(first.json["note"].as_str().unwrap().ends_with("(order)"), "{}", first.json);

    // The third goes out in the documented form; the fourth in the template's again.
    let plain: Vec<_> = received.iter().filter(|one| one.json["kind"] == "alert").collect();
    assert!(plain.len() == 1 && plain[0].json["ordinal"] == 3 && plain[0].json["budget"] == 5, "{received:?}");
    let log = server.log().join("\n");
    assert!(
        log.contains("an alert is sent without its template") && log.contains("`kind.nothing` is undefined"),
        "{log}"
    );
    let metrics = crate::harness::client().get(format!("{}/metrics", server.base())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("bongsu_template_failures_total{channel=\"ops\"} 1"), "{metrics}");
}

fn config(toml: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bongsu.toml");
    std::fs::write(&file, toml).unwrap();
    (folder, file.to_str().unwrap().to_owned())
}

#[test]
fn a_template_that_cannot_work_is_refused_before_anything_is_sent() {
    let hook = "[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"https://x.example\"\n";
    let (_folder, file) = config(&format!("{hook}template = \"\"\"{{\n{{{{ mesage.title }}}}}}\"\"\"\n"));
    for command in [&["check", "--offline"][..], &["serve"], &["preview", "ops"]] {
        let (code, out, err) = cli(&[command, &["--config", &file]].concat());
        assert_eq!(code, 1, "{out}{err}");
        let why = "channel \"ops\": `template`, line 2: there is no `mesage.title` (did you mean \"message\"?)";
        assert!(format!("{out}{err}").contains(why), "{out}{err}");
    }
}

/// A channel of every type, with secrets that must not be seen.
const EVERY: &str = r#"
[[channel]]
name = "console"
type = "console"
[[channel]]
name = "webhook"
type = "webhook"
url = "https://kim:tok-en-tok@h.example/tok-en-tok"
secret = "tok-en-tok"
headers = { X-Key = "tok-en-tok" }
[[channel]]
name = "slack"
type = "slack"
url = "https://h.example/tok-en-tok"
[[channel]]
name = "discord"
type = "discord"
url = "https://h.example/tok-en-tok"
[[channel]]
name = "teams"
type = "teams"
url = "https://h.example/tok-en-tok"
[[channel]]
name = "telegram"
type = "telegram"
token = "123:tok-en-tok"
chat = "1"
[[channel]]
name = "mattermost"
type = "mattermost"
url = "https://h.example/tok-en-tok"
[[channel]]
name = "google-chat"
type = "google-chat"
url = "https://h.example/?key=tok-en-tok"
[[channel]]
name = "pagerduty"
type = "pagerduty"
routing_key = "tok-en-tok"
[[channel]]
name = "email"
type = "email"
smtp = "smtps://kim:tok-en-tok@h.example"
from = "a@h.example"
to = ["b@h.example"]
[[channel]]
name = "kakaowork"
type = "kakaowork"
token = "tok-en-tok"
chat = "1"
[[channel]]
name = "naver-works"
type = "naver-works"
url = "https://h.example/tok-en-tok"
[[channel]]
name = "dooray"
type = "dooray"
url = "https://h.example/tok-en-tok"
[[channel]]
name = "jandi"
type = "jandi"
url = "https://h.example/tok-en-tok"
[[channel]]
name = "apprise"
type = "apprise"
url = "https://h.example"
services = ["ntfy://tok-en-tok"]
"#;

#[test]
fn a_preview_shows_what_each_channel_would_send_and_no_secret() {
    let (folder, file) = config(EVERY);
    let names: Vec<&str> = EVERY.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert_eq!(names.len(), 15);
    let event = folder.path().join("event.json");
    std::fs::write(&event, json!({"detail": "재고 없음", "module": "stock-api", "level": "fatal"}).to_string())
        .unwrap();
    for name in names {
        for kind in ["alert", "closing", "health"] {
            let (code, out, err) = cli(&["preview", name, "--kind", kind, "--config", &file]);
            assert!(code == 0 && !out.contains("tok-en") && err.is_empty(), "{name}: {out}{err}");
        }
        let event = event.to_str().unwrap();
        let (code, out, err) = cli(&["preview", name, event, "--ordinal", "3", "--json", "--config", &file]);
        assert_eq!(code, 0, "{name}: {err}");
        let shown: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(shown["channel"], name);
        assert!(out.contains("3/5") && out.contains("stock-api") && !out.contains("tok-en"), "{name}: {out}");
    }
    let (_, out, err) = cli(&["preview", "slck", "--config", &file]);
    assert_eq!((out.as_str(), err.trim()), ("", "bongsu: there is no channel \"slck\" (did you mean \"slack\"?)"));
    let (code, ..) = cli(&["preview", "slack", "--ordinal", "6", "--config", &file]);
    assert_eq!(code, 1);
    // Nothing was opened or made.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// Each command of the page, in a folder that has what it names.
#[test]
fn previews_work_as_the_page_says() {
    let hooks = ["ops", "mail"]
        .map(|name| format!("[[channel]]\nname = \"{name}\"\ntype = \"slack\"\nurl = \"https://h.example/x\"\n"));
    let (folder, file) = config(&hooks.concat());
    let event = folder.path().join("event.json");
    std::fs::write(&event, json!({"detail": "order 17 not found"}).to_string()).unwrap();
    let page = include_str!("../../docs/channels.md");
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("bongsu ")).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let words = command.split('#').next().unwrap().split_whitespace();
        let words = words.map(|word| if word == "event.json" { event.to_str().unwrap() } else { word });
        let (code, out, err) = cli(&words.chain(["--config", &file]).collect::<Vec<_>>());
        assert!(code == 0 && !out.is_empty(), "{command}: {err}");
    }
}

/// The real library of Apprise behind the documented endpoints.
struct Apprise {
    process: Child,
    base: String,
}

impl Apprise {
    async fn start(stored: &[String]) -> Apprise {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let python = target.join("clients/python/bin/python");
        assert!(python.exists(), "{} is missing: run ./test, which installs it", python.display());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/apprise_api.py");
        let mut command = Command::new(python);
        command.arg(script).args(stored).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let stdout = process.stdout.take().unwrap();
        let port = tokio::task::spawn_blocking(|| BufReader::new(stdout).lines().next()).await.unwrap();
        let port = port.expect("it ended before it listened").unwrap();
        Apprise { process, base: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Apprise {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_behind_apprise_is_told() {
    let fails = Arc::new(AtomicBool::new(true));
    let (behind, flaky) = (Sink::start().await, {
        let fails = Arc::clone(&fails);
        Sink::reacting(move |_, _| Reaction::status(if fails.swap(false, Ordering::SeqCst) { 500 } else { 200 })).await
    });
    let service = |sink: &Sink| sink.url().replacen("http", "json", 1);
    let stored =
        [format!("pay=night={}\nday={}", service(&behind), service(&flaky)), format!("flaky={}", service(&flaky))];
    let apprise = Apprise::start(&stored).await;
    let channel = |name: &str, keys: &str| {
        format!("[[channel]]\nname = \"{name}\"\ntype = \"apprise\"\nurl = \"{}\"\n{keys}\n", apprise.base)
    };
    let toml = [
        DELIVER.to_owned(),
        channel("stored", "token = \"pay\"\ntag = \"night\"\nlocale = \"ko\""),
        channel("named", &format!("services = [\"{}\"]", service(&behind))),
        channel("flaky", "token = \"flaky\""),
        channel("gone", "token = \"nobody\""),
    ];
    let server = Server::start(&toml.concat()).await;
    server.send(&error()).await;
    wait_for("the services", || behind.count() == 2 && flaky.count() == 2).await;
    wait_until("all to be settled", async || {
        server.api("/api/v1/deliveries?state=delivered").await["items"].as_array().unwrap().len() == 3
    })
    .await;
    for one in behind.received() {
        let (title, message) = (one.json["title"].as_str().unwrap(), one.json["message"].as_str().unwrap());
        assert!(title.contains("1/5") && message.contains("/api/v1/issues/"), "{}", one.json);
        assert_eq!(one.json["type"], "failure");
    }
    // The one that failed at first is tried again, and the same is said.
    let flaky = flaky.received();
    assert_eq!(flaky[0].json["message"], flaky[1].json["message"]);
    let dead = server.api("/api/v1/deliveries?state=dead").await;
    let dead = dead["items"].as_array().unwrap();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0]["error"], "answered 204: there is no service under that key or tag");
}

/// What the pages show is there, and no page becomes heavy by it.
#[test]
fn the_pictures_are_there_and_light() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = [("docs/channels.md", "docs/"), ("README.md", "")].map(|(page, folder)| {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let ends = text.match_indices(".png").map(|(at, mark)| at + mark.len());
        let names = ends.map(|end| text[..end].rsplit(['"', '(']).next().unwrap().to_owned());
        names.map(|name| format!("{folder}{name}")).collect::<Vec<_>>()
    });
    let shown = pages.concat();
    assert!(shown.len() >= 4, "{shown:?}");
    for name in shown {
        let bytes = std::fs::metadata(root.join(&name)).unwrap_or_else(|why| panic!("{name}: {why}")).len();
        assert!(bytes < 150_000, "{name} has {bytes} bytes");
    }
}
