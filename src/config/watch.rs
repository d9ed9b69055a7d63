//! Self-watching as it is configured.
//!
//! Promises: off, as long as nobody would hear of it. Deliberately not here: what is done (`watch`).

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use super::{Secret, Span, hint};

/// An error that bongsu sends itself, through the whole way of an alert, and who is told when it does not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// How often it is sent. `"0s"`: never.
    pub every: Span,
    /// How long it may take to arrive.
    pub within: Span,
    /// Where it goes. Absent: back to bongsu's own door.
    pub channel: Option<String>,
    /// Channels that are told, past gate and outbox, when it does not arrive, and when it does again.
    pub tell: Vec<String>,
    /// A URL that is requested whenever it has arrived.
    pub heartbeat: Option<Secret>,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { every: Span::secs(60), within: Span::secs(30), channel: None, tell: Vec::new(), heartbeat: None }
    }
}

impl Watch {
    /// Whether there is anything to be sent, and anybody who would hear of it.
    pub(crate) fn is_on(&self) -> bool {
        let heard = self.channel.is_some() || !self.tell.is_empty() || self.heartbeat.is_some();
        self.every.get() > Duration::ZERO && heard
    }

    /// What is wrong with it, where these are the names of the channels.
    pub(super) fn problems(&self, names: &BTreeSet<&String>) -> Vec<String> {
        let mut problems = Vec::new();
        let one = self.channel.iter().map(|name| ("channel", name));
        for (key, name) in one.chain(self.tell.iter().map(|name| ("tell", name))) {
            if !names.contains(name) {
                let hint = hint(name, names.iter().map(|name| name.as_str()));
                problems.push(format!("watch.{key}: there is no channel {name:?}{hint}"));
            }
        }
        if self.tell.iter().any(|name| Some(name) == self.channel.as_ref()) {
            problems.push("watch.tell: name another channel than watch.channel, which is what may fail".to_owned());
        }
        if self.every.get() > Duration::ZERO && self.within > self.every {
            problems.push("watch.within: use watch.every at most: one is on its way at a time".to_owned());
        }
        if self.within.get() < Duration::from_millis(100) {
            problems.push("watch.within: use 100ms or more".to_owned());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::config::from_toml;

    #[test]
    fn it_is_off_while_nobody_would_hear_of_it() {
        let on = |watch: &str| {
            let channel = "[[channel]]\nname = \"ops\"\ntype = \"console\"\n";
            from_toml(&format!("{channel}[watch]\n{watch}")).unwrap().watch.is_on()
        };
        assert!(!on(""));
        assert!(on("tell = [\"ops\"]") && on("channel = \"ops\"") && on("heartbeat = \"https://example.com/x\""));
        assert!(!on("tell = [\"ops\"]\nevery = \"0s\""));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let toml = r#"
            [[channel]]
            name = "ops"
            type = "console"
            [[channel]]
            name = "bongsu.watch"
            type = "console"
            [watch]
            every = "10s"
            channel = "ops"
            tell = ["ops", "obs"]
        "#;
        expect![[r#"
            the configuration cannot be used:
              channel "bongsu.watch": that is the name of a channel of bongsu's own
              watch.tell: there is no channel "obs" (did you mean "ops"?)
              watch.tell: name another channel than watch.channel, which is what may fail
              watch.within: use watch.every at most: one is on its way at a time"#]]
        .assert_eq(&from_toml(toml).unwrap_err().to_string());
    }
}
