//! A circuit breaker: a store that fails or dawdles gets a rest, and nobody waits for it meanwhile.
//!
//! Promises: pure, no clock. It opens when most of the newest calls failed, and closes only when probes that nobody waits
//! for have succeeded in a row. Each change is answered once, to whoever caused it, so that it is announced once.
//! Deliberately not here: the calls, the probes' timing, the announcement.

use std::sync::Mutex;

/// Calls looked back upon, when they are frequent and short.
const LOOKED_BACK: u32 = 16;
/// Calls looked back upon, when each may take seconds: two in a row that fail must be enough.
const LOOKED_BACK_SLOW: u32 = 4;
/// Failures that open it when they are at least half of the calls looked back upon: one alone may be a hiccup, and with
/// each of two taking the bound of a call, people notice a dead store within twice that bound.
const FAILURES: u32 = 2;
/// Probes that must succeed in a row before it closes.
const GOOD_PROBES: u32 = 2;

/// What a result did to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The store gets a rest from now on.
    Opened,
    /// The store is asked again from now on.
    Closed,
}

/// One store's breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    looked_back: u32,
    state: Mutex<State>,
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker { looked_back: LOOKED_BACK, state: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct State {
    /// The newest calls, the newest in the lowest bit; 1 is a failure.
    failed: u16,
    calls: u32,
    open: bool,
    good_probes: u32,
}

impl Breaker {
    /// For a store whose calls may take seconds.
    pub(crate) fn of_slow_calls() -> Breaker {
        Breaker { looked_back: LOOKED_BACK_SLOW, ..Breaker::default() }
    }

    /// Whether the store may be asked.
    pub(crate) fn is_closed(&self) -> bool {
        !self.state().open
    }

    /// Takes note of a call's result. A call that was under way when it opened changes nothing.
    pub(crate) fn record(&self, good: bool) -> Option<Change> {
        let mut state = self.state();
        if state.open {
            return None;
        }
        state.failed = state.failed << 1 | u16::from(!good);
        state.calls = (state.calls + 1).min(self.looked_back);
        let failures = (state.failed & (u16::MAX >> (u16::BITS - self.looked_back))).count_ones();
        if failures < FAILURES || 2 * failures < state.calls {
            return None;
        }
        *state = State { open: true, ..State::default() };
        Some(Change::Opened)
    }

    /// Opens it whatever the calls before said.
    pub(crate) fn open(&self) -> Option<Change> {
        let mut state = self.state();
        if state.open {
            return None;
        }
        *state = State { open: true, ..State::default() };
        Some(Change::Opened)
    }

    /// Takes note of a probe's result, made while it was open.
    pub(crate) fn probed(&self, good: bool) -> Option<Change> {
        let mut state = self.state();
        state.good_probes = if good { state.good_probes + 1 } else { 0 };
        if !state.open || state.good_probes < GOOD_PROBES {
            return None;
        }
        *state = State::default();
        Some(Change::Closed)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` a good call, `x` a failed one, `+` and `-` probes; answers where it changed.
    fn check(results: &str, changes: &str) {
        check_on(&Breaker::default(), results, changes);
    }

    fn check_on(breaker: &Breaker, results: &str, changes: &str) {
        let seen: String = results
            .chars()
            .map(|result| {
                let change = match result {
                    '.' | 'x' => breaker.record(result == '.'),
                    _ => breaker.probed(result == '+'),
                };
                match change {
                    Some(Change::Opened) => 'O',
                    Some(Change::Closed) => 'C',
                    None => ' ',
                }
            })
            .collect();
        assert_eq!(seen.trim_end(), changes, "{results}");
        assert_eq!(breaker.is_closed(), changes.trim_end().ends_with('C') || !changes.contains('O'));
    }

    #[test]
    fn it_opens_when_most_of_the_newest_calls_failed() {
        check("xx", " O");
        check("..xx", "   O");
        check("...x.x", "");
        check("................xxxxxxx", "");
        check("................xxxxxxxx", "                       O");
        check("x...............x", "");
        check_on(&Breaker::of_slow_calls(), "................xx", "                 O");
        check_on(&Breaker::of_slow_calls(), "x...x...", "");
    }

    #[test]
    fn it_closes_after_good_probes_in_a_row_and_forgets_what_was() {
        check("xx+-++", " O   C");
        check("xx++x.x", " O C  O");
        check("xx..xx+", " O");
        check("++", "");
    }
}
