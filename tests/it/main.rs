//! Tests through the public doors: the real binary, real sockets, real clients.

#![allow(clippy::print_stderr, missing_docs, unreachable_pub)]

mod api;
mod archive;
mod channels;
mod cli;
mod clients;
mod crash;
mod delivery;
mod first_light;
mod harness;
mod hostile;
mod pods;
mod readme;
mod reload;
mod routing;
mod rules;
mod runtimes;
mod sameness;
#[path = "../servers/mod.rs"]
mod servers;
mod slack_app;
mod start;
mod stores;
mod storms;
mod templates;
mod tidy;
mod upgrade;
mod watch;
