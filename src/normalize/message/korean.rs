//! What varies in Korean messages: dates and amounts in words, people's names, and the particle behind a value, which
//! follows its last sound.
//!
//! Promises: `<str>` for a name, `<time>` for a date; the particle in the form that follows a consonant. Deliberately not
//! here: numbers, phones, accounts (`values`).

use super::Edit;
use super::context::in_table;
use super::site::Site;

/// Who is addressed with 님 without being named.
const ROLES: &[&str] = &[
    "강사",
    "고객",
    "과장",
    "관리자",
    "교수",
    "구매자",
    "기사",
    "담당자",
    "대표",
    "매니저",
    "부모",
    "부장",
    "사모",
    "사용자",
    "사장",
    "상담사",
    "선생",
    "손",
    "스승",
    "신청자",
    "예약자",
    "운영자",
    "원장",
    "이용자",
    "작성자",
    "점주",
    "주문자",
    "팀장",
    "판매자",
    "회원",
];

/// The family names of nearly everybody.
const FAMILIES: &str = "강고곽구권기길김나남노도류마맹명문민박반방배백변봉서석선설성소손송신심안양어엄여연염예오옥왕용우원유육윤이인임장전정조주지진차채천최추탁태표하한함허현홍황";

/// Words that begin like a name and are none.
const NO_NAMES: &[&str] = &[
    "경고",
    "공지",
    "구분",
    "권한",
    "문의",
    "배송",
    "상태",
    "안내",
    "오류",
    "유의",
    "유형",
    "이름",
    "이메일",
    "이벤트",
    "인증",
    "전화",
    "전화번호",
    "정보",
    "정산",
    "조회",
    "주문",
    "주문번호",
    "주소",
    "주의",
    "한도",
    "현황",
    "환불",
];

/// The characters of a Hangul run that ends there.
fn hangul_before(site: &Site<'_>, end: usize) -> (usize, usize) {
    let (mut at, mut count) = (end, 0);
    while count < 8 && at >= site.floor + 3 {
        let Some(c) = site.text.get(at - 3..at).and_then(|text| text.chars().next()) else { break };
        if !is_hangul(c) {
            break;
        }
        (at, count) = (at - 3, count + 1);
    }
    (at, count)
}

pub(super) fn is_hangul(c: char) -> bool {
    ('가'..='힣').contains(&c)
}

fn next_char(site: &Site<'_>, at: usize) -> Option<char> {
    site.text.get(at..)?.chars().next()
}

/// A run of Hangul: `김민지님`, `회원 김민지(7)`, `[김민지] 고객님`.
pub(super) fn name(site: &Site<'_>) -> Option<Edit> {
    if site.at > 0 && site.text[..site.at].chars().next_back().is_some_and(is_hangul) {
        return None;
    }
    let rest = &site.text[site.at..];
    let run: usize = rest.chars().take(8).take_while(|c| is_hangul(*c)).map(char::len_utf8).sum();
    let word = &rest[..run];
    let after = &rest[run..];
    if let Some(at) = word.find('님') {
        let name = &word[..at];
        let named = (6..=12).contains(&name.len()) && !ROLES.iter().any(|role| name.ends_with(role));
        return named.then(|| Edit::put(site.at..site.at + at, "<str>")).flatten();
    }
    let family = word.chars().next().is_some_and(|c| FAMILIES.contains(c));
    if !family || !(6..=12).contains(&word.len()) || NO_NAMES.contains(&word) {
        return None;
    }
    let bracketed =
        site.before(site.at) == b'[' && ["] 고객", "] 회원", "]님", "] 님"].iter().any(|s| after.starts_with(s));
    let addressed = after.starts_with(" 님") || after.starts_with(" 고객님") || after.starts_with(" 회원님");
    let numbered = after.starts_with('(') && after.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let told = numbered && site.before(site.at) == b' ' && {
        let (from, _) = hangul_before(site, site.at - 1);
        in_table(&site.text[from..site.at - 1], &["고객", "담당자", "사용자", "회원", "작성자", "예금주", "신청자"])
    };
    (bracketed || addressed || told).then(|| Edit::put(site.at..site.at + run, "<str>")).flatten()
}

/// Pairs of particles: behind a vowel, behind a consonant.
const PARTICLES: [(&str, &str); 4] = [("는", "은"), ("가", "이"), ("를", "을"), ("와", "과")];

/// `7를`, `(7)는`, `<num>가`: one form for both.
pub(super) fn particle(site: &Site<'_>) -> Option<Edit> {
    let value = matches!(site.before(site.at), b'0'..=b'9' | b'>' | b')' | b']' | b'*');
    let rest = &site.text[site.at..];
    let (from, to) = PARTICLES.iter().find(|(from, _)| rest.starts_with(from)).filter(|_| value)?;
    let apart = !next_char(site, site.at + from.len()).is_some_and(|c| is_hangul(c) || c == '(');
    apart.then(|| Edit::put(site.at..site.at + from.len(), to)).flatten()
}

/// How a date's parts are named, in order.
const PARTS: [&str; 6] = ["년", "월", "일", "시", "분", "초"];

/// `2025년 3월 4일(화) 오후 3시 5분`, `3월 4일`, from a number.
pub(super) fn date(site: &Site<'_>) -> Option<Edit> {
    let (mut end, mut parts, mut least) = (site.at, 0, 0);
    let mut from = site.at;
    loop {
        let digits = site.digits(from);
        let rest = site.text.get(digits..)?;
        let part = PARTS.iter().position(|part| rest.starts_with(part)).filter(|_| (1..=4).contains(&(digits - from)));
        // `3시간` and `5분간` are spans.
        let Some(part) = part.filter(|part| *part >= least && !rest[3..].starts_with('간')) else { break };
        (end, parts, least) = (digits + 3, parts + 1, part + 1);
        if part == 2
            && let Some(day) = weekday(&site.text[end..])
        {
            end += day;
        }
        from = end + usize::from(site.byte(end) == b' ');
        if let Some(half) = half_of_day(&site.text[from.min(site.text.len())..]) {
            from += half;
        }
        if parts > 0 && !site.byte(from).is_ascii_digit() {
            break;
        }
    }
    let clock = clock_behind(site, from).filter(|_| parts > 0);
    let end = clock.unwrap_or(end);
    let year_or_month = site.text[site.at..end].contains(['년', '월']);
    (parts >= 2 && year_or_month).then(|| Edit::put(site.at..end, "<time>")).flatten()
}

/// `3:05` behind 오후.
fn clock_behind(site: &Site<'_>, from: usize) -> Option<usize> {
    let hours = site.digits(from);
    let minutes = site.digits((hours + 1).min(site.text.len()));
    let clock = hours > from && hours <= from + 2 && site.byte(hours) == b':' && minutes == hours + 3;
    clock.then_some(minutes)
}

fn weekday(rest: &str) -> Option<usize> {
    let open = usize::from(rest.starts_with(' '));
    let inside = rest.get(open..)?.strip_prefix('(')?;
    let day = inside.chars().next().filter(|c| "월화수목금토일".contains(*c))?;
    inside[day.len_utf8()..].starts_with(')').then_some(open + 1 + day.len_utf8() + 1)
}

fn half_of_day(rest: &str) -> Option<usize> {
    let half = ["오전 ", "오후 ", "오전", "오후"].into_iter().find(|half| rest.starts_with(half))?;
    Some(half.len())
}

/// `오후 3시 5분`, `오전 11:05`, without a date or behind one that is masked.
pub(super) fn time_of_day(site: &Site<'_>) -> Option<Edit> {
    let from = site.at + half_of_day(&site.text[site.at..])?;
    let hours = site.digits(from);
    let mut end = match clock_behind(site, from) {
        Some(end) => end,
        None if hours > from && site.text[hours..].starts_with('시') => hours + 3,
        None => return None,
    };
    let minutes = end + usize::from(site.byte(end) == b' ');
    let digits = site.digits(minutes.min(site.text.len()));
    if digits > minutes && site.text[digits..].starts_with('분') {
        end = digits + 3;
    }
    let start = if site.text[..site.at].ends_with("<time> ") { site.at - 1 } else { site.at };
    match start < site.at && start >= site.floor {
        true => Edit::drop(start..end),
        false => Edit::put(site.at..end, "<time>"),
    }
}

/// `3만`, `5천`, `2억 3천만`: a number, with its magnitude in words.
pub(super) fn magnitude(site: &Site<'_>) -> Option<Edit> {
    let (mut end, mut from, mut seen) = (site.at, site.at, false);
    loop {
        let digits = super::times::number_end(site, from);
        let Some(rest) = site.text.get(digits..).filter(|_| digits > from) else { break };
        let words: usize = rest.chars().take(3).take_while(|c| "만억조천백".contains(*c)).map(char::len_utf8).sum();
        if words == 0 {
            // `3만 5000원`: the last part has no word.
            end = if seen && rest.starts_with('원') { digits } else { end };
            break;
        }
        (end, seen) = (digits + words, true);
        from = end + usize::from(site.byte(end) == b' ');
    }
    seen.then(|| Edit::put(site.at..end, "<num>")).flatten()
}

/// `5분 30초` and `30초` are one span.
pub(super) fn span(site: &Site<'_>) -> Option<Edit> {
    const UNITS: [&str; 5] = ["일", "시간", "분", "초", "밀리초"];
    let (mut end, mut from, mut parts) = (site.at, site.at, 0);
    loop {
        let digits = super::times::number_end(site, from);
        let Some(rest) = site.text.get(digits..).filter(|_| digits > from) else { break };
        let Some(unit) = UNITS.iter().find(|unit| rest.starts_with(**unit)) else { break };
        (end, parts) = (digits + unit.len(), parts + 1);
        from = end + usize::from(site.byte(end) == b' ');
    }
    (parts >= 2).then(|| Edit::put(site.at..end, "<duration>")).flatten()
}
