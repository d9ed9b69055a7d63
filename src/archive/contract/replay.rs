//! What is stored, read over again.

use std::collections::HashSet;

use super::*;

pub(super) async fn what_is_stored_can_be_read_over_again(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1, 2, 3], 7, T0).await;
    admit(&archive, [3], 7, at(120)).await;
    let total = archive.stored_since(T0).await.unwrap();
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let page = archive.stored(T0, after, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = last.id;
        read.extend(page);
    }
    assert_eq!(read.len() as u64, total);
    let issues: HashSet<i64> = read.iter().map(|one| one.issue).collect();
    let shown = archive.shown(issues.iter().copied().collect()).await.unwrap();
    let known: HashSet<Fingerprint> = shown.values().map(|one| one.fingerprint).collect();
    assert_eq!(known, [1, 2, 3].map(Fingerprint).into());
    assert!(shown.values().all(|one| one.project == "shop" && one.attributes.module == "order-api"));
    assert!(read.iter().all(|one| one.event.attributes == shown[&one.issue].attributes));

    let alerts = archive.alerts_since(T0).await.unwrap();
    assert_eq!(alerts.values().sum::<u64>(), 15);
    assert!(archive.alerts_since(at(3_000)).await.unwrap().is_empty());
    let counts = archive.counts(T0.minute(), at(3_600)).await.unwrap();
    assert_eq!(counts.iter().map(|one| one.total).sum::<u64>(), 28);
    assert!(counts.is_sorted_by_key(|one| one.at) && counts.len() == 4, "an issue and minute is one");

    assert!(archive.merged_numbers().await.unwrap().is_empty());
    let merged =
        archive.merge(Fingerprint(1), Fingerprint(2), "kim".to_owned(), Duration::from_secs(60), at(200)).await;
    assert!(matches!(merged, Ok(Some(Ok(_)))));
    let number = |fingerprint: u128| shown.iter().find(|(_, one)| one.fingerprint.0 == fingerprint).map(|(id, _)| *id);
    let merged = archive.merged_numbers().await.unwrap();
    assert_eq!(merged.get(&number(1).unwrap()).copied(), number(2));
}
