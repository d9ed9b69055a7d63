//! How long an alert takes: from sending the first event of a new error to the webhook's arrival.
//!
//! Promises: one event at a time against an idle server, each a new error; the webhook is matched by the error's token,
//! so that a message about something else is not taken for it. Deliberately not here: load; and the first few alerts,
//! which open connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::mix::Mix;
use crate::payload::Payload;
use crate::request::Requests;
use crate::response::parse;
use crate::sink::Sink;

/// Alerts before the measured ones.
const WARM_UP: usize = 5;
/// Between two events, so that the server is idle again.
const PAUSE: Duration = Duration::from_millis(5);

/// Latencies in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AlertFigures {
    pub(crate) sent: usize,
    /// Alerts that did not arrive within the patience.
    pub(crate) missing: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// From sending to the acknowledgement of the same events.
    pub(crate) acknowledged_p50_ms: f64,
}

/// Sends `count` events one after another; waits up to `patience` for each one's alert.
pub(crate) fn measure(
    server: SocketAddr,
    sink: &Sink,
    count: usize,
    patience: Duration,
) -> anyhow::Result<AlertFigures> {
    let mut requests = Requests::new(Payload::Native, Mix::Distinct, 0)?;
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    let (mut alerts, mut acknowledgements) = (Vec::new(), Vec::new());
    let mut missing = 0;
    let mut warm = 0;
    for at in 0..WARM_UP + count {
        std::thread::sleep(PAUSE);
        sink.forget();
        let token = requests.next_token(&mut request).context("native events do not run out")?;
        let begun = Instant::now();
        stream.write_all(&request)?;
        read_answer(&mut stream, &mut answer)?;
        let acknowledged = begun.elapsed();
        let alert = arrival(sink, &token, begun + patience).map(|at| at.duration_since(begun));
        if at < WARM_UP {
            warm += usize::from(alert.is_some());
        } else {
            anyhow::ensure!(warm > 0, "none of the first {WARM_UP} alerts arrived within {patience:?}");
            acknowledgements.push(acknowledged);
            missing += usize::from(alert.is_none());
            alerts.extend(alert);
        }
    }
    alerts.sort_unstable();
    acknowledgements.sort_unstable();
    Ok(AlertFigures {
        sent: count,
        missing,
        p50_ms: share_ms(&alerts, 0.5),
        p99_ms: share_ms(&alerts, 0.99),
        max_ms: share_ms(&alerts, 1.0),
        acknowledged_p50_ms: share_ms(&acknowledgements, 0.5),
    })
}

fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    answer.clear();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        anyhow::ensure!(count > 0, "the server closed the connection");
        answer.extend_from_slice(&buffer[..count]);
        if let Some(response) = parse(answer).map_err(|unreadable| anyhow::anyhow!(unreadable.0))? {
            let text = String::from_utf8_lossy(response.body);
            anyhow::ensure!((200..300).contains(&response.status), "{}: {text}", response.status);
            return Ok(());
        }
    }
}

fn arrival(sink: &Sink, token: &[u8], limit: Instant) -> Option<Instant> {
    loop {
        let arrival = sink.arrivals.recv_timeout(limit.saturating_duration_since(Instant::now())).ok()?;
        if memchr::memmem::find(&arrival.body, token).is_some() {
            return Some(arrival.at);
        }
    }
}

fn share_ms(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// Answers each event, and sends its alert to the sink unless `skip` says not to.
    fn stand_in(sink: SocketAddr, skip: fn(usize) -> bool) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut client = listener.accept().unwrap().0;
            let mut hook = TcpStream::connect(sink).unwrap();
            let mut event = vec![0; Requests::new(Payload::Native, Mix::Distinct, 0).unwrap().bytes()];
            for at in 0.. {
                if client.read_exact(&mut event).is_err() {
                    return;
                }
                if !skip(at) {
                    write!(hook, "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", event.len()).unwrap();
                    hook.write_all(&event).unwrap();
                }
                client.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        address
    }

    #[test]
    fn every_alert_is_matched_with_its_event() {
        let sink = Sink::start().unwrap();
        let figures = measure(stand_in(sink.address, |_| false), &sink, 10, Duration::from_secs(10)).unwrap();
        assert_eq!((figures.sent, figures.missing), (10, 0));
        assert!(figures.p50_ms > 0.0 && figures.p50_ms <= figures.p99_ms && figures.p99_ms <= figures.max_ms);
    }

    #[test]
    fn a_server_that_does_not_alert_is_an_error() {
        let sink = Sink::start().unwrap();
        let error = measure(stand_in(sink.address, |_| true), &sink, 3, Duration::from_millis(20)).unwrap_err();
        assert!(error.to_string().contains("none of the first 5"), "{error}");
    }

    #[test]
    fn an_alert_that_does_not_come_is_missing() {
        let sink = Sink::start().unwrap();
        let server = stand_in(sink.address, |at| at == WARM_UP + 1);
        let figures = measure(server, &sink, 3, Duration::from_millis(200)).unwrap();
        assert_eq!((figures.sent, figures.missing), (3, 1));
    }
}
