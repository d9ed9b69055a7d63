//! The channel `email`: a mail of text and HTML.
//!
//! Promises: pure; a delivery is the same mail at every attempt, with the alert's moment for its date, so that one sent
//! twice is recognised; the mails of an issue refer to one (which never was) and so make a thread.
//! Text from outside is escaped in HTML, and cannot add a header. Deliberately not here: the connection (`courier`), and
//! recipients one by one: a server that refuses one recipient refuses the mail.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, MultiPartKind, SinglePart};

use crate::alert::{Attempt, Delivery};
use crate::config::{self, Secret};
use crate::time::Time;

use super::judge::{Fate, judge_read};
use super::links::Link;
use super::markup::{Form, html, utf16, written};
use super::message::{Message, Style};
use super::parcel::{Failure, Parcel, Reply};
use super::smtp::Server;

/// A line of a head has 998 characters (RFC 5322); a subject is read in a list.
const SUBJECT_CHARS: usize = 250;

/// A compiled channel.
#[derive(Clone, Debug)]
pub(crate) struct Email {
    server: Server,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    /// The configured channel, which writes to those whom owners `mention` besides.
    pub(crate) fn of<'a>(
        channel: &config::Channel,
        mut mentions: impl Iterator<Item = &'a str>,
        allow_private: bool,
    ) -> Result<Email, String> {
        let mailbox = |key: &str, text: &str| {
            text.parse::<Mailbox>().map_err(|why| {
                format!("`{key}`: {text:?} is not an address such as \"bongsu <alerts@example.com>\": {why}")
            })
        };
        mentions.try_for_each(|mention| mailbox("mention", mention).map(drop))?;
        let smtp = channel.smtp.clone().unwrap_or_else(|| Secret::new(""));
        Ok(Email {
            server: Server::read(&smtp, allow_private).map_err(|why| format!("`smtp`: {why}"))?,
            from: mailbox("from", channel.from.as_deref().unwrap_or_default())?,
            to: channel.to.iter().map(|to| mailbox("to", to)).collect::<Result<_, _>>()?,
        })
    }

    /// The delivery as a mail.
    pub(crate) fn compose(&self, delivery: &Delivery, style: &Style) -> Parcel {
        let alert = &delivery.alert;
        let mut message = Message::of_delivery(delivery, style);
        // Whom others mention is written to.
        let called = message.mention.take().and_then(|mention| mention.parse::<Mailbox>().ok());
        let to: Vec<&Mailbox> = self
            .to
            .iter()
            .chain(called.as_ref().filter(|called| !self.to.iter().any(|to| to.email == called.email)))
            .collect();
        let letter = Letter::of(&message);
        let domain = self.from.email.domain();
        let thread = format!("<{}@{domain}>", alert.fingerprint);
        let (opened, kind, ordinal) = (alert.window_opened_at.ms(), alert.kind.name(), alert.ordinal);
        let id = format!("<{}.{opened}.{kind}.{ordinal}@{domain}>", alert.fingerprint);
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(alert.granted_at.ms()).unwrap_or(0)))
            .message_id(Some(id))
            .in_reply_to(thread.clone())
            .references(thread)
            .subject(letter.subject)
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Bongsu-Fingerprint", &alert.fingerprint.to_string()));
        for to in &to {
            mail = mail.to(Mailbox::clone(to));
        }
        // Base64 has no underscore, so the boundary is in no part.
        let boundary = format!("=_bongsu_{opened}_{ordinal}");
        let parts = MultiPart::builder()
            .kind(MultiPartKind::Alternative)
            .boundary(boundary)
            .singlepart(part(ContentType::TEXT_PLAIN, letter.text))
            .singlepart(part(ContentType::TEXT_HTML, letter.html));
        let built = mail.multipart(parts).map(|mail| Bytes::from(mail.formatted())).unwrap_or_default();
        Parcel::Mail {
            server: self.server.clone(),
            from: self.from.email.to_string(),
            to: to.iter().map(|to| to.email.to_string()).collect(),
            message: built,
        }
    }
}

/// What is read of a mail.
pub(crate) struct Letter {
    /// Its subject.
    pub(crate) subject: String,
    /// It for programs that show text.
    pub(crate) text: String,
    /// It for programs that show HTML.
    pub(crate) html: String,
}

impl Letter {
    /// A message as a mail tells it.
    pub(crate) fn of(message: &Message) -> Letter {
        Letter {
            subject: super::text::cut(&message.title, SUBJECT_CHARS).into_owned(),
            text: message.text(),
            html: page(message),
        }
    }
}

/// Judges a server's answer: 4xx may pass, 5xx will not (RFC 5321).
pub(crate) fn judge(brought: &Result<Reply, Failure>, hidden: &[String], now: Time) -> Attempt {
    judge_read(brought, hidden, now, |reply| match reply.status {
        400..=499 => Some(Fate::Temporary),
        500..=599 => Some(Fate::Permanent),
        _ => None,
    })
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn part(kind: ContentType, text: String) -> SinglePart {
    let encoded = Body::new_with_encoding(text, ContentTransferEncoding::Base64);
    SinglePart::builder().header(kind).body(encoded.unwrap_or_else(Body::new))
}

/// The message as HTML that mail programs show: no style sheet, no picture, nothing that is fetched.
fn page(message: &Message) -> String {
    const MONO: &str = "font-family:monospace;white-space:pre-wrap;background:#f4f4f5;padding:8px;margin:8px 0";
    let mut out =
        format!("<!doctype html><html><body style=\"font-family:sans-serif\"><h3>{}</h3>", shown(&message.title));
    out.push_str(&format!("<p>{}</p>", shown(&message.why)));
    if !message.detail.is_empty() {
        out.push_str(&format!("<pre style=\"{MONO}\">{}</pre>", shown(&message.detail)));
    }
    out.push_str("<table>");
    for field in &message.fields {
        let value = shown(&field.value);
        let value = if field.code { format!("<code>{value}</code>") } else { value };
        out.push_str(&format!("<tr><th align=\"left\" valign=\"top\">{}</th><td>{value}</td></tr>", field.label));
    }
    out.push_str("</table>");
    if !message.frames.is_empty() {
        out.push_str(&format!("<pre style=\"{MONO}\">{}</pre>", shown(&message.frames.join("\n"))));
    }
    let link = |link: &Link| format!("<a href=\"{}\">{}</a>", shown(&link.url), shown(&link.label));
    let links: Vec<String> = message.links.iter().map(link).collect();
    out.push_str(&format!("<p>{}</p></body></html>\n", links.join(" · ")));
    out
}

/// A mail mentions nobody, so an `@` stays as it is.
fn shown(text: &str) -> String {
    written(text, usize::MAX, utf16, |c| match html(c) {
        Form::After(_) => Form::Same,
        form => form,
    })
}

#[cfg(test)]
mod tests;
