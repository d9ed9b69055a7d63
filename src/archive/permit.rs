//! A permit to commit, which whoever waits can withdraw: then nothing is stored, and that is certain.
//!
//! Promises: of withdrawing and taking one succeeds. Deliberately not here: how long anybody waits (`admit`).

use std::sync::atomic::{AtomicU8, Ordering};

use super::Error;

/// One transaction's.
#[derive(Debug, Default)]
pub(crate) struct Permit(AtomicU8);

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Permit {
    /// Answers whether nothing was stored, nor will be. Otherwise the commit may be under way.
    pub(crate) fn withdraw(&self) -> bool {
        self.go(WITHDRAWN) != TAKEN
    }

    /// The last thing before the commit. A transaction that is done again has taken it already.
    pub(super) fn take(&self) -> Result<(), Error> {
        match self.go(TAKEN) {
            WITHDRAWN => Err(Error::Lost("nobody waits for it any more".to_owned())),
            _ => Ok(()),
        }
    }

    fn go(&self, to: u8) -> u8 {
        match self.0.compare_exchange(OPEN, to, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => to,
            Err(found) => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_first_has_it() {
        let permit = Permit::default();
        assert!(permit.take().is_ok() && permit.take().is_ok());
        assert!(!permit.withdraw());
        let permit = Permit::default();
        assert!(permit.withdraw() && permit.withdraw());
        assert!(permit.take().is_err());
    }
}
