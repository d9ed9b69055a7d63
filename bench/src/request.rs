//! Requests ready to be written to a socket.
//!
//! Promises: on the hot path a request is a copy of bytes and a few patched holes; nothing is serialised or compressed
//! while the clock runs. Deliberately not here: sockets, and the meaning of an answer.

use libdeflater::{CompressionLvl, Compressor};

use crate::mix::{Draw, Mix, Random, TOKEN_LEN};
use crate::payload::{Body, Payload};

/// The project key of every server the benchmark starts.
pub(crate) const KEY: &str = "b0a4c5d6e7f80910a1b2c3d4e5f60718";
/// sentry-java compresses with zlib's default level.
const GZIP_LEVEL: i32 = 6;

/// Gives one request after the other, the same ones after each `rewind`.
pub(crate) struct Requests {
    mix: Mix,
    kind: Kind,
}

enum Kind {
    /// One request, with holes.
    Patched { template: Vec<u8>, body: Body, body_at: usize, draw: Draw, ids: Random },
    /// Compressed bodies cannot be patched: as many as may be needed, made beforehand.
    Pool { requests: Vec<u8>, ends: Vec<usize>, next: usize, reuse: bool },
}

impl Requests {
    /// `pool` is the number of compressed bodies; the other payloads need none.
    pub(crate) fn new(payload: Payload, mix: Mix, pool: usize) -> anyhow::Result<Requests> {
        let body = payload.body()?;
        let kind = if payload == Payload::Gzip {
            compressed(&body, mix, pool)?
        } else {
            let mut template = head(payload, body.bytes.len());
            let body_at = template.len();
            template.extend_from_slice(&body.bytes);
            let (draw, ids) = start(mix);
            Kind::Patched { template, body, body_at, draw, ids }
        };
        Ok(Requests { mix, kind })
    }

    /// Begins again. `reuse`: a pool that has run out starts over, even where that makes distinct errors repeat.
    pub(crate) fn rewind(&mut self, reuse: bool) {
        match &mut self.kind {
            Kind::Patched { draw, ids, .. } => (*draw, *ids) = start(self.mix),
            Kind::Pool { next, reuse: reused, .. } => (*next, *reused) = (0, reuse || self.mix != Mix::Distinct),
        }
    }

    /// Makes `request` the next one; `false` when there is none left. A buffer that was filled from here before costs
    /// only the patches.
    pub(crate) fn next(&mut self, request: &mut Vec<u8>) -> bool {
        self.next_token(request).is_some()
    }

    /// As `next`, and tells the token of the last event; empty for pooled requests.
    pub(crate) fn next_token(&mut self, request: &mut Vec<u8>) -> Option<[u8; TOKEN_LEN]> {
        match &mut self.kind {
            Kind::Patched { template, body, body_at, draw, ids } => {
                if request.len() != template.len() {
                    request.clone_from(template);
                }
                Some(body.fill(request, *body_at, draw, ids))
            }
            Kind::Pool { requests, ends, next, reuse } => {
                if *next == ends.len() {
                    if !*reuse {
                        return None;
                    }
                    *next = 0;
                }
                let begin = if *next == 0 { 0 } else { ends[*next - 1] };
                request.clear();
                request.extend_from_slice(&requests[begin..ends[*next]]);
                *next += 1;
                Some([0; TOKEN_LEN])
            }
        }
    }

    /// Bytes of a request, its head included; the mean where they differ.
    pub(crate) fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Patched { template, .. } => template.len(),
            Kind::Pool { requests, ends, .. } => requests.len() / ends.len().max(1),
        }
    }
}

fn start(mix: Mix) -> (Draw, Random) {
    (Draw::new(mix), Random(0x6f72_6465_7273))
}

fn compressed(body: &Body, mix: Mix, pool: usize) -> anyhow::Result<Kind> {
    let (mut draw, mut ids) = start(mix);
    let level = CompressionLvl::new(GZIP_LEVEL).map_err(|_| anyhow::anyhow!("no gzip level {GZIP_LEVEL}"))?;
    let mut compressor = Compressor::new(level);
    let mut bytes = body.bytes.clone();
    let mut packed = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let (mut requests, mut ends) = (Vec::new(), Vec::with_capacity(pool));
    for _ in 0..pool {
        body.fill(&mut bytes, 0, &mut draw, &mut ids);
        let length = compressor.gzip_compress(&bytes, &mut packed)?;
        requests.extend_from_slice(&head(Payload::Gzip, length));
        requests.extend_from_slice(&packed[..length]);
        ends.push(requests.len());
    }
    Ok(Kind::Pool { requests, ends, next: 0, reuse: true })
}

fn head(payload: Payload, length: usize) -> Vec<u8> {
    let native = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\n"
    );
    let sentry = format!(
        "POST /api/1/envelope/?sentry_key={KEY} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         User-Agent: sentry.java.spring-boot.jakarta/8.22.0\r\nContent-Type: application/x-sentry-envelope\r\n"
    );
    let lines = match payload {
        Payload::Native | Payload::Batch => native,
        Payload::Envelope => sentry,
        Payload::Gzip => format!("{sentry}Content-Encoding: gzip\r\n"),
    };
    format!("{lines}Content-Length: {length}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(request: &[u8]) -> &[u8] {
        let at = memchr::memmem::find(request, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&request[..at]).unwrap();
        let (_, length) = head.rsplit_once("Content-Length: ").unwrap();
        let body = &request[at + 4..];
        assert_eq!(length.parse(), Ok(body.len()));
        body
    }

    #[test]
    fn every_payload_makes_whole_requests_that_repeat_after_a_rewind() {
        for payload in Payload::ALL {
            for mix in Mix::ALL {
                let mut requests = Requests::new(payload, mix, 3).unwrap();
                let (mut first, mut second, mut again) = (Vec::new(), Vec::new(), Vec::new());
                assert!(requests.next(&mut first) && requests.next(&mut second));
                assert_ne!(body_of(&first), body_of(&second), "{payload:?} {mix:?}: ids are new");
                requests.rewind(false);
                assert!(requests.next(&mut again));
                assert_eq!(first, again, "{payload:?} {mix:?}");
            }
        }
    }

    #[test]
    fn a_pool_of_distinct_errors_runs_out_unless_reuse_is_allowed() {
        let mut requests = Requests::new(Payload::Gzip, Mix::Distinct, 2).unwrap();
        let mut request = Vec::new();
        for (reuse, third) in [(false, false), (true, true)] {
            requests.rewind(reuse);
            assert!(requests.next(&mut request) && requests.next(&mut request));
            assert_eq!(requests.next(&mut request), third);
        }
    }

    #[test]
    fn gzip_unpacks_to_an_envelope() {
        let mut requests = Requests::new(Payload::Gzip, Mix::One, 1).unwrap();
        let mut request = Vec::new();
        requests.next(&mut request);
        let mut plain = vec![0; 20_000];
        let length = libdeflater::Decompressor::new().gzip_decompress(body_of(&request), &mut plain).unwrap();
        assert_eq!(length, Payload::Envelope.body().unwrap().bytes.len());
        assert!(plain.starts_with(b"{\"event_id\":\""));
    }
}
