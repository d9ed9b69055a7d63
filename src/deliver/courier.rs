//! The courier: the only door through which messages leave.
//!
//! Promises: one attempt a call; it never follows a redirect, never asks a proxy of the environment, never connects to
//! an address that `address` refuses, never waits longer than its time limit, and never reads more of an answer than
//! people will be shown; and it tells what was never sent from what nobody knows the fate of. Deliberately not here: retries (the archive remembers them), and what an answer means.

mod handed;
mod mail;

use std::error::Error as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use tokio::sync::Mutex;

use crate::config::{Outgoing, Secret};

use super::address;
use super::parcel::{Failure, Parcel, Reply};
use super::smtp::Server;
use handed::{Handed, Payload};

/// Beyond this nothing is read: an answer explains itself in its first lines, or not at all.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A connection that takes longer than this will not come; the rest of the time limit is for the answer.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Shorter than the idle limit of common load balancers (60 s), or the first request after a pause would meet a
/// connection that is closed already.
const IDLE_MAX: Duration = Duration::from_secs(45);

/// Carries parcels. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Courier {
    client: reqwest::Client,
    allow_private: bool,
    timeout: Duration,
    /// At most one thread waits for standard output, however long the far end of the pipe sleeps.
    stdout: Arc<Mutex<()>>,
}

impl Courier {
    /// A courier that takes at most `timeout` for a parcel.
    pub(crate) fn new(outgoing: &Outgoing, timeout: Duration) -> anyhow::Result<Courier> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // The error is that another thread was faster, with the same provider.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let allow_private = outgoing.allow_private;
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .dns_resolver(Guard { allow_private })
                .timeout(timeout)
                .connect_timeout(timeout.min(CONNECT_MAX))
                .pool_idle_timeout(IDLE_MAX)
        };
        let client = builder().build().or_else(|error| {
            // A minimal container has no certificates; console and http:// channels work without.
            tracing::warn!(error = chain(&error), "no certificate authorities: https:// channels cannot be reached");
            builder().tls_certs_only([]).build().context("cannot make an HTTP client")
        })?;
        Ok(Courier { client, allow_private, timeout, stdout: Arc::default() })
    }

    /// Carries one parcel, and brings back what the far side said.
    pub(crate) async fn carry(&self, parcel: Parcel) -> Result<Reply, Failure> {
        match parcel {
            Parcel::Post { url, headers, body } => self.request(Method::POST, &url, &headers, body).await,
            Parcel::Put { url, headers, body } => self.request(Method::PUT, &url, &headers, body).await,
            Parcel::Mail { server, from, to, message } => {
                let handed = Handed::default();
                let sent = mail::send(&server, &from, &to, &message, self.allow_private, &handed);
                tokio::time::timeout(self.timeout, sent).await.unwrap_or_else(|_| Err(late(&handed)))
            }
            Parcel::Print(text) => self.print(text).await,
        }
    }

    /// Greets a mail server and logs in, and sends nothing.
    pub(crate) async fn greet(&self, smtp: &Secret) -> Result<(), String> {
        let server = Server::read(smtp, self.allow_private)?;
        let greeted = tokio::time::timeout(self.timeout, mail::greet(&server, self.allow_private)).await;
        greeted.unwrap_or_else(|_| Err(Failure::Timeout.to_string()))
    }

    /// Connects to where a URL points and sends nothing. The error never quotes the URL.
    pub(crate) async fn reach(&self, url: &Secret) -> Result<(), String> {
        let url = address::check_url(url.expose(), self.allow_private)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let connected = async {
            let mut why = format!("{host} has no address");
            for found in tokio::net::lookup_host((host.as_str(), port)).await.map_err(|error| error.to_string())? {
                match address::check(found.ip(), self.allow_private) {
                    Ok(()) => match tokio::net::TcpStream::connect(found).await {
                        Ok(_) => return Ok(()),
                        Err(error) => why = format!("{found}: {error}"),
                    },
                    Err(refused) => why = refused.to_string(),
                }
            }
            Err(why)
        };
        let in_time = tokio::time::timeout(self.timeout.min(CONNECT_MAX), connected).await;
        in_time.unwrap_or_else(|_| Err(format!("{host}:{port}: no connection in time")))
    }

    async fn request(
        &self,
        method: Method,
        url: &Secret,
        headers: &[(String, Secret)],
        body: bytes::Bytes,
    ) -> Result<Reply, Failure> {
        // The resolver is not asked about an address that is written out.
        let url = address::check_url(url.expose(), self.allow_private).map_err(Failure::Address)?;
        let headers = headers.iter().map(|(name, value)| check_header(name, value)).collect::<Result<HeaderMap, _>>();
        let handed = Handed::default();
        let body = reqwest::Body::wrap(Payload::new(body, handed.clone()));
        let request = self.client.request(method, url).headers(headers.map_err(Failure::Invalid)?).body(body);
        let mut response = request.send().await.map_err(|error| failure(&error, &handed))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut reply = Reply { status: response.status().as_u16(), retry_after, body: Vec::new() };
        // The status decides. An answer that breaks off here only explains itself worse; to call it a failure would
        // send the message twice.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ANSWER_BYTES_MAX - reply.body.len();
            reply.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        Ok(reply)
    }

    async fn print(&self, text: String) -> Result<Reply, Failure> {
        let turn = Arc::clone(&self.stdout).lock_owned();
        let printed = async {
            let turn = turn.await;
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            })
            .await
        };
        match tokio::time::timeout(self.timeout, printed).await {
            Ok(Ok(Ok(()))) => Ok(Reply { status: 200, ..Reply::default() }),
            Ok(Ok(Err(error))) => Err(Failure::Print(error.to_string())),
            Ok(Err(error)) => Err(Failure::Print(error.to_string())),
            Err(_) => Err(Failure::Timeout),
        }
    }
}

/// A header that can be sent. The error never quotes the value.
pub(crate) fn check_header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a header's name"))?;
    let mut value = HeaderValue::from_bytes(value.expose().as_bytes())
        .map_err(|_| format!("the value of {name} has characters that a header cannot have"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// Resolves names as the system does, and drops the addresses that must not be reached. At connect time, so that a
/// name cannot point elsewhere between a check and its use.
struct Guard {
    allow_private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let mut refused = None;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            for found in tokio::net::lookup_host((name.as_str(), 0)).await? {
                match address::check(found.ip(), allow_private) {
                    Ok(()) => allowed.push(found),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if allowed.is_empty() => Err(why.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// The time limit was reached.
fn late(handed: &Handed) -> Failure {
    if handed.is_marked() { Failure::Timeout } else { Failure::Connect("none in time".to_owned()) }
}

fn failure(error: &reqwest::Error, handed: &Handed) -> Failure {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<address::Refused>() {
            return Failure::Address(refused.to_string());
        }
        cause = inner.source();
    }
    match error {
        e if e.is_timeout() => late(handed),
        e if e.is_builder() => Failure::Invalid(chain(e)),
        e if e.is_connect() || !handed.is_marked() => Failure::Connect(chain(e)),
        e => Failure::Broken(chain(e)),
    }
}

/// The innermost cause: the outer ones quote the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.is::<reqwest::Error>() {
        true => "the request could not be sent".to_owned(),
        false => cause.to_string(),
    }
}

#[cfg(test)]
mod tests;
