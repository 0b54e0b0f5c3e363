//! What people look at: `show`, `explain`.

use andiron_plan::spec::Relation;
use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::displayable;
use futures::TryStreamExt;

use crate::datetime::Zone;
use crate::functions::cast::Printer;
use crate::limits::SHOW_ROWS_MAX;
use crate::{ExplainMode, Resolved, Session, SparkError};

/// What `explain` prints.
pub(crate) async fn explain(session: &Session, relation: &Relation, mode: ExplainMode) -> Result<String, SparkError> {
    let resolved = session.resolve(relation).await?;
    explain_resolved(session, &resolved, mode).await
}

/// What `explain` prints of a resolved relation; a stream has no physical plan before a batch bounds it.
pub async fn explain_resolved(session: &Session, rows: &Resolved, mode: ExplainMode) -> Result<String, SparkError> {
    let physical = if rows.is_streaming() {
        rows.plan.display_indent().to_string()
    } else {
        let plan = session.physical_plan(rows).await?;
        displayable(plan.as_ref()).indent(false).to_string()
    };
    if mode == ExplainMode::Simple {
        return Ok(format!("== Physical Plan ==\n{physical}\n"));
    }
    let optimized = if rows.is_streaming() {
        rows.plan.display_indent().to_string()
    } else {
        session.context().state().optimize(&rows.plan)?.display_indent().to_string()
    };
    Ok(format!(
        "== Analyzed Logical Plan ==\n{}\n\n== Optimized Logical Plan ==\n{optimized}\n\n== Physical Plan ==\n{physical}\n",
        rows.plan.display_indent()
    ))
}

/// The first rows as text, and whether there are more.
struct Cells {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    more: bool,
}

async fn cells(session: &Session, rows: &Resolved, num_rows: i32, truncate: usize) -> Result<Cells, SparkError> {
    let wanted = usize::try_from(num_rows.max(0)).unwrap_or(0).min(SHOW_ROWS_MAX);
    let plan = LogicalPlanBuilder::from(rows.plan.clone()).limit(0, Some(wanted + 1))?.build()?;
    let limited = Resolved { plan, columns: rows.columns.clone() };
    let batches: Vec<RecordBatch> = session.run(&limited).await?.try_collect().await?;
    let header = rows.columns.iter().map(|c| escaped(&c.name)).map(|c| cut(c, truncate)).collect();
    cells_of(&batches, header, wanted, truncate, Zone::of_session(&session.conf().time_zone_name())?)
}

fn cells_of(
    batches: &[RecordBatch],
    header: Vec<String>,
    wanted: usize,
    truncate: usize,
    zone: Zone,
) -> Result<Cells, SparkError> {
    let mut shown = Vec::new();
    let mut more = false;
    for batch in batches {
        let printers = batch.columns().iter().map(|c| Printer::new(c, zone, true)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if shown.len() == wanted {
                more = true;
                break;
            }
            let line = printers.iter().map(|printer| {
                let mut text = String::new();
                printer.write_or_null(row, &mut text);
                cut(escaped(&text), truncate)
            });
            shown.push(line.collect());
        }
    }
    Ok(Cells { header, rows: shown, more })
}

/// What `show()` prints.
pub async fn show_string(
    session: &Session,
    rows: &Resolved,
    num_rows: i32,
    truncate: i32,
    vertical: bool,
) -> Result<String, SparkError> {
    let truncate = usize::try_from(truncate).unwrap_or(0);
    let cells = cells(session, rows, num_rows, truncate).await?;
    Ok(if vertical { vertical_text(&cells) } else { table_text(&cells, truncate) })
}

/// What `show()` prints of rows that are there already: the console sink's table.
pub fn show_batches(
    batches: &[RecordBatch],
    names: &[String],
    num_rows: usize,
    truncate: usize,
    zone: &str,
) -> Result<String, SparkError> {
    let header = names.iter().map(|n| cut(escaped(n), truncate)).collect();
    let cells = cells_of(batches, header, num_rows, truncate, Zone::of_session(zone)?)?;
    Ok(table_text(&cells, truncate))
}

/// What a notebook shows.
pub(crate) async fn html_string(
    session: &Session,
    rows: &Resolved,
    num_rows: i32,
    truncate: i32,
) -> Result<String, SparkError> {
    let cells = cells(session, rows, num_rows, usize::try_from(truncate).unwrap_or(0)).await?;
    let html = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let line = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|c| format!("<{tag}>{}</{tag}>", html(c))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let mut out = "<table border='1'>\n".to_owned();
    out.push_str(&line("th", &cells.header));
    for row in &cells.rows {
        out.push_str(&line("td", row));
    }
    out.push_str("</table>\n");
    if cells.more {
        out.push_str(&only_top(num_rows.max(0).unsigned_abs() as usize));
    }
    Ok(out)
}

fn only_top(rows: usize) -> String {
    format!("only showing top {rows} {}\n", if rows == 1 { "row" } else { "rows" })
}

/// Characters that would break a line of the table.
fn escaped(text: &str) -> String {
    if !text.contains(|c: char| c.is_control()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{7}' => out.push_str("\\a"),
            c => out.push(c),
        }
    }
    out
}

fn cut(text: String, truncate: usize) -> String {
    if truncate == 0 || text.chars().count() <= truncate {
        return text;
    }
    // With fewer than four characters there is no room for dots.
    if truncate < 4 {
        return text.chars().take(truncate).collect();
    }
    text.chars().take(truncate - 3).chain("...".chars()).collect()
}

/// Half the terminal columns that a text takes: characters of East Asia take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6) { 2 } else { 1 }).sum()
}

fn table_text(cells: &Cells, truncate: usize) -> String {
    const LEAST_WIDTH: usize = 3;
    let mut widths: Vec<usize> = cells.header.iter().map(|c| width(c).max(LEAST_WIDTH)).collect();
    for row in &cells.rows {
        for (w, cell) in widths.iter_mut().zip(row) {
            *w = (*w).max(width(cell));
        }
    }
    let rule: String = {
        let mut rule = "+".to_owned();
        for w in &widths {
            rule.push_str(&"-".repeat(*w));
            rule.push('+');
        }
        rule.push('\n');
        rule
    };
    // Cut tables stand at the right, whole ones at the left.
    let line = |cells: &[String]| {
        let mut line = "|".to_owned();
        for (cell, w) in cells.iter().zip(&widths) {
            let pad = " ".repeat(w.saturating_sub(width(cell)));
            if truncate > 0 {
                line.push_str(&pad);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&pad);
            }
            line.push('|');
        }
        line.push('\n');
        line
    };
    let mut out = rule.clone();
    if cells.header.is_empty() {
        // Spark prints `++` and `||` for a relation without columns.
        "++\n".clone_into(&mut out);
        out.push_str("||\n++\n");
        for _ in &cells.rows {
            out.push_str("||\n");
        }
        out.push_str("++\n");
    } else {
        out.push_str(&line(&cells.header));
        out.push_str(&rule);
        for row in &cells.rows {
            out.push_str(&line(row));
        }
        out.push_str(&rule);
    }
    if cells.more {
        out.push_str(&only_top(cells.rows.len()));
    }
    out
}

fn vertical_text(cells: &Cells) -> String {
    if cells.rows.is_empty() {
        return "(0 rows)\n".to_owned();
    }
    let name_width = cells.header.iter().map(|c| width(c)).max().unwrap_or(0).max(3);
    let value_width = cells.rows.iter().flatten().map(|c| width(c)).max().unwrap_or(0).max(3);
    let mut out = String::new();
    for (i, row) in cells.rows.iter().enumerate() {
        let head = format!("-RECORD {i}");
        out.push_str(&format!("{head:-<w$}\n", w = name_width + value_width + 5));
        for (name, value) in cells.header.iter().zip(row) {
            let name_pad = " ".repeat(name_width - width(name));
            let value_pad = " ".repeat(value_width - width(value));
            out.push_str(&format!(" {name}{name_pad} | {value}{value_pad} \n"));
        }
    }
    if cells.more {
        out.push_str(&only_top(cells.rows.len()));
    }
    out
}
