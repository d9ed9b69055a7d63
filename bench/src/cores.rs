//! Which core runs what.
//!
//! Promises: the server has one core to itself and the generator another, the first two this process may use; where
//! that cannot be, it is said. Deliberately not here: stopping other programs from using them.

use std::process::{Command, Stdio};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the servers run; `None` when nothing is pinned.
pub(crate) struct Cores {
    pub(crate) server: Option<usize>,
    /// For people.
    pub(crate) note: String,
}

/// Pins this thread, and those it will start, to the second core; the first is for the servers.
pub(crate) fn pin() -> Cores {
    match try_pin() {
        Ok((server, generator)) => {
            Cores { server: Some(server), note: format!("server on core {server}, generator on core {generator}") }
        }
        Err(why) => Cores { server: None, note: format!("NOT pinned, figures vary more: {why}") },
    }
}

fn try_pin() -> Result<(usize, usize), String> {
    let allowed = sched_getaffinity(None).map_err(|error| format!("the allowed cores are unknown: {error}"))?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let (Some(server), Some(generator)) = (cores.next(), cores.next()) else {
        return Err("this machine has one core".to_owned());
    };
    let asked = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        return Err("there is no `taskset`".to_owned());
    }
    let mut own = CpuSet::new();
    own.set(generator);
    sched_setaffinity(None, &own).map_err(|error| format!("the generator could not be pinned: {error}"))?;
    Ok((server, generator))
}
