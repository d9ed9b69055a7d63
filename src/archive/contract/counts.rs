//! What was counted and granted elsewhere: written back, adopted.

use super::*;

pub(super) async fn write_back_is_idempotent(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1, 2], 1, T0).await;
    let counted = |issue: u128, at: Time, source: &str, outcome: &'static str, total: u64| Counted {
        fingerprint: Fingerprint(issue),
        minute: at.minute(),
        source: source.to_owned(),
        outcome,
        total,
    };
    let write = async |rows: &[Counted]| archive.write_back(rows.into()).await.unwrap();
    let rows = [
        counted(1, T0, "epoch-1", "budget", 10),
        counted(1, at(60), "epoch-1", "budget", 4),
        counted(1, at(60), "pod-7", "budget", 2),
        counted(2, at(60), "pod-7", "muted", 3),
        counted(9, T0, "epoch-1", "budget", 5),
    ];
    assert_eq!(write(&rows).await, WrittenBack { added: 19, unknown: vec![Fingerprint(9)] });
    let revision = detail(&archive, 1).await.issue.revision;
    assert_eq!(write(&rows).await.added, 0, "a replay changes nothing");
    assert_eq!(write(&[counted(1, T0, "epoch-1", "budget", 8)]).await.added, 0, "nor does an older total");
    assert_eq!(write(&[counted(1, T0, "epoch-1", "budget", 12)]).await.added, 2);
    is_conserved(&archive, 1, 19).await;
    let IssueDetail { issue, .. } = detail(&archive, 1).await;
    assert_eq!((issue.revision, issue.last_seen), (revision, at(60).minute()), "counts decide nothing");
    let IssueDetail { issue, .. } = detail(&archive, 2).await;
    assert_eq!((issue.occurrences, issue.standing.window.unwrap().seen), (4, 1), "muted ones lie in no window");

    // A window that is over by now; a minute that lies in none is counted all the same.
    archive.close_windows(EXPIRY, 10, at(3_600)).await.unwrap();
    admit(&archive, [1], 1, at(4_000)).await;
    write(&[counted(1, at(600), "epoch-1", "budget", 100), counted(1, at(3_800), "epoch-1", "budget", 1)]).await;
    let IssueDetail { issue, windows, .. } = detail(&archive, 1).await;
    assert_eq!((issue.occurrences, windows[0].seen, issue.standing.window.unwrap().seen), (121, 119, 1));

    // Two writers at once.
    let pods = [open(url).await, open(url).await];
    let writes: Vec<_> = (0..20_u64)
        .map(|nth| {
            let pod = pods[nth as usize % 2].clone();
            let mut rows =
                [counted(1, at(4_000), "epoch-2", "budget", nth), counted(2, at(4_000), "epoch-2", "budget", nth)];
            if nth % 2 == 0 {
                rows.reverse();
            }
            tokio::spawn(async move { pod.write_back(rows.into()).await.unwrap().added })
        })
        .collect();
    let mut added = 0;
    for write in writes {
        added += write.await.unwrap();
    }
    assert_eq!(added, 2 * 19, "the largest, whichever came last");
    assert_eq!(detail(&archive, 1).await.issue.occurrences, 121 + 19);
}

fn provisional(issue: u128, opened: u64, ordinal: u32) -> Provisional {
    let tally = batch([issue], 1);
    let tally = &tally.tallies[0];
    let opened_at = at(opened);
    let way = |channel: &Arc<str>| Way::new(Arc::clone(channel), opened_at);
    Provisional {
        fingerprint: tally.fingerprint,
        rules: Arc::clone(&tally.rules),
        project: Arc::clone(&tally.project),
        route: Arc::clone(&tally.route),
        event: tally.events[0].clone(),
        revision: 0,
        window_opened_at: opened_at,
        window_ends_at: opened_at.plus(HOUR),
        budget: 5,
        ordinal,
        occurrences: u64::from(ordinal),
        granted_at: opened_at,
        expires_at: opened_at.plus(EXPIRY),
        ways: tally.route.told(ordinal).map(|one| &one.channel).map(way).collect(),
    }
}

pub(super) async fn alerts_granted_elsewhere_are_adopted(url: &str) {
    let archive = open(url).await;
    let adopt = async |alerts: Vec<Provisional>, now| {
        let adopted = archive.adopt(alerts.into(), EXPIRY, now).await.unwrap();
        adopted.into_iter().map(|one| (one.fingerprint.0, one.recorded)).collect::<Vec<_>>()
    };
    let window = async |issue| detail(&archive, issue).await.issue.standing.window.unwrap();

    // A new issue; twice is once.
    let mut two = vec![provisional(1, 10, 1), provisional(1, 10, 2)];
    two[0].ways[0].state = DeliveryState::Delivered;
    two[0].ways[0].settled_at = Some(at(11));
    assert_eq!(adopt(two.clone(), at(20)).await, [(1, 2)]);
    assert_eq!(adopt(two, at(21)).await, [(1, 0)]);
    let issue = detail(&archive, 1).await.issue;
    assert_eq!((issue.alerts, issue.occurrences, issue.first_seen), (2, 0, at(10)), "counts are written back");
    let first = window(1).await;
    assert_eq!((first.opened_at, first.ends_at, first.granted, first.seen), (at(10), at(3_610), 2, 0));
    assert_eq!(archive.backlog().await.unwrap(), (3, 0), "one was sent");
    let waiting = claimed(&archive, "ops", 9, at(22)).await;
    assert_eq!(waiting.iter().map(|one| one.alert.ordinal).collect::<Vec<_>>(), [2]);

    // The rest of its window is granted by the archive; another pod's window of the same time gives way.
    assert_eq!(admit(&archive, [1], 9, at(30)).await[0].decision.granted(), 3);
    assert_eq!(adopt(vec![provisional(1, 5, 1), provisional(1, 15, 4)], at(40)).await, [(1, 0)]);
    assert_eq!(window(1).await.opened_at, at(10));

    // An issue that is known: within its window, after it, and before it.
    admit(&archive, [2], 2, at(100)).await;
    let later = vec![provisional(2, 100, 3), provisional(2, 3_700, 1), provisional(2, 7_300, 1)];
    assert_eq!(adopt(later, at(7_400)).await, [(2, 3)]);
    assert_eq!((window(2).await.opened_at, window(2).await.granted), (at(7_300), 1));
    assert_eq!(adopt(vec![provisional(2, 3_710, 2)], at(7_410)).await, [(2, 1)], "into a window that is over");
    let windows = detail(&archive, 2).await.windows;
    assert_eq!(windows.iter().map(|one| one.opened_at).collect::<Vec<_>>(), [at(3_700), at(100)]);

    // What is being sent is left; only its window is known, so that nobody grants its ordinal.
    let interim = Interim::default();
    interim.put(vec![provisional(3, 10, 1)]);
    assert_eq!(interim.claim(&claim("ops", 1), at(10)).len(), 1);
    let taken = interim.to_record(9);
    assert_eq!(adopt(vec![taken[0].1.clone()], at(20)).await, [(3, 0)]);
    assert_eq!(admit(&archive, [3], 9, at(30)).await[0].decision.granted(), 4);
    assert_eq!(adopt(vec![provisional(3, 10, 1)], at(40)).await, [(3, 1)]);

    // What the cache remembers counts before it is adopted.
    let mut known = Arc::into_inner(batch([4], 9)).unwrap();
    known.tallies[0].remembered = Some(Remembered {
        revision: 0,
        window_opened_at: at(10),
        seen: 2,
        held: 0,
        window_ends_at: Some(at(3_610)),
        budget: 5,
        granted: 2,
    });
    let (admitted, _) = archive.admit(Arc::new(known), Arc::new([]), at(20)).await.unwrap();
    assert_eq!(admitted[0].decision.runs[0].fate, Fate::Granted { first_ordinal: 3 });
    assert_eq!(adopt(vec![provisional(4, 10, 1), provisional(4, 10, 2)], at(40)).await, [(4, 2)]);
    let mut ordinals: Vec<u32> =
        archive.alerts(Some(Fingerprint(4)), None, 9).await.unwrap().items.iter().map(|a| a.ordinal).collect();
    ordinals.sort_unstable();
    assert_eq!(ordinals, [1, 2, 3, 4, 5]);
}
