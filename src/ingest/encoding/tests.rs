//! Real bodies, bodies that were cut or damaged, and bodies made to hurt.

use expect_test::{Expect, expect};
use libdeflater::{CompressionLvl, Compressor};
use proptest::prelude::*;

use super::*;

const EVENT: &[u8] = include_bytes!("../../../tests/data/encodings/event.json");
const EVENT_BR: &[u8] = include_bytes!("../../../tests/data/encodings/event.json.br");
const EVENT_ZST: &[u8] = include_bytes!("../../../tests/data/encodings/event.json.zst");
/// Two frames as a stream writes them (no sizes, with checksums), a skippable one between them.
const EVENT_FRAMES_ZST: &[u8] = include_bytes!("../../../tests/data/encodings/event.frames.json.zst");
const ZEROS_GZ_GZ: &[u8] = include_bytes!("../../../tests/data/encodings/zeros-1gb.gz.gz");
const ZEROS_BR: &[u8] = include_bytes!("../../../tests/data/encodings/zeros-1gb.br");
const ZEROS_ZST: &[u8] = include_bytes!("../../../tests/data/encodings/zeros-1gb.zst");
/// A frame whose header asks for a window of 2 GiB.
const WINDOW_ZST: &[u8] = include_bytes!("../../../tests/data/encodings/window-2gb.zst");

const LIMIT: usize = 1 << 20;

type Method = fn(&mut Compressor, &[u8], &mut [u8]) -> Result<usize, libdeflater::CompressionError>;

fn compress(method: Method, text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; text.len() + 1024];
    let len = method(&mut Compressor::new(CompressionLvl::default()), text, &mut out).expect("there is room");
    out.truncate(len);
    out
}

fn gzip(text: &[u8]) -> Vec<u8> {
    compress(Compressor::gzip_compress, text)
}

fn zlib(text: &[u8]) -> Vec<u8> {
    compress(Compressor::zlib_compress, text)
}

fn raw(text: &[u8]) -> Vec<u8> {
    compress(Compressor::deflate_compress, text)
}

fn decoded(encoding: &str, body: &[u8], limit: usize) -> Result<Vec<u8>, Undecodable> {
    decode(Some(encoding), body, limit, &mut Scratch::default()).map(<[u8]>::to_vec)
}

fn check_refused(encoding: &str, body: &[u8], expected: Expect) {
    expected.assert_eq(&decoded(encoding, body, LIMIT).expect_err("refused").to_string());
}

/// The same event in every encoding.
fn every_encoding() -> [(&'static str, Vec<u8>); 6] {
    [
        ("gzip", gzip(EVENT)),
        ("deflate", zlib(EVENT)),
        ("deflate", raw(EVENT)),
        ("br", EVENT_BR.to_vec()),
        ("zstd", EVENT_ZST.to_vec()),
        ("zstd", EVENT_FRAMES_ZST.to_vec()),
    ]
}

#[test]
fn every_encoding_is_undone() {
    let mut scratch = Scratch::default();
    for (encoding, body) in every_encoding() {
        for name in [encoding.to_owned(), format!(" , {} ,identity", encoding.to_uppercase())] {
            assert_eq!(decode(Some(&name), &body, LIMIT, &mut scratch), Ok(EVENT), "{name}");
        }
        assert_eq!(decoded(encoding, &body, EVENT.len()).as_deref(), Ok(EVENT), "the limit itself is allowed");
        let limit = EVENT.len() - 1;
        assert_eq!(decoded(encoding, &body, limit), Err(Undecodable::TooLarge { limit }), "{encoding}");
    }
    assert_eq!(decoded("x-gzip", &gzip(EVENT), LIMIT).as_deref(), Ok(EVENT));
}

#[test]
fn a_body_without_an_encoding_is_not_copied() {
    for encoding in [None, Some(""), Some("identity"), Some("Identity, ,")] {
        let mut scratch = Scratch::default();
        let body = decode(encoding, EVENT, EVENT.len(), &mut scratch).unwrap();
        assert!(std::ptr::eq(body, EVENT));
        assert_eq!(decode(encoding, EVENT, 9, &mut scratch), Err(Undecodable::TooLarge { limit: 9 }));
    }
}

#[test]
fn layers_are_undone_from_the_outermost() {
    assert_eq!(decoded("br, gzip", &gzip(EVENT_BR), LIMIT).as_deref(), Ok(EVENT));
    assert_eq!(decoded("zstd, gzip, deflate", &zlib(&gzip(EVENT_ZST)), LIMIT).as_deref(), Ok(EVENT));
    assert_eq!(decoded("gzip,gzip", &gzip(&gzip(b"")), LIMIT).as_deref(), Ok(&b""[..]));
    check_refused("gzip, br", &gzip(EVENT_BR), expect!["the body is not valid br: its data makes no sense"]);
    check_refused(
        "gzip, gzip, gzip, gzip",
        EVENT,
        expect!["4 content encodings lie around each other; at most 3 are undone"],
    );
}

#[test]
fn what_is_refused_says_why() {
    check_refused(
        "gzip, compress",
        EVENT,
        expect![[r#"content encoding "compress" is not supported; send gzip, deflate, br, zstd or identity"#]],
    );
    let long = decoded(&"가".repeat(99), EVENT, LIMIT);
    assert_eq!(long, Err(Undecodable::Unsupported("가".repeat(SHOWN_CHARS_MAX))));
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let why = "it is empty".to_owned();
        assert_eq!(decoded(encoding, b"", LIMIT), Err(Undecodable::Corrupt { encoding, why }));
        assert!(matches!(decoded(encoding, EVENT, LIMIT), Err(Undecodable::Corrupt { .. })), "{encoding}");
    }
    check_refused("br", &EVENT_BR[..99], expect!["the body is not valid br: it ends too early"]);
    check_refused(
        "zstd",
        WINDOW_ZST,
        expect![
            "the body is not valid zstd: it needs a window of 2147483648 bytes, and at most 8388608 are given; compress without --long"
        ],
    );
    check_refused("zstd", EVENT, expect!["the body is not valid zstd: it does not begin with a frame"]);
    check_refused(
        "gzip",
        EVENT,
        expect!["the body is not valid gzip: it was cut short, or its data or checksum is wrong"],
    );
}

#[test]
fn a_body_that_was_cut_is_an_error_wherever_it_was_cut() {
    let members = [gzip(&EVENT[..99]), gzip(&EVENT[99..])];
    let whole = |len: usize| len == members[0].len();
    for len in 0..members.concat().len() {
        let body = &members.concat()[..len];
        assert_eq!(decoded("gzip", body, LIMIT).is_ok(), whole(len), "gzip of {len} bytes");
    }
    for (encoding, body) in &every_encoding()[1..5] {
        for len in 0..body.len() {
            let result = decoded(encoding, &body[..len], LIMIT);
            assert!(matches!(result, Err(Undecodable::Corrupt { .. })), "{encoding} of {len} bytes: {result:?}");
        }
    }
}

#[test]
fn what_follows_is_part_of_the_body_or_an_error() {
    let twice = [EVENT, EVENT].concat();
    assert_eq!(decoded("gzip", &[gzip(EVENT), gzip(EVENT)].concat(), LIMIT), Ok(twice.clone()), "equal members");
    assert_eq!(decoded("gzip", &[gzip(b""), gzip(EVENT), gzip(b""), gzip(EVENT)].concat(), LIMIT), Ok(twice.clone()));
    assert_eq!(decoded("gzip", &[gzip(EVENT), vec![0; 512]].concat(), LIMIT).as_deref(), Ok(EVENT), "padding");
    assert_eq!(decoded("zstd", &[EVENT_ZST, EVENT_FRAMES_ZST].concat(), LIMIT), Ok(twice));
    for (encoding, body) in every_encoding().into_iter().filter(|(_, body)| *body != raw(EVENT)) {
        let result = decoded(encoding, &[body, b"more".to_vec()].concat(), LIMIT);
        let why = "something follows its end".to_owned();
        assert_eq!(result, Err(Undecodable::Corrupt { encoding: known(encoding), why }), "{encoding}");
    }
}

fn known(encoding: &str) -> &'static str {
    codings(encoding).expect("known")[0].name()
}

#[test]
fn a_wrong_checksum_is_an_error() {
    for (encoding, mut body) in every_encoding().into_iter().filter(|(name, body)| *name != "br" && *body != raw(EVENT))
    {
        // gzip's checksum is followed by the length.
        let at = body.len() - if encoding == "gzip" { 8 } else { 4 };
        body[at] ^= 1;
        assert!(matches!(decoded(encoding, &body, LIMIT), Err(Undecodable::Corrupt { .. })), "{encoding}");
    }
}

#[test]
fn a_bomb_takes_no_more_than_the_limit() {
    let bomb = decoded("gzip", ZEROS_GZ_GZ, 2 << 20).expect("the outer layer is small");
    let deflated = &bomb[10..];
    let zlib = [&[0x78, 0x9C], deflated].concat();
    let lying = [&bomb[..bomb.len() - 4], &u32::MAX.to_le_bytes()].concat();
    for (encoding, body) in [
        ("gzip", &bomb[..]),
        ("gzip", &lying),
        ("gzip, gzip", ZEROS_GZ_GZ),
        ("deflate", &zlib),
        ("deflate", deflated),
        ("br", ZEROS_BR),
        ("zstd", ZEROS_ZST),
    ] {
        let limit = 3 << 20;
        let mut scratch = Scratch::default();
        assert_eq!(
            decode(Some(encoding), body, limit, &mut scratch),
            Err(Undecodable::TooLarge { limit }),
            "{encoding}"
        );
        assert!(scratch.near.capacity() <= limit + 1 && scratch.far.capacity() <= limit + 1, "{encoding}");
    }
}

#[test]
fn a_claimed_length_is_not_allocated() {
    let mut body = gzip(EVENT);
    let at = body.len() - 4;
    body[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut scratch = Scratch::default();
    assert!(decode(Some("gzip"), &body, 1 << 30, &mut scratch).is_err());
    assert!(scratch.near.capacity() <= FIRST_BYTES, "{}", scratch.near.capacity());
}

#[test]
fn buffers_are_reused_and_large_ones_given_back() {
    let mut scratch = Scratch::default();
    decode(Some("gzip"), &gzip(EVENT), LIMIT, &mut scratch).unwrap();
    let buffer = scratch.near.as_ptr();
    decode(Some("gzip"), &gzip(EVENT), LIMIT, &mut scratch).unwrap();
    assert_eq!(scratch.near.as_ptr(), buffer);

    let large = vec![b' '; KEPT_BYTES_MAX + 1];
    assert_eq!(decode(Some("gzip"), &gzip(&large), LIMIT, &mut scratch), Ok(&large[..]));
    assert!(scratch.near.capacity() > KEPT_BYTES_MAX);
    scratch.trim();
    assert_eq!(scratch.near.capacity(), 0);
}

#[test]
fn what_an_earlier_body_left_does_not_show() {
    let mut scratch = Scratch::default();
    decode(Some("gzip"), &gzip(&[b'x'; 9999]), LIMIT, &mut scratch).unwrap();
    for (encoding, body) in every_encoding() {
        assert_eq!(decode(Some(encoding), &body, LIMIT, &mut scratch), Ok(EVENT));
        assert_eq!(decode(Some(encoding), &body, 10, &mut scratch), Err(Undecodable::TooLarge { limit: 10 }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_compressed_comes_back(text in prop::collection::vec(0u8..8, 0..200_000)) {
        for (encoding, body) in [("gzip", gzip(&text)), ("deflate", zlib(&text)), ("deflate", raw(&text))] {
            prop_assert_eq!(&decoded(encoding, &body, text.len()).unwrap(), &text);
        }
    }

    #[test]
    fn damage_is_an_error_or_harmless_and_never_a_panic(
        which in 0usize..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        limit in 0usize..4000,
    ) {
        let (encoding, mut body) = every_encoding()[which].clone();
        for (at, byte) in changes {
            *at.get_mut(&mut body) = byte;
        }
        if let Ok(text) = decoded(encoding, &body, limit) {
            prop_assert!(text.len() <= limit);
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..300), limit in 0usize..4000) {
        for encoding in ["gzip", "deflate", "br", "zstd", "br, gzip"] {
            if let Ok(text) = decoded(encoding, &body, limit) {
                prop_assert!(text.len() <= limit);
            }
        }
    }
}
