//! Brotli, as a stream into a growing buffer.
//!
//! Deliberately not here: large windows, an extension that HTTP does not have.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{FIRST_BYTES, Fault, Output};

pub(super) fn decompress(body: &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    if body.is_empty() {
        return Err(Fault::empty());
    }
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut unread, mut read, mut total) = (body.len(), 0, 0);
    output.reserve(FIRST_BYTES);
    loop {
        let room = output.room();
        let (mut free, mut written) = (room.len(), 0);
        let result =
            BrotliDecompressStream(&mut unread, &mut read, body, &mut free, &mut written, room, &mut total, &mut state);
        output.len += written;
        match result {
            BrotliResult::ResultSuccess if unread > 0 => return Err(Fault::trailing()),
            BrotliResult::ResultSuccess => return Ok(()),
            BrotliResult::NeedsMoreOutput => output.grow()?,
            BrotliResult::NeedsMoreInput => return Err(Fault::truncated()),
            BrotliResult::ResultFailure => return Err(Fault::corrupt("its data makes no sense")),
        }
    }
}
