//! DynamoDB, on an emulator.

use super::*;
use crate::servers::dynamodb as server;
use crate::servers::wait_until;

fn at(server: &server::DynamoDb) -> String {
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
