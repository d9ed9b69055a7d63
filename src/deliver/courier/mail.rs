//! The courier's second way: a mail, by SMTP.
//!
//! Promises: the same rule for addresses as over HTTP, at the moment of the connection, while the certificate must be
//! the name's; one connection a mail, and its answer is the one to the mail,
//! whatever comes of the goodbye. Deliberately not here: the time limit, which is the courier's.

use std::net::SocketAddr;
use std::time::Duration;

use lettre::address::{Address, Envelope};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;

use super::super::parcel::{Failure, Reply};
use super::super::smtp::{Server, Tls};
use super::address;
use super::handed::Handed;

/// One of several addresses that takes longer than this does not answer; the next is tried.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// A server that takes longer to answer a goodbye is left without.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Hands the mail over, and brings back what the server said.
pub(super) async fn send(
    server: &Server,
    from: &str,
    to: &[String],
    message: &[u8],
    allow_private: bool,
    handed: &Handed,
) -> Result<Reply, Failure> {
    let read = |text: &str| text.parse::<Address>().map_err(|why| Failure::Invalid(why.to_string()));
    let to = to.iter().map(|to| read(to)).collect::<Result<_, _>>()?;
    let envelope = Envelope::new(Some(read(from)?), to).map_err(|why| Failure::Invalid(why.to_string()))?;
    let addresses = addresses(server, allow_private).await?;
    let mut connection = match connected(server, &addresses).await? {
        Ok(connection) => connection,
        Err(error) => return answered(&error, Failure::Connect),
    };
    match handed_over(&mut connection, &envelope, message, handed).await {
        Ok(answer) => {
            part(connection);
            let body = answer.message().collect::<Vec<_>>().join(" ").into_bytes();
            Ok(Reply { status: answer.code().into(), retry_after: None, body })
        }
        Err(error) if handed.is_marked() => answered(&error, Failure::Broken),
        Err(error) => answered(&error, Failure::Connect),
    }
}

/// The transaction of RFC 5321. The library's own does not say how far it came, and from the end of `DATA` on the server
/// may have taken the mail.
async fn handed_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
    handed: &Handed,
) -> Result<Response, Error> {
    let mut options = Vec::new();
    let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    if !envelope.to().iter().chain(envelope.from()).all(is_ascii) {
        options.push(MailParameter::SmtpUtfEight);
    }
    if !message.is_ascii() {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection.command(Mail::new(envelope.from().cloned(), options)).await?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await?;
    }
    connection.command(Data).await?;
    handed.mark();
    connection.message(message).await
}

/// Greets the server, and logs in where there is a login.
pub(super) async fn greet(server: &Server, allow_private: bool) -> Result<(), String> {
    let addresses = addresses(server, allow_private).await.map_err(|failure| failure.to_string())?;
    match connected(server, &addresses).await.map_err(|failure| failure.to_string())? {
        Err(error) => Err(error.to_string()),
        Ok(connection) => {
            part(connection);
            Ok(())
        }
    }
}

/// Says goodbye, which nobody waits for: what the server answered before stands, and one that never answers `QUIT` must
/// not get the same mail again.
fn part(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move {
        let _ = tokio::time::timeout(GOODBYE_MAX, connection.abort()).await;
    });
}

/// Those of the server's addresses that may be reached.
async fn addresses(server: &Server, allow_private: bool) -> Result<Vec<SocketAddr>, Failure> {
    let mut why = Failure::Connect(format!("{} has no address", server.host));
    let mut allowed = Vec::new();
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
    for found in found.map_err(|error| Failure::Connect(error.to_string()))? {
        match address::check(found.ip(), allow_private) {
            Ok(()) => allowed.push(found),
            Err(refused) => why = Failure::Address(refused.to_string()),
        }
    }
    if allowed.is_empty() { Err(why) } else { Ok(allowed) }
}

/// A connection that is as private as it should be, and logged in. The name is for the certificate alone.
async fn connected(server: &Server, addresses: &[SocketAddr]) -> Result<Result<AsyncSmtpConnection, Error>, Failure> {
    let (hello, patience) = (ClientId::default(), Some(CONNECT_MAX));
    let wrapped = if server.tls == Tls::Implicit { Some(certified(server)?) } else { None };
    let upgraded = if server.tls == Tls::Upgraded { Some(certified(server)?) } else { None };
    let greeted = async {
        let mut connection = AsyncSmtpConnection::connect_tokio1(addresses, patience, &hello, wrapped, None).await?;
        if let Some(tls) = upgraded {
            connection.starttls(tls, &hello).await?;
        }
        if let Some((user, password)) = &server.login {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    };
    Ok(greeted.await)
}

/// Whose certificate is taken: one for the server's name, by an authority of the system or the configured one.
fn certified(server: &Server) -> Result<TlsParameters, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::Connect(why.to_string());
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.ca {
        let pem = std::fs::read(path).map_err(|why| failed(&format_args!("{}: {why}", path.display())))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|why| failed(&why))?);
    }
    builder.build().map_err(|why| failed(&why))
}

/// An answer that is a refusal is an answer all the same; without one, it depends on how far it had come.
fn answered(error: &Error, otherwise: fn(String) -> Failure) -> Result<Reply, Failure> {
    let said = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match error.status() {
        Some(code) => Ok(Reply { status: code.into(), retry_after: None, body: said.into_bytes() }),
        None => Err(otherwise(said)),
    }
}
