//! Who is told, of what, and when: routes by ordinal, owners, links, quiet hours, maintenance; and their explanation.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::{Received, Server, Sink, cli, wait_for, wait_until};
use crate::servers::redis::Redis;

fn channel(name: &str, kind: &str, sink: &Sink) -> String {
    format!("[[channel]]\nname = \"{name}\"\ntype = \"{kind}\"\nurl = \"{}\"\n", sink.url())
}

fn error(module: &str) -> Value {
    json!({ "detail": "connection refused", "environment": "prod", "module": module, "trace_id": "4bf92f3577b34da6" })
}

/// What became of each of so many occurrences: `alerted`, or the reason.
async fn send(server: &Server, event: &Value, times: usize) -> Vec<String> {
    let mut became = Vec::new();
    for _ in 0..times {
        let answer = server.send(event).await;
        let outcome = &answer["outcomes"][0];
        became.push(outcome["reason"].as_str().or(outcome["outcome"].as_str()).unwrap().to_owned());
    }
    became
}

fn ordinals(received: &[Received], kind: &str) -> Vec<u64> {
    let of_kind = received.iter().filter(|one| one.json["kind"] == kind);
    of_kind.map(|one| one.json["ordinal"].as_u64().unwrap()).collect()
}

/// A time of the day, so many minutes from now, in UTC.
fn of_day(minutes_from_now: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let minute = (i64::try_from(now / 60).unwrap() + minutes_from_now).rem_euclid(24 * 60);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

async fn pending(server: &Server) -> Vec<Value> {
    server.api("/api/v1/deliveries?state=pending").await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn later_alerts_of_a_window_go_elsewhere() {
    let (ops, pager) = (Sink::start().await, Sink::start().await);
    let toml = format!(
        "{}{}[policy]\nwindow = \"2s\"\n\
         [[route]]\nmatch = {{ ordinal = \"3\" }}\nchannels = [\"pager\"]\n[[route]]\nchannels = [\"ops\"]\n",
        channel("ops", "webhook", &ops),
        channel("pager", "webhook", &pager),
    );
    let server = Server::start(&toml).await;
    let became = send(&server, &error("order"), 7).await;
    assert_eq!(became.iter().filter(|one| *one == "alerted").count(), 5, "{became:?}");
    // The end of the window is told wherever an alert of it went.
    for (sink, alerts) in [(&ops, vec![1, 2]), (&pager, vec![3, 4, 5])] {
        wait_for("the end of the window", || !ordinals(&sink.received(), "closing").is_empty()).await;
        assert_eq!(ordinals(&sink.received(), "alert"), alerts);
    }
}

#[tokio::test]
async fn links_are_shown_and_the_owner_is_called_once() {
    let (slack, hook) = (Sink::start().await, Sink::start().await);
    let toml = format!(
        "{}{}[[owner]]\nname = \"pay-team\"\nmatch = {{ module = \"pay-*\" }}\n\
         mention = {{ slack = \"<!subteam^S123>\" }}\n\
         [[link]]\nlabel = \"Trace\"\nurl = \"https://jaeger.example/trace/{{trace_id}}\"\n\
         [[link]]\nlabel = \"Pod\"\nurl = \"https://pods.example/{{server}}\"\n",
        channel("slack", "slack", &slack),
        channel("hook", "webhook", &hook),
    );
    let server = Server::start(&toml).await;
    send(&server, &error("pay-api"), 2).await;
    send(&server, &error("order"), 1).await;
    for sink in [&slack, &hook] {
        wait_for("three alerts", || sink.count() == 3).await;
    }
    let said: Vec<String> = slack.received().iter().map(|one| one.json.to_string()).collect();
    let with = |part: &str| said.iter().filter(|one| one.contains(part)).count();
    let link = "<https://jaeger.example/trace/4bf92f3577b34da6|Trace>";
    assert_eq!(
        (with("<!subteam^S123>"), with("pay-team"), with(link), with("pods.example")),
        (1, 2, 3, 0),
        "{said:#?}"
    );
    let of_pay: Vec<Value> = hook.payloads("alert").into_iter().filter(|one| one["owner"] == "pay-team").collect();
    assert_eq!(of_pay.len(), 2);
    assert_eq!(
        of_pay[0]["links"]["more"],
        json!([{ "label": "Trace", "url": "https://jaeger.example/trace/4bf92f3577b34da6" }])
    );
    assert_eq!(of_pay[0]["mention"], Value::Null, "it is of another channel");
}

#[tokio::test]
async fn quiet_hours_put_off_and_what_is_grave_goes_through() {
    let (ops, dev) = (Sink::start().await, Sink::start().await);
    let stores = tempfile::tempdir().unwrap();
    let stores = format!("[archive]\nurl = \"sqlite:{}\"\n", stores.path().join("bongsu.db").display());
    let channels = format!("{}{}", channel("ops", "webhook", &ops), channel("dev", "webhook", &dev));
    let toml = format!(
        "{channels}[policy]\nbudget = 2\nclosing = false\n\
         [[quiet]]\nname = \"night\"\nchannels = [\"ops\"]\nfrom = \"{}\"\nto = \"{}\"\n",
        of_day(-120),
        of_day(120)
    );
    let mut server = Server::start_on(&stores, &toml).await;
    assert_eq!(send(&server, &error("order"), 3).await, ["alerted", "alerted", "budget"]);
    let mut grave = error("order");
    grave["level"] = json!("fatal");
    grave["detail"] = json!("out of memory");
    assert_eq!(send(&server, &grave, 1).await, ["alerted"]);
    wait_for("the channel that is not quiet", || dev.count() == 3).await;
    wait_for("what is grave", || ops.count() == 1).await;
    assert!(ops.received()[0].json["text"].as_str().unwrap().contains("out of memory"));
    wait_until("the others to wait", async || pending(&server).await.len() == 2).await;
    for delivery in pending(&server).await {
        assert_eq!((&delivery["channel"], &delivery["attempts"]), (&json!("ops"), &json!(0)), "{delivery}");
        let hours = |name: &str| {
            let at: jiff::Timestamp = delivery[name].as_str().unwrap().parse().unwrap();
            let made: jiff::Timestamp = delivery["created_at"].as_str().unwrap().parse().unwrap();
            (at.as_second() - made.as_second()) / 3_600
        };
        assert_eq!((hours("due_at"), hours("expires_at")), (1, 7), "two hours at most, and six from then: {delivery}");
    }
    // Three hours later.
    server.stop();
    let _later = Server::start_with_clock(&stores, &toml, 3 * 3_600).await;
    wait_for("the end of the quiet hours", || ops.count() == 3).await;
}

/// The end of a window, and what was granted before, waits too; and nobody's budget is changed by that.
#[tokio::test]
async fn what_was_granted_before_the_quiet_hours_waits_for_their_end_too() {
    let ops = Sink::start().await;
    let toml = format!("{}[policy]\nwindow = \"2s\"\nbudget = 1\n", channel("ops", "webhook", &ops));
    let server = Server::start(&toml).await;
    send(&server, &error("order"), 3).await;
    wait_for("the alert", || ops.count() == 1).await;
    let quiet = format!(
        "{toml}[[quiet]]\nname = \"night\"\nchannels = [\"ops\"]\nfrom = \"{}\"\nto = \"{}\"\n",
        of_day(-60),
        of_day(600)
    );
    server.configure(&quiet);
    server.hang_up();
    wait_until("the end of the window to wait", async || {
        let waiting = pending(&server).await;
        waiting.len() == 1 && {
            let due: jiff::Timestamp = waiting[0]["due_at"].as_str().unwrap().parse().unwrap();
            let expires: jiff::Timestamp = waiting[0]["expires_at"].as_str().unwrap().parse().unwrap();
            due.duration_since(jiff::Timestamp::now()).as_hours() >= 9 && expires > due && waiting[0]["attempts"] == 0
        }
    })
    .await;
    assert_eq!(ops.count(), 1);
}

/// Without a cache, and with one that answers for the second occurrence.
#[tokio::test]
async fn maintenance_holds_back_under_a_reason_of_its_own() {
    let redis = Redis::start();
    let folder = tempfile::tempdir().unwrap();
    let archive = format!("[archive]\nurl = \"sqlite:{}\"\n", folder.path().join("bongsu.db").display());
    for cache in [String::new(), format!("[cache]\nurl = \"redis://{}\"\n", redis.address())] {
        let sink = Sink::start().await;
        let module = if cache.is_empty() { "order-a" } else { "order-b" };
        let toml = format!(
            "{}[[maintenance]]\nname = \"upgrade\"\nmatch = {{ module = \"order-*\" }}\n\
             from = \"2020-01-01T00:00:00Z\"\nto = \"2100-01-01T00:00\"\n",
            channel("ops", "webhook", &sink)
        );
        let server = Server::start_on(&format!("{archive}{cache}"), &toml).await;
        let answer = server.send(&error(module)).await["outcomes"][0].clone();
        assert_eq!((&answer["outcome"], &answer["reason"]), (&json!("suppressed"), &json!("maintenance")), "{answer}");
        assert_eq!(send(&server, &error(module), 3).await, ["maintenance"; 3]);
        assert_eq!(send(&server, &error(&module.replace("order", "pay")), 1).await, ["alerted"]);
        wait_for("the other alert", || sink.count() == 1).await;
        let fingerprint = answer["fingerprint"].as_str().unwrap();
        wait_until("all to be counted under the reason", async || {
            let issue = server.api(&format!("/api/v1/issues/{fingerprint}")).await;
            let minutes = issue["minutes"].as_array().unwrap().iter();
            minutes
                .filter(|one| one["outcome"] == "maintenance")
                .map(|one| one["occurrences"].as_u64().unwrap())
                .sum::<u64>()
                == 4
                && issue["alerts"] == 0
        })
        .await;
        if cache.is_empty() {
            server.configure(&channel("ops", "webhook", &sink));
            server.hang_up();
            wait_until("maintenance to be over", async || send(&server, &error(module), 1).await == ["alerted"]).await;
            wait_for("its alert", || sink.count() == 2).await;
        }
        assert_eq!(ordinals(&sink.received(), "alert").iter().max(), Some(&1));
    }
}

#[test]
fn an_event_is_explained_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let config = file(
        "own.toml",
        "[archive]\nurl = \"postgres://nobody:hush@127.0.0.1:1/none\"\n\
         [[channel]]\nname = \"ops\"\ntype = \"slack\"\nurl = \"https://hooks.example/services/very-secret-token\"\n\
         [[channel]]\nname = \"pager\"\ntype = \"console\"\n\
         [[route]]\nmatch = { ordinal = \"2\" }\nchannels = [\"pager\"]\n\
         [[route]]\nmatch = { module = \"order\" }\nchannels = [\"ops\"]\npolicy = { budget = 3 }\n\
         [[owner]]\nname = \"orders\"\nmention = { ops = \"<@U1>\" }\n",
    );
    let event = file("event.json", &error("order").to_string());
    let (code, said, err) = cli(&["--config", &config, "check", "--explain", &event]);
    assert_eq!(code, 0, "{err}");
    for part in
        ["routes       1, 2", "policy       3 alerts", "owner        orders", "tells        ops: alerts from 1 to 1"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("<@U1>") && said.contains("2/3") && !said.contains("very-secret-token"), "{said}");
    let (code, said, err) = cli(&["--config", &config, "check", "--explain", &event, "--json"]);
    assert_eq!(code, 0, "{err}");
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&told["routes"], &told["policy"]["budget"]), (&json!([1, 2]), &json!(3)));
    assert_eq!(told["messages"][0]["channel"], "ops");
    let wrong = file("wrong.toml", "[[link]]\nlabel = \"Logs\"\nurl = \"https://x.example/{modul}\"\n");
    let (code, said, _) = cli(&["--config", &wrong, "check", "--offline"]);
    assert!(code == 1 && said.contains("did you mean \"module\"?"), "{said}");
}

#[test]
fn the_page_about_routing_is_true() {
    let page = include_str!("../../docs/routing.md");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("event.json", &error("order-api").to_string());
    // Its examples are one good configuration, on channels of those names.
    let named = ["ops", "pager", "mail"].map(|name| match name {
        "mail" => "[[channel]]\nname = \"mail\"\ntype = \"email\"\nsmtp = \"smtps://a:b@mail.example\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\n".to_owned(),
        name => format!("[[channel]]\nname = \"{name}\"\ntype = \"console\"\n"),
    });
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 5);
    write("bongsu.toml", &format!("{}{}", named.concat(), examples.concat()));
    let script = page.split("<!-- test: commands -->\n```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let script = script.replace("bongsu ", &format!("{} ", env!("CARGO_BIN_EXE_bongsu")));
    let output = Command::new("bash").args(["-euc", &script]).current_dir(folder.path()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("ok    routes: good") && out.contains("tells        pager: alerts from 3 on"), "{out}");
}
