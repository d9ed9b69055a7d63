//! Ingest: from a request's body to bounded events.
//!
//! Promises: every protocol ends in the same [`crate::event::Event`], borrowed from the body where the bytes serve as
//! they stand. An odd field is repaired or left out with a note; it never costs the event. Deliberately not here: what
//! the events mean to the gate.

mod answer;
mod body;
pub(crate) mod bound;
pub(crate) mod category;
pub(crate) mod encoding;
mod http;
mod json;
pub(crate) mod lenient;
pub(crate) mod mend;
pub(crate) mod native;
pub(crate) mod sentry;
mod stacktrace;

pub(crate) use body::Bodies;
pub(crate) use http::Ingest;
