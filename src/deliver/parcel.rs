//! A parcel: what a channel hands to the courier; and what the courier brings back.
//!
//! Promises: plain values, whose `Debug` shows no secret and no payload. Deliberately not here: what an answer means;
//! `judge` says that.

use std::fmt;

use bytes::Bytes;

use crate::config::Secret;

use super::smtp::Server;

/// What is to be carried.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Parcel {
    /// An HTTP POST.
    Post {
        /// Where to; a webhook's URL is its password.
        url: Secret,
        /// Names and values.
        headers: Vec<(String, Secret)>,
        /// The payload.
        body: Bytes,
    },
    /// An HTTP PUT.
    Put {
        /// Where to.
        url: Secret,
        /// Names and values.
        headers: Vec<(String, Secret)>,
        /// The payload.
        body: Bytes,
    },
    /// A mail.
    Mail {
        /// Which server takes it.
        server: Server,
        /// The sender's address, for the server.
        from: String,
        /// The recipients' addresses, for the server.
        to: Vec<String>,
        /// Head and body, for the recipients.
        message: Bytes,
    },
    /// Text for standard output.
    Print(String),
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Parcel::Post { body, .. } => write!(f, "Post({} bytes)", body.len()),
            Parcel::Put { body, .. } => write!(f, "Put({} bytes)", body.len()),
            Parcel::Mail { message, .. } => write!(f, "Mail({} bytes)", message.len()),
            Parcel::Print(text) => write!(f, "Print({} bytes)", text.len()),
        }
    }
}

/// What the far side answered. A parcel that was printed is answered with 200, a mail with the code of SMTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The HTTP status, or the SMTP code.
    pub(crate) status: u16,
    /// `Retry-After`, as sent.
    pub(crate) retry_after: Option<String>,
    /// The beginning of the answer.
    pub(crate) body: Vec<u8>,
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The parcel was sent, and no answer came in time. Whether the far side took it is unknown.
    #[error("no answer in time")]
    Timeout,
    /// No connection, or it broke before the parcel was given to it: name, network or TLS.
    #[error("no connection: {0}")]
    Connect(String),
    /// The address is one that bongsu does not send to.
    #[error("{0}")]
    Address(String),
    /// The connection broke after the parcel was given to it, before an answer. Whether the far side took the parcel is unknown.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Standard output did not take the text.
    #[error("standard output: {0}")]
    Print(String),
    /// The parcel is no valid request; no further try will make it one.
    #[error("not a valid request: {0}")]
    Invalid(String),
}
