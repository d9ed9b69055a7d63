//! A specimen: an error that did not happen, and what people would be told of it, one of each kind.
//!
//! Promises: the same at every call, so that what is made from it can be compared; its error is one of a shop, as it goes
//! through a window. Deliberately not here: errors that mean harm; those are the tests' (`sample`).

use std::borrow::Cow;
use std::time::Duration;

use crate::alert::{AWAY_MS, Alert, DECIDES, Delivery, Health, Kind, OWN_PROJECT, Spread, Store};
use crate::event::{Attributes, Event, Exception, Frame, Level};
use crate::issue::{CauseKey, Decided, Fingerprint};
use crate::time::Time;

/// 2026-11-23T14:02:11+09:00.
pub(crate) const OPENED_AT: Time = Time(1_795_410_131_000);

/// For what people are told of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It happened.
    Alert,
    /// It happened after somebody had resolved it.
    Regression,
    /// Its window is over, and it is quiet.
    Closing,
    /// Its window is over, and it goes on.
    Ongoing,
    /// One cause broke several modules.
    Storm,
    /// More piled up than people can read.
    Digest,
    /// A store of bongsu's own went away.
    Away,
    /// It is back.
    Back,
}

impl Occasion {
    /// All of them, by the names that people give them.
    pub(crate) const ALL: [(&'static str, Occasion); 8] = [
        ("alert", Occasion::Alert),
        ("regression", Occasion::Regression),
        ("closing", Occasion::Closing),
        ("ongoing", Occasion::Ongoing),
        ("storm", Occasion::Storm),
        ("digest", Occasion::Digest),
        ("health", Occasion::Away),
        ("recovery", Occasion::Back),
    ];

    /// Whether it is of bongsu itself, whatever the error.
    pub(crate) fn is_own(self) -> bool {
        matches!(self, Occasion::Away | Occasion::Back)
    }
}

/// An error that is supposed to have happened.
#[derive(Clone, Debug)]
pub(crate) struct Supposed {
    /// Whose it is.
    pub(crate) project: String,
    /// The issue it belongs to.
    pub(crate) fingerprint: Fingerprint,
    /// The identity of its cause.
    pub(crate) cause: CauseKey,
    /// The seven as they are compared.
    pub(crate) normalized: Attributes<'static>,
    /// The error.
    pub(crate) event: Event<'static>,
    /// Alerts of one window, at most.
    pub(crate) budget: u32,
    /// How long its window lasts.
    pub(crate) window: Duration,
    /// When its window opened.
    pub(crate) opened_at: Time,
}

/// How a window goes: for each ordinal the occurrences so far, and the share of the window that is over, in 600ths.
const STORM: [(u64, u64); 5] = [(1, 0), (12, 96), (47, 201), (390, 318), (1_204, 431)];

impl Supposed {
    /// An error of a shop, in a window of ten minutes.
    pub(crate) fn sample() -> Supposed {
        Supposed {
            project: "shop".to_owned(),
            fingerprint: Fingerprint(0x9f2c_0000_0000_0000_0000_0000_0000_0001),
            cause: CauseKey(0x51ab_0000_0000_0000_0000_0000_0000_0001),
            normalized: attributes("/orders/{}/pay"),
            event: event(),
            budget: 5,
            window: Duration::from_secs(600),
            opened_at: OPENED_AT,
        }
    }

    /// What people would be told of it: on an alert's occasion the one with that ordinal.
    pub(crate) fn alert(&self, occasion: Occasion, ordinal: u32) -> Alert {
        match occasion {
            Occasion::Alert | Occasion::Storm | Occasion::Digest => self.granted(ordinal),
            Occasion::Regression => Alert {
                occurrences_total: 1_205,
                first_seen: Time(self.opened_at.ms() - 9 * 86_400_000),
                new: false,
                regression: Some(Decided {
                    at: Some(Time(self.opened_at.ms() - 4 * 86_400_000)),
                    by: "kim".to_owned(),
                    note: "checks for null now".to_owned(),
                }),
                ..self.granted(1)
            },
            Occasion::Closing => self.closing(false),
            Occasion::Ongoing => self.closing(true),
            Occasion::Away => self.health(true),
            Occasion::Back => self.health(false),
        }
    }

    /// The same on its way to a channel, with what is told together with it.
    pub(crate) fn delivery(&self, occasion: Occasion, ordinal: u32) -> Delivery {
        let mut delivery = self.delivery_of(self.alert(occasion, ordinal));
        if !matches!(occasion, Occasion::Storm | Occasion::Digest) {
            return delivery;
        }
        if occasion == Occasion::Storm
            && let Some(root) = delivery.alert.event.as_mut().and_then(|event| event.exceptions.last_mut())
        {
            root.kind = "java.net.ConnectException".into();
            root.value = "Connection refused: db-primary:5432".into();
            root.frames.clear();
        }
        let others = ["pay-api", "stock-api", "ship-api", "mail-worker"].into_iter().zip(2_u64..);
        delivery.folded = others
            .map(|(module, nth)| {
                let mut alert = self.granted(1);
                alert.fingerprint = Fingerprint(self.fingerprint.0 + u128::from(nth));
                alert.attributes.module = module.into();
                (alert.id, alert.occurrences) = (100 + nth as i64, 7 * nth);
                (alert.event, alert.new) = (None, nth % 2 == 0);
                if occasion == Occasion::Digest {
                    alert.cause = CauseKey(alert.cause.0 + u128::from(nth));
                    alert.attributes.detail = format!("{module} cannot go on").into();
                }
                alert
            })
            .collect();
        let named: Vec<String> = delivery.told().map(|alert| alert.attributes.module.to_string()).collect();
        let spread = Spread { modules: 5, errors: 5, since: self.opened_at, named };
        delivery.spread = Some(spread).filter(|_| occasion == Occasion::Storm);
        delivery
    }

    /// An alert on its way to a channel.
    pub(crate) fn delivery_of(&self, alert: Alert) -> Delivery {
        Delivery::first("ops".into(), alert)
    }

    fn granted(&self, ordinal: u32) -> Alert {
        let (occurrences, over) = STORM[(ordinal.max(1) as usize).min(STORM.len()) - 1];
        let granted_at = self.moment(over);
        Alert {
            id: 40 + i64::from(ordinal),
            kind: Kind::Alert,
            fingerprint: self.fingerprint,
            cause: self.cause,
            project: self.project.clone(),
            window_opened_at: self.opened_at,
            window_ends_at: self.moment(600),
            ordinal,
            budget: self.budget,
            granted_at,
            occurrences,
            occurrences_total: occurrences,
            first_seen: self.opened_at,
            last_seen: granted_at,
            new: true,
            regression: None,
            attributes: self.event.attributes.clone(),
            normalized: self.normalized.clone(),
            event: Some(self.event.clone()),
            servers: Vec::new(),
        }
    }

    fn closing(&self, ongoing: bool) -> Alert {
        Alert {
            kind: Kind::Closing { peak_per_minute: 1_204, ongoing },
            granted_at: self.moment(600),
            occurrences: 8_310,
            occurrences_total: 8_357,
            last_seen: self.moment(449),
            new: false,
            event: None,
            ..self.granted(self.budget)
        }
    }

    fn health(&self, away: bool) -> Alert {
        let health = Health { store: Store::Cache, away };
        let detail = if away { "the cache is away: connection refused" } else { "the cache is back" };
        let attributes = Attributes {
            category: "Runtime".into(),
            module: OWN_PROJECT.into(),
            location: health.location().into(),
            detail: detail.into(),
            ..Attributes::default()
        };
        let mut tags: Vec<(Cow<'_, str>, Cow<'_, str>)> =
            vec![(DECIDES.into(), if away { "archive" } else { "both" }.into())];
        tags.extend((!away).then(|| (AWAY_MS.into(), "95000".into())));
        Alert {
            kind: Kind::Health(health),
            fingerprint: Fingerprint(0x9f2c_0000_0000_0000_0000_0000_0000_0002),
            project: OWN_PROJECT.to_owned(),
            budget: 1,
            attributes: attributes.clone(),
            normalized: attributes.clone(),
            event: Some(Event {
                attributes,
                level: if away { Level::Error } else { Level::Info },
                server: Some("bongsu-0".into()),
                tags,
                ..Event::default()
            }),
            ..self.granted(1)
        }
    }

    /// So many 600ths of the window after it opened.
    fn moment(&self, over: u64) -> Time {
        let window_ms = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX);
        self.opened_at.plus(Duration::from_millis(window_ms / 600 * over + window_ms % 600 * over / 600))
    }
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
        attributes: attributes("/orders/1234/pay"),
        exceptions: vec![outer, root],
        release: Some("v1.42.0".into()),
        server: Some("order-api-7c9f-x2x8k".into()),
        trace_id: Some("4bf92f3577b34da6".into()),
        ..Event::default()
    }
}
