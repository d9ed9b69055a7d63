//! The channel `email`: a mail of text and HTML.
//!
//! Promises: pure; a delivery is the same mail at every attempt, with the alert's moment for its date, so that one sent
//! twice is recognised; the mails of an issue refer to one (which never was) and so make a thread.
//! Text from outside is escaped in HTML, and cannot add a header. Deliberately not here: the connection (`courier`), and
//! recipients one by one: a server that refuses one recipient refuses the mail.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Mailboxes, MultiPart, MultiPartKind, SinglePart};

use crate::alert::{Attempt, Delivery};
use crate::config::{self, Secret};
use crate::time::Time;

use super::judge::{Fate, judge_read};
use super::markup::{Form, html, utf16, written};
use super::message::{Message, Style};
use super::parcel::{Failure, Parcel, Reply};
use super::post::hex_colour;
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
        let called = message.mention.take().and_then(|mention| mention.parse::<Mailboxes>().ok()).unwrap_or_default();
        let mut to = self.to.clone();
        for called in called {
            if !to.iter().any(|to| to.email == called.email) {
                to.push(called);
            }
        }
        let letter = Letter::of(&message, &hex_colour(alert));
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
            mail = mail.to(to.clone());
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
    pub(crate) fn of(message: &Message, colour: &str) -> Letter {
        Letter {
            subject: super::text::cut(&message.title, SUBJECT_CHARS).into_owned(),
            text: message.text(),
            html: page(message, colour),
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

/// What phones, Windows and Macs have for Latin and Hangul.
const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR','Noto Sans CJK KR',sans-serif";
const CODE: &str = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Noto Sans Mono','DejaVu Sans Mono',monospace;font-size:13px";
/// A long name breaks anywhere: nobody scrolls a mail sideways.
const BREAKS: &str = "overflow-wrap:anywhere;word-break:break-word";
/// The same of prose, where Korean breaks between words as long as it can.
const PROSE: &str = "overflow-wrap:anywhere;word-break:keep-all";

/// The message as HTML that mail programs show: no style sheet, which some drop, and nothing that is fetched. One column,
/// as wide as a phone or 640 pixels.
fn page(message: &Message, colour: &str) -> String {
    let block = format!(
        "{CODE};white-space:pre-wrap;{BREAKS};background:#f6f7f9;border-radius:6px;padding:10px 12px;margin:14px 0"
    );
    let mut out = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"></head>\
         <body style=\"margin:0;padding:12px;background:#eef0f3;{FONT};font-size:15px;line-height:1.5;color:#1d2433\">\
         <div style=\"max-width:640px;margin:0 auto;background:#ffffff;border-top:5px solid {colour};border-radius:8px;padding:18px 20px\">\
         <h3 style=\"margin:0 0 6px;font-size:18px;line-height:1.35;{PROSE}\">{}</h3>\
         <p style=\"margin:0;color:#475467;{PROSE}\">{}</p>",
        shown(&message.title),
        shown(&message.why)
    );
    if !message.detail.is_empty() {
        out.push_str(&format!("<pre style=\"{block}\">{}</pre>", shown(&message.detail)));
    }
    out.push_str(
        "<table cellspacing=\"0\" cellpadding=\"0\" style=\"width:100%;margin:14px 0;border-collapse:collapse\">",
    );
    const CELL: &str = "border-top:1px solid #eceef1;padding:6px 0;vertical-align:baseline;text-align:left";
    for field in &message.fields {
        let (value, style) = match field.code {
            true => (code(&field.value), CODE),
            false => (shown(&field.value), "font-size:14px"),
        };
        out.push_str(&format!(
            "<tr><th style=\"{CELL};padding-right:14px;font-weight:normal;font-size:13px;color:#667085;white-space:nowrap\">{}</th>\
             <td style=\"{CELL};{style};{BREAKS};width:100%\">{value}</td></tr>",
            field.label
        ));
    }
    out.push_str("</table>");
    if !message.frames.is_empty() {
        out.push_str(&format!("<pre style=\"{block}\">{}</pre>", code(&message.frames.join("\n"))));
    }
    let (page, more) = message.page_and_more();
    let more: String = more
        .iter()
        .map(|link| {
            let (url, label) = (shown(&link.url), shown(&link.label));
            format!(" &nbsp;<a href=\"{url}\" style=\"display:inline-block;padding:9px 6px\">{label}</a>")
        })
        .collect();
    out.push_str(&format!(
        "<p style=\"margin:18px 0 8px\"><a href=\"{}\" style=\"display:inline-block;background:#1d2433;color:#ffffff;\
         text-decoration:none;border-radius:6px;padding:9px 18px\">{}</a>{more}</p>\
         <p style=\"margin:0;font-size:12px;color:#98a2b3;{BREAKS}\">bongsu · {}</p></div></body></html>\n",
        shown(&page.url),
        shown(&page.label),
        message.fingerprint
    ));
    out
}

/// Names in code, which break after a dot where they must.
fn code(text: &str) -> String {
    shown(text).replace('.', ".<wbr>")
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
