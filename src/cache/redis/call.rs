//! Calls: scripts and commands for a slot, and what comes of them.
//!
//! Promises: one round trip to each server for what is asked together, within one time limit for all of it; what one
//! server does not answer is missing alone. What a server certainly did not carry out (a script that it does not know, a
//! slot that has moved) is sent again; nothing else is. Deliberately not here: what the scripts do.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::{Arg, Cmd, Pipeline, ServerError, ServerErrorKind, Value};
use futures_util::future::join_all;

use super::super::settings::Address;
use super::super::{Error, ErrorKind};
use super::node::{Node, kind_of};
use super::topology::Topology;

/// How often a call is sent at most: once, after a redirection, after the script was missing there too.
const ROUNDS: usize = 4;
const NOBODY_SAID: &str = "no server said in time who has the data";

/// A Lua script, known to servers by its hash.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Script {
        Script { text, hash: ::redis::Script::new(text).get_hash().to_owned() }
    }
}

/// A question to the server of one slot.
pub(super) struct Call {
    slot: u16,
    command: Cmd,
    script: Option<&'static Script>,
}

impl Call {
    /// A script with its keys, which all lie in `slot`. The arguments are still to be added.
    pub(super) fn script(slot: u16, script: &'static Script, keys: &[String]) -> Call {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(&script.hash).arg(keys.len()).arg(keys);
        Call { slot, command, script: Some(script) }
    }

    /// A command.
    pub(super) fn plain(slot: u16, name: &str) -> Call {
        let mut command = Cmd::new();
        command.arg(name);
        Call { slot, command, script: None }
    }

    /// Adds an argument.
    pub(super) fn arg(&mut self, argument: impl ::redis::ToRedisArgs) -> &mut Call {
        self.command.arg(argument);
        self
    }

    /// The same with the script's text instead of its hash; the server knows the script from then on.
    fn spell_out(&mut self) {
        let Some(script) = self.script.take() else { return };
        let mut command = Cmd::new();
        command.arg("EVAL").arg(script.text);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        self.command = command;
    }
}

/// What one server gets of a round.
struct Parcel {
    node: Arc<Node>,
    /// Which calls, and whether the server has to be told that it is about to get the slot.
    calls: Vec<(usize, bool)>,
}

/// Where a call goes.
#[derive(Clone)]
enum Route {
    /// To the server of its slot.
    Slot,
    /// To where a server said the slot has moved.
    Moved(Address),
    /// To where a server said the slot is just moving.
    Ask(Address),
}

/// Asks all of it at once. Answers in order.
pub(super) async fn ask(topology: &Topology, mut calls: Vec<Call>, bound: Duration) -> Vec<Result<Value, Error>> {
    let mut answers: Vec<Option<Result<Value, Error>>> = calls.iter().map(|_| None).collect();
    let mut waiting: Vec<(usize, Route)> = (0..calls.len()).map(|index| (index, Route::Slot)).collect();
    // The one limit for all rounds.
    let until = tokio::time::sleep(bound).deadline();
    for round in 1..=ROUNDS {
        let sent = deliver(topology, &calls, std::mem::take(&mut waiting), until).await;
        for (index, answer) in sent {
            let again = match &answer {
                Ok(Value::ServerError(error)) => again(topology, error, &mut calls[index]),
                _ => None,
            };
            match again {
                Some(route) if round < ROUNDS => waiting.push((index, route)),
                _ => answers[index] = Some(answer.and_then(refused)),
            }
        }
        if waiting.is_empty() {
            break;
        }
    }
    answers.into_iter().map(|answer| answer.expect("every call was answered")).collect()
}

/// Where to send a call again after a server's error, if that makes sense.
fn again(topology: &Topology, error: &ServerError, call: &mut Call) -> Option<Route> {
    match error.kind()? {
        ServerErrorKind::NoScript => {
            call.spell_out();
            Some(Route::Slot)
        }
        kind @ (ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            let (host, port) = error.details()?.split_whitespace().nth(1)?.rsplit_once(':')?;
            let address = Address { host: host.trim_matches(['[', ']']).to_owned(), port: port.parse().ok()? };
            if kind == ServerErrorKind::Ask {
                return Some(Route::Ask(address));
            }
            topology.doubt();
            Some(Route::Moved(address))
        }
        // A master that has become a replica: there is another one.
        ServerErrorKind::ReadOnly => {
            topology.doubt();
            Some(Route::Slot)
        }
        _ => None,
    }
}

fn refused(value: Value) -> Result<Value, Error> {
    let Value::ServerError(error) = value else { return Ok(value) };
    let why = error.to_string();
    match error.kind() {
        // A script that broke off may have written before.
        Some(ServerErrorKind::ResponseError) => Err(Error::new(ErrorKind::Refused, why).after_sending()),
        Some(kind) => Err(Error::new(kind_of(kind), why)),
        None => Err(Error::new(ErrorKind::Refused, why)),
    }
}

/// One round: a pipeline to each server.
async fn deliver(
    topology: &Topology,
    calls: &[Call],
    waiting: Vec<(usize, Route)>,
    until: tokio::time::Instant,
) -> Vec<(usize, Result<Value, Error>)> {
    let mut answers = Vec::with_capacity(waiting.len());
    let mut lost: Option<Error> = None;
    let mut by_node: HashMap<String, Parcel> = HashMap::new();
    for (index, route) in waiting {
        let asking = matches!(route, Route::Ask(_));
        let node = match &route {
            Route::Moved(address) | Route::Ask(address) => topology.at(address),
            // Who cannot be found once cannot be found for the rest of the round.
            Route::Slot => match &lost {
                Some(error) => Err(Error::clone(error)),
                None => {
                    let node = tokio::time::timeout_at(until, topology.node(calls[index].slot)).await;
                    node.unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, NOBODY_SAID)))
                        .inspect_err(|error| lost = Some(error.clone()))
                }
            },
        };
        match node {
            Ok(node) => by_node
                .entry(node.name().to_owned())
                .or_insert_with(|| Parcel { node, calls: Vec::new() })
                .calls
                .push((index, asking)),
            Err(error) => answers.push((index, Err(error))),
        }
    }
    let sent = join_all(by_node.into_values().map(async |parcel| {
        let answered = send(topology, &parcel, calls, until).await;
        parcel.calls.into_iter().map(|(index, _)| index).zip(answered).collect::<Vec<_>>()
    }));
    answers.extend(sent.await.into_iter().flatten());
    answers
}

/// A pipeline to one server.
async fn send(
    topology: &Topology,
    parcel: &Parcel,
    calls: &[Call],
    until: tokio::time::Instant,
) -> Vec<Result<Value, Error>> {
    let Parcel { node, calls: indexes } = parcel;
    let mut pipeline = Pipeline::with_capacity(indexes.len());
    for (index, asking) in indexes {
        if *asking {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(calls[*index].command.clone());
    }
    let sent = AtomicBool::new(false);
    let answered = tokio::time::timeout_at(until, node.send(&pipeline, &sent)).await.unwrap_or_else(|_| {
        node.give_up();
        let error = Error::new(ErrorKind::TimedOut, node.name());
        Err(if sent.load(Ordering::Relaxed) { error.after_sending() } else { error })
    });
    match answered {
        Err(error) => {
            topology.doubt();
            vec![Err(error); indexes.len()]
        }
        Ok(values) => {
            let mut values = values.into_iter();
            let mut next = |asking: &bool| {
                if *asking {
                    values.next();
                }
                let nothing = || Error::new(ErrorKind::WrongAnswer, format!("{} answered too little", node.name()));
                values.next().ok_or_else(nothing)
            };
            indexes.iter().map(|(_, asking)| next(asking)).collect()
        }
    }
}

/// Asks every server that has data the same thing. All have to answer.
pub(super) async fn ask_servers(topology: &Topology, command: &str, bound: Duration) -> Result<Vec<Value>, Error> {
    let until = tokio::time::sleep(bound).deadline();
    let nodes = tokio::time::timeout_at(until, topology.all()).await;
    let nodes = nodes.unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, NOBODY_SAID)))?;
    let calls = [Call::plain(0, command)];
    let asked = nodes.into_iter().map(async |node| {
        let parcel = Parcel { node, calls: vec![(0, false)] };
        send(topology, &parcel, &calls, until).await.remove(0)
    });
    join_all(asked).await.into_iter().map(|answer| answer.and_then(refused)).collect()
}
