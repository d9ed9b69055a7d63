//! Zstandard: frames one after another, skippable ones among them.

use std::io::Read;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use xxhash_rust::xxh64::xxh64;

use super::{FIRST_BYTES, Fault, Output};

/// The format's own recommendation for what every decoder should allow. A window may also be as large as the limit,
/// since a frame that states its size has it as its window.
const ZSTD_WINDOW_BYTES_MIN: usize = 8 << 20;

pub(super) fn decompress(body: &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    if body.is_empty() {
        return Err(Fault::empty());
    }
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(output.limit.max(ZSTD_WINDOW_BYTES_MIN) as u64);
    let mut rest = body;
    let mut frames = 0;
    while !rest.is_empty() {
        match decoder.init(&mut rest) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                rest = rest.get(length as usize..).ok_or_else(Fault::truncated)?;
                continue;
            }
            Err(_) if frames > 0 => return Err(Fault::trailing()),
            Err(error) => return Err(Fault::Corrupt(why(&error))),
        }
        // The header's word is no reason to allocate, but it is one to stop.
        if decoder.content_size() > output.limit as u64 {
            return Err(Fault::TooLarge);
        }
        frame(&mut decoder, &mut rest, output)?;
        frames += 1;
    }
    Ok(())
}

/// Decodes one frame, a block (of at most 128 KiB) at a time.
fn frame(decoder: &mut FrameDecoder, rest: &mut &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
    let start = output.len;
    output.reserve(FIRST_BYTES.min(decoder.content_size() as usize));
    while !decoder.is_finished() {
        decoder
            .decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|error| Fault::Corrupt(why(&error)))?;
        while decoder.can_collect() > 0 {
            if output.room().is_empty() {
                output.grow()?;
            }
            output.len += decoder.read(output.room()).map_err(|error| Fault::corrupt(error.to_string()))?;
        }
    }
    let checksum = || xxh64(&output.buffer[start..output.len], 0) as u32;
    match decoder.get_checksum_from_data() {
        Some(told) if told != checksum() => Err(Fault::corrupt("its checksum does not match")),
        _ => Ok(()),
    }
}

fn why(error: &FrameDecoderError) -> String {
    use ReadFrameHeaderError::{BadMagicNumber, MagicNumberReadError};
    match error {
        FrameDecoderError::ReadFrameHeaderError(BadMagicNumber(_) | MagicNumberReadError(_)) => {
            "it does not begin with a frame".to_owned()
        }
        FrameDecoderError::WindowSizeTooBig { requested, max } => {
            format!("it needs a window of {requested} bytes, and at most {max} are given; compress without --long")
        }
        other => other.to_string(),
    }
}
