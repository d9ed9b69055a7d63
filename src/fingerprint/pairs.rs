//! What users ask `explain` about: two events, what it says, and that what it suggests does it.

use expect_test::{Expect, expect};

use super::compare;
use super::sameness::Sameness;
use crate::config;
use crate::event::Event;

fn sameness(toml: &str) -> Sameness {
    Sameness::new(&toml::from_str::<config::Config>(toml).unwrap().sameness).unwrap()
}

/// An event as `attribute=value` parts between ` | `.
fn event(text: &'static str) -> Event<'static> {
    let mut event = Event::default();
    for part in text.split(" | ") {
        let (name, value) = part.split_once('=').unwrap();
        let value = value.into();
        match name {
            "category" => event.attributes.category = value,
            "module" => event.attributes.module = value,
            "environment" => event.attributes.environment = value,
            "url" => event.attributes.url = value,
            "method" => event.attributes.method = value,
            "location" => event.attributes.location = value,
            "detail" => event.attributes.detail = value,
            "template" => event.template = Some(value),
            "release" => event.release = Some(value),
            "fingerprint" => event.fingerprint = vec![value],
            tag => event.tags.push((tag.into(), value)),
        }
    }
    event
}

/// Compares; then does what is suggested, and sees that it does it.
fn check(toml: &str, a: &'static str, b: &'static str, expected: Expect) {
    let before = sameness(toml);
    let (a, b) = (event(a), event(b));
    let compared = compare(&before, &a, &b);
    expected.assert_eq(&compared.to_string());
    for suggestion in &compared.suggestions {
        let lists: Vec<&str> = toml.lines().filter(|line| line.contains(" = [")).collect();
        let kept = match suggestion.toml.starts_with("[sameness]") && !lists.is_empty() {
            true => toml.replace("[sameness]", "").replace(&lists.join("\n"), ""),
            false => toml.to_owned(),
        };
        let after = sameness(&format!("{kept}\n{}", suggestion.toml));
        let same = after.identify(&a) == after.identify(&b);
        assert_eq!(same, !compared.same, "{}", suggestion.toml);
    }
}

#[test]
fn a_slug_in_the_path() {
    check(
        "",
        "module=shop | url=/shop/red/items | detail=no stock",
        "module=shop | url=https://shop.example/shop/blue/items?page=2 | detail=no stock",
        expect![[r#"
        two errors (of one cause): 248d2fce2bb49126e3543526c5538e53 and 2f52c8cf2b9c31e8a7ba92579dd4333b

        separated by
          url          a  /shop/red/items
                       b  https://shop.example/shop/blue/items?page=2
                   =>  a  /shop/red/items
                   =>  b  /shop/blue/items
                       b  - host   https://shop.example/shop/blue/items?page=2 => /shop/blue/items?page=2
                       b  - query  /shop/blue/items?page=2 => /shop/blue/items

        to make them one: they become one error, what differs in url no longer counts

        [sameness]
        routes = ["/shop/{slug}/items"]
    "#]],
    );
}

#[test]
fn a_name_in_the_message() {
    check(
        "",
        "module=billing | detail=tenant acme is over its limit of 300",
        "module=billing | detail=tenant globex is over its limit of 80",
        expect![[r#"
            two errors: 262c857ad18734626257b2f9229e3f6f and 6c63a5f5d15213bc2e3c6aa40719aa24

            separated by
              detail       a  tenant acme is over its limit of 300
                           b  tenant globex is over its limit of 80
                       =>  a  tenant acme is over its limit of <any>
                       =>  b  tenant globex is over its limit of <any>
                           a  - number  300 => <any>
                           b  - number  80 => <any>

            to make them one: they become one error, what differs in detail no longer counts

            [[sameness.mask]]
            attribute = "detail"
            pattern = '\btenant \w+'
            put = "tenant <any>"
        "#]],
    );
}

#[test]
fn a_name_in_the_message_and_one_in_the_path() {
    check(
        "",
        "url=/t/acme/bills | detail=tenant acme is over its limit",
        "url=/t/globex/bills | detail=tenant globex is over its limit",
        expect![[r#"
        two errors: 6c059fb7059a205076c5d7a71f9f3031 and fce065763bdc0c063b458909a2c73e61

        separated by
          url          a  /t/acme/bills
                       b  /t/globex/bills
          detail       a  tenant acme is over its limit
                       b  tenant globex is over its limit

        to make them one: they become one error, what differs in url and detail no longer counts

        [sameness]
        routes = ["/t/{slug}/bills"]

        [[sameness.mask]]
        attribute = "detail"
        pattern = '\btenant \w+'
        put = "tenant <any>"
    "#]],
    );
}

#[test]
fn a_whole_attribute() {
    check(
        "",
        "method=GET | url=/orders | detail=timeout",
        "method=POST | url=/orders | detail=timeout",
        expect![[r#"
        two errors (of one cause): cee2fe2bcf9f156d83ad1f987ecd28ce and 8ae302a0e87339d0ff994badbdc8484c

        separated by
          method       a  GET
                       b  POST

        to make them one: they become one error, what differs in method no longer counts

        [sameness]
        ignore = ["method"]
    "#]],
    );
}

#[test]
fn several_attributes() {
    check(
        "",
        "environment=blue | method=GET | detail=timeout",
        "environment=green | method=POST | detail=timeout",
        expect![[r#"
        two errors (of one cause): d35a9879abca36086a061e33dea0fd90 and 589fe7fc824102f9b4d775190a4bf9e6

        separated by
          environment  a  blue
                       b  green
          method       a  GET
                       b  POST

        to make them one: they become one error, what differs in environment and method no longer counts

        [sameness]
        ignore = ["environment", "method"]
    "#]],
    );
}

#[test]
fn a_generated_class() {
    check(
        "",
        "location=shop.Order_Gen1x7Qz.place | detail=lost",
        "location=shop.Order_Gen9b2Kf.place | detail=lost",
        expect![[r#"
        two errors: cf40d2723fa7269eb542e557df4330a7 and abc3c29ba649f90c9912f4065d32bf66

        separated by
          location     a  shop.Order_Gen1x7Qz.place
                       b  shop.Order_Gen9b2Kf.place

        to make them one: they become one error, what differs in location no longer counts

        [[sameness.mask]]
        attribute = "location"
        pattern = '\bOrder_\w+'
        put = "Order_<any>"
    "#]],
    );
}

#[test]
fn clients_own_fingerprints() {
    check(
        "",
        "module=a | fingerprint=stock | detail=x",
        "module=a | fingerprint=price | detail=y",
        expect![[r#"
        two errors: 7c6e2ed736a20373ce89a43749838d06 and 9c5e34276ffe1b96c20a867a03f9cc66

        separated by
          fingerprint  a  stock
                       b  price

        to make them one: the clients' own fingerprints tell them apart: change those where the errors are sent, or merge

        [[sameness.merge]]
        fingerprint = "9c5e34276ffe1b96c20a867a03f9cc66"
        into = "7c6e2ed736a20373ce89a43749838d06"
    "#]],
    );
}

#[test]
fn messages_with_nothing_in_common() {
    check(
        "",
        "detail=disk is full",
        "detail=the queue has overflown again",
        expect![[r#"
            two errors: e9b6a2f0666941fe3dad28865ecfd117 and c7a7506d5ee6c0a7dbb13626ad6a1f2d

            separated by
              detail       a  disk is full
                           b  the queue has overflown again

            to make them one: no rule of fewer words joins them: merge these two

            [[sameness.merge]]
            fingerprint = "c7a7506d5ee6c0a7dbb13626ad6a1f2d"
            into = "e9b6a2f0666941fe3dad28865ecfd117"
        "#]],
    );
}

#[test]
fn a_further_word() {
    check(
        "",
        "detail=upload was broken off",
        "detail=upload was broken off by peer",
        expect![[r#"
        two errors: fcf342183af927100ad45c289edbe3ae and 61f4af42326bdde376a173e79e24d869

        separated by
          detail       a  upload was broken off
                       b  upload was broken off by peer

        to make them one: they become one error, what differs in detail no longer counts

        [[sameness.mask]]
        attribute = "detail"
        pattern = '\boff by peer'
        put = "off"
    "#]],
    );
}

#[test]
fn equal_by_a_number_that_matters() {
    check(
        "",
        "release=1.0 | detail=shard 3 is down",
        "release=1.0 | detail=shard 7 is down",
        expect![[r#"
            the same error: ce9496b1ff85362e7051731409109daf

            made equal
              detail       a  shard 3 is down
                           b  shard 7 is down
                       =>     shard <any> is down
                           a  - number  3 => <any>
                           b  - number  7 => <any>

            to tell them apart: they become two errors: what differs in detail counts

            [[sameness.protect]]
            attribute = "detail"
            pattern = '\bshard \d+'
        "#]],
    );
}

#[test]
fn equal_and_of_two_releases() {
    check(
        "",
        "release=1.0 | tenant=acme | detail=shard is down",
        "release=1.1 | tenant=globex | detail=shard is down",
        expect![[r#"
        the same error: 3af3093704b1b8c80c9de683b7223fa0

        to tell them apart: this error becomes as many as there are values of release

        [[sameness.split]]
        fingerprint = "3af3093704b1b8c80c9de683b7223fa0"
        by = ["release"]
    "#]],
    );
}

#[test]
fn separated_by_a_split() {
    let whole = sameness("").identify(&event("detail=shard is down"));
    let split = format!("[[sameness.split]]\nfingerprint = \"{whole}\"\nby = [\"tags.tenant\"]");
    check(
        &split,
        "tenant=acme | detail=shard is down",
        "tenant=globex | detail=shard is down",
        expect![[r#"
        two errors (of one cause): 099c346b405f83b05fd810c88e72359d and c3ae1b9b1669ca13a3aa7fa5576e42d2

        separated by
          own split by tags.tenant  a  acme
                       b  globex

        to make them one: no rule of fewer words joins them: merge these two

        [[sameness.merge]]
        fingerprint = "c3ae1b9b1669ca13a3aa7fa5576e42d2"
        into = "099c346b405f83b05fd810c88e72359d"
    "#]],
    );
}

#[test]
fn rules_that_are_there_already() {
    check(
        "[sameness]\nignore = [\"method\"]",
        "method=GET | module=a | detail=x | location=A.b",
        "method=PUT | module=b | detail=x | location=A.b",
        expect![[r#"
        two errors (of one cause): e96dedf2ec93f40485d0dd3ed8ad578e and 37f385feaa07e1f13dc2c7f2fb034b36

        separated by
          module       a  a
                       b  b

        made equal
          method       a  GET
                       b  PUT
                   =>     (empty)
                       a  - own ignore  GET => (empty)
                       b  - own ignore  PUT => (empty)

        to make them one: they become one error, what differs in module no longer counts

        [sameness]
        ignore = ["method", "module"]
    "#]],
    );
}
