//! What `bongsu check` says of shared stores, and `bongsu bench stores` measures on them: on real servers.

use serde_json::Value;

use crate::harness::{Server, cli};
use crate::servers::mariadb::Mariadb;
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

/// A configuration in a folder of its own, with a port of the system's choice.
struct Configured {
    folder: tempfile::TempDir,
}

impl Configured {
    fn new(toml: &str) -> Configured {
        let folder = tempfile::tempdir().unwrap();
        let archive = format!("[archive]\nurl = \"sqlite:{}\"", folder.path().join("bongsu.db").display());
        let archive = if toml.contains("[archive]") { "" } else { &archive };
        std::fs::write(folder.path().join("bongsu.toml"), format!("listen = \"127.0.0.1:0\"\n{archive}\n{toml}\n"))
            .unwrap();
        Configured { folder }
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let config = self.folder.path().join("bongsu.toml");
        cli(&[&["--config", config.to_str().unwrap()], arguments].concat())
    }
}

/// What was found of one thing.
fn finding(checked: &Value, what: &str) -> Value {
    let findings = checked["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {checked}")).clone()
}

#[test]
fn check_says_what_the_cache_is_and_warns_of_what_had_better_be_otherwise() {
    let redis = Redis::with(&["--maxmemory-policy", "allkeys-lru"]);
    let place = format!("redis://{}", redis.address());
    let configured = Configured::new(&format!("[cache]\nurl = \"{place}\""));

    let (code, out, err) = configured.run(&["check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("ok    cache url: good") && out.contains("ok    cache: redis, Redis "), "{out}");
    assert!(out.contains(&format!(" at {place}: answers")), "{out}");
    assert!(out.contains("warn  cache url: a cache is for several bongsu") && out.contains("SQLite file"), "{out}");
    assert!(out.contains("warn  cache: maxmemory-policy is allkeys-lru"), "{out}");

    let (code, out, _) = configured.run(&["check", "--json"]);
    let checked: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &checked["good"]), (0, &Value::Bool(true)), "warnings are no faults: {out}");
    assert_eq!(finding(&checked, "cache")["warnings"].as_array().unwrap().len(), 1, "{out}");
    assert_eq!(finding(&checked, "archive")["warnings"], serde_json::json!([]));
    let (_, out, _) = configured.run(&["check", "--offline"]);
    assert!(out.contains("cache url: good") && !out.contains("cache: redis"), "{out}");

    drop(redis);
    let (code, out, _) = configured.run(&["check", "--json"]);
    let checked: Value = serde_json::from_str(&out).unwrap();
    let cache = finding(&checked, "cache");
    assert_eq!((code, &checked["good"], &cache["good"]), (1, &Value::Bool(false), &Value::Bool(false)), "{out}");
    let detail = cache["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("{place}: the cache cannot be reached")), "{detail}");
}

#[test]
fn check_never_says_the_password_of_a_cache() {
    let (redis, _) = Redis::with_tls_and_user("hush-hush", "~bongsu:* -@all +info");
    for (user, expected) in [("bongsu:hush-hush", 1), ("bongsu:wrong-hush", 1)] {
        // Its authority is not one of the system's.
        let configured = Configured::new(&format!("[cache]\nurl = \"rediss://{user}@{}\"", redis.address()));
        let (code, out, err) = configured.run(&["check"]);
        assert_eq!(code, expected, "{out}{err}");
        assert!(
            out.contains("BAD   cache: rediss://127.0.0.1:") && !format!("{out}{err}").contains("-hush"),
            "{out}{err}"
        );
    }
}

/// Short: what is tested is what the command does, not how fast this machine is.
const SHORT: [&str; 8] = ["bench", "stores", "--rates", "40,80", "--seconds", "0.1", "--watch", "0.5"];

/// The reports, by the kind of store.
fn measured(configured: &Configured, more: &[&str]) -> Vec<Value> {
    let (code, out, err) = configured.run(&[&SHORT[..], &["--json"], more].concat());
    assert_eq!(code, 0, "{out}{err}");
    assert!(!format!("{out}{err}").contains("hush-hush"), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["rates"], serde_json::json!([40, 80]));
    report["stores"].as_array().unwrap().clone()
}

/// Every decision was asked in both ways at every rate, and answered well.
fn is_complete(report: &Value, decisions: &[&str]) {
    assert_eq!(report["problem"], Value::Null, "{report}");
    for text in ["store", "kind", "purpose"] {
        assert!(!report[text].as_str().unwrap().is_empty(), "{text}: {report}");
    }
    assert!(report["expiry"]["rearmed_late_ms"].is_u64(), "{report}");
    let series = report["decisions"].as_array().unwrap();
    assert_eq!(series.len(), 2 * decisions.len());
    for series in series {
        assert!(decisions.contains(&series["decision"].as_str().unwrap()), "{series}");
        let steps = series["steps"].as_array().unwrap();
        assert_eq!(steps.iter().map(|step| step["rate"].as_u64().unwrap()).collect::<Vec<_>>(), [40, 80]);
        for step in steps {
            // How many were due in time is the machine's business; that none was answered wrongly is ours.
            assert_eq!(step["failed"], 0, "{series}");
            assert!(step["answered"].as_u64().unwrap() > 0 && step["p50_ms"].as_f64() <= step["p99_ms"].as_f64());
        }
    }
}

#[test]
fn caches_and_files_are_measured_and_nothing_stays() {
    let redis = Redis::start();
    let configured = Configured::new(&format!("[cache]\nurl = \"redis://{}\"", redis.address()));
    redis.command(&["SET", "someone", "else"]);
    let reports = measured(&configured, &[]);
    let kinds: Vec<&str> = reports.iter().map(|report| report["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["memory", "redis", "SQLite", "SQLite"]);
    for (report, decisions) in
        reports.iter().zip([&["count", "grant"][..], &["count", "grant"], &["admit"], &["admit"]])
    {
        is_complete(report, decisions);
    }
    assert!(reports[1]["version"].as_str().unwrap().starts_with("Redis "), "{}", reports[1]);
    assert!(reports[1]["expiry"]["mechanism"].as_str().unwrap().starts_with("PEXPIRE"));
    assert!(reports[2]["expiry"]["note"].as_str().unwrap().starts_with("the housekeeping's turn comes every 60 s"));

    // The configured archive was never opened; what was beside it is gone.
    let left: Vec<_> =
        std::fs::read_dir(configured.folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left, ["bongsu.toml"]);
    // A record that lapses now goes when the server comes to it.
    crate::servers::wait_for("the measurement's keys to be gone", || {
        let keys: Vec<String> = redis::from_redis_value(redis.command(&["KEYS", "*"])).unwrap();
        keys == ["someone"]
    });
}

#[test]
fn databases_are_measured_beside_the_archive_and_nothing_stays() {
    let (postgres, mariadb) = (Postgres::start(), Mariadb::start());
    let urls = [postgres.database("shop"), mariadb.database("shop")];
    let configured = Configured::new("");
    let reports = measured(&configured, &["--store", &urls[0], "--store", &urls[1]]);
    for (report, kind) in reports.iter().zip(["PostgreSQL", "MariaDB"]) {
        assert_eq!(report["kind"], kind);
        is_complete(report, &["admit"]);
    }
    // Its scheduler's turn comes later than was watched.
    let note = reports[1]["expiry"]["note"].as_str().unwrap();
    assert!(note.contains("the event scheduler's turn comes every 60 s"), "{note}");
    // A subquery of more than one row fails.
    let nothing_left = "SELECT (SELECT 0 UNION ALL SELECT 1 FROM information_schema.tables \
                        WHERE table_schema LIKE 'bongsu%' OR table_schema IN ('public', 'shop'))";
    assert!(postgres.run("shop", nothing_left), "something stayed in PostgreSQL");
    assert!(mariadb.run(nothing_left), "something stayed in MariaDB");
}

/// Where a user may make nothing, the archive itself is written to: when it is empty, or by an explicit word.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_issues_is_written_to_by_an_explicit_word_only_and_keeps_its_own() {
    let postgres = Postgres::start();
    let owner = postgres.database("shop");
    assert!(postgres.run("shop", "CREATE USER shop; GRANT ALL ON SCHEMA public TO shop"));
    let guest = owner.replace("bongsu:hush-hush", "shop:hush-hush");
    let stores = format!("[archive]\nurl = \"{guest}\"");
    let configured = Configured::new(&stores);
    let issues = |rows: u32| {
        let (issues, tallies) =
            ("(SELECT count(*) FROM issues)", "SELECT 1 FROM tallies WHERE issue NOT IN (SELECT id FROM issues)");
        let wrong = format!("{issues} <> {rows} OR EXISTS ({tallies})");
        postgres.run("shop", &format!("DO $$ BEGIN IF {wrong} THEN RAISE 'wrong'; END IF; END $$"))
    };
    is_complete(&measured(&configured, &["--store", &guest])[0], &["admit"]);
    assert!(issues(0), "all that was written is removed");

    let server = Server::start_on(&stores, "").await;
    server.send(&serde_json::json!({ "detail": "connection refused" })).await;
    let (code, out, err) = configured.run(&[&SHORT[..], &["--store", &guest]].concat());
    assert_eq!(code, 1, "{out}{err}");
    for part in ["permission denied", "the archive holds issues", "GRANT CREATE ON DATABASE", "say --yes"] {
        assert!(out.contains(part), "{part}: {out}{err}");
    }
    is_complete(&measured(&configured, &["--store", &guest, "--yes"])[0], &["admit"]);
    assert!(issues(1), "the issue that was there stays, and no other");
}

#[test]
fn a_store_that_cannot_be_measured_is_said_and_the_others_are_measured() {
    let configured = Configured::new("");
    let (code, out, err) =
        configured.run(&[&SHORT[..], &["--store", "memory:", "--store", "redis://127.0.0.1:1"]].concat());
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("problem  the cache cannot be reached"), "{out}");
    let table = out.split("store                      decision way").nth(1).expect("the table has its head");
    assert_eq!(table.lines().filter(|line| line.starts_with("memory: ")).count(), 4, "{out}");
    assert!(
        !out.contains('\u{1b}') && !err.contains('\u{1b}'),
        "no colours and no progress but on a terminal: {out}{err}"
    );
    for (arguments, says) in [
        (&["--store", "memcached://hush-hush"][..], "the URL begins with no known scheme; write redis://HOST:6379"),
        (&["--store", "redis://u:hush-hush@host/x"], "the URL's path is not the number of a database"),
        (&["--rates", "0"], "--rates"),
        (&["--seconds", "soon"], "write a number of seconds"),
    ] {
        let (code, out, err) = configured.run(&[&["bench", "stores"], arguments].concat());
        assert!(
            code != 0 && out.is_empty() && err.contains(says) && !err.contains("hush-hush"),
            "{arguments:?}: {err}"
        );
    }
}
