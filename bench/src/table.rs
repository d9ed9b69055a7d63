//! The figures for people, as tables.
//!
//! Promises: what is shown is the median of the rounds, and what went wrong is shown below its row. Deliberately not
//! here: judgement, and anything that is not in `report` as well.

use std::io::Write;

use crate::alert::AlertFigures;
use crate::report::{Alert, Case, Idle, Machine, Side};

const MIB: f64 = 1024.0 * 1024.0;
const NAME_WIDTH: usize = 18;
/// Said above the table in which they are compared.
const SYSTEMS: &str = "\
naive   GET, INCR and EXPIRE in one round trip to Redis for each event; of a batch, for one event after another
script  the same with one EVALSHA for each event
bongsu  with SQLite; bongsu+stores with Redis and PostgreSQL";

/// A figure of a row.
struct Column {
    title: &'static str,
    width: usize,
    text: fn(&Side) -> String,
}

/// Rows that look alike.
pub(crate) struct Table {
    server_width: usize,
    columns: &'static [Column],
}

const fn column(title: &'static str, width: usize, text: fn(&Side) -> String) -> Column {
    Column { title, width, text }
}

const ACCEPTED: Column = column("accepted/s", 11, |side| thousands(side.median.accepted_per_second));
const P50: Column = column("p50 ms", 9, |side| shown(side.median.p50_ms, 2));
const P99: Column = column("p99 ms", 9, |side| shown(side.median.p99_ms, 2));
const OF_BARE: Column = column("of bare", 9, |side| percent(side.of_bare));
const CPU: Column = column("CPU us/ev", 11, |side| shown(side.median.cpu_us_per_event, 1));
const PEAK: Column = column("peak MiB", 10, |side| shown(side.median.peak_rss_bytes / MIB, 1));
const DATA: Column = column("data MiB", 10, |side| shown(side.median.data_bytes / MIB, 1));
const SPREAD: Column = column("spread", 8, |side| shown(side.spread() * 100.0, 0) + " %");

/// bongsu next to the bare server.
pub(crate) const PLAIN: Table = Table {
    server_width: 8,
    columns: &[
        ACCEPTED,
        column("requests/s", 12, |side| thousands(side.median.requests_per_second)),
        P50,
        P99,
        column("p99.9", 9, |side| shown(side.median.p999_ms, 2)),
        OF_BARE,
        CPU,
        PEAK,
        DATA,
        SPREAD,
    ],
};

/// Five systems side by side.
pub(crate) const STORES: Table = Table {
    server_width: 15,
    columns: &[
        ACCEPTED,
        P50,
        P99,
        OF_BARE,
        column("of naive", 10, |side| percent(side.of_naive)),
        column("of script", 11, |side| percent(side.of_script)),
        CPU,
        PEAK,
        DATA,
        SPREAD,
    ],
};

/// What they cost the stores that they share.
const CALLS: Table = Table {
    server_width: 15,
    columns: &[
        column("Redis commands", 16, |side| shown(side.median.redis_commands_per_thousand, 1)),
        column("of them scripts", 17, |side| shown(side.median.redis_scripts_per_thousand, 1)),
        column("Redis reads", 13, |side| shown(side.median.redis_reads_per_thousand, 1)),
        column("archive commits", 17, |side| shown(side.median.archive_commits_per_thousand, 2)),
        column("CPU us/ev", 11, |side| shown(side.median.stores_cpu_us_per_event, 1)),
    ],
};

impl Table {
    /// Writes the titles.
    pub(crate) fn write_head(&self, out: &mut impl Write) -> std::io::Result<()> {
        self.write_row(out, "case", "server", |column| column.title.to_owned())
    }

    /// Writes the rows of a case.
    pub(crate) fn write_case(&self, out: &mut impl Write, case: &Case) -> std::io::Result<()> {
        self.write_sides(out, case, &case.sides.iter().collect::<Vec<_>>(), true)
    }

    fn write_sides(&self, out: &mut impl Write, case: &Case, sides: &[&Side], notes: bool) -> std::io::Result<()> {
        for (at, side) in sides.iter().enumerate() {
            let name = if at == 0 { case.name.as_str() } else { "" };
            self.write_row(out, name, side.server, |column| (column.text)(side))?;
            for note in side.notes.iter().filter(|_| notes) {
                writeln!(out, "{:<NAME_WIDTH$}! {note}", "")?;
            }
        }
        out.flush()
    }

    fn write_row(
        &self,
        out: &mut impl Write,
        name: &str,
        server: &str,
        text: impl Fn(&Column) -> String,
    ) -> std::io::Result<()> {
        write!(out, "{name:<NAME_WIDTH$}{server:<0$}", self.server_width)?;
        for column in self.columns {
            write!(out, "{:>1$}", text(column), column.width)?;
        }
        writeln!(out)
    }
}

/// Writes where it is measured.
pub(crate) fn write_machine(out: &mut impl Write, machine: &Machine) -> std::io::Result<()> {
    let Machine { kernel, processor, pinning, at, load_average, stores } = machine;
    writeln!(out, "{processor}, Linux {kernel}, {at}, load average {load_average}\n{pinning}")?;
    if let Some(stores) = stores {
        writeln!(out, "{stores}, where the generator runs\n\n{SYSTEMS}")?;
    }
    out.flush()
}

/// Writes what is not measured.
pub(crate) fn write_skipped(out: &mut impl Write, skipped: &[String]) -> std::io::Result<()> {
    skipped.iter().try_for_each(|skipped| writeln!(out, "SKIPPED {skipped}"))
}

/// Writes one line for each server that was started and left alone.
pub(crate) fn write_idle(out: &mut impl Write, idle: &[Idle]) -> std::io::Result<()> {
    for Idle { server, start_ms, rss_bytes } in idle {
        writeln!(out, "{server:<14} ready {start_ms:.1} ms after its start, {:.1} MiB idle", rss_bytes / MIB)?;
    }
    out.flush()
}

/// Writes what the cases cost the shared stores, for the servers that have any.
pub(crate) fn write_calls(out: &mut impl Write, cases: &[Case]) -> std::io::Result<()> {
    writeln!(out, "\nfor each 1,000 accepted events, and CPU of the stores for each event:")?;
    CALLS.write_head(out)?;
    for case in cases {
        let sharing: Vec<&Side> =
            case.sides.iter().filter(|side| side.median.stores_cpu_us_per_event.is_finite()).collect();
        CALLS.write_sides(out, case, &sharing, false)?;
    }
    Ok(())
}

/// Writes a line of alert latency for each server.
pub(crate) fn write_alerts(out: &mut impl Write, alerts: &[Alert]) -> std::io::Result<()> {
    if !alerts.is_empty() {
        writeln!(out, "\nfirst event to webhook, server idle:")?;
    }
    for Alert { server, figures } in alerts {
        let AlertFigures { sent, missing, p50_ms, p99_ms, max_ms, acknowledged_p50_ms } = figures;
        writeln!(
            out,
            "{server:<14} p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, max {max_ms:.2} ms \
             ({sent} alerts, {missing} missing; acknowledged after p50 {acknowledged_p50_ms:.2} ms)"
        )?;
    }
    out.flush()
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0))
}

/// A figure, or a dash where there is none: nothing was accepted that it could be about.
fn shown(number: f64, decimals: usize) -> String {
    if number.is_finite() { format!("{number:.decimals$}") } else { "-".to_owned() }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Figures, compare};

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0.4, "0"), (999.0, "999"), (1_000.0, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }

    fn side(server: &'static str, rate: f64, commands: f64, notes: &[&str]) -> Side {
        let round = Figures {
            accepted_per_second: rate,
            requests_per_second: rate,
            redis_commands_per_thousand: commands,
            // Of a server without stores there is none.
            stores_cpu_us_per_event: commands,
            archive_commits_per_thousand: f64::NAN,
            ..Figures::default()
        };
        Side::new(server, vec![round], notes.iter().map(|note| (*note).to_owned()).collect())
    }

    fn case(mut sides: Vec<Side>) -> Case {
        compare(&mut sides);
        Case { name: "native/one".to_owned(), request_bytes: 700, events_per_request: 1, sides }
    }

    fn lines(write: impl Fn(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<String> {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_case_has_a_row_for_each_server_under_the_head_and_its_notes() {
        let sides = vec![
            side("bare", 80_000.0, f64::NAN, &[]),
            side("naive", 20_000.0, 3_000.0, &[]),
            side("bongsu", 60_000.0, f64::NAN, &["3 answers were not 2xx"]),
        ];
        let case = case(sides);
        for table in [PLAIN, STORES] {
            let lines = lines(|out| table.write_head(out).and_then(|()| table.write_case(out, &case)));
            let [head, bare, naive, bongsu, note] = &lines[..] else { panic!("{lines:?}") };
            assert!([bare, naive, bongsu].iter().all(|row| row.len() == head.len()), "{lines:#?}");
            assert!(bare.starts_with("native/one") && bare.contains("80,000"), "{bare}");
            assert!(bongsu.contains("60,000") && bongsu.contains("75 %"), "{bongsu}");
            assert!(note.contains("! 3 answers were not 2xx"), "{note}");
            assert_eq!(head.contains("of naive"), bongsu.contains("300 %"), "{lines:#?}");
        }
    }

    #[test]
    fn calls_are_told_of_servers_that_share_stores() {
        let sides = vec![side("bare", 80_000.0, f64::NAN, &[]), side("naive", 20_000.0, 3_000.0, &["a note"])];
        let cases = [case(sides)];
        let lines = lines(|out| write_calls(out, &cases));
        let [_, _, head, naive] = &lines[..] else { panic!("{lines:#?}") };
        assert_eq!(head.len(), naive.len(), "{lines:#?}");
        let fields: Vec<&str> = naive.split_whitespace().collect();
        assert_eq!(fields, ["native/one", "naive", "3000.0", "0.0", "0.0", "-", "3000.0"]);
    }
}
