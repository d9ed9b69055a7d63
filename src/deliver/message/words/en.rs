//! English.

use super::super::figures::thousands;
use super::{Decision, Digest, Ended, Resolved, Verdict, Words, span_in};
use crate::alert::{Health, Store};
use crate::issue::Press;

pub(super) const WORDS: Words = Words {
    category: "Category",
    request: "Request",
    thrown_at: "Thrown at",
    wrapped_in: "Wrapped in",
    occurrences: "Occurrences",
    first_seen: "First seen",
    last_seen: "Last seen",
    window_opened: "Window opened",
    window_ends: "Window ends",
    release: "Release",
    server: "Server",
    servers: "Servers",
    owner: "Owner",
    trace_id: "Trace ID",
    level: "Level",
    alerts_sent: "Alerts sent",
    held_back: "Held back",
    busiest_minute: "Busiest minute",
    details: "Details",
    new: "New",
    known: "Known error, new window",
    still_occurring: "still occurring",
    quiet: "quiet",
    environment: str::to_owned,
    times: thousands,
    in_all: |n| format!("{} in all", thousands(n)),
    span: |span| span_in([" d", " h", " min", " s"], span),
    again: |so_far| format!("Same error again · {} so far", thousands(so_far)),
    last_of_window: |ends| format!("Last alert of this window: further ones are counted silently until {ends}"),
    regression,
    window_ended,
    window_over: "Window over",
    decided,
    press,
    modules: "Modules",
    in_modules: |n| counted(n, "module", "modules"),
    one_cause: |spread, told, first, at| {
        let modules = counted(spread.modules, "module", "modules");
        let errors = counted(spread.errors, "error", "errors");
        let told = if told < spread.errors { format!(" ({} of them here)", thousands(told)) } else { String::new() };
        format!("One cause in {modules}: {errors}{told}, first in {first} at {at}")
    },
    at_once,
    told_together,
    windows_ended: |n, ongoing| {
        let errors = counted(n, "error", "errors");
        match ongoing {
            0 => format!("{errors} · quiet"),
            _ if ongoing == n => format!("{errors} · still occurring"),
            _ => format!("{errors} · {} still occurring, {} quiet", thousands(ongoing), thousands(n - ongoing)),
        }
    },
    and_more: |n| format!("… and {} more", thousands(n)),
    away_for: "Away for",
    instead_of: "Instead of",
    fails,
    health,
    stopped,
    works: "The error that bongsu sends itself goes the whole way again, from the door to a channel.",
    canary: "The error that bongsu sends itself, to see whether alerts arrive.",
    said: "Answer",
    decides,
};

fn counted(n: u64, one: &str, several: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { several })
}

fn at_once(digest: &Digest) -> String {
    match digest.new == digest.errors {
        true => format!("{} at once", counted(digest.errors, "new error", "new errors")),
        false => format!("{} at once", counted(digest.errors, "error", "errors")),
    }
}

fn told_together(digest: &Digest) -> String {
    let mut told =
        format!("Told together, to keep this channel readable: in {}", counted(digest.modules, "module", "modules"));
    for (n, what) in [(digest.new, "new"), (digest.regressions, "seen again after they were resolved")] {
        if n > 0 {
            told += &format!(", {} {what}", thousands(n));
        }
    }
    told
}

fn health(Health { store, away }: Health) -> &'static str {
    match (store, away) {
        (Store::Cache, true) => "the cache is away",
        (Store::Cache, false) => "the cache is back",
        (Store::Archive, true) => "the archive is away",
        (Store::Archive, false) => "the archive is back",
        (Store::Way, true) => "alerts may not arrive",
        (Store::Way, false) => "alerts arrive again",
        (Store::Canary, _) => "canary",
    }
}

fn stopped(at: &str) -> &'static str {
    match at {
        "door" => {
            "The error that bongsu sends itself was not taken at its own door. Those of your services may not be either."
        }
        "gate" => "The error that bongsu sends itself was counted, but not granted an alert.",
        "outbox" => "The alert of the error that bongsu sends itself waits in the outbox: no server sends it.",
        "channel" => "The alert of the error that bongsu sends itself does not get through its channel.",
        _ => "What became of the error that bongsu sends itself cannot be found out.",
    }
}

fn decides(who: &str) -> &'static str {
    match who {
        "archive" => {
            "The archive counts and decides meanwhile. Alerts go on as usual, each error at most as often as ever."
        }
        "cache" => {
            "The cache counts and decides meanwhile. Alerts go on, are held in memory, and are recorded when the archive is back."
        }
        "memory" => {
            "Neither cache nor archive can be asked: each server decides by its own memory, so that an error may alert once more from each."
        }
        _ => "Cache and archive are both asked again.",
    }
}

fn regression(resolved: &Resolved) -> String {
    let at = resolved.at.as_deref().map(|at| format!(" {at}")).unwrap_or_default();
    let by = if resolved.by.is_empty() { String::new() } else { format!(" by {}", resolved.by) };
    let note = if resolved.note.is_empty() { String::new() } else { format!(" · last note: \"{}\"", resolved.note) };
    format!("Regression: resolved{at}{by}, seen again{note}")
}

fn fails(channel: &str, since: &str, error: &str) -> String {
    let why = if error.is_empty() { String::new() } else { format!(": {error}") };
    format!("{channel}, which fails since {since}{why}")
}

fn window_ended(ended: &Ended) -> String {
    let Ended { span, last_seen, .. } = ended;
    let plural = if ended.alerts == 1 { "" } else { "s" };
    let [occurrences, alerts, suppressed] = [ended.occurrences, ended.alerts, ended.suppressed].map(thousands);
    let counts = format!("{occurrences} in {span} ({alerts} alert{plural}, {suppressed} held back)");
    match ended.ongoing {
        true => format!("Window ended · {counts} · still occurring, next window open"),
        false => format!("Window ended · {counts} · last at {last_seen}, none since"),
    }
}

fn decided(Decision { at, by, what }: &Decision) -> String {
    let what = match what {
        Verdict::Acknowledged => "Acknowledged".to_owned(),
        Verdict::Muted(Some(until), _) => format!("Muted until {until}"),
        Verdict::Muted(None, Some(more)) => format!("Muted until {} more", thousands(*more)),
        Verdict::Muted(None, None) => "Muted".to_owned(),
        Verdict::Resolved => "Resolved".to_owned(),
    };
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let at = at.as_deref().map(|at| format!(" · {at}")).unwrap_or_default();
    format!("{what}{by}{at}")
}

fn press(press: Press) -> &'static str {
    match press {
        Press::Acknowledge => "Acknowledge",
        Press::MuteHour => "Mute 1 h",
        Press::MuteHundred => "Mute until 100 more",
        Press::Resolve => "Resolve",
        Press::Reopen => "Reopen",
    }
}
