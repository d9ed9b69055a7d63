//! Threads: who answers to what, who edits when; and requests that are signed.

use super::*;
use crate::alert::{Posted, Stage};

async fn delivered(archive: &Archive, delivery: &Delivery, handle: &str, now: Time) {
    settle(archive, delivery, End::Delivered { handle: Some(handle.to_owned()) }, now).await;
}

async fn due(archive: &Archive, now: Time) -> Option<Due> {
    archive.due_edit(&"ops".into(), now).await.unwrap()
}

async fn edit(archive: &Archive, now: Time) -> Edit {
    let due = due(archive, now).await.expect("an edit is due");
    archive.claim_edit(due, now).await.unwrap().expect("nobody else is there")
}

async fn record(archive: &Archive, edit: Edit, edited: Edited, now: Time) {
    archive.record_edit(edit, edited, now).await.unwrap();
}

async fn act(archive: &Archive, action: Action, now: Time) {
    archive.act(Fingerprint(1), action, "kim".to_owned(), String::new(), now).await.unwrap().unwrap();
}

pub(super) async fn a_window_is_a_thread_that_one_edits_at_a_time(url: &str) {
    let pods = [open(url).await, open(url).await];
    admit(&pods[0], [1], 2, T0).await;
    let first = claimed(&pods[0], "ops", 1, T0).await.remove(0);
    assert_eq!(first.thread, None);
    delivered(&pods[0], &first, "C1:1.2", at(1)).await;
    let second = claimed(&pods[1], "ops", 1, at(1)).await.remove(0);
    assert_eq!((second.alert.ordinal, second.thread.as_deref()), (2, Some("C1:1.2")));
    assert_eq!(claimed(&pods[1], "dev", 1, at(1)).await.remove(0).thread, None, "another channel has its own");

    // The message tells of one occurrence, and there are two.
    assert!(due(&pods[0], at(10)).await.is_none(), "not so soon");
    let both = [due(&pods[0], at(11)).await.unwrap(), due(&pods[1], at(11)).await.unwrap()];
    let mut claims = Vec::new();
    for (pod, due) in pods.iter().zip(both) {
        claims.extend(pod.claim_edit(due, at(11)).await.unwrap());
    }
    assert_eq!(claims.len(), 1, "one edits");
    let Posted { handle, delivery, progress } = claims[0].posted.clone();
    assert_eq!((&*handle, delivery.id, delivery.alert.ordinal), ("C1:1.2", first.id, 1));
    assert_eq!((progress.granted, progress.occurrences, progress.stage), (2, 2, Stage::Open));
    record(&pods[0], claims.remove(0), Edited::Shown, at(12)).await;
    assert!(due(&pods[0], at(3_000)).await.is_none(), "there is nothing new");

    admit(&pods[0], [1], 7, at(15)).await;
    assert!(due(&pods[0], at(21)).await.is_none(), "not so soon");
    let late = edit(&pods[0], at(22)).await;
    // What people decide is shown at once, and the edit on its way does not count.
    act(&pods[1], Action::Acknowledge, at(23)).await;
    let newer = edit(&pods[1], at(23)).await;
    let progress = &newer.posted.progress;
    assert_eq!((progress.occurrences, progress.granted), (9, 5));
    assert_eq!((&progress.state, &*progress.decided.by), (&State::Acknowledged, "kim"));
    record(&pods[1], newer, Edited::Shown, at(24)).await;
    record(&pods[0], late, Edited::Shown, at(25)).await;
    let again = edit(&pods[0], at(25)).await;
    assert_eq!(again.posted.progress.state, State::Acknowledged, "what came late may stand there: once more");
    record(&pods[0], again, Edited::Shown, at(26)).await;
    assert!(due(&pods[0], at(3_609)).await.is_none());

    admit(&pods[0], [1], 1, at(40)).await;
    let failed = edit(&pods[0], at(40)).await;
    record(&pods[0], failed, Edited::Again(at(100)), at(41)).await;
    assert!(due(&pods[0], at(99)).await.is_none());
    let refused = edit(&pods[0], at(100)).await;
    record(&pods[0], refused, Edited::Shown, at(101)).await;

    // Once more when the window is over, and then for decisions only.
    let over = edit(&pods[0], at(3_610)).await;
    assert_eq!(over.posted.progress.stage, Stage::Over);
    record(&pods[0], over, Edited::Shown, at(3_610)).await;
    assert!(due(&pods[0], at(100_000)).await.is_none());
    act(&pods[0], Action::Resolve, at(3_700)).await;
    let resolved = edit(&pods[0], at(3_700)).await;
    assert_eq!(resolved.posted.progress.state, State::Resolved);
    record(&pods[0], resolved, Edited::Refused, at(3_700)).await;
    assert!(due(&pods[0], at(100_000)).await.is_none());
}

pub(super) async fn a_thread_that_is_gone_is_followed_by_another(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1], 1, T0).await;
    let first = claimed(&archive, "ops", 1, T0).await.remove(0);
    delivered(&archive, &first, "C1:1.2", at(1)).await;
    // It says all there is to say.
    assert!(due(&archive, at(3_609)).await.is_none());
    admit(&archive, [1], 1, at(2)).await;
    let gone = edit(&archive, at(30)).await;
    record(&archive, gone, Edited::Gone, at(31)).await;
    assert!(due(&archive, at(9_000)).await.is_none());
    let second = claimed(&archive, "ops", 1, at(31)).await.remove(0);
    assert_eq!(second.thread, None);
    delivered(&archive, &second, "C1:3.4", at(32)).await;
    // Others may find it gone when they answer to it.
    admit(&archive, [1], 1, at(33)).await;
    let third = claimed(&archive, "ops", 1, at(33)).await.remove(0);
    assert_eq!(third.thread.as_deref(), Some("C1:3.4"));
    delivered(&archive, &third, "C1:5.6", at(34)).await;
    let edited = edit(&archive, at(3_610)).await;
    assert_eq!((&*edited.posted.handle, edited.posted.delivery.alert.ordinal), ("C1:5.6", 3));

    // A window that was ended by people, and whose issue came back.
    act(&archive, Action::Resolve, at(3_000)).await;
    admit(&archive, [1], 4, at(3_001)).await;
    let replaced = edit(&archive, at(3_700)).await.posted.progress;
    assert_eq!((replaced.stage, replaced.occurrences, replaced.granted), (Stage::Replaced, 3, 3));

    static LEFT: Sql = Sql::new("SELECT count(*) FROM threads");
    let left: Work<(), Option<i64>> = |tx, ()| Box::pin(async { tx.one(&LEFT, &[], |row| row.get(0)).await });
    assert_eq!(archive.store.read((), left).await.unwrap(), Some(1));
    let keep = Keep(config::Retention { alerts: Span::secs(86_400), ..config::Retention::default() });
    archive.forget(keep, at(100_000)).await.unwrap();
    assert_eq!(archive.store.read((), left).await.unwrap(), Some(0));
}

pub(super) async fn a_signed_request_is_taken_once(url: &str) {
    let pods = [open(url).await, open(url).await];
    admit(&pods[0], [1, 2], 1, T0).await;
    let signed = |signature: u8, action: Action| Signed {
        signature: [signature; 32],
        expires_at: at(1_200),
        actions: vec![(Fingerprint(1), action), (Fingerprint(77), Action::Resolve)],
        by: "kim".to_owned(),
        note: "Slack".to_owned(),
        channels: vec!["ops".into(), "else".into()],
    };
    let taken: Vec<_> = (0..8)
        .map(|nth| {
            let (pod, signed) = (pods[nth % 2].clone(), signed(1, Action::Acknowledge));
            tokio::spawn(async move { pod.act_once(signed, at(1)).await.unwrap() })
        })
        .collect();
    let mut done = Vec::new();
    for one in taken {
        done.extend(one.await.unwrap());
    }
    assert_eq!(done.len(), 1, "once");
    assert_eq!(done[0].len(), 1, "the other issue is not there");
    assert_eq!((&done[0][0].standing.state, done[0][0].revision), (&State::Acknowledged, 2));
    assert!(pods[1].act_once(signed(2, Action::Reopen), at(2)).await.unwrap().is_some(), "another press is another");
    let stranger = Signed { channels: vec!["else".into()], ..signed(3, Action::Resolve) };
    assert_eq!(pods[0].act_once(stranger, at(2)).await.unwrap().map(|issues| issues.len()), Some(0), "not told of it");
    assert_eq!(detail(&pods[0], 1).await.issue.standing.state, State::Open);
    let forget = async |now| pods[0].forget(Keep(config::Retention::default()), now).await.unwrap();
    forget(at(1_200)).await;
    assert!(pods[1].act_once(signed(2, Action::Resolve), at(1_200)).await.unwrap().is_none(), "it is remembered");
    forget(at(1_201)).await;
    assert!(pods[1].act_once(signed(2, Action::Resolve), at(1_201)).await.unwrap().is_some(), "its time is over");
}
