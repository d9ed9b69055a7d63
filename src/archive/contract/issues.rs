//! Counting, deciding, finding: what an archive promises of issues and their windows.

use super::*;

pub(super) async fn a_batch_is_counted_decided_and_read_back(url: &str) {
    let archive = open(url).await;
    // More issues than one list holds.
    let many = 1_500_u128;
    let admitted = admit(&archive, 1..=many, 7, T0).await;
    assert_eq!(admitted.len(), many as usize);
    assert!(admitted.iter().all(|one| one.decision.granted() == 5 && one.seen_before == 0 && one.revision == 1));
    let again = admit(&archive, [3, 1, 2], 2, at(70)).await;
    assert!(again.iter().all(|one| one.decision.granted() == 0 && one.seen_before == 7 && one.revision == 2));
    is_conserved(&archive, 1, 9).await;
    is_conserved(&archive, many, 7).await;

    let IssueDetail { issue, minutes, events, events_stored, .. } = detail(&archive, 2).await;
    assert_eq!((issue.alerts, issue.first_seen, issue.last_seen, issue.revision), (5, T0, at(70), 2));
    assert_eq!((&*issue.project, &*issue.attributes.module), ("shop", "order-api"));
    assert_eq!(
        issue.attributes.detail,
        format!("한도 100% of \u{0}_2_ 'quoted' \"too\" 🔥"),
        "texts come back as they were"
    );
    assert_eq!((events_stored, events.len()), (8, 8), "five that alerted, and three of that day");
    let minutes: Vec<_> = minutes.iter().map(|one| (one.at, &*one.outcome, one.total)).collect();
    assert_eq!(minutes, [(T0.minute(), "alerted", 5), (T0.minute(), "budget", 2), (at(70).minute(), "budget", 2)]);

    // Alerts and deliveries, in pages whose cursor stays valid.
    let first = archive.alerts(Some(Fingerprint(2)), None, 3).await.unwrap();
    let ordinals: Vec<_> = first.items.iter().map(|alert| alert.ordinal).collect();
    assert_eq!(ordinals, [5, 4, 3]);
    let before = first.next.map(|next| next.parse().unwrap());
    let rest = archive.alerts(Some(Fingerprint(2)), before, 3).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (2, None));
    assert!(rest.items.iter().all(|alert| alert.fingerprint == Fingerprint(2) && alert.module == "order-api"));
    let deliveries = archive.deliveries(Some(DeliveryState::Pending), None, None, 20_000).await.unwrap().items;
    assert_eq!(deliveries.len() as u128, many * 5 * 2);
    let per_alert: BTreeSet<_> = deliveries.iter().map(|one| (one.alert, one.channel.clone())).collect();
    assert_eq!(per_alert.len() as u128, many * 5 * 2, "one for each alert and channel");
    assert_eq!(archive.backlog().await.unwrap(), (many as u64 * 10, 0));
}

pub(super) async fn issues_are_found(url: &str) {
    let archive = open(url).await;
    for issue in 1..=5 {
        admit(&archive, [issue], 1, at(issue as u64)).await;
    }
    admit(&archive, [1 << 100], 1, at(5)).await;
    let page = |after, limit| IssueFilter { after, limit, ..IssueFilter::default() };
    let first = archive.issues(page(None, 4)).await.unwrap();
    let seen = |page: &Page<Issue>| page.items.iter().map(|issue| issue.fingerprint.0).collect::<Vec<_>>();
    assert_eq!(seen(&first), [1 << 100, 5, 4, 3]);
    let (ms, id) = first.next.as_ref().unwrap().split_once('-').unwrap();
    let rest = archive.issues(page(Some((Time(ms.parse().unwrap()), id.parse().unwrap())), 4)).await.unwrap();
    assert_eq!((seen(&rest), rest.next.is_none()), (vec![2, 1], true));
    let found = async |text: &str| {
        let filter = IssueFilter { text: Some(text.to_owned()), limit: 10, ..IssueFilter::default() };
        archive.issues(filter).await.unwrap().items.len()
    };
    assert_eq!(found("oRDERS.pLACE4").await, 1, "of small and capital letters");
    assert_eq!((found("100% of").await, found("100%of").await, found("_3_").await), (6, 0, 1), "signs mean themselves");
    assert_eq!((found("한도").await, found("'").await, found("!").await, found("🔥").await), (6, 6, 0, 6));
    let by = async |state: &str, module: &str, environment: &str| {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (state, module, environment) = (some(state), some(module), some(environment));
        archive
            .issues(IssueFilter { state, module, environment, limit: 10, ..IssueFilter::default() })
            .await
            .unwrap()
            .items
            .len()
    };
    assert_eq!((by("open", "order-api", "prod").await, by("muted", "", "").await, by("", "", "dev").await), (6, 0, 0));
    let prefix = async |prefix: &str| archive.fingerprints(prefix.to_owned()).await.unwrap().len();
    assert_eq!((prefix("00000010").await, prefix("0000000").await, prefix("f").await), (1, 2, 0));
    assert!(archive.issue(Fingerprint(99)).await.unwrap().is_none());
}

/// Invariant: *Budget.* Over all pods, and *Conservation.* under races. No pair of batches waits for each other for ever.
pub(super) async fn races_grant_the_budget_exactly(url: &str) {
    const TASKS: usize = 64;
    const ISSUES: u128 = 8;
    let pods = [open(url).await, open(url).await, open(url).await];
    let tasks: Vec<_> = (0..TASKS)
        .map(|nth| {
            let archive = pods[nth % pods.len()].clone();
            // In opposite orders, and each with an issue that another task makes at the same time.
            let mut issues: Vec<u128> = (0..ISSUES).chain([100 + nth as u128 / 2]).collect();
            if nth % 2 == 0 {
                issues.reverse();
            }
            tokio::spawn(async move { admit(&archive, issues, 3, at(nth as u64)).await })
        })
        .collect();
    let mut granted: BTreeMap<usize, u64> = BTreeMap::new();
    let mut revisions: BTreeSet<u64> = BTreeSet::new();
    for (nth, task) in tasks.into_iter().enumerate() {
        let admitted = task.await.unwrap();
        let issue = |place: usize| if nth % 2 == 0 { ISSUES as usize - place } else { place };
        for (place, one) in admitted.iter().enumerate().filter(|(place, _)| issue(*place) < ISSUES as usize) {
            *granted.entry(issue(place)).or_default() += one.decision.granted();
            if issue(place) == 0 {
                revisions.insert(one.revision);
            }
        }
    }
    assert_eq!(
        granted.into_iter().collect::<Vec<_>>(),
        (0..ISSUES as usize).map(|issue| (issue, 5)).collect::<Vec<_>>()
    );
    assert_eq!(
        revisions.into_iter().collect::<Vec<_>>(),
        (1..=TASKS as u64).collect::<Vec<_>>(),
        "each has one of its own"
    );
    for issue in 0..ISSUES {
        is_conserved(&pods[0], issue, 3 * TASKS as u64).await;
    }
    for issue in 100..100 + TASKS as u128 / 2 {
        is_conserved(&pods[1], issue, 6).await;
    }
    let mut ordinals: BTreeMap<Fingerprint, BTreeSet<u32>> = BTreeMap::new();
    for alert in all_alerts(&pods[2]).await {
        assert!(ordinals.entry(alert.fingerprint).or_default().insert(alert.ordinal), "an ordinal is there once");
    }
    assert!(ordinals.values().all(|ordinals| ordinals.iter().copied().eq(1..=5)));
}

pub(super) async fn the_end_of_a_window_is_told_once(url: &str) {
    let pods = [open(url).await, open(url).await, open(url).await];
    admit(&pods[0], 1..=20, 9, T0).await;
    admit(&pods[0], [50], 2, T0).await;
    admit(&pods[0], 1..=20, 6, at(3_590)).await;
    assert_eq!(pods[0].close_windows(EXPIRY, 100, at(3_599)).await.unwrap(), 0, "not before its end");
    let now = at(3_600);
    let ended: Vec<_> = pods
        .iter()
        .cloned()
        .map(|pod| tokio::spawn(async move { pod.close_windows(EXPIRY, 100, now).await }))
        .collect();
    let mut windows = 0;
    for one in ended {
        windows += one.await.unwrap().unwrap();
    }
    // What was locked was left to the next turn.
    windows += pods[0].close_windows(EXPIRY, 100, now).await.unwrap();
    assert_eq!(windows, 21);
    let closings: Vec<_> = all_alerts(&pods[0]).await.into_iter().filter(|alert| alert.ordinal == 0).collect();
    assert_eq!(closings.len(), 20, "an issue that held nothing back is not told");
    assert!(closings.iter().all(|closing| (closing.granted, closing.occurrences) == (5, 15)));
    let before = detail(&pods[0], 1).await;
    assert_eq!((before.windows.len(), before.windows[0].seen, before.issue.revision), (1, 15, 3));

    // The next occurrence opens another; its end is told by the occurrence after it, when nobody was there in time.
    admit(&pods[0], [1], 8, at(3_700)).await;
    admit(&pods[0], [1], 1, at(9_000)).await;
    let closings = all_alerts(&pods[0]).await.into_iter().filter(|alert| alert.ordinal == 0).count();
    assert_eq!(closings, 21);
    is_conserved(&pods[0], 1, 24).await;
    let of_first = async |now| {
        let mut sent = Vec::new();
        loop {
            let claimed = claimed(&pods[1], "ops", 500, now).await;
            if claimed.is_empty() {
                return sent;
            }
            for delivery in &claimed {
                settle(&pods[1], delivery, End::Delivered { handle: None }, now).await;
            }
            sent.extend(claimed.into_iter().map(|one| one.alert).filter(|alert| alert.fingerprint == Fingerprint(1)));
        }
    };
    let sent = of_first(at(9_001)).await;
    let story: Vec<_> = sent.iter().map(|alert| (alert.kind.name(), alert.ordinal)).collect();
    let window = [("alert", 1), ("alert", 2), ("alert", 3), ("alert", 4), ("alert", 5), ("closing", 5)];
    assert_eq!(story, [&window[..], &window[..], &window[..1]].concat());
    let ends: Vec<_> = sent.iter().map(|alert| alert.kind).filter(|kind| *kind != Kind::Alert).collect();
    assert_eq!(
        ends,
        [Kind::Closing { peak_per_minute: 9, ongoing: true }, Kind::Closing { peak_per_minute: 8, ongoing: true }]
    );
}

pub(super) async fn people_decide(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1], 2, T0).await;
    let act = async |action, now| {
        archive.act(Fingerprint(1), action, "kim".to_owned(), "알았다".to_owned(), now).await.unwrap()
    };
    let issue = act(Action::Resolve, at(10)).await.unwrap();
    assert_eq!((issue.standing.state, issue.revision), (State::Resolved, 2));
    let again = admit(&archive, [1], 1, at(20)).await;
    assert_eq!((again[0].decision.granted(), again[0].revision), (1, 3));
    assert!(again[0].decision.next.window.as_ref().unwrap().regression);
    let sent = claimed(&archive, "ops", 1, at(21)).await;
    assert!(sent[0].alert.regression.is_none());
    for nth in 0..3 {
        let sent = claimed(&archive, "ops", 9, at(60 + nth * 60)).await;
        if let Some(alert) = sent.iter().map(|one| &one.alert).find(|alert| alert.regression.is_some()) {
            let decided = alert.regression.as_ref().unwrap();
            assert_eq!((decided.at, &*decided.by, &*decided.note), (Some(at(10)), "kim", "알았다"));
            assert_eq!(nth, 2, "the older ones go first");
        }
        for delivery in &sent {
            settle(&archive, delivery, End::Delivered { handle: None }, at(60 + nth * 60)).await;
        }
    }
    let muted = act(Action::Mute { until: Some(at(500)), more: Some(3) }, at(300)).await.unwrap();
    assert_eq!(muted.standing.state, State::Muted { until: Some(at(500)), more: Some(3) });
    let held = admit(&archive, [1], 5, at(310)).await;
    assert_eq!(held[0].decision.runs[0].count, 3);
    assert_eq!(held[0].decision.runs[1].fate, Fate::Granted { first_ordinal: 1 });
    assert!(archive.act(Fingerprint(9), Action::Reopen, String::new(), String::new(), T0).await.unwrap().is_none());
}
