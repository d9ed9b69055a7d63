//! What the user adds to the rules of sameness: `[sameness]` of the configuration.
//!
//! What happens to an event, in this order:
//!
//! 1. *routes*: a request path that matches a pattern is that route; nothing else looks at the URL. The first one wins.
//! 2. *masks* on detail (or the log template that stands for it) and url, in the order in which they are written: before
//!    the built-in rules, which would otherwise have changed the text that the pattern was written for.
//! 3. *protect*: what matches in detail, url or location is hidden from the built-in rules and put back after them. In a
//!    path the whole segment is.
//! 4. The built-in rules, and parameters learned from traffic.
//! 5. *masks* on the other five: after the built-in rules. A location may be made of the frames by them, and generated
//!    names are out of it then; the pattern is written for what an explanation shows.
//! 6. *ignore*: the attribute is empty.
//! 7. The client's own fingerprint, when it sent one, stands for what is left of the seven but module and environment.
//! 8. *merge*, then *split*, then *merge* again (of what a split made).
//!
//! Promises: nothing of it costs anything when it is not configured; everything that cannot work is refused with its place;
//! expressions are linear in the text, and their size is bounded. Deliberately not here: the built-in rules.

use std::borrow::Cow;
use std::collections::HashMap;

use regex::{Captures, Regex};

use super::shield;
use crate::event::{Attributes, Event};
use crate::issue::Fingerprint;
use crate::matching::{Matchers, same_tag};
use crate::normalize::Applied;

/// The positions of the seven in [`Attributes::each`].
pub(super) const SEVEN: [&str; 7] = ["category", "module", "environment", "url", "method", "location", "detail"];
const URL: usize = 3;
const LOCATION: usize = 5;
const DETAIL: usize = 6;

/// The user's rules, compiled.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) ignore: Ignored,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<(Matchers, Ignored)>,
    pub(super) masks: Vec<Mask>,
    pub(super) protects: Vec<Protect>,
    pub(super) merges: HashMap<Fingerprint, Fingerprint>,
    pub(super) splits: HashMap<Fingerprint, Vec<By>>,
}

/// Attributes that do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ignored(pub(super) [bool; 7]);

/// A request path that is one route.
#[derive(Debug)]
pub(super) struct Route {
    /// As written, for people.
    pub(super) pattern: String,
    /// `None` where anything stands.
    pub(super) segments: Vec<Option<String>>,
    /// What is compared.
    pub(super) normalized: String,
}

/// What is replaced.
#[derive(Debug)]
pub(super) struct Mask {
    pub(super) name: String,
    pub(super) matchers: Matchers,
    pub(super) attribute: usize,
    pub(super) regex: Regex,
    pub(super) put: String,
}

/// What is never replaced.
#[derive(Debug)]
pub(super) struct Protect {
    pub(super) name: String,
    pub(super) matchers: Matchers,
    pub(super) attribute: usize,
    pub(super) regex: Regex,
}

/// What tells the parts of a split error from each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    Attribute(usize),
    Tag(String),
    Release,
    Server,
    User,
    Level,
    ExceptionType,
}

/// What the rules did, when somebody asks.
pub(super) type Changes<'c> = Option<&'c mut Vec<Applied>>;

/// What comes out of the rules.
pub(super) struct Outcome<'a> {
    pub(super) normalized: Attributes<'a>,
    /// Before anything was ignored: what splits go by.
    pub(super) whole: Attributes<'a>,
}

impl Own {
    /// The seven as they are compared.
    pub(super) fn normalize(
        &self,
        event: &Event<'_>,
        built_in: impl Fn(&Event<'_>, bool) -> (Attributes<'static>, Vec<Applied>),
        changes: Changes<'_>,
    ) -> Outcome<'static> {
        let route = self.route(&event.attributes.url);
        let (mut hidden, before) = self.before(event, route.is_some());
        let kept = shield::hide(&mut hidden, self.protects(event));
        let (mut normalized, built) = built_in(&hidden, route.is_some());
        shield::put_back(&kept, &mut normalized, text_of_detail(&mut hidden), |text| {
            let piece = Event {
                attributes: Attributes { detail: text.to_owned().into(), ..Attributes::default() },
                ..Event::default()
            };
            built_in(&piece, true).0.detail.into_owned()
        });
        if let Some((_, route)) = &route {
            normalized.url = Cow::Owned(route.normalized.clone());
        }
        let mut after = Vec::new();
        self.after(event, &mut normalized, &mut after);
        let whole = normalized.clone();
        let ignored = self.ignored(event);
        let places = ignored.0.iter().zip(SEVEN).filter(|(ignored, _)| **ignored).map(|(_, name)| name);
        for attribute in places.clone() {
            set(&mut normalized, attribute, String::new());
        }
        if let Some(changes) = changes {
            if let Some((nth, route)) = &route {
                let rule = format!("own route {} ({})", nth + 1, route.pattern);
                changes.push(applied("url", rule, &event.attributes.url, &route.normalized));
            }
            changes.extend(before);
            changes.extend(kept.told());
            changes.extend(built.into_iter().map(|one| kept.readable(one)));
            changes.extend(after);
            for attribute in places {
                let was = whole.get(attribute).map_or("", |text| text);
                changes.push(applied(attribute, "own ignore".to_owned(), was, ""));
            }
        }
        Outcome { normalized, whole }
    }

    /// What another identity this one is, and what it is split by.
    pub(super) fn final_name(
        &self,
        fingerprint: Fingerprint,
        split: impl FnOnce(Fingerprint, &[By]) -> Fingerprint,
    ) -> Fingerprint {
        let merged = |one: Fingerprint| self.merges.get(&one).copied().unwrap_or(one);
        let one = merged(fingerprint);
        match self.splits.get(&one) {
            Some(by) => merged(split(one, by)),
            None => one,
        }
    }

    fn route(&self, url: &str) -> Option<(usize, &Route)> {
        if self.routes.is_empty() {
            return None;
        }
        let path = path_of(url).split('/').map(|segment| segment.split(';').next().unwrap_or_default().trim());
        let path: Vec<&str> = path.filter(|segment| !segment.is_empty()).collect();
        self.routes.iter().enumerate().find(|(_, route)| route.matches(&path))
    }

    fn protects<'s, 'e: 's>(&'s self, event: &'e Event<'_>) -> impl Iterator<Item = (usize, &'s str, &'s Regex)> {
        let of = |one: &'s Protect| (one.attribute, one.name.as_str(), &one.regex);
        self.protects.iter().filter(|one| one.matchers.matches(event, "")).map(of)
    }

    /// Masks that come before the built-in rules.
    fn before<'e>(&self, event: &'e Event<'_>, is_route: bool) -> (Event<'e>, Vec<Applied>) {
        let mut masked = lent(event);
        if is_route {
            masked.attributes.url = Cow::Borrowed("");
        }
        let mut changes = Vec::new();
        for mask in self.masks.iter().filter(|mask| mask.is_before() && mask.matchers.matches(event, "")) {
            match mask.attribute {
                URL if !is_route => mask.apply(&mut masked.attributes.url, &mut changes),
                DETAIL => mask.apply(text_of_detail(&mut masked), &mut changes),
                _ => {}
            }
        }
        (masked, changes)
    }

    /// Masks that come after the built-in rules.
    fn after(&self, event: &Event<'_>, normalized: &mut Attributes<'static>, changes: &mut Vec<Applied>) {
        for mask in self.masks.iter().filter(|mask| !mask.is_before() && mask.matchers.matches(event, "")) {
            let mut text = Cow::Owned(normalized.each()[mask.attribute].1.to_string());
            mask.apply(&mut text, changes);
            set(normalized, SEVEN[mask.attribute], text.into_owned());
        }
    }

    fn ignored(&self, event: &Event<'_>) -> Ignored {
        let mut all = self.ignore;
        if let Some((_, more)) = self.rules.iter().find(|(matchers, _)| matchers.matches(event, "")) {
            all.0.iter_mut().zip(more.0).for_each(|(one, more)| *one |= more);
        }
        all
    }
}

impl Route {
    fn matches(&self, path: &[&str]) -> bool {
        let one = |(wanted, segment): (&Option<String>, &&str)| wanted.as_ref().is_none_or(|wanted| wanted == segment);
        self.segments.len() == path.len() && self.segments.iter().zip(path).all(one)
    }
}

impl Mask {
    fn is_before(&self) -> bool {
        matches!(self.attribute, URL | DETAIL)
    }

    fn apply(&self, text: &mut Cow<'_, str>, changes: &mut Vec<Applied>) {
        let replaced = self.regex.replace_all(text, |found: &Captures<'_>| {
            let mut put = String::new();
            found.expand(&self.put, &mut put);
            changes.push(applied(SEVEN[self.attribute], self.name.clone(), &found[0], &put));
            put
        });
        if let Cow::Owned(replaced) = replaced {
            *text = Cow::Owned(replaced);
        }
    }
}

impl By {
    /// As it is written.
    pub(super) fn name(&self) -> String {
        match self {
            By::Attribute(at) => SEVEN[*at].to_owned(),
            By::Tag(name) => format!("tags.{name}"),
            By::Release => "release".to_owned(),
            By::Server => "server".to_owned(),
            By::User => "user".to_owned(),
            By::Level => "level".to_owned(),
            By::ExceptionType => "exception.type".to_owned(),
        }
    }

    /// What the event has there.
    pub(super) fn value<'v>(&self, event: &'v Event<'_>, whole: &'v Attributes<'_>) -> &'v str {
        match self {
            By::Attribute(at) => whole.each()[*at].1,
            By::Tag(name) => event.tags.iter().find(|(tag, _)| same_tag(tag, name)).map_or("", |(_, value)| value),
            By::Release => event.release.as_deref().unwrap_or(""),
            By::Server => event.server.as_deref().unwrap_or(""),
            By::User => event.user.as_deref().unwrap_or(""),
            By::Level => event.level.as_str(),
            By::ExceptionType => event.root().map_or("", |root| &root.kind),
        }
    }
}

/// The text that detail is made of: a log template, when there is one.
pub(super) fn text_of_detail<'s, 'e>(event: &'s mut Event<'e>) -> &'s mut Cow<'e, str> {
    match &mut event.template {
        Some(template) if !template.trim().is_empty() => template,
        _ => &mut event.attributes.detail,
    }
}

/// The same event, borrowed: what the built-in rules read of it.
fn lent<'e>(event: &'e Event<'_>) -> Event<'e> {
    let [category, module, environment, url, method, location, detail] =
        event.attributes.each().map(|(_, text)| Cow::Borrowed(&**text));
    Event {
        attributes: Attributes { category, module, environment, url, method, location, detail },
        exceptions: event.exceptions.clone(),
        template: event.template.as_deref().map(Cow::Borrowed),
        ..Event::default()
    }
}

/// Without scheme, host, query and fragment.
pub(super) fn path_of(url: &str) -> &str {
    let url = url.trim();
    let after = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    after.split(['?', '#']).next().unwrap_or("")
}

pub(super) fn set(attributes: &mut Attributes<'static>, name: &str, text: String) {
    let place = match name {
        "category" => &mut attributes.category,
        "module" => &mut attributes.module,
        "environment" => &mut attributes.environment,
        "url" => &mut attributes.url,
        "method" => &mut attributes.method,
        "location" => &mut attributes.location,
        _ => &mut attributes.detail,
    };
    *place = Cow::Owned(text);
}

pub(super) fn applied(attribute: &'static str, rule: String, from: &str, to: &str) -> Applied {
    Applied { attribute, rule: rule.into(), from: from.to_owned(), to: to.to_owned() }
}

/// Whether what is protected may lie in this attribute.
pub(super) fn can_be_protected(attribute: usize) -> bool {
    matches!(attribute, URL | LOCATION | DETAIL)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::Sameness;
    use super::*;
    use crate::config;

    fn sameness(toml: &str) -> Result<Sameness, String> {
        let toml = toml.replace("[[mask]]", "[[sameness.mask]]").replace("[[protect]]", "[[sameness.protect]]");
        Sameness::new(&toml::from_str::<config::Config>(&toml).expect("the test's TOML is well formed").sameness)
    }

    fn event(attribute: &'static str, text: &'static str) -> Event<'static> {
        let mut event = Event::default();
        set(&mut event.attributes, attribute, text.to_owned());
        event
    }

    /// One attribute, as it is compared.
    fn check(toml: &str, attribute: &'static str, texts: &[&'static str], expected: Expect) {
        let sameness = sameness(toml).unwrap();
        let one = |text: &&'static str| {
            let event = event(attribute, text);
            let normalized = sameness.normalize(&event);
            let (compared, changes) = sameness.trace(&event);
            assert_eq!(normalized, compared.normalized, "the trace decides as the rest does");
            let rules: Vec<String> = changes.iter().map(|change| change.rule.to_string()).collect();
            format!("{} <- {}", normalized.get(attribute).unwrap(), rules.join(", "))
        };
        expected.assert_eq(&texts.iter().map(one).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn routes_come_before_everything_else_of_the_url() {
        let toml = "[sameness]\nroutes = ['/shop/{slug}/items', '/v/12345', '/{a}/{b}/{c}']";
        let urls = [
            "https://a.example/shop/red-shoes/items?page=2#top",
            "/shop/blue/items;jsessionid=1/",
            "/shop/{slug}/items",
            "/v/12345",
            "/v/12346",
            "/x/y/z",
            "",
        ];
        check(
            toml,
            "url",
            &urls,
            expect![[r#"
            /shop/{id}/items <- own route 1 (/shop/{slug}/items)
            /shop/{id}/items <- own route 1 (/shop/{slug}/items)
            /shop/{id}/items <- own route 1 (/shop/{slug}/items)
            /v/12345 <- own route 2 (/v/12345)
            /v/{id} <- number
            /{id}/{id}/{id} <- own route 3 (/{a}/{b}/{c})
             <- "#]],
        );
    }

    #[test]
    fn masks_of_messages_and_paths_see_them_as_sent() {
        let toml = r"
            [[mask]]
            attribute = 'detail'
            pattern = 'tenant \w+ of (\w+)'
            put = 'tenant <tenant> of $1'
            [[mask]]
            attribute = 'url'
            pattern = '^/t/\w+'
            put = '/t/{tenant}'
        ";
        check(
            toml,
            "detail",
            &["tenant acme of eu failed 3 times", "else"],
            expect![[r#"
                tenant <tenant> of eu failed <any> times <- own mask 1 (tenant \w+ of (\w+)), number
                else <- "#]],
        );
        check(
            toml,
            "url",
            &["/t/acme/bills/17"],
            expect![[r#"/t/{id}/bills/{id} <- own mask 2 (^/t/\w+), route-pattern, number"#]],
        );
        let mut logged = event("detail", "order 7 of tenant acme of eu");
        logged.template = Some("order {} of tenant acme of eu".into());
        let detail = sameness(toml).unwrap().normalize(&logged).detail.into_owned();
        assert_eq!(detail, "order {} of tenant <tenant> of eu");
    }

    #[test]
    fn masks_of_locations_see_what_the_rules_left() {
        let toml = "[[mask]]\nattribute = 'location'\npattern = 'Order_\\w+'\nput = 'Order'";
        check(
            toml,
            "location",
            &["shop.Order_a8f.place(Order.java:3)"],
            expect![[r#"shop.Order.place <- file-and-line, own mask 1 (Order_\w+)"#]],
        );
    }

    #[test]
    fn what_is_protected_is_never_masked() {
        let toml = r"
            [[protect]]
            attribute = 'detail'
            pattern = 'shard \d+|acme-\d+'
            [[protect]]
            attribute = 'url'
            pattern = '^/v/\d+'
        ";
        let details =
            ["shard 3 of 12 is down", "no 'acme-77' in 14 ms", "5 of shard 3, shard 4", "\u{100000} 7", "shard 3"];
        check(
            toml,
            "detail",
            &details,
            expect![[r#"
                shard 3 of <any> is down <- own protect 1 (shard \d+|acme-\d+), number
                no 'acme-77' in <duration> <- own protect 1 (shard \d+|acme-\d+), duration
                <any> of shard 3, shard 4 <- own protect 1 (shard \d+|acme-\d+), own protect 1 (shard \d+|acme-\d+), number
                � <any> <- number
                shard 3 <- own protect 1 (shard \d+|acme-\d+)"#]],
        );
        check(
            toml,
            "url",
            &["/v/2024/orders/17", "/orders/17"],
            expect![[r#"
                /v/2024/orders/{id} <- own protect 2 (^/v/\d+), number
                /orders/{id} <- number"#]],
        );
    }

    #[test]
    fn ignored_attributes_are_empty_for_all_or_for_a_part() {
        let toml = r"
            [sameness]
            ignore = ['method']
            [[sameness.rule]]
            match = { module = 'gate*' }
            ignore = ['url', 'location']
            [[sameness.rule]]
            match = { 'tags.kind' = 'batch' }
            ignore = ['module']
        ";
        let sameness = sameness(toml).unwrap();
        let mut event = event("module", "gateway");
        event.attributes.url = "/a".into();
        event.attributes.method = "GET".into();
        event.tags = vec![("kind".into(), "batch".into())];
        let of = |event: &Event<'_>| sameness.normalize(event).each().map(|(_, text)| text.to_string()).join("|");
        assert_eq!(of(&event), "|gateway|||||");
        event.attributes.module = "orders".into();
        assert_eq!(of(&event), "|||/a|||");
    }

    #[test]
    fn merges_and_splits_by_fingerprint() {
        let built_in = Sameness::default();
        let [a, b, c] = ["kettle", "teapot", "cup"].map(|text| event("detail", text));
        let name = |event: &Event<'_>| built_in.identify(event);
        let toml = format!(
            "[[sameness.merge]]\nfingerprint = '{}'\ninto = '{}'\n[[sameness.merge]]\nfingerprint = '{}'\ninto = '{}'\n\
             [[sameness.split]]\nfingerprint = '{}'\nby = ['tags.tenant', 'release']",
            name(&a),
            name(&b),
            name(&b),
            name(&c),
            name(&c),
        );
        let own = sameness(&toml).unwrap();
        let of = |event: &Event<'_>, tenant: &'static str| {
            own.identify(&Event { tags: vec![("tenant".into(), tenant.into())], ..event.clone() })
        };
        assert_eq!(of(&a, "x"), of(&c, "x"), "chains are resolved");
        assert_ne!(of(&a, "x"), of(&c, "y"));
        assert_ne!(of(&a, "x"), name(&c));
        let formers = own.formers(&a);
        assert!(formers.iter().any(|former| former.fingerprint() == name(&a)), "{formers:?}");
        assert!(built_in.formers(&a).is_empty());
    }

    #[test]
    fn a_clients_own_fingerprint_is_honoured() {
        let own = sameness("[[mask]]\nattribute = 'detail'\npattern = '[a-z]+'\nput = 'x'").unwrap();
        let mut one = event("detail", "kettle");
        one.fingerprint = vec!["stock".into()];
        assert_eq!(own.identify(&one), Sameness::default().identify(&one));
    }

    #[test]
    fn what_cannot_work_is_said_with_its_place_and_the_nearest_right_word() {
        let toml = r"
            [sameness]
            ignore = ['locaton']
            routes = ['shop', '/a/{b', '/a?b']
            [[sameness.rule]]
            match = { project = 'x', modul = 'y' }
            [[mask]]
            attribute = 'detail'
            pattern = '(\w'
            put = ''
            [[mask]]
            attribute = 'detail'
            pattern = 'a*'
            put = ''
            [[mask]]
            attribute = 'detail'
            pattern = '((\w{100}){100}){100}'
            put = ''
            [[protect]]
            attribute = 'module'
            pattern = 'x'
            [[sameness.merge]]
            fingerprint = '12'
            into = '00000000000000000000000000000001'
            [[sameness.merge]]
            fingerprint = '00000000000000000000000000000001'
            into = '00000000000000000000000000000002'
            [[sameness.merge]]
            fingerprint = '00000000000000000000000000000002'
            into = '00000000000000000000000000000001'
            [[sameness.split]]
            fingerprint = '00000000000000000000000000000009'
            by = ['tag.tenant']
        ";
        expect![[r#"
            sameness.ignore: there is no attribute "locaton" (did you mean "location"?); the seven are category, module, environment, url, method, location, detail
            sameness.routes: "shop" is not a path: write it as "/shop/{slug}/items"
            sameness.routes: "/a/{b" has a parameter that is not a whole segment such as {slug}
            sameness.routes: "/a?b" has more than a path: leave out what follows ? or #
            sameness rule 1: ignores nothing; name attributes in `ignore`
            sameness rule 1: "project" cannot be matched here: an error is the same whoever sends it; match "module"
            sameness rule 1: cannot match "modul" (did you mean "module"?); known are category, module, environment, url, method, location, detail, level, project, tags.NAME
            sameness mask 1: pattern "(\\w" is no regular expression: unclosed group
            sameness mask 2: pattern "a*" finds the empty text, which is everywhere
            sameness mask 3: pattern "((\\w{100}){100}){100}" is too big; repeat less
            sameness protect 1: nothing is masked in module; protect detail, url or location
            sameness merge 1: fingerprint: "12" is not 32 hexadecimal digits; `bongsu issues --json` lists fingerprints in full
            sameness merge 2: 00000000000000000000000000000001 is merged into itself, by way of 00000000000000000000000000000002
            sameness merge 3: 00000000000000000000000000000002 is merged into itself, by way of 00000000000000000000000000000001
            sameness split 1: cannot split by "tag.tenant" (did you mean "tags.NAME"?); known are category, module, environment, url, method, location, detail, tags.NAME, release, server, user, level, exception.type"#]].assert_eq(&sameness(toml).unwrap_err());
    }
}
