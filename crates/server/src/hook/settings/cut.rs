//! Taking the hooks out again.

use serde_json::Value;

use super::print::Style;
use super::span::{self, Span};
use super::{GUARD, events};
use crate::hook::Agent;

/// How much is taken out with the hooks: what was there, empty, before they were put in stays.
#[derive(Clone, Copy)]
struct Depth {
    /// The lists of events that are left empty, by place in [`events`].
    lists: u32,
    /// The object that holds them.
    hooks: bool,
    /// White space in what is left empty goes as well.
    tight: bool,
}

/// Our commands in settings, in order.
pub(super) fn handlers(agent: Agent, text: &str) -> Vec<Value> {
    let read = |span: Span| serde_json::from_str(text.get(span.start..span.end)?).ok();
    let own = places(agent, text).into_iter().flat_map(|(_, _, own)| own);
    own.filter_map(read).collect()
}

/// Whether a command is to block where it fails.
pub(super) fn on_failure(handler: &Value) -> bool {
    handler.get("onFailure").is_some()
}

/// Without the hooks and what they leave empty.
pub(super) fn plainly(agent: Agent, text: &str) -> String {
    cut(agent, text, Depth { lists: u32::MAX, hooks: true, tight: true })
}

/// Every text that may have been there before.
pub(super) fn candidates(agent: Agent, text: &str) -> Vec<String> {
    let all = 1_u32 << events(agent).len();
    let depths = (0..all).rev().flat_map(|lists| {
        [(true, true), (true, false), (false, true), (false, false)].map(|(hooks, tight)| Depth {
            lists,
            hooks,
            tight,
        })
    });
    depths.map(|depth| cut(agent, text, depth)).collect()
}

/// Groups with a command of ours: the list that they are in, their span, and those commands' spans.
fn places(agent: Agent, text: &str) -> Vec<(Span, Span, Vec<Span>)> {
    let Some(hooks) = span::member(text, span::root(text), "hooks") else { return Vec::new() };
    let lists = span::members(text, hooks).into_iter().filter(|(_, list)| is(text, *list, '['));
    let groups =
        lists.flat_map(|(_, list)| span::items(text, list).into_iter().map(move |group| (list, group)));
    let own = |(list, group): (Span, Span)| {
        let commands = is(text, group, '{').then(|| span::member(text, group, "hooks"))??;
        let own = span::items(text, commands).into_iter().filter(|one| is_ours(agent, text, *one));
        let own: Vec<Span> = own.collect();
        (!own.is_empty()).then_some((list, group, own))
    };
    groups.filter_map(own).collect()
}

fn is(text: &str, span: Span, open: char) -> bool {
    text.get(span.start..).is_some_and(|text| text.starts_with(open))
}

fn is_ours(agent: Agent, text: &str, handler: Span) -> bool {
    let handler: Option<Value> =
        text.get(handler.start..handler.end).and_then(|text| serde_json::from_str(text).ok());
    let command = handler.as_ref().and_then(|handler| handler.get("command")?.as_str());
    command.and_then(|command| command.strip_prefix(GUARD)).is_some_and(|words| {
        let own = format!(" hook {}", agent.name());
        words.ends_with(&own) || words.contains(&format!("{own} "))
    })
}

fn cut(agent: Agent, text: &str, depth: Depth) -> String {
    let mut text = text.to_owned();
    let mut emptied: Vec<String> = Vec::new();
    // From the last one on, so that the places of the others stay what they were.
    while let Some((list, group, own)) = places(agent, &text).pop() {
        let commands = span::member(&text, group, "hooks").map(|span| (span, span::items(&text, span).len()));
        match commands {
            Some((commands, count)) if count > own.len() => {
                let Some(last) = own.last() else { break };
                text = without(&text, commands, *last, (depth.tight, None));
            }
            _ => {
                if span::items(&text, list).len() == 1 {
                    emptied.extend(name_of(&text, list));
                }
                text = without(&text, list, group, (depth.tight, Some(2)));
            }
        }
    }
    let goes = |event: &String| {
        let at = events(agent).iter().position(|own| own == event);
        at.is_none_or(|at| depth.lists & (1 << at) != 0)
    };
    for event in emptied.iter().filter(|event| goes(event)) {
        let hooks = span::member(&text, span::root(&text), "hooks");
        text = hooks.map_or(text.clone(), |hooks| without_member(&text, hooks, event, (depth.tight, 1)));
    }
    let root = span::root(&text);
    match span::member(&text, root, "hooks") {
        Some(hooks) if depth.hooks && !emptied.is_empty() && span::items(&text, hooks).is_empty() => {
            without_member(&text, root, "hooks", (depth.tight, 0))
        }
        _ => text,
    }
}

/// The event whose list it is.
fn name_of(text: &str, list: Span) -> Option<String> {
    let hooks = span::member(text, span::root(text), "hooks")?;
    span::members(text, hooks).into_iter().find(|(_, span)| *span == list).map(|(name, _)| name)
}

fn without_member(text: &str, object: Span, name: &str, (tight, level): (bool, usize)) -> String {
    let value = span::member(text, object, name);
    let item =
        span::items(text, object).into_iter().find(|item| value.is_some_and(|value| value.end == item.end));
    item.map_or_else(|| text.to_owned(), |item| without(text, object, item, (tight, Some(level))))
}

/// Without one item, and without the comma that it needed. `level` is how deep the container stands, where an item in it
/// may be what [`super::insert`] put there.
fn without(text: &str, container: Span, item: Span, (tight, level): (bool, Option<usize>)) -> String {
    let items = span::items(text, container);
    let at = items.iter().position(|one| *one == item).unwrap_or_default();
    let before = at.checked_sub(1).and_then(|before| items.get(before));
    let inside = container.inside();
    let (start, end) = match (before, items.get(at + 1)) {
        (Some(before), _) => (before.end, item.end),
        (None, Some(after)) => (item.start, after.start),
        (None, None) if tight => (inside.start, inside.end),
        (None, None) => {
            let line = level.map(|level| Style::of(text).line(level)).unwrap_or_default();
            let follows = text.get(item.end..).is_some_and(|rest| rest.starts_with(&line));
            (inside.start, item.end + if follows { line.len() } else { 0 })
        }
    };
    format!("{}{}", text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default())
}
