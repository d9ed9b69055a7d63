//! How the later rows of the JVM's names find what they cut: Kotlin, Scala, Groovy, Clojure, and the proxies of more
//! frameworks.
//!
//! Promises: as in `find`. Deliberately not here: the rows.

use super::Site;
use super::find::{ident, inner_function, token_begins, word};
use crate::normalize::rewrite::{Edit, Put};

/// `CGLIB$save$3`: the original of an overridden method.
pub(super) fn cglib_method(site: &Site<'_>) -> Option<Edit> {
    inner_function(site, site.at, site.end)
}

/// `$Cart$Definition$Intercepted`: Micronaut's subclass of `Cart`.
pub(super) fn micronaut(site: &Site<'_>) -> Option<Edit> {
    let name = site.run_back(site.at, word);
    let dollar = name > site.floor && site.bytes()[name - 1] == b'$' && name < site.at;
    dollar.then(|| Edit { cut: name - 1..site.end, put: Put::Part("", name..site.at) })
}

/// `access$renew`, `$$access$$save`: a bridge to a method that another class may not call.
pub(super) fn bridge(site: &Site<'_>) -> Option<Edit> {
    let named = site.bytes().get(site.end).is_some_and(|b| word(*b) && !b.is_ascii_digit());
    (named && site.begins(site.at)).then(|| Edit::drop(site.at..site.end)).flatten()
}

/// `pay$lambda$3`, `pay$lambda-0$lambda-1`: the method it was written in.
pub(super) fn kotlin_lambda(site: &Site<'_>) -> Option<Edit> {
    let joint = matches!(site.bytes().get(site.end), Some(b'$' | b'-'));
    let end = site.digits(site.end + usize::from(joint));
    let counted = joint && end > site.end + 1 && !site.begins(site.at);
    (counted && (site.ends(end) || site.bytes()[end] == b'$')).then(|| Edit::drop(site.at..end)).flatten()
}

/// `charge-gFcAIpP`, `charge-impl`: a function with a value class among its parameters.
pub(super) fn value_class(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let hash = &site.text[site.end..end];
    let drawn = hash.len() == 7 && hash.bytes().any(|b| !b.is_ascii_lowercase());
    let function = matches!(site.bytes().get(end), None | Some(b'(' | b'$' | b' '));
    let start = site.run_back(site.at, |b| ident(b) || matches!(b, b'.' | b'<' | b'>'));
    let name = &site.text[start..site.at];
    let qualified = !site.begins(site.at) && name.contains('.') && token_is_opened(site, start);
    ((drawn || hash == "impl") && function && qualified).then(|| Edit::drop(site.at..end)).flatten()
}

fn token_is_opened(site: &Site<'_>, at: usize) -> bool {
    at == 0 || matches!(site.bytes()[at - 1], b' ' | b'(' | b'[')
}

/// `charge$wallet_main`: a function that only its module may call.
pub(super) fn kotlin_internal(site: &Site<'_>) -> Option<Edit> {
    let module = site.run_back(site.at, word);
    let dollar = module > site.floor && site.bytes()[module - 1] == b'$' && !site.begins(module - 1);
    (dollar && module < site.at && site.ends(site.end)).then(|| Edit::drop(module - 1..site.end)).flatten()
}

/// `helper$3`, `access$500`: a function that the compiler had to number.
pub(super) fn numbered_function(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    if end == site.end || !matches!(site.bytes().get(end), None | Some(b'(' | b' ' | b'$')) {
        return None;
    }
    let name = site.run_back(site.at, ident);
    let function = site.text[name..site.at].starts_with(|c: char| c.is_lowercase())
        && name > site.floor
        && site.bytes()[name - 1] == b'.';
    function.then(|| Edit::drop(site.at..end)).flatten()
}

/// `insert$mcVI$sp`: a function, specialised for primitive types.
pub(super) fn specialised(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_uppercase());
    let marked = end > site.end && site.text[end..].starts_with("$sp");
    marked.then(|| Edit::drop(site.at..end + "$sp".len())).flatten()
}

/// `Script42.run`, `script1700000000000.run`: a Groovy script without a name.
pub(super) fn script(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let counted = end > site.end && (site.bytes()[site.at] == b'S' || end - site.end >= 8);
    let whole = matches!(site.bytes().get(end), Some(b'.' | b'$' | b'(')) && token_begins(site);
    (counted && whole).then(|| Edit::put(site.at..end, "Script")).flatten()
}

/// `run$_closure28.doCall`: a closure inside one.
pub(super) fn nested_closure(site: &Site<'_>) -> Option<Edit> {
    let mut end = site.digits(site.end);
    let counted = end > site.end && !site.begins(site.at);
    if site.text[end..].starts_with(".doCall") {
        end += ".doCall".len();
    }
    (counted && site.ends(end)).then(|| Edit::drop(site.at..end)).flatten()
}

/// `core$charge.invokeStatic`: what Clojure calls the function's body.
pub(super) fn clojure_body(site: &Site<'_>) -> Option<Edit> {
    let named = !site.begins(site.at) && site.ends(site.end);
    named.then(|| Edit::put(site.at..site.end, ".invoke")).flatten()
}

/// `com.acme@1.2.0/com.acme.Pool`: the module of a class, with its version.
pub(super) fn versioned_module(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'));
    let name = site.run_back(site.at, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
    let versioned = end > site.end && site.bytes()[site.end].is_ascii_digit() && name < site.at;
    let class = site.bytes().get(end) == Some(&b'/') && site.bytes().get(end + 1).is_some_and(u8::is_ascii_alphabetic);
    (versioned && class && token_is_opened(site, name)).then(|| Edit::drop(name..end + 1)).flatten()
}

/// ` ~[?:?]`, ` [classes!/:?]`: an archive that is not known.
pub(super) fn unknown_packaging(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &[']'])?;
    let inside = &site.text[site.end..close];
    let archive = !inside.contains(' ') && inside.ends_with(":?");
    archive.then(|| Edit::drop(site.at..close + 1)).flatten()
}

/// `(com/acme/Cart.java)`: a generated class says its source so.
pub(super) fn source_path(site: &Site<'_>) -> Option<Edit> {
    if !site.bytes().get(site.end).is_some_and(u8::is_ascii_lowercase) {
        return None;
    }
    let close = site.next(site.end, &[')', '(', ' '])?;
    let inside = &site.text[site.end..close];
    let source = [".java", ".kt", ".scala", ".groovy"].iter().any(|extension| inside.ends_with(extension));
    (site.bytes()[close] == b')' && source).then(|| Edit::drop(site.at..close + 1)).flatten()
}
