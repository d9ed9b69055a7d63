//! Which addresses outgoing requests may reach.
//!
//! Promises: link-local and cloud metadata addresses are never reached, whatever the configuration says, and however
//! they are written: as a name, as a literal in any notation, or wrapped in an IPv6 transition format. Private and
//! loopback addresses only when the configuration allows them. Deliberately not here: names; a name's addresses are
//! checked when they are resolved for the connection, so that a name cannot change between check and use.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// An address that bongsu does not send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    address: IpAddr,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Metadata,
    LinkLocal,
    NoHost,
    Private,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Metadata => "a cloud metadata address, which is never reached",
            Why::LinkLocal => "a link-local address, which is never reached",
            Why::NoHost => "not the address of one host",
            Why::Private => "a private or loopback address; set `outgoing.allow_private = true` to reach it",
        };
        write!(f, "{} is {why}", self.address)
    }
}

impl std::error::Error for Refused {}

/// Whether an outgoing request may reach the address.
pub(crate) fn check(address: IpAddr, allow_private: bool) -> Result<(), Refused> {
    let (own, inner) = match address {
        IpAddr::V4(v4) => (verdict_v4(v4), None),
        IpAddr::V6(v6) => (verdict_v6(v6), inside(v6).and_then(verdict_v4)),
    };
    // The stricter of the two: the inside of a link-local address may be a public one.
    let why = [own, inner].into_iter().flatten().min_by_key(|why| *why == Why::Private);
    match why {
        None => Ok(()),
        Some(Why::Private) if allow_private => Ok(()),
        Some(why) => Err(Refused { address, why }),
    }
}

/// The IPv4 address inside of an IPv6 one, for the formats that carry one: the network would deliver to it.
fn inside(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        // Mapped, and translated without a state (SIIT).
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0, 0, 0, 0, 0xffff, 0, a, b] => v4(a, b),
        // NAT64: its prefix, and a network's own (RFC 8215), the address at the end or right behind the prefix (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, a, b] => v4(a, b),
        [0x64, 0xff9b, 1, a, b @ 0..=0xff, c, 0, 0] => v4(a, (b << 8) | (c >> 8)),
        [0x64, 0xff9b, 1, .., a, b] => v4(a, b),
        // 6to4, Teredo, ISATAP.
        [0x2002, a, b, ..] => v4(a, b),
        [0x2001, 0, .., a, b] => v4(!a, !b),
        [.., 0 | 0x200, 0x5efe, a, b] => v4(a, b),
        [0, 0, 0, 0, 0, 0, a, b] if a != 0 => v4(a, b),
        _ => None,
    }
}

fn verdict_v4(v4: Ipv4Addr) -> Option<Why> {
    let [a, b, c, d] = v4.octets();
    match (a, b, c, d) {
        // AWS and most others, Alibaba, Oracle, Azure's host agent.
        (169, 254, 169, 254) | (100, 100, 100, 200) | (192, 0, 0, 192) | (168, 63, 129, 16) => Some(Why::Metadata),
        (169, 254, ..) => Some(Why::LinkLocal),
        // "This" network, multicast, reserved and broadcast.
        (0, ..) | (224..=255, ..) => Some(Why::NoHost),
        (10 | 127, ..) | (172, 16..=31, ..) | (192, 168, ..) | (100, 64..=127, ..) | (198, 18..=19, ..) => {
            Some(Why::Private)
        }
        _ => None,
    }
}

fn verdict_v6(v6: Ipv6Addr) -> Option<Why> {
    match v6.segments() {
        // AWS, which has the time and the credentials of containers there too, and Google.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, _] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Some(Why::Metadata),
        [0xfe80..=0xfebf, ..] => Some(Why::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Why::NoHost),
        _ if v6.is_unspecified() => Some(Why::NoHost),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some(Why::Private),
        _ if v6.is_loopback() => Some(Why::Private),
        _ => None,
    }
}

/// Reads a URL that requests may be sent to. The error says what is wrong, and never the URL, which is a secret.
pub(crate) fn check_url(url: &str, allow_private: bool) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|e| format!("not a URL: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme is {:?}; use http:// or https://", url.scheme()));
    }
    let literal = match url.host() {
        None => return Err("the URL names no host".to_owned()),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
    };
    match literal.map_or(Ok(()), |address| check(address, allow_private)) {
        Ok(()) => Ok(url),
        Err(refused) => Err(refused.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_their_kind() {
        const NEVER: (bool, bool) = (false, false);
        const ALLOWED: (bool, bool) = (true, false);
        const PUBLIC: (bool, bool) = (true, true);
        let table = [
            ("8.8.8.8", PUBLIC),
            ("2606:4700::1111", PUBLIC),
            ("172.32.0.1", PUBLIC),
            ("100.128.0.1", PUBLIC),
            ("169.253.255.255", PUBLIC),
            ("169.254.169.254", NEVER),
            ("169.254.0.1", NEVER),
            ("100.100.100.200", NEVER),
            ("192.0.0.192", NEVER),
            ("fd00:ec2::254", NEVER),
            ("fd20:ce::254", NEVER),
            ("fe80::1", NEVER),
            ("febf::1", NEVER),
            ("0.0.0.0", NEVER),
            ("0.1.2.3", NEVER),
            ("::", NEVER),
            ("224.0.0.1", NEVER),
            ("255.255.255.255", NEVER),
            ("ff02::1", NEVER),
            ("127.0.0.1", ALLOWED),
            ("127.8.8.8", ALLOWED),
            ("::1", ALLOWED),
            ("10.1.2.3", ALLOWED),
            ("172.16.0.1", ALLOWED),
            ("172.31.255.255", ALLOWED),
            ("192.168.0.1", ALLOWED),
            ("100.64.0.1", ALLOWED),
            ("fc00::1", ALLOWED),
            ("fd12:3456::1", ALLOWED),
            ("::ffff:169.254.169.254", NEVER),
            ("::ffff:127.0.0.1", ALLOWED),
            ("::ffff:8.8.8.8", PUBLIC),
            ("::127.0.0.1", ALLOWED),
            ("64:ff9b::169.254.169.254", NEVER),
            ("2002:a9fe:a9fe::1", NEVER),
            ("2002:7f00:1::", ALLOWED),
            ("fd00:ec2::23", NEVER),
            ("::ffff:0:a9fe:a9fe", NEVER),
            ("::ffff:0:7f00:1", ALLOWED),
            ("::ffff:0:808:808", PUBLIC),
            ("64:ff9b:1::a9fe:a9fe", NEVER),
            ("64:ff9b:1:7:8:9:a00:1", ALLOWED),
            ("64:ff9b:1:a9fe:a9:fe00::", NEVER),
            ("64:ff9b:1::808:808", PUBLIC),
            ("2001:db8::5efe:a9fe:a9fe", NEVER),
            ("2001:db8::200:5efe:a9fe:a9fe", NEVER),
            ("2001:db8::5efe:808:808", PUBLIC),
            ("fe80::5efe:808:808", NEVER),
            ("fe80::5efe:a00:1", NEVER),
            ("fd12:3456::5efe:808:808", ALLOWED),
            ("fd12:3456::5efe:a9fe:a9fe", NEVER),
            ("2001:0:4136:e378:8000:63bf:5601:5601", NEVER),
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", ALLOWED),
            ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", PUBLIC),
        ];
        for (text, expected) in table {
            let address: IpAddr = text.parse().unwrap();
            let seen = (check(address, true).is_ok(), check(address, false).is_ok());
            assert_eq!(seen, expected, "{text}");
        }
    }

    #[test]
    fn urls_with_a_literal_are_checked_in_every_notation() {
        let never = [
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://0251.0376.0251.0376/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "hooks.example.com/x",
            "",
        ];
        for url in never {
            assert!(check_url(url, true).is_err(), "{url}");
        }
        assert!(check_url("http://127.1/hook", true).is_ok());
        assert!(check_url("http://127.1/hook", false).is_err());
        assert!(check_url("https://hooks.example.com/services/T0/B0/x", false).is_ok());
    }

    #[test]
    fn a_refusal_says_what_and_not_the_url() {
        let error = check_url("http://10.0.0.7/token-abc", false).unwrap_err();
        assert!(error.contains("10.0.0.7") && error.contains("allow_private") && !error.contains("token"), "{error}");
    }
}
