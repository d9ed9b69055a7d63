//! The load generator: one thread, epoll, keep-alive connections.
//!
//! Promises: it sends prebuilt bytes and reads answers by their length, so that it is never what is measured. Closed
//! loop: each connection sends as soon as its answer is there. Open loop: requests are due at a fixed rate, and latency
//! counts from the moment a request was due, also while it waited for a connection. Every answer is counted, those of
//! the warm-up too; rates and latencies are of the measured time only. Deliberately not here: pipelining, TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::histogram::Histogram;
use crate::request::Requests;
use crate::response::{OutcomeCounter, parse};

const BUFFER_BYTES: usize = 256 * 1024;
/// How long a closed loop waits for any answer: only to notice the end of the measured time.
const TICK: Duration = Duration::from_millis(20);
/// How long answers may take after the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Broken connections after which a server counts as gone.
const BROKEN_LIMIT: u64 = 1_000;

/// How the load is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as answers come.
    Closed,
    /// This many requests a second, whatever comes back.
    Open { per_second: u32 },
}

/// One run of load against one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) pace: Pace,
    /// Events in one request.
    pub(crate) events: u64,
    /// Whether answers must name an outcome for each event.
    pub(crate) outcomes: bool,
}

/// What came of a run.
pub(crate) struct Tally {
    /// Of the requests acknowledged in the measured time.
    pub(crate) latencies: Histogram,
    /// Events acknowledged in the measured time.
    pub(crate) accepted: u64,
    pub(crate) elapsed: Duration,
    /// Of the whole run, as all below.
    pub(crate) accepted_in_all: u64,
    pub(crate) alerted_in_all: u64,
    /// Answers other than 2xx.
    pub(crate) refused: u64,
    /// The first of those, for people.
    pub(crate) first_refusal: Option<String>,
    /// Answers whose outcomes were not as many as the events sent.
    pub(crate) miscounted: u64,
    /// Requests whose connection broke before the answer was whole.
    pub(crate) broken: u64,
    /// Requests not answered when the run was over.
    pub(crate) unanswered: u64,
    /// Whether the compressed bodies ran out before the time did.
    pub(crate) ran_out: bool,
}

/// A moment at which the caller may look at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The warm-up is over.
    Begin,
    /// The measured time is over.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measured,
    Over,
}

struct Line {
    stream: TcpStream,
    request: Vec<u8>,
    sent: usize,
    /// What was read of an answer that is not whole.
    partial: Vec<u8>,
    /// When the request under way was sent, or was due.
    begun: Option<Instant>,
}

struct Generator<'a> {
    load: Load,
    requests: &'a mut Requests,
    poll: Poll,
    lines: Vec<Line>,
    idle: Vec<usize>,
    buffer: Vec<u8>,
    counter: OutcomeCounter,
    phase: Phase,
    tally: Tally,
}

/// Runs the load; `at_mark` is told when the measured time begins and ends.
pub(crate) fn run(load: Load, requests: &mut Requests, at_mark: &mut dyn FnMut(Mark)) -> anyhow::Result<Tally> {
    let mut generator = Generator::new(load, requests)?;
    let begun = generator.warm_and_measure(at_mark)?;
    generator.tally.elapsed = begun.elapsed();
    generator.phase = Phase::Over;
    at_mark(Mark::End);
    generator.drain()?;
    Ok(generator.tally)
}

impl<'a> Generator<'a> {
    fn new(load: Load, requests: &'a mut Requests) -> anyhow::Result<Generator<'a>> {
        let poll = Poll::new()?;
        let lines: Vec<Line> =
            (0..load.connections).map(|at| connect(load.address, &poll, at)).collect::<anyhow::Result<_>>()?;
        let tally = Tally {
            latencies: Histogram::new(),
            accepted: 0,
            elapsed: Duration::ZERO,
            accepted_in_all: 0,
            alerted_in_all: 0,
            refused: 0,
            first_refusal: None,
            miscounted: 0,
            broken: 0,
            unanswered: 0,
            ran_out: false,
        };
        let idle = (0..lines.len()).rev().collect();
        let (buffer, counter) = (vec![0; BUFFER_BYTES], OutcomeCounter::new());
        Ok(Generator { load, requests, poll, lines, idle, buffer, counter, phase: Phase::WarmUp, tally })
    }

    /// Answers when the measured time began.
    fn warm_and_measure(&mut self, at_mark: &mut dyn FnMut(Mark)) -> anyhow::Result<Instant> {
        let start = Instant::now();
        let mut begun = start;
        let mut events = Events::with_capacity(1024);
        let mut schedule = Schedule::new(self.load.pace, start);
        loop {
            let now = Instant::now();
            if self.phase == Phase::WarmUp && now >= start + self.load.warm_up {
                at_mark(Mark::Begin);
                self.phase = Phase::Measured;
                begun = Instant::now();
            }
            if self.phase == Phase::Measured && now >= begun + self.load.measured {
                return Ok(begun);
            }
            if self.tally.ran_out {
                anyhow::ensure!(self.phase == Phase::Measured, "the compressed bodies ran out in the warm-up: --pool");
                return Ok(begun);
            }
            while !self.tally.ran_out && !self.idle.is_empty() {
                let Some(due) = schedule.due(now) else { break };
                let at = self.idle.pop().expect("the loop's condition saw an idle connection");
                self.send(at, due)?;
            }
            self.poll_once(&mut events, schedule.patience())?;
        }
    }

    fn drain(&mut self) -> anyhow::Result<()> {
        let limit = Instant::now() + DRAIN_LIMIT;
        let mut events = Events::with_capacity(1024);
        while self.idle.len() < self.lines.len() && Instant::now() < limit {
            self.poll_once(&mut events, TICK)?;
        }
        self.tally.unanswered = (self.lines.len() - self.idle.len()) as u64;
        Ok(())
    }

    fn poll_once(&mut self, events: &mut Events, patience: Duration) -> anyhow::Result<()> {
        match self.poll.poll(events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            let at = event.token().0;
            if event.is_writable() && self.lines[at].sent < self.lines[at].request.len() {
                self.write(at)?;
            }
            if event.is_readable() || event.is_error() {
                self.read(at)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, at: usize, begun: Instant) -> anyhow::Result<()> {
        let line = &mut self.lines[at];
        if !self.requests.next(&mut line.request) {
            self.tally.ran_out = true;
            self.idle.push(at);
            return Ok(());
        }
        line.begun = Some(begun);
        line.sent = 0;
        self.write(at)
    }

    fn write(&mut self, at: usize) -> anyhow::Result<()> {
        loop {
            let line = &mut self.lines[at];
            match line.stream.write(&line.request[line.sent..]) {
                Ok(count) => {
                    line.sent += count;
                    if line.sent == line.request.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.mend(at),
            }
        }
    }

    fn read(&mut self, at: usize) -> anyhow::Result<()> {
        loop {
            let count = match self.lines[at].stream.read(&mut self.buffer) {
                Ok(0) => return self.mend(at),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return self.mend(at),
            };
            self.take(at, count)?;
            // A short read emptied the socket; asking again would only cost a system call.
            if count < self.buffer.len() {
                return Ok(());
            }
        }
    }

    /// Takes what was read from a connection; answers a whole answer with the next request.
    fn take(&mut self, at: usize, count: usize) -> anyhow::Result<()> {
        let line = &mut self.lines[at];
        let (whole, bytes): (bool, &[u8]) = if line.partial.is_empty() {
            (true, &self.buffer[..count])
        } else {
            line.partial.extend_from_slice(&self.buffer[..count]);
            (false, &line.partial)
        };
        let response = match parse(bytes) {
            Ok(Some(response)) => response,
            Ok(None) if whole => {
                line.partial.extend_from_slice(&self.buffer[..count]);
                return Ok(());
            }
            Ok(None) => return Ok(()),
            Err(unreadable) => anyhow::bail!("{}: {}", unreadable.0, String::from_utf8_lossy(bytes)),
        };
        let begun = line.begun.take().context("the server answered what nobody asked")?;
        anyhow::ensure!(response.length == bytes.len(), "the server answered more than was asked");
        let now = Instant::now();
        let events = self.load.events;
        if (200..300).contains(&response.status) {
            let mut accepted = events;
            if self.load.outcomes {
                let outcomes = self.counter.count(response.body);
                accepted = outcomes.accepted;
                self.tally.alerted_in_all += outcomes.alerted;
                self.tally.miscounted += u64::from(outcomes.accepted != events || outcomes.named != events);
            }
            self.tally.accepted_in_all += accepted;
            if self.phase == Phase::Measured {
                self.tally.accepted += accepted;
                self.tally.latencies.record(now.duration_since(begun));
            }
        } else {
            self.tally.refused += 1;
            self.tally.first_refusal.get_or_insert_with(|| {
                let body = String::from_utf8_lossy(response.body);
                format!("{}: {}", response.status, body.chars().take(300).collect::<String>())
            });
        }
        line.partial.clear();
        self.next(at, now)
    }

    fn next(&mut self, at: usize, now: Instant) -> anyhow::Result<()> {
        if self.phase != Phase::Over && matches!(self.load.pace, Pace::Closed) && !self.tally.ran_out {
            return self.send(at, now);
        }
        self.idle.push(at);
        Ok(())
    }

    /// Replaces a broken connection. The request under way on it is lost and counted.
    fn mend(&mut self, at: usize) -> anyhow::Result<()> {
        let lost = self.lines[at].begun.take().is_some();
        self.tally.broken += u64::from(lost);
        anyhow::ensure!(self.tally.broken < BROKEN_LIMIT, "{BROKEN_LIMIT} connections broke: is the server alive?");
        self.lines[at] = connect(self.load.address, &self.poll, at)?;
        if lost { self.next(at, Instant::now()) } else { Ok(()) }
    }
}

fn connect(address: SocketAddr, poll: &Poll, at: usize) -> anyhow::Result<Line> {
    let stream = std::net::TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
    Ok(Line { stream, request: Vec::new(), sent: 0, partial: Vec::new(), begun: None })
}

/// When requests are due.
enum Schedule {
    /// Whenever a connection is idle.
    Closed,
    /// At a fixed rate. What could not be sent in time is still due at its time.
    Open { start: Instant, gap_nanos: f64, sent: u64 },
}

impl Schedule {
    fn new(pace: Pace, start: Instant) -> Schedule {
        match pace {
            Pace::Closed => Schedule::Closed,
            Pace::Open { per_second } => {
                Schedule::Open { start, gap_nanos: 1e9 / f64::from(per_second.max(1)), sent: 0 }
            }
        }
    }

    /// The moment the next request was due, when one is.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        match self {
            Schedule::Closed => Some(now),
            Schedule::Open { start, gap_nanos, sent } => {
                let due = *start + Duration::from_nanos((*sent as f64 * *gap_nanos) as u64);
                if due > now {
                    return None;
                }
                *sent += 1;
                Some(due)
            }
        }
    }

    /// How long the generator may sleep. epoll counts whole milliseconds, too coarse for a rate: an open loop spins.
    fn patience(&self) -> Duration {
        match self {
            Schedule::Closed => TICK,
            Schedule::Open { .. } => Duration::ZERO,
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
