//! Reading the configuration: file, then environment, then the checks that need more than one key.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};

use super::Config;
use crate::alert::{OWN_CHANNEL, OWN_PROJECT};

/// The prefix of environment variables that set values: `BONGSU_CACHE__URL` is `url` of `[cache]`.
const ENV_PREFIX: &str = "BONGSU_";

/// Why a configuration was refused: everything that is wrong with it, each with its place and what to do.
#[derive(Debug)]
pub struct ConfigError {
    /// One line each.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

fn refused(problem: String) -> ConfigError {
    ConfigError { problems: vec![problem] }
}

/// Reads the configuration a process starts with: the named file, or `./bongsu.toml` when it is there, or the defaults;
/// then the environment on top.
///
/// # Errors
/// When the file cannot be read, a key is unknown, or a value is bad.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(Config, Option<PathBuf>), ConfigError> {
    let default_file = Path::new("bongsu.toml");
    let file = file.or_else(|| default_file.exists().then_some(default_file));
    let text = match file {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|e| refused(format!("cannot read {}: {e}; name the file by --config FILE", path.display())))?,
    };
    let name = file.map_or_else(|| "bongsu.toml".to_owned(), |path| path.display().to_string());
    let config = read(&name, &text, environment)?;
    Ok((config, file.map(Path::to_owned)))
}

/// Reads a configuration from TOML text alone.
///
/// # Errors
/// When a key is unknown or a value is bad.
pub fn from_toml(text: &str) -> Result<Config, ConfigError> {
    read("bongsu.toml", text, std::iter::empty())
}

fn read(name: &str, text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    // The text is read on its own first, because only then do errors know their line.
    let mut config: Config = toml::from_str(text).map_err(|e| refused(at_line(name, text, &e)))?;
    let variables: Vec<(String, String)> = environment.filter(|(key, _)| is_ours(key)).collect();
    if !variables.is_empty() {
        let mut table: Table = toml::from_str(text).map_err(|e| refused(at_line(name, text, &e)))?;
        for (key, value) in &variables {
            overlay(&mut table, key, value)?;
            // One at a time, so that an error names its variable.
            config = Config::deserialize(Value::Table(table.clone()))
                .map_err(|e| refused(format!("environment variable {key}: {}", with_suggestion(e.message()))))?;
        }
    }
    let problems = config.problems();
    if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
}

/// Kubernetes sets `BONGSU_SERVICE_HOST` and the like for a service of our name: only a double underscore, or the name
/// of a key outside every section, is meant for us.
fn is_ours(key: &str) -> bool {
    key.strip_prefix(ENV_PREFIX).is_some_and(|rest| rest.contains("__") || matches!(rest, "LISTEN" | "PUBLIC_URL"))
}

fn overlay(table: &mut Table, key: &str, text: &str) -> Result<(), ConfigError> {
    let path = key[ENV_PREFIX.len()..].to_lowercase();
    let mut segments: Vec<&str> = path.split("__").collect();
    let last = segments.pop().unwrap_or_default();
    let mut at = table;
    for segment in segments {
        let entry = at.entry(segment).or_insert_with(|| Value::Table(Table::new()));
        at = entry.as_table_mut().ok_or_else(|| {
            refused(format!("environment variable {key}: {segment} is a list or a value; set it in the file"))
        })?;
    }
    at.insert(last.to_owned(), as_value(text));
    Ok(())
}

/// A variable is text unless it reads as a TOML number, truth value, list or table.
fn as_value(text: &str) -> Value {
    match toml::from_str::<Table>(&format!("v = {text}")).ok().and_then(|mut table| table.remove("v")) {
        Some(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Array(_) | Value::Table(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Says line and column, but never the line itself: it may hold a secret.
fn at_line(name: &str, text: &str, error: &toml::de::Error) -> String {
    let what = with_suggestion(error.message());
    match error.span() {
        None => format!("{name}: {what}"),
        Some(span) => {
            let before = &text.as_bytes()[..span.start.min(text.len())];
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
            format!("{name}, line {line}, column {column}: {what}")
        }
    }
}

/// Serde's "unknown field `x`, expected one of `a`, `b`" with the nearest of them.
fn with_suggestion(message: &str) -> String {
    let message = message.trim_end();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((wrong, known)) if message.starts_with("unknown ") => {
            let hint = nearest(wrong, known.iter().copied())
                .map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"));
            message.replacen(&format!("`{wrong}`"), &format!("`{wrong}`{hint}"), 1)
        }
        _ => message.to_owned(),
    }
}

/// The word a person probably meant, when one of the known words is near enough.
pub(crate) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .map(|word| (strsim::jaro_winkler(&wrong, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// ` (did you mean "prod"?)`, when one of the known words is near.
pub(crate) fn hint<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(wrong, known).map_or_else(String::new, |word| format!(" (did you mean {word:?}?)"))
}

impl Config {
    /// Everything that is wrong though each value alone is well formed.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, problem: &dyn Fn() -> String| {
            if !holds {
                problems.push(problem());
            }
        };
        self.archive_problems(&mut must);
        must(self.cache.timeout.get() >= Duration::from_millis(10), &|| "cache.timeout: use 10ms or more".to_owned());
        must(self.cache.write_back.get() >= 2 * self.cache.timeout.get(), &|| {
            "cache.write_back: use at least twice cache.timeout".to_owned()
        });
        if let Some(token) = &self.api.token {
            must(token.expose().chars().count() >= 32, &|| "api.token: use 32 characters or more".to_owned());
        }
        if let Some(url) = &self.public_url {
            must(is_http(url), &|| format!("public_url: {url:?} is not an http:// or https:// URL"));
        }
        must(self.deliver.lease.get() >= self.deliver.timeout.get() * 2, &|| {
            "deliver.lease: must be at least twice deliver.timeout, or a slow send could be repeated meanwhile"
                .to_owned()
        });
        let limits = &self.limits;
        for (name, value) in [
            ("body_bytes", limits.body_bytes),
            ("decoded_bytes", limits.decoded_bytes),
            ("held_bytes", limits.held_bytes),
            ("batch_events", limits.batch_events),
            ("text_chars", limits.text_chars),
            ("frames", limits.frames),
            ("exceptions", limits.exceptions),
            ("queued_events", limits.queued_events),
            ("connections", limits.connections),
        ] {
            must(value > 0, &|| format!("limits.{name}: must not be 0"));
        }
        must(limits.held_bytes >= limits.body_bytes.saturating_add(limits.decoded_bytes), &|| {
            "limits.held_bytes: must be at least body_bytes and decoded_bytes together, or one request could never be read"
                .to_owned()
        });
        must(limits.text_chars >= 64, &|| {
            "limits.text_chars: use 64 or more, or messages become unreadable".to_owned()
        });
        must(self.deliver.concurrency > 0, &|| "deliver.concurrency: must not be 0".to_owned());
        self.policy_problems(&mut problems);
        self.project_problems(&mut problems);
        self.channel_problems(&mut problems);
        problems
    }

    /// Says which part of the URL is wrong, but never the URL: a password is in it.
    fn archive_problems(&self, must: &mut dyn FnMut(bool, &dyn Fn() -> String)) {
        must(self.archive.connections > 0, &|| "archive.connections: must not be 0".to_owned());
        must(self.archive.timeout.get() >= Duration::from_millis(100), &|| {
            "archive.timeout: use 100ms or more".to_owned()
        });
        must(self.archive.patience.get() >= Duration::from_millis(50), &|| {
            "archive.patience: use 50ms or more".to_owned()
        });
        if self.archive.sqlite_path().is_some() {
            return;
        }
        let url = url::Url::parse(self.archive.url.expose()).ok();
        let scheme = url.as_ref().map_or("", url::Url::scheme);
        let known = ["postgres", "postgresql", "mysql", "mariadb"].contains(&scheme);
        must(known, &|| {
            let hint = nearest(scheme, ["sqlite", "postgres", "mysql", "mariadb"].into_iter())
                .map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"));
            let wrong =
                if scheme.is_empty() { "this is none of them".to_owned() } else { format!("not `{scheme}`{hint}") };
            format!(
                "archive.url: use \"sqlite:PATH\", \"postgres://USER:PASSWORD@HOST/DATABASE\" or \"mysql://…\"; {wrong}"
            )
        });
        // A socket's path is in the query.
        let somewhere = |url: &url::Url| url.has_host() || url.query().is_some_and(|query| query.contains('='));
        let database = url.as_ref().is_some_and(|url| somewhere(url) && url.path().len() > 1);
        must(!known || database, &|| {
            format!("archive.url: host or database is missing; write \"{scheme}://USER:PASSWORD@HOST/DATABASE\"")
        });
    }

    fn policy_problems(&self, problems: &mut Vec<String>) {
        let base = self.policy.resolved();
        let policies = std::iter::once(("policy".to_owned(), base.clone())).chain(
            self.route
                .iter()
                .enumerate()
                .map(|(i, route)| (format!("route {} policy", i + 1), route.policy.over(&base))),
        );
        for (place, policy) in policies {
            if !(1..=100).contains(&policy.budget) {
                problems.push(format!("{place}: budget is {}; use 1 to 100", policy.budget));
            }
            if policy.window < Duration::from_secs(1) {
                problems.push(format!("{place}: window is {:?}; use 1s or longer", policy.window));
            }
            let earliest_last: Duration = (1..=policy.budget).map(|ordinal| policy.gap_before(ordinal)).sum();
            if !policy.spacing.is_empty() && earliest_last >= policy.window {
                problems.push(format!(
                    "{place}: the gaps of spacing add up to {earliest_last:?}, which is not within the window of {:?}: the last alerts could never come",
                    policy.window
                ));
            }
        }
    }

    fn project_problems(&self, problems: &mut Vec<String>) {
        let mut names = BTreeSet::new();
        for project in &self.project {
            let name = &project.name;
            if let Err(why) = check_project_name(name) {
                problems.push(format!("project {name:?}: {why}"));
            }
            if !names.insert(name) {
                problems.push(format!("project {name:?}: the name is used twice"));
            }
            let key = project.key.expose();
            if key.len() != 32 || !key.bytes().all(|b| b.is_ascii_hexdigit()) {
                problems.push(format!(
                    "project {name:?}: the key must be 32 hexadecimal digits; `bongsu project add` makes one"
                ));
            }
        }
    }

    fn channel_problems(&self, problems: &mut Vec<String>) {
        let mut names = BTreeSet::new();
        for channel in &self.channel {
            let name = &channel.name;
            if name.is_empty() || !names.insert(name) {
                problems.push(format!("channel {name:?}: every channel needs a name of its own"));
            }
            if name == OWN_CHANNEL {
                problems.push(format!("channel {name:?}: that is the name of a channel of bongsu's own"));
            }
            if name.chars().count() > 100 {
                problems.push(format!("channel {name:?}: a name has 100 characters at most"));
            }
            problems.extend(channel.misfits().iter().map(|why| format!("channel {name:?}: {why}")));
            if channel.url.as_ref().is_some_and(|url| !is_http(url.expose())) {
                problems.push(format!("channel {name:?}: url is not an http:// or https:// URL"));
            }
        }
        for name in self.health.channels.iter().filter(|name| !names.contains(name)) {
            let hint = nearest(name, names.iter().map(|name| name.as_str()))
                .map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
            problems.push(format!("health.channels: there is no channel {name:?}{hint}"));
        }
        problems.extend(self.watch.problems(&names));
    }
}

fn is_http(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A project's name is shown in alerts and is the default module: printable, short, one line.
pub(crate) fn check_project_name(name: &str) -> Result<(), String> {
    if name == OWN_PROJECT {
        return Err(format!("{OWN_PROJECT:?} is the name of what bongsu says of itself"));
    }
    let fits = !name.trim().is_empty() && name.trim() == name && name.chars().count() <= 64;
    if fits && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err("a name has 1 to 64 printable characters, without spaces around it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(toml: &str, environment: &[(&str, &str)], expected: Expect) {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let seen = match read("bongsu.toml", toml, environment) {
            Ok(config) => format!("{} {:?}", config.listen, config.policy.resolved()),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&seen);
    }

    #[test]
    fn the_environment_is_laid_over_the_file() {
        check(
            "[policy]\nbudget = 3",
            &[("BONGSU_LISTEN", "[::1]:9"), ("BONGSU_POLICY__WINDOW", "10m"), ("BONGSU_SERVICE_HOST", "10.0.0.1")],
            expect!["[::1]:9 Policy { budget: 3, window: 600s, spacing: [], closing: true, maintenance_until: None }"],
        );
        check(
            "",
            &[("BONGSU_POLICY__BUDGET", "none")],
            expect![[r#"
            the configuration cannot be used:
              environment variable BONGSU_POLICY__BUDGET: invalid type: string "none", expected u32"#]],
        );
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest_word_but_not_its_value() {
        check(
            "[api]\ntokn = \"hush-hush\"",
            &[],
            expect![[r#"
            the configuration cannot be used:
              bongsu.toml, line 2, column 1: unknown field `tokn` (did you mean `token`?), expected `token`"#]],
        );
        check(
            "",
            &[("BONGSU_POLICY__WINDOWS", "1h")],
            expect![[r#"
            the configuration cannot be used:
              environment variable BONGSU_POLICY__WINDOWS: unknown field `windows` (did you mean `window`?), expected one of `budget`, `window`, `spacing`, `closing`"#]],
        );
    }

    /// `bongsu.toml` is the documentation of every key: it holds all of them, at their defaults.
    #[test]
    fn the_documented_configuration_is_the_default_and_is_complete() {
        let documented = include_str!("../../bongsu.toml");
        let (mut read, default) = (from_toml(documented).unwrap(), Config::default());
        assert_eq!(read.policy.resolved(), default.policy.resolved());
        assert_eq!(read.archive.url, default.archive.url);
        read.policy = default.policy.clone();
        assert_eq!(format!("{read:?}"), format!("{default:?}"));

        let sections = [
            "archive",
            "cache",
            "api",
            "policy",
            "health",
            "sameness",
            "scrub",
            "limits",
            "deliver",
            "retention",
            "outgoing",
            "log",
            "watch",
            "storm",
        ];
        let lists =
            ["[project]", "[channel]", "[route]", "[link]", "[owner]", "[quiet]", "[maintenance]"].into_iter().chain([
                "[sameness.rule]",
                "[sameness.mask]",
                "[sameness.protect]",
                "[sameness.merge]",
                "[sameness.split]",
            ]);
        for section in sections.into_iter().chain(lists).chain(["nothing"]) {
            let error = toml::from_str::<Config>(&format!("[{section}]\nno_such_key = 1")).unwrap_err();
            let known: Vec<&str> = error.message().split('`').skip(3).step_by(2).collect();
            for key in known.iter().filter(|key| !sections.contains(key)) {
                let written = [
                    format!("\n{key} = "),
                    format!("\n# {key} = "),
                    format!("\n# [[{key}]]"),
                    format!("\n# [[sameness.{key}]]"),
                ];
                assert!(written.iter().any(|form| documented.contains(form)), "{section}: {key} is not documented");
            }
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let toml = r#"
            [policy]
            budget = 0
            spacing = ["0s", "40m"]
            [[project]]
            name = "a"
            key = "short"
            [[channel]]
            name = "ops"
            type = "webhook"
            [deliver]
            lease = "1s"
        "#;
        check(
            toml,
            &[],
            expect![[r#"
            the configuration cannot be used:
              deliver.lease: must be at least twice deliver.timeout, or a slow send could be repeated meanwhile
              policy: budget is 0; use 1 to 100
              project "a": the key must be 32 hexadecimal digits; `bongsu project add` makes one
              channel "ops": `url` is missing"#]],
        );
    }
}
