//! What a server can suffer: a loss of its memory, an older copy of it, pauses, restarts, fail-overs, refusals.

use super::*;
use crate::cache::redis::cluster_slot;
use crate::servers::wait_until;

/// What `redis/mod.rs` says that a user needs.
pub(super) const RIGHTS: &str = "~bongsu:* +evalsha +eval +hmget +hget +hgetall +hset +hincrby +hdel +pexpire +zadd +zrem \
                                 +zrange +get +set +del +info +ping +hello +select";

/// The bound that a server configures by default.
const BOUND: Duration = Duration::from_millis(500);
/// What a test allows a bounded call: far more, so that a busy machine is no failure, and far less than for ever.
const FAR_BEYOND: Duration = Duration::from_secs(20);

fn at(redis: &server::Redis) -> String {
    format!("redis://{}", redis.address())
}

async fn failure(cache: &Cache, fingerprint: Fingerprint) -> Error {
    let counted = tokio::time::timeout(FAR_BEYOND, cache.count(&[(fingerprint, 1)], T0)).await;
    counted.expect("a call is bounded").remove(0).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_comes_back_with_another_epoch() {
    let redis = server::Redis::start();
    let cache = patient(&at(&redis));
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (before, ..) = quiet(cache.count_one(fingerprint, 5, T0).await);
    for loss in [&["FLUSHALL"][..], &["DEL", &format!("bongsu:{{{:02}}}:{fingerprint}", fingerprint.0 >> 122)]] {
        redis.command(loss);
        assert_eq!(ask(cache.count_one(fingerprint, 1, T0).await), None);
        assert_eq!(cache.sweep_of(&[fingerprint], T0).await, []);
        cache.swept(&[Unswept { fingerprint, epoch: before.epoch, totals: Vec::new() }], T0).await.unwrap();
        cache.remember_one(fingerprint, marker(1), T0).await;
        let (record, _, total) = quiet(cache.count_one(fingerprint, 1, T0).await);
        assert_ne!(record.epoch, before.epoch);
        assert_eq!(total, 1);
    }
    redis.command(&["FLUSHALL"]);
    let grant = cache.grant_one(claim(fingerprint, 1), T0).await;
    assert_ne!(grant.record.epoch, before.epoch);
    // The index forgets what is gone.
    redis.command(&["DEL", &format!("bongsu:{{{:02}}}:{fingerprint}", fingerprint.0 >> 122)]);
    assert_eq!(cache.sweep_of(&[fingerprint], T0).await, []);
    let index = redis.command(&["EXISTS", &format!("bongsu:{{{:02}}}:dirty", fingerprint.0 >> 122)]);
    assert_eq!(index, ::redis::Value::Int(0));
}

/// Invariant: *A counter only grows*, and a marker that may have been overridden is not believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_with_an_older_copy_is_not_believed() {
    let mut redis = server::Redis::with(&["--dbfilename", "older.rdb"]);
    let cache = patient(&at(&redis));
    let [fingerprint, granted] = std::array::from_fn(|_| draw());
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (before, ..) = quiet(cache.count_one(fingerprint, 5, T0).await);
    let grant = cache.grant_one(claim(granted, 3), T0).await;
    redis.command(&["SAVE"]);
    assert_eq!(quiet(cache.count_one(fingerprint, 5, T0).await).2, 10);
    cache.remember_one(fingerprint, Marker { quiet_until: T0, ..marker(2) }, T0).await;
    redis.kill_and_restart();

    let found = cache.count(&[(fingerprint, 1)], T0).await.remove(0).unwrap();
    assert_eq!(ask(found), None, "revision 1 is in the copy, and was overridden");
    // What the copy has is written back under the old epoch, where the 10 is known or can be told by who was told.
    let unswept = cache.sweep_of(&[fingerprint], T0).await;
    assert_eq!(unswept[0], Unswept { fingerprint, epoch: before.epoch, totals: vec![budget_total(T0, 5)] });
    // What is counted from now on is another counter's. The decision that was lost may be made again.
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (record, _, total) = quiet(cache.count_one(fingerprint, 2, T0).await);
    assert_ne!(record.epoch, before.epoch);
    assert_eq!(total, 2);
    let both = cache.sweep_of(&[fingerprint], T0).await;
    let totals: BTreeSet<u64> = both.iter().flat_map(|unswept| &unswept.totals).map(|total| total.total).collect();
    assert_eq!((both.len(), totals), (2, BTreeSet::from([2, 5])));
    cache.swept(&both, T0).await.unwrap();
    assert_eq!(cache.sweep_of(&[fingerprint], T0).await, []);
    // Grants go on: too few are better than too many.
    let rest = cache.grant_one(claim(granted, 9), T0).await;
    assert_eq!((rest.granted, rest.first_ordinal), (2, 4));
    assert_ne!(rest.record.epoch, grant.record.epoch);
    assert_eq!(rest.totals.iter().map(|total| total.total).sum::<u64>(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let redis = server::Redis::start();
    let cache = patient(&at(&redis));
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    for total in 1..4 {
        redis.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(quiet(cache.count_one(fingerprint, 1, T0).await).2, total);
        assert_eq!(cache.grant_one(claim(draw(), 1), T0).await.granted, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_costs_the_bound_and_no_more() {
    let redis = server::Redis::start();
    let cache = connect(&at(&redis), BOUND);
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (before, ..) = quiet(cache.count_one(fingerprint, 1, T0).await);
    redis.process.pause();
    let error = failure(&cache, fingerprint).await;
    assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::TimedOut, true));
    // The connection is given up, so that this one does not even get through the door.
    let error = failure(&cache, fingerprint).await;
    assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::TimedOut, false));
    assert_eq!(cache.ping().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(cache.sweep(None, 10, T0).await.is_err());
    redis.process.resume();
    wait_until("the cache to answer again", async || cache.ping().await.is_ok()).await;
    let (after, _, total) = quiet(cache.count_one(fingerprint, 1, T0).await);
    assert_eq!(after.epoch, before.epoch);
    // The question that was in doubt was carried out after all, or it was not; the one that was not, was not.
    assert!((2..=3).contains(&total), "{total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_unreachable_and_found_again() {
    let mut redis = server::Redis::start();
    let cache = connect(&at(&redis), Duration::from_secs(10));
    cache.ping().await.unwrap();
    redis.kill_and_restart();
    wait_until("the cache to answer again", async || cache.ping().await.is_ok()).await;
    redis.process.kill();
    wait_until("the connection to be known as broken", async || !failure(&cache, draw()).await.in_doubt()).await;
    assert_eq!(failure(&cache, draw()).await.kind(), ErrorKind::Unreachable);
    redis.kill_and_restart();
    cache.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_says_why() {
    let (redis, ca) = server::Redis::with_tls_and_user("secret-word", RIGHTS);
    let place = redis.address();
    let at = |access: &str, more: &str| patient(&format!("rediss://{access}{place}?ca={ca}{more}"));
    let refused = [
        (at("bongsu:wrong-word@", ""), "WRONGPASS"),
        (at("nobody:wrong-word@", ""), "WRONGPASS"),
        (at("", ""), "NOAUTH"),
        (at("bongsu:secret-word@", "&prefix=other"), "NOPERM"),
    ];
    for (cache, why) in refused {
        let error = failure(&cache, draw()).await;
        assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::Refused, false), "{why}: {error}");
        let said = error.to_string();
        assert!(!said.contains("-word"), "{said}");
        let known = match why {
            "WRONGPASS" => ["WRONGPASS", "uthentication"],
            "NOAUTH" => ["NOAUTH", "uthentication"],
            _ => ["NOPERM", "NoPerm"],
        };
        assert!(known.iter().any(|known| said.contains(known)), "{said}");
    }
    // Another certificate authority than the server's.
    let (_other, other_ca) = server::Redis::with_tls_and_user("secret-word", RIGHTS);
    let error = failure(&patient(&format!("rediss://bongsu:secret-word@{place}?ca={other_ca}")), draw()).await;
    assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::Unreachable, false), "{error}");
    let nowhere = Settings::parse(&Secret::new(format!("rediss://{place}?ca=nowhere.pem"))).unwrap();
    assert!(Cache::new(&nowhere).is_err_and(|why| why.contains("nowhere.pem")));
    // Out of memory.
    let full = server::Redis::with(&["--maxmemory", "1"]);
    let error = patient(&super::faults::at(&full)).grant(&[claim(draw(), 1)], T0).await.remove(0).unwrap_err();
    assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::Refused, false), "{error}");
    // Not a Redis at all: a port on which nobody listens.
    let error = failure(&patient(&format!("redis://127.0.0.1:{}", crate::servers::free_port())), draw()).await;
    assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::Unreachable, false), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_of_a_policy_that_throws_records_away() {
    let redis = server::Redis::with(&["--maxmemory-policy", "allkeys-lru"]);
    let described = patient(&at(&redis)).describe().await.unwrap();
    assert!(described.version.is_some_and(|version| version.contains('.')));
    assert!(described.advice[0].contains("allkeys-lru"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_takes_its_counts_along_under_another_epoch() {
    let cluster = server::Cluster::start();
    let cache = patient(&format!("redis-cluster://{}", cluster.masters[2].address()));
    let all: Vec<Fingerprint> = (0..200).map(|_| draw()).collect();
    let markers: Vec<_> = all.iter().map(|fingerprint| (*fingerprint, marker(1))).collect();
    let batch: Vec<_> = all.iter().map(|fingerprint| (*fingerprint, 1)).collect();
    cache.remember(&markers, T0).await.unwrap();
    for answer in cache.count(&batch, T0).await {
        quiet(answer.unwrap());
    }
    // The slot of the first one, from whoever has it to the next.
    let slot = cluster_slot(all[0]);
    let owner = usize::from(slot) * 3 / 16_384;
    cluster.move_slot(slot, owner, (owner + 1) % 3);
    let answers = cache.count(&batch, T0).await;
    for (fingerprint, answer) in all.iter().zip(answers) {
        if fingerprint.0 >> 122 == all[0].0 >> 122 {
            // Another server, which might have an older copy: it is asked as if the record were lost.
            assert_eq!(ask(answer.unwrap()), None);
        } else {
            assert_eq!(quiet(answer.unwrap()).2, 2);
        }
    }
    let swept = cache.sweep_of(&all, T0).await;
    let first = unswept_of(&swept, all[0]);
    assert_eq!((first.totals, swept.len()), (vec![budget_total(T0, 1)], all.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_takes_only_its_part_of_a_batch() {
    let mut cluster = server::Cluster::start();
    for master in &cluster.masters {
        master.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let cache = connect(&format!("redis-cluster://{}", cluster.addresses()), Duration::from_secs(2));
    let all: Vec<Fingerprint> = (0..200).map(|_| draw()).collect();
    let markers: Vec<_> = all.iter().map(|fingerprint| (*fingerprint, marker(1))).collect();
    let batch: Vec<_> = all.iter().map(|fingerprint| (*fingerprint, 1)).collect();
    cache.remember(&markers, T0).await.unwrap();
    let answered = async |total: Option<u64>| {
        let answers = tokio::time::timeout(FAR_BEYOND, cache.count(&batch, T0)).await.unwrap();
        let mut failed = 0;
        for (fingerprint, answer) in all.iter().zip(answers) {
            let of_the_first = usize::from(cluster_slot(*fingerprint)) * 3 / 16_384 == 0;
            match answer {
                Err(_) if of_the_first => failed += 1,
                answer => assert!(total.is_none_or(|total| quiet(answer.unwrap()).2 == total)),
            }
        }
        failed
    };
    assert_eq!(answered(Some(1)).await, 0);
    cluster.masters[0].process.pause();
    assert!(answered(Some(2)).await > 0);
    cluster.masters[0].process.resume();
    wait_until("the node to answer again", async || cache.ping().await.is_ok()).await;
    assert_eq!(answered(None).await, 0);
    cluster.masters[0].process.kill();
    assert!(answered(None).await > 0);
    assert!(cache.ping().await.is_err());
}

/// Invariant: *A counter only grows*, also when a master dies and its replica did not have everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_is_followed() {
    let mut watched = server::Watched::start();
    let cache = connect(&format!("redis-sentinel://{}/main", watched.addresses()), Duration::from_secs(2));
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (before, ..) = quiet(cache.count_one(fingerprint, 5, T0).await);
    // The replica has it; then it is cut off for a last count.
    watched.servers[0].command(&["WAIT", "1", "0"]);
    watched.servers[1].process.pause();
    assert_eq!(quiet(cache.count_one(fingerprint, 5, T0).await).2, 10);
    watched.servers[0].process.kill();
    watched.servers[1].process.resume();
    wait_until("the replica to be master", async || {
        let tried = cache.grant(&[claim(draw(), 1)], T0).await.remove(0);
        tried.is_ok_and(|grant| grant.granted == 1)
    })
    .await;
    assert_eq!(ask(cache.count_one(fingerprint, 1, T0).await), None);
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (after, _, total) = quiet(cache.count_one(fingerprint, 3, T0).await);
    assert_eq!(total, 3);
    assert_ne!(after.epoch, before.epoch);
    let unswept = cache.sweep_of(&[fingerprint], T0).await;
    let of = |epoch| &unswept.iter().find(|unswept| unswept.epoch == epoch).unwrap().totals[..];
    assert_eq!(of(after.epoch), [budget_total(T0, 3)]);
    assert!(of(before.epoch)[0].total <= 10, "what the replica had");
}

/// A master that is told to follow another refuses writes; nothing of them was carried out.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_demoted_is_left() {
    let watched = server::Watched::start();
    let cache = connect(&format!("redis-sentinel://{}/main", watched.addresses()), Duration::from_secs(2));
    assert_eq!(cache.grant_one(claim(draw(), 1), T0).await.granted, 1);
    watched.fail_over();
    wait_until("the new master to take writes", async || {
        let tried = cache.grant(&[claim(draw(), 1)], T0).await.remove(0);
        tried.is_ok_and(|grant| grant.granted == 1) && watched.servers[1].is_master()
    })
    .await;
}
