//! The generator against small stand-ins that answer, break off and refuse on purpose.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::mix::Mix;
use crate::payload::Payload;

/// What a stand-in does with the n-th request (from 0) of all: the writes that make up its answer; `None` closes.
type Answers = fn(u64) -> Option<Vec<String>>;

struct StandIn {
    address: SocketAddr,
    served: Arc<AtomicU64>,
}

fn stand_in(request_bytes: usize, answers: Answers) -> StandIn {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&served);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, count) = (stream.unwrap(), Arc::clone(&count));
            std::thread::spawn(move || answer(&mut stream, request_bytes, answers, &count));
        }
    });
    StandIn { address, served }
}

fn answer(stream: &mut TcpStream, request_bytes: usize, answers: Answers, count: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut request = vec![0; request_bytes];
    loop {
        stream.read_exact(&mut request).ok()?;
        assert!(request.starts_with(b"POST "));
        for part in answers(count.fetch_add(1, Ordering::SeqCst))? {
            stream.write_all(part.as_bytes()).ok()?;
            std::thread::yield_now();
        }
    }
}

fn accepted(events: usize) -> Vec<String> {
    let outcome = r#"{"outcome":"suppressed","reason":"budget"}"#;
    let body = format!(r#"{{"accepted":{events},"outcomes":[{}]}}"#, vec![outcome; events].join(","));
    let head = format!("HTTP/1.1 202 Accepted\r\ncontent-length: {}\r\n\r\n", body.len());
    vec![head, body]
}

fn load(address: SocketAddr, payload: Payload) -> Load {
    Load {
        address,
        connections: 4,
        warm_up: Duration::from_millis(20),
        measured: Duration::from_millis(200),
        pace: Pace::Closed,
        events: payload.events(),
        outcomes: true,
    }
}

/// Runs a short closed loop of native events.
fn closed(answers: Answers) -> (Tally, u64) {
    let mut requests = Requests::new(Payload::Native, Mix::Zipf, 0).unwrap();
    let server = stand_in(requests.bytes(), answers);
    let mut marks = Vec::new();
    let tally = run(load(server.address, Payload::Native), &mut requests, &mut |mark| marks.push(mark)).unwrap();
    assert_eq!(marks, [Mark::Begin, Mark::End]);
    (tally, server.served.load(Ordering::SeqCst))
}

#[test]
fn every_request_that_was_served_is_counted_also_when_answers_come_in_pieces() {
    let (tally, served) = closed(|_| Some(accepted(1)));
    assert!(tally.latencies.total() > 0);
    assert_eq!(tally.accepted, tally.latencies.total());
    assert_eq!(tally.accepted_in_all, served);
    assert_eq!((tally.refused, tally.miscounted, tally.broken, tally.unanswered), (0, 0, 0, 0));
}

#[test]
fn refusals_are_counted_and_are_no_accepted_events() {
    let (tally, served) = closed(|at| {
        let refusal = "HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nfull";
        Some(if at % 2 == 0 { accepted(1) } else { vec![refusal.to_owned()] })
    });
    assert!(tally.refused > 0);
    assert_eq!(tally.accepted_in_all + tally.refused, served);
    assert_eq!(tally.first_refusal.as_deref(), Some("503: full"));
}

#[test]
fn an_answer_with_too_few_outcomes_is_noticed() {
    let (tally, _) = closed(|at| Some(accepted(usize::from(at != 3))));
    assert_eq!(tally.miscounted, 1);
}

#[test]
fn a_connection_that_breaks_is_replaced_and_its_request_counted_as_lost() {
    let (tally, served) = closed(|at| (at != 5).then(|| accepted(1)));
    assert_eq!(tally.broken, 1);
    assert_eq!(tally.accepted_in_all, served - 1);
    assert!(served > 6);
}

#[test]
fn a_server_that_only_breaks_off_is_an_error() {
    let mut requests = Requests::new(Payload::Native, Mix::One, 0).unwrap();
    let server = stand_in(requests.bytes(), |_| None);
    let endless = Load { measured: Duration::from_secs(60), ..load(server.address, Payload::Native) };
    let error = run(endless, &mut requests, &mut |_| {}).err().unwrap().to_string();
    assert!(error.contains("is the server alive?"), "{error}");
}

#[test]
fn large_batches_are_written_whole_and_their_outcomes_counted() {
    let mut requests = Requests::new(Payload::Batch, Mix::Distinct, 0).unwrap();
    let server = stand_in(requests.bytes(), |_| Some(accepted(100)));
    let tally = run(load(server.address, Payload::Batch), &mut requests, &mut |_| {}).unwrap();
    assert_eq!(tally.accepted, tally.latencies.total() * 100);
    assert_eq!(tally.accepted_in_all, server.served.load(Ordering::SeqCst) * 100);
    assert_eq!(tally.miscounted, 0);
}

#[test]
fn an_open_loop_sends_at_its_rate_and_not_faster() {
    let mut requests = Requests::new(Payload::Native, Mix::One, 0).unwrap();
    let server = stand_in(requests.bytes(), |_| Some(accepted(1)));
    let pace = Pace::Open { per_second: 500 };
    let tally = run(Load { pace, ..load(server.address, Payload::Native) }, &mut requests, &mut |_| {}).unwrap();
    let whole = tally.elapsed + Duration::from_millis(20);
    let due = whole.as_secs_f64() * 500.0;
    assert!(tally.accepted_in_all > 0 && tally.accepted_in_all as f64 <= due + 5.0, "{}", tally.accepted_in_all);
}

#[test]
fn latency_of_an_open_loop_counts_from_the_moment_a_request_was_due() {
    let start = Instant::now();
    let mut schedule = Schedule::new(Pace::Open { per_second: 1_000 }, start);
    let now = start + Duration::from_millis(2);
    let due: Vec<Duration> = std::iter::from_fn(|| schedule.due(now)).map(|due| due - start).collect();
    assert_eq!(due, [0, 1, 2].map(Duration::from_millis));
}

#[test]
fn a_pool_that_runs_out_ends_the_run() {
    let mut requests = Requests::new(Payload::Gzip, Mix::Distinct, 1).unwrap();
    requests.rewind(false);
    let server = stand_in(requests.bytes(), |_| Some(accepted(1)));
    let long =
        Load { warm_up: Duration::ZERO, measured: Duration::from_secs(60), ..load(server.address, Payload::Gzip) };
    let tally = run(long, &mut requests, &mut |_| {}).unwrap();
    assert!(tally.ran_out);
    assert_eq!(tally.accepted_in_all, 1);
}
