//! From a request's body to bounded events.
//!
//! Promises: every protocol ends in the same [`crate::event::Event`], borrowed from the body where the bytes serve as
//! they stand. An odd field is repaired or left out with a note; it never costs the event. Deliberately not here: what
//! the events mean to the gate.

// The door that calls these readers stands in its own files.
#![allow(dead_code)]

pub(crate) mod bound;
pub(crate) mod category;
pub(crate) mod lenient;
pub(crate) mod mend;
pub(crate) mod sentry;
