//! Where alerts arrive: a small HTTP server that notes when each one is there.
//!
//! Promises: every POST is counted and answered with 200 at once. Deliberately not here: checking signatures.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

/// Arrivals kept for whoever asks; further ones are only counted.
const KEPT: usize = 1_024;
const BODY_BYTES_MAX: usize = 1 << 20;

/// A webhook that has arrived.
pub(crate) struct Arrival {
    /// When the last byte of its body was read.
    pub(crate) at: Instant,
    pub(crate) body: Vec<u8>,
}

/// The running sink; it lives as long as the process.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    pub(crate) arrivals: Receiver<Arrival>,
    count: Arc<AtomicU64>,
}

impl Sink {
    pub(crate) fn start() -> std::io::Result<Sink> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (sender, arrivals) = sync_channel(KEPT);
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, count) = (sender.clone(), Arc::clone(&counted));
                // A connection that breaks off is the sending server's to retry.
                std::thread::spawn(move || serve(stream, &sender, &count));
            }
        });
        Ok(Sink { address, arrivals, count })
    }

    /// Webhooks that have arrived so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Forgets what has arrived and was not asked for.
    pub(crate) fn forget(&self) {
        while self.arrivals.try_recv().is_ok() {}
    }
}

fn serve(stream: TcpStream, sender: &SyncSender<Arrival>, count: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::with_capacity(64 * 1024, stream);
    while let Some(length) = read_head(&mut requests)? {
        let mut body = vec![0; length];
        requests.read_exact(&mut body)?;
        let arrival = Arrival { at: Instant::now(), body };
        count.fetch_add(1, Ordering::Relaxed);
        // Full, or nobody listens: it is counted, and that is all a throughput run asks.
        let _ = sender.try_send(arrival);
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

/// The body's length; `None` when the client has closed the connection.
fn read_head(requests: &mut impl BufRead) -> std::io::Result<Option<usize>> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if requests.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some(length));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            let bytes = value.trim().parse().ok().filter(|bytes| *bytes <= BODY_BYTES_MAX);
            length = bytes.ok_or_else(|| std::io::Error::new(ErrorKind::InvalidData, "a bad Content-Length"))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_post_of_a_connection_is_answered_and_told() {
        let sink = Sink::start().unwrap();
        let mut stream = TcpStream::connect(sink.address).unwrap();
        for text in ["one", "two"] {
            write!(stream, "POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{text}", text.len()).unwrap();
            let mut answer = [0; 15];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            let mut rest = [0; 23];
            stream.read_exact(&mut rest).unwrap();
            assert_eq!(sink.arrivals.recv().unwrap().body, text.as_bytes());
        }
        assert_eq!(sink.count(), 2);
    }
}
