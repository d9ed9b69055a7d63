//! The house rules that a compiler does not know: who may name whom, what is absent where, how long a file may be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file that is not a test.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

const NOUNS: [&str; 6] = ["time", "event", "issue", "alert", "outcome", "config"];

struct Source {
    path: PathBuf,
    /// The first part of its path: `archive`, `gate`, …
    room: String,
    text: String,
    is_test: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root().join("src")).unwrap().to_owned();
                let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let whole = fs::read_to_string(&path).unwrap();
                let is_test = inside.iter().any(|part| {
                    ["tests", "tests.rs", "contract", "contract.rs", "sim.rs", "sample.rs", "golden.rs", "hostile.rs"]
                        .iter()
                        .any(|name| part == *name)
                });
                let text = whole.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                found.push(Source { path: inside, room, text, is_test });
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// The table of ARCHITECTURE.md: a room, and the rooms that it may name besides the nouns.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = page.split("## Who may name whom").nth(1).expect("ARCHITECTURE.md has the table");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (names(cells[1]).into_iter().next().unwrap(), names(cells[2]))
    })
    .collect()
}

/// The rooms that a text names by `crate::…`.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        // `use crate::{fingerprint, normalize};` names both.
        let list = after.strip_prefix('{').map(|list| list.split('}').next().unwrap().split(','));
        let paths: Vec<&str> = list.map_or_else(|| vec![after], Iterator::collect);
        for path in paths {
            let room: String = path.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            rooms.insert(room);
        }
    }
    rooms
}

#[test]
fn rooms_name_only_whom_they_may() {
    let allowed = allowed();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| !["lib", "main"].contains(&source.room.as_str())) {
        let names = named(&source.text).into_iter().filter(|room| {
            *room != source.room && !NOUNS.contains(&room.as_str()) && root().join("src").join(room).exists()
                || root().join("src").join(format!("{room}.rs")).exists()
                    && *room != source.room
                    && !NOUNS.contains(&room.as_str())
        });
        used.entry(source.room.clone()).or_default().extend(names);
    }
    for (room, names) in &used {
        if NOUNS.contains(&room.as_str()) {
            assert!(names.is_empty(), "the noun {room} names {names:?}");
            continue;
        }
        let may = allowed.get(room).unwrap_or_else(|| panic!("{room} is not in ARCHITECTURE.md's table"));
        let more: Vec<_> = names.difference(may).collect();
        assert!(more.is_empty(), "{room} names {more:?}, which ARCHITECTURE.md does not allow");
        let unused: Vec<_> = may.difference(names).collect();
        assert!(unused.is_empty(), "ARCHITECTURE.md lets {room} name {unused:?}, which it does not");
    }
}

#[test]
fn what_should_be_absent_is_absent() {
    let sql = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "rusqlite::", "sqlx::"];
    let rules: [(&[&str], &[&str]); 7] = [
        (&sql, &["archive", "sim"]),
        (&["SystemTime::now"], &["server"]),
        (&["Instant::now"], &["metrics"]),
        (&["reqwest::Client", "use reqwest::"], &["deliver"]),
        (&["redis::", "aws_sdk_dynamodb::"], &["cache"]),
        (&["axum::"], &["http", "ingest", "web", "server"]),
        (&["println!", "eprintln!", "todo!", "unimplemented!", "dbg!"], &[]),
    ];
    for source in sources() {
        let code: String = source.text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for (words, rooms) in rules {
            for word in words.iter().filter(|word| code.contains(**word)) {
                let here = rooms.contains(&source.room.as_str()) || (source.is_test && *word != "rusqlite::");
                assert!(here, "{}: {word:?} belongs to {rooms:?}", source.path.display());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    for source in sources() {
        let path = source.path.display();
        assert!(source.text.starts_with("//! "), "{path} does not open with what it is for");
        let lines = source.text.lines().count();
        assert!(source.is_test || lines <= FILE_LINES_MAX, "{path} has {lines} lines: does it hold a second noun?");
        for (name, lines) in functions(&source.text).into_iter().filter(|_| !source.is_test) {
            assert!(lines <= FUNCTION_LINES_MAX, "{path}: {name} has {lines} lines");
        }
    }
}

/// The functions of a formatted file, with their lengths.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let is_function = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "pub(crate) async fn "]
            .iter()
            .any(|head| line.trim_start().starts_with(head));
        if is_function && !line.ends_with(';') && !line.ends_with('}') {
            let closing = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == closing).unwrap_or(0);
            found.push((line.trim().to_owned(), length + 1));
        }
    }
    found
}

/// The project speaks of the project alone.
#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    for name in ["README.md", "ARCHITECTURE.md", "bongsu.toml", "Cargo.toml", "test", ".ci/run", "bench/run"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for path in ["/root/", "/home/"] {
            assert!(!text.contains(path), "{name} names {path}");
        }
    }
}
