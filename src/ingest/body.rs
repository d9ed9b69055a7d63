//! Reading a request's body: within its limits of size and time, and within what the server holds at a time.
//!
//! Promises: bytes are counted as they arrive, so a slow client holds only what it has sent; what a request holds is
//! given back when its outcome is known.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::Problem;

/// Bytes that all requests hold together are counted in units of this many.
const UNIT_BYTES: usize = 1 << 10;

/// What bounds the bodies of all requests.
pub(crate) struct Bodies {
    held: Arc<Semaphore>,
    body_bytes: usize,
    timeout: Duration,
    /// Which keys set these, for people.
    keys: [&'static str; 2],
}

/// A share of the bytes that the server holds at a time, given back when dropped.
#[derive(Default)]
pub(crate) struct Held {
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// `held_bytes`: what all requests may hold together; `body_bytes`: what one may send.
    pub(crate) fn new(held_bytes: usize, body_bytes: usize, timeout: Duration) -> Bodies {
        let units = held_bytes.div_ceil(UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        let keys = [" (limits.body_bytes)", " (limits.read_timeout)"];
        Bodies { held: Arc::new(Semaphore::new(units)), body_bytes, timeout, keys }
    }

    /// The same share of memory, for a door whose requests are smaller and faster.
    pub(crate) fn smaller(&self, body_bytes: usize, timeout: Duration) -> Bodies {
        Bodies { held: Arc::clone(&self.held), body_bytes, timeout, keys: [""; 2] }
    }

    /// Holds a share for so many bytes more. Units are counted over the whole of it: a body that comes byte by byte
    /// holds no more than one that comes at once.
    pub(crate) fn hold(&self, held: &mut Held, bytes: usize) -> Result<(), Problem> {
        let units_before = held.bytes.div_ceil(UNIT_BYTES);
        held.bytes += bytes;
        let units = u32::try_from(held.bytes.div_ceil(UNIT_BYTES) - units_before).unwrap_or(u32::MAX);
        if units == 0 {
            return Ok(());
        }
        let permit = Arc::clone(&self.held).try_acquire_many_owned(units).map_err(|_| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too much at a time",
                "the bodies of the requests being read fill limits.held_bytes",
            )
            .hint("send again later")
            .retry_after(1)
        })?;
        match &mut held.permit {
            Some(mine) => mine.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }

    /// Reads a whole body.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<(Bytes, Held), Problem> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > self.body_bytes) {
            return Err(self.too_large());
        }
        tokio::time::timeout(self.timeout, self.read_frames(body)).await.unwrap_or_else(|_| {
            let detail = format!("the body was not complete within {:?}{}", self.timeout, self.keys[1]);
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body too slow", detail))
        })
    }

    async fn read_frames(&self, mut body: Body) -> Result<(Bytes, Held), Problem> {
        let mut held = Held::default();
        // Most bodies arrive in one piece and are used where they lie.
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Problem::new(StatusCode::BAD_REQUEST, "body broken off", format!("the body could not be read: {error}"))
            })?;
            let Ok(piece) = frame.into_data() else { continue };
            let so_far = if rest.is_empty() { first.len() } else { rest.len() };
            if so_far + piece.len() > self.body_bytes {
                return Err(self.too_large());
            }
            self.hold(&mut held, piece.len())?;
            if so_far == 0 {
                first = piece;
                continue;
            }
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&piece);
        }
        Ok((if rest.is_empty() { first } else { rest.freeze() }, held))
    }

    fn too_large(&self) -> Problem {
        let detail = format!("the body is larger than {} bytes{}", self.body_bytes, self.keys[0]);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body too large", detail)
            .hint("send smaller batches, or compress them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_small_pieces_holds_no_more_than_one_in_one_piece() {
        let bodies = Bodies::new(4 * UNIT_BYTES, usize::MAX, Duration::from_secs(1));
        let mut held = Held::default();
        for _ in 0..4 * UNIT_BYTES {
            bodies.hold(&mut held, 1).unwrap();
        }
        assert_eq!(bodies.hold(&mut held, 1).unwrap_err().status, 429);
        drop(held);
        bodies.hold(&mut Held::default(), 4 * UNIT_BYTES).unwrap();
    }

    #[tokio::test]
    async fn a_smaller_door_has_a_limit_of_its_own_and_no_memory_of_its_own() {
        let bodies = Bodies::new(4 * UNIT_BYTES, usize::MAX, Duration::from_secs(60));
        let door = bodies.smaller(2 * UNIT_BYTES, Duration::from_secs(60));
        let read = async |bytes: usize| door.read(&HeaderMap::new(), Body::from(vec![0; bytes])).await;
        let status = |problem: Problem| problem.status;
        assert_eq!(read(2 * UNIT_BYTES + 1).await.map(drop).map_err(status), Err(413));
        let (_, first) = read(2 * UNIT_BYTES).await.map_err(status).unwrap();
        let (_, second) = read(2 * UNIT_BYTES).await.map_err(status).unwrap();
        assert_eq!(bodies.hold(&mut Held::default(), 1).map_err(status), Err(429), "the others have no room left");
        assert_eq!(read(1).await.map(drop).map_err(status), Err(429));
        drop((first, second));
        assert!(read(1).await.is_ok());
    }
}
