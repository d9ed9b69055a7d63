//! How the rows of the table find the ends of what they cut.
//!
//! Promises: every cut lies between the site's floor and the end of the text, on character boundaries (all of them are
//! at ASCII bytes). Deliberately not here: names of frameworks; those are the table's.

use super::Site;
use crate::normalize::rewrite::{Edit, Put};

/// How far a rule looks: no name is longer, and a look that finds nothing stays cheap on hostile text.
const REACH: usize = 512;

impl Site<'_> {
    fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The end of the run of such bytes from there.
    fn run(&self, from: usize, of: fn(u8) -> bool) -> usize {
        let run = self.bytes()[from..].iter().take(REACH).take_while(|b| of(**b)).count();
        self.text.floor_char_boundary(from + run)
    }

    /// The beginning of the run of such bytes that ends there.
    fn run_back(&self, end: usize, of: fn(u8) -> bool) -> usize {
        let run = self.bytes()[self.floor..end].iter().rev().take(REACH).take_while(|b| of(**b)).count();
        self.text.ceil_char_boundary(end - run)
    }

    /// Where one of these characters stands next.
    fn next(&self, from: usize, of: &[char]) -> Option<usize> {
        let end = self.text.floor_char_boundary((from + REACH).min(self.text.len()));
        self.text[from..end].find(of).map(|offset| from + offset)
    }

    fn marker_text(&self) -> &str {
        &self.text[self.at..self.end]
    }

    fn digits(&self, from: usize) -> usize {
        self.run(from, |b| b.is_ascii_digit())
    }

    /// Whether a name ends there.
    fn ends(&self, at: usize) -> bool {
        self.bytes().get(at).is_none_or(|b| !ident(*b))
    }

    /// Whether a name begins there.
    fn begins(&self, at: usize) -> bool {
        at == 0 || !ident(self.bytes()[at - 1])
    }
}

/// Bytes of a name on the JVM and elsewhere.
fn ident(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || b >= 0x80
}

fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

/// The marker and the rest of the name.
pub(super) fn tail(site: &Site<'_>) -> Option<Edit> {
    let tail = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
    Edit::drop(site.at..tail)
}

/// The marker, where it ends a name and does not begin it.
pub(super) fn suffix(site: &Site<'_>) -> Option<Edit> {
    let whole = site.at > site.floor && !site.begins(site.at) && site.ends(site.end);
    whole.then(|| Edit::drop(site.at..site.end)).flatten()
}

/// Only the number behind the marker.
pub(super) fn number(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    (end > site.end && site.ends(end)).then(|| Edit::drop(site.end..end)).flatten()
}

/// The marker and the number behind it, with more numbers joined by `.` or `_`.
pub(super) fn numbered(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_digit() || matches!(b, b'.' | b'_'));
    let end = site.run_back(end, |b| matches!(b, b'.' | b'_')).max(site.end);
    (end > site.end && site.ends(end)).then(|| Edit::drop(site.at..end)).flatten()
}

/// The marker at the beginning of the text.
pub(super) fn opening(site: &Site<'_>) -> Option<Edit> {
    (site.at == site.floor && site.at == 0).then(|| Edit::drop(site.at..site.end)).flatten()
}

/// `$$Lambda$123/0x0000…`, `$$Lambda/0x…`, `$$Lambda$14`: a hidden class of the class before it.
pub(super) fn hidden_lambda(site: &Site<'_>) -> Option<Edit> {
    let mut end = site.end;
    if site.bytes().get(end) == Some(&b'$') {
        end = site.digits(end + 1);
    }
    if site.bytes().get(end) == Some(&b'/') {
        end = site.run(end + 1, |b| b.is_ascii_alphanumeric());
    }
    Edit::drop(site.run_back(site.at, |b| b == b'$')..end)
}

/// `/0x00007f…` behind the name of a hidden class.
pub(super) fn hidden_class(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_hexdigit());
    (end >= site.end + 6 && !site.begins(site.at)).then(|| Edit::drop(site.at..end)).flatten()
}

/// `lambda$save$3`: the method it was written in. The number is the compiler's.
pub(super) fn lambda_method(site: &Site<'_>) -> Option<Edit> {
    inner_function(site, site.at, site.end)
}

/// From the marker's end: `name$3`, of which the name stays.
fn inner_function(site: &Site<'_>, from: usize, name: usize) -> Option<Edit> {
    let last = site.run(name, ident);
    let inner = &site.text[name..last];
    let number = inner.rfind('$')?;
    let counted = number > 0 && number + 1 < inner.len() && inner[number + 1..].bytes().all(|b| b.is_ascii_digit());
    let named = counted && site.begins(site.at);
    named.then(|| Edit { cut: from..last, put: Put::Part("", name..name + number) })
}

/// `$anonfun$insert$4`, `$$anonfun$insert$4.apply`: the method it was written in.
pub(super) fn anonfun(site: &Site<'_>) -> Option<Edit> {
    let start = site.run_back(site.at, |b| b == b'$');
    let last = site.run(site.end, ident);
    let inner = &site.text[site.end..last];
    let name = inner.trim_end_matches(|c: char| c.is_ascii_digit() || c == '$');
    let end = if site.text[last..].starts_with(".apply") {
        let apply = site.run(last + 1, ident);
        // `apply$mcVI$sp` is the same function, specialised.
        if site.text[last + 6..apply].starts_with('$') || apply == last + 6 { apply } else { last }
    } else {
        last
    };
    if name.is_empty() {
        return Edit::drop(start..end);
    }
    let dot = if start == 0 || matches!(site.bytes()[start - 1], b'.' | b' ') { "" } else { "." };
    Some(Edit { cut: start..end, put: Put::Part(dot, site.end..site.end + name.len()) })
}

/// `Foo$save$2.invokeSuspend`, `Foo$save$1.invoke`: a function's body that Kotlin made a class of.
pub(super) fn kotlin_body(site: &Site<'_>) -> Option<Edit> {
    if !site.ends(site.end) {
        return None;
    }
    let start = site.run_back(site.at, ident);
    let class = &site.text[start..site.at];
    let counted = class.trim_end_matches(|c: char| c.is_ascii_digit() || c == '$');
    if counted.len() == class.len() {
        return None;
    }
    let dollar = counted.find('$').filter(|at| *at > 0)?;
    let function =
        counted[dollar + 1..].split('$').next().filter(|name| name.starts_with(|c: char| c.is_lowercase()))?;
    let from = start + dollar;
    Some(Edit { cut: from..site.end, put: Put::Part(".", from + 1..from + 1 + function.len()) })
}

/// `Foo$_save_closure3.doCall`: a Groovy closure.
pub(super) fn groovy_closure(site: &Site<'_>) -> Option<Edit> {
    let start = site.run_back(site.at, word);
    let name = site.text[start..site.at].trim_start_matches('_');
    let mut end = site.digits(site.end);
    if start == site.floor || site.bytes()[start - 1] != b'$' || name.is_empty() || end == site.end {
        return None;
    }
    end = site.run(end, |b| b.is_ascii_alphanumeric() || b == b'_');
    if site.text[end..].starts_with(".doCall") {
        end += ".doCall".len();
    }
    let name_at = site.at - name.len();
    Some(Edit { cut: start - 1..end, put: Put::Part(".", name_at..site.at) })
}

/// `org.jboss.weld.proxies.Cart$3032770716$Proxy$_$$_WeldClientProxy`: with the number before the marker.
pub(super) fn weld(site: &Site<'_>) -> Option<Edit> {
    let number = site.run_back(site.at, |b| b.is_ascii_digit());
    let start =
        if number < site.at && number > site.floor && site.bytes()[number - 1] == b'$' { number - 1 } else { site.at };
    Edit::drop(start..site.run(site.end, ident))
}

/// `jdk.proxy3/jdk.proxy2.$Proxy107`: the package of a JDK proxy; its number is the class loader's.
pub(super) fn proxy_package(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let dot = end > site.end && matches!(site.bytes().get(end), Some(b'.' | b'/'));
    (dot && site.begins(site.at)).then(|| Edit::drop(site.at..end + 1)).flatten()
}

/// `java.base/`, `jdk.httpserver@21.0.2/`, before a class.
pub(super) fn jvm_module(site: &Site<'_>) -> Option<Edit> {
    let mut end = site.run(site.end, |b| b.is_ascii_lowercase() || b == b'.');
    if site.bytes().get(end) == Some(&b'@') {
        end = site.run(end + 1, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'));
    }
    let slash = site.bytes().get(end) == Some(&b'/') && end > site.end;
    (slash && token_begins(site)).then(|| Edit::drop(site.at..end + 1)).flatten()
}

/// `app//`: the class loader before a class.
pub(super) fn loader(site: &Site<'_>) -> Option<Edit> {
    token_begins(site).then(|| Edit::drop(site.at..site.end)).flatten()
}

fn token_begins(site: &Site<'_>) -> bool {
    site.at == 0 || matches!(site.bytes()[site.at - 1], b' ' | b'(' | b'[' | b'>')
}

/// `@1a2b3c4d` behind a name: an identity hash.
pub(super) fn identity_hash(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_hexdigit());
    let hash = (1..=16).contains(&(end - site.end)) && site.ends(end) && site.at > 0;
    let named = hash && (ident(site.bytes()[site.at - 1]) || matches!(site.bytes()[site.at - 1], b']' | b';'));
    named.then(|| Edit::drop(site.at..end)).flatten()
}

/// `0x7f6418dc6f3d`, with what joins it to the name before: ` at 0x…`, ` +0x…`.
pub(super) fn address(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_hexdigit());
    if end == site.end || !site.ends(end) || !site.begins(site.at) {
        return None;
    }
    let mut start = site.at;
    for joint in ["+", "pc=", "at ", ":", " "] {
        if site.text[site.floor..start].ends_with(joint) {
            start -= joint.len();
        }
    }
    Edit::drop(start..end)
}

/// `::h0123456789abcdef`: a symbol's hash.
pub(super) fn symbol_hash(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    (end - site.end == 16 && site.ends(end)).then(|| Edit::drop(site.at..end)).flatten()
}

/// `{closure#0}`, `{closure:/app/x.php:12}`: up to the brace.
pub(super) fn braced(site: &Site<'_>) -> Option<Edit> {
    let end = site.next(site.end, &['}'])? + 1;
    let double = site.text[end..].starts_with('}') && site.marker_text().contains("{{");
    Edit::drop(site.at..end + usize::from(double))
}

/// `.func1.2`, `.gowrap1`: a closure of the function before it.
pub(super) fn go_closure(site: &Site<'_>) -> Option<Edit> {
    let mut end = site.digits(site.end);
    if end == site.end || site.begins(site.at) && site.at > 0 && site.bytes()[site.at - 1] != b')' {
        return None;
    }
    while site.bytes().get(end) == Some(&b'.') && site.digits(end + 1) > end + 1 {
        end = site.digits(end + 1);
    }
    site.ends(end).then(|| Edit::drop(site.at..end)).flatten()
}

/// ` /build/svc/svc.go:52`, ` cart.go:86 +0xe02e`: behind a qualified function the file says nothing new.
pub(super) fn go_file(site: &Site<'_>) -> Option<Edit> {
    let space = site
        .run_back(site.at, |b| b != b' ')
        .checked_sub(1)
        .filter(|at| *at > site.floor && site.bytes()[*at] == b' ')?;
    let end = site.digits(site.end);
    let qualified = site.text[site.run_back(space, |b| b != b' ')..space].contains('.') && end > site.end;
    qualified.then(|| Edit::drop(space..end)).flatten()
}

/// `<SaveAsync>d__21.MoveNext()`, `<Save>b__0_1`: the method a state machine or a lambda was written in.
pub(super) fn csharp_body(site: &Site<'_>) -> Option<Edit> {
    let name = site.run_back(site.at, word);
    let mut end = site.run(site.end, |b| b.is_ascii_digit() || b == b'_');
    if name == site.at || name == site.floor || site.bytes()[name - 1] != b'<' {
        return None;
    }
    if site.text[end..].starts_with(".MoveNext") {
        end += ".MoveNext".len();
    }
    Some(Edit { cut: name - 1..end, put: Put::Part("", name..site.at) })
}

/// `<Save>g__Check|5_0`: a local function, named by the programmer.
pub(super) fn csharp_local(site: &Site<'_>) -> Option<Edit> {
    let outer = site.run_back(site.at, word);
    let inner = site.run(site.end, word);
    if outer == site.at
        || outer == site.floor
        || site.bytes()[outer - 1] != b'<'
        || site.bytes().get(inner) != Some(&b'|')
    {
        return None;
    }
    let end = site.run(inner + 1, |b| b.is_ascii_digit() || b == b'_');
    let composed = format!("{}.{}", &site.text[outer..site.at], &site.text[site.end..inner]);
    Some(Edit { cut: outer - 1..end, put: Put::Composed(composed) })
}

/// `<>c__DisplayClass12_0.`, `<>c.`: the class that holds lambdas.
pub(super) fn csharp_display(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || b == b'_');
    (site.bytes().get(end) == Some(&b'.')).then(|| Edit::drop(site.at..end + 1)).flatten()
}

/// ` in /src/Inbox/Store.cs`, behind a qualified method.
pub(super) fn csharp_file(site: &Site<'_>) -> Option<Edit> {
    let rest = &site.bytes()[site.end..];
    let path = matches!(rest, [b'/' | b'\\', ..] | [_, b':', b'\\' | b'/', ..]);
    let qualified = || site.text[..site.at].contains('.') && !site.text[..site.at].contains('/');
    (path && qualified()).then(|| Edit::drop(site.at..site.text.len())).flatten()
}

/// `(Foo.java:87)`, `(Unknown Source)`, `(<generated>)`, `(22)`, `()`, `(0xc45f, 0x1)`.
pub(super) fn parenthesis(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &[')', '('])?;
    if site.bytes()[close] != b')' {
        return None;
    }
    let inside = &site.text[site.end..close];
    let numbers = inside.bytes().all(|b| b.is_ascii_digit());
    let arguments = inside.starts_with("0x") || inside == "...";
    let unknown = matches!(inside, "Unknown Source" | "Native Method" | "<generated>" | "SourceFile" | "<anonymous>");
    let before = &site.text[..site.at];
    let file = !inside.contains(['/', '\\', ' ']) && is_file(inside) && before.contains(['.', ':']);
    if !(numbers || arguments || unknown || file) {
        return None;
    }
    let start = if site.text[site.floor..site.at].ends_with(' ') { site.at - 1 } else { site.at };
    Edit::drop(start..close + 1)
}

fn is_file(text: &str) -> bool {
    let (name, line) = text.split_once(':').unwrap_or((text, ""));
    let lined = line.bytes().all(|b| b.is_ascii_digit() || b == b':');
    let extension = name
        .rsplit_once('.')
        .is_some_and(|(_, e)| (1..=6).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()));
    lined && (extension || name == "SourceFile")
}

/// `:12`, `:12:5`.
pub(super) fn line(site: &Site<'_>) -> Option<Edit> {
    let mut end = site.digits(site.end);
    if end == site.end {
        return None;
    }
    while site.bytes().get(end) == Some(&b':') && site.digits(end + 1) > end + 1 {
        end = site.digits(end + 1);
    }
    site.ends(end).then(|| Edit::drop(site.at..end)).flatten()
}

/// `, line 12`, `:line 71`.
pub(super) fn line_word(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let start = site.run_back(site.at, |b| matches!(b, b' ' | b',' | b':'));
    (end > site.end && start < site.at).then(|| Edit::drop(start..end)).flatten()
}

/// `main.4ae43ac6.js`, `chunk-B7XQ2K9P.mjs`: a bundle's content hash.
pub(super) fn bundle_hash(site: &Site<'_>) -> Option<Edit> {
    let start = site.run_back(site.at, |b| b.is_ascii_alphanumeric() || b == b'_');
    let hash = &site.text[start..site.at];
    let joined = start > site.floor && matches!(site.bytes()[start - 1], b'.' | b'-');
    let drawn = hash.len() >= 6
        && (hash.bytes().any(|b| b.is_ascii_digit()) && hash.bytes().any(|b| b.is_ascii_alphabetic())
            || hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_digit()));
    (joined && drawn).then(|| Edit::drop(start - 1..site.at)).flatten()
}

/// `releases/20240501/`: which deployment it was.
pub(super) fn release(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let numbered = site.text[site.end..end].bytes().any(|b| b.is_ascii_digit()) && site.bytes().get(end) == Some(&b'/');
    numbered.then(|| Edit::drop(site.end..end + 1)).flatten()
}

/// `@v1.2.3`, `@v0.0.0-20230101-abcdef`: a library's version in a path.
pub(super) fn version(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_'));
    let version = site.bytes().get(site.end).is_some_and(u8::is_ascii_digit) && site.text[site.end..end].contains('.');
    version.then(|| Edit::drop(site.at..end)).flatten()
}

/// `python3.11/`, `ruby/3.2.0/`: the interpreter's version in a path.
pub(super) fn interpreter(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_digit() || b == b'.');
    let directory = end > site.end && site.bytes().get(end) == Some(&b'/');
    directory.then(|| Edit::drop(site.end..end)).flatten()
}

/// `block in `, `block (2 levels) in `, before a Ruby method.
pub(super) fn ruby_block(site: &Site<'_>) -> Option<Edit> {
    let rest = &site.text[site.end..];
    let end = if rest.starts_with("in ") {
        site.end + 3
    } else {
        let levels = rest.strip_prefix('(')?.split_once(" levels) in ")?.0;
        let counted = levels.bytes().all(|b| b.is_ascii_digit());
        counted.then_some(site.end + 1 + levels.len() + " levels) in ".len())?
    };
    let opened = site.at == 0 || !ident(site.bytes()[site.at - 1]);
    opened.then(|| Edit::drop(site.at..end)).flatten()
}

/// `_app_views_show_html_erb__1885405851869973908_46929952345340`: the numbers of a compiled template.
pub(super) fn template_method(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_digit() || b == b'_');
    (end > site.end).then(|| Edit::drop(site.at + "_erb".len()..end)).flatten()
}

/// `class@anonymous /app/Factory.php:62$0b9`: up to what comes behind the class.
pub(super) fn anonymous_class(site: &Site<'_>) -> Option<Edit> {
    let rest = &site.bytes()[site.end..];
    let space = usize::from(matches!(rest, [b' ' | 0, b'/', ..]));
    if !matches!(rest.get(space), Some(b'/')) {
        return None;
    }
    let path = &site.text[site.end + space..];
    let end = path.find("::").or_else(|| path.find([' ', '(', ')'])).unwrap_or(path.len());
    Edit::drop(site.end..site.end + space + end)
}

/// ` ~[spring-web-5.3.1.jar!/:5.3.1]`, ` [classes/:na]`: which archive a class was loaded from.
pub(super) fn packaging(site: &Site<'_>) -> Option<Edit> {
    let close = site.next(site.end, &[']'])?;
    let inside = &site.text[site.end..close];
    let archive = !inside.contains(' ') && (inside.contains(".jar") || inside.contains(":na") || inside.contains("/:"));
    archive.then(|| Edit::drop(site.at..close + 1)).flatten()
}

/// ` thread=main`, ` id=12`: whatever else was written behind the place.
pub(super) fn assignment(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.end);
    let key = site.run_back(site.at, word);
    let spaced = key < site.at && key > site.floor && site.bytes()[key - 1] == b' ';
    (spaced && end > site.end && site.ends(end)).then(|| Edit::drop(key - 1..end)).flatten()
}

/// `Autodiff$.grad`: a Scala object.
pub(super) fn scala_object(site: &Site<'_>) -> Option<Edit> {
    let named = site.at > site.floor && word(site.bytes()[site.at - 1]);
    named.then(|| Edit::drop(site.at..site.at + 1)).flatten()
}

/// `views/9f86d081….php`: a template, compiled into a file that is named by its hash.
pub(super) fn compiled_view(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b.is_ascii_hexdigit());
    let hash = end - site.end >= 32 && site.bytes().get(end) == Some(&b'.');
    hash.then(|| Edit::put(site.end..end, "{hash}")).flatten()
}

/// ` thread=tokio-runtime-worker`.
pub(super) fn thread(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.end, |b| b != b' ');
    Edit::drop(site.at..end)
}
