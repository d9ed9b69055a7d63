//! Which servers are measured, and how each is told what to do.
//!
//! Promises: every bongsu has the same configuration but for its stores. Deliberately not here: starting them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::request::KEY;

/// A kind of server, in the order in which they take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum System {
    /// The HTTP stack alone.
    Bare,
    /// The naive server: GET, INCR and EXPIRE for each event.
    Naive,
    /// The naive server: a script for each event.
    Script,
    /// bongsu with its own SQLite.
    Bongsu,
    /// bongsu with Redis and PostgreSQL.
    BongsuStores,
}

impl System {
    pub(crate) fn name(self) -> &'static str {
        match self {
            System::Bare => "bare",
            System::Naive => "naive",
            System::Script => "script",
            System::Bongsu => "bongsu",
            System::BongsuStores => "bongsu+stores",
        }
    }

    pub(crate) fn wants_redis(self) -> bool {
        matches!(self, System::Naive | System::Script | System::BongsuStores)
    }

    pub(crate) fn wants_database(self) -> bool {
        self == System::BongsuStores
    }
}

/// A server that can be started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) system: System,
    pub(crate) path: PathBuf,
    /// Where alerts go; absent: nowhere.
    pub(crate) webhook: Option<SocketAddr>,
    /// URLs of the shared stores, for those that want them.
    pub(crate) redis: Option<String>,
    pub(crate) database: Option<String>,
}

impl Program {
    /// A server that listens on `address` and keeps what it must in `folder`.
    pub(crate) fn arguments(&self, address: SocketAddr, folder: &Path) -> anyhow::Result<Vec<String>> {
        let mode = match self.system {
            System::Bare => return Ok(vec![address.to_string()]),
            System::Bongsu | System::BongsuStores => {
                let file = self.write_configuration(address, folder)?;
                return Ok(vec!["serve".to_owned(), "--config".to_owned(), file.display().to_string()]);
            }
            System::Naive => "get-incr-expire",
            System::Script => "script",
        };
        let redis = self.redis.as_deref().context("the naive server needs Redis")?;
        let mut arguments: Vec<String> =
            [&address.to_string(), "--mode", mode, "--redis", redis].map(str::to_owned).to_vec();
        arguments.extend(self.webhook.iter().flat_map(|webhook| ["--webhook".to_owned(), hook(*webhook)]));
        Ok(arguments)
    }

    /// Writes bongsu's configuration; answers the file.
    pub(crate) fn write_configuration(&self, listen: SocketAddr, folder: &Path) -> anyhow::Result<PathBuf> {
        let file = folder.join("bongsu.toml");
        let text = self.configuration(listen, &folder.join("data"));
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    fn configuration(&self, listen: SocketAddr, data: &Path) -> String {
        let sqlite = || format!("sqlite:{}", data.join("bongsu.db").display());
        let archive = self.database.clone().unwrap_or_else(sqlite);
        let mut text = format!(
            "listen = \"{listen}\"\n\
             [archive]\nurl = \"{archive}\"\n\
             [api]\ntoken = \"{KEY}\"\n\
             [log]\nlevel = \"warn\"\n\
             [[project]]\nname = \"order-api\"\nkey = \"{KEY}\"\n"
        );
        if let Some(redis) = &self.redis {
            text.push_str(&format!("[cache]\nurl = \"{redis}\"\n"));
        }
        if let Some(address) = self.webhook {
            let url = hook(address);
            text.push_str(&format!("[[channel]]\nname = \"sink\"\ntype = \"webhook\"\nurl = \"{url}\"\n"));
        }
        text
    }
}

fn hook(sink: SocketAddr) -> String {
    format!("http://{sink}/hook")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(system: System) -> Program {
        let webhook = Some("127.0.0.1:9000".parse().unwrap());
        let redis = system.wants_redis().then(|| "redis://127.0.0.1:6379".to_owned());
        let database = system.wants_database().then(|| "postgres://bongsu@127.0.0.1:5432/run_1".to_owned());
        Program { system, path: PathBuf::new(), webhook, redis, database }
    }

    #[test]
    fn a_bongsu_with_stores_is_configured_like_one_without_but_for_these() {
        let configuration = |system| {
            let text = program(system).configuration("127.0.0.1:8505".parse().unwrap(), Path::new("data"));
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let (own, shared) = (configuration(System::Bongsu), configuration(System::BongsuStores));
        let only = |these: &[String], others: &[String]| {
            these.iter().filter(|line| !others.contains(line)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(only(&own, &shared), [r#"url = "sqlite:data/bongsu.db""#]);
        let stores =
            [r#"url = "postgres://bongsu@127.0.0.1:5432/run_1""#, "[cache]", r#"url = "redis://127.0.0.1:6379""#];
        assert_eq!(only(&shared, &own), stores);
    }

    #[test]
    fn the_naive_server_is_told_how_to_count_and_where_to_send() {
        let (address, folder) = ("127.0.0.1:8505".parse().unwrap(), Path::new(""));
        let told = program(System::Script).arguments(address, folder).unwrap().join(" ");
        let redis = "--redis redis://127.0.0.1:6379";
        assert_eq!(told, format!("127.0.0.1:8505 --mode script {redis} --webhook http://127.0.0.1:9000/hook"));
        let nowhere = Program { redis: None, ..program(System::Naive) };
        assert!(nowhere.arguments(address, folder).is_err());
    }
}
