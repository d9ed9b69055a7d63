//! The pace of a channel: so many messages a minute, over all pods.
//!
//! Promises: the shared cache divides the turns, as long as it answers; otherwise this process paces itself. Deliberately
//! not here: what a far side asks for by `Retry-After` (`worker`).

use std::sync::Arc;

use crate::cache::{Cache, Pace};
use crate::config::{Channel, ChannelKind};
use crate::time::Time;

/// Messages that may go at once after a rest.
const BURST: u32 = 5;
/// What Slack documents for an incoming webhook: one message a second, and short bursts.
const SLACK_PER_MINUTE: u32 = 60;

/// One channel's.
pub(crate) struct Pacer {
    /// Whom to ask, in this order.
    caches: Vec<Arc<Cache>>,
    /// Channels that post to the same place share its pace.
    destination: String,
    pace: Pace,
}

impl Pacer {
    /// The channel's, if it has one.
    pub(crate) fn of(channel: &Channel, caches: Vec<Arc<Cache>>) -> Option<Pacer> {
        let usual = (channel.kind == ChannelKind::Slack).then_some(SLACK_PER_MINUTE);
        let per_minute = channel.per_minute.or(usual)?;
        let destination = channel.url.as_ref().map_or(&*channel.name, |url| url.expose()).to_owned();
        Some(Pacer { caches, destination, pace: Pace { per_minute, burst: BURST } })
    }

    /// Whose turn it is: not after `now`, and the message may go; later, and it is to be asked again then.
    pub(super) async fn turn(&self, now: Time) -> Time {
        for cache in &self.caches {
            if let Ok(at) = cache.pace(&self.destination, self.pace, now).await {
                return at;
            }
        }
        now
    }
}
