//! What a rule would say if a word that cannot be known turned out badly.
//!
//! A word without quotes around its expansion may become any number of words; one with quotes is exactly one, which
//! may still be an option or the dangerous argument, but not both. What is known of its start and end counts.

use super::call::{Argument, Call};
use super::grammar::{Choice, Rule};
use super::manifest::Style;
use super::place::{Location, Place, Places, places};
use super::word::Word;

/// Could the rule, which says nothing about the words as they stand, speak about what they become?
pub(super) fn could_apply(rule: &Rule, call: &Call<'_>, met: &Met, directory: &Location) -> bool {
    if rule.certain || call.gives(&rule.without) {
        return false;
    }
    if call.unresolved.many {
        return true;
    }
    let unmet: Vec<&[Choice]> =
        rule.options.iter().filter(|group| !call.mentions(group)).map(Vec::as_slice).collect();
    let operand = (!rule.arguments.is_empty() && !met.argument) || (!rule.places.is_empty() && !met.place);
    let style = call.worker.style;
    let as_option = |argument: &Argument<'_>| {
        !argument.after_dashes
            && unmet.iter().copied().flatten().any(|choice| could_be_option(argument.word, choice, style))
    };
    let as_operand = |at: usize, argument: &Argument<'_>| {
        rule.at.is_none_or(|wanted| wanted == at)
            && at >= rule.from
            && (rule.arguments.is_empty() || met.argument || could_be_argument(argument.word, rule))
            && (rule.places.is_empty() || met.place || could_lie(argument.word, directory).meets(rule.places))
    };
    let open: Vec<(usize, &Argument<'_>)> =
        call.arguments.iter().enumerate().filter(|(_, argument)| argument.word.known().is_none()).collect();
    let needed = words_needed(&unmet, style);
    let options = |except: usize| {
        open.iter().filter(|(at, argument)| *at != except && as_option(argument)).count() >= needed
    };
    match (needed > 0, operand) {
        (false, false) => false,
        (true, false) => options(usize::MAX),
        (_, true) => open.iter().any(|(at, argument)| as_operand(*at, argument) && options(*at)),
    }
}

/// How many words it takes to give an option of each group: letters go into one word.
fn words_needed(groups: &[&[Choice]], style: Style) -> usize {
    let letter = |choice: &Choice| choice.name.len() == 2 && !matches!(style, Style::Go | Style::Single);
    let clustered = groups.iter().filter(|group| group.iter().any(letter)).count();
    groups.len() - clustered + usize::from(clustered > 0)
}

/// Which conditions on arguments known words meet already.
pub(super) struct Met {
    pub(super) argument: bool,
    pub(super) place: bool,
}

/// Start and end of a word that is not known.
fn ends(word: &Word) -> Option<(&str, &str)> {
    match word {
        Word::Known(_) => None,
        Word::One { before, after } => Some((before, after)),
        Word::Glob(text) => {
            let start = text.find(['*', '?', '[', '('])?;
            let end = text.rfind(['*', '?', ']', ')']).map_or(start, |at| at + 1);
            Some((text.get(..start)?, text.get(end..)?))
        }
        Word::Around(text) => text.split_once("$x").or(Some(("", ""))),
        Word::Unknown => Some(("", "")),
    }
}

fn could_be_option(word: &Word, choice: &Choice, style: Style) -> bool {
    let Some((before, after)) = ends(word) else { return false };
    let name = choice.name.as_str();
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '=');
    let ending = after.is_empty() || choice.value.is_some() || letters(after);
    ending
        && match style {
            Style::Words => false,
            _ if before.is_empty() => true,
            _ if before.starts_with("--") => name.starts_with(before) || before.starts_with(name),
            _ if before.starts_with('-') => true,
            Style::Operands | Style::Bundled => true,
            _ => false,
        }
}

fn could_be_argument(word: &Word, rule: &Rule) -> bool {
    let Some((before, after)) = ends(word) else { return false };
    rule.arguments.iter().any(|pattern| pattern.could_match(before, after))
}

/// The places of which one is possible. A known name at the end says what the path is; without it, it may be any.
fn could_lie(word: &Word, directory: &Location) -> Places {
    if let Word::Glob(text) = word {
        return places(directory, text);
    }
    let Some((before, after)) = ends(word) else { return Places::default() };
    let mut all = places(directory, &format!("{before}{after}"));
    if before.is_empty() {
        let named =
            after.rsplit('/').next().is_some_and(|last| !last.is_empty() && last != "." && last != "..");
        if !(named && after.starts_with('/')) {
            all = Place::ALL;
        }
        for top in ["/usr", "/var", "/"] {
            all = all.or(places(directory, &format!("{top}{after}")));
        }
    }
    all
}
