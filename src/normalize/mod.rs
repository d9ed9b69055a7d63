//! What varies between two occurrences of the same error, taken out of the seven attributes.
//!
//! Promises: rule sets are versioned and a released one never changes (a golden file holds it); every change is made by
//! a named rule, and the traced form runs the very code that decides, so an explanation cannot drift from a decision.
//! Linear time, any UTF-8, and idempotent: what is normalised stays as it is. Deliberately not here: the hash of the
//! result (`fingerprint`), secrets (`scrub`), parsing of stack texts (`ingest`).

pub mod trail;
pub mod v1;

pub use trail::Applied;
pub use v1::location;
pub use v1::{VERSION, normalize, normalize_traced};
