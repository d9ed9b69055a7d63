//! Writing to the terminal, or to whoever reads instead of it.

use std::io::{IsTerminal, Write};

use crate::archive::Page;

/// Writes a line to standard output. A reader that has gone away (`| head`) ends the process quietly.
pub(super) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).is_err() {
        std::process::exit(0);
    }
}

/// Writes a value as JSON, for machines.
pub(super) fn json(value: &impl serde::Serialize) {
    line(&serde_json::to_string_pretty(value).expect("our values always serialise"));
}

/// Writes the rows of a page, or that there are no `what`, and how to see further ones than `limit`.
pub(super) fn page<T>(page: &Page<T>, what: &str, limit: u16, row: impl Fn(&T) -> String) {
    if page.items.is_empty() {
        error(&format!("no {what}"));
    }
    page.items.iter().for_each(|item| line(&row(item)));
    if page.next.is_some() {
        error(&format!("and more; --limit {} shows further ones", u32::from(limit) * 5));
    }
}

/// Writes a line to standard error.
pub(super) fn error(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

fn is_plain() -> bool {
    !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some()
}

/// The text in bold, when standard output is a terminal.
pub(super) fn bold(text: &str) -> String {
    if is_plain() { text.to_owned() } else { format!("\u{1b}[1m{text}\u{1b}[0m") }
}

/// The text in red, when standard output is a terminal.
pub(super) fn red(text: &str) -> String {
    if is_plain() { text.to_owned() } else { format!("\u{1b}[31m{text}\u{1b}[0m") }
}

/// Shows how far something is, in one line that is written over, when standard error is a terminal.
pub(super) fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        write!(std::io::stderr(), "\r\u{1b}[2K{text}").ok();
    }
}
