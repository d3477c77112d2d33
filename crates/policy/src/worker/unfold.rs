//! Where a call holds another one: wrappers, templates, scripts and what is executed from standard input.

use cascade_receipt::decision::RiskTier;

use super::call::{Call, Given, Value, first_is_line};
use super::judge::{Follow, Judgement};
use super::manifest::{Form, Kind};
use super::place::{Location, Place, places};
use super::scene::{Feed, Scene};
use super::weigh::{script, weigh};
use super::word::Word;
use super::xargs;
use crate::shell;

/// Another command inside this one.
pub(super) fn wrapped(call: &Call<'_>, scene: &Scene<'_>, judgement: &mut Judgement) {
    let Some((wraps, words)) = call.inner else { return };
    let Some(first) = words.first() else { return };
    match wraps.form {
        Form::Argv => judgement.follow.push(Follow::Argv(words.to_vec())),
        Form::Package => {
            if first.known().is_some_and(is_address) {
                judgement.find(
                    "package.foreign",
                    RiskTier::High,
                    "runs a program from an address of its own",
                );
            }
            judgement.follow.push(Follow::Package(words.to_vec()));
        }
        Form::Line => {
            // The words are joined by blanks, so one that was quoted falls apart; what was meant counts too.
            if words.len() > 1 && words.iter().any(|word| word.known().is_none_or(|text| text.contains(' ')))
            {
                judgement.follow.push(Follow::Argv(words.to_vec()));
            }
            judgement.follow.push(Follow::Line(joined(words)));
        }
        Form::Appended => {
            let calls = xargs::calls(call, words, &scene.input);
            judgement.follow.extend(calls.into_iter().map(Follow::Argv));
        }
        Form::Template => template(call, words, scene, judgement),
        Form::Script if first_is_line(call, wraps) => judgement.follow.push(Follow::Line(first.clone())),
        Form::Script if matches!(first.known(), Some("-" | "/dev/stdin" | "/dev/fd/0")) => {}
        Form::Script if wraps.unread && only_checks(call) => {}
        Form::Script => {
            script(first, scene, judgement);
            if let Some(name) = first.known().filter(|name| wraps.unread && !name.contains('/')) {
                judgement.searched.push(name.to_owned());
            }
            let told: Vec<&str> = words.iter().skip(1).filter_map(Word::known).collect();
            let unapplied = told.contains(&"migrate") && told.last() == Some(&"zero");
            if unapplied || told.into_iter().any(destroys) {
                let text = "an argument of the script says that it removes or replaces data";
                judgement.find("script.destroys", RiskTier::High, text);
            }
            let environment = first.known().is_some_and(shell::is_environment);
            if wraps.unread && !environment && judgement.tier < RiskTier::High {
                judgement.doubt("script.shell", "executes a shell script, which is not read here");
            }
        }
    }
}

/// A package that comes from an address, not from the registry by its name.
fn is_address(package: &str) -> bool {
    const STARTS: [&str; 8] = ["http:", "https:", "git+", "git:", "ssh:", "github:", "gitlab:", "bitbucket:"];
    let bare = package.trim_start_matches('@').split_once('@').map_or(package, |(_, version)| version);
    STARTS.iter().any(|start| package.starts_with(start) || bare.starts_with(start))
}

/// Tasks of the common frameworks that remove or replace data, by their names.
fn destroys(word: &str) -> bool {
    const ENDS: [&str; 9] =
        [":fresh", ":reset", ":refresh", ":rollback", ":wipe", ":drop", ":purge", ":destroy", ":schema:load"];
    const WORDS: [&str; 9] =
        ["flush", "reset_db", "sqlflush", "drop_db", "dropdb", "reset-db", "destroy", "purge", "nuke"];
    WORDS.contains(&word) || ENDS.iter().any(|end| word.ends_with(end))
}

/// `bash -n FILE`, where nothing else could switch that off again.
fn only_checks(call: &Call<'_>) -> bool {
    matches!(call.given.as_slice(), [only] if only.names == ["-n"] && !only.taken_back)
}

/// `parallel TEMPLATE ::: WORDS`: one call for each word.
fn template(call: &Call<'_>, words: &[Word], scene: &Scene<'_>, judgement: &mut Judgement) {
    let separator = words.iter().position(|word| word.known().is_some_and(|text| text.starts_with(":::")));
    let (template, fed) = words.split_at(separator.unwrap_or(words.len()));
    let fed = match fed.split_first() {
        Some((mark, fed)) if mark.known() == Some(":::") => fed.to_vec(),
        Some(_) => vec![Word::Unknown],
        None if call.gives(call.node.wraps.as_ref().map_or(&[][..], |wraps| &wraps.regroups)) => {
            vec![Word::Unknown]
        }
        None => scene.input.lines(),
    };
    let replaced = call.given.iter().find(|given| given.kind == Kind::Replace);
    let token = replaced.map_or("{}", |given| given.value.known().unwrap_or("{}"));
    let holds = |word: &Word, token: &str| word.known().is_some_and(|text| text.contains(token));
    let has_token = template.iter().any(|word| holds(word, token) || word.known().is_some_and(is_replaced));
    // `{1}`, `{.}` and their like stand for a part of the word, or for another word.
    let template: Vec<Word> = template
        .iter()
        .map(|word| match word.known() {
            Some(text) if is_replaced(&text.replace(token, "")) => Word::Unknown,
            _ => word.clone(),
        })
        .collect();
    for word in fed {
        let fed = [word];
        let mut call = if has_token { fill(&template, token, &fed) } else { template.clone() };
        if !has_token {
            call.extend(fed);
        }
        // The words pass through a shell; one with a blank in it is a line of its own.
        let line = template.len() < 2
            && call
                .first()
                .is_some_and(|word| word.known().is_none_or(|text| text.contains(char::is_whitespace)));
        judgement.follow.push(if line { Follow::Line(joined(&call)) } else { Follow::Argv(call) });
    }
}

/// `{.}`, `{1}`, `{name}`, `{= … =}`: no such string has a blank behind its brace.
fn is_replaced(text: &str) -> bool {
    text.split('{').skip(1).any(|rest| rest.starts_with(|c: char| !c.is_whitespace()))
}

/// What standard input would be, where the program executes it.
pub(super) fn standard_input(call: &Call<'_>, scene: &Scene<'_>, judgement: &mut Judgement) {
    let Some(kind) = call.node.stdin else { return };
    let first = call.inner.and_then(|(_, words)| words.first());
    let scripted = first.is_some_and(|word| !matches!(word.known(), Some("-" | "/dev/stdin" | "/dev/fd/0")));
    let below = call.node.stdin_below;
    let complete = below > 0 && call.arguments.len() >= below;
    let incomplete = call.node.wraps.as_ref().is_some_and(|wraps| call.arguments.len() < wraps.skip);
    if call.help
        || incomplete
        || complete
        || call.gives(&call.node.stdin_unless)
        || (scripted && !call.gives_name("-s"))
    {
        return;
    }
    if let Feed::File(files) = &scene.input {
        judgement.fed.clone_from(files);
    }
    match &scene.input {
        Feed::Inherited if call.node.stdin_fed || scene.apart => judgement.stdin_executes = true,
        Feed::Network | Feed::Decoded if kind == Kind::Sql => {
            judgement.doubt("stdin.executed", "executes its standard input");
        }
        Feed::Network => judgement.stop("pipe.network.executed", "executes what it gets from the network"),
        Feed::Decoded => judgement.stop("pipe.decoded.executed", "executes what was hidden by an encoding"),
        feed => match feed.text() {
            Some(text) => weigh(kind, &Word::Known(text), false, scene, judgement),
            None => {
                judgement.stdin_executes = true;
                judgement.doubt("stdin.executed", "executes its standard input");
            }
        },
    }
}

/// Where find starts, as patterns of what it finds.
pub(super) fn starts(call: &Call<'_>, directory: &Location) -> Vec<Word> {
    let name = filtered(call);
    let below = |text: &str| {
        let all = format!("{}/**", text.trim_end_matches('/'));
        let wide = [Place::Root, Place::Home, Place::System];
        let found = places(directory, &all);
        match name {
            Some(name) if !wide.into_iter().any(|place| found.has(place)) => {
                Word::Glob(format!("{all}/{name}"))
            }
            _ => Word::Glob(all),
        }
    };
    let words: Vec<Word> = call
        .arguments
        .iter()
        .map(|argument| match argument.word {
            Word::Known(text) | Word::Glob(text) => below(text),
            Word::Around(_) | Word::One { .. } | Word::Unknown => Word::Unknown,
        })
        .collect();
    let unknown = matches!(directory, Location::Unknown);
    if unknown {
        vec![Word::Unknown]
    } else if words.is_empty() {
        vec![below(".")]
    } else {
        words
    }
}

const ACTIONS: [&str; 8] = ["-print", "-print0", "-printf", "-ls", "-delete", "-fprint", "-fprint0", "-fls"];

/// The pattern of the names that find is told to look for, where nothing else could let other names through.
fn filtered<'a>(call: &Call<'a>) -> Option<&'a str> {
    let plain = |name: &&str| name.chars().filter(|c| c.is_ascii_alphanumeric()).count() > 1;
    looked_for(call).filter(plain)
}

/// The same, however short.
pub(super) fn looked_for<'a>(call: &Call<'a>) -> Option<&'a str> {
    let open = ["-o", "-or", ",", "!", "-not", "(", ")"].into_iter().any(|name| call.gives_name(name));
    // What stands before the name is done for every file.
    let acts = |given: &&Given<'_>| {
        matches!(given.value, Value::Words(_)) || given.names.iter().any(|name| ACTIONS.contains(name))
    };
    let is_name = |given: &&Given<'_>| given.names.iter().any(|name| matches!(*name, "-name" | "-iname"));
    let named = call.given.iter().take_while(|given| !acts(given)).find(is_name);
    let name = match named?.value {
        Value::Word(Word::Known(text)) => text.as_str(),
        Value::Attached(text) => text,
        _ => return None,
    };
    (!open && !name.contains(['/', '['])).then_some(name)
}

/// Puts words in the place of a token.
pub(super) fn fill(words: &[Word], token: &str, fed: &[Word]) -> Vec<Word> {
    let mut filled = Vec::new();
    for word in words {
        match (word.known(), fed) {
            (Some(text), _) if text == token => filled.extend(fed.iter().cloned()),
            (Some(text), [Word::Known(only)]) if text.contains(token) => {
                filled.push(Word::Known(text.replace(token, only)));
            }
            (Some(text), _) if text.contains(token) => filled.push(Word::Around(text.replace(token, "$x"))),
            _ => filled.push(word.clone()),
        }
    }
    filled
}

/// Words that a shell sees as one line.
fn joined(words: &[Word]) -> Word {
    let texts: Option<Vec<&str>> = words.iter().map(Word::known).collect();
    texts.map_or(Word::Unknown, |texts| Word::Known(texts.join(" ")))
}
