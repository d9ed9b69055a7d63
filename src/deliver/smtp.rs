//! A mail server as it is configured: one URL.
//!
//! Promises: pure; without a word to the contrary nothing is said in the clear, and a password never. The error says
//! what is wrong and never the URL, which holds a password. Deliberately not here: the connection (`courier`).

use std::net::IpAddr;
use std::path::PathBuf;

use url::{Host, Url};

use crate::config::{Secret, percent_decoded};

use super::address;

/// A server that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its name, which its certificate must have, or its address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    /// A certificate authority besides the system's: a PEM file.
    pub(crate) ca: Option<PathBuf>,
    /// User and password.
    pub(crate) login: Option<(String, Secret)>,
}

/// How the connection is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// From the first byte: `smtps://`.
    Implicit,
    /// By STARTTLS, without which nothing is sent: `smtp://`.
    Upgraded,
    /// Not at all: `smtp://…?tls=none`.
    None,
}

impl Server {
    /// Reads `smtps://USER:PASSWORD@HOST:PORT`.
    pub(crate) fn read(url: &Secret, allow_private: bool) -> Result<Server, String> {
        let url = Url::parse(url.expose()).map_err(|e| format!("not a URL: {e}"))?;
        let mut tls = match url.scheme() {
            "smtps" => Tls::Implicit,
            "smtp" => Tls::Upgraded,
            other => return Err(format!("the scheme is {other:?}; use smtps:// (TLS) or smtp:// (STARTTLS)")),
        };
        let mut ca = None;
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                ("tls", "none") if tls == Tls::Upgraded => tls = Tls::None,
                ("ca", path) if !path.is_empty() => ca = Some(PathBuf::from(path)),
                _ => return Err("after `?` there may be `ca=FILE`, or with smtp:// `tls=none`".to_owned()),
            }
        }
        if !matches!(url.path(), "" | "/") {
            return Err("the URL has a path, which a mail server has not".to_owned());
        }
        let (host, literal) = match url.host() {
            // Not one of the web's schemes: an address is not recognised by itself.
            Some(Host::Domain(name)) => (name.to_owned(), name.parse::<IpAddr>().ok()),
            Some(Host::Ipv4(v4)) => (v4.to_string(), Some(IpAddr::V4(v4))),
            Some(Host::Ipv6(v6)) => (v6.to_string(), Some(IpAddr::V6(v6))),
            None => return Err("the URL names no host".to_owned()),
        };
        if let Some(literal) = literal {
            address::check(literal, allow_private).map_err(|refused| refused.to_string())?;
        }
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some((percent_decoded(user)?, Secret::new(percent_decoded(password)?)))
            }
            _ => return Err("user and password go together: smtps://USER:PASSWORD@HOST".to_owned()),
        };
        if tls == Tls::None && login.is_some() {
            return Err("a password is not sent without TLS; leave out `tls=none`, or user and password".to_owned());
        }
        let usual = match tls {
            Tls::Implicit => 465,
            Tls::Upgraded => 587,
            Tls::None => 25,
        };
        Ok(Server { host, port: url.port().unwrap_or(usual), tls, ca, login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_one_url() {
        let read = |url: &str| Server::read(&Secret::new(url), true);
        let server = |host: &str, port, tls, login: Option<(&str, &str)>| Server {
            host: host.to_owned(),
            port,
            tls,
            ca: None,
            login: login.map(|(user, password)| (user.to_owned(), Secret::new(password))),
        };
        let good = [
            ("smtps://mail.example.com", server("mail.example.com", 465, Tls::Implicit, None)),
            (
                "smtp://kim%40example.com:a%3Ab@mail.example.com",
                server("mail.example.com", 587, Tls::Upgraded, Some(("kim@example.com", "a:b"))),
            ),
            ("smtp://127.0.0.1:2525?tls=none", server("127.0.0.1", 2525, Tls::None, None)),
            ("smtps://[::1]:4650/", server("::1", 4650, Tls::Implicit, None)),
        ];
        for (url, expected) in good {
            assert_eq!(read(url), Ok(expected), "{url}");
        }
        assert_eq!(read("smtp://mail.example.com?ca=/etc/ca.pem").unwrap().ca, Some("/etc/ca.pem".into()));
        let bad = [
            ("https://hush@mail.example.com", "scheme"),
            ("smtp://u:hush@mail.example.com?tls=none", "without TLS"),
            ("smtp://u:hush@mail.example.com?tls=maybe", "tls=none"),
            ("smtps://hush@mail.example.com", "go together"),
            ("smtps://u:hush@169.254.169.254", "metadata"),
            ("smtps://u:hush@mail.example.com/path", "path"),
            ("hush", "not a URL"),
        ];
        for (url, expected) in bad {
            let why = read(url).unwrap_err();
            assert!(why.contains(expected) && !why.contains("hush"), "{url}: {why}");
        }
        assert!(Server::read(&Secret::new("smtps://10.0.0.7"), false).is_err());
    }
}
