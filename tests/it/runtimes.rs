//! Errors of real runtimes, each captured in two runs (`examples/runtimes/capture`): a run differs from the other in what
//! the runtime numbers, hashes and draws, and in the values of the messages. Each pair is one error, and no other's; so it is
//! whether frames are sent or the text of the stack.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::cli;

/// What is wrong with the fingerprints of one runtime, for people; empty when nothing is.
fn faults(runtime: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/runtimes").join(format!("{runtime}.jsonl"));
    let (code, out, err) = cli(&["fingerprint", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""), "{runtime}");

    let mut pairs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in out.lines() {
        let (id, fingerprint) = line.split_once('\t').unwrap();
        let (error, _) = id.rsplit_once('/').unwrap();
        let error = error.strip_suffix(" as text").unwrap_or(error);
        pairs.entry(error).or_default().push(fingerprint);
    }
    assert!(pairs.len() >= 16, "{runtime}: {} errors", pairs.len());

    let mut faults = Vec::new();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (error, fingerprints) in &pairs {
        assert!([2, 4].contains(&fingerprints.len()), "{runtime}: {error} was captured {} times", fingerprints.len());
        if fingerprints.iter().any(|fingerprint| *fingerprint != fingerprints[0]) {
            faults.push(format!("{runtime}: the captures of {error} are two errors"));
        }
        for fingerprint in fingerprints {
            match owners.insert(fingerprint, error) {
                Some(other) if other != *error => faults.push(format!("{runtime}: {error} is taken for {other}")),
                _ => {}
            }
        }
    }
    faults
}

#[test]
fn two_runs_of_an_error_are_one_issue_and_another_error_is_another() {
    let runtimes = ["dotnet", "go", "jvm", "node", "php", "python", "ruby", "rust"];
    let faults: Vec<String> = runtimes.into_iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}\n`bongsu explain` says why", faults.join("\n"));
}
