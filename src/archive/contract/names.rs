//! Issues that go on under new names, and issues that are merged.

use super::*;
use crate::archive::Unmergeable;
use crate::issue::{Action, CauseKey, Former, Place, Segment};

/// One batch of `count` occurrences of each issue, whose events had these identities before.
async fn admit_with(archive: &Archive, issues: &[(u128, &[Former])], count: usize, now: Time) -> Vec<(u64, u32)> {
    let mut batch = Arc::into_inner(batch(issues.iter().map(|(issue, _)| *issue), count)).unwrap();
    for (tally, (_, formers)) in batch.tallies.iter_mut().zip(issues) {
        let formers = formers.to_vec();
        tally.rules = Arc::new(Rules {
            version: 2,
            normalize: Box::new(|event| event.attributes.clone()),
            cause: |_, _| CauseKey(1),
            formers: Box::new(move |_| formers.clone()),
            segment: Box::new(|_| None),
        });
    }
    let (admitted, _) = archive.admit(Arc::new(batch), Arc::new([]), now).await.unwrap();
    let spent = |one: &Admitted| one.decision.next.window.as_ref().map_or(0, |window| window.granted);
    admitted.iter().map(|one| (one.decision.granted(), spent(one))).collect()
}

fn was(issue: u128) -> Former {
    Former::Renamed(Fingerprint(issue))
}

fn learned(issue: u128) -> Former {
    Former::Merged(Fingerprint(issue))
}

pub(super) async fn an_issue_goes_on_under_its_new_name(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1, 2, 3], 7, T0).await;
    let note = "look at the pool".to_owned();
    archive.act(Fingerprint(1), Action::Acknowledge, "kim".to_owned(), note, at(1)).await.unwrap();

    assert_eq!(admit_with(&archive, &[(11, &[was(1)])], 2, at(2)).await, [(0, 5)], "it is not alerted again");
    let IssueDetail { issue, windows, minutes, formers, .. } = detail(&archive, 11).await;
    assert_eq!((issue.occurrences, issue.alerts, issue.first_seen), (9, 5, T0));
    assert_eq!((&*issue.decided.by, &*issue.decided.note), ("kim", "look at the pool"));
    assert_eq!(issue.standing.state, State::Acknowledged);
    assert_eq!((windows.len(), minutes.iter().map(|one| one.total).sum::<u64>()), (0, 9));
    assert_eq!(formers, [Fingerprint(1)]);
    assert_eq!(detail(&archive, 1).await.issue.fingerprint, Fingerprint(11), "its former name finds it");
    assert_eq!(archive.fingerprints(Fingerprint(1).to_string()).await.unwrap(), [Fingerprint(11)]);
    is_conserved(&archive, 11, 9).await;

    // Whoever goes by the older rules still, while servers are replaced one by one, counts in it.
    admit(&archive, [1], 3, at(3)).await;
    is_conserved(&archive, 11, 12).await;
    // A batch with both names counts all of it.
    admit_with(&archive, &[(11, &[was(1)]), (12, &[was(2)]), (4, &[was(99)])], 1, at(4)).await;
    assert_eq!(archive.issues(IssueFilter { limit: 9, ..IssueFilter::default() }).await.unwrap().items.len(), 4);
    is_conserved(&archive, 11, 13).await;
    is_conserved(&archive, 12, 8).await;
    // The next window alerts.
    assert_eq!(admit_with(&archive, &[(12, &[was(2)])], 1, at(3_700)).await, [(1, 1)]);
}

pub(super) async fn what_new_rules_join_or_split_alerts_nobody_again(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1, 2, 3], 7, T0).await;
    // Three that were told apart are one now. The first gives its history, the others are merged into it.
    for (nth, former) in [1, 2, 3].into_iter().enumerate() {
        assert_eq!(admit_with(&archive, &[(10, &[was(former)])], 2, at(nth as u64)).await, [(0, 5)]);
    }
    // Only what is about to alert asks for its former names: a window later.
    assert_eq!(admit_with(&archive, &[(10, &[was(2)])], 1, at(3_601)).await, [(1, 1)]);
    let IssueDetail { issue, merged, .. } = detail(&archive, 10).await;
    let merged: Vec<_> = merged.iter().map(|one| (one.fingerprint, one.occurrences, &*one.merged_by)).collect();
    assert_eq!((issue.occurrences, issue.alerts, merged), (7 + 6 + 1 + 7, 11, vec![(Fingerprint(2), 7, "")]));

    // An issue whose window is over takes over the open window of what turns out to be the same.
    admit(&archive, [20], 7, T0).await;
    admit(&archive, [21], 7, at(3_500)).await;
    assert_eq!(admit_with(&archive, &[(22, &[was(20)])], 1, at(3_599)).await, [(0, 5)]);
    assert_eq!(admit_with(&archive, &[(22, &[was(21)])], 1, at(3_700)).await, [(0, 5)], "21 has alerted just now");
    let windows = detail(&archive, 22).await.windows;
    assert_eq!((windows.len(), windows[0].opened_at), (1, T0), "the window before is kept");

    // What was one is told apart now: the second begins with the window of the first.
    admit(&archive, [30], 7, at(4_000)).await;
    assert_eq!(admit_with(&archive, &[(31, &[was(30)]), (32, &[was(30)])], 2, at(4_001)).await, [(0, 5), (0, 5)]);
    assert_eq!(admit_with(&archive, &[(33, &[was(30)])], 2, at(4_002)).await, [(0, 5)]);
    let counts = async |issue| detail(&archive, issue).await.issue.occurrences;
    assert_eq!((counts(31).await, counts(32).await, counts(33).await), (9, 2, 2));

    // What was learned leaves the issues there were as they are, and begins where the first of them stands.
    admit(&archive, [40, 41], 7, at(4_000)).await;
    assert_eq!(admit_with(&archive, &[(42, &[learned(40)])], 1, at(4_001)).await, [(0, 5)]);
    let IssueDetail { issue, merged, .. } = detail(&archive, 42).await;
    assert_eq!((issue.occurrences, merged.len()), (8, 1));
    assert_eq!(detail(&archive, 40).await.issue.merged_into, Some(Fingerprint(42)));
}

pub(super) async fn several_servers_rename_an_issue_once(url: &str) {
    let archive = open(url).await;
    admit(&archive, 1..=50, 7, T0).await;
    let renames = (0..4).map(|_| {
        let archive = archive.clone();
        tokio::spawn(async move {
            for issue in 1..=50 {
                let granted = admit_with(&archive, &[(100 + issue, &[was(issue)])], 1, at(1)).await;
                assert_eq!(granted, [(0, 5)]);
            }
        })
    });
    for one in renames.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    for issue in 1..=50 {
        is_conserved(&archive, 100 + issue, 11).await;
        assert_eq!(detail(&archive, 100 + issue).await.formers, [Fingerprint(issue)]);
    }
}

pub(super) async fn people_merge_and_unmerge(url: &str) {
    let archive = open(url).await;
    let merge = async |issue: u128, into: u128, now| {
        archive.merge(Fingerprint(issue), Fingerprint(into), "kim".to_owned(), EXPIRY, now).await.unwrap()
    };
    admit(&archive, [1], 7, T0).await;
    admit(&archive, [2, 3], 3, at(3_590)).await;
    let merged = merge(2, 1, at(3_700)).await.unwrap().unwrap();
    assert_eq!((merged.fingerprint, merged.occurrences, merged.alerts), (Fingerprint(1), 10, 8));
    let window = merged.standing.window.unwrap();
    assert_eq!((window.granted, window.opened_at), (3, at(3_600)), "2 has alerted three times; windows do not overlap");
    let by_people = archive.merges().await.unwrap();
    assert_eq!(by_people.into_iter().collect::<Vec<_>>(), [(Fingerprint(2), Fingerprint(1))]);
    let listed = archive.issues(IssueFilter { limit: 9, ..IssueFilter::default() }).await.unwrap().items;
    assert_eq!(listed.iter().map(|issue| issue.fingerprint).collect::<Vec<_>>(), [Fingerprint(3), Fingerprint(1)]);

    // What was merged goes along.
    merge(1, 3, at(3_701)).await.unwrap().unwrap();
    assert_eq!(detail(&archive, 3).await.issue.occurrences, 13);
    assert_eq!(archive.merges().await.unwrap()[&Fingerprint(2)], Fingerprint(3));
    assert_eq!(merge(3, 2, at(3_702)).await.unwrap().err(), Some(Unmergeable::Same));
    assert_eq!(merge(3, 3, at(3_702)).await.unwrap().err(), Some(Unmergeable::Same));
    assert_eq!(merge(3, 99, at(3_702)).await.unwrap().err(), Some(Unmergeable::NoTarget));
    assert!(merge(99, 3, at(3_702)).await.is_none());

    assert_eq!(archive.unmerge(Fingerprint(2)).await.unwrap(), Some(true));
    assert_eq!(archive.unmerge(Fingerprint(2)).await.unwrap(), Some(false));
    assert_eq!(archive.unmerge(Fingerprint(99)).await.unwrap(), None);
    is_conserved(&archive, 2, 3).await;
    assert_eq!(detail(&archive, 3).await.issue.occurrences, 10);
    assert_eq!(detail(&archive, 1).await.issue.merged_into, Some(Fingerprint(3)));
}

pub(super) async fn servers_learn_together_what_is_a_parameter(url: &str) {
    let archive = open(url).await;
    let seen = async |issues: std::ops::Range<u128>, place: u128| {
        let mut batch = Arc::into_inner(batch(issues.clone(), 1)).unwrap();
        for (tally, issue) in batch.tallies.iter_mut().zip(issues) {
            tally.rules = Arc::new(Rules {
                version: 2,
                normalize: Box::new(|event| event.attributes.clone()),
                cause: |_, _| CauseKey(1),
                formers: Box::new(|_| Vec::new()),
                segment: Box::new(move |_| Some(Segment { place: Place(place), value: issue as u64 })),
            });
        }
        archive.admit(Arc::new(batch), Arc::new([]), T0).await.unwrap();
    };
    seen(0..20, 1).await;
    // The same issues again are nothing new.
    seen(0..20, 1).await;
    seen(100..110, 2).await;
    assert!(archive.parameters().await.unwrap().is_empty());
    seen(20..40, 1).await;
    assert_eq!(archive.parameters().await.unwrap().into_iter().collect::<Vec<_>>(), [Place(1)]);
    // What is known is kept; what nothing came of is forgotten.
    let keep = Keep(config::Retention::default());
    let late = T0.plus(keep.0.events.get() * 2);
    while archive.forget(keep.clone(), late).await.unwrap() {}
    seen(200..229, 2).await;
    assert_eq!(archive.parameters().await.unwrap().len(), 1);
    seen(229..240, 2).await;
    assert_eq!(archive.parameters().await.unwrap().len(), 2);
}
