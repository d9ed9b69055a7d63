//! The pace of a channel: so many messages a minute, and none while the far side wants to be left alone, over all pods.
//!
//! Promises: the shared cache divides the turns and knows of the rests (`Retry-After`), as long as it answers; otherwise
//! this process paces itself. Deliberately not here: what an answer asks for (`judge`).

use std::sync::Arc;

use crate::alert::Attempt;
use crate::cache::{Cache, Pace};
use crate::config::{Channel, ChannelKind, Secret};
use crate::time::Time;

/// Messages that may go at once after a rest.
const BURST: u32 = 5;
/// One channel's.
pub(crate) struct Pacer {
    /// Whom to ask, in this order.
    caches: Vec<Arc<Cache>>,
    /// Channels that post to the same place share its pace.
    destination: String,
    pace: Pace,
}

impl Pacer {
    /// The channel's, if it goes anywhere.
    pub(crate) fn of(channel: &Channel, caches: Vec<Arc<Cache>>) -> Option<Pacer> {
        if channel.kind == ChannelKind::Console {
            return None;
        }
        let per_minute = channel.per_minute.or(usual_per_minute(channel.kind)).unwrap_or(0);
        let place = [&channel.url, &channel.token, &channel.routing_key, &channel.smtp].into_iter().flatten();
        let mut destination: String = place.map(Secret::expose).chain(channel.chat.as_deref()).collect();
        if destination.is_empty() {
            destination.clone_from(&channel.name);
        }
        Some(Pacer { caches, destination, pace: Pace { per_minute, burst: BURST } })
    }

    /// The pace of edits. Services count them by themselves, and an edit is to keep no message waiting.
    pub(crate) fn of_edits(self) -> Pacer {
        Pacer { destination: format!("{} edits", self.destination), ..self }
    }

    /// Whether a message may have to wait for its turn.
    pub(super) fn is_paced(&self) -> bool {
        self.pace.per_minute > 0
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

    /// Leaves the far side alone as long as an answer asks for it. This process remembers that too, for when the cache goes
    /// away.
    pub(super) async fn heed(&self, attempt: &Attempt, now: Time) {
        let Attempt::Failed { not_before: Some(until), .. } = attempt else { return };
        for cache in &self.caches {
            if let Err(error) = cache.hold(&self.destination, self.pace, *until, now).await {
                tracing::debug!(%error, "other servers could not be told to leave a channel alone");
            }
        }
    }
}

/// What the services document, or are known to bear for one webhook or chat.
fn usual_per_minute(kind: ChannelKind) -> Option<u32> {
    match kind {
        // One message a second, and short bursts: Slack, Google Chat (a space).
        ChannelKind::Slack | ChannelKind::SlackApp | ChannelKind::GoogleChat => Some(60),
        // A webhook's messages to one Discord channel.
        ChannelKind::Discord => Some(30),
        // Telegram to one group.
        ChannelKind::Telegram => Some(20),
        _ => None,
    }
}
