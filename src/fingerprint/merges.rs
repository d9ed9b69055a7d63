//! Which issue an event is counted with, when people merged its own into another.
//!
//! Promises: asked for every event, and free while there are no merges. Several servers read the merges of one archive,
//! each within a second ([`crate::server`]). Deliberately not here: making them (`archive`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::issue::Fingerprint;

/// What people merged, as the archive last told.
#[derive(Debug, Default)]
pub(crate) struct Merges {
    any: AtomicBool,
    into: RwLock<HashMap<Fingerprint, Fingerprint>>,
}

impl Merges {
    /// The issue that counts what has this identity.
    pub(crate) fn counted_with(&self, fingerprint: Fingerprint) -> Fingerprint {
        if !self.any.load(Ordering::Acquire) {
            return fingerprint;
        }
        let into = self.into.read().unwrap_or_else(PoisonError::into_inner);
        into.get(&fingerprint).copied().unwrap_or(fingerprint)
    }

    /// What is merged from now on.
    pub(crate) fn set(&self, into: HashMap<Fingerprint, Fingerprint>) {
        let any = !into.is_empty();
        *self.into.write().unwrap_or_else(PoisonError::into_inner) = into;
        self.any.store(any, Ordering::Release);
    }
}
