//! How messages read, in both languages.

use std::borrow::Cow;
use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::deliver::sample;
use crate::issue::Decided;

fn check(alert: &Alert, locale: Locale, expected: Expect) {
    let zone = TimeZone::get("Asia/Seoul").unwrap();
    let style = Style {
        locale,
        zone,
        public_url: "https://bongsu.example".to_owned(),
        channel: "ops".into(),
        book: Arc::default(),
    };
    expected.assert_eq(&Message::of(alert, &style).text());
}

fn regression() -> Alert {
    let at = Some(sample::NOW.minus(Duration::from_secs(4 * 86_400)));
    let resolved = Decided { at, by: "kim".to_owned(), note: "쿠폰 null 체크 추가".to_owned() };
    Alert { new: false, regression: Some(resolved), occurrences_total: 1_205, ..sample::alert(1) }
}

#[test]
fn what_bongsu_sends_itself_and_what_became_of_it() {
    let of = |store, away, tags: &[(&'static str, &'static str)]| {
        let event = Event {
            tags: tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            server: Some("bongsu-0".into()),
            ..Event::default()
        };
        Alert { kind: Kind::Health(Health { store, away }), event: Some(event), ..sample::alert(1) }
    };
    let stopped = of(Store::Way, true, &[(STOPPED_AT, "channel"), (SAID, "answered 503"), (DECIDES, "cache")]);
    check(
        &stopped,
        Locale::En,
        expect![[r#"
            ⚠️ bongsu · alerts may not arrive
            The alert of the error that bongsu sends itself does not get through its channel.
            The cache counts and decides meanwhile. Alerts go on, are held in memory, and are recorded when the archive is back.
            Answer: answered 503
            Last seen: 14:02:11 KST
            Server: bongsu-0
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &of(Store::Way, false, &[(AWAY_MS, "95000")]),
        Locale::Ko,
        expect![[r#"
            ✅ bongsu · 알림이 다시 도착합니다
            bongsu가 스스로 보내는 점검 에러가 수신부터 채널까지 다시 전달됩니다.
            중단 시간: 1분 35초
            마지막 발생: 14:02:11 KST
            서버: bongsu-0
            상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &of(Store::Canary, false, &[]),
        Locale::En,
        expect![[r#"
            ✅ bongsu · canary
            The error that bongsu sends itself, to see whether alerts arrive.
            Last seen: 14:02:11 KST
            Server: bongsu-0
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn the_first_alert_tells_everything() {
    check(
        &sample::alert(1),
        Locale::En,
        expect![[r#"
            🔥▫️▫️▫️▫️ 1/5 [prod] order-api · NullPointerException
            New
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            Category: Runtime
            Request: POST /orders/1234/pay
            Thrown at: com.acme.order.DiscountService.apply
            Wrapped in: PaymentException
            Occurrences: 1
            Last seen: 14:02:11 KST
            Window ends: 14:12:11
            Release: v1.42.0
            Server: order-api-7c9f-x2x8k
            Trace ID: 4bf92f3577b34da6
              at com.acme.order.DiscountService.apply (DiscountService.kt:87)
              at com.acme.order.PayService.pay (PayService.kt:41)
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &sample::alert(1),
        Locale::Ko,
        expect![[r#"
            🔥▫️▫️▫️▫️ 1/5 [운영] order-api · NullPointerException
            신규
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            예외 구분: Runtime
            요청: POST /orders/1234/pay
            예외 발생 위치: com.acme.order.DiscountService.apply
            감싼 예외: PaymentException
            발생: 1건
            마지막 발생: 14:02:11 KST
            구간 종료: 14:12:11
            배포 버전: v1.42.0
            서버: order-api-7c9f-x2x8k
            추적 ID: 4bf92f3577b34da6
              at com.acme.order.DiscountService.apply (DiscountService.kt:87)
              at com.acme.order.PayService.pay (PayService.kt:41)
            상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn a_later_alert_is_short() {
    check(
        &sample::alert(3),
        Locale::En,
        expect![[r#"
            🔥🔥🔥▫️▫️ 3/5 [prod] order-api · NullPointerException
            Same error again · 47 so far
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            Thrown at: com.acme.order.DiscountService.apply
            Occurrences: 47
            Last seen: 14:05:32 KST
            Server: order-api-7c9f-x2x8k
            Trace ID: 4bf92f3577b34da6
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &sample::alert(3),
        Locale::Ko,
        expect![[r#"
            🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException
            같은 에러 반복 발생 · 지금까지 47건
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            예외 발생 위치: com.acme.order.DiscountService.apply
            발생: 47건
            마지막 발생: 14:05:32 KST
            서버: order-api-7c9f-x2x8k
            추적 ID: 4bf92f3577b34da6
            상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn several_servers_are_counted_and_named() {
    let field = |alert: &Alert, servers: &[&str]| {
        let alert = Alert { servers: servers.iter().map(|&server| server.to_owned()).collect(), ..alert.clone() };
        let style = Style {
            locale: Locale::En,
            zone: TimeZone::UTC,
            public_url: String::new(),
            channel: "ops".into(),
            book: Arc::default(),
        };
        let fields = Message::of(&alert, &style).fields.into_iter();
        fields.filter(|field| field.label.starts_with("Server")).map(|field| field.value).collect::<Vec<_>>()
    };
    assert_eq!(field(&sample::alert(3), &["a", "b", "c"]), ["3 (a, b, c)"]);
    assert_eq!(field(&sample::alert(3), &["a"]), ["order-api-7c9f-x2x8k"]);
    assert_eq!(field(&sample::closing(true), &["a", "b"]), ["2 (a, b)"]);
    assert!(field(&sample::closing(true), &["a"]).is_empty());
}

#[test]
fn the_last_alert_says_until_when_it_will_be_quiet() {
    check(
        &sample::alert(5),
        Locale::En,
        expect![[r#"
            🔥🔥🔥🔥🔥 5/5 [prod] order-api · NullPointerException
            Same error again · 1,204 so far · Last alert of this window: further ones are counted silently until 14:12:11
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            Thrown at: com.acme.order.DiscountService.apply
            Occurrences: 1,204
            Last seen: 14:09:22 KST
            Server: order-api-7c9f-x2x8k
            Trace ID: 4bf92f3577b34da6
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &sample::alert(5),
        Locale::Ko,
        expect![[r#"
            🔥🔥🔥🔥🔥 5/5 [운영] order-api · NullPointerException
            같은 에러 반복 발생 · 지금까지 1,204건 · 이번 구간의 마지막 알림입니다. 14:12:11까지 같은 에러는 알림 없이 집계합니다.
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            예외 발생 위치: com.acme.order.DiscountService.apply
            발생: 1,204건
            마지막 발생: 14:09:22 KST
            서버: order-api-7c9f-x2x8k
            추적 ID: 4bf92f3577b34da6
            상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn a_regression_says_who_had_resolved_it_and_how() {
    check(
        &regression(),
        Locale::En,
        expect![[r#"
            🔥▫️▫️▫️▫️ 1/5 [prod] order-api · NullPointerException
            Regression: resolved 11-19 14:02:11 by kim, seen again · last note: "쿠폰 null 체크 추가"
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            Category: Runtime
            Request: POST /orders/1234/pay
            Thrown at: com.acme.order.DiscountService.apply
            Wrapped in: PaymentException
            Occurrences: 1 · 1,205 in all
            First seen: 14:02:11
            Last seen: 14:02:11 KST
            Window ends: 14:12:11
            Release: v1.42.0
            Server: order-api-7c9f-x2x8k
            Trace ID: 4bf92f3577b34da6
              at com.acme.order.DiscountService.apply (DiscountService.kt:87)
              at com.acme.order.PayService.pay (PayService.kt:41)
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &regression(),
        Locale::Ko,
        expect![[r#"
            🔥▫️▫️▫️▫️ 1/5 [운영] order-api · NullPointerException
            재발 · 11-19 14:02:11 kim 님이 해결 처리한 에러가 다시 발생했습니다. 지난 해결 메모: "쿠폰 null 체크 추가"
            Cannot invoke "Coupon.getRate()" because "coupon" is null
            예외 구분: Runtime
            요청: POST /orders/1234/pay
            예외 발생 위치: com.acme.order.DiscountService.apply
            감싼 예외: PaymentException
            발생: 1건 · 누적 1,205건
            최초 발생: 14:02:11
            마지막 발생: 14:02:11 KST
            구간 종료: 14:12:11
            배포 버전: v1.42.0
            서버: order-api-7c9f-x2x8k
            추적 ID: 4bf92f3577b34da6
              at com.acme.order.DiscountService.apply (DiscountService.kt:87)
              at com.acme.order.PayService.pay (PayService.kt:41)
            상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn a_closing_of_an_error_that_stopped() {
    check(
        &sample::closing(false),
        Locale::En,
        expect![[r#"
            ▫️ [prod] order-api · payment failed · quiet
            Window ended · 8,310 in 10 min (5 alerts, 8,305 held back) · last at 14:09:40, none since
            Occurrences: 8,310 · 8,357 in all
            Alerts sent: 5
            Held back: 8,305
            Busiest minute: 1,204
            Window opened: 14:02:11
            Last seen: 14:09:40 KST
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &sample::closing(false),
        Locale::Ko,
        expect![[r#"
            ▫️ [운영] order-api · payment failed · 진정됨
            제한 구간 종료 · 10분 동안 8,310건(알림 5건, 억제 8,305건) · 마지막 발생 14:09:40, 이후 0건
            발생: 8,310건 · 누적 8,357건
            알림: 5건
            억제: 8,305건
            분당 최대: 1,204건
            구간 시작: 14:02:11
            마지막 발생: 14:09:40 KST
            상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn a_closing_of_an_error_that_goes_on() {
    check(
        &sample::closing(true),
        Locale::En,
        expect![[r#"
            🔥 [prod] order-api · payment failed · still occurring
            Window ended · 8,310 in 10 min (5 alerts, 8,305 held back) · still occurring, next window open
            Occurrences: 8,310 · 8,357 in all
            Alerts sent: 5
            Held back: 8,305
            Busiest minute: 1,204
            Window opened: 14:02:11
            Last seen: 14:09:40 KST
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
    check(
        &sample::closing(true),
        Locale::Ko,
        expect![[r#"
            🔥 [운영] order-api · payment failed · 아직 발생 중
            제한 구간 종료 · 10분 동안 8,310건(알림 5건, 억제 8,305건) · 아직 발생 중 · 다음 구간 시작
            발생: 8,310건 · 누적 8,357건
            알림: 5건
            억제: 8,305건
            분당 최대: 1,204건
            구간 시작: 14:02:11
            마지막 발생: 14:09:40 KST
            상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn an_alert_of_which_nothing_is_known_still_says_something() {
    let bare =
        Alert { attributes: Default::default(), normalized: Default::default(), event: None, ..sample::alert(1) };
    check(
        &bare,
        Locale::En,
        expect![[r#"
            🔥▫️▫️▫️▫️ 1/5 shop · 9f2c0000000000000000000000000001
            New
            Occurrences: 1
            Last seen: 14:02:11 KST
            Window ends: 14:12:11
            Details: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"#]],
    );
}

#[test]
fn the_ladder_fits_the_budget() {
    let seen = [(1, 1), (1, 3), (7, 10), (7, 11), (1_000, 2_000), (6, 5)].map(|(n, of)| ladder(n, of));
    assert_eq!(seen, ["🔥 1/1", "🔥▫️▫️ 1/3", "🔥🔥🔥🔥🔥🔥🔥▫️▫️▫️ 7/10", "7/11", "1,000/2,000", "🔥🔥🔥🔥🔥 6/5"]);
}

#[test]
fn names_lose_their_package_in_every_language() {
    let seen = [
        "java.lang.NullPointerException",
        "core::num::ParseIntError",
        "App\\Exception\\Oops",
        "*errors.errorString",
        "E",
        "",
    ];
    assert_eq!(seen.map(short_name), ["NullPointerException", "ParseIntError", "Oops", "errorString", "E", ""]);
}

#[test]
fn every_part_is_bounded_and_clean_whatever_the_error_says() {
    let huge = "가\u{1b}[31m\0\u{202e}👨‍👩‍👧‍👦\n".repeat(20_000);
    let mut alert = sample::alert(1);
    let text = || Cow::Owned(huge.clone());
    alert.attributes = crate::event::Attributes {
        category: text(),
        module: text(),
        environment: text(),
        url: text(),
        method: text(),
        location: text(),
        detail: text(),
    };
    let event = alert.event.as_mut().unwrap();
    (event.release, event.server, event.trace_id) = (Some(text()), Some(text()), Some(text()));
    for exception in &mut event.exceptions {
        (exception.kind, exception.value) = (text(), text());
        for frame in &mut exception.frames {
            frame.function = text();
        }
    }
    alert.regression = Some(Decided { at: None, by: huge.clone(), note: huge.clone() });
    let style = Style {
        locale: Locale::Ko,
        zone: TimeZone::UTC,
        public_url: String::new(),
        channel: "ops".into(),
        book: Arc::default(),
    };
    let message = Message::of(&alert, &style);
    let plain = message.text();
    assert!(plain.chars().count() < 5_000, "{}", plain.chars().count());
    assert!(!plain.contains(['\u{1b}', '\0', '\u{202e}']));
    for one_line in [&message.title, &message.why].into_iter().chain(message.fields.iter().map(|f| &f.value)) {
        assert!(!one_line.contains('\n'), "{one_line}");
    }
}
