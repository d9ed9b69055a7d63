//! Keys that are known by their shape: an issuer's prefix and enough of its alphabet, and private keys in PEM.
//!
//! Each prefix is looked for at its rarest byte (the pivot), so that ordinary words do not wake the rule.

use memchr::memmem;

use super::Rule;
use super::scan::{Step, begins, run};

/// The bytes at which a shape may be recognised.
pub(super) const PIVOTS: &[u8] = b"KI_zx-G";

struct Shape {
    prefix: &'static [u8],
    /// The pivot's place in the prefix.
    pivot: usize,
    /// Bytes behind the prefix, at least.
    rest_min: usize,
    /// What the rest may hold besides letters and digits.
    also: &'static [u8],
}

const fn shape(prefix: &'static str, pivot: usize, rest_min: usize, also: &'static str) -> Shape {
    Shape { prefix: prefix.as_bytes(), pivot, rest_min, also: also.as_bytes() }
}

fn shapes(pivot: u8) -> &'static [Shape] {
    match pivot {
        // AWS access key ids, permanent and temporary.
        b'K' => const { &[shape("AKIA", 1, 16, "")] },
        b'I' => const { &[shape("ASIA", 2, 16, "")] },
        // Google; SendGrid.
        b'z' => const { &[shape("AIza", 2, 30, "-_")] },
        b'G' => const { &[shape("SG.", 1, 40, "-_.")] },
        // Slack.
        b'x' => {
            const {
                &[
                    shape("xoxa-", 0, 10, "-"),
                    shape("xoxb-", 0, 10, "-"),
                    shape("xoxe-", 0, 10, "-"),
                    shape("xoxp-", 0, 10, "-"),
                    shape("xoxr-", 0, 10, "-"),
                    shape("xoxs-", 0, 10, "-"),
                    shape("xapp-", 0, 10, "-"),
                ]
            }
        }
        // GitLab; the models' APIs.
        b'-' => {
            const {
                &[
                    shape("glpat-", 5, 16, "-_"),
                    shape("sk-proj-", 2, 20, "-_"),
                    shape("sk-ant-", 2, 20, "-_"),
                    shape("sk-", 2, 32, ""),
                ]
            }
        }
        // GitHub; npm; Stripe and Toss Payments.
        b'_' => {
            const {
                &[
                    shape("ghp_", 3, 20, ""),
                    shape("gho_", 3, 20, ""),
                    shape("ghu_", 3, 20, ""),
                    shape("ghs_", 3, 20, ""),
                    shape("ghr_", 3, 20, ""),
                    shape("github_pat_", 6, 20, "_"),
                    shape("npm_", 3, 30, ""),
                    shape("sk_live_", 2, 10, "_"),
                    shape("sk_test_", 2, 10, "_"),
                    shape("rk_live_", 2, 10, "_"),
                    shape("live_sk_", 7, 10, "_"),
                    shape("test_sk_", 7, 10, "_"),
                    shape("whsec_", 5, 16, "+/="),
                ]
            }
        }
        _ => &[],
    }
}

/// At a pivot: the key around it. `_` and `-` are frequent in identifiers: most cost no more than a look at the bytes
/// next to them.
#[inline]
pub(super) fn at_pivot(text: &[u8], floor: usize, at: usize) -> Step {
    match may_be_prefix(text, at) {
        true => find(text, floor, at).unwrap_or(Step::On(at + 1)),
        false => Step::On(at + 1),
    }
}

/// Whether the bytes next to a pivot are those of one of its prefixes.
#[inline]
fn may_be_prefix(text: &[u8], at: usize) -> bool {
    let after = text.get(at + 1).copied().unwrap_or(0);
    let before = if at > 0 { text[at - 1] } else { 0 };
    let second = || if at > 1 { text[at - 2] } else { 0 };
    match text[at] {
        b'_' => match before {
            b'p' | b'o' | b'u' | b's' | b'r' => second() == b'h',
            b'k' => matches!(second(), b's' | b'r'),
            b'b' => second() == b'u',
            b'm' => second() == b'p',
            b'c' => second() == b'e',
            _ => false,
        },
        b'-' => after == b'-' || before == b'k' || before == b't',
        b'x' => matches!(after, b'o' | b'a'),
        b'K' | b'I' => before == b'A' || before == b'S',
        b'z' => before == b'I',
        b'G' => before == b'S',
        _ => false,
    }
}

fn find(text: &[u8], floor: usize, at: usize) -> Option<Step> {
    if text[at..].starts_with(PEM_OPENING) {
        return Some(private_key(text, at));
    }
    for shape in shapes(text[at]) {
        let Some(start) = at.checked_sub(shape.pivot).filter(|start| *start >= floor) else { continue };
        if !text[start..].starts_with(shape.prefix) || !begins(text, floor, start) {
            continue;
        }
        let rest = start + shape.prefix.len();
        let end = rest + run(text, rest, |b| b.is_ascii_alphanumeric() || shape.also.contains(&b));
        if end - rest >= shape.rest_min {
            return Some(Step::Hit { start, end, rule: Rule::Secret });
        }
    }
    None
}

const PEM_OPENING: &[u8] = b"-----BEGIN ";
const PEM_CLOSING: &[u8] = b"-----END ";

/// A whole private key, from the opening line to the closing one, or to the text's end when that was cut off.
fn private_key(text: &[u8], start: usize) -> Step {
    let label = start + PEM_OPENING.len();
    let Some(body) = label_end(text, label).filter(|end| memmem::find(&text[label..*end], b"PRIVATE KEY").is_some())
    else {
        return Step::On(label);
    };
    let end = match memmem::find(&text[body..], PEM_CLOSING) {
        Some(closing) => {
            let label = body + closing + PEM_CLOSING.len();
            label_end(text, label).unwrap_or(label)
        }
        None => text.len(),
    };
    Step::Hit { start, end, rule: Rule::Secret }
}

/// The end of `RSA PRIVATE KEY-----`.
fn label_end(text: &[u8], label: usize) -> Option<usize> {
    let dashes = label + run(text, label, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
    text[dashes..].starts_with(b"-----").then_some(dashes + 5)
}
