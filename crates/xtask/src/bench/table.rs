//! A table of figures: Markdown for people, JSON for programs.
//! It does not know what is measured.

use std::fmt;

use serde_json::{Value, json};

/// Rows of figures under named columns, and what must be said about them.
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
}

pub(crate) enum Cell {
    Text(String),
    /// A figure and how many of its decimals mean something.
    Number(f64, usize),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row; cells that are missing stay empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A sentence below the table.
    pub(crate) fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    pub(crate) fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let cells = self.columns.iter().cloned().zip(row.iter().map(Cell::json));
                Value::Object(cells.collect())
            })
            .collect();
        json!({"rows": rows, "notes": self.notes})
    }
}

impl Cell {
    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(value, _) => json!(value),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&text.replace('|', "\\|")),
            Self::Number(value, decimals) => write!(f, "{value:.decimals$}"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        // Figures stand under each other by their last digit: every column but the first is set right.
        let rule = (0..self.columns.len()).map(|at| if at == 0 { "---" } else { "--:" });
        writeln!(f, "| {} |", rule.collect::<Vec<_>>().join(" | "))?;
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
            writeln!(f, "| {} |", cells.join(" | "))?;
        }
        for note in &self.notes {
            write!(f, "\n{note}\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_figures_come_as_markdown_and_as_json() {
        let mut table = Table::new(&["what", "value"]);
        table.row(["a|b".into(), Cell::Number(1.25, 1)]);
        table.note("Loopback.");
        assert_eq!(
            table.to_string(),
            "| what | value |\n| --- | --: |\n| a\\|b | 1.2 |\n\nLoopback.\n"
        );
        assert_eq!(
            table.json(),
            json!({"rows": [{"what": "a|b", "value": 1.25}], "notes": ["Loopback."]})
        );
    }
}
