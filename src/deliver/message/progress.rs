//! A message that goes on telling: how far its window has come, what people decided, and what they may do.
//!
//! Promises: what a message said when it was sent, it goes on saying; only its figures grow. Deliberately not here: when a
//! message is told anew.

use super::words::{self, Decision, Verdict};
use super::{Clock, Kind, Message, NAME_CHARS, Style, Telling, text};
use crate::alert::{Alert, Delivery, Progress, Stage};
use crate::config::Locale;
use crate::issue::{Press, State};

impl Message {
    /// The delivery in words, with the figures of now.
    pub(crate) fn told_again(delivery: &Delivery, progress: &Progress, style: &Style) -> Message {
        let alert = &delivery.alert;
        let now = Alert {
            ordinal: progress.granted.max(alert.ordinal),
            occurrences: progress.occurrences.max(alert.occurrences),
            occurrences_total: progress.occurrences_total.max(alert.occurrences_total),
            last_seen: progress.last_seen.max(alert.last_seen),
            ..alert.clone()
        };
        let told = Telling {
            alert: &now,
            event: now.event.as_ref(),
            words: words::of(style.locale),
            clock: Clock::new(&style.zone, now.granted_at),
            owner: style.owner_of(&now),
        };
        let fields = if alert.ordinal <= 1 { told.fields() } else { told.short_fields() };
        let before = Message::of_delivery(delivery, style);
        // What was said of the delivery itself comes first.
        let of_delivery = before.fields.iter().take(usize::from(delivery.instead_of.is_some())).cloned();
        Message { title: told.title(), fields: of_delivery.chain(fields).collect(), ..before }
    }
}

/// What became of the window, and what people decided; empty while there is nothing to say.
pub(crate) fn status(alert: &Alert, progress: &Progress, style: &Style) -> String {
    let (words, clock) = (words::of(style.locale), Clock::new(&style.zone, alert.granted_at));
    let what = match progress.state {
        // What was decided then is no longer what holds.
        _ if progress.stage == Stage::Replaced => None,
        State::Open => None,
        State::Acknowledged => Some(Verdict::Acknowledged),
        State::Muted { until, more } => Some(Verdict::Muted(until.map(|until| clock.at(until)), more)),
        State::Resolved => Some(Verdict::Resolved),
    };
    // A mute and a resolve end the window themselves.
    let ended_by_people = matches!(what, Some(Verdict::Muted(..) | Verdict::Resolved));
    let decided = what.map(|what| {
        let at = progress.decided.at.map(|at| clock.at(at));
        (words.decided)(&Decision { at, by: text::line(&progress.decided.by, NAME_CHARS), what })
    });
    let over = (progress.stage != Stage::Open && !ended_by_people).then(|| words.window_over.to_owned());
    over.into_iter().chain(decided).collect::<Vec<_>>().join(" · ")
}

/// What people may press under the message of an alert, while nothing is known to have happened since, or now.
pub(crate) fn presses(delivery: &Delivery, progress: Option<&Progress>) -> &'static [Press] {
    const MUTE: [Press; 3] = [Press::MuteHour, Press::MuteHundred, Press::Resolve];
    const ALL: [Press; 4] = [Press::Acknowledge, Press::MuteHour, Press::MuteHundred, Press::Resolve];
    let over = |progress: &Progress| progress.stage != Stage::Open;
    match progress {
        _ if delivery.alert.kind != Kind::Alert => &[],
        // Nobody would know which of them was meant.
        _ if delivery.is_of_several() => &[],
        // The newer message has them.
        Some(Progress { stage: Stage::Replaced, .. }) => &[],
        None => &ALL,
        Some(now) => match now.state {
            State::Open if over(now) => &MUTE,
            State::Open => &ALL,
            State::Acknowledged => &MUTE,
            State::Muted { .. } => &[Press::Resolve, Press::Reopen],
            State::Resolved => &[Press::Reopen],
        },
    }
}

/// What a button is called.
pub(crate) fn label(press: Press, locale: Locale) -> &'static str {
    (words::of(locale).press)(press)
}
