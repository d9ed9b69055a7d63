//! The outbox that pods share, and the lease that one of them holds.

use super::*;

pub(super) async fn pods_share_the_outbox(url: &str) {
    let pods = [open(url).await, open(url).await, open(url).await];
    admit(&pods[0], 1..=40, 3, T0).await;
    let mut order: BTreeMap<u128, Vec<u32>> = BTreeMap::new();
    for _ in 0..3 {
        let turns: Vec<_> = (0..12)
            .map(|nth| {
                let pod = pods[nth % 3].clone();
                tokio::spawn(async move {
                    let mine = claimed(&pod, "ops", 10, at(1)).await;
                    for delivery in &mine {
                        settle(&pod, delivery, End::Delivered { handle: None }, at(1)).await;
                    }
                    mine
                })
            })
            .collect();
        for turn in turns {
            for delivery in turn.await.unwrap() {
                assert_eq!((delivery.attempt, delivery.fence, delivery.claimed_until), (1, 1, at(31)));
                order.entry(delivery.alert.fingerprint.0).or_default().push(delivery.alert.ordinal);
            }
        }
    }
    loop {
        let rest = claimed(&pods[0], "ops", 100, at(1)).await;
        if rest.is_empty() {
            break;
        }
        for delivery in rest {
            order.entry(delivery.alert.fingerprint.0).or_default().push(delivery.alert.ordinal);
            settle(&pods[0], &delivery, End::Delivered { handle: None }, at(1)).await;
        }
    }
    assert_eq!(order.len(), 40);
    for ordinals in order.values_mut() {
        // Turns are looked at one after the other, but ran at the same time.
        ordinals.sort_unstable();
        assert_eq!(*ordinals, [1, 2, 3], "each once");
    }
}

/// Ordinal 2 and later, and the end of the window; not the servers of the window before.
pub(super) async fn later_alerts_know_the_servers(url: &str) {
    let archive = open(url).await;
    let seen_on = async |servers: &[&str], now| {
        let whole = batch([1, 2], servers.len());
        let mut tallies = Vec::new();
        for tally in &whole.tallies {
            let on =
                |server: &&str| Packed::of(&Event { server: Some((*server).to_owned().into()), ..Event::default() });
            let Tally { fingerprint, rules, project, route, .. } = tally;
            let (rules, project, route) = (Arc::clone(rules), Arc::clone(project), Arc::clone(route));
            let events = servers.iter().map(on).collect();
            tallies.push(Tally { fingerprint: *fingerprint, rules, project, route, events, remembered: None });
        }
        let Batch { source, samples_per_day, expiry, .. } = *whole;
        archive.admit(Arc::new(Batch { tallies, source, samples_per_day, expiry }), Arc::new([]), now).await.unwrap();
    };
    let told = async |now| {
        let mut told = Vec::new();
        loop {
            let mine = claimed(&archive, "ops", 10, now).await;
            if mine.is_empty() {
                return told;
            }
            for delivery in mine {
                let alert = &delivery.alert;
                if alert.fingerprint.0 == 1 {
                    told.push((alert.kind.name(), alert.ordinal, alert.servers.join(" ")));
                }
                settle(&archive, &delivery, End::Delivered { handle: None }, now).await;
            }
        }
    };
    seen_on(&["a"], T0).await;
    assert_eq!(told(T0).await, [("alert", 1, String::new())]);
    seen_on(&["b", "", "a"], at(1)).await;
    let alert = |ordinal, servers: &str| ("alert", ordinal, servers.to_owned());
    assert_eq!(told(at(1)).await, [alert(2, "a b"), alert(3, "a b"), alert(4, "a b")]);
    seen_on(&["c", "d"], at(2)).await;
    assert_eq!(told(at(2)).await, [alert(5, "a b c d")]);
    seen_on(&["e", "e"], at(3_601)).await;
    assert_eq!(told(at(3_601)).await, [("closing", 5, "a b c d".to_owned()), alert(1, ""), alert(2, "e")]);
}

pub(super) async fn claims_are_fenced(url: &str) {
    let archive = open(url).await;
    let (_, mine) = archive.admit(batch([1], 2), Arc::new([claim("ops", 10)]), T0).await.unwrap();
    assert_eq!(mine.len(), 1, "the second waits for the first");
    assert!(claimed(&archive, "ops", 10, at(29)).await.is_empty(), "it is the first claimer's alone");
    let late = claimed(&archive, "ops", 10, at(30)).await;
    assert_eq!((late[0].id, late[0].fence, late[0].attempt), (mine[0].id, 2, 2), "the lease is over");
    settle(&archive, &mine[0], End::Delivered { handle: None }, at(31)).await;
    let state = async || {
        let rows = archive.deliveries(None, None, None, 100).await.unwrap().items;
        let row = rows.into_iter().find(|row| row.id == mine[0].id).unwrap();
        (row.state, row.attempts, row.unanswered, row.due_at, row.error)
    };
    let before = state().await;
    assert_eq!((before.0, before.2), (DeliveryState::Pending, 2), "a late result changes nothing");
    for _ in 0..2 {
        settle(&archive, &late[0], End::Back { due_at: at(40) }, at(31)).await;
        let unanswered = 1;
        assert_eq!(
            state().await,
            (DeliveryState::Pending, 1, unanswered, at(40), None),
            "of the one who never settled"
        );
    }
    let held = claimed(&archive, "ops", 10, at(40)).await;
    settle(&archive, &held[0], End::Held { due_at: at(50), expires_at: at(99_999) }, at(41)).await;
    assert!(claimed(&archive, "ops", 10, at(49)).await.is_empty(), "it waits, and those after it");
    let third = claimed(&archive, "ops", 10, at(50)).await;
    assert_eq!(
        (third[0].attempt, third[0].expires_at),
        (2, at(99_999)),
        "that was no attempt, and it does not grow old"
    );
    let again = End::Again { due_at: at(100), asked: false, error: "503".to_owned() };
    settle(&archive, &third[0], again.clone(), at(41)).await;
    settle(&archive, &third[0], again, at(41)).await;
    assert!(claimed(&archive, "ops", 10, at(99)).await.is_empty(), "and those after it wait too");
    let (_, next) = archive.exchange(Vec::new(), claim("ops", 10), at(99)).await.unwrap();
    assert_eq!(next, Some(at(100)));
    let fourth = claimed(&archive, "ops", 10, at(100)).await;
    settle(&archive, &fourth[0], End::Expired, at(101)).await;
    let after = state().await;
    assert_eq!((after.2, after.4.as_deref()), (1, Some("given up after 2 attempts: 503")));
    assert_eq!(archive.backlog().await.unwrap(), (3, 1));
    assert_eq!(archive.resend(Some(mine[0].id), None, EXPIRY, at(102)).await.unwrap(), 1);
    assert_eq!(archive.resend(None, None, EXPIRY, at(102)).await.unwrap(), 0);
    let bury = async |grace| archive.bury_orphans(vec!["ops".into()], grace, at(103)).await.unwrap();
    assert_eq!((bury(Duration::from_secs(104)).await, bury(Duration::from_secs(103)).await), (0, 2));
    assert_eq!(archive.backlog().await.unwrap(), (2, 2));
}

pub(super) async fn one_process_holds_a_lease(url: &str) {
    let pods = [open(url).await, open(url).await, open(url).await];
    let span = Duration::from_secs(10);
    for round in 0..3 {
        let now = at(round * 20);
        let asked: Vec<_> = (0..12)
            .map(|nth| {
                let pod = pods[nth % 3].clone();
                let holder: Arc<str> = format!("pod {round} {nth}").into();
                tokio::spawn(async move { pod.lease("housekeeping".into(), holder, span, now).await.unwrap() })
            })
            .collect();
        let mut holders = 0;
        for one in asked {
            holders += usize::from(one.await.unwrap());
        }
        assert_eq!(holders, 1, "round {round}");
    }
    let lease = async |holder: &str, now| pods[0].lease("other".into(), holder.into(), span, now).await.unwrap();
    assert!(lease("a", at(0)).await && !lease("b", at(9)).await && lease("a", at(9)).await);
    assert!(!lease("b", at(10)).await, "it was renewed");
    assert!(lease("b", at(19)).await && !lease("a", at(19)).await);
}

pub(super) async fn what_fails_is_diverted_once(url: &str) {
    let archive = open(url).await;
    let after = Duration::from_secs(120);
    let to = |channel: &str| Fallback { to: channel.into(), after };
    let overdue =
        async |from: &str, fallback: &str, now| archive.divert_overdue(from.into(), to(fallback), now).await.unwrap();
    let end = async |delivery: &Delivery, end, divert_to: Option<&str>, now| {
        let (id, fence, divert_to) = (delivery.id, delivery.fence, divert_to.map(Arc::from));
        for _ in 0..2 {
            let settled =
                Settlement { id, fence, unanswered: false, end: Clone::clone(&end), divert_to: divert_to.clone() };
            archive.exchange(vec![settled], claim("none", 0), now).await.unwrap();
        }
    };
    admit(&archive, [1, 2], 2, T0).await;
    let first = claimed(&archive, "ops", 10, at(1)).await;
    assert_eq!(
        first.iter().map(|one| (one.created_at, one.instead_of.clone())).collect::<Vec<_>>(),
        [(T0, None), (T0, None)]
    );
    end(&first[0], End::Dead { error: "answered 404".into() }, Some("mail"), at(2)).await;
    end(&first[1], End::Again { due_at: at(500), asked: true, error: "answered 429".into() }, Some("mail"), at(2))
        .await;
    let stands_in = claimed(&archive, "mail", 10, at(2)).await;
    let said = stands_in.iter().map(|one| (one.alert.ordinal, one.instead_of.clone().unwrap())).collect::<Vec<_>>();
    let instead_of = |error: &str| InsteadOf { channel: "ops".into(), since: T0, error: error.into() };
    assert_eq!(said, [(1, instead_of("answered 404")), (1, instead_of("answered 429"))]);
    assert_eq!(stands_in[0].expires_at, first[0].expires_at, "it is not younger than the alert");

    admit(&archive, [3], 1, T0).await;
    let held = claimed(&archive, "ops", 10, at(3)).await.remove(0);
    end(&held, End::Held { due_at: at(1_000), expires_at: held.expires_at }, None, at(3)).await;

    // What waits behind one that fails, and what was never tried; and each once, also back where it came from.
    assert_eq!((overdue("ops", "mail", at(119)).await, overdue("ops", "mail", at(120)).await), (0, 2));
    assert_eq!((overdue("ops", "mail", at(120)).await, overdue("mail", "ops", at(500)).await), (0, 0));
    for one in &stands_in {
        end(one, End::Dead { error: "answered 550".into() }, Some("pager"), at(121)).await;
    }
    assert_eq!(claimed(&archive, "pager", 10, at(121)).await.len(), 2, "and on");
    let rest = claimed(&archive, "mail", 10, at(121)).await;
    assert_eq!(rest.iter().map(|one| one.instead_of.clone().unwrap().error).collect::<Vec<_>>(), ["", ""]);
    let mut ways: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for one in archive.deliveries(None, None, None, 100).await.unwrap().items {
        ways.entry(one.alert).or_default().push(one.channel);
    }
    let mut ways: Vec<Vec<String>> = ways.into_values().collect();
    ways.iter_mut().for_each(|ways| ways.sort());
    ways.sort();
    assert_eq!(ways[..2], [["dev", "mail", "ops"], ["dev", "mail", "ops"]]);
    assert_eq!(ways[2..4], [["dev", "mail", "ops", "pager"], ["dev", "mail", "ops", "pager"]]);
    assert_eq!(ways[4..], [["dev", "ops"]], "what waits on purpose waits on");
    let too_late = T0.plus(EXPIRY);
    end(&rest[0], End::Dead { error: "answered 550".into() }, Some("pager"), too_late).await;
    assert_eq!(
        claimed(&archive, "pager", 10, too_late).await.len(),
        2,
        "those whose lease is over, and none that came too late"
    );
}

/// However many wait behind those that go first, these are found.
pub(super) async fn what_waits_hides_nothing(url: &str) {
    let archive = open(url).await;
    admit(&archive, 1..=300, 5, T0).await;
    let first = claimed(&archive, "ops", 300, at(1)).await;
    assert_eq!(first.len(), 300);
    let back = |one: &Delivery| Settlement {
        id: one.id,
        fence: one.fence,
        unanswered: false,
        end: End::Back { due_at: at(5) },
        divert_to: None,
    };
    archive.exchange(first.iter().map(back).collect(), claim("none", 0), at(2)).await.unwrap();
    assert_eq!(claimed(&archive, "ops", 300, at(4)).await.len(), 0);
    let again = claimed(&archive, "ops", 300, at(5)).await;
    assert_eq!((again.len(), again.iter().all(|one| one.alert.ordinal == 1)), (300, true));
}

/// The newest of an issue leads those that are folded into it, also when it is tried again.
pub(super) async fn what_leads_is_tried_again(url: &str) {
    let archive = open(url).await;
    let claims = async |span, now| {
        let folding = Folding { span: Duration::from_secs(span), digest_above: 1, ..Folding::NONE };
        archive.exchange(Vec::new(), Claim { folding, ..claim("ops", 10) }, now).await.unwrap().0
    };
    let told = |one: &Delivery| one.told().map(|alert| (alert.fingerprint.0, alert.ordinal)).collect::<Vec<_>>();
    // A digest lasts for the span, and tells what comes meanwhile as well, be it a single issue.
    admit(&archive, 2..=3, 1, T0).await;
    let digest = claims(60, at(1)).await;
    assert_eq!((digest.len(), told(&digest[0]).len()), (1, 2));
    settle(&archive, &digest[0], End::Delivered { handle: None }, at(1)).await;
    admit(&archive, [1], 3, at(2)).await;
    for now in [2, 4, 6] {
        let digest = claims(60, at(now)).await;
        assert_eq!((digest.len(), told(&digest[0])), (1, vec![(1, 3), (1, 1), (1, 2)]), "{now}");
        let again = End::Again { due_at: at(now + 2), asked: false, error: "503".into() };
        settle(&archive, &digest[0], again, at(now)).await;
    }
}

pub(super) async fn what_is_folded_shares_the_fate_of_its_message(url: &str) {
    let archive = open(url).await;
    let folding = Folding { span: Duration::from_secs(60), wait: Duration::from_secs(15), above: 1, digest_above: 0 };
    let together = async |now| {
        let claim = Claim { folding, ..claim("ops", 9) };
        archive.exchange(Vec::new(), claim, now).await.unwrap().0
    };
    let end = async |delivery: &Delivery, end, unanswered, now| {
        let (id, fence) = (delivery.id, delivery.fence);
        let settled = Settlement { id, fence, unanswered, end, divert_to: None };
        archive.exchange(vec![settled], claim("none", 0), now).await.unwrap();
    };
    admit(&archive, 1..=6, 1, T0).await;
    let first = together(at(1)).await;
    assert_eq!((first.len(), first[0].folded.len()), (1, 0));
    settle(&archive, &first[0], End::Delivered { handle: None }, at(1)).await;
    admit(&archive, [7], 1, at(10)).await;
    let storm = together(at(16)).await.remove(0);
    assert_eq!((storm.folded.len(), storm.spread.as_ref().map(|spread| spread.errors)), (5, Some(7)));
    let youngest = first[0].expires_at.plus(Duration::from_secs(10));
    assert_eq!(storm.expires_at, youngest, "a message is as young as the youngest that it tells");

    // It fails as a whole, is told again as a whole, and each counts that it may have come before.
    end(&storm, End::Again { due_at: at(20), asked: false, error: "no answer".into() }, true, at(17)).await;
    assert_eq!(claimed(&archive, "ops", 9, at(19)).await.len(), 0);
    let again = together(at(20)).await.remove(0);
    assert_eq!((again.id, again.attempt, again.folded.len()), (storm.id, 2, 5));
    end(&again, End::Delivered { handle: None }, false, at(21)).await;
    let all = archive.deliveries(None, Some("ops".into()), None, 100).await.unwrap().items;
    let told = all.iter().filter(|one| one.folded_into == Some(storm.id));
    let told: Vec<_> = told.map(|one| (one.state, one.unanswered)).collect();
    assert_eq!(told, [(DeliveryState::Delivered, 1); 5]);
    let detail = archive.issue(storm.folded[0].fingerprint).await.unwrap().unwrap();
    assert_eq!(detail.together[0].alerts.len(), 6, "listed with each of them");

    // What must wait does not keep the others waiting.
    admit(&archive, 11..=14, 1, at(300)).await;
    settle(&archive, &together(at(300)).await.remove(0), End::Delivered { handle: None }, at(300)).await;
    let storm = together(at(315)).await.remove(0);
    assert_eq!(storm.folded.len(), 2);
    end(&storm, End::Held { due_at: at(900), expires_at: at(5_000) }, false, at(315)).await;
    assert_eq!(claimed(&archive, "ops", 9, at(316)).await.len(), 2);
}
