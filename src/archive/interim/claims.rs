//! Claims from memory: as `archive/claims.rs`, but that of an issue only the first that waits is folded, and that each
//! process folds by itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::Claim;
use super::super::claims::{DUE_AT_A_TIME, MODULES_NAMED};
use super::{Interim, State};
use crate::alert::{Delivery, OWN_PROJECT, Spread};
use crate::issue::CauseKey;
use crate::storm::{self, Due, Together};
use crate::time::Time;

impl Interim {
    /// Claims what is due on a channel, the longest waiting first.
    pub(crate) fn claim(&self, claim: &Claim, now: Time) -> Vec<Delivery> {
        let mut state = self.state();
        let due = state.due(&claim.channel, now);
        if due.is_empty() || claim.limit == 0 {
            return Vec::new();
        }
        let storms = state.storms.entry(Arc::clone(&claim.channel)).or_default();
        storms.retain(|_, storm| now < storm.ends_at);
        let plan = storm::plan(&due, storms, &claim.folding, claim.limit, now);
        storms.extend(plan.storms);
        for (nth, at) in plan.later {
            state.put_off(&claim.channel, nth as u64, at);
        }
        plan.send.iter().filter_map(|message| state.take(claim, message, now)).collect()
    }
}

impl State {
    /// The first of each line, if it is due.
    fn due(&self, channel: &str, now: Time) -> Vec<Due> {
        let Some(lines) = self.lines.get(channel) else { return Vec::new() };
        let firsts = lines.due.iter().take_while(|(due_at, _)| *due_at <= now);
        let due = firsts.filter_map(|(_, fingerprint)| {
            let nth = lines.of[fingerprint][0];
            let held = &self.held[&nth];
            let folds = *held.alert.project != *OWN_PROJECT;
            (!held.recording).then(|| Due {
                id: nth as i64,
                issue: fingerprint.0 as i64,
                together: folds.then_some(Together::Alerts(held.cause)),
                before: 0,
                leads: false,
            })
        });
        due.take(DUE_AT_A_TIME).collect()
    }

    fn put_off(&mut self, channel: &str, nth: u64, at: Time) {
        let (Some(held), Some(lines)) = (self.held.get_mut(&nth), self.lines.get_mut(channel)) else { return };
        let Some(way) = held.alert.ways.iter_mut().find(|way| *way.channel == *channel) else { return };
        lines.due.remove(&(way.due_at, held.alert.fingerprint));
        way.due_at = at;
        lines.due.insert((at, held.alert.fingerprint));
    }

    /// Takes alerts for one message, which the first of them leads.
    fn take(&mut self, claim: &Claim, message: &[i64], now: Time) -> Option<Delivery> {
        let numbers: Vec<u64> = message.iter().map(|nth| *nth as u64).collect();
        let mut delivery: Option<Delivery> = None;
        for nth in &numbers {
            let alert = &mut self.held.get_mut(nth)?.alert;
            let way = alert.ways.iter_mut().find(|way| way.channel == claim.channel)?;
            self.lines.get_mut(&claim.channel)?.due.remove(&(way.due_at, alert.fingerprint));
            way.sending = true;
            way.attempts += 1;
            let (attempt, instead_of) = (way.attempts, way.instead_of.clone());
            match &mut delivery {
                Some(delivery) => {
                    delivery.expires_at = delivery.expires_at.max(alert.expires_at);
                    delivery.folded.push(alert.alert());
                }
                None => {
                    delivery = Some(Delivery {
                        id: alert.id(Some(&claim.channel)),
                        attempt,
                        fence: i64::from(attempt),
                        claimed_until: now.plus(claim.lease),
                        created_at: alert.granted_at,
                        expires_at: alert.expires_at,
                        instead_of,
                        ..Delivery::first(Arc::clone(&claim.channel), alert.alert())
                    });
                }
            }
        }
        let mut delivery = delivery?;
        self.claimed.insert(delivery.id, numbers);
        let cause = delivery.alert.cause;
        if !delivery.folded.is_empty() && delivery.folded.iter().all(|alert| alert.cause == cause) {
            delivery.spread = Some(self.spread(&claim.channel, cause, &delivery));
        }
        Some(delivery)
    }

    /// How far a cause has spread among the alerts that are held.
    fn spread(&self, channel: &str, cause: CauseKey, delivery: &Delivery) -> Spread {
        let (mut first_of, mut errors) = (HashMap::new(), BTreeSet::new());
        for held in self.held.values().filter(|held| held.cause == cause && held.goes_to(channel)) {
            errors.insert(held.alert.fingerprint);
            let event = held.alert.event.event();
            let module = event.attributes.module.to_string();
            let at = first_of.entry(module).or_insert(held.alert.granted_at);
            *at = (*at).min(held.alert.granted_at);
        }
        let mut modules: Vec<(Time, String)> = first_of.into_iter().map(|(module, at)| (at, module)).collect();
        modules.sort_unstable();
        Spread {
            modules: modules.len() as u64,
            errors: errors.len() as u64,
            since: modules.first().map_or(delivery.alert.granted_at, |(at, _)| *at),
            named: modules.into_iter().take(MODULES_NAMED).map(|(_, module)| module).collect(),
        }
    }
}
