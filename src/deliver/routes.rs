//! Which route an event falls under: its policy and its channels.
//!
//! Promises: the first route that matches decides, and those before it that said `continue` add their channels. An event
//! that no route matches goes to **all** channels under the default policy: a hole in the configuration must not make
//! errors disappear; to tell nobody takes a last route with `channels = []`. A route by `ordinal` is there for that alert
//! of a window and later ones; for earlier ones it is as if it were not written. Cheap: it runs for every event, and only
//! an event that falls under several routes, or into quiet hours, costs an allocation. Deliberately not here: what is done
//! with the answer.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::alert::{Recipient, Route};
use crate::config::{self, Config, PolicySettings, hint};
use crate::event::Event;
use crate::issue::{CauseKey, Policy};
use crate::matching::{Also, Matchers};
use crate::time::Time;

use super::channels;
use super::pauses::Pauses;

/// All routes, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    rules: Vec<Rule>,
    /// For what no rule matches.
    otherwise: Arc<Route>,
    pauses: Arc<Pauses>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Which of the configuration, from 1.
    number: usize,
    matchers: Matchers,
    /// The first alert of a window that it is for.
    from: u32,
    /// What an event gets that falls under this rule alone.
    route: Arc<Route>,
    /// Whether the rule has a policy of its own, or leaves that to a later one.
    has_policy: bool,
    go_on: bool,
}

impl Routes {
    /// Compiles the configured routes. The error names every route that cannot work, and the nearest right word.
    pub(crate) fn new(config: &Config) -> Result<Routes, String> {
        let default_policy = Arc::new(config.policy.resolved());
        let all = channels::names(config);
        let mut problems = Vec::new();
        let mut rules = Vec::new();
        for (i, configured) in config.route.iter().enumerate() {
            match rule(configured, i + 1, &default_policy, &all) {
                Ok(rule) => rules.push(rule),
                Err(wrong) => problems.extend(wrong.into_iter().map(|what| format!("route {}: {what}", i + 1))),
            }
        }
        let pauses = Pauses::new(config).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Pauses::default()
        });
        match problems.is_empty() {
            true => Ok(Routes { rules, otherwise: Arc::new(Route::to(default_policy, all)), pauses: Arc::new(pauses) }),
            false => Err(problems.join("\n")),
        }
    }

    /// Under what the event of that project falls at the moment. `cause` is asked for only where something goes by it.
    pub(crate) fn of(&self, event: &Event<'_>, project: &str, cause: &dyn Fn() -> CauseKey, now: Time) -> Arc<Route> {
        let known = OnceCell::new();
        let cause = || *known.get_or_init(cause);
        self.paused(self.usual(event, project, &cause), event, project, &cause, now)
    }

    /// The same without regard to quiet hours and maintenance.
    pub(crate) fn usual(&self, event: &Event<'_>, project: &str, cause: &dyn Fn() -> CauseKey) -> Arc<Route> {
        let mut under = self.under(event, project, cause);
        match (under.next(), under.next()) {
            (None, _) => Arc::clone(&self.otherwise),
            (Some(alone), None) if alone.from == 1 => Arc::clone(&alone.route),
            (first, second) => {
                let several: Vec<&Rule> = first.into_iter().chain(second).chain(under).collect();
                Arc::new(self.together(&several))
            }
        }
    }

    /// The numbers of the routes that an event falls under, from 1; for an explanation.
    pub(crate) fn numbers(&self, event: &Event<'_>, project: &str, cause: &dyn Fn() -> CauseKey) -> Vec<usize> {
        self.under(event, project, cause).map(|rule| rule.number).collect()
    }

    /// When alerts wait, and when there are none.
    pub(crate) fn pauses(&self) -> &Arc<Pauses> {
        &self.pauses
    }

    /// The rules that match, up to the first that ends the search for every alert.
    fn under<'a>(
        &'a self,
        event: &'a Event<'_>,
        project: &'a str,
        cause: &'a dyn Fn() -> CauseKey,
    ) -> impl Iterator<Item = &'a Rule> {
        let mut ended = false;
        let matching = self.rules.iter().filter(move |rule| rule.matchers.matches_with(event, project, cause));
        matching.take_while(move |rule| !std::mem::replace(&mut ended, !rule.go_on && rule.from == 1))
    }

    /// For each alert the channels of all that are for it, each once; the policy of the first that has one.
    fn together(&self, rules: &[&Rule]) -> Route {
        let mut begins: Vec<u32> = rules.iter().map(|rule| rule.from).chain([1]).collect();
        begins.sort_unstable();
        begins.dedup();
        let mut recipients: Vec<Recipient> = Vec::new();
        for (nth, begin) in begins.iter().enumerate() {
            let ordinals = (*begin, begins.get(nth + 1).map_or(u32::MAX, |next| next - 1));
            let part = self.channels(rules, *begin);
            for (i, channel) in part.iter().enumerate() {
                if part[..i].contains(channel) {
                    continue;
                }
                let goes_on = |one: &&mut Recipient| one.channel == **channel && one.ordinals.1 == ordinals.0 - 1;
                match recipients.iter_mut().find(goes_on) {
                    Some(known) => known.ordinals.1 = ordinals.1,
                    None => recipients.push(Recipient { channel: Arc::clone(channel), ordinals, not_before: None }),
                }
            }
        }
        // Without a policy of its own, a rule's route holds the default.
        let decides = rules.iter().find(|rule| rule.has_policy);
        let policy = decides.map_or(&self.otherwise.policy, |rule| &rule.route.policy);
        Route { policy: Arc::clone(policy), recipients }
    }

    /// Who is told of the alert with that ordinal.
    fn channels<'a>(&'a self, rules: &[&'a Rule], ordinal: u32) -> Vec<&'a Arc<str>> {
        let mut channels = Vec::new();
        let mut none = true;
        for rule in rules.iter().filter(|rule| rule.from <= ordinal) {
            none = false;
            channels.extend(rule.route.recipients.iter().map(|one| &one.channel));
            if !rule.go_on {
                break;
            }
        }
        if none {
            channels.extend(self.otherwise.recipients.iter().map(|one| &one.channel));
        }
        channels
    }

    /// The route with what waits for quiet hours to end, and with maintenance.
    fn paused(
        &self,
        route: Arc<Route>,
        event: &Event<'_>,
        project: &str,
        cause: &dyn Fn() -> CauseKey,
        now: Time,
    ) -> Arc<Route> {
        let maintenance_until = self.pauses.maintenance_until(event, project, cause, now);
        if maintenance_until.is_none() && !self.pauses.is_quiet(now) {
            return route;
        }
        let mut paused = Route::clone(&route);
        for one in &mut paused.recipients {
            one.not_before = self.pauses.quiet_until(&one.channel, event, project, now);
        }
        if maintenance_until.is_some() {
            paused.policy = Arc::new(Policy { maintenance_until, ..Policy::clone(&paused.policy) });
        }
        Arc::new(paused)
    }
}

fn rule(
    configured: &config::Route,
    number: usize,
    default_policy: &Arc<Policy>,
    all: &[Arc<str>],
) -> Result<Rule, Vec<String>> {
    let mut problems = Vec::new();
    let matchers = Matchers::knowing(&configured.matchers, &[Also::Cause, Also::Ordinal]).unwrap_or_else(|wrong| {
        problems = wrong;
        Matchers::default()
    });
    let mut channels: Vec<Arc<str>> = Vec::new();
    for name in &configured.channels {
        match all.iter().find(|channel| ***channel == **name) {
            Some(channel) if channels.contains(channel) => {}
            Some(channel) => channels.push(Arc::clone(channel)),
            None => {
                problems.push(format!("there is no channel {name:?}{}", hint(name, all.iter().map(|name| &**name))))
            }
        }
    }
    let has_policy = configured.policy != PolicySettings::default();
    if has_policy && matchers.from_ordinal().is_some() {
        problems.push("a route by `ordinal` has no policy of its own: that is decided before there is an alert".into());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let policy = match has_policy {
        true => Arc::new(configured.policy.over(default_policy)),
        false => Arc::clone(default_policy),
    };
    let from = matchers.from_ordinal().unwrap_or(1);
    let route = Arc::new(Route::to(policy, channels));
    Ok(Rule { number, matchers, from, route, has_policy, go_on: configured.go_on })
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            (told(1), told(2), told(100)),
            (vec!["ops".to_owned()], vec!["pay".to_owned()], vec!["pay".to_owned()])
        );
    }

    #[test]
    fn a_cause_is_matched_by_its_beginning() {
        let routes =
            routes("[[route]]\nmatch = { cause = \"AB0\" }\nchannels = [\"pay\"]\n[[route]]\nchannels = [\"all\"]")
                .unwrap();
        let of =
            |cause: u128| routes.of(&event("a/b"), "shop", &|| CauseKey(cause), NOW).recipients[0].channel.to_string();
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
}
