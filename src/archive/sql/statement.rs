//! A statement, written once in one neutral spelling and translated once for each kind of server.
//!
//! The neutral spelling is what SQLite and PostgreSQL agree on, with these marks:
//! - `?1`, `?2`: the values, by position; one may stand in several places. A bare `?` is the next one.
//! - `?*`: a list of values, all that come after the numbered ones. `(?*6)`: a list of rows of six values each.
//! - `ON CONFLICT (…) DO UPDATE SET …`, `ON CONFLICT (…) DO NOTHING`, `excluded.x`, `GREATEST(a, b)`, `AS BIGINT`.
//! - `FOR UPDATE`, `FOR UPDATE OF s`, `FOR UPDATE SKIP LOCKED`: nothing to SQLite, which has one writer. MariaDB locks the
//!   rows of all tables, also when one is named.
//! - `RETURNING id`, at the end of an insert: left out where the driver tells the number another way.
//!
//! Deliberately not here: a parser. What one of the servers cannot say this way is given to it in its own words
//! ([`Sql::spelled`]).

use std::sync::OnceLock;

/// Values or rows of one list, at most: longer ones take several statements.
pub(super) const LIST_MAX: usize = 1 << (SIZES - 1);
/// Lists have sizes that are powers of two, so that few statements are prepared: 1 to 1024.
const SIZES: usize = 11;

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
}

/// A statement. Always a `static`: its translations are kept in it.
pub(crate) struct Sql {
    texts: [&'static str; 3],
    ready: [[OnceLock<Ready>; SIZES]; 3],
}

/// A translated statement.
pub(super) struct Ready {
    /// The text.
    pub(super) text: String,
    /// Which value goes to each placeholder, in order: for drivers whose placeholders have no number.
    pub(super) order: Vec<usize>,
}

impl Sql {
    /// A statement in the neutral spelling.
    pub(crate) const fn new(neutral: &'static str) -> Sql {
        Sql::spelled(neutral, neutral, neutral)
    }

    /// A statement that the servers spell too differently.
    pub(crate) const fn spelled(sqlite: &'static str, postgres: &'static str, mysql: &'static str) -> Sql {
        Sql {
            texts: [sqlite, postgres, mysql],
            ready: [
                const { [const { OnceLock::new() }; SIZES] },
                const { [const { OnceLock::new() }; SIZES] },
                const { [const { OnceLock::new() }; SIZES] },
            ],
        }
    }

    /// The translation for lists of this size, a power of two.
    pub(super) fn ready(&'static self, dialect: Dialect, size: usize) -> &'static Ready {
        debug_assert!(size.is_power_of_two() && size <= LIST_MAX);
        let nth = dialect as usize;
        self.ready[nth][size.trailing_zeros() as usize].get_or_init(|| translate(self.texts[nth], dialect, size))
    }
}

fn translate(neutral: &str, dialect: Dialect, size: usize) -> Ready {
    let text = match dialect {
        Dialect::Sqlite => neutral
            .replace(" FOR UPDATE SKIP LOCKED", "")
            .replace(" FOR UPDATE OF s", "")
            .replace(" FOR UPDATE", "")
            .replace(" RETURNING id", "")
            .replace("GREATEST(", "max("),
        Dialect::Postgres => neutral.to_owned(),
        Dialect::MySql => in_words_of_mysql(neutral)
            .replace(" FOR UPDATE OF s", " FOR UPDATE")
            .replace(" RETURNING id", "")
            .replace(" AS BIGINT)", " AS SIGNED)"),
    };
    let mut ready = Ready { text: String::with_capacity(text.len() + size * 8), order: Vec::new() };
    let mut next = numbered(&text);
    let mut rest = text.as_str();
    while let Some(at) = rest.find('?') {
        ready.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('*') {
            let (width, after) = number(after);
            rest = after;
            for nth in 0..size {
                if nth > 0 {
                    ready.text.push_str(if width.is_some() { "), (" } else { ", " });
                }
                for column in 0..width.unwrap_or(1) {
                    ready.text.push_str(if column > 0 { ", " } else { "" });
                    ready.place(dialect, next);
                    next += 1;
                }
            }
        } else {
            let (position, after) = number(rest);
            rest = after;
            ready.place(dialect, position.map_or(next, |position| position - 1));
            next += usize::from(position.is_none());
        }
    }
    ready.text.push_str(rest);
    ready
}

impl Ready {
    fn place(&mut self, dialect: Dialect, position: usize) {
        match dialect {
            Dialect::Sqlite => self.text.push_str(&format!("?{}", position + 1)),
            Dialect::Postgres => self.text.push_str(&format!("${}", position + 1)),
            Dialect::MySql => self.text.push('?'),
        }
        self.order.push(position);
    }
}

/// How many values are numbered.
fn numbered(text: &str) -> usize {
    text.split('?').skip(1).filter_map(|after| number(after).0).max().unwrap_or(0)
}

/// The number that a text begins with, and what comes after it.
fn number(text: &str) -> (Option<usize>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (text[..digits].parse().ok(), &text[digits..])
}

fn in_words_of_mysql(neutral: &str) -> String {
    const CONFLICT: &str = "ON CONFLICT (";
    let mut text = String::with_capacity(neutral.len());
    let mut rest = neutral;
    if let Some((before, after)) = neutral.split_once(CONFLICT)
        && let Some((columns, after)) = after.split_once(") DO ")
    {
        text.push_str(before);
        text.push_str("ON DUPLICATE KEY UPDATE ");
        rest = match after.strip_prefix("NOTHING") {
            // Nothing is changed by setting a column to what it is. `INSERT IGNORE` would ignore other faults too.
            Some(after) => {
                let column = columns.split(',').next().unwrap_or(columns);
                text.push_str(&format!("{column} = {column}"));
                after
            }
            None => after.strip_prefix("UPDATE SET ").unwrap_or(after),
        };
    }
    for (nth, part) in rest.split("excluded.").enumerate() {
        let name = if nth == 0 { 0 } else { part.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count() };
        if nth > 0 {
            text.push_str(&format!("VALUES({})", &part[..name]));
        }
        text.push_str(&part[name..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(neutral: &str, size: usize, expected: Expect) {
        let dialects = [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql];
        let all: Vec<String> = dialects
            .into_iter()
            .map(|dialect| translate(neutral, dialect, size))
            .map(|ready| format!("{} {:?}\n", ready.text, ready.order))
            .collect();
        expected.assert_eq(&all.concat());
    }

    #[test]
    fn a_value_may_stand_in_several_places() {
        check(
            "SELECT a FROM t WHERE (?2 IS NULL OR b = ?2) AND c = ?1 FOR UPDATE",
            1,
            expect![[r#"
                SELECT a FROM t WHERE (?2 IS NULL OR b = ?2) AND c = ?1 [1, 1, 0]
                SELECT a FROM t WHERE ($2 IS NULL OR b = $2) AND c = $1 FOR UPDATE [1, 1, 0]
                SELECT a FROM t WHERE (? IS NULL OR b = ?) AND c = ? FOR UPDATE [1, 1, 0]
            "#]],
        );
    }

    #[test]
    fn lists_come_after_the_numbered_values() {
        check(
            "SELECT CAST(sum(a) AS BIGINT) FROM t WHERE b = ?1 AND c IN (?*)",
            2,
            expect![[r#"
                SELECT CAST(sum(a) AS BIGINT) FROM t WHERE b = ?1 AND c IN (?2, ?3) [0, 1, 2]
                SELECT CAST(sum(a) AS BIGINT) FROM t WHERE b = $1 AND c IN ($2, $3) [0, 1, 2]
                SELECT CAST(sum(a) AS SIGNED) FROM t WHERE b = ? AND c IN (?, ?) [0, 1, 2]
            "#]],
        );
    }

    #[test]
    fn rows_that_are_there_already_are_changed_or_left() {
        check(
            "INSERT INTO t (a, b) VALUES (?*2) ON CONFLICT (a) DO UPDATE SET b = GREATEST(t.b, excluded.b)",
            2,
            expect![[r#"
                INSERT INTO t (a, b) VALUES (?1, ?2), (?3, ?4) ON CONFLICT (a) DO UPDATE SET b = max(t.b, excluded.b) [0, 1, 2, 3]
                INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT (a) DO UPDATE SET b = GREATEST(t.b, excluded.b) [0, 1, 2, 3]
                INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON DUPLICATE KEY UPDATE b = GREATEST(t.b, VALUES(b)) [0, 1, 2, 3]
            "#]],
        );
        check(
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a, b) DO NOTHING RETURNING id",
            1,
            expect![[r#"
                INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a, b) DO NOTHING [0, 1]
                INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a, b) DO NOTHING RETURNING id [0, 1]
                INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE a = a [0, 1]
            "#]],
        );
    }
}
