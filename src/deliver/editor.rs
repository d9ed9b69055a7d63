//! The editor of one channel: tells messages that stand there anew, when there is more to say.
//!
//! Promises: one edit at a time, the longest due first and decisions before everything; at a pace of its own, so that an edit
//! keeps no alert waiting. Edits are best effort: what fails is logged, and tried again while its window lasts. Deliberately
//! not here: which message is due, and who may edit it (`archive`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::channels::Channel;
use super::courier::Courier;
use super::pacer::Pacer;
use super::worker::Call;
use crate::alert::Attempt;
use crate::archive::{Archive, Edit, Edited, Error, Interim};
use crate::metrics::Metrics;
use crate::time::Time;

/// How often to look for edits that are due: how late a message may show what was decided elsewhere.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long to wait for the archive after it failed.
const ARCHIVE_PAUSE: Duration = Duration::from_secs(5);
/// How long to leave an edit alone that failed.
const PAUSE: Duration = Duration::from_secs(30);

/// Edits the messages of one channel.
pub(crate) struct Editor {
    pub(crate) channel: Arc<Channel>,
    pub(crate) archive: Archive,
    /// Knows whether the archive is away.
    pub(crate) interim: Arc<Interim>,
    pub(crate) courier: Courier,
    /// Unless the channel takes edits as fast as they come.
    pub(crate) pacer: Option<Pacer>,
    pub(crate) metrics: Arc<Metrics>,
    /// Notified when people decided something by a message.
    pub(crate) pressed: Arc<Notify>,
    pub(crate) now: fn() -> Time,
}

impl Editor {
    /// Works as long as it is called to. What it was editing then is edited again by whoever comes next.
    pub(crate) async fn run(self, mut call: watch::Receiver<Call>) {
        let work = async {
            loop {
                // Made before the look, so that what is decided meanwhile is not missed.
                let pressed = self.pressed.notified();
                let wait = match self.edit_next().await {
                    Ok(wait) => wait,
                    Err(error) => {
                        tracing::warn!(%error, channel = &**self.channel.name(), "no messages are edited for now");
                        ARCHIVE_PAUSE
                    }
                };
                if wait > Duration::ZERO {
                    tokio::select! {
                        () = pressed => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            _ = call.wait_for(|call| *call != Call::Work) => {}
        }
    }

    /// Edits the message that is due first. Answers how long there is nothing to do.
    async fn edit_next(&self) -> Result<Duration, Error> {
        if self.interim.is_away() {
            return Ok(LOOK_EVERY);
        }
        let now = (self.now)();
        let Some(due) = self.archive.due_edit(self.channel.name(), now).await? else { return Ok(LOOK_EVERY) };
        if let Some(pacer) = &self.pacer {
            let turn = pacer.turn(now).await;
            if turn > now {
                // A press of a button cannot make the turn come sooner.
                tokio::time::sleep(turn.since(now)).await;
                return Ok(Duration::ZERO);
            }
        }
        // Taken at once, so that what is told is what is known after the turn has come.
        let Some(edit) = self.archive.claim_edit(due, (self.now)()).await? else { return Ok(Duration::ZERO) };
        let Some(parcel) = self.channel.edit(&edit.posted) else { return Ok(LOOK_EVERY) };
        let brought = self.courier.carry(parcel).await;
        let now = (self.now)();
        let attempt = self.channel.judge(&brought, now);
        if let Some(pacer) = &self.pacer {
            pacer.heed(&attempt, now).await;
        }
        let edited = self.edited(&edit, attempt, self.channel.has_lost(&brought), now);
        self.archive.record_edit(edit, edited, now).await?;
        Ok(match edited {
            // The far side is in trouble, or asks for patience: the other messages are there as well.
            Edited::Again(at) => at.since(now),
            _ => Duration::ZERO,
        })
    }

    fn edited(&self, edit: &Edit, attempt: Attempt, lost: bool, now: Time) -> Edited {
        let (channel, fingerprint) = (&**self.channel.name(), edit.posted.delivery.alert.fingerprint);
        let (edited, result) = match attempt {
            Attempt::Delivered => (Edited::Shown, "shown"),
            _ if lost => {
                tracing::debug!(channel, %fingerprint, "the message to edit is gone");
                (Edited::Gone, "gone")
            }
            Attempt::Refused { error } => {
                tracing::warn!(channel, %fingerprint, %error, "a message could not be edited, and stays as it is");
                (Edited::Refused, "refused")
            }
            Attempt::Unanswered { error } => {
                tracing::debug!(channel, %fingerprint, %error, "a message may not have been edited; trying again");
                (Edited::Again(now.plus(PAUSE)), "unanswered")
            }
            Attempt::Failed { error, not_before } => {
                tracing::debug!(channel, %fingerprint, %error, "a message could not be edited; trying again");
                (Edited::Again(now.plus(PAUSE).max(not_before.unwrap_or_default())), "failed")
            }
        };
        self.metrics.count_edit(channel, result);
        edited
    }
}
