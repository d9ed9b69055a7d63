//! What an event costs on its way from bytes to what the gate needs, stage by stage, over the bodies that `bench` sends.
//!
//! A test, so that it always runs; and a driver for a count of instructions, which is the same on every machine and on a
//! busy one:
//!
//! ```text
//! cargo test --release --lib --no-run
//! valgrind --tool=callgrind --toggle-collect=bongsu::cost::way_native --toggle-collect=bongsu::cost::way_sentry \
//!     target/release/deps/bongsu-… --exact cost::native_event
//! callgrind_annotate --inclusive=yes callgrind.out.…
//! ```
//!
//! Each stage is a function that is not inlined, so that it has a line of its own. Divide by [`ROUNDS`], and for the
//! batch by a hundred. Deliberately not here: the gate, HTTP, times.

use std::hint::black_box;

use crate::config::{self, Limits};
use crate::event::{Event, Packed};
use crate::fingerprint;
use crate::ingest::encoding::{self, Scratch};
use crate::ingest::{bound, native, sentry};
use crate::issue::Fingerprint;
use crate::normalize;
use crate::outcome::Reject;
use crate::scrub::Scrubber;
use crate::time::Time;

const NATIVE: &str = include_str!("../bench/payloads/native.json");
const JAVA_EVENT: &str = include_str!("../bench/payloads/java_event.json");

/// How often each body goes the way.
const ROUNDS: usize = 200;

const NOW: Time = Time(1_800_000_000_000);

/// A payload without its blanks and with its holes filled, as it stands on the wire.
fn wire(text: &str) -> String {
    let mut out = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if quoted || !c.is_ascii_whitespace() {
            out.push(c);
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    out.replace("%TIME%", &NOW.to_string())
        .replace("%ID%", "0123456789abcdef0123456789abcdef")
        .replace("%TOKEN%", "abcdef")
}

fn envelope() -> Vec<u8> {
    let event = wire(JAVA_EVENT);
    let head = r#"{"event_id":"0123456789abcdef0123456789abcdef","sdk":{"name":"sentry.java","version":"8.22.0"}}"#;
    format!("{head}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len()).into_bytes()
}

/// What the stages share.
struct Stages {
    limits: Limits,
    scrubber: Scrubber,
    scratch: Scratch,
}

impl Stages {
    fn new() -> Stages {
        let scrubber = Scrubber::new(&config::Scrub::default()).unwrap();
        Stages { limits: Limits::default(), scrubber, scratch: Scratch::default() }
    }

    fn after(&self, mut event: Event<'_>) -> Fingerprint {
        scrub(&self.scrubber, &mut event);
        let made = identify(&event);
        own(event);
        made
    }
}

#[inline(never)]
fn scrub(scrubber: &Scrubber, event: &mut Event<'_>) {
    scrubber.scrub(event);
}

#[inline(never)]
fn identify(event: &Event<'_>) -> Fingerprint {
    fingerprint::identify(event, &normalize::normalize(event))
}

#[inline(never)]
fn own(event: Event<'_>) {
    drop(black_box(Packed::of(&event)));
}

#[inline(never)]
fn read_sentry<'a>(json: &'a [u8], limits: &Limits) -> Result<Event<'a>, Reject> {
    let mut event = sentry::event::read(json, normalize::location::of_frames)?;
    bounded(&mut event, json, limits);
    Ok(event)
}

#[inline(never)]
fn bounded(event: &mut Event<'_>, json: &[u8], limits: &Limits) {
    bound::bound(event, bound::Origin::of(json), limits);
    bound::plausible(event, NOW);
}

#[inline(never)]
fn way_native(stages: &Stages, body: &[u8]) -> Vec<Fingerprint> {
    native::read(body, &stages.limits, NOW, |events| {
        events.into_iter().map(|event| stages.after(event.unwrap())).collect()
    })
    .unwrap()
}

#[inline(never)]
fn way_sentry(stages: &mut Stages, coding: Option<&str>, body: &[u8]) -> Vec<Fingerprint> {
    let mut scratch = std::mem::take(&mut stages.scratch);
    let decoded = encoding::decode(coding, body, stages.limits.decoded_bytes, &mut scratch).unwrap();
    let envelope = sentry::envelope::split(decoded).unwrap();
    let events = envelope.items.iter().map(|item| read_sentry(item.payload, &stages.limits).unwrap());
    let made = events.map(|event| stages.after(event)).collect();
    stages.scratch = scratch;
    made
}

fn same(made: impl Iterator<Item = Vec<Fingerprint>>, events: usize) {
    let all: Vec<_> = made.flatten().collect();
    assert_eq!(all.len(), events * ROUNDS);
    assert!(all.iter().all(|one| *one == all[0]));
}

#[test]
fn native_event() {
    let (stages, body) = (Stages::new(), wire(NATIVE));
    same((0..ROUNDS).map(|_| way_native(&stages, black_box(body.as_bytes()))), 1);
}

#[test]
fn native_batch() {
    let (stages, event) = (Stages::new(), wire(NATIVE));
    let body = format!("[{}]", vec![event; 100].join(","));
    same((0..ROUNDS).map(|_| way_native(&stages, black_box(body.as_bytes()))), 100);
}

#[test]
fn sentry_plain() {
    let (mut stages, body) = (Stages::new(), envelope());
    same((0..ROUNDS).map(|_| way_sentry(&mut stages, None, black_box(&body))), 1);
}

#[test]
fn sentry_gzip() {
    let (mut stages, body) = (Stages::new(), envelope());
    let mut packed = vec![0; body.len() * 2];
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let len = compressor.gzip_compress(&body, &mut packed).unwrap();
    same((0..ROUNDS).map(|_| way_sentry(&mut stages, Some("gzip"), black_box(&packed[..len]))), 1);
}
