//! Identity as a whole: what must be one error, what must be two, and what may never change.

use expect_test::{expect, expect_file};

use super::*;
use crate::event::{Exception, Frame};
use crate::normalize::{normalize, normalize_as};

fn event() -> Event<'static> {
    let attributes = Attributes {
        category: "Runtime".into(),
        module: "order-api".into(),
        environment: "prod".into(),
        url: "/api/v1/orders/10482".into(),
        method: "POST".into(),
        location: "shop.OrderService$$SpringCGLIB$$0.place(<generated>)".into(),
        detail: "order 10482 is locked by shop.Cart@1a2b3c4d".into(),
    };
    Event { attributes, ..Event::default() }
}

fn identity(event: &Event<'_>) -> Fingerprint {
    identify(event, &normalize(event))
}

#[test]
fn proxies_and_addresses_do_not_make_two_errors_of_one() {
    let mut other = event();
    other.attributes.location = "shop.OrderService$$EnhancerBySpringCGLIB$$9f8e7d6c@55aa11.place(<generated>)".into();
    other.attributes.detail = "order 7 is locked by shop.Cart@ffee01".into();
    assert_eq!(identity(&event()), identity(&other));
}

#[test]
fn jdk_proxies_give_way_to_the_same_frame() {
    let proxied = |number: u32| {
        let mut event = event();
        event.attributes.location = format!("jdk.proxy2.$Proxy{number}.save(Unknown Source)").into();
        let frame = Frame { module: "shop.Orders".into(), function: "save".into(), ..Frame::default() };
        event.exceptions = vec![Exception { frames: vec![frame], ..Exception::default() }];
        event
    };
    assert_eq!(identity(&proxied(61)), identity(&proxied(107)));
}

#[test]
fn each_of_the_seven_separates() {
    type Change = fn(&mut Attributes<'static>);
    let separate: [(&str, Change); 7] = [
        ("category", |a| a.category = "Biz".into()),
        ("module", |a| a.module = "pay-api".into()),
        ("environment", |a| a.environment = "staging".into()),
        ("url", |a| a.url = "/api/v2/orders/10482".into()),
        ("method", |a| a.method = "PUT".into()),
        ("location", |a| a.location = "shop.OrderService.place2".into()),
        ("detail", |a| a.detail = "order 10482 is lost".into()),
    ];
    for (attribute, change) in separate {
        let mut other = event();
        change(&mut other.attributes);
        assert_ne!(identity(&event()), identity(&other), "{attribute}");
        let comparison = compare(&Sameness::default(), &event(), &other);
        let separated_by: Vec<_> = comparison.separated_by.iter().map(|difference| &*difference.attribute).collect();
        assert_eq!((comparison.same, separated_by), (false, vec![attribute]));
        let of_the_cause = matches!(attribute, "category" | "detail");
        assert_eq!(comparison.same_cause, !of_the_cause, "{attribute}");
    }
}

#[test]
fn one_cause_has_one_key_wherever_it_breaks_something() {
    let key =
        |module: &'static str, location: &'static str, detail: &'static str, roots: &[(&'static str, &'static str)]| {
            let mut event = event();
            event.attributes.module = module.into();
            (event.attributes.location, event.attributes.detail) = (location.into(), detail.into());
            event.exceptions = roots
                .iter()
                .map(|(kind, value)| Exception { kind: (*kind).into(), value: (*value).into(), ..Exception::default() })
                .collect();
            cause(&event, &normalize(&event))
        };
    let away = ("java.net.ConnectException", "Connection refused: db-primary:5432");
    let order = key("order", "shop.OrderRepository.find", "Connection refused: db-primary:5432", &[away]);
    let pay = key("pay", "pay.Ledger.append", "Connection refused: db-primary:5432", &[away]);
    let wrapped = key(
        "cart",
        "cart.Cart.load",
        "cart cannot be loaded",
        &[("cart.CartException", "cart cannot be loaded"), away],
    );
    assert_eq!([order, order], [pay, wrapped]);
    assert_ne!(order, key("pay", "pay.Ledger.append", "relation \"ledger\" does not exist", &[]));
    let null = |location| key("order", location, "null", &[("java.lang.NullPointerException", "null")]);
    assert_ne!(null("shop.OrderRepository.find"), null("shop.Cart.load"), "it says nothing but where it was thrown");
}

#[test]
fn words_do_not_move_between_attributes() {
    let (mut a, mut b) = (event(), event());
    (a.attributes.category, a.attributes.module) = ("ab".into(), "c".into());
    (b.attributes.category, b.attributes.module) = ("a".into(), "bc".into());
    assert_ne!(identity(&a), identity(&b));
}

#[test]
fn a_clients_own_parts_decide_inside_module_and_environment() {
    let own = |parts: &[&'static str]| {
        let mut event = event();
        event.fingerprint = parts.iter().map(|part| (*part).into()).collect();
        event
    };
    let mut reworded = own(&["stock"]);
    reworded.attributes.detail = "something else".into();
    assert_eq!(identity(&own(&["stock"])), identity(&reworded));
    let mut elsewhere = own(&["stock"]);
    elsewhere.attributes.module = "pay-api".into();
    assert_ne!(identity(&own(&["stock"])), identity(&elsewhere));

    let mut reworded = own(&["{{ default }}", "stock"]);
    reworded.attributes.detail = "something else".into();
    assert_ne!(identity(&own(&["{{ default }}", "stock"])), identity(&reworded));
    assert_eq!(identity(&own(&["{{ default }}", "stock"])), identity(&own(&["{{default}}", "stock"])));
    assert_eq!(identity(&own(&["{{ default }}"])), identity(&event()));
    assert_ne!(identity(&own(&["a", "b"])), identity(&own(&["ab"])));
    assert!(
        compare(&Sameness::default(), &own(&["stock"]), &own(&["stocks"]))
            .separated_by
            .iter()
            .any(|d| d.attribute == "fingerprint")
    );
}

/// Invariant: a released rule set never changes. When this test fails, the change belongs in the next version.
#[test]
fn version_1_answers_what_it_always_answered() {
    let golden = include_str!("../../tests/data/fingerprints.v1.tsv");
    let mut answered = String::new();
    for line in golden.lines() {
        let (_, json) = line.rsplit_once('\t').expect("two columns");
        let event: Event<'_> = serde_json::from_str(json).expect("an event");
        let fingerprint = identify_as(Version::V1, &event, &normalize_as(Version::V1, &event));
        answered.push_str(&format!("{fingerprint}\t{json}\n"));
    }
    expect_file!["../../tests/data/fingerprints.v1.tsv"].assert_eq(&answered);
}

/// Invariant: a released rule set never changes.
#[test]
fn version_1_knows_the_pairs_by_the_names_it_gave_them() {
    for line in include_str!("../../tests/data/sameness/v1.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let text: String = serde_json::from_str(columns[2]).unwrap();
        let mut event = Event::default();
        let given = &mut event.attributes;
        *match columns[0] {
            "url" => &mut given.url,
            "location" => &mut given.location,
            "module" => &mut given.module,
            _ => &mut given.detail,
        } = text.as_str().into();
        let fingerprint = identify_as(Version::V1, &event, &normalize_as(Version::V1, &event));
        assert_eq!(fingerprint.to_string(), columns[1], "{} {text:?}", columns[0]);
    }
}

#[test]
fn an_explanation_names_the_rules() {
    expect![[r#"
        fingerprint  67addf1f8c10ad82a8753bbed70bfdab  (rules v2)
        cause key    c7d205677217ac860ca85ec12e149ebd

        category     Runtime
                 =>  runtime
                     - lower-case  Runtime => runtime

        module       order-api

        environment  prod

        url          /api/v1/orders/10482
                 =>  /api/v1/orders/{id}
                     - number  10482 => {id}

        method       POST

        location     shop.OrderService$$SpringCGLIB$$0.place(<generated>)
                 =>  shop.OrderService.place
                     - cglib          $$SpringCGLIB$$0 => (empty)
                     - file-and-line  (<generated>) => (empty)

        detail       order 10482 is locked by shop.Cart@1a2b3c4d
                 =>  order <any> is locked by shop.Cart@<addr>
                     - number         10482 => <any>
                     - identity-hash  1a2b3c4d => <addr>
    "#]]
    .assert_eq(&explain(&Sameness::default(), &event()).to_string());
}

#[test]
fn a_comparison_names_what_decided() {
    let mut other = event();
    other.attributes.detail = "order 7 is lost".into();
    other.attributes.location = "shop.OrderService.place(OrderService.java:31)".into();
    expect![[r#"
        two errors: 67addf1f8c10ad82a8753bbed70bfdab and c0b032b4e1454a1cdcc3f95ffdd71301

        separated by
          detail       a  order 10482 is locked by shop.Cart@1a2b3c4d
                       b  order 7 is lost
                   =>  a  order <any> is locked by shop.Cart@<addr>
                   =>  b  order <any> is lost
                       a  - number         10482 => <any>
                       a  - identity-hash  1a2b3c4d => <addr>
                       b  - number  7 => <any>

        made equal
          location     a  shop.OrderService$$SpringCGLIB$$0.place(<generated>)
                       b  shop.OrderService.place(OrderService.java:31)
                   =>     shop.OrderService.place
                       a  - cglib          $$SpringCGLIB$$0 => (empty)
                       a  - file-and-line  (<generated>) => (empty)
                       b  - file-and-line  (OrderService.java:31) => (empty)

        to make them one: no rule of fewer words joins them: merge these two

        [[sameness.merge]]
        fingerprint = "c0b032b4e1454a1cdcc3f95ffdd71301"
        into = "67addf1f8c10ad82a8753bbed70bfdab"
    "#]]
    .assert_eq(&compare(&Sameness::default(), &event(), &other).to_string());
}
