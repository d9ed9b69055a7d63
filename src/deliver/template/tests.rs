//! Templates: what is refused at the start, what is made, and what becomes of an alert that one cannot lay out.

use expect_test::expect;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;
use crate::config::{Locale, Secret};
use crate::deliver::{Channel, Parcel, sample};

fn style() -> Style {
    let zone = TimeZone::get("Asia/Seoul").expect("it is bundled");
    Style {
        locale: Locale::Ko,
        zone,
        public_url: "https://bongsu.example".to_owned(),
        channel: "ops".into(),
        book: Arc::default(),
    }
}

fn compiled(content_type: &str, text: &str) -> Result<Template, String> {
    Template::new(&Source { file: None, text: text.to_owned() }, content_type, &style())
}

fn made(content_type: &str, text: &str, alert: &Alert) -> String {
    let template = compiled(content_type, text).unwrap_or_else(|why| panic!("{why}"));
    let (delivery, style) = (sample::delivery(alert.clone()), style());
    let made = template.render(&delivery, &Message::of_delivery(&delivery, &style), &style);
    String::from_utf8(made.unwrap_or_else(|why| panic!("{why}")).to_vec()).unwrap()
}

#[test]
fn what_cannot_work_is_refused_with_its_line_and_the_nearest_name() {
    let templates = [
        "{\n \"text\": {{ mesage.title }}\n}",
        "{% if kind == \"no such kind\" %}\n{{ message.titel }}{% endif %}1",
        "[{% for field in message.fields %}\n{{ field.lable }},{% endfor %}0]",
        "{{ exception.type }}",
        "[\n{{ kind }",
        "{{ kind|shout }}",
        "{% include \"other\" %}",
        "{\"text\": \"{{ message.title }}\"}",
        "{\"text\": \"{{ message.detail|safe }}\"}",
        "{{ kind|local }}",
        "{{ first_seen|local(\"%!\") }}",
        "[{% for i in range(10000) %}{% for j in range(10000) %}1,{% endfor %}{% endfor %}1]",
        "\"{% for i in range(5000) %}{{ (kind * 100)|in_quotes }}{% endfor %}\"",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ];
    let seen = templates.map(|text| match compiled("application/json", text) {
        Ok(_) => format!("it was taken: {text}"),
        Err(why) => why,
    });
    expect![[r#"
        `template`, line 2: there is no `mesage.title` (did you mean "message"?)
        `template`, line 2: there is no `message.titel` (did you mean "title"?)
        `template`, line 2: undefined value: `field.lable` is undefined; tried on "alert"
        `template`, line 1: undefined value: `exception.type` is undefined; tried on "closing"
        `template`, line 2: syntax error: unexpected `}`, expected end of variable block
        `template`, line 1: unknown filter: filter shout is unknown; tried on "alert"
        `template`, line 1: syntax error: unknown statement include
        `template` makes no JSON: expected `,` or `}` at line 1 column 12 (of what it makes). A value brings its own quotation marks: write {{ x }}, or "… {{ x|in_quotes }} …" inside of others; tried on "alert"
        `template` makes no JSON: expected `,` or `}` at line 1 column 26 (of what it makes). A value brings its own quotation marks: write {{ x }}, or "… {{ x|in_quotes }} …" inside of others; tried on "alert"
        `template`, line 1: invalid operation: local: alert is not a time; tried on "alert"
        `template`, line 1: invalid operation: local: strftime formatting failed: found unrecognized specifier directive `!`; tried on "alert"
        `template`, line 1: engine ran out of fuel; tried on "alert"
        `template`, line 1: engine ran out of fuel; tried on "alert"
        `template`, line 1: invalid operation: recursion limit exceeded; tried on "alert""#]].assert_eq(&seen.join("\n"));
}

/// Each of these took all memory, a minute or the process, or would on an alert that no trial is like.
#[test]
fn a_template_that_takes_more_than_its_share_is_refused() {
    let doubled = |what: &str| {
        format!(
            "{{% set ns = namespace() %}}{{% set ns.a = [1] %}}{{% for i in range(60) %}}{{% set ns.a = {what} %}}{{% endfor %}}{{{{ ns.a|length }}}}"
        )
    };
    let templates = [
        doubled("ns.a + ns.a"),
        format!("0\n{{% if occurrences > 100 %}}{}{{% endif %}}", doubled("ns.a + ns.a")),
        doubled("1 + 1 + (ns.a if i else 1)"),
        doubled("ns.a + ns.a|int(default=ns.a)"),
        "{% macro m(ordinal) %}{{ [1] + ordinal }}{% endmacro %}{{ m([2]) }}".to_owned(),
        doubled("ns.a|chain(ns.a)"),
        doubled("[ns.a, ns.a]|sum(start=[])"),
        format!("{{{{ kind{} }}}}", "|upper".repeat(12_000)),
    ];
    let seen = templates.map(|text| match compiled("text/plain", &text) {
        Ok(_) => format!("it was taken: {text}"),
        Err(why) => why,
    });
    let joins = "`+` joins no lists, so what stands right of it must plainly be a number or a text: write `a + b|int`, and join texts with `~`";
    let expected = [
        format!("`template`, line 1: {joins}"),
        format!("`template`, line 2: {joins}"),
        format!("`template`, line 1: {joins}"),
        format!("`template`, line 1: {joins}"),
        format!("`template`, line 1: {joins}"),
        "`template`, line 1: unknown filter: filter chain is unknown; tried on \"alert\"".to_owned(),
        "`template`, line 1: invalid operation: sum: `start` is a number; tried on \"alert\"".to_owned(),
        "`template` has 72010 bytes; 16384 are the most".to_owned(),
    ];
    assert_eq!(seen, expected);
}

/// On whatever stack: a test's has 2 MiB, as the server's threads.
#[test]
fn the_deepest_source_and_the_deepest_value_have_room() {
    let alert = sample::alert(1);
    assert_eq!(made("text/plain", &format!("{{{{ kind{} }}}}", "|e".repeat(8_000)), &alert), "alert");
    let deeper = "{% for i in range(6000) %}{% set ns.a = [[[[[[ns.a]]]]]] %}{% endfor %}";
    let nested = format!("{{% set ns = namespace() %}}{{% set ns.a = 1 %}}{deeper}{{{{ ns.a|length }}}}");
    assert_eq!(made("text/plain", &nested, &alert), "1");
}

#[test]
fn numbers_and_texts_are_added() {
    let text = "{{ 1 + ordinal }} {{ ordinal + 1 }} {{ ordinal + budget }} {{ kind + '!' }} {{ kind + kind|upper }} \
                {{ 1 + [1, 2]|length + [1, 2]|sum }}{% for f in message.fields %}{% if loop.first %} {{ loop.index + 1 }}{% endif %}{% endfor %}";
    let text = text.replace(" + [1, 2]|sum", " + [1, 2]|sum|int");
    assert_eq!(made("text/plain", &text, &sample::alert(2)), "3 3 7 alert! alertALERT 6 2");
}

const CARD: &str = r#"{
  "text": "[{{ attributes.environment|in_quotes }}] {{ message.title|in_quotes }}",
  "at": {{ last_seen|local("%H:%M") }},
  "seen": {{ occurrences }},
  "peak": {{ peak_per_minute }},
  "why": {{ message.why }},
  "facts": [{% for field in message.fields %}{{ field }}{% if not loop.last %}, {% endif %}{% endfor %}],
  "error": {% if exception %}{{ exception.type ~ ", " ~ (exception.frames|length) }}{% else %}null{% endif %},
  "link": {{ message.links[0].url }}
}"#;

#[test]
fn a_card_of_the_users_own() {
    let mut value: Json = serde_json::from_str(&made("application/json", CARD, &sample::alert(3))).unwrap();
    value["facts"].take();
    expect![[r#"
        {
          "at": "14:05",
          "error": "java.lang.NullPointerException, 2",
          "facts": null,
          "link": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
          "peak": null,
          "seen": 47,
          "text": "[prod] 🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException",
          "why": "같은 에러 반복 발생 · 지금까지 47건"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&value).unwrap());
    let closing: Json = serde_json::from_str(&made("application/json", CARD, &sample::closing(true))).unwrap();
    assert_eq!((&closing["peak"], &closing["error"]), (&json!(1_204), &Json::Null));
}

#[test]
fn a_value_is_data_in_json_whatever_it_says() {
    for alert in sample::every() {
        let value: Json = serde_json::from_str(&made("application/json", CARD, &alert)).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 8);
        assert_eq!(value["link"], "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001");
    }
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let alert = sample::all("<b>\"주문\"</b> & {{ kind }}");
    expect!["<p>&lt;b&gt;&quot;주문&quot;&lt;&#x2f;b&gt; &amp; {{ kind }}</p>"].assert_eq(&made(
        "text/html; charset=utf-8",
        "<p>{{ attributes.detail }}</p>",
        &alert,
    ));
    expect![[r#"alert: <b>"주문"</b> & {{ kind }}"#]].assert_eq(&made(
        "text/plain",
        "{{ kind }}: {{ attributes.detail }}",
        &alert,
    ));
    expect!["2026-11-23 14:02:11 KST, 11/23"].assert_eq(&made(
        "text/plain",
        "{{ first_seen|local }}, {{ first_seen|local('%m/%d') }}",
        &alert,
    ));
}

/// In the documented names: whatever the payload has, a template has.
#[test]
fn a_template_speaks_of_the_documented_payload() {
    let alert = sample::alert(1);
    let (delivery, style) = (sample::delivery(alert.clone()), style());
    let message = Message::of_delivery(&delivery, &style);
    let payload = serde_json::to_value(webhook::payload(&delivery, &message, &style)).unwrap();
    for name in payload.as_object().unwrap().keys() {
        let value: Json =
            serde_json::from_str(&made("application/json", &format!("{{{{ {name} }}}}"), &alert)).unwrap();
        assert_eq!(value, payload[name], "{name}");
    }
}

fn hook(keys: &str) -> Channel {
    sample::channel("webhook", &format!("url = \"https://x.example/hook\"\nsecret = \"whsec\"\n{keys}"), Locale::En)
}

/// The requests, and what was told meanwhile.
fn sent(channel: &Channel, alert: Alert) -> (Parcel, Vec<String>) {
    let mut told = Vec::new();
    let parcel = channel.compose_telling(&sample::delivery(alert), sample::NOW, &mut |why| told.push(why));
    (parcel, told)
}

/// Invariant: *Delivery.* A template that fails on an alert does not lose it.
#[test]
fn an_alert_that_a_template_cannot_lay_out_is_sent_in_the_plain_form() {
    // Alerts of the trials have no seventh ordinal.
    let fails = "{% if ordinal == 7 %}{{ kind.nothing.at_all }}{% endif %}";
    let seventh = || Alert { ordinal: 7, ..sample::alert(5) };
    let json = hook(&format!("template = '{fails}{{\"kind\": {{{{ kind }}}}}}'"));
    let (Parcel::Post { headers, body, .. }, told) = sent(&json, seventh()) else { panic!("it posts") };
    let value: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!((&value["ordinal"], &value["kind"]), (&json!(7), &json!("alert")));
    assert!(headers.iter().any(|(name, value)| name == "Content-Type" && value.expose() == "application/json"));
    expect!["the template, line 1: undefined value: `kind.nothing` is undefined"].assert_eq(&told.join("\n"));

    let text = hook(&format!("content_type = \"text/x-alert\"\ntemplate = '{fails}{{{{ kind }}}}'"));
    let (Parcel::Post { headers, body, .. }, told) = sent(&text, seventh()) else { panic!("it posts") };
    assert!(String::from_utf8_lossy(&body).contains("Details: https://bongsu.example"));
    assert!(headers.iter().any(|(_, value)| value.expose() == "text/plain; charset=utf-8") && told.len() == 1);
    let (_, told) = sent(&text, sample::alert(1));
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn the_signature_is_over_what_the_template_made_and_the_method_is_the_configured_one() {
    let channel = hook("method = \"PUT\"\ncontent_type = \"text/plain\"\ntemplate = \"{{ kind }}\"");
    let (Parcel::Put { headers, body, .. }, _) = sent(&channel, sample::alert(1)) else { panic!("it puts") };
    assert_eq!(body, "alert");
    let of = |headers: &[(String, Secret)], name: &str| {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_owned())
    };
    let t = sample::NOW.ms() / 1_000;
    let mut mac = <Hmac<Sha256>>::new_from_slice(b"whsec").unwrap();
    mac.update(format!("{t}.alert").as_bytes());
    let v1: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(of(&headers, "X-Bongsu-Signature"), Some(format!("t={t},v1={v1}")));
    // Another delivery has another key, though it says the same.
    let (Parcel::Put { headers: others, .. }, _) = sent(&channel, sample::alert(3)) else { panic!("it puts") };
    assert_ne!(of(&headers, "Idempotency-Key"), of(&others, "Idempotency-Key"));
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let refused = |keys: &str| {
        let toml = format!("[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"https://x.example\"\n{keys}");
        crate::deliver::Channels::new(&toml::from_str(&toml).unwrap()).unwrap_err()
    };
    expect![[r#"channel "ops": `content_type` needs a `template`"#]]
        .assert_eq(&refused("content_type = \"text/plain\""));
    expect![[r#"channel "ops": `content_type`: "plain" is none, such as "text/plain""#]]
        .assert_eq(&refused("content_type = \"plain\"\ntemplate = \"x\""));
    expect![[r#"channel "ops": `template`, line 1: there is no `x`"#]].assert_eq(&refused("template = \"{{ x }}\""));
    let toml = "[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"https://x.example\"\nmethod = \"GET\"";
    assert!(toml::from_str::<crate::config::Config>(toml).is_err());
}
