//! Links that messages have besides the issue's page: templates of the operator's, filled from the alert.
//!
//! Promises: what stands in an error can only fill a placeholder, percent-encoded, and never says the host; a link one of
//! whose placeholders is empty is left out, so that none leads nowhere; every URL is bounded, of ASCII, and free of what
//! would end it in any channel's markup. Deliberately not here: how many of them a channel has room for.

use std::fmt::Write;
use std::time::Duration;

use url::Url;

use crate::alert::{Alert, Kind};
use crate::config::{self, Config, Label, Locale, hint};
use crate::event::Event;
use crate::matching::{Matchers, same_tag};

use super::text;

/// What is asked for around an error: clocks differ, and causes come before.
const AROUND: Duration = Duration::from_mins(5);
/// Characters of a label: it stands on a button.
const LABEL_CHARS: usize = 40;
/// Longer values are no ids; cut, they would lead elsewhere.
const VALUE_CHARS: usize = 200;
/// Characters of a filled URL.
const URL_CHARS: usize = 1_000;
/// Links of one message, and the characters of their URLs together.
const LINKS_MAX: usize = 6;
const ALL_CHARS: usize = 3_000;

/// A link as a message shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// What it is called in the channel's language. One line.
    pub(crate) label: String,
    /// Where to.
    pub(crate) url: String,
}

/// The configured links, compiled.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Template>);

#[derive(Debug)]
struct Template {
    label: Label,
    parts: Vec<Part>,
    matchers: Matchers,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Value(Value),
}

/// What a placeholder stands for.
#[derive(Clone, Debug)]
enum Value {
    TraceId,
    Module,
    Environment,
    Release,
    Server,
    Fingerprint,
    Project,
    Location,
    FromMs,
    ToMs,
    Tag(String),
}

const VALUES: [(&str, Value); 10] = [
    ("trace_id", Value::TraceId),
    ("module", Value::Module),
    ("environment", Value::Environment),
    ("release", Value::Release),
    ("server", Value::Server),
    ("fingerprint", Value::Fingerprint),
    ("project", Value::Project),
    ("location", Value::Location),
    ("from_ms", Value::FromMs),
    ("to_ms", Value::ToMs),
];

impl Links {
    /// Compiles the configured links. The error names every one that cannot work.
    pub(crate) fn new(config: &Config) -> Result<Links, Vec<String>> {
        let mut problems = Vec::new();
        let mut links = Vec::new();
        for (i, configured) in config.link.iter().enumerate() {
            match Template::new(configured) {
                Ok(link) => links.push(link),
                Err(wrong) => problems.extend(wrong.into_iter().map(|what| format!("link {}: {what}", i + 1))),
            }
        }
        if problems.is_empty() { Ok(Links(links)) } else { Err(problems) }
    }

    /// Those of an alert and its event, in the order of the configuration.
    pub(super) fn of(&self, alert: &Alert, event: &Event<'_>, locale: Locale) -> Vec<Link> {
        let mut left = ALL_CHARS;
        let fits = |link: &Link| {
            left = left.saturating_sub(link.url.len());
            left > 0
        };
        let matching = self.0.iter().filter(|link| link.matchers.matches(event, &alert.project));
        let filled = matching.filter_map(|link| {
            let url = link.filled(alert, event)?;
            Some(Link { label: text::line(link.label.of(locale), LABEL_CHARS), url })
        });
        filled.take(LINKS_MAX).take_while(fits).collect()
    }
}

impl Template {
    fn new(configured: &config::Link) -> Result<Template, Vec<String>> {
        let mut problems = Vec::new();
        let matchers = Matchers::new(&configured.matchers).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Matchers::default()
        });
        for locale in [Locale::En, Locale::Ko] {
            let label = text::line(configured.label.of(locale), usize::MAX);
            if (label.is_empty() || label.chars().count() > LABEL_CHARS) && problems.is_empty() {
                problems.push(format!("a label has 1 to {LABEL_CHARS} characters"));
            }
        }
        let parts = parts(&configured.url).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Vec::new()
        });
        if problems.is_empty()
            && let Err(why) = check(&parts)
        {
            problems.push(format!("`url`: {why}"));
        }
        if problems.is_empty() {
            Ok(Template { label: configured.label.clone(), parts, matchers })
        } else {
            Err(problems)
        }
    }

    /// `None` when a placeholder is empty or would climb out of its path, or what fills it is too long to be what was meant.
    fn filled(&self, alert: &Alert, event: &Event<'_>) -> Option<String> {
        let mut url = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => url.push_str(text),
                Part::Value(value) => {
                    let said = said(value, alert, event);
                    let said = said.trim();
                    // A browser climbs by a segment of dots, however it is written.
                    if matches!(said, "" | "." | "..") || said.chars().count() > VALUE_CHARS {
                        return None;
                    }
                    encode(said, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), &mut url);
                }
            }
        }
        (url.len() <= URL_CHARS).then_some(url)
    }
}

fn said(value: &Value, alert: &Alert, event: &Event<'_>) -> String {
    let maybe = |text: &Option<crate::event::Text<'_>>| text.as_deref().unwrap_or_default().to_owned();
    let opens = match alert.kind {
        Kind::Closing { .. } => alert.window_opened_at,
        Kind::Alert | Kind::Health(_) => alert.last_seen,
    };
    match value {
        Value::TraceId => maybe(&event.trace_id),
        Value::Module => event.attributes.module.to_string(),
        Value::Environment => event.attributes.environment.to_string(),
        Value::Release => maybe(&event.release),
        Value::Server => maybe(&event.server),
        Value::Fingerprint => alert.fingerprint.to_string(),
        Value::Project => alert.project.clone(),
        Value::Location => event.attributes.location.to_string(),
        Value::FromMs => opens.minus(AROUND).ms().to_string(),
        Value::ToMs => alert.last_seen.plus(AROUND).ms().to_string(),
        Value::Tag(name) => event
            .tags
            .iter()
            .find(|(tag, _)| same_tag(tag, name))
            .map_or_else(String::new, |(_, said)| said.to_string()),
    }
}

/// The template in parts. `{{` and `}}` are braces.
fn parts(template: &str) -> Result<Vec<Part>, Vec<String>> {
    // What stands in URLs, but for parentheses, quotes and the like, which would end one in some markup.
    let literal = |text: &str| {
        let mut out = String::new();
        encode(text, |byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&*+,;=%".contains(&byte), &mut out);
        Part::Literal(out)
    };
    let (mut parts, mut problems) = (Vec::new(), Vec::new());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        parts.push(literal(before));
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            parts.push(literal(&from[..1]));
            rest = after;
            continue;
        }
        let Some((name, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) else {
            problems.push("`url`: a brace stands alone; write {{ or }} for one that is meant".to_owned());
            rest = "";
            break;
        };
        match placeholder(name) {
            Ok(value) => parts.push(Part::Value(value)),
            Err(why) => problems.push(why),
        }
        rest = after;
    }
    parts.push(literal(rest));
    if problems.is_empty() { Ok(parts) } else { Err(problems) }
}

fn placeholder(name: &str) -> Result<Value, String> {
    match name.split_once('.') {
        Some(("tags", tag)) if !tag.is_empty() => return Ok(Value::Tag(tag.to_owned())),
        _ => {}
    }
    let known = || VALUES.iter().map(|(known, _)| *known).chain(["tags.NAME"]);
    VALUES.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).ok_or_else(|| {
        let list = known().map(|known| format!("{{{known}}}")).collect::<Vec<_>>().join(", ");
        format!("`url`: there is no {{{name}}}{}; known are {list}", hint(name, known()))
    })
}

/// An address whose host is the operator's word.
fn check(parts: &[Part]) -> Result<(), String> {
    let shown = |part: &Part| match part {
        Part::Literal(text) => text.clone(),
        Part::Value(_) => "x".to_owned(),
    };
    let whole: String = parts.iter().map(shown).collect();
    if whole.len() > URL_CHARS {
        return Err(format!("longer than {URL_CHARS} characters"));
    }
    let url = Url::parse(&whole).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        return Err("use http://HOST/… or https://HOST/…".to_owned());
    }
    let Some(Part::Literal(begins)) = parts.first() else { return Err("begin with https://HOST/".to_owned()) };
    let after_scheme = begins.split_once("://").map_or("", |(_, rest)| rest);
    match parts.len() == 1 || after_scheme.contains(['/', '?', '#']) {
        true => Ok(()),
        false => Err("a placeholder cannot be a part of the host: an error would say where people go".to_owned()),
    }
}

pub(super) fn encode(text: &str, stays: impl Fn(u8) -> bool, out: &mut String) {
    for byte in text.bytes() {
        match stays(byte) {
            true => out.push(char::from(byte)),
            false => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::deliver::sample;

    fn links(toml: &str) -> Result<Links, Vec<String>> {
        Links::new(&toml::from_str(toml).expect("the test's TOML is well formed"))
    }

    fn check(toml: &str, alert: &Alert, expected: Expect) {
        let event = alert.event.as_ref().unwrap();
        let seen = match links(toml) {
            Ok(links) => links.of(alert, event, Locale::Ko),
            Err(problems) => return expected.assert_eq(&problems.join("\n")),
        };
        expected.assert_eq(&seen.iter().map(|link| format!("{}: {}\n", link.label, link.url)).collect::<String>());
    }

    const EVERY: &str = r#"
        [[link]]
        label = "Trace"
        url = "https://jaeger.example/trace/{trace_id}"
        [[link]]
        label = { en = "Logs", ko = "로그" }
        url = "https://logs.example/?q={{app=\"{module}\"}}&s={server}&env={environment}&v={release}&from={from_ms}&to={to_ms}"
        match = { module = "order-*" }
        [[link]]
        label = "Code"
        url = "https://code.example/{project}/{location}?issue={fingerprint}#{tags.team.name}"
        [[link]]
        label = "Other"
        url = "https://other.example/"
        match = { module = "pay-*" }
    "#;

    #[test]
    fn placeholders_are_filled_and_a_link_that_lacks_one_is_left_out() {
        let mut alert = sample::alert(1);
        check(
            EVERY,
            &alert,
            expect![[r#"
                Trace: https://jaeger.example/trace/4bf92f3577b34da6
                로그: https://logs.example/?q=%7Bapp=%22order-api%22%7D&s=order-api-7c9f-x2x8k&env=prod&v=v1.42.0&from=1795409831000&to=1795410431000
            "#]],
        );
        let event = alert.event.as_mut().unwrap();
        event.tags = vec![("TEAM_NAME".into(), "주문 #1/a".into())];
        event.trace_id = Some(" ".into());
        check(
            EVERY,
            &alert,
            expect![[r#"
                로그: https://logs.example/?q=%7Bapp=%22order-api%22%7D&s=order-api-7c9f-x2x8k&env=prod&v=v1.42.0&from=1795409831000&to=1795410431000
                Code: https://code.example/shop/com.acme.order.DiscountService.apply?issue=9f2c0000000000000000000000000001#%EC%A3%BC%EB%AC%B8%20%231%2Fa
            "#]],
        );
    }

    #[test]
    fn what_fills_a_placeholder_cannot_climb_out_of_its_path() {
        let wiki =
            links("[[link]]\nlabel = \"Wiki\"\nurl = \"https://wiki.example/hosts/{server}/{tags.page}\"").unwrap();
        let mut alert = sample::alert(1);
        let mut filled = |server: &str, page: &str| {
            let event = alert.event.as_mut().unwrap();
            event.server = Some(server.to_owned().into());
            event.tags = vec![("page".into(), page.to_owned().into())];
            wiki.of(&alert, alert.event.as_ref().unwrap(), Locale::En).pop().map(|link| link.url)
        };
        for (server, page) in [("..", "x"), (" .. ", "x"), ("a", ".."), (".", "x"), ("..", "..")] {
            assert_eq!(filled(server, page), None, "{server} {page}");
        }
        for (server, page) in [("...", "a..b"), ("../..", "x"), ("%2e%2e", "..%2f"), ("..\\..", "x")] {
            let url = filled(server, page).unwrap();
            assert_eq!(Url::parse(&url).unwrap().as_str(), url, "a browser goes where it says");
        }
    }

    #[test]
    fn what_cannot_work_is_said_with_the_nearest_right_word() {
        check(
            r#"
            [[link]]
            label = "a"
            url = "https://a.example/{traceid}/{tag.x}"
            [[link]]
            label = ""
            url = "https://a.example/"
            match = { modul = "x" }
            [[link]]
            label = "a"
            url = "ftp://a.example/"
            [[link]]
            label = "a"
            url = "https://{server}.example/"
            [[link]]
            label = "a"
            url = "https://a.example/{oh"
            [[link]]
            label = "a"
            url = "{server}"
            "#,
            &sample::alert(1),
            expect![[r#"
                link 1: `url`: there is no {traceid} (did you mean "trace_id"?); known are {trace_id}, {module}, {environment}, {release}, {server}, {fingerprint}, {project}, {location}, {from_ms}, {to_ms}, {tags.NAME}
                link 1: `url`: there is no {tag.x} (did you mean "tags.NAME"?); known are {trace_id}, {module}, {environment}, {release}, {server}, {fingerprint}, {project}, {location}, {from_ms}, {to_ms}, {tags.NAME}
                link 2: cannot match "modul" (did you mean "module"?); known are category, module, environment, url, method, location, detail, level, project, tags.NAME
                link 3: `url`: use http://HOST/… or https://HOST/…
                link 4: `url`: a placeholder cannot be a part of the host: an error would say where people go
                link 5: `url`: a brace stands alone; write {{ or }} for one that is meant
                link 6: `url`: use http://HOST/… or https://HOST/…"#]],
        );
    }

    #[test]
    fn whatever_an_error_says_a_url_is_bounded_and_ends_nowhere_else() {
        let links = links(EVERY).unwrap();
        for alert in sample::every() {
            let mut event = alert.event.clone().unwrap_or_default();
            event.attributes = alert.attributes.clone();
            event.tags = vec![("team-name".into(), alert.attributes.detail.clone())];
            let seen = links.of(&alert, &event, Locale::En);
            assert!(seen.iter().map(|link| link.url.len()).sum::<usize>() <= ALL_CHARS);
            for Link { url, .. } in seen {
                assert!(url.is_ascii() && !url.contains(['(', ')', '<', '>', '"', '\'', '|', '`', ' ', '{']), "{url}");
                let host = Url::parse(&url).unwrap().host_str().unwrap().to_owned();
                assert!(["jaeger.example", "logs.example", "code.example"].contains(&&*host), "{url}");
            }
        }
    }
}
