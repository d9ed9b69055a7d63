//! Which route an event falls under: its policy and its channels.
//!
//! Promises: the first route that matches decides, and those before it that said `continue` add their channels. An event
//! that no route matches goes to **all** channels under the default policy: a hole in the configuration must not make
//! errors disappear; to tell nobody takes a last route with `channels = []`. Cheap: it runs for every event, and only an
//! event that falls under several routes costs an allocation. Deliberately not here: what is done with the answer.

use std::sync::Arc;

use crate::alert::Route;
use crate::config::{self, Config, PolicySettings, hint};
use crate::event::Event;
use crate::issue::Policy;
use crate::matching::Matchers;

use super::channels;

/// All routes, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    rules: Vec<Rule>,
    /// For what no rule matches.
    otherwise: Arc<Route>,
}

#[derive(Clone, Debug)]
struct Rule {
    matchers: Matchers,
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
            match rule(configured, &default_policy, &all) {
                Ok(rule) => rules.push(rule),
                Err(wrong) => problems.extend(wrong.into_iter().map(|what| format!("route {}: {what}", i + 1))),
            }
        }
        match problems.is_empty() {
            true => Ok(Routes { rules, otherwise: Arc::new(Route { policy: default_policy, channels: all }) }),
            false => Err(problems.join("\n")),
        }
    }

    /// Under what the event of that project falls.
    pub(crate) fn of(&self, event: &Event<'_>, project: &str) -> Arc<Route> {
        let mut matching = self.rules.iter().filter(|rule| rule.matchers.matches(event, project));
        let Some(first) = matching.next() else { return Arc::clone(&self.otherwise) };
        if !first.go_on {
            return Arc::clone(&first.route);
        }
        let mut under = vec![first];
        for rule in matching {
            under.push(rule);
            if !rule.go_on {
                break;
            }
        }
        match under.as_slice() {
            [alone] => Arc::clone(&alone.route),
            several => Arc::new(together(several)),
        }
    }
}

/// The channels of all, each once; the policy of the first that has one.
fn together(rules: &[&Rule]) -> Route {
    let mut channels: Vec<Arc<str>> = Vec::new();
    for channel in rules.iter().flat_map(|rule| &rule.route.channels) {
        if !channels.contains(channel) {
            channels.push(Arc::clone(channel));
        }
    }
    // Without a policy of its own, a rule's route holds the default.
    let decides = rules.iter().find(|rule| rule.has_policy).unwrap_or(&rules[0]);
    Route { policy: Arc::clone(&decides.route.policy), channels }
}

fn rule(configured: &config::Route, default_policy: &Arc<Policy>, all: &[Arc<str>]) -> Result<Rule, Vec<String>> {
    let mut problems = Vec::new();
    let matchers = Matchers::new(&configured.matchers).unwrap_or_else(|wrong| {
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
    if !problems.is_empty() {
        return Err(problems);
    }
    let has_policy = configured.policy != PolicySettings::default();
    let policy = match has_policy {
        true => Arc::new(configured.policy.over(default_policy)),
        false => Arc::clone(default_policy),
    };
    Ok(Rule { matchers, route: Arc::new(Route { policy, channels }), has_policy, go_on: configured.go_on })
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

    fn check(toml: &str, events: &[&str], expected: Expect) {
        let routes = match routes(toml) {
            Ok(routes) => routes,
            Err(why) => return expected.assert_eq(&why),
        };
        let mut seen = String::new();
        for text in events {
            let route = routes.of(&event(text), "shop");
            let channels = route.channels.join(" ");
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
        assert!(Arc::ptr_eq(&routes.of(&event("a/b"), "x"), &routes.of(&event("c/d"), "y")));
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
            route 1: cannot match "enviroment" (did you mean "environment"?); known are category, module, environment, url, method, location, detail, level, project, tags.NAME
            route 1: "eror" is not a level (did you mean "error"?)
            route 1: cannot match "tags." (did you mean "tags.NAME"?); known are category, module, environment, url, method, location, detail, level, project, tags.NAME
            route 1: there is no channel "opps" (did you mean "ops"?)
            route 2: cannot match "colour"; known are category, module, environment, url, method, location, detail, level, project, tags.NAME"#]],
        );
    }
}
