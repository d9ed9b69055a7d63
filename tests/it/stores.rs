//! What `bongsu check` says of shared stores, and `bongsu bench stores` measures on them: on real servers.

use serde_json::Value;

use crate::harness::cli;
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
