//! The river: the stages in order. Read this first.
//!
//! Promises: every event that a protocol read goes through the same stages, and comes out as exactly one outcome that
//! is counted. A stage never names another stage; they meet here.
//!
//! Invariant: *One outcome.* As many outcomes come out as events went in, in the same order.

use std::sync::{Arc, PoisonError, RwLock};

use crate::admit::{Admission, Arrival, Hold};
use crate::alert::{OWN_PROJECT, Route};
use crate::archive::KnownProject;
use crate::deliver::Routes;
use crate::event::{Event, Packed};
use crate::fingerprint::{Merges, Sameness};
use crate::issue::Rules;
use crate::metrics::Metrics;
use crate::outcome::{Outcome, Reject};
use crate::scrub::Scrubber;
use crate::time::Time;

/// What events are judged by. A request falls wholly under one of them.
pub(crate) struct Terms {
    /// What is replaced by a mark.
    pub(crate) scrubber: Scrubber,
    /// What tells errors apart.
    pub(crate) sameness: Arc<Sameness>,
    /// The same, for whoever stores issues.
    pub(crate) rules: Arc<Rules>,
    /// Policy and channels of an error.
    pub(crate) routes: Routes,
    /// Those of what bongsu says of itself.
    pub(crate) own: Arc<Route>,
    /// Those of the errors that it sends itself.
    pub(crate) canary: Arc<Route>,
}

/// The stages, shared by all requests.
pub(crate) struct River {
    terms: RwLock<Arc<Terms>>,
    pub(crate) merges: Merges,
    pub(crate) admission: Admission,
    pub(crate) metrics: Arc<Metrics>,
    /// The clock, since routes go by it.
    now: fn() -> Time,
}

/// What a request brought, made ready for the gate: free of its body.
pub(crate) struct Gathered {
    arrivals: Vec<Arrival>,
    /// Positions in the request, and why each was refused.
    refused: Vec<(usize, Reject)>,
}

impl River {
    /// The stages in order.
    pub(crate) fn new(
        terms: Arc<Terms>,
        merges: Merges,
        admission: Admission,
        metrics: Arc<Metrics>,
        now: fn() -> Time,
    ) -> River {
        River { terms: RwLock::new(terms), merges, admission, metrics, now }
    }

    /// What the next request is judged by. A lock that nobody holds for longer than a copy takes: it is asked for once a
    /// request, where a lock-free pointer would save nothing that can be measured.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the next request on, events are judged by these.
    pub(crate) fn go_by(&self, terms: Arc<Terms>) {
        *self.terms.write().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    /// Carries what a protocol read up to the gate.
    pub(crate) fn gather<'a>(
        &self,
        project: &KnownProject,
        read: impl IntoIterator<Item = Result<Event<'a>, Reject>>,
    ) -> Gathered {
        let (terms, now) = (self.terms(), (self.now)());
        let mut gathered = Gathered { arrivals: Vec::new(), refused: Vec::new() };
        for (position, event) in read.into_iter().enumerate() {
            match event {
                Ok(event) => gathered.arrivals.push(self.prepare(&terms, project, event, now)),
                Err(reject) => gathered.refused.push((position, reject)),
            }
        }
        gathered
    }

    fn prepare(&self, terms: &Terms, project: &KnownProject, mut event: Event<'_>, now: Time) -> Arrival {
        if event.attributes.module.is_empty() {
            event.attributes.module = project.name.to_string().into();
        }
        terms.scrubber.scrub(&mut event);
        if event.scrubbed > 0 {
            self.metrics.scrubbed.inc_by(u64::from(event.scrubbed));
        }
        let fingerprint = self.merges.counted_with(terms.sameness.identify(&event));
        let route = match *project.name == *OWN_PROJECT {
            true => Arc::clone(&terms.canary),
            false => terms.routes.of(&event, &project.name, &|| terms.sameness.cause(&event), now),
        };
        Arrival {
            fingerprint,
            project: Arc::clone(&project.name),
            route,
            rules: Arc::clone(&terms.rules),
            remembered: None,
            event: Packed::of(&event),
        }
    }

    /// Says something of bongsu itself, by a route of its own.
    pub(crate) async fn announce(&self, event: Event<'_>) -> Outcome {
        let terms = self.terms();
        let fingerprint = terms.sameness.identify(&event);
        let (project, event) = (OWN_PROJECT.into(), Packed::of(&event));
        let (route, rules) = (Arc::clone(&terms.own), Arc::clone(&terms.rules));
        let arrival = Arrival { fingerprint, project, route, rules, remembered: None, event };
        let mut outcomes = self.admission.admit(vec![arrival], Arc::new(())).await;
        outcomes.pop().expect("one outcome an event")
    }

    /// Counts and decides. Answers one outcome an event, in the order in which they were read.
    /// `hold` is kept until then.
    pub(crate) async fn admit(&self, gathered: Gathered, hold: Hold) -> Vec<Outcome> {
        let mut admitted = self.admission.admit(gathered.arrivals, hold).await;
        if gathered.refused.is_empty() {
            return admitted;
        }
        let count = admitted.len() + gathered.refused.len();
        let (mut admitted, mut refused) = (admitted.drain(..), gathered.refused.into_iter().peekable());
        (0..count)
            .filter_map(|position| match refused.next_if(|(at, _)| *at == position) {
                Some((_, reject)) => Some(self.refuse(reject)),
                None => admitted.next(),
            })
            .collect()
    }

    fn refuse(&self, reject: Reject) -> Outcome {
        let outcome = Outcome::Rejected(reject);
        self.metrics.count(&outcome);
        outcome
    }
}
