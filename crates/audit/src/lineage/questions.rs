//! Five questions, answered in words with the receipts that say so.

use std::rc::Rc;

use cascade_receipt::content::Rel;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::kind::Kind;

use super::act::{Act, names};
use super::continuity::{Continuity, Weight};
use super::tracer::Tracer;
use super::{Fault, Receipt, span};

/// Of what type the receipt of an outcome is that no intent waited for.
const REPORT: &str = "control.hook_outcome";

/// What is asked of every action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// What led to it.
    Why,
    /// Who let it happen.
    Authorised,
    /// By which rules.
    Policy,
    /// What held while it ran.
    Trust,
    /// Whether all that is linked.
    Continuity,
}

impl Question {
    /// In order.
    pub const ALL: [Self; 5] = [Self::Why, Self::Authorised, Self::Policy, Self::Trust, Self::Continuity];

    /// The word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Why => "why",
            Self::Authorised => "authorised",
            Self::Policy => "policy",
            Self::Trust => "trust",
            Self::Continuity => "continuity",
        }
    }

    /// The question.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Why => "why did it run?",
            Self::Authorised => "who authorised it?",
            Self::Policy => "which policy permitted it?",
            Self::Trust => "how did trust hold while it ran?",
            Self::Continuity => "is continuity intact?",
        }
    }
}

/// A sentence and the receipts that say so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sentence {
    /// The sentence, without a period.
    pub text: String,
    /// What says so.
    pub receipts: Vec<ReceiptId>,
}

/// What is known of one question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The question.
    pub question: Question,
    /// Sentences; never none.
    pub sentences: Vec<Sentence>,
}

/// Sentences as they come.
#[derive(Default)]
struct Said(Vec<Sentence>);

impl Said {
    fn say(&mut self, text: impl Into<String>, receipts: &[&Receipt]) {
        let receipts = receipts.iter().map(|one| one.id).collect();
        self.0.push(Sentence { text: text.into(), receipts });
    }
}

/// Answers all five.
pub(super) fn answer(
    tracer: &mut Tracer<'_>,
    act: &Act,
    continuity: &Continuity,
) -> Result<Vec<Answer>, Fault> {
    let mut answers = Vec::new();
    for question in Question::ALL {
        let mut said = Said::default();
        match question {
            Question::Why => why(tracer, act, &mut said)?,
            Question::Authorised => authorised(tracer, act, &mut said)?,
            Question::Policy => policy(tracer, act, &mut said)?,
            Question::Trust => trust(tracer, act, continuity, &mut said),
            Question::Continuity => linked(continuity, &mut said),
        }
        answers.push(Answer { question, sentences: said.0 });
    }
    Ok(answers)
}

/// Who it is, and for whom.
fn actor(tracer: &mut Tracer<'_>, receipt: &Receipt) -> Result<String, Fault> {
    let Some(who) = receipt.principal() else { return Ok("nobody who is named".to_owned()) };
    let name = tracer.name(who)?;
    // In a grant it says for whom its holder acts.
    Ok(match receipt.who("on_behalf_of").filter(|_| !receipt.is(Kind::Grant)) {
        Some(person) => format!("{name}, on behalf of {}", tracer.name(person)?),
        None => name,
    })
}

/// What was done without being admitted: its receipt says that nothing is to be made of the report, and not that nothing
/// was done.
fn is_report(receipt: &Receipt) -> bool {
    receipt.text("task_type") == Some(REPORT)
}

fn why(tracer: &mut Tracer<'_>, act: &Act, said: &mut Said) -> Result<(), Fault> {
    let core = act.core();
    let by = actor(tracer, core)?;
    let what = match tracer.command(core)? {
        Some(command) => format!("`{command}`"),
        None => format!("a `{}`", core.kind),
    };
    let text = match core.known() {
        _ if core.verdict().is_none() => format!("it is no action: {by} recorded {what} at {}", core.at),
        Some(Kind::Blocked) if is_report(core) => {
            format!("{by} reported at {} that this was done, and nothing admitted it so: {what}", core.at)
        }
        Some(Kind::Blocked) => {
            format!("{by} asked for {what} at {}; it was blocked and nothing ran", core.at)
        }
        Some(Kind::Escalation | Kind::DryRun) if act.knows_what_followed(tracer) => {
            format!("{by} asked for {what} at {}; nothing ran", core.at)
        }
        Some(Kind::Escalation | Kind::DryRun) => {
            format!("{by} asked for {what} at {}; whether it ran cannot be seen here", core.at)
        }
        _ => format!("{by} asked for {what}, which began at {}", core.at),
    };
    said.say(text, &[core]);
    for one in act.subjects.iter().filter(|one| one.id != core.id) {
        said.say(format!("it had been asked before, at {}, as a `{}`", one.at, one.kind), &[one]);
    }
    if let Some(reason) = reason(tracer, act)? {
        said.say(format!("the reason given was: {}", reason.0), &[&reason.1]);
    }
    if let Some(invocation) = &act.invocation {
        let due = invocation.text("due").map_or_else(|| "at once".to_owned(), |due| format!("at {due}"));
        said.say(format!("a schedule let it run, {due}"), &[invocation]);
    }
    schedule(tracer, act, said)?;
    within(tracer, act, said)?;
    if let Some(undone) = &act.undoes {
        said.say("it undoes what was done before", &[undone]);
    }
    for origin in &act.origins {
        let text = format!(
            "the answer was remembered ({})",
            origin.learned.text("memory_state").unwrap_or("learned")
        );
        match origin.act.as_ref().map(|act| act.core()) {
            Some(call) => {
                said.say(format!("{text}; it was given first at {}", call.at), &[&origin.learned, call]);
            }
            None => said.say(text, &[&origin.learned]),
        }
    }
    Ok(())
}

/// The first reason that somebody gave.
fn reason(tracer: &mut Tracer<'_>, act: &Act) -> Result<Option<(String, Rc<Receipt>)>, Fault> {
    for one in [act.core()].into_iter().chain(&act.subjects).chain(&act.glasses) {
        if let Some(reason) = tracer.reason(one)? {
            return Ok(Some((reason, one.clone())));
        }
    }
    Ok(None)
}

fn schedule(tracer: &mut Tracer<'_>, act: &Act, said: &mut Said) -> Result<(), Fault> {
    let Some(schedule) = &act.schedule else { return Ok(()) };
    let added = schedule.core();
    let by = actor(tracer, added)?;
    let what = tracer.command(added)?.unwrap_or_else(|| "a schedule".to_owned());
    said.say(format!("the schedule was added by {by}: {what}"), &[added]);
    Ok(())
}

fn within(tracer: &mut Tracer<'_>, act: &Act, said: &mut Said) -> Result<(), Fault> {
    let Some(run) = &act.within else { return Ok(()) };
    let start = run.core();
    let by = actor(tracer, start)?;
    let step = act.core().content.member("step").and_then(|step| step.member("at")?.as_u64());
    let text = match step.filter(|_| names(act.core(), Rel::Chain, start.id)) {
        None if is_report(act.core()) => format!("it is about what {by} started at {}", start.at),
        Some(at) => format!("it is step {at} of a run that {by} started at {}", start.at),
        None => format!("a run that {by} started at {} called it", start.at),
    };
    said.say(text, &[start]);
    if let Some(invocation) = &run.invocation {
        let due = invocation.text("due").map_or_else(|| "at once".to_owned(), |due| format!("at {due}"));
        said.say(format!("a schedule let that run begin, {due}"), &[invocation]);
    }
    schedule(tracer, run, said)?;
    within(tracer, run, said)
}

fn authorised(tracer: &mut Tracer<'_>, act: &Act, said: &mut Said) -> Result<(), Fault> {
    let core = act.core();
    consent(tracer, act, said)?;
    for glass in &act.glasses {
        let by = actor(tracer, glass)?;
        said.say(format!("{by} broke the glass and answers for it"), &[glass]);
    }
    if let Some(glass) = act.glasses.first().filter(|_| act.reviews.is_empty()) {
        let known = tracer.holds(glass.seq..tracer.head());
        said.say(if known { "nobody has reviewed that yet" } else { "no review of that is here" }, &[]);
    }
    for review in &act.reviews {
        let by = actor(tracer, review)?;
        let just = review.content.member("justified").and_then(|just| just.as_bool()) == Some(true);
        let word = if just { "justified" } else { "not justified" };
        said.say(format!("{by} reviewed it and found it {word}"), &[review]);
    }
    grants(tracer, act, said)?;
    if let Some(hash) = core.digest("spec_hash").filter(|_| core.is(Kind::ChainStarted)) {
        let signers = core.signers();
        let hash = hash.to_hex();
        let short = hash.get(..12).unwrap_or_default();
        if signers.is_empty() {
            said.say(format!("nobody signed the spec {short}…"), &[core]);
        }
        for signer in signers {
            let name = tracer.name(signer)?;
            said.say(format!("{name} signed the spec {short}…, as its author"), &[core]);
        }
    }
    if said.0.is_empty() {
        let lacks = tracer.graph().missing.iter().any(|edge| edge.from == core.id);
        match core.verdict() {
            Some("admit") if lacks => said.say("it names what let it happen, and that is not here", &[core]),
            Some("escalate") if act.start.is_none() && !act.knows_what_followed(tracer) => {
                said.say("the verdict is escalate; whether somebody answered cannot be seen here", &[core]);
            }
            Some("admit") => said.say("nobody had to: the gates admitted it for whoever asked", &[core]),
            Some(verdict) => said.say(format!("nobody: the verdict is {verdict}"), &[core]),
            None => signed_by(tracer, core, said)?,
        }
    }
    if let Some(run) = &act.within {
        let mut above = Said::default();
        authorised(tracer, run, &mut above)?;
        said.0.extend(
            above.0.into_iter().map(|one| Sentence { text: format!("of the run: {}", one.text), ..one }),
        );
    }
    if let Some(schedule) = &act.schedule {
        let mut above = Said::default();
        authorised(tracer, schedule, &mut above)?;
        let of = |one: Sentence| Sentence { text: format!("of the schedule: {}", one.text), ..one };
        said.0.extend(above.0.into_iter().map(of));
    }
    Ok(())
}

fn signed_by(tracer: &mut Tracer<'_>, receipt: &Receipt, said: &mut Said) -> Result<(), Fault> {
    let signers = receipt.signers();
    if signers.is_empty() {
        said.say("it carries the chain's signature alone", &[receipt]);
    }
    for signer in signers {
        said.say(format!("{} signed it", tracer.name(signer)?), &[receipt]);
    }
    Ok(())
}

fn consent(tracer: &mut Tracer<'_>, act: &Act, said: &mut Said) -> Result<(), Fault> {
    for answer in &act.answers {
        let by = actor(tracer, answer)?;
        let used = act.used.iter().any(|one| one.id == answer.id);
        let signed = if answer.signers().is_empty() { "" } else { " with a signature" };
        let text = match answer.known() {
            Some(Kind::Approval) if used => format!("{by} approved it{signed} at {}", answer.at),
            Some(Kind::Approval) if act.knows_what_followed(tracer) => {
                format!("{by} approved it{signed} at {}; nothing ran on that", answer.at)
            }
            Some(Kind::Approval) => format!("{by} approved it{signed} at {}", answer.at),
            Some(Kind::Denial) => format!("{by} denied it at {}", answer.at),
            Some(Kind::ApprovalRefused) => format!("an answer of {by} was not accepted"),
            _ => "the time to answer or to use an approval ran out".to_owned(),
        };
        said.say(text, &[answer]);
        let Some(who) = answer.principal().filter(|_| answer.is(Kind::Approval)) else { continue };
        let until = tracer.head();
        if let Some(removal) = super::continuity::removed(tracer, who, answer.seq..until)? {
            said.say(format!("{by} was removed at {}, after approving", removal.at), &[&removal]);
        }
    }
    Ok(())
}

fn grants(tracer: &mut Tracer<'_>, act: &Act, said: &mut Said) -> Result<(), Fault> {
    for held in &act.grants {
        let giver = actor(tracer, &held.grant)?;
        let to = held.grant.who("to").map(|to| tracer.name(to)).transpose()?.unwrap_or_default();
        let scope = held.grant.content.member("scope").map(scope_words).unwrap_or_default();
        let text = match held.to {
            Some(_) => format!("{giver} had given that right to {to}: {scope}"),
            None => format!("{giver} granted it to {to}: {scope}"),
        };
        said.say(text, &[&held.grant]);
        if let Some(revoked) = &held.revoked {
            let by = actor(tracer, revoked)?;
            said.say(format!("{by} took that grant back at {}", revoked.at), &[revoked]);
        }
    }
    Ok(())
}

/// What a grant gives, in words.
fn scope_words(scope: &cascade_receipt::json::Value) -> String {
    let list = |key: &str| {
        let all = scope.member(key).and_then(|all| all.as_array()).unwrap_or_default();
        all.iter().filter_map(|one| one.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut words = match scope.member("assume").and_then(|who| who.as_str()) {
        Some(who) => format!("to act as {who}"),
        None => format!("to run {}", list("commands")),
    };
    let resources = list("resources");
    if !resources.is_empty() {
        words.push_str(&format!(" on {resources}"));
    }
    if let Some(tier) = scope.member("up_to").and_then(|tier| tier.as_str()) {
        words.push_str(&format!(", up to {tier}"));
    }
    words
}

fn policy(tracer: &mut Tracer<'_>, act: &Act, said: &mut Said) -> Result<(), Fault> {
    let core = act.core();
    let (label, hash) = core.policy();
    let hash = hash.map(|hash| hash.to_hex()).unwrap_or_default();
    let short = hash.get(..12).unwrap_or_default();
    if core.verdict().is_none() {
        said.say(format!("nothing was decided; the policy in force was `{label}` ({short}…)"), &[core]);
        return Ok(());
    }
    said.say(format!("the policy `{label}` ({short}…) was in force"), &[core]);
    if let Some(activation) = &act.policy {
        let text = if activation.is(Kind::Genesis) {
            "it has been in force since the chain began".to_owned()
        } else {
            format!("{} put it in force at {}", actor(tracer, activation)?, activation.at)
        };
        said.say(text, &[activation]);
    } else {
        said.say("what put it in force is not here, or not all that came after that", &[]);
    }
    for pack in &act.packs {
        let name =
            pack.content.member("pack").and_then(|pack| pack.member("name")?.as_str()).unwrap_or_default();
        said.say(format!("the pack `{name}` was part of it"), &[pack]);
    }
    let tier = core.text("risk_tier").unwrap_or("no tier");
    let verdict = core.verdict().unwrap_or_default();
    said.say(format!("the verdict is {verdict}, at {tier}"), &[core]);
    for gate in core.gates() {
        let by = [gate.policies.join(", "), gate.codes.join(", ")];
        let by: Vec<&str> = by.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        if gate.outcome != "not_applicable" && !by.is_empty() {
            said.say(format!("gate `{}`: {} ({})", gate.gate, gate.outcome, by.join("; ")), &[core]);
        }
    }
    Ok(())
}

fn trust(tracer: &Tracer<'_>, act: &Act, continuity: &Continuity, said: &mut Said) {
    let Some(start) = &act.start else {
        let text = if act.lacks_start() {
            "its beginning is not here"
        } else if act.may_begin() && !act.knows_what_followed(tracer) {
            "whether something ran on it cannot be seen here"
        } else if is_report(act.core()) {
            "what ran is what was reported; nothing watched over it"
        } else {
            "nothing ran"
        };
        said.say(text, &[act.core()]);
        return;
    };
    let until = act.closers.first().map_or(tracer.head(), |closer| closer.seq);
    let whole = tracer.holds(start.seq..until.max(start.seq)) && !act.cuts.iter().any(|cut| cut.weighs);
    match act.closers.first() {
        Some(closer) => {
            let lasted = span(start.at, closer.at);
            let mut text = format!("it ran for {lasted} and ended as `{}`", closer.kind);
            if let Some(code) = closer.number("exit_code") {
                text.push_str(&format!(", exit {code}"));
            }
            said.say(text, &[start, closer]);
        }
        None if super::act::is_long(start) => {
            said.say("it has begun, and its end is not on record here", &[start]);
        }
        None => said.say("decision and outcome are one receipt: nothing could change in between", &[start]),
    }
    if let Some(folded) = &act.heartbeats {
        let more = if folded.more { " or more" } else { "" };
        let here = if whole { "" } else { " that are here" };
        let text = format!(
            "{}{more} heartbeats{here} while it ran, each after the gates still admitted it",
            folded.count
        );
        said.0.push(Sentence { text, receipts: vec![folded.first, folded.last] });
    }
    let mut quiet = true;
    for case in continuity.cases.iter().filter(|case| case.code.ends_with("_while_running")) {
        quiet = false;
        said.0.push(Sentence { text: case.text.clone(), receipts: case.receipts.clone() });
    }
    if quiet && super::act::is_long(start) {
        let text = if whole {
            "no policy, grant or halt that concerns it changed meanwhile, as far as it is on record here"
        } else {
            "what changed meanwhile cannot all be seen here"
        };
        said.say(text, &[]);
    }
}

fn linked(continuity: &Continuity, said: &mut Said) {
    let verdict = continuity.verdict();
    let text = match continuity.weight() {
        Weight::Told => format!("{verdict}: from request to end each receipt names the one it stands on"),
        Weight::NotProvable => {
            format!("{verdict}: nothing is known to be wrong, and not everything can be shown")
        }
        Weight::Broken => format!("{verdict}: there is a gap between what was authorised and what happened"),
    };
    said.0.push(Sentence { text, receipts: Vec::new() });
    for case in &continuity.cases {
        said.0.push(Sentence {
            text: format!("{}: {}", case.code, case.text),
            receipts: case.receipts.clone(),
        });
    }
}
