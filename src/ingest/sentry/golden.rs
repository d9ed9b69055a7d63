//! What real SDKs send (`tests/data/sentry/`), and what comes of it.
//!
//! The Python, Node and Rust payloads were captured from sentry-sdk 2.75.0, @sentry/node 11.12.0 and sentry 0.49.5 and
//! shortened; the Java ones are written after sentry-java 8's source.

use expect_test::{Expect, expect};

use super::envelope::{ItemKind, split};
use super::event::{id, read};
use crate::event::{Event, Frame, Text};

/// A stand-in for the rule that the caller brings along: the application's first frame that is written by a person.
pub(super) fn pick(frames: &[Frame<'_>]) -> Option<String> {
    let is_machinery = |name: &str| name.contains("$$") || name.contains("rustc::") || name.contains("sentry");
    let own = |frame: &&Frame<'_>| {
        frame.in_app == Some(true) && !is_machinery(&frame.module) && !is_machinery(&frame.function)
    };
    frames.iter().find(own).map(|frame| match &*frame.module {
        "" => frame.function.to_string(),
        module => format!("{module}.{}", frame.function),
    })
}

/// An event's attributes and whatever else it has, a line each.
pub(super) fn shown(event: &Event<'_>) -> String {
    let mut lines: Vec<String> = event.attributes.each().map(|(name, value)| format!("{name}: {value}")).to_vec();
    lines.push(format!("level: {}, at: {:?}", event.level, event.occurred_at));
    for exception in &event.exceptions {
        let top = exception.frames.first().map(|frame| format!("{}:{:?}", frame.file, frame.line));
        let top = top.unwrap_or_default();
        lines.push(format!("  {}: {} ({} frames, {top})", exception.kind, exception.value, exception.frames.len()));
    }
    let optional = [
        ("template", &event.template),
        ("trace", &event.trace_id),
        ("release", &event.release),
        ("server", &event.server),
        ("user", &event.user),
    ];
    lines.extend(optional.iter().filter_map(|(name, value)| Some(format!("{name}: {}", value.as_ref()?))));
    let tags: Vec<String> = event.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.push(format!("tags: {}", tags.join(" ")));
    lines.push(format!("fingerprint: {:?}, notes: {:?}", event.fingerprint, event.notes));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn check(body: &[u8], wanted: Expect) {
    let envelope = split(body).unwrap();
    assert_eq!((envelope.items.len(), envelope.fault), (1, None));
    assert_eq!(envelope.items[0].kind, ItemKind::Event);
    let json = envelope.items[0].payload;
    // Rust writes the envelope's with hyphens, the event's without.
    let plain = |id: Option<Text<'_>>| id.map(|id| id.replace('-', ""));
    assert_eq!(plain(id(json)), plain(envelope.event_id));
    wanted.assert_eq(&shown(&read(json, pick).unwrap()));
}

macro_rules! payload {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sentry/", $name, ".envelope"))
    };
}

pub(super) use payload;

#[test]
fn python_exception_with_a_cause() {
    check(
        payload!("python-cause"),
        expect![[r#"
        category: Runtime
        module: order-api
        environment: staging
        url:
        method:
        location: orders.service.charge
        detail: 'number'
        level: error, at: Some(2026-11-23T07:00:05.176Z)
          orders.service.PaymentError: order 1234: no card (2 frames, orders/service.py:Some(12))
          KeyError: 'number' (1 frames, orders/service.py:Some(10))
        trace: 5c1bb1921e2f426dab4009aa81ec8fd3
        release: order-api@1.4.2
        server: order-api-7c9f
        user: 42
        tags: module=order-api retry=2
        fingerprint: [], notes: []
    "#]],
    );
}

#[test]
fn python_logged_template() {
    check(
        payload!("python-logged"),
        expect![[r#"
        category: Runtime
        module: order-api
        environment: staging
        url:
        method:
        location: orders.service
        detail: order 1234 was not paid after 3 reminders
        level: error, at: Some(2026-11-23T07:00:05.191Z)
        template: order %s was not paid after %d reminders
        trace: 5c1bb1921e2f426dab4009aa81ec8fd3
        release: order-api@1.4.2
        server: order-api-7c9f
        user: 42
        tags: module=order-api retry=2
        fingerprint: [], notes: []
    "#]],
    );
}

#[test]
fn python_group_follows_its_first_member_to_the_cause() {
    check(
        payload!("python-group"),
        expect![[r#"
        category: Runtime
        module: order-api
        environment: staging
        url:
        method:
        location: orders.service.charge
        detail: 'number'
        level: error, at: Some(2026-11-23T07:00:05.195Z)
          ExceptionGroup: two payments failed (2 frames, orders/service.py:Some(24))
          orders.service.PaymentError: order a: no card (2 frames, orders/service.py:Some(12))
          KeyError: 'number' (1 frames, orders/service.py:Some(10))
        trace: 5c1bb1921e2f426dab4009aa81ec8fd3
        release: order-api@1.4.2
        server: order-api-7c9f
        user: 42
        tags: module=order-api retry=2
        fingerprint: [], notes: ["2 exceptions beside the chain of causes are left out"]
    "#]],
    );
}

#[test]
fn node_error_with_a_cause() {
    check(
        payload!("node-cause"),
        expect![[r#"
        category: Runtime
        module: cart-web
        environment: prod
        url:
        method:
        location: cart.loadCart
        detail: Expected property name or '}' in JSON at position 1
        level: error, at: Some(2026-11-23T07:00:06.889Z)
          CartError: cart c-77 cannot be read (8 frames, /srv/cart-web/cart.js:Some(4))
          SyntaxError: Expected property name or '}' in JSON at position 1 (9 frames, <anonymous>:None)
        trace: bf78a157c45d4e4c8c725a59d9d5ef51
        release: cart-web@2.0.1
        server: cart-web-5d8b
        tags: service=cart-web tier=1
        fingerprint: [], notes: []
    "#]],
    );
}

#[test]
fn node_aggregate_follows_its_first_member() {
    check(
        payload!("node-aggregate"),
        expect![[r#"
        category: Runtime
        module: cart-web
        environment: prod
        url:
        method:
        location: cart.Object.?
        detail: first
        level: error, at: Some(2026-11-23T07:00:06.897Z)
          AggregateError: all shops failed (7 frames, /srv/cart-web/cart.js:Some(7))
          Error: first (7 frames, /srv/cart-web/cart.js:Some(7))
        trace: bf78a157c45d4e4c8c725a59d9d5ef51
        release: cart-web@2.0.1
        server: cart-web-5d8b
        tags: service=cart-web tier=1
        fingerprint: [], notes: ["1 exceptions beside the chain of causes are left out"]
    "#]],
    );
}

/// An error's stack is unknown in Rust; the place that captured it stands in.
#[test]
fn rust_captured_error_with_a_cause() {
    check(
        payload!("rust-captured"),
        expect![[r#"
        category: Runtime
        module: parcel-api
        environment: staging
        url: http://127.0.0.1:8080/orders/1234/refund
        method: POST
        location: parcel_api::refund::{{closure}}
        detail: no answer from the payment gateway for order 1234
        level: error, at: Some(2026-11-23T07:50:14.329Z)
          PaymentFailed: order 1234 was not paid (12 frames, :None)
          GatewayTimeout: no answer from the payment gateway for order 1234 (0 frames, )
        trace: f2a15254636f402bf6747881f1b7a51a
        release: parcel-api@0.3.0
        server: parcel-api-6f
        tags:
        fingerprint: [], notes: []
    "#]],
    );
}

#[test]
fn rust_panic() {
    check(
        payload!("rust-panic"),
        expect![[r#"
        category: Runtime
        module: parcel-api
        environment: staging
        url: http://127.0.0.1:8080/orders/1234/pay
        method: POST
        location: parcel_api::payments::Gateway::ask
        detail: no answer from the payment gateway for order 1234
        level: fatal, at: Some(2026-11-23T07:50:17.306Z)
          panic: no answer from the payment gateway for order 1234 (17 frames, :None)
        trace: 82e0e6c412d20a9d3085d5d378d3e941
        release: parcel-api@0.3.0
        server: parcel-api-6f
        tags:
        fingerprint: [], notes: []
    "#]],
    );
}

#[test]
fn spring_exception_behind_proxies_with_a_suppressed_one() {
    check(
        payload!("java-spring"),
        expect![[r#"
        category: Biz
        module: order-api
        environment: prod
        url: /orders/{id}/pay
        method: POST
        location: com.mycompany.order.DiscountService.apply
        detail: Cannot invoke "Coupon.getRate()" because "coupon" is null
        level: fatal, at: Some(2026-11-23T05:02:11.120Z)
          com.mycompany.order.PaymentException: payment of order 1234 failed (10 frames, PayService.java:Some(41))
          java.lang.NullPointerException: Cannot invoke "Coupon.getRate()" because "coupon" is null (14 frames, Objects.java:Some(259))
        trace: 4bf92f3577b34da6a3ce929d0e0e4736
        release: 1.42.0
        server: order-api-7c9f-x2x8k
        user: u-77
        tags: pod.name=order-api-7c9f-x2x8k module=order-api profile=prod
        fingerprint: [], notes: []
    "#]],
    );
}

/// The same throwable by the logger: all that decides sameness, besides the method, which only a request tells.
#[test]
fn the_same_exception_by_logback() {
    check(
        payload!("java-logback"),
        expect![[r#"
        category: Biz
        module: order-api
        environment: prod
        url: /orders/1234/pay
        method:
        location: com.mycompany.order.DiscountService.apply
        detail: Cannot invoke "Coupon.getRate()" because "coupon" is null
        level: error, at: Some(2026-11-23T05:02:11.120Z)
          com.mycompany.order.PaymentException: payment of order 1234 failed (10 frames, PayService.java:Some(41))
          java.lang.NullPointerException: Cannot invoke "Coupon.getRate()" because "coupon" is null (14 frames, Objects.java:Some(259))
        trace: 4bf92f3577b34da6a3ce929d0e0e4736
        release: 1.42.0
        server: order-api-7c9f-x2x8k
        tags: pod.name=order-api-7c9f-x2x8k module=order-api profile=prod
        fingerprint: [], notes: []
    "#]],
    );
}

#[test]
fn a_session_is_no_event() {
    let envelope = split(payload!("node-session")).unwrap();
    let kinds: Vec<_> = envelope.items.iter().map(|item| &item.kind).collect();
    assert_eq!(kinds, [&ItemKind::Other("session".into())]);
}
