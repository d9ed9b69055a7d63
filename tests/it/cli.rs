//! The command line, as people and scripts use it: what it prints where, its exit codes, and what it says when it is asked
//! wrongly.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Server, Sink, cli, wait_until};

/// Runs a command with an input: exit code, standard output, standard error.
fn with_input(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bongsu"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// The output of a command that must work.
fn good(server: &Server, arguments: &[&str]) -> String {
    let (code, out, err) = server.cli(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

fn good_json(server: &Server, arguments: &[&str]) -> Value {
    let out = good(server, arguments);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
}

/// Configurations that cannot be used, and all that must be said about each: the place, and what to do.
#[rustfmt::skip]
const BAD: &[(&str, &[&str])] = &[
    ("[polcy]\nbudget = 5", &["line 1, column 2", "unknown field `polcy`", "did you mean `policy`?"]),
    ("[policy]\nbudget = \"five\"", &["line 2, column 10", "expected u32"]),
    ("[policy]\nbudget = 0", &["policy: budget is 0; use 1 to 100"]),
    ("[policy]\nwindow = \"1 fortnight\"", &["line 2", "write a number and a unit, such as \"30s\""]),
    ("[policy]\nwindow = \"5m\"\nspacing = [\"0s\", \"2m\"]", &["policy: the gaps of spacing add up to", "the last alerts could never come"]),
    ("[[policy]]", &["line 1"]),
    ("listen = \"localhost\"", &["line 1, column 10", "invalid socket address"]),
    ("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"", &["line 2, column 1", "duplicate key"]),
    ("public_url = \"bongsu.example\"", &["public_url: \"bongsu.example\" is not an http:// or https:// URL"]),
    ("[archive]\nurl = \"postgress://u:hush-hush@db/x\"", &["archive.url: use \"sqlite:PATH\"", "not `postgress` (did you mean `postgres`?)"]),
    ("[archive]\nurl = \"./hush-hush.db\"", &["archive.url: use \"sqlite:PATH\"", "this is none of them"]),
    ("[archive]\nurl = \"mysql://u:hush-hush@db\"", &["archive.url: host or database is missing; write \"mysql://USER:PASSWORD@HOST/DATABASE\""]),
    ("[archive]\nconnections = 0", &["archive.connections: must not be 0"]),
    ("[archive]\ntimeout = \"1ms\"", &["archive.timeout: use 100ms or more"]),
    ("[cache]\nurl = \"redis//hush-hush\"", &["cache.url: the URL names no store; write redis://HOST:6379"]),
    ("[cache]\nurl = \"rediss://u:hush-hush@host?prefx=a\"", &["cache.url: the URL has an unknown or repeated parameter `prefx` (did you mean `prefix`?)"]),
    ("[cache]\nurl = \"redis://host/hush-hush\"", &["cache.url: the URL's path is not the number of a database; write redis://HOST:6379/0"]),
    ("[cache]\nurl = \"rediss://host?ca=/nowhere/ca.pem\"", &["cache.url: ", "/nowhere/ca.pem"]),
    ("[api]\ntoken = \"hush-hush\"", &["api.token: use 32 characters or more"]),
    ("[api]\ntoken = { file = \"/nowhere/token\" }", &["line 2", "cannot read the file /nowhere/token"]),
    ("[api]\ntoken = { env = \"NOT_SET_HERE\" }", &["line 2", "NOT_SET_HERE is not set"]),
    ("[[project]]\nname = \"a\"\nkey = \"hush-hush\"", &["project \"a\": the key must be 32 hexadecimal digits; `bongsu project add` makes one"]),
    ("[[project]]\nname = \" a\"\nkey = \"0123456789abcdef0123456789abcdef\"", &["project \" a\": a name has 1 to 64 printable characters"]),
    ("[[channel]]\nname = \"ops\"\ntype = \"slak\"", &["line 3, column 8", "unknown variant `slak` (did you mean `slack`?)"]),
    ("[[channel]]\nname = \"ops\"\ntype = \"webhook\"", &["channel \"ops\": `url` is missing"]),
    ("[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"hush-hush\"", &["channel \"ops\": url is not an http:// or https:// URL"]),
    ("[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"http://169.254.169.254/hush-hush\"", &["channel \"ops\"", "169.254.169.254"]),
    ("[[channel]]\nname = \"ops\"\ntype = \"console\"\ntime_zone = \"Asia/Soul\"", &["channel \"ops\"", "Asia/Soul"]),
    ("[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"http://a.example/\"\nheaders = { \"Content-Type\" = \"hush-hush\" }", &["channel \"ops\"", "Content-Type"]),
    ("[[channel]]\nname = \"ops\"\ntype = \"console\"\n[[route]]\nchannels = [\"oops\"]", &["route 1: there is no channel \"oops\" (did you mean \"ops\"?)"]),
    ("[[route]]\nmatch = { enviroment = \"prod\" }\nchannels = []", &["route 1: cannot match \"enviroment\" (did you mean \"environment\"?); known are"]),
    ("[[route]]\nmatch = { level = \"eror\" }\nchannels = []", &["route 1: \"eror\" is not a level (did you mean \"error\"?)"]),
    ("[[route]]\nchannels = []\npolicy = { budget = 900 }", &["route 1 policy: budget is 900; use 1 to 100"]),
    ("[deliver]\nlease = \"1s\"", &["deliver.lease: must be at least twice deliver.timeout"]),
    ("[limits]\nbatch_events = 0", &["limits.batch_events: must not be 0"]),
    ("[limits]\nbody_bytes = -1", &["line 2, column 14"]),
    ("[scrub]\nrules = [\"emial\"]", &["scrub rules", "emial", "email"]),
    ("[sameness]\nignroe = []", &["line 2, column 1", "unknown field `ignroe`", "did you mean `ignore`?"]),
    ("[sameness]\nignore = [\"urls\"]", &["sameness.ignore: there is no attribute \"urls\" (did you mean \"url\"?)"]),
    ("[[sameness.mask]]\nattribute = \"detail\"\npattern = \"(\"\nput = \"\"", &["sameness mask 1: pattern", "unclosed group"]),
    ("[log]\nlevel = \"bongsu=loud\"", &["log.level"]),
    ("[log]\nformat = \"yaml\"", &["line 2", "unknown variant `yaml`"]),
    ("token = hush-hush", &["line 1"]),
];

#[test]
fn a_bad_configuration_is_said_with_its_place_and_what_to_do_and_never_with_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bongsu.toml");
    let file = file.to_str().unwrap();
    for (toml, says) in BAD {
        std::fs::write(file, toml).unwrap();
        for json in [false, true] {
            let flags: &[&str] = if json { &["check", "--offline", "--json"] } else { &["check", "--offline"] };
            let (code, out, err) = cli(&[&["--config", file], flags].concat());
            assert_eq!(code, 1, "{toml}\n{out}{err}");
            let said = match json {
                false => out.clone(),
                true => serde_json::from_str::<Value>(&out).unwrap()["findings"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|finding| {
                        format!("{} {}", finding["what"].as_str().unwrap(), finding["detail"].as_str().unwrap())
                    })
                    .collect(),
            };
            for part in *says {
                assert!(said.contains(part), "{toml}\nsays no {part:?}: {out}");
            }
            assert!(!out.contains("hush-hush") && !err.contains("hush-hush"), "{out}{err}");
        }
        // The server says the same instead of starting.
        let (code, out, err) = cli(&["--config", file, "serve"]);
        assert_eq!((code, out.as_str()), (1, ""), "{toml}\n{err}");
        for part in *says {
            let part = part.strip_prefix("scrub rules").unwrap_or(part);
            assert!(err.contains(part), "{toml}\nserve says no {part:?}: {err}");
        }
        assert!(!err.contains("hush-hush"), "{err}");
    }
    let (code, _, err) = cli(&["--config", "/nowhere/bongsu.toml", "issues"]);
    assert_eq!(code, 1);
    assert!(err.contains("cannot read /nowhere/bongsu.toml") && err.contains("--config FILE"), "{err}");
}

#[tokio::test]
async fn a_good_configuration_is_checked_with_all_that_it_names() {
    let sink = Sink::start().await;
    let server = Server::start(&sink.as_channel()).await;
    let out = good(&server, &["check"]);
    for part in [
        "configuration: ",
        "channels: good",
        "routes: good",
        "archive: SQLite ",
        "opens and takes writes",
        "channel \"ops\": can be reached (nothing was sent)",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(out.lines().all(|line| line.starts_with("ok  ")), "{out}");
    assert_eq!(sink.count(), 0);
    assert_eq!(good_json(&server, &["check", "--json"])["good"], true);
    drop(sink);
    wait_until("the channel to be gone", async || {
        let (code, out, _) = server.cli(&["check"]);
        code == 1 && out.contains("BAD   channel \"ops\": ")
    })
    .await;
}

#[tokio::test]
async fn a_project_made_while_the_server_runs_may_send() {
    let server = Server::start("").await;
    let out = good(&server, &["project", "add", "shop"]);
    let key = out.lines().find_map(|line| line.strip_prefix("key")).unwrap().trim().to_owned();
    assert!(out.contains(&format!("://{key}@")), "{out}");
    let (code, _, err) = server.cli(&["project", "add", "shop"]);
    assert!(code == 1 && err.contains("bongsu project add shop --new-key"), "{err}");
    let second = good_json(&server, &["project", "add", "shop", "--new-key", "--json"]);
    let (code, _, err) = server.cli(&["project", "add", "  "]);
    assert!(code == 1 && err.contains("1 to 64 printable characters"), "{err}");
    let projects = good_json(&server, &["project", "list", "--json"]);
    let named: Vec<_> = projects
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].as_str().unwrap(), p["keys"].as_u64().unwrap()))
        .collect();
    assert_eq!(named, [("tests", 0), ("shop", 2)]);
    assert!(good(&server, &["project", "list"]).contains("shop"));
    for key in [key.as_str(), second["key"].as_str().unwrap()] {
        wait_until("the key to be known", async || {
            server.cli(&["send", "--server", server.base(), "--key", key, "from the shop"]).0 == 0
        })
        .await;
    }
    assert_eq!(server.api("/api/v1/issues").await["items"][0]["attributes"]["module"], "shop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_says_what_became_of_it() {
    let server = Server::start("").await;
    let to = ["send", "--server", server.base()];
    let send = |more: &[&str]| server.cli(&[&to[..], more].concat());
    let (code, out, err) = send(&["-n", "7", "--module", "pay-api", "disk full"]);
    assert_eq!((code, out.starts_with("5 alerted, 2 suppressed, 0 rejected; issue ")), (0, true), "{out}{err}");
    let (code, out, err) = send(&["-n", "3", "--json", "disk full"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["accepted"], 3);
    // More than one batch, with answers longer than an ordinary one.
    let (code, out, err) = send(&["-n", "2500", "many"]);
    assert_eq!((code, out.starts_with("5 alerted, 2495 suppressed, 0 rejected; ")), (0, true), "{out}{err}");
    assert_eq!(server.api("/api/v1/issues?q=many").await["items"][0]["occurrences"], 2500);

    let (code, _, err) = send(&["--key", "ffffffffffffffffffffffffffffffff", "x"]);
    assert!(code == 1 && err.contains("answered 401") && err.contains("bongsu project add"), "{err}");
    assert!(!err.contains("ffffffff"), "{err}");
    let (code, _, err) = server.cli(&["send", "--server", "http://127.0.0.1:1", "x"]);
    assert!(code == 1 && err.contains("does the server run?"), "{err}");
    let sink = Sink::start().await;
    let (code, _, err) = server.cli(&["send", "--server", sink.url(), "x"]);
    assert!(code == 1 && err.contains("not as a bongsu"), "{err}");
}

/// The seven, each with another value that is another error.
const SEVEN: [(&str, &str, &str); 7] = [
    ("category", "Biz", "Open API"),
    ("module", "order-api", "pay-api"),
    ("environment", "prod", "staging"),
    ("url", "/orders/{id}/pay", "/orders/{id}/refund"),
    ("method", "POST", "PUT"),
    ("location", "com.acme.Discounts.apply", "com.acme.Discounts.revoke"),
    ("detail", "discount exceeds total", "discount is over"),
];

fn seven() -> Value {
    SEVEN.iter().map(|(name, value, _)| ((*name).to_owned(), json!(value))).collect()
}

/// What varies between two occurrences of one error: the attribute, two spellings, the rule that makes them equal.
const EQUAL: [(&str, &str, &str, &str); 6] = [
    ("location", "com.acme.Pay$$EnhancerBySpringCGLIB$$1a2b3c4d.save", "com.acme.Pay$$SpringCGLIB$$0.save", "cglib"),
    ("location", "com.sun.proxy.$Proxy45.save", "jdk.proxy2.$Proxy117.save", "jdk-proxy"),
    ("location", "com.acme.Pay@1a2b3c4d.save", "com.acme.Pay@77f03bb1.save", "identity-hash"),
    ("detail", "com.acme.Pool@5e91993f is closed", "com.acme.Pool@1b28cdfa is closed", "identity-hash"),
    ("detail", "cannot free 0x00007f6418dc6f3d", "cannot free 0x00007f2200a1b2c3", "address"),
    ("url", "/orders/1042/pay", "https://shop.example/orders/7/pay?coupon=x", "number"),
];

fn fingerprint(input: &Value) -> String {
    let (code, out, err) = with_input(&["fingerprint", "-"], &format!("{input}\n"));
    assert_eq!(code, 0, "{input}: {err}");
    out.trim().split_once('\t').unwrap().1.to_owned()
}

#[tokio::test]
async fn each_of_the_seven_separates_and_what_varies_does_not() {
    let server = Server::start("").await;
    let explained = |a: &Value, b: &Value| -> Value {
        let (code, out, err) = with_input(&["explain", "--json", "-"], &format!("{a}\n{b}\n"));
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let same_issue = async |a: &Value, b: &Value| {
        let answer = server.send(&json!([a, b])).await;
        let told = [0, 1].map(|n| answer["outcomes"][n]["fingerprint"].as_str().unwrap().to_owned());
        assert_eq!(told, [a, b].map(fingerprint), "the command says what the server does");
        told[0] == told[1]
    };
    for (name, _, other) in SEVEN {
        let mut changed = seven();
        changed[name] = json!(other);
        assert!(!same_issue(&seven(), &changed).await, "{name}");
        let told = explained(&seven(), &changed);
        assert_eq!(told["same"], false);
        assert_eq!(told["separated_by"].as_array().unwrap().len(), 1, "{told}");
        assert_eq!(told["separated_by"][0]["attribute"], name);
    }
    for (name, one, other, rule) in EQUAL {
        let (mut a, mut b) = (seven(), seven());
        a[name] = json!(one);
        b[name] = json!(other);
        assert!(same_issue(&a, &b).await, "{one} and {other}");
        let told = explained(&a, &b);
        assert_eq!((&told["same"], &told["made_equal"][0]["attribute"]), (&json!(true), &json!(name)), "{told}");
        let (_, text, _) = with_input(&["explain", "-"], &a.to_string());
        assert!(text.contains(&format!("- {rule}")), "no rule {rule}: {text}");
    }
}

#[test]
fn fingerprint_and_explain_read_files_lines_and_what_is_not_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let lines = "{\"detail\":\"a\"}\n\n{\"id\":\"x-1\",\"event\":{\"detail\":\"a\"}}\n{\"id\":7,\"event\":{\"detail\":\"b\"}}\n{broken\n[{\"detail\":\"a\"}]\n";
    std::fs::write(path("events"), lines).unwrap();
    let (code, out, err) = cli(&["fingerprint", &path("events")]);
    let told: Vec<(&str, &str)> = out.lines().map(|line| line.split_once('\t').unwrap()).collect();
    assert_eq!(told.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["1", "x-1", "7", "6"], "{out}");
    assert!(told[0].1 == told[1].1 && told[0].1 == told[3].1 && told[0].1 != told[2].1, "{out}");
    assert!(code == 1 && err.contains("line 5: "), "{err}");

    std::fs::write(path("a"), "{\"detail\":\"order 1042 failed\"}").unwrap();
    std::fs::write(path("b"), "{\"detail\":\"order 7 failed\"}").unwrap();
    let (code, out, _) = cli(&["explain", &path("a"), &path("b")]);
    assert!(code == 0 && out.starts_with("the same error: ") && out.contains("made equal"), "{out}");
    for (arguments, says) in [
        (vec!["explain", "/nowhere"], "cannot read /nowhere"),
        (vec!["fingerprint", "/nowhere"], "cannot read /nowhere"),
    ] {
        let (code, out, err) = cli(&arguments);
        assert!(code == 1 && out.is_empty() && err.contains(says), "{arguments:?}: {err}");
    }
    for (input, says) in [
        ("", "the body is empty"),
        ("[1]", "event 0 is not a JSON object"),
        ("[{\"detail\":1},{\"detail\":2},{\"detail\":3}]", "there are 3"),
    ] {
        let (code, out, err) = with_input(&["explain", "-"], input);
        assert!(code == 1 && out.is_empty() && err.contains(says), "{input}: {err}");
    }
}

#[tokio::test]
async fn issues_are_listed_shown_and_decided_about() {
    let server = Server::start("").await;
    let answer = server
        .send(&json!([
            { "detail": "disk full\nsecond line", "module": "batch", "environment": "prod" },
            { "detail": "timeout", "module": "pay-api", "environment": "staging" },
        ]))
        .await;
    let id = answer["outcomes"][0]["fingerprint"].as_str().unwrap();
    let list = good(&server, &["issues"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("prod/batch  disk full\n"), "{list}");
    assert_eq!(good(&server, &["issues", "--search", "disk", "--environment", "PROD"]).lines().count(), 1);
    assert_eq!(good_json(&server, &["issues", "--json", "--state", "open"]).as_array().unwrap().len(), 2);
    let shown = good(&server, &["issues", &id[..8]]);
    assert!(shown.contains(id) && shown.contains("1 times") && shown.contains("1/5 alerts"), "{shown}");
    assert_eq!(good_json(&server, &["issues", id, "--json"])["events_stored"], 1);
    assert!(good(&server, &["mute", id, "--more", "3", "--note", "known"]).contains("muted for 3 more"));
    assert!(good(&server, &["issues", id]).contains("known"));
    assert_eq!(good(&server, &["issues", "--state", "muted"]).lines().count(), 1);
    let (code, out, err) = server.cli(&["issues", "--module", "nobody"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "no issues\n"));

    let wrong: [(&[&str], i32, &str); 7] = [
        (&["resolve", "ffffffff"], 1, "there is no issue \"ffffffff\"; `bongsu issues` lists them"),
        (&["resolve", ""], 1, "more than one issue"),
        (&["mute", id], 2, "--for"),
        (&["mute", id, "--for", "soon"], 2, "write a number and a unit"),
        (&["mute", id, "--more", "0"], 2, "--more"),
        (&["issues", "--state", "broken"], 2, "acknowledged"),
        (&["isues"], 2, "issues"),
    ];
    for (arguments, expected, says) in wrong {
        let (code, out, err) = server.cli(arguments);
        assert!(code == expected && out.is_empty() && err.contains(says), "{arguments:?}: {code} {out}{err}");
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_command_quietly() {
    let server = Server::start("").await;
    for n in 0..40 {
        server.send(&json!({ "detail": "x", "module": format!("m{}", char::from(b'a' + n % 26)) })).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events");
    std::fs::write(&file, "{\"detail\":\"x\"}\n".repeat(5_000)).unwrap();
    let (config, file) = (server.config_file(), file.to_str().unwrap().to_owned());
    let commands: [&[&str]; 9] = [
        &["issues"],
        &["issues", "--json"],
        &["check", "--offline"],
        &["project", "list"],
        &["fingerprint", &file],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["--version"],
        &["--help"],
    ];
    for arguments in commands {
        // Gone before the first line, which is the worst that `| head` can do.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bongsu"));
        command.arg("--config").arg(&config).args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn versions_help_and_completions_are_printed() {
    let (code, out, _) = cli(&["--version"]);
    assert_eq!((code, out), (0, format!("bongsu {}\n", env!("CARGO_PKG_VERSION"))));
    let (_, help, _) = cli(&["--help"]);
    for command in [
        "serve",
        "check",
        "bench",
        "project",
        "send",
        "fingerprint",
        "explain",
        "issues",
        "resolve",
        "mute",
        "ack",
        "reopen",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
        let (code, out, _) = cli(&[command, "--help"]);
        assert!(code == 0 && out.contains("Usage: bongsu"), "{command}: {out}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, out, _) = cli(&["completions", shell]);
        assert!(code == 0 && out.contains("bongsu") && out.contains("explain"), "{shell}");
    }
    let (code, _, err) = cli(&["completions", "tcsh"]);
    assert!(code == 2 && err.contains("bash"), "{err}");
}
