//! Which events fall under which route, and when.

use expect_test::{Expect, expect};

use super::*;
use crate::event::Level;

const CHANNELS: &str = r#"
    [[channel]]
    name = "ops"
    type = "console"
    [[channel]]
    name = "pay"
    type = "console"
    [[channel]]
    name = "all"
    type = "console"
"#;

fn routes(toml: &str) -> Result<Routes, String> {
    Routes::new(&toml::from_str(&format!("{CHANNELS}{toml}")).expect("the test's TOML is well formed"))
}

/// `prod/order-api` or `prod/order-api/fatal`, with tags as `name=value`.
fn event(text: &str) -> Event<'_> {
    let (mut event, mut parts) = (Event::default(), text.split('/'));
    event.attributes.environment = parts.next().unwrap_or_default().into();
    event.attributes.module = parts.next().unwrap_or_default().into();
    for part in parts {
        match part.split_once('=') {
            Some((name, value)) => event.tags.push((name.into(), value.into())),
            None => event.level = Level::parse(part).unwrap(),
        }
    }
    event
}

const NOW: Time = crate::deliver::sample::NOW;

/// Of a cause of which nobody asks.
fn of(routes: &Routes, text: &str, now: Time) -> Arc<Route> {
    routes.of(&event(text), "shop", &|| panic!("nothing goes by the cause"), now)
}

fn check(toml: &str, events: &[&str], expected: Expect) {
    let routes = match routes(toml) {
        Ok(routes) => routes,
        Err(why) => return expected.assert_eq(&why),
    };
    let mut seen = String::new();
    for text in events {
        let route = of(&routes, text, NOW);
        let channels = route.recipients.iter().map(|one| &*one.channel).collect::<Vec<_>>().join(" ");
        seen += &format!("{text} -> [{channels}] {} in {:?}\n", route.policy.budget, route.policy.window);
    }
    expected.assert_eq(&seen);
}

#[test]
fn without_routes_all_goes_to_all_under_the_default_policy() {
    check(
        "[policy]\nbudget = 3",
        &["prod/order-api", "/"],
        expect![[r#"
        prod/order-api -> [ops pay all] 3 in 3600s
        / -> [ops pay all] 3 in 3600s
    "#]],
    );
    let routes = routes("").unwrap();
    assert!(Arc::ptr_eq(&of(&routes, "a/b", NOW), &of(&routes, "c/d", NOW)));
}

#[test]
fn the_first_match_decides_and_what_none_matches_goes_to_all() {
    let toml = r#"
        [[route]]
        match = { environment = "prod", module = "order-*" }
        channels = ["ops"]
        policy = { window = "10m" }
        [[route]]
        match = { environment = "prod" }
        channels = ["pay"]
        [[route]]
        match = { environment = "dev" }
        channels = []
    "#;
    check(
        toml,
        &["prod/order-api", "PROD/Order-Api", "prod/pay-api", "dev/order-api", "staging/x"],
        expect![[r#"
        prod/order-api -> [ops] 5 in 600s
        PROD/Order-Api -> [ops] 5 in 600s
        prod/pay-api -> [pay] 5 in 3600s
        dev/order-api -> [] 5 in 3600s
        staging/x -> [ops pay all] 5 in 3600s
    "#]],
    );
}

#[test]
fn routes_that_continue_add_channels_and_the_first_policy_said_counts() {
    let toml = r#"
        [[route]]
        channels = ["all"]
        continue = true
        [[route]]
        match = { environment = "prod" }
        channels = ["ops", "all"]
        policy = { budget = 2 }
        continue = true
        [[route]]
        match = { module = "pay-*" }
        channels = ["pay"]
        policy = { budget = 1 }
        [[route]]
        channels = ["ops"]
        policy = { budget = 100 }
    "#;
    check(
        toml,
        &["prod/pay-api", "dev/pay-api", "prod/x", "dev/x"],
        expect![[r#"
        prod/pay-api -> [all ops pay] 2 in 3600s
        dev/pay-api -> [all pay] 1 in 3600s
        prod/x -> [all ops] 2 in 3600s
        dev/x -> [all ops] 100 in 3600s
    "#]],
    );
    let alone = "[[route]]\nmatch = { environment = \"prod\" }\nchannels = [\"ops\"]\ncontinue = true";
    check(
        alone,
        &["prod/x", "dev/x"],
        expect![[r#"
        prod/x -> [ops] 5 in 3600s
        dev/x -> [ops pay all] 5 in 3600s
    "#]],
    );
}

#[test]
fn levels_projects_and_tags() {
    let toml = r#"
        [[route]]
        match = { level = "critical" }
        channels = ["ops"]
        [[route]]
        match = { "tags.pod_name" = "canary-*", project = "SHOP" }
        channels = ["pay"]
        [[route]]
        match = { level = "warning", project = "other" }
        channels = ["ops"]
        [[route]]
        channels = ["all"]
    "#;
    let events = ["a/b/fatal", "a/b/error", "a/b/debug/Pod.Name=canary-7", "a/b/pod.name=blue", "a/b/pod=canary-7"];
    check(
        toml,
        &events,
        expect![[r#"
        a/b/fatal -> [ops] 5 in 3600s
        a/b/error -> [all] 5 in 3600s
        a/b/debug/Pod.Name=canary-7 -> [pay] 5 in 3600s
        a/b/pod.name=blue -> [all] 5 in 3600s
        a/b/pod=canary-7 -> [all] 5 in 3600s
    "#]],
    );
}

/// `ops: 1-2, pay: 3-` for each event.
fn by_ordinal(routes: &Routes, text: &str) -> String {
    let route = routes.of(&event(text), "shop", &|| CauseKey(0xab << 120), NOW);
    let one = |one: &Recipient| match one.ordinals {
        (first, u32::MAX) => format!("{} {first}-", one.channel),
        (first, last) => format!("{} {first}-{last}", one.channel),
    };
    route.recipients.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_route_by_ordinal_takes_later_alerts_and_earlier_ones_fall_through() {
    let toml = r#"
        [[route]]
        match = { environment = "prod", ordinal = "3" }
        channels = ["pay"]
        continue = true
        [[route]]
        match = { environment = "stage", ordinal = "2" }
        channels = ["pay"]
        [[route]]
        match = { environment = "stage", ordinal = "4" }
        channels = ["all"]
        [[route]]
        match = { module = "x" }
        channels = ["ops"]
        policy = { budget = 4 }
        [[route]]
        match = { environment = "test", ordinal = "2" }
        channels = []
    "#;
    let routes = routes(toml).unwrap();
    let seen = ["prod/x", "prod/y", "stage/x", "stage/y", "dev/x", "test/y"].map(|text| by_ordinal(&routes, text));
    assert_eq!(
        seen,
        [
            "ops 1-, pay 3-",
            "ops 1-2, pay 1-, all 1-2",
            "ops 1-1, pay 2-",
            "ops 1-1, pay 1-, all 1-1",
            "ops 1-",
            "ops 1-1, pay 1-1, all 1-1",
        ]
    );
    assert_eq!(of(&routes, "prod/x", NOW).policy.budget, 4);
    let told =
        |ordinal| of(&routes, "stage/x", NOW).told(ordinal).map(|one| one.channel.to_string()).collect::<Vec<_>>();
    assert_eq!((told(1), told(2), told(100)), (vec!["ops".to_owned()], vec!["pay".to_owned()], vec!["pay".to_owned()]));
}

#[test]
fn a_cause_is_matched_by_its_beginning() {
    let routes =
        routes("[[route]]\nmatch = { cause = \"AB0\" }\nchannels = [\"pay\"]\n[[route]]\nchannels = [\"all\"]")
            .unwrap();
    let of = |cause: u128| routes.of(&event("a/b"), "shop", &|| CauseKey(cause), NOW).recipients[0].channel.to_string();
    assert_eq!((of(0xab0f << 112), of(0xac0f << 112)), ("pay".to_owned(), "all".to_owned()));
}

#[test]
fn quiet_hours_put_off_some_channels_and_what_is_grave_goes_through() {
    // NOW is a Monday, 14:02:11 in Seoul.
    let toml = r#"
        [[quiet]]
        name = "lunch"
        channels = ["ops"]
        from = "13:00"
        to = "15:00"
        time_zone = "Asia/Seoul"
        [[quiet]]
        name = "after lunch"
        match = { module = "pay-*" }
        channels = ["ops", "pay"]
        days = ["mon"]
        from = "14:30"
        to = "16:00"
        time_zone = "Asia/Seoul"
        except_level = "none"
    "#;
    let routes = routes(toml).unwrap();
    let waits = |text: &str, now: Time| {
        let route = of(&routes, text, now);
        let wait = |one: &Recipient| one.not_before.map(|at| at.since(NOW).as_secs() / 60);
        route.recipients.iter().map(wait).collect::<Vec<_>>()
    };
    assert_eq!(waits("prod/x", NOW), [Some(57), None, None]);
    assert_eq!(waits("prod/pay-api", NOW), [Some(117), None, None], "one follows the other");
    assert_eq!(waits("prod/x/fatal", NOW), [None, None, None]);
    let later = NOW.plus(std::time::Duration::from_secs(40 * 60));
    assert_eq!(waits("prod/pay-api/fatal", later), [Some(117), Some(117), None], "nothing goes through");
    let free = NOW.plus(std::time::Duration::from_secs(120 * 60));
    assert!(Arc::ptr_eq(&of(&routes, "a/b", free), &of(&routes, "c/d", free)));
}

#[test]
fn maintenance_is_in_the_policy_of_what_it_matches() {
    let toml = r#"
        [[maintenance]]
        name = "database"
        match = { module = "order-*", cause = "ab" }
        from = "2026-11-23T14:00"
        to = "2026-11-23T16:00:00+09:00"
        time_zone = "Asia/Seoul"
    "#;
    let routes = routes(toml).unwrap();
    let until = |text: &str, cause, now| {
        let route = routes.of(&event(text), "shop", &|| CauseKey(cause), now);
        route.policy.maintenance_until.map(|until| until.to_string())
    };
    let cause = 0xab << 120;
    assert_eq!(until("prod/order-api", cause, NOW).as_deref(), Some("2026-11-23T07:00:00.000Z"));
    assert_eq!((until("prod/order-api", 1, NOW), until("prod/pay-api", cause, NOW)), (None, None));
    assert_eq!(until("prod/order-api", cause, NOW.plus(std::time::Duration::from_secs(2 * 3_600))), None);
}

#[test]
fn pauses_that_cannot_work_are_said_with_the_routes() {
    let toml = r#"
        [[route]]
        match = { ordinal = "0", cause = "xyz" }
        [[route]]
        match = { ordinal = "2" }
        policy = { budget = 2 }
        [[route]]
        match = { ordinal = "6" }
        [[quiet]]
        name = "night"
        match = { cause = "ab" }
        channels = ["opps"]
        from = "22:00"
        to = "08:00"
        except_level = "fatel"
        [[quiet]]
        name = ""
        channels = []
        from = "8"
        to = "08:00"
        [[maintenance]]
        name = "db"
        from = "02:00"
        to = "2026-11-23T14:00"
    "#;
    check(
        toml,
        &[],
        expect![[r#"
        route 1: `cause`: "xyz" is not the beginning of a cause key, up to 32 hexadecimal digits
        route 1: `ordinal`: "0" is not the number of an alert in its window, such as "3"
        route 2: a route by `ordinal` has no policy of its own: that is decided before there is an alert
        route 3: no window has an alert with the `ordinal` 6: no budget is above 5
        quiet "night": cannot match "cause"; known are category, module, environment, url, method, location, detail, level, project, tags.NAME
        quiet "night": there is no channel "opps" (did you mean "ops"?)
        quiet "night": `except_level`: "fatel" is not a level (did you mean "fatal"?)
        quiet "": it needs a name
        quiet "": `channels` is empty: name those that are to be quiet
        quiet "": `from`: "8" is not a time of the day, such as "22:00"
        maintenance "db": `to`: "2026-11-23T14:00" is not a time of the day, such as "22:00""#]],
    );
}

#[test]
fn unknown_names_come_with_the_nearest_right_one() {
    let toml = r#"
        [[route]]
        match = { enviroment = "prod", level = "eror", "tags." = "x" }
        channels = ["opps", "all"]
        [[route]]
        match = { colour = "red" }
    "#;
    check(
        toml,
        &[],
        expect![[r#"
            route 1: cannot match "enviroment" (did you mean "environment"?); known are category, module, environment, url, method, location, detail, level, project, tags.NAME, cause, ordinal
            route 1: "eror" is not a level (did you mean "error"?)
            route 1: cannot match "tags." (did you mean "tags.NAME"?); known are category, module, environment, url, method, location, detail, level, project, tags.NAME, cause, ordinal
            route 1: there is no channel "opps" (did you mean "ops"?)
            route 2: cannot match "colour"; known are category, module, environment, url, method, location, detail, level, project, tags.NAME, cause, ordinal"#]],
    );
}
