//! The result as Markdown.

use std::fmt::Write as _;

use super::REFERENCE;
use super::outcome::{Outcome, Row, Table};
use crate::stats::Spread;

/// Use of its core from which on the tool may be the limit, in percent.
const TOOL_IS_BUSY: f64 = 90.0;

/// All tables, with what the figures are and what to beware of.
pub(super) fn markdown(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for table in &outcome.tables {
        let more = table.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
        let _ = writeln!(text, "### {}{more}\n", table.workload.title(table.n));
        write_table(table, &mut text);
        write_warnings(table, &mut text);
        text.push('\n');
    }
    let runs = match outcome.runs {
        1 => format!("One run of {} s", outcome.secs),
        runs => format!("Medians of {runs} interleaved runs of {} s (least–greatest)", outcome.secs),
    };
    let _ = writeln!(text, "{runs}; {}.", outcome.machine);
    text
}

fn write_table(table: &Table, text: &mut String) {
    let shown: Vec<_> = table
        .workload
        .columns()
        .iter()
        .filter(|(_, field, _)| table.rows.iter().any(|row| row.figures.contains_key(*field)))
        .collect();
    let ratio = table.base.as_deref().filter(|_| table.rows.iter().any(|row| row.ratio.is_some()));
    let mut titles = vec!["server".to_owned()];
    for (at, (title, field, _)) in shown.iter().enumerate() {
        titles.push((*title).to_owned());
        if let (0, true, Some(base)) = (at, *field == table.headline, ratio) {
            titles.push(format!("÷ {}", base.split(',').next().unwrap_or(base)));
        }
    }
    let _ = writeln!(text, "| {} |", titles.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(titles.len() - 1));
    for row in &table.rows {
        let mut cells = vec![row.server.clone()];
        for (at, &&(_, field, decimals)) in shown.iter().enumerate() {
            cells.push(cell(row.figures.get(field), decimals));
            if at == 0 && field == table.headline && ratio.is_some() {
                cells.push(cell(row.ratio.as_ref(), 2));
            }
        }
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// A median with its spread, where there is one to be seen.
fn cell(spread: Option<&Spread>, decimals: usize) -> String {
    let Some(Spread { median, min, max }) = spread else { return "–".to_owned() };
    let [median, min, max] = [median, min, max].map(|value| format!("{value:.decimals$}"));
    if min == max { median } else { format!("{median} ({min}–{max})") }
}

fn write_warnings(table: &Table, text: &mut String) {
    let figure = |row: &Row, field: &str, runs: fn(&Spread) -> f64| row.figures.get(field).map(runs);
    let mut warnings = Vec::new();
    for row in &table.rows {
        let name = &row.server;
        if let Some(busy) =
            figure(row, "own_cpu_pct", |spread| spread.max).filter(|&busy| busy > TOOL_IS_BUSY)
        {
            warnings.push(format!(
                "{name}: this tool used up to {busy:.0} % of its core and may have been the limit."
            ));
        }
        if let Some(dead) = figure(row, "dead", |spread| spread.max).filter(|&dead| dead > 0.0) {
            warnings.push(format!("{name}: up to {dead:.0} clients were cut off."));
        }
        for (field, what) in [("got_media", "got media"), ("full_rate", "were at full rate")] {
            let least = figure(row, field, |spread| spread.min).filter(|&least| least < table.n as f64);
            if let Some(least) = least {
                warnings.push(format!("{name}: in the worst run {least:.0} of {} clients {what}.", table.n));
            }
        }
        if let Some(steal) = figure(row, "steal_s", |spread| spread.max).filter(|&steal| steal > 0.1) {
            warnings.push(format!("{name}: the hypervisor took up to {steal:.1} s of a run away."));
        }
    }
    if table.rows.iter().any(|row| row.server.starts_with(REFERENCE)) {
        warnings.push(
            "The reference sends the same bytes to all and stamps nothing, so it has no latency.".to_owned(),
        );
    }
    if !warnings.is_empty() {
        let _ = write!(text, "\n- {}\n", warnings.join("\n- "));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::super::machine::Machine;
    use super::super::options::Options;
    use super::super::outcome::figures;
    use super::super::workload::Workload;
    use super::*;

    fn runs(values: [(f64, f64); 2]) -> Vec<Map<String, Value>> {
        let run = |(cost, busy): (f64, f64)| json!({"cpu_s_per_gbit": cost, "srv_cpu_pct": 18.25, "own_cpu_pct": busy, "got_media": 999});
        values.into_iter().filter_map(|values| run(values).as_object().cloned()).collect()
    }

    fn options(base: &[&str]) -> Options {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
            #[arg(long)]
            json: bool,
        }
        let line = ["table", "--server", "a,http-ts=http://127.0.0.1/x"].iter().chain(base);
        let line = Line::parse_from(line);
        assert!(!line.json);
        line.options
    }

    fn outcome() -> Outcome {
        let rows = vec![
            ("a".to_owned(), runs([(0.1, 40.0), (0.12, 95.0)])),
            ("reference, 40 ms".to_owned(), runs([(0.1, 40.0), (0.1, 40.0)])),
        ];
        let tables = vec![Table::new(&options(&["--title", "at rest"]), Workload::HttpTs, rows)];
        let machine = Machine { cpu: "A CPU".into(), cores: 2, kernel: "6.1".into() };
        Outcome { machine, runs: 2, secs: 8, tables }
    }

    #[test]
    fn the_markdown_is_a_table() {
        let expected = "\
### HTTP MPEG-TS, 1000 viewers: at rest

| server | CPU s/Gbit | ÷ reference | core % |
|---|---:|---:|---:|
| a | 0.1100 (0.1000–0.1200) | 1.10 (1.00–1.20) | 18.2 |
| reference, 40 ms | 0.1000 | – | 18.2 |

- a: this tool used up to 95 % of its core and may have been the limit.
- a: in the worst run 999 of 1000 clients got media.
- reference, 40 ms: in the worst run 999 of 1000 clients got media.
- The reference sends the same bytes to all and stamps nothing, so it has no latency.

Medians of 2 interleaved runs of 8 s (least–greatest); A CPU, 2 cores, Linux 6.1.
";
        assert_eq!(markdown(&outcome()), expected);
    }

    #[test]
    fn the_json_has_every_run() {
        let json = serde_json::to_value(outcome()).unwrap();
        let row = &json["tables"][0]["rows"][0];
        assert_eq!(row["ratio"], json!({"median": 1.1, "min": 1.0, "max": 1.2}));
        assert_eq!(row["runs"][1]["cpu_s_per_gbit"], 0.12);
        assert_eq!(json["tables"][0]["workload"], "http-ts");
        assert_eq!(json["tables"][0]["base"], "reference, 40 ms");
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let rows = vec![
            ("a".to_owned(), runs([(2.0, 0.0), (8.0, 0.0)])),
            ("b".to_owned(), runs([(1.0, 0.0), (2.0, 0.0)])),
        ];
        let table = Table::new(&options(&["--base", "b"]), Workload::HttpTs, rows);
        assert_eq!(table.rows[0].ratio, Some(Spread { median: 3.0, min: 2.0, max: 4.0 }));
        assert_eq!(table.rows[1].ratio, None);
    }

    #[test]
    fn figures_are_of_what_every_run_has() {
        let with = json!({"a": 1, "b": 2.5, "c": "text"});
        let without = json!({"a": 3, "b": null, "c": "text"});
        let runs: Vec<_> = [with, without].iter().filter_map(|run| run.as_object().cloned()).collect();
        let figures = figures(&runs);
        assert_eq!(figures.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(figures["a"].median, 2.0);
    }
}
