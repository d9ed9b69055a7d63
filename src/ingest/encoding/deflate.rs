//! gzip and deflate by libdeflate, which decodes a whole body at once: twice as fast as a stream on bodies of a usual
//! event's size, at the price of beginning anew when the buffer was too small.
//!
//! gzip's last four bytes say how long the content is. That is the sender's word: it sizes the first buffer, up to
//! [`TRUSTED_RATIO`], and nothing else.

use std::cell::RefCell;

use libdeflater::{DecompressionError, Decompressor, adler32, crc32};
use memchr::memmem;

use super::{FIRST_BYTES, Fault, Output};

/// The highest ratio that is believed before anything was decoded. Texts of events reach 5 to 15.
const TRUSTED_RATIO: usize = 16;

/// No deflate stream has a higher ratio: at best 258 bytes for 2 bits.
const RATIO_MAX: usize = 1032;

/// gzip's header without its optional fields.
const GZIP_HEADER_BYTES: usize = 10;

/// gzip's checksum and length, behind each member.
const GZIP_TRAILER_BYTES: usize = 8;

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// Decodes all members of a gzip body.
pub(super) fn gunzip(body: &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    if body.is_empty() {
        return Err(Fault::empty());
    }
    let told = body.last_chunk().map_or(0, |last: &[u8; 4]| u32::from_le_bytes(*last)) as usize;
    let mut rest = body;
    loop {
        let start = output.len;
        let is_first = rest.len() == body.len();
        once(Decompressor::gzip_decompress, rest, output, told).map_err(|fault| match fault {
            Fault::Corrupt(_) if !is_first => Fault::trailing(),
            fault => fault,
        })?;
        let member = &output.buffer[start..output.len];
        rest = behind_member(rest, member).ok_or_else(|| Fault::corrupt("its end cannot be found"))?;
        // No member begins with a zero, so zeros are padding, wherever they are.
        rest = &rest[rest.iter().position(|byte| *byte != 0).unwrap_or(rest.len())..];
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// What follows the member that decodes to this. libdeflate does not say where it stopped, but checksum and length stand
/// there, and eight bytes that were just compared with the content stand nowhere else by chance.
fn behind_member<'a>(rest: &'a [u8], content: &[u8]) -> Option<&'a [u8]> {
    let mut trailer = [0; GZIP_TRAILER_BYTES];
    trailer[..4].copy_from_slice(&crc32(content).to_le_bytes());
    trailer[4..].copy_from_slice(&(content.len() as u32).to_le_bytes());
    let deflated = rest.get(GZIP_HEADER_BYTES..)?;
    let at = memmem::find(deflated, &trailer)?;
    deflated.get(at + GZIP_TRAILER_BYTES..)
}

/// Decodes what is called deflate: zlib's format by the standard, the bare stream by many senders.
pub(super) fn inflate(body: &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    let raw = |output: &mut Output<'_>| once(Decompressor::deflate_decompress, body, output, 0);
    match body {
        [] => Err(Fault::empty()),
        [method, flags, ..] if method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0 => {
            match once(Decompressor::zlib_decompress, body, output, 0) {
                Ok(()) if !body.ends_with(&adler32(&output.buffer[..output.len]).to_be_bytes()) => {
                    Err(Fault::trailing())
                }
                Err(Fault::Corrupt(why)) => raw(output).map_err(|_| Fault::Corrupt(why)),
                done => done,
            }
        }
        _ => raw(output),
    }
}

type Method = fn(&mut Decompressor, &[u8], &mut [u8]) -> Result<usize, DecompressionError>;

/// Decodes at once, into a larger buffer when the first was too small.
fn once(method: Method, body: &[u8], output: &mut Output<'_>, told: usize) -> Result<(), Fault> {
    let trusted = (body.len() * TRUSTED_RATIO).max(FIRST_BYTES);
    output.reserve(if (1..trusted).contains(&told) { told } else { trusted.min(FIRST_BYTES) });
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        loop {
            let room = output.room();
            let is_ample = room.len() > body.len().saturating_mul(RATIO_MAX);
            match method(decompressor, body, room) {
                Ok(written) => {
                    output.len += written;
                    return Ok(());
                }
                Err(DecompressionError::InsufficientSpace) if !is_ample => output.grow()?,
                Err(DecompressionError::InsufficientSpace | DecompressionError::BadData) => {
                    return Err(Fault::corrupt("it was cut short, or its data or checksum is wrong"));
                }
            }
        }
    })
}
