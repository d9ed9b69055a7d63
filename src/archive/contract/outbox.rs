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

pub(super) async fn claims_are_fenced(url: &str) {
    let archive = open(url).await;
    let (_, mine) = archive.admit(batch([1], 2), Arc::new([claim("ops", 10)]), T0).await.unwrap();
    assert_eq!(mine.len(), 1, "the second waits for the first");
    assert!(claimed(&archive, "ops", 10, at(29)).await.is_empty(), "it is the first claimer's alone");
    let late = claimed(&archive, "ops", 10, at(30)).await;
    assert_eq!((late[0].id, late[0].fence, late[0].attempt), (mine[0].id, 2, 2), "the lease is over");
    settle(&archive, &mine[0], End::Delivered { handle: None }, at(31)).await;
    let state = async || {
        let rows = archive.deliveries(None, None, 100).await.unwrap().items;
        let row = rows.into_iter().find(|row| row.id == mine[0].id).unwrap();
        (row.state, row.attempts, row.due_at, row.error)
    };
    assert_eq!(state().await.0, DeliveryState::Pending, "a late result changes nothing");
    settle(&archive, &late[0], End::Back { due_at: at(40) }, at(31)).await;
    assert_eq!(state().await, (DeliveryState::Pending, 1, at(40), None));
    let third = claimed(&archive, "ops", 10, at(40)).await;
    let again = End::Again { due_at: at(100), asked: false, error: "503".to_owned() };
    settle(&archive, &third[0], again, at(41)).await;
    assert!(claimed(&archive, "ops", 10, at(99)).await.is_empty(), "and those after it wait too");
    let (_, next) = archive.exchange(Vec::new(), claim("ops", 10), at(99)).await.unwrap();
    assert_eq!(next, Some(at(100)));
    let fourth = claimed(&archive, "ops", 10, at(100)).await;
    settle(&archive, &fourth[0], End::Expired, at(101)).await;
    assert_eq!(state().await.3.as_deref(), Some("given up after 2 attempts: 503"));
    assert_eq!(archive.backlog().await.unwrap(), (3, 1));
    assert_eq!(archive.resend(Some(mine[0].id), EXPIRY, at(102)).await.unwrap(), 1);
    assert_eq!(archive.resend(None, EXPIRY, at(102)).await.unwrap(), 0);
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
