//! bongsu: self-hosted, real-time error alerts. The same error at most five times in a window, nothing lost silently.
//!
//! # The path of an event
//!
//! `ingest` reads a request (native JSON, Sentry's protocol) into bounded [`event::Event`]s. `river` carries each one
//! on: `scrub` takes secrets and personal data out, `normalize` removes what varies between two occurrences of the same
//! error, `fingerprint` makes its identity, `deliver` says which route and policy it falls under. `admit` has the `cache`
//! count it, when several pods share one and the error is quiet; otherwise it counts and decides, together with everything
//! that arrived meanwhile, in one transaction of the `archive`. Only then is it acknowledged. A granted alert is written in that same transaction with one delivery for each channel; `deliver`
//! sends those until the far side has taken them. `web` answers questions about all of it.
//!
//! Deliberately not here: a clock. `now` is an argument; `server` reads it.

mod admit;
pub mod alert;
mod archive;
mod cache;
pub mod cli;
pub mod config;
#[cfg(test)]
mod cost;
mod deliver;
pub mod event;
pub mod fingerprint;
mod gate;
mod health;
mod http;
mod ingest;
pub mod issue;
mod keys;
mod matching;
mod metrics;
pub mod normalize;
mod outcome;
mod river;
mod scrub;
mod server;
#[cfg(test)]
#[path = "../tests/servers/mod.rs"]
mod servers;
#[cfg(test)]
mod sim;
mod storm;
pub mod time;
mod watch;
mod web;

pub use config::Config;
pub use server::{Again, Server};
