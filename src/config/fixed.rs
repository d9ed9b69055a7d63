//! What a running server cannot change: what is opened once, at its start.
//!
//! Promises: a key that is added to one of these sections does not compile until it is named here. Deliberately not here:
//! what is done with a change of the rest.

use super::{Api, Archive, Cache, Config, Limits, Log};

/// Adds the names of the keys of a section that differ.
macro_rules! differing {
    ($names:ident, $section:literal, $kind:ident, $old:expr, $new:expr, $($key:ident)*) => {
        let ($kind { $($key: _),* }, old, new) = ($old, $old, $new);
        $(if old.$key != new.$key {
            $names.push(concat!($section, ".", stringify!($key)));
        })*
    };
}

impl Config {
    /// This configuration as a server can go by it that was started with another: what is fixed at the start is that
    /// other's. Answers the names of the keys whose change waits for the next start.
    pub(crate) fn continuing(mut self, started: &Config) -> (Config, Vec<&'static str>) {
        let mut names = Vec::new();
        if self.listen != started.listen {
            names.push("listen");
        }
        differing!(names, "archive", Archive, &started.archive, &self.archive, url connections timeout patience);
        differing!(names, "cache", Cache, &started.cache, &self.cache, url timeout write_back grace);
        differing!(names, "limits", Limits, &started.limits, &self.limits,
            body_bytes decoded_bytes held_bytes batch_events text_chars frames exceptions tags queued_events connections
            read_timeout);
        let (Log { level: _, format }, Api { token }) = (&started.log, &started.api);
        if self.log.format != *format {
            names.push("log.format");
        }
        // Without it a token would have to be made, and shown once.
        if self.api.token.is_none() && token.is_some() {
            names.push("api.token");
            self.api.token.clone_from(token);
        }
        self.listen = started.listen;
        self.archive = started.archive.clone();
        self.cache = started.cache.clone();
        self.limits = started.limits.clone();
        self.log.format = *format;
        (self, names)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::from_toml;

    #[test]
    fn what_is_fixed_stays_and_is_named() {
        let started = from_toml("[api]\ntoken = \"0123456789abcdef0123456789abcdef\"").unwrap();
        let new = from_toml(
            r#"
            listen = "127.0.0.1:1"
            [archive]
            patience = "1s"
            [cache]
            grace = "1h"
            [limits]
            tags = 7
            [log]
            format = "json"
            level = "debug"
            [policy]
            budget = 3
            "#,
        )
        .unwrap();
        let (config, names) = new.continuing(&started);
        assert_eq!(names, ["listen", "archive.patience", "cache.grace", "limits.tags", "log.format", "api.token"]);
        assert_eq!((config.listen, config.limits.tags, config.api.token), (started.listen, 50, started.api.token));
        assert_eq!((config.policy.budget, config.log.level.as_str()), (Some(3), "debug"));
    }
}
