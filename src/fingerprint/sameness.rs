//! Sameness as a server decides it: the rules, and what its configuration adds to them.
//!
//! Promises: one answer for an event, whoever asks: the river, the explanation, the preview. Deliberately not here: the
//! rules themselves (`normalize`), the hash (`fingerprint`).

use std::sync::Arc;

use super::identify;
use crate::event::{Attributes, Event};
use crate::issue::{CauseKey, Fingerprint, Former, Rules};
use crate::normalize;

/// The rules that tell errors apart.
#[derive(Debug, Default)]
pub(crate) struct Sameness {}

impl Sameness {
    /// The identity of an event, and the coarser one of its cause.
    pub(crate) fn identify(&self, event: &Event<'_>) -> (Fingerprint, CauseKey) {
        identify(event, &self.normalize(event))
    }

    /// The seven as they are compared.
    pub(crate) fn normalize<'a>(&self, event: &'a Event<'_>) -> Attributes<'a> {
        normalize::normalize(event)
    }

    /// The identities that the event had under the rules before these, the latest first.
    fn formers(&self, _event: &Event<'_>) -> Vec<Former> {
        Vec::new()
    }

    /// For whoever stores issues.
    pub(crate) fn rules(self: Arc<Self>) -> Arc<Rules> {
        let former = Arc::clone(&self);
        Arc::new(Rules {
            version: normalize::VERSION,
            normalize: Box::new(move |event| self.normalize(event)),
            formers: Box::new(move |event| former.formers(event)),
        })
    }
}
