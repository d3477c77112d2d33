//! Looking around in the terminal: receipts on the left, what is known of one on the right.
//!
//! The place is always one at which the timeline is: what is drawn is the state there, computed when its tab is looked
//! at. Everything drawn has gone through [`super::sheet::cell`], so no text of others acts on the terminal.

mod draw;
mod find;
mod list;
mod terminal;

use std::time::{Duration, Instant};

use cascade_ledger::{Reader, Timeline};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use self::list::List;
use self::terminal::{Happened, Stage};
use super::look::Look;
use super::sheet::{Cell, Section, Tone, cell};
use super::{change, receipt, state};
use crate::exit::{self, Exit, Failure};
use crate::output;

/// What is told of a place, tab by tab.
const TABS: [(&str, Tab); 7] = [
    ("Receipt", |look| Ok(vec![receipt::section(look)?])),
    ("Decision", |look| Ok(vec![receipt::decision(look)?])),
    ("Changed", |look| Ok(vec![change::section(look)?])),
    ("Standing", |look| state::sections(look, &state::STANDING)),
    ("Open", |look| state::sections(look, &state::OPEN)),
    ("Memory", |look| state::sections(look, &state::MEMORY)),
    ("Runs", |look| state::sections(look, &state::RUNS)),
];
type Tab = fn(&Look<'_>) -> Result<Vec<Section>, Failure>;

/// A way that takes longer says how far it is,
const QUIET: Duration = Duration::from_millis(200);
/// and so often again.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// Longest text to search for.
const FIND_CHARS_MAX: usize = 100;

/// What keys mean at the moment.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Mode {
    Walk,
    /// A text to search for is being typed.
    Find(String),
    Help,
}

/// Where somebody is, and what is drawn there.
struct Tour<'a> {
    reader: &'a Reader,
    timeline: Timeline<'a>,
    at: u64,
    /// The place after the last one.
    end: u64,
    list: List,
    tab: usize,
    /// Lines of the tab that are above the window.
    scroll: usize,
    panel: Vec<Vec<Cell>>,
    mode: Mode,
    /// Said below, until the next key.
    said: String,
    /// Searched for last.
    found: String,
    /// Rows of the list that are seen.
    page: u64,
}

/// Looks around from `from` on, until somebody has seen enough.
pub(super) fn run(reader: &Reader, timeline: Timeline<'_>, from: u64) -> Exit {
    let mut stage = Stage::take()?;
    let mut tour = Tour {
        reader,
        timeline,
        at: from,
        end: reader.head()?.next_seq,
        list: List::default(),
        tab: 0,
        scroll: 0,
        panel: Vec::new(),
        mode: Mode::Walk,
        said: String::new(),
        found: String::new(),
        page: 1,
    };
    tour.go(&mut stage, from)?;
    loop {
        stage.draw(|frame| draw::all(frame, &mut tour))?;
        match stage.next() {
            Happened::Key(key) => {
                if !tour.key(&mut stage, key)? {
                    return Ok(exit::DONE);
                }
            }
            Happened::Resized => {}
            Happened::Stop => stage.stop()?,
            Happened::Continued => stage.take_again()?,
            Happened::Ended(signal) => return Ok(exit::signalled(signal)),
            Happened::Gone => return Ok(exit::COULD_NOT),
        }
    }
}

impl Tour<'_> {
    /// Does what a key says; false when that was enough.
    fn key(&mut self, stage: &mut Stage, key: KeyEvent) -> Result<bool, Failure> {
        self.said.clear();
        self.end = self.reader.head()?.next_seq;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return Ok(false),
                KeyCode::Char('z') => stage.stop()?,
                KeyCode::Char('d') => self.scroll_by(10),
                KeyCode::Char('u') => self.scroll_by(-10),
                _ => {}
            }
            return Ok(true);
        }
        match std::mem::replace(&mut self.mode, Mode::Walk) {
            Mode::Help => Ok(true),
            Mode::Find(text) => self.typed(stage, text, key.code).map(|()| true),
            Mode::Walk => self.walked(stage, key.code),
        }
    }

    fn walked(&mut self, stage: &mut Stage, code: KeyCode) -> Result<bool, Failure> {
        let last = self.end.saturating_sub(1);
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(false),
            KeyCode::Down | KeyCode::Char('j') => self.go(stage, self.at.saturating_add(1))?,
            KeyCode::Up | KeyCode::Char('k') => self.go(stage, self.at.saturating_sub(1))?,
            KeyCode::PageDown => self.go(stage, self.at.saturating_add(self.page))?,
            KeyCode::PageUp => self.go(stage, self.at.saturating_sub(self.page))?,
            KeyCode::Home | KeyCode::Char('g') => self.go(stage, 0)?,
            KeyCode::End | KeyCode::Char('G') => self.go(stage, last)?,
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.turn(1),
            KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => self.turn(TABS.len() - 1),
            KeyCode::Char(digit @ '1'..='7') => {
                let to = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).unwrap_or(1) - 1;
                self.turn(to + TABS.len() - self.tab);
            }
            KeyCode::Char('J') => self.scroll_by(1),
            KeyCode::Char('K') => self.scroll_by(-1),
            KeyCode::Char('n') => self.same_action(stage, find::Way::Forward)?,
            KeyCode::Char('N') => self.same_action(stage, find::Way::Back)?,
            KeyCode::Char('/') => self.mode = Mode::Find(String::new()),
            KeyCode::Char('?') => self.mode = Mode::Help,
            _ => {}
        }
        Ok(true)
    }

    /// One more key of a text to search for.
    fn typed(&mut self, stage: &mut Stage, mut text: String, code: KeyCode) -> Result<(), Failure> {
        match code {
            KeyCode::Esc => return Ok(()),
            KeyCode::Enter => {
                if !text.is_empty() {
                    self.found = text;
                }
                return self.find(stage);
            }
            KeyCode::Backspace => _ = text.pop(),
            KeyCode::Char(c) if text.chars().count() < FIND_CHARS_MAX => text.push(c),
            _ => {}
        }
        self.mode = Mode::Find(text);
        Ok(())
    }

    fn find(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        match find::text(self.reader, &self.found, self.at, self.end)? {
            Some(seq) => self.go(stage, seq),
            None => {
                self.said = format!("nothing like `{}`", output::safe(&self.found));
                Ok(())
            }
        }
    }

    fn same_action(&mut self, stage: &mut Stage, way: find::Way) -> Result<(), Failure> {
        match find::same(self.reader, self.at, self.end, way)? {
            Some(seq) => self.go(stage, seq),
            None => {
                self.said = match way {
                    find::Way::Forward => "no later receipt of this action or run".to_owned(),
                    find::Way::Back => "no earlier receipt of this action or run".to_owned(),
                };
                Ok(())
            }
        }
    }

    /// Goes to a place, or as near as the chain is whole.
    fn go(&mut self, stage: &mut Stage, seq: u64) -> Result<(), Failure> {
        let wanted = seq.min(self.end.saturating_sub(1));
        let (began, mut told) = (Instant::now(), Instant::now());
        let mut failed = Ok(());
        self.timeline.go_to(wanted, &mut |done, all| {
            if began.elapsed() > QUIET && told.elapsed() > TOLD_EVERY {
                told = Instant::now();
                let drawn = stage.draw(|frame| draw::progress(frame, done, all));
                failed = drawn.map_err(Failure::from);
            }
        })?;
        failed?;
        let reached = self.timeline.seq().unwrap_or_default();
        if let Some(broken) = self.timeline.broken().filter(|_| reached != wanted) {
            let at = broken.seq.unwrap_or_default();
            self.said = format!(
                "the chain is broken at seq {at}: {} ({}); nothing behind it is known",
                output::safe(&broken.detail),
                broken.code
            );
        }
        self.at = reached;
        self.look()
    }

    fn turn(&mut self, by: usize) {
        self.tab = (self.tab + by) % TABS.len();
        if let Err(failure) = self.look() {
            self.said = output::safe(&output::causes(&failure.cause));
        }
    }

    fn scroll_by(&mut self, lines: isize) {
        let most = self.panel.len().saturating_sub(1);
        self.scroll = self.scroll.saturating_add_signed(lines).min(most);
    }

    /// Computes what the tab says of this place.
    fn look(&mut self) -> Result<(), Failure> {
        self.scroll = 0;
        let look = Look::at(self.reader, &self.timeline)?;
        let Some((_, tab)) = TABS.get(self.tab) else { return Ok(()) };
        // What cannot be told of one place is no reason to leave.
        self.panel = match tab(&look) {
            Ok(sections) => lines(&sections),
            Err(failure) => vec![vec![cell(Tone::Bad, output::causes(&failure.cause))]],
        };
        Ok(())
    }
}

fn lines(sections: &[Section]) -> Vec<Vec<Cell>> {
    let mut all = Vec::new();
    for section in sections {
        if !all.is_empty() {
            all.push(Vec::new());
        }
        all.push(vec![cell(Tone::Bold, section.title)]);
        all.extend(section.lines());
    }
    all
}
