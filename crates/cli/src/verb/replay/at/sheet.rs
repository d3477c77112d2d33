//! What is told, for people and for programs at once: sections of rows. A row is what a program reads and what stands in
//! its columns; the same rows are printed and drawn.

use cascade_receipt::json::Value;

use crate::output::{self, BAD, BOLD, CARE, DIM, GOOD, Painted};

/// Rows of a section that are printed; programs get all.
const ROWS_MAX: usize = 50;
/// Widest column that others are aligned to.
const WIDTH_MAX: usize = 48;

/// How a text is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Plain,
    Good,
    Care,
    Bad,
    Dim,
    Bold,
}

/// A text on one line in which everything can be seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

pub(super) fn cell(tone: Tone, text: impl AsRef<str>) -> Cell {
    Cell { text: output::safe(text.as_ref()), tone }
}

pub(super) fn plain(text: impl AsRef<str>) -> Cell {
    cell(Tone::Plain, text)
}

pub(super) fn dim(text: impl AsRef<str>) -> Cell {
    cell(Tone::Dim, text)
}

/// One line.
#[derive(Debug)]
pub(super) struct Row {
    /// For programs; nothing where it only explains another row.
    document: Option<Value>,
    /// For people; none where only programs want it.
    cells: Vec<Cell>,
}

impl Row {
    pub(super) const fn new(document: Value, cells: Vec<Cell>) -> Self {
        Self { document: Some(document), cells }
    }

    /// A row that people are not bothered with.
    pub(super) const fn quiet(document: Value) -> Self {
        Self { document: Some(document), cells: Vec::new() }
    }

    /// A row that says nothing to programs.
    pub(super) const fn told(cells: Vec<Cell>) -> Self {
        Self { document: None, cells }
    }
}

/// What belongs together.
#[derive(Debug)]
pub(super) struct Section {
    /// The member of the document.
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    /// What is said where there is nothing.
    pub(super) none: &'static str,
    /// Its one row stands for itself in the document.
    pub(super) single: bool,
    pub(super) rows: Vec<Row>,
}

impl Section {
    pub(super) const fn list(
        key: &'static str,
        title: &'static str,
        none: &'static str,
        rows: Vec<Row>,
    ) -> Self {
        Self { key, title, none, single: false, rows }
    }

    pub(super) fn document(&self) -> Value {
        let mut all = self.rows.iter().filter_map(|row| row.document.clone());
        if self.single {
            return all.next().unwrap_or_else(|| members([]));
        }
        Value::Array(all.collect())
    }

    /// Its lines, with columns padded to stand below each other.
    pub(super) fn lines(&self) -> Vec<Vec<Cell>> {
        let told: Vec<&Row> = self.rows.iter().filter(|row| !row.cells.is_empty()).collect();
        let columns = told.iter().map(|row| row.cells.len()).max().unwrap_or_default();
        let width = |column: usize| {
            // What is the last of its row pushes nothing aside.
            let inner = told.iter().filter(|row| row.cells.len() > column + 1);
            let widths = inner.filter_map(|row| row.cells.get(column)).map(|cell| cell.text.chars().count());
            widths.filter(|width| *width <= WIDTH_MAX).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut lines: Vec<Vec<Cell>> = told.iter().map(|row| padded(&row.cells, &widths)).collect();
        if lines.is_empty() {
            lines.push(vec![dim(self.none)]);
        }
        lines
    }
}

fn padded(cells: &[Cell], widths: &[usize]) -> Vec<Cell> {
    let last = cells.len().saturating_sub(1);
    let pad = |(column, cell): (usize, &Cell)| {
        let width = widths.get(column).copied().filter(|_| column < last).unwrap_or_default();
        Cell { text: format!("{:width$}", cell.text), tone: cell.tone }
    };
    cells.iter().enumerate().map(pad).collect()
}

/// Prints a section.
pub(super) fn print(section: &Section) -> std::io::Result<()> {
    output::line(Painted(BOLD, section.title))?;
    let lines = section.lines();
    for line in lines.iter().take(ROWS_MAX) {
        let cells: Vec<String> = line.iter().map(painted).collect();
        output::line(format_args!("  {}", cells.join("  ").trim_end()))?;
    }
    if let Some(left) = lines.len().checked_sub(ROWS_MAX).filter(|left| *left > 0) {
        output::line(format_args!("  {}", Painted(DIM, format!("{left} more; --json shows all"))))?;
    }
    Ok(())
}

fn painted(cell: &Cell) -> String {
    let style = match cell.tone {
        Tone::Plain => return cell.text.clone(),
        Tone::Good => GOOD,
        Tone::Care => CARE,
        Tone::Bad => BAD,
        Tone::Dim => DIM,
        Tone::Bold => BOLD,
    };
    Painted(style, &cell.text).to_string()
}

/// A document of these members.
pub(super) fn members(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A number as documents have it.
pub(super) fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: &[&str]| Row::told(cells.iter().map(plain).collect());
        let rows =
            vec![row(&["a", "long word", "end"]), row(&["abc", "b", "end"]), row(&["only one, and long"])];
        let lines = Section::list("k", "t", "none", rows).lines();
        let text = |line: &Vec<Cell>| line.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>().join("|");
        assert_eq!(
            lines.iter().map(text).collect::<Vec<_>>(),
            ["a  |long word|end", "abc|b        |end", "only one, and long"]
        );
    }

    #[test]
    fn a_section_without_rows_says_so_and_quiet_rows_are_for_programs() {
        let section = Section::list("k", "t", "nothing here", vec![Row::quiet(number(1))]);
        assert_eq!(section.lines(), [[dim("nothing here")]]);
        assert_eq!(section.document(), Value::Array(vec![number(1)]));
    }

    #[test]
    fn nothing_hidden_gets_into_a_cell() {
        assert_eq!(plain("\u{1b}[2J").text, "\\u{1b}[2J");
    }
}
