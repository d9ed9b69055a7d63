//! DynamoDB, on an emulator.

use super::*;
use crate::servers::dynamodb as server;
use crate::servers::wait_until;

pub(super) fn at(server: &server::DynamoDb) -> String {
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    format!("dynamodb://any:any@bongsu-tests?region=us-east-1&create=true&endpoint={endpoint}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table() {
    let server = server::DynamoDb::start();
    let first = patient(&at(&server));
    wait_until("the table to be made", async || first.ping().await.is_ok()).await;
    suite(&|| patient(&at(&server))).await;
    let described = first.describe().await.unwrap();
    assert_eq!((described.kind, described.advice.as_slice()), ("dynamodb", &[][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_is_said_so() {
    let server = server::DynamoDb::start();
    let cache = patient(&at(&server).replace("&create=true", ""));
    let error = cache.count(&[(draw(), 1)], T0).await.remove(0).unwrap_err();
    assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::Refused, false));
    assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
    assert_eq!(cache.ping().await.unwrap_err().kind(), ErrorKind::Refused);
    let nowhere = patient(&at(&server).replace(&server.port.to_string(), &crate::servers::free_port().to_string()));
    let error = nowhere.remember(&[(draw(), marker(1))], T0).await.unwrap_err();
    assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::Unreachable, false), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_costs_the_bound_and_no_more() {
    let server = server::DynamoDb::start();
    let cache = connect(&at(&server), Duration::from_millis(500));
    wait_until("the table to be made", async || cache.ping().await.is_ok()).await;
    let fingerprint = draw();
    // The machine may be busy: the bound is a fault's here, not a test's.
    wait_until("a marker", async || cache.remember(&[(fingerprint, marker(1))], T0).await.is_ok()).await;
    server.process.pause();
    let counted = tokio::time::timeout(Duration::from_secs(20), cache.count(&[(fingerprint, 1); 100], T0)).await;
    for error in counted.expect("a call is bounded").into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.in_doubt()), (ErrorKind::TimedOut, true));
    }
    server.process.resume();
    wait_until("the table to answer again", async || cache.ping().await.is_ok()).await;
    wait_until("a count", async || cache.count(&[(fingerprint, 1)], T0).await.remove(0).is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_item_comes_back_with_another_epoch() {
    let server = server::DynamoDb::start();
    let cache = patient(&at(&server));
    wait_until("the table to be made", async || cache.ping().await.is_ok()).await;
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (before, ..) = quiet(cache.count_one(fingerprint, 1, T0).await);
    let Cache::DynamoDb(table) = &*cache else { panic!("{:?}", cache.describe().await) };
    table.delete(fingerprint).await;
    assert_eq!(ask(cache.count_one(fingerprint, 1, T0).await), None);
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (after, _, total) = quiet(cache.count_one(fingerprint, 1, T0).await);
    assert_eq!(total, 1);
    assert_ne!(after.epoch, before.epoch);
}
