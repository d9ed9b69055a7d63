//! Alerts for this room's tests: one error of a shop, as it goes through a window.

use crate::alert::{Alert, Delivery, Kind};
use crate::event::{Attributes, Event, Exception, Frame};
use crate::issue::Fingerprint;
use crate::time::Time;

/// 2026-11-23T14:02:11+09:00.
pub(crate) const NOW: Time = Time(1_795_410_131_000);

/// The alert with that ordinal of a budget of five in a window of ten minutes.
pub(crate) fn alert(ordinal: u32) -> Alert {
    let (occurrences, after_ms) = match ordinal {
        1 => (1, 0),
        3 => (47, 201_000),
        _ => (1_204, 431_000),
    };
    let granted_at = Time(NOW.ms() + after_ms);
    Alert {
        id: 40 + i64::from(ordinal),
        kind: Kind::Alert,
        fingerprint: Fingerprint(0x9f2c_0000_0000_0000_0000_0000_0000_0001),
        project: "shop".to_owned(),
        window_opened_at: NOW,
        window_ends_at: Time(NOW.ms() + 600_000),
        ordinal,
        budget: 5,
        granted_at,
        occurrences,
        occurrences_total: occurrences,
        first_seen: NOW,
        last_seen: granted_at,
        new: true,
        regression: None,
        attributes: attributes("/orders/1234/pay"),
        normalized: attributes("/orders/{}/pay"),
        event: Some(event()),
    }
}

/// The end of that window.
pub(crate) fn closing(ongoing: bool) -> Alert {
    Alert {
        kind: Kind::Closing { peak_per_minute: 1_204, ongoing },
        granted_at: Time(NOW.ms() + 600_000),
        occurrences: 8_310,
        occurrences_total: 8_357,
        last_seen: Time(NOW.ms() + 449_000),
        new: false,
        event: None,
        ..alert(5)
    }
}

/// The alert on its way.
pub(crate) fn delivery(alert: Alert) -> Delivery {
    let (claimed_until, expires_at) = (Time(i64::MAX), Time(i64::MAX));
    Delivery { id: 7, channel: "ops".into(), attempt: 1, fence: 1, claimed_until, expires_at, alert }
}

fn attributes(url: &'static str) -> Attributes<'static> {
    Attributes {
        category: "Runtime".into(),
        module: "order-api".into(),
        environment: "prod".into(),
        url: url.into(),
        method: "POST".into(),
        location: "com.acme.order.DiscountService.apply".into(),
        detail: "payment failed".into(),
    }
}

fn event() -> Event<'static> {
    let frame = |module: &'static str, function: &'static str, file: &'static str, line| Frame {
        module: module.into(),
        function: function.into(),
        file: file.into(),
        line: Some(line),
        in_app: None,
    };
    let root = Exception {
        kind: "java.lang.NullPointerException".into(),
        value: "Cannot invoke \"Coupon.getRate()\" because \"coupon\" is null".into(),
        frames: vec![
            frame("com.acme.order.DiscountService", "apply", "DiscountService.kt", 87),
            frame("com.acme.order.PayService$$SpringCGLIB$$0", "pay", "<generated>", 1),
            frame("com.acme.order.PayService", "pay", "PayService.kt", 41),
            frame("org.springframework.web.servlet.FrameworkServlet", "service", "FrameworkServlet.java", 885),
        ],
    };
    let outer =
        Exception { kind: "com.acme.PaymentException".into(), value: "payment failed".into(), ..Exception::default() };
    Event {
        exceptions: vec![outer, root],
        release: Some("v1.42.0".into()),
        server: Some("order-api-7c9f-x2x8k".into()),
        trace_id: Some("4bf92f3577b34da6".into()),
        ..Event::default()
    }
}
