//! `bongsu project`: who may send.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

use super::{archive, print};
use crate::config::{Config, check_project_name};
use crate::keys;
use crate::server;

#[derive(Subcommand)]
pub(super) enum Project {
    /// Make a project and print its DSN and key, which are shown once
    Add {
        /// The project's name: the module of events that name none
        name: String,
        /// Make another key when the project is there already; its other keys stay good
        #[arg(long)]
        new_key: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// List the projects
    List {
        /// For machines
        #[arg(long)]
        json: bool,
    },
}

impl Project {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        match self {
            Project::Add { name, new_key, json } => add(&config, name, new_key, json).await?,
            Project::List { json } => list(&config, json).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn add(config: &Config, name: String, new_key: bool, json: bool) -> Result<()> {
    if let Err(why) = check_project_name(&name) {
        bail!("{name:?}: {why}");
    }
    let archive = archive(config).await?;
    if !new_key && archive.projects().await?.iter().any(|project| *project.name == *name) {
        bail!("there is a project {name:?} already; `bongsu project add {name} --new-key` makes another key for it");
    }
    let key = keys::new_key();
    let id = archive.add_project(name.clone(), server::now()).await?;
    archive.add_key(id, keys::hash(&key), server::now()).await?;
    let dsn = dsn(&config.public_url(), &key, id);
    if json {
        print::json(&json!({ "id": id, "name": name, "key": key, "dsn": dsn }));
    } else {
        print::line(&format!("project  {name}\nDSN      {dsn}\nkey      {key}"));
        print::error("Keep them: they are shown once, only a hash is stored.");
    }
    Ok(())
}

async fn list(config: &Config, json: bool) -> Result<()> {
    let projects = archive(config).await?.projects().await?;
    if json {
        let projects: Vec<_> = projects
            .iter()
            .map(|p| json!({ "id": p.id, "name": &*p.name, "keys": p.keys, "created_at": p.created_at.to_string() }))
            .collect();
        print::json(&projects);
        return Ok(());
    }
    for project in &projects {
        let keys = if project.keys == 1 { "1 key".to_owned() } else { format!("{} keys", project.keys) };
        print::line(&format!("{:>4}  {:<32} {keys}, made {}", project.id, project.name, project.created_at));
    }
    Ok(())
}

/// A Sentry DSN: the key as user, the project's number as path.
pub(crate) fn dsn(public_url: &str, key: &str, project: i64) -> String {
    let (scheme, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    format!("{scheme}://{key}@{rest}/{project}")
}
