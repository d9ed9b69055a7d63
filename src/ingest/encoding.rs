//! Undoes a request's `Content-Encoding`: gzip, deflate, Brotli, Zstandard, also one around another.
//!
//! A compressed body is a stranger's word about how much memory it will take. Promises: no layer ever holds more than
//! the limit of decoded bytes and one more; the buffer grows with what was decoded, not with what a header claims; a
//! decoder's own window is bounded (Zstandard's by the limit or 8 MiB, Brotli's by its format's 16 MiB). Every body is read
//! to its last byte: one that was cut short, or is followed by something else, is an error and not a shorter body, since
//! the events that are missing would be missed by nobody. Checksums are compared where the format has them.
//!
//! What may follow: further gzip members and Zstandard frames, which are part of the body, and zero bytes behind gzip,
//! which some writers pad with. Behind raw deflate nothing can be told, as it has neither an end mark nor a checksum.
//!
//! Deliberately not here: HTTP statuses, the limit on the body as sent (the server reads no more than that), dictionaries.

mod brotli;
mod deflate;
mod zstd;

#[cfg(test)]
mod tests;

use smallvec::SmallVec;
use thiserror::Error;

/// How many encodings may lie around each other. One is what clients send, two what a proxy makes of it; each one more
/// multiplies what a small body can cost.
pub(crate) const LAYERS_MAX: usize = 3;

/// What a buffer keeps from one body to the next. Larger bodies are rare, and their memory is better given back.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// The first size of a buffer whose need is not known.
const FIRST_BYTES: usize = 32 << 10;

/// How much a full buffer grows. libdeflate begins anew with each size, so few steps are worth some slack.
const GROWTH: usize = 4;

/// How many characters of an unknown encoding's name are repeated to the client.
const SHOWN_CHARS_MAX: usize = 40;

/// Why a body could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Undecodable {
    /// Not an encoding we know.
    #[error("content encoding {0:?} is not supported; send gzip, deflate, br, zstd or identity")]
    Unsupported(String),
    /// More than [`LAYERS_MAX`] encodings around each other.
    #[error("{layers} content encodings lie around each other; at most {LAYERS_MAX} are undone")]
    TooManyLayers {
        /// How many the header names.
        layers: usize,
    },
    /// Decodes to more than the limit.
    #[error("the body is larger than {limit} bytes after decompression; send fewer events in one request")]
    TooLarge {
        /// The limit, in decoded bytes.
        limit: usize,
    },
    /// Not what its encoding says, or not all of it.
    #[error("the body is not valid {encoding}: {why}")]
    Corrupt {
        /// The encoding's name.
        encoding: &'static str,
        /// What is wrong, for people.
        why: String,
    },
}

/// Buffers that bodies are decoded into, reused from one body to the next: fresh pages cost more than the decoding of
/// a usual event.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    near: Vec<u8>,
    far: Vec<u8>,
}

impl Scratch {
    /// Gives back what a large body needed. [`decode`] does it before it begins; a thread that keeps one, after each use.
    pub(crate) fn trim(&mut self) {
        for buffer in [&mut self.near, &mut self.far] {
            if buffer.capacity() > KEPT_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
    }
}

/// The body without its encodings, the outermost (the last that the header names) undone first. A body that has none
/// is handed back as it is. The limit, in bytes, holds for the result and for each layer on the way to it.
pub(crate) fn decode<'a>(
    content_encoding: Option<&str>,
    body: &'a [u8],
    limit: usize,
    scratch: &'a mut Scratch,
) -> Result<&'a [u8], Undecodable> {
    let codings = codings(content_encoding.unwrap_or_default())?;
    let Some((outermost, inner)) = codings.split_last() else {
        return if body.len() > limit { Err(Undecodable::TooLarge { limit }) } else { Ok(body) };
    };
    scratch.trim();
    let Scratch { near, far } = scratch;
    let (mut decoded, mut spare) = (near, far);
    let mut len = outermost.undo(body, limit, decoded)?;
    for coding in inner.iter().rev() {
        (decoded, spare) = (spare, decoded);
        len = coding.undo(&spare[..len], limit, decoded)?;
    }
    Ok(&decoded[..len])
}

/// An encoding that changes the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    const fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// Decodes into the buffer and says how much of it is the result.
    fn undo(self, body: &[u8], limit: usize, buffer: &mut Vec<u8>) -> Result<usize, Undecodable> {
        let mut output = Output { buffer, len: 0, limit };
        let done = match self {
            Coding::Gzip => deflate::gunzip(body, &mut output),
            Coding::Deflate => deflate::inflate(body, &mut output),
            Coding::Brotli => brotli::decompress(body, &mut output),
            Coding::Zstd => zstd::decompress(body, &mut output),
        };
        match done {
            Ok(()) if output.len <= limit => Ok(output.len),
            Ok(()) | Err(Fault::TooLarge) => Err(Undecodable::TooLarge { limit }),
            Err(Fault::Corrupt(why)) => Err(Undecodable::Corrupt { encoding: self.name(), why }),
        }
    }
}

/// The header's encodings in the order in which they were applied.
fn codings(header: &str) -> Result<SmallVec<[Coding; LAYERS_MAX]>, Undecodable> {
    let mut codings = SmallVec::new();
    for word in
        header.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("identity"))
    {
        let known = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
        let word = if word.eq_ignore_ascii_case("x-gzip") { Coding::Gzip.name() } else { word };
        let coding = known.into_iter().find(|coding| word.eq_ignore_ascii_case(coding.name()));
        codings.push(coding.ok_or_else(|| Undecodable::Unsupported(word.chars().take(SHOWN_CHARS_MAX).collect()))?);
    }
    match codings.len() {
        layers if layers > LAYERS_MAX => Err(Undecodable::TooManyLayers { layers }),
        _ => Ok(codings),
    }
}

/// Why a layer could not be undone.
#[derive(Debug)]
enum Fault {
    TooLarge,
    Corrupt(String),
}

impl Fault {
    fn corrupt(why: impl Into<String>) -> Fault {
        Fault::Corrupt(why.into())
    }

    fn empty() -> Fault {
        Fault::corrupt("it is empty")
    }

    fn truncated() -> Fault {
        Fault::corrupt("it ends too early")
    }

    fn trailing() -> Fault {
        Fault::corrupt("something follows its end")
    }
}

/// What a layer decodes into: a buffer that keeps its initialised bytes between bodies, so that they need not be zeroed
/// again, and never grows beyond the limit and one byte. That byte is how a body that is too large shows itself.
struct Output<'b> {
    buffer: &'b mut Vec<u8>,
    /// How much of the buffer is decoded.
    len: usize,
    limit: usize,
}

impl Output<'_> {
    fn size_max(&self) -> usize {
        self.limit.saturating_add(1)
    }

    /// Makes room for so many bytes behind the decoded ones, as far as the limit allows.
    fn reserve(&mut self, bytes: usize) {
        let size = self.len.saturating_add(bytes).min(self.size_max());
        if let Some(missing) = size.checked_sub(self.buffer.len()) {
            // Exactly: the usual doubling would allocate beyond the limit.
            self.buffer.reserve_exact(missing);
            self.buffer.resize(size, 0);
        }
    }

    /// What is free behind the decoded bytes.
    fn room(&mut self) -> &mut [u8] {
        let size = self.buffer.len().min(self.size_max());
        &mut self.buffer[self.len..size]
    }

    /// More room, because what there is does not suffice.
    fn grow(&mut self) -> Result<(), Fault> {
        let size = self.buffer.len().min(self.size_max());
        if size == self.size_max() {
            return Err(Fault::TooLarge);
        }
        self.reserve((size * GROWTH).max(FIRST_BYTES) - self.len);
        Ok(())
    }
}
