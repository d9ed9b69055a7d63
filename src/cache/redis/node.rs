//! One server, and a connection to it that heals.
//!
//! Promises: one multiplexed connection, made when it is first needed and again after it broke; nothing is ever sent
//! twice. Deliberately not here: which server to ask, and the time limit: whoever calls gives up when they must, and
//! [`Node::give_up`] then lets go of a connection that does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, ErrorKind as Kind, Pipeline, PushInfo, PushKind, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::super::{Error, ErrorKind};

/// A server.
pub(super) struct Node {
    client: Client,
    /// For messages: its address.
    name: String,
    connection: Mutex<Option<Connection>>,
}

#[derive(Clone)]
struct Connection {
    inner: MultiplexedConnection,
    /// Set by the library when the connection ends, so that the next call does not have to find out by failing.
    broken: Arc<AtomicBool>,
}

impl Node {
    pub(super) fn new(client: Client, name: String) -> Node {
        Node { client, name, connection: Mutex::default() }
    }

    /// Its address, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sends commands together. Answers one value each, which may be a server's error; an `Err` is everybody's. `sent` is
    /// set before anything is sent, for callers that give up.
    pub(super) async fn send(&self, commands: &Pipeline, sent: &AtomicBool) -> Result<Vec<Value>, Error> {
        let mut connection = self.connect().await?;
        sent.store(true, Ordering::Relaxed);
        let answered = connection.inner.send_packed_commands(commands, 0, commands.len()).await;
        answered.map_err(|error| {
            connection.broken.store(true, Ordering::Relaxed);
            self.failed(&error).after_sending()
        })
    }

    /// Lets go of the connection: the next call makes a new one. Calls that still wait for it may be answered.
    pub(super) fn give_up(&self) {
        // Whoever holds the lock is connecting anew.
        if let Ok(connection) = self.connection.try_lock()
            && let Some(connection) = connection.as_ref()
        {
            connection.broken.store(true, Ordering::Relaxed);
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.broken.load(Ordering::Relaxed)) {
            return Ok(connection.clone());
        }
        *held = None;
        let broken = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&broken);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    noticed.store(true, Ordering::Relaxed);
                }
                Ok::<(), ::redis::aio::SendError>(())
            });
        let inner = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = Connection { inner: inner.map_err(|error| self.failed(&error))?, broken };
        *held = Some(connection.clone());
        Ok(connection)
    }

    /// A library's error in the cache's words. It never quotes a password: the server does not, and the library neither.
    fn failed(&self, error: &::redis::RedisError) -> Error {
        let why = format!("{}: {error}", self.name);
        match error.kind() {
            Kind::Server(kind) => Error::new(kind_of(kind), why),
            Kind::AuthenticationFailed | Kind::Extension | Kind::RESP3NotSupported => {
                Error::new(ErrorKind::Refused, why)
            }
            Kind::Io if error.is_timeout() => Error::new(ErrorKind::TimedOut, why),
            Kind::Parse | Kind::UnexpectedReturnType => Error::new(ErrorKind::WrongAnswer, why),
            _ => Error::new(ErrorKind::Unreachable, why),
        }
    }
}

/// What a server's error means. All of them say that the command was not carried out.
pub(super) fn kind_of(kind: ServerErrorKind) -> ErrorKind {
    match kind {
        ServerErrorKind::BusyLoading | ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown => {
            ErrorKind::Unreachable
        }
        _ => ErrorKind::Refused,
    }
}
