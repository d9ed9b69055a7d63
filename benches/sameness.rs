//! What sameness costs an event: normalising and identifying, as every received event goes through them.

use bongsu::event::{Attributes, Event, Exception, Frame};
use bongsu::fingerprint::{identify, identify_as};
use bongsu::normalize::{Version, normalize, normalize_as};
use divan::{Bencher, black_box};
use sha2::{Digest, Sha256};

fn main() {
    divan::main();
}

/// About 600 bytes of a native event, of the kind a Spring service sends.
fn typical() -> Event<'static> {
    let detail = "Duplicate entry 'kim-20418' for key 'uq_order_no' while saving order 10482 (attempt 2 of 3, 30050ms): \
                  org.hibernate.exception.ConstraintViolationException";
    let frame = |module: &'static str, function: &'static str, in_app| Frame {
        module: module.into(),
        function: function.into(),
        file: "OrderService.java".into(),
        line: Some(87),
        in_app: Some(in_app),
    };
    Event {
        attributes: Attributes {
            category: "Runtime".into(),
            module: "order-api-7d9f8b6c54-x2x9k".into(),
            environment: "prod".into(),
            url: "https://api.example.com/api/v1/orders/10482/items?page=2".into(),
            method: "POST".into(),
            location: "com.shop.order.OrderService$$SpringCGLIB$$0.placeOrder(<generated>)".into(),
            detail: detail.into(),
        },
        exceptions: vec![Exception {
            kind: "java.sql.SQLIntegrityConstraintViolationException".into(),
            value: detail.into(),
            frames: vec![
                frame("com.mysql.cj.jdbc.exceptions.SQLError", "createSQLException", false),
                frame("com.shop.order.OrderService", "placeOrder", true),
            ],
        }],
        ..Event::default()
    }
}

#[divan::bench]
fn typical_event(bencher: Bencher<'_, '_>) {
    let event = typical();
    bencher.bench(|| {
        let event = black_box(&event);
        identify(event, &normalize(event))
    });
}

/// The same by the rule set before.
#[divan::bench]
fn typical_event_by_version_1(bencher: Bencher<'_, '_>) {
    let event = typical();
    bencher.bench(|| {
        let event = black_box(&event);
        identify_as(Version::V1, event, &normalize_as(Version::V1, event))
    });
}

/// Something that costs the same on every machine of a kind: SHA-256 of as many bytes, to compare ratios.
#[divan::bench]
fn sha256_of_the_same_bytes(bencher: Bencher<'_, '_>) {
    let event = typical();
    let bytes: String = event.attributes.each().iter().map(|(_, text)| text.as_ref()).collect();
    bencher.bench(|| Sha256::digest(black_box(bytes.as_bytes())));
}

/// Nothing to change: the cost of looking.
#[divan::bench]
fn plain_event(bencher: Bencher<'_, '_>) {
    let mut event = typical();
    event.attributes.module = "order-api".into();
    event.attributes.category = "runtime".into();
    event.attributes.url = "/api/v1/orders".into();
    event.attributes.location = "com.shop.order.OrderService.placeOrder".into();
    event.attributes.detail = "the stock of the ordered item is not enough to place the order".into();
    bencher.bench(|| {
        let event = black_box(&event);
        identify(event, &normalize(event))
    });
}

/// Linear time: ten times the text, ten times the cost.
#[divan::bench(args = [1_000, 10_000, 100_000])]
fn long_detail(bencher: Bencher<'_, '_>, bytes: usize) {
    let mut event = typical();
    event.attributes.detail = "order 10482 of 'kim-20' [a.B@1f] /a/42 x=1, ".repeat(bytes / 44).into();
    bencher.bench(|| {
        let event = black_box(&event);
        identify(event, &normalize(event))
    });
}
