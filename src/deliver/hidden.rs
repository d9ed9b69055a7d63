//! What answers, payloads and errors may quote of a channel's configuration, and people must not read.
//!
//! Promises: pure; every secret in each of the spellings in which a far side gives it back: as it is, in parts, in JSON,
//! percent-encoded, and in the base64 of a login. Deliberately not here: taking them out of a text (`text::hide`).

use url::Url;

use crate::config::{self, percent_decoded};

use super::links::encode;
use super::smtp::Server;

/// Shorter parts of a URL are words (`services`, `hook`), not tokens; hiding them would make answers unreadable.
const TOKEN_CHARS_MIN: usize = 8;

/// Everything of the configured channel that lets others in, the longest first.
pub(super) fn of(configured: &config::Channel, url: Option<&Url>) -> Vec<String> {
    let mut hidden: Vec<String> = Vec::new();
    for value in configured.headers.values() {
        let value = value.expose();
        hidden.push(value.to_owned());
        // `Bearer x`, `Token token="x"`, `session=x; theme=y`.
        hidden.extend(value.split_whitespace().map(str::to_owned));
        hidden.extend(value.split([' ', '\t', ',', ';', '=', '"']).map(str::to_owned));
    }
    let config::Channel { secret, token, signing_secret, routing_key, smtp, .. } = configured;
    let secrets = [secret, token, signing_secret, routing_key, smtp];
    hidden.extend(configured.services.iter().map(|service| service.expose().to_owned()));
    hidden.extend(secrets.into_iter().flatten().map(|secret| secret.expose().to_owned()));
    if let Some(url) = url {
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        if !user.is_empty() || password.is_some() {
            hidden.push(base64(format!("{user}:{}", password.as_deref().unwrap_or_default()).as_bytes()));
        }
        hidden.extend([url.username().to_owned(), user]);
        hidden.extend(url.password().map(str::to_owned).into_iter().chain(password));
        let segments = || url.path_segments().into_iter().flatten();
        hidden.extend(segments().map(str::to_owned).chain(segments().map(decoded)));
        hidden.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        hidden.push(url.path().to_owned());
        hidden.push(url.to_string());
    }
    // A bot's token is a number and the secret.
    hidden.extend(configured.token.iter().flat_map(|token| token.expose().split(':')).map(str::to_owned));
    if let Some((user, password)) =
        configured.smtp.as_ref().and_then(|url| Server::read(url, true).ok()).and_then(|server| server.login)
    {
        let password = password.expose();
        // As `AUTH PLAIN` and `AUTH LOGIN` say it.
        hidden.extend([base64(format!("\0{user}\0{password}").as_bytes()), base64(password.as_bytes())]);
        hidden.push(password.to_owned());
    }
    hidden.extend(configured.url.iter().map(|url| url.expose().to_owned()));
    hidden.retain(|text| text.chars().count() >= TOKEN_CHARS_MIN);
    let spelt: Vec<String> = hidden.iter().flat_map(|secret| spellings(secret)).collect();
    hidden.extend(spelt);
    hidden.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    hidden.dedup();
    hidden
}

/// Without its percent signs, where they are of an encoding.
fn decoded(text: &str) -> String {
    percent_decoded(text).unwrap_or_else(|_| text.to_owned())
}

/// As it stands in a JSON text, with and without an escaped `/`, in a URL, and in a form.
fn spellings(secret: &str) -> [String; 4] {
    let json = serde_json::Value::String(secret.to_owned()).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let mut percent = String::new();
    encode(secret, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), &mut percent);
    let form = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    [json.replace('/', "\\/"), json, percent, form]
}

/// Of RFC 4648, with its padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().chain([0, 0].iter()).take(3).fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..4 {
            match digit <= three.len() {
                true => out.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63])),
                false => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::text::hide;

    #[test]
    fn a_secret_is_hidden_in_every_spelling_that_a_far_side_quotes() {
        let toml = r#"
            [[channel]]
            name = "hook"
            type = "webhook"
            url = "https://user-of-ours:pass%2Fword%3A1@x.example/hook/path%20token?key=query-token"
            secret = "signing+secret/1"
            headers = { Authorization = "Bearer bearer-token-1", Cookie = "session=cookie-token; theme=x", X-Key = 'quo"ted-key' }
            [[channel]]
            name = "mail"
            type = "email"
            smtp = "smtps://kim:pass-word@mail.example"
            from = "a@mail.example"
            to = ["b@mail.example"]
        "#;
        let config: config::Config = toml::from_str(toml).unwrap();
        let of = |channel: &config::Channel| {
            super::of(channel, channel.url.as_ref().map(|url| Url::parse(url.expose()).unwrap()).as_ref())
        };
        let hook = of(&config.channel[0]);
        for said in [
            "bearer-token-1",
            "user-of-ours",
            "pass/word:1",
            "pass%2Fword%3A1",
            "pass\\/word:1",
            "dXNlci1vZi1vdXJzOnBhc3Mvd29yZDox",
            "path token",
            "path%20token",
            "query-token",
            "signing+secret\\/1",
            "signing%2Bsecret%2F1",
            "cookie-token",
            "quo\\\"ted-key",
            "quo%22ted-key",
            "Bearer+bearer-token-1",
        ] {
            assert_eq!(hide(&format!("unknown: {said}."), &hook), "unknown: (hidden).", "{said}");
        }
        let said = "invalid login in 3 steps, theme Bearer";
        assert_eq!(hide(said, &hook), said);
        let mail = of(&config.channel[1]);
        for said in ["pass-word", "AGtpbQBwYXNzLXdvcmQ=", "cGFzcy13b3Jk"] {
            assert_eq!(hide(said, &mail), "(hidden)", "{said}");
        }
    }

    #[test]
    fn base64_is_the_standards() {
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), expected, "RFC 4648, section 10");
        }
    }
}
