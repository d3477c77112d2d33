//! Drawing.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};

use super::super::sheet::{Cell, Tone};
use super::{Mode, TABS, Tour};

/// Narrower than this, the list stands above the rest.
const WIDE: u16 = 90;
/// What the keys do.
const HELP: [(&str, &str); 11] = [
    ("down, j / up, k", "next receipt / the one before"),
    ("PageDown / PageUp", "a page on / back"),
    ("g / G", "the first receipt / the last"),
    ("n / N", "next / previous receipt of the same run or action"),
    ("/", "find an id, a place, or a kind; Enter alone finds again"),
    ("Tab, l / Shift-Tab, h", "next tab / the one before"),
    ("1 to 7", "that tab"),
    ("J / K", "scroll the tab down / up"),
    ("Ctrl-d / Ctrl-u", "the same, ten lines"),
    ("Ctrl-z", "stop; `fg` goes on"),
    ("q, Esc", "leave"),
];
const KEYS: &str = "j/k step  g/G ends  n same action  / find  Tab next tab  ? help  q leave";

/// Everything.
pub(super) fn all(frame: &mut Frame<'_>, tour: &mut Tour<'_>) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
            .areas(frame.area());
    let [left, right] = if body.width >= WIDE {
        Layout::horizontal([Constraint::Percentage(38), Constraint::Min(0)]).areas(body)
    } else {
        Layout::vertical([Constraint::Percentage(35), Constraint::Min(0)]).areas(body)
    };
    title(frame, head, tour);
    receipts(frame, left, tour);
    panel(frame, right, tour);
    foot_line(frame, foot, tour);
    if tour.mode == Mode::Help {
        help(frame);
    }
}

/// How far a long way is.
pub(super) fn progress(frame: &mut Frame<'_>, done: u64, all: u64) {
    let text = format!("replaying {done} of {all} receipts");
    frame.render_widget(Paragraph::new(text), frame.area());
}

fn title(frame: &mut Frame<'_>, area: Rect, tour: &Tour<'_>) {
    let text = format!(" the state after seq {} of {}", tour.at, tour.end.saturating_sub(1));
    frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::BOLD)), area);
}

fn receipts(frame: &mut Frame<'_>, area: Rect, tour: &mut Tour<'_>) {
    let block = Block::new().borders(Borders::ALL).title("receipts");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    tour.page = u64::from(inner.height).max(1);
    let window = tour.list.window(tour.reader, tour.at, tour.end, tour.page);
    let width = tour.end.to_string().len();
    let line = |(seq, cells): (u64, Vec<Cell>)| {
        let mut spans = vec![Span::raw(format!("{seq:>width$} "))];
        spans.extend(cells.iter().flat_map(|cell| [span(cell), Span::raw(" ")]));
        let line = Line::from(spans);
        if seq == tour.at { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
    };
    let lines: Vec<Line<'_>> = window.into_iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn panel(frame: &mut Frame<'_>, area: Rect, tour: &Tour<'_>) {
    let mut names = Vec::new();
    for (index, (name, _)) in TABS.iter().enumerate() {
        let name = format!(" {name} ");
        let style = Style::new();
        names.push(if index == tour.tab {
            Span::styled(name, style.add_modifier(Modifier::REVERSED))
        } else {
            Span::raw(name)
        });
    }
    let block = Block::new().borders(Borders::ALL).title(Line::from(names));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let shown = tour.panel.iter().skip(tour.scroll).take(usize::from(inner.height));
    let line = |cells: &Vec<Cell>| {
        Line::from(cells.iter().flat_map(|cell| [span(cell), Span::raw("  ")]).collect::<Vec<_>>())
    };
    let lines: Vec<Line<'_>> = shown.map(line).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inner);
}

fn foot_line(frame: &mut Frame<'_>, area: Rect, tour: &Tour<'_>) {
    let text = match &tour.mode {
        Mode::Find(text) => format!("/{}_", crate::output::safe(text)),
        _ if !tour.said.is_empty() => tour.said.clone(),
        _ => KEYS.to_owned(),
    };
    frame.render_widget(Paragraph::new(text), area);
}

fn help(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'_>> =
        HELP.iter().map(|(keys, does)| Line::from(format!(" {keys:<22} {does} "))).collect();
    let width = lines.iter().map(Line::width).max().unwrap_or_default() + 2;
    let area = frame.area();
    let width = u16::try_from(width).unwrap_or(area.width).min(area.width);
    let height = u16::try_from(HELP.len() + 2).unwrap_or(area.height).min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::new().borders(Borders::ALL).title("keys")), place);
}

fn span(cell: &Cell) -> Span<'static> {
    Span::styled(cell.text.clone(), style(cell.tone, is_colour_wanted()))
}

/// Whoever sets `NO_COLOR` to anything wants none.
fn is_colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Without colour what matters is told by weight alone; the words say it anyway.
fn style(tone: Tone, colour: bool) -> Style {
    let style = Style::new();
    match (tone, colour) {
        (Tone::Plain, _) => style,
        (Tone::Dim, _) => style.add_modifier(Modifier::DIM),
        (Tone::Bold, _) | (Tone::Bad | Tone::Care, false) => style.add_modifier(Modifier::BOLD),
        (Tone::Good, false) => style,
        (Tone::Good, true) => style.fg(Color::Green),
        (Tone::Care, true) => style.fg(Color::Yellow),
        (Tone::Bad, true) => style.fg(Color::Red),
    }
}
