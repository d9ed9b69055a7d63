//! Go: the dump of a goroutine, what a panic prints, and `%+v` of errors that keep a stack.

use super::{Exception, Frame, foreign, lines, push, with_line};

pub(super) fn knows(line: &str, _: &str) -> bool {
    is_goroutine(line) || place(line).is_some()
}

/// One exception: Go prints no chain. Of several goroutines the first is the one that failed.
pub(super) fn read(text: &str) -> Vec<Exception<'_>> {
    let mut exception = title(text);
    let mut function = "";
    let mut has_goroutine = false;
    for (_, line) in lines(text) {
        if is_goroutine(line) {
            if has_goroutine {
                break;
            }
            has_goroutine = true;
            exception.frames.clear();
        } else if let Some((file, line)) = place(line) {
            if is_panic(function) {
                // What stands before was called because of the panic.
                exception.frames.clear();
            } else if !function.is_empty() && !function.starts_with("created by ") {
                push(&mut exception, frame(function, file, line));
            }
            function = "";
        } else {
            function = line.trim_end();
        }
    }
    vec![exception]
}

/// `goroutine 18 [running]:`
fn is_goroutine(line: &str) -> bool {
    let state = line.strip_prefix("goroutine ").and_then(|rest| rest.split_once(" ["));
    state.is_some_and(|(number, state)| number.parse::<u64>().is_ok() && state.trim_end().ends_with(':'))
}

fn is_panic(function: &str) -> bool {
    function.starts_with("panic(") || function.starts_with("runtime.gopanic(")
}

/// What a panic says; else, without a goroutine, the line before the first function.
fn title(text: &str) -> Exception<'_> {
    let panic = if text.starts_with("panic: ") { Some(0) } else { text.find("\npanic: ").map(|at| at + 1) };
    let Some(at) = panic else {
        let first = text.lines().next().unwrap_or("").trim();
        let is_message = !is_goroutine(first) && text.lines().nth(1).is_none_or(|second| place(second).is_none());
        return Exception { value: if is_message { first.into() } else { "".into() }, ..Exception::default() };
    };
    let said = &text[at + "panic: ".len()..];
    let end = ["\n\n", "\ngoroutine ", "\n[signal ", "\n\tpanic: "].iter().filter_map(|mark| said.find(mark)).min();
    let said = said[..end.unwrap_or(said.len())].trim_end();
    let said = said.strip_suffix(" [recovered]").unwrap_or(said);
    Exception { kind: "panic".into(), value: said.into(), ..Exception::default() }
}

/// `/app/shop.go:12 +0x1d`, indented
fn place(line: &str) -> Option<(&str, Option<u32>)> {
    let rest = line.strip_prefix(['\t', ' '])?.trim();
    let path = rest.rsplit_once(" +0x").map_or(rest, |(path, _)| path);
    let (file, line) = with_line(path);
    (line.is_some() && (file.ends_with(".go") || file.ends_with(".s"))).then_some((file, line))
}

fn frame<'t>(function: &'t str, file: &'t str, line: Option<u32>) -> Frame<'t> {
    // Arguments have braces, never parentheses.
    let name =
        if function.ends_with(')') { function.rfind('(').map_or(function, |at| &function[..at]) } else { function };
    let package_end = name.rfind('/').map_or(0, |at| at + 1);
    let dot = name[package_end..].find('.').map(|at| package_end + at);
    let (module, called) = dot.map_or(("", name), |dot| (&name[..dot], &name[dot + 1..]));
    let is_library = is_standard(module) || file.contains("/pkg/mod/") || file.contains("/vendor/");
    foreign(super::frame(module, called, file, line), is_library)
}

/// Whether a package is of the standard library.
fn is_standard(package: &str) -> bool {
    STANDARD.binary_search(&package.split('/').next().unwrap_or("")).is_ok()
}

/// First parts of the standard library's import paths; they are reserved.
const STANDARD: &[&str] = &[
    "archive",
    "bufio",
    "builtin",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];
