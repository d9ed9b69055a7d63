//! Whether a parcel may have left: the line between "not sent" and "nobody knows whether it arrived".
//!
//! Promises: what is not marked was never given to a connection, so that no far side can have it. Deliberately not here:
//! whether it did arrive; only an answer says that.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Marked when a parcel is given to a connection. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Handed(Arc<AtomicBool>);

impl Handed {
    /// From now on nobody knows, until there is an answer.
    pub(super) fn mark(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it may have left.
    pub(super) fn is_marked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The body of a request. It is asked for when there is a connection that takes it.
pub(super) struct Payload {
    whole: Option<Bytes>,
    handed: Handed,
}

impl Payload {
    pub(super) fn new(whole: Bytes, handed: Handed) -> Payload {
        Payload { whole: Some(whole), handed }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.handed.mark();
        Poll::Ready(self.whole.take().map(|whole| Ok(Frame::data(whole))))
    }

    fn is_end_stream(&self) -> bool {
        self.whole.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole.as_ref().map_or(0, |whole| whole.len() as u64))
    }
}
