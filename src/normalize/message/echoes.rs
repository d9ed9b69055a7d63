//! Values that are told by the words around them: what somebody entered, and the message says again.
//!
//! Promises: tables of words and phrases; a look back or ahead is bounded. Deliberately not here: values that are told by
//! their own shape (`values`, `times`).

use super::Edit;
use super::context::{before, in_table, word_before};
use super::quoted::close;
use super::site::Site;
use crate::normalize::random::is_drawn;

/// Behind one of these, quotes hold what was entered.
const BEFORE: &[&str] = &[
    ":error, ",
    "atoi: parsing ",
    "base 10: ",
    "base 16: ",
    "cannot parse ",
    "character ",
    "customer: ",
    "email ",
    "float(): ",
    "float: ",
    "for input string: ",
    "for query ",
    "from string ",
    "input string ",
    "integer(): ",
    "invalid value ",
    "keyword ",
    "login ",
    "near ",
    "nickname ",
    "no such charge: ",
    "no such token: ",
    "or near ",
    "number but got ",
    "parsebool: parsing ",
    "parsefloat: parsing ",
    "parseint: parsing ",
    "parsing time ",
    "requested value ",
    "search for ",
    "string: ",
    "term ",
    "text ",
    "time data ",
    "unexpected token ",
    "user ",
    "username ",
    "uuid: ",
    "value ",
    "value: ",
    "varchar value ",
    "검색어 ",
    "고객 ",
    "닉네임 ",
    "매장 ",
    "사용자 ",
    "상품 ",
    "상품명 ",
    "아이디 ",
    "이름 ",
    "쿠폰 ",
    "키워드 ",
    "회원 ",
];

/// The same, in front of a type's name: `invalid input syntax for type uuid: "x"`.
const BEFORE_TYPE: &[&str] = &["input syntax for", "input value for", "invalid value for"];

/// Before one of these.
const BEHIND: &[&str] = &[
    " could not be parsed",
    " is not a valid",
    " is not an integer",
    " is not valid",
    " was not in a correct format",
    "... is not valid",
    "은 이미 ",
    "는 이미 ",
    "은(는) 사용할 수 없",
    "은(는) 이미 ",
    "은(는) 존재하지",
];

/// For each last letter, small and capital ones alike, the phrases of `BEFORE` that end with it.
static BY_LAST: [u64; 32] = {
    let (mut phrases, mut i) = ([0; 32], 0);
    while i < BEFORE.len() {
        let phrase = BEFORE[i].as_bytes();
        phrases[(phrase[phrase.len() - 2] & 31) as usize] |= 1 << i;
        i += 1;
    }
    phrases
};

/// Whether a phrase of `BEFORE` stands there.
fn is_told(text: &str) -> bool {
    let last = text.len().checked_sub(2).map_or(0, |at| text.as_bytes()[at]);
    let mut phrases = BY_LAST[usize::from(last & 31)];
    while phrases != 0 {
        if ends_with(text, &BEFORE[phrases.trailing_zeros() as usize..][..1]) {
            return true;
        }
        phrases &= phrases - 1;
    }
    false
}

/// Keys whose value is a person's, or what a person entered.
const KEYS: &[&str] = &[
    "email",
    "keyword",
    "login",
    "loginid",
    "nickname",
    "password",
    "q",
    "search",
    "searchterm",
    "term",
    "token",
    "user",
    "userid",
    "username",
];

fn ends_with(text: &str, phrases: &[&str]) -> bool {
    let Some(last) = text.len().checked_sub(2).map(|at| text.as_bytes()[at].to_ascii_lowercase()) else { return false };
    let alike = |phrase: &&&str| phrase.as_bytes()[phrase.len() - 2] == last;
    phrases.iter().filter(alike).any(|phrase| {
        let at = text.len().checked_sub(phrase.len()).filter(|at| text.is_char_boundary(*at));
        at.is_some_and(|at| {
            let begins = at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric();
            begins && text[at..].eq_ignore_ascii_case(phrase)
        })
    })
}

/// `near 'x'`, `base 10: 'x'`, `"x" is not valid JSON`.
pub(super) fn quoted(site: &Site<'_>) -> Option<Edit> {
    let last = site.before(site.at);
    // Nearly all quotes stand behind a space.
    let assigned = || {
        let (key, between) = word_before(site, site.at);
        between == "=" && in_table(key, KEYS)
    };
    let told = last == b'=' && assigned()
        || last == b' ' && {
            let behind = before(site, site.at, 20);
            is_told(behind)
                || behind.ends_with(": ") && BEFORE_TYPE.iter().any(|phrase| before(site, site.at, 60).contains(phrase))
        };
    let read = &site.quotes_read[usize::from(site.byte(site.at) == b'"')];
    let known = read.get();
    let end = close(site)?;
    let ahead = &site.bytes()[end + 1..site.text.len().min(end + 40)];
    let inside = &site.text[site.at + 1..end];
    let drawn = inside.len() >= 16 && inside.bytes().all(|b| b.is_ascii_alphanumeric()) && is_drawn(inside);
    let told = told || drawn || {
        let may_be = match ahead {
            [b' ', b'i' | b'c' | b'w', ..] | [b'.', ..] => true,
            [b, ..] => *b >= 0x80,
            [] => false,
        };
        may_be && BEHIND.iter().any(|phrase| ahead.starts_with(phrase.as_bytes()))
    };
    if !told {
        read.set(known);
        return None;
    }
    // `Unexpected token 'export'` is a word of the language, `'x'` a piece of what was read.
    if end - site.at > 5 && before(site, site.at, 6) == "token " && site.text[..site.at].ends_with("nexpected token ") {
        return None;
    }
    let cut = if ahead.starts_with(b"...") { end + 4 } else { end + 1 };
    Edit::put(site.at..cut, "<str>")
}

/// `rejected value [x]`, `input=[x]`, `params ["x", 1]`, `]: [the far side's body]`.
pub(super) fn bracketed(site: &Site<'_>) -> Option<Edit> {
    if !matches!(site.before(site.at), b' ' | b'=') {
        return None;
    }
    let behind = before(site, site.at, 20);
    let told = ends_with(behind, &["rejected value ", "input=", "params ", "params: ", "parameters: ", "for term: "]);
    let body = site.byte(site.at) == b'[' && behind.ends_with(")]: ");
    if body {
        return Edit::put(site.at..site.text.len(), "<json>");
    }
    if behind.ends_with(" for model ") {
        let end = balanced(site)?;
        let rest = &site.text[end..];
        return (rest.len() > 1 && rest.starts_with(' '))
            .then(|| Edit::put(end + 1..site.text.len(), "<str>"))
            .flatten();
    }
    let end = told.then(|| balanced(site)).flatten()?;
    Edit::put(site.at..end, "<str>")
}

/// `필수 값 '주문번호'가 누락`: the name of a field.
pub(super) fn required(site: &Site<'_>) -> Option<Edit> {
    if site.byte(site.at + 1) < 0x80 {
        return None;
    }
    let behind = before(site, site.at, 16);
    let field = ["필수 값 ", "필드 ", "항목 ", "필수값 "].iter().any(|word| behind.ends_with(word));
    let read = &site.quotes_read[usize::from(site.byte(site.at) == b'"')];
    let known = read.get();
    let end = close(site);
    read.set(known);
    let ahead = &site.text[end? + 1..site.text.floor_char_boundary((end? + 24).min(site.text.len()).max(end? + 1))];
    let missing = ahead.contains("누락") || ahead.contains("필수");
    if field || missing { Edit::keep(site.at..end? + 1) } else { None }
}

/// Behind the bracket that closes the one here.
pub(super) fn balanced(site: &Site<'_>) -> Option<usize> {
    const REACH: usize = 1024;
    let mut depth = 0_u32;
    for (offset, b) in site.bytes()[site.at..].iter().take(REACH).enumerate() {
        match b {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(site.at + offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// `Key (login)=(kim)`, `key value is (kim, 7)`, `row contains (7, kim)`, `values (kim, 7)`.
pub(super) fn tuple(site: &Site<'_>) -> Option<Edit> {
    if !matches!(site.before(site.at), b' ' | b'=' | b's' | b'S') {
        return None;
    }
    let behind = before(site, site.at, 24);
    let sql = || ends_with(behind, &["values "]) || ends_with(behind, &["values"]);
    let told = behind.ends_with(")=") || ends_with(behind, &["value is ", "row contains "]);
    let literal = !told && sql();
    if !told && !literal {
        return None;
    }
    let inside = site.byte(site.at + 1);
    if literal && matches!(inside, b'?' | b'%' | b'$' | b':' | b'@') {
        return None;
    }
    let end = balanced(site).or(literal.then_some(site.text.len()))?;
    Edit::put(site.at..end, "(<str>)")
}

/// `` `login` = kim and ``: a literal that a driver wrote without quotes.
pub(super) fn sql_value(site: &Site<'_>) -> Option<Edit> {
    const ENDS: &[&str] = &[" and ", " or ", " limit ", " order ", " where ", " group ", ", `", ")"];
    let column = before(site, site.at, 2) == "` " && site.byte(site.at + 1) == b' ';
    if !column || matches!(site.byte(site.at + 2), b'`' | b'?' | b'\'' | b'"' | b'(' | b'<') {
        return None;
    }
    let rest = site.text.get(site.at + 2..site.text.floor_char_boundary((site.at + 258).min(site.text.len())))?;
    let end = ENDS.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    (end > 0).then(|| Edit::put(site.at + 2..site.at + 2 + end, "<str>")).flatten()
}

/// `username=kim`, `'id'=kim`.
pub(super) fn assigned(site: &Site<'_>) -> Option<Edit> {
    let value = site.at + 1;
    if matches!(
        site.byte(value),
        b' ' | b'=' | b'"' | b'\'' | b'[' | b'(' | b'{' | b'<' | b'$' | b'?' | b'%' | b':' | 0
    ) {
        return None;
    }
    let quoted = site.before(site.at) == b'\'';
    let (key, between) = word_before(site, site.at);
    if key == "SQLERRMC" {
        let end = site.text.floor_char_boundary(site.run_near(value, |b| !matches!(b, b' ' | b',' | b'<')));
        return (end > value).then(|| Edit::put(value..end, "<str>")).flatten();
    }
    let known = between.is_empty() && in_table(key, KEYS);
    if !quoted && !known {
        return None;
    }
    let end =
        site.run_near(value, |b| !matches!(b, b' ' | b',' | b';' | b')' | b']' | b'}' | b'&' | b'\n' | b'"' | b'\''));
    let end = site.text.floor_char_boundary(end);
    (end > value).then(|| Edit::put(value..end, "<str>")).flatten()
}

/// `Unexpected token x in JSON`, `No enum constant a.Color.PINK`, `Illegal base64 character b7`, `UUID string: kim`.
pub(super) fn word(site: &Site<'_>) -> Option<Edit> {
    let next = site.word.end + 1;
    match site.word_text() {
        "token" if before(site, site.at, 11).eq_ignore_ascii_case("unexpected ") => {
            let one = site.text[next..].chars().next()?.len_utf8();
            let alone = matches!(site.byte(next + one), b' ' | b',' | 0) && site.byte(next) != b'<';
            alone.then(|| Edit::put(next..next + one, "<str>")).flatten()
        }
        "constant" if before(site, site.at, 5) == "enum " => {
            let end = site.run_near(next, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$'));
            let name = next + site.text[next..end].rfind('.')? + 1;
            (name < end).then(|| Edit::put(name..end, "<str>")).flatten()
        }
        "character" | "byte" => {
            let end = site.run_near(next, |b| b.is_ascii_hexdigit());
            (end - next == 2 && site.ends(end)).then(|| Edit::put(next..end, "<hex>")).flatten()
        }
        _ => None,
    }
}

/// `UUID string: kim`: to the end of what was entered.
pub(super) fn after_colon(site: &Site<'_>) -> Option<Edit> {
    if !matches!(site.before(site.at), b'g' | b't' | b'r') || site.byte(site.at + 1) != b' ' {
        return None;
    }
    let value = site.at + 2;
    let behind = before(site, site.at, 20);
    let told = site.byte(site.at + 1) == b' ' && ends_with(behind, &["uuid string", "number format", "not a number"]);
    let end = site
        .text
        .floor_char_boundary(site.run_near(value.min(site.text.len()), |b| !matches!(b, b' ' | b',' | b';' | b')')));
    (told && end > value && site.byte(value) != b'"').then(|| Edit::put(value..end, "<str>")).flatten()
}

/// `with id kim`, `user kim20`: the whole of a mixed word behind a word for a person.
pub(super) fn person(site: &Site<'_>) -> Option<Edit> {
    const PERSONS: &[&str] =
        &["account", "customer", "login", "member", "nickname", "user", "username", "계정", "닉네임", "아이디", "회원"];
    let whole = !matches!(site.byte(site.word.end), b'_' | b'-' | b'.' | b'@');
    let long = || site.word_text().bytes().filter(u8::is_ascii_digit).count() >= 2;
    if site.before(site.at) != b' ' || !whole || !long() {
        return None;
    }
    let (word, between) = word_before(site, site.at);
    (between == " " && in_table(word, PERSONS)).then(|| Edit::put(site.at..site.word.end, "<id>")).flatten()
}
