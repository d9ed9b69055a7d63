//! An event: one error as received, whatever protocol brought it.
//!
//! Promises: bounded (ingest cuts every text and list to the configured limits and says so in `notes`), and borrowed
//! from the request's body wherever the bytes could be used as they stand, so that a repeat of a known error costs few
//! allocations. Deliberately not here: cookies, headers, request bodies, local variables, breadcrumbs; bongsu never
//! reads them, so it cannot leak them.

mod packed;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Time;

pub(crate) use packed::Packed;

/// Text that is borrowed from the request while it can be.
pub type Text<'a> = Cow<'a, str>;

/// One error as received.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event<'a> {
    /// The seven attributes that decide sameness, as the client meant them, before normalisation.
    pub attributes: Attributes<'a>,
    /// How grave the client says it is.
    pub level: Level,
    /// When the client says it happened. `None` when it did not say, or said something impossible.
    pub occurred_at: Option<Time>,
    /// The chain of exceptions: the outermost first, the root cause last. Empty for a plain message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception<'a>>,
    /// The log template (`order {} failed`) behind the message, when the client sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Text<'a>>,
    /// The stack as text, when the client sent no structured frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacktrace: Option<Text<'a>>,
    /// W3C or vendor trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Text<'a>>,
    /// Version of the failing service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Text<'a>>,
    /// Host or pod that threw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Text<'a>>,
    /// Opaque id of the affected user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Text<'a>>,
    /// Free tags, in the order received.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(Text<'a>, Text<'a>)>,
    /// The client's own fingerprint parts; `{{ default }}` stands for bongsu's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fingerprint: Vec<Text<'a>>,
    /// What had to be repaired or cut on the way in, for people to read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Text<'a>>,
    /// How many secrets and personal data were replaced by a mark.
    #[serde(skip_serializing_if = "is_zero")]
    pub scrubbed: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The seven attributes that decide sameness. Empty text means the client did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes<'a> {
    /// Kind of exception: Open API, Biz, Runtime, or the team's own word.
    pub category: Text<'a>,
    /// The service.
    pub module: Text<'a>,
    /// prod, staging, …
    pub environment: Text<'a>,
    /// Request URL, path or route.
    pub url: Text<'a>,
    /// HTTP method.
    pub method: Text<'a>,
    /// Throw location: class and function.
    pub location: Text<'a>,
    /// The message.
    pub detail: Text<'a>,
}

impl<'a> Attributes<'a> {
    /// Names and values in the order in which they are shown and hashed.
    pub fn each(&self) -> [(&'static str, &Text<'a>); 7] {
        [
            ("category", &self.category),
            ("module", &self.module),
            ("environment", &self.environment),
            ("url", &self.url),
            ("method", &self.method),
            ("location", &self.location),
            ("detail", &self.detail),
        ]
    }

    /// The value of the attribute with that name; `None` for a name that is not one of the seven.
    pub fn get(&self, name: &str) -> Option<&Text<'a>> {
        self.each().into_iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The same attributes, free of the request's body.
    pub fn into_owned(self) -> Attributes<'static> {
        Attributes {
            category: own(self.category),
            module: own(self.module),
            environment: own(self.environment),
            url: own(self.url),
            method: own(self.method),
            location: own(self.location),
            detail: own(self.detail),
        }
    }
}

/// One exception of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exception<'a> {
    /// Class name, fully qualified when the client knows it.
    #[serde(rename = "type")]
    pub kind: Text<'a>,
    /// Its message.
    pub value: Text<'a>,
    /// The stack, the innermost (throwing) frame first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame<'a>>,
}

/// One stack frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame<'a> {
    /// Class, package or module.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub module: Text<'a>,
    /// Function or method.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub function: Text<'a>,
    /// Source file.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub file: Text<'a>,
    /// Line, from 1. Shown, never part of sameness: deploys move lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether the client says the frame is the application's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_app: Option<bool>,
}

/// How grave an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Diagnostic.
    Debug,
    /// Informational.
    Info,
    /// Not an error yet.
    Warning,
    /// An error; what an unmarked event is.
    #[default]
    Error,
    /// The process or request could not go on.
    Fatal,
}

impl Level {
    /// Reads a level's name as loggers and SDKs spell it (any case; `warn`, `critical`, `panic`, …).
    pub fn parse(text: &str) -> Option<Level> {
        const NAMES: [(&str, Level); 14] = [
            ("error", Level::Error),
            ("fatal", Level::Fatal),
            ("warning", Level::Warning),
            ("warn", Level::Warning),
            ("info", Level::Info),
            ("debug", Level::Debug),
            ("err", Level::Error),
            ("severe", Level::Error),
            ("critical", Level::Fatal),
            ("panic", Level::Fatal),
            ("emergency", Level::Fatal),
            ("notice", Level::Info),
            ("log", Level::Info),
            ("trace", Level::Debug),
        ];
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, level)| *level)
    }

    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Fatal => "fatal",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'a> Event<'a> {
    /// The root cause: the last of the chain.
    pub fn root(&self) -> Option<&Exception<'a>> {
        self.exceptions.last()
    }

    /// The same event, free of the request's body.
    pub fn into_owned(self) -> Event<'static> {
        Event {
            attributes: self.attributes.into_owned(),
            level: self.level,
            occurred_at: self.occurred_at,
            exceptions: self.exceptions.into_iter().map(Exception::into_owned).collect(),
            template: self.template.map(own),
            stacktrace: self.stacktrace.map(own),
            trace_id: self.trace_id.map(own),
            release: self.release.map(own),
            server: self.server.map(own),
            user: self.user.map(own),
            tags: self.tags.into_iter().map(|(k, v)| (own(k), own(v))).collect(),
            fingerprint: self.fingerprint.into_iter().map(own).collect(),
            notes: self.notes.into_iter().map(own).collect(),
            scrubbed: self.scrubbed,
        }
    }
}

impl Exception<'_> {
    /// The same exception, free of the text it was read from.
    pub(crate) fn into_owned(self) -> Exception<'static> {
        Exception {
            kind: own(self.kind),
            value: own(self.value),
            frames: self.frames.into_iter().map(Frame::into_owned).collect(),
        }
    }
}

impl Frame<'_> {
    fn into_owned(self) -> Frame<'static> {
        Frame {
            module: own(self.module),
            function: own(self.function),
            file: own(self.file),
            line: self.line,
            in_app: self.in_app,
        }
    }
}

fn own(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}
