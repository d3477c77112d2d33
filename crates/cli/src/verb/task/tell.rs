//! What a person or a program is told of a task.

use std::io::{self, IsTerminal as _};

use cascade_kernel::route::{Acted, Outcome, Record};
use cascade_policy::facts::{TASK_BYTES_MAX, TASK_EXAMPLES_MAX};
use cascade_receipt::content::Evidence;
use cascade_receipt::decision::Verdict;
use cascade_runtime::task::{Answer, Ran, Tasked};

use crate::exit;
use crate::output::{self, BOLD, CARE, DIM, GOOD, Painted, verdict_style};
use crate::reasons;
use cascade_runtime::record::quoted;

pub(super) const fn code(tasked: &Tasked) -> u8 {
    match tasked.outcome {
        Outcome::Answered(_) | Outcome::Acted(_, Acted::Answered) => exit::DONE,
        Outcome::Acted(_, Acted::Stopped) => super::super::shell_check::code(tasked.ruling.decision.verdict),
        Outcome::Decided(Record::DryRun) => super::super::shell_check::code(tasked.ruling.decision.verdict),
        Outcome::Decided(Record::Escalation) => exit::WAITING,
        Outcome::Decided(_) => exit::DENIED,
        Outcome::Acted(..) | Outcome::Unanswered => exit::COULD_NOT,
    }
}

pub(super) fn tell(tasked: &Tasked) -> io::Result<()> {
    match (&tasked.answer, &tasked.outcome) {
        (Some(answer), _) => match &tasked.ran {
            Some(ran) => {
                written(&ran.stdout)?;
                ended(ran)?;
            }
            None => {
                given(answer)?;
                about(answer, tasked);
            }
        },
        (None, Outcome::Decided(record)) => refused(tasked, *record == Record::DryRun),
        (None, Outcome::Acted(_, Acted::Stopped)) if tasked.ruling.decision.verdict == Verdict::Admit => {
            if let Some(ran) = &tasked.ran {
                output::say(format_args!("  {}", output::safe(&line(ran))));
            }
            refused(tasked, true);
        }
        (None, Outcome::Acted(_, Acted::Stopped)) => {
            if let Some(ran) = &tasked.ran {
                output::say(format_args!("  {}", output::safe(&line(ran))));
            }
            refused(tasked, false);
        }
        (None, _) => {
            if let Some(ran) = &tasked.ran {
                ended(ran)?;
            }
            output::say(Painted(CARE, "nobody had an answer"));
            for declined in &tasked.declined {
                let detail = declined.detail.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
                let detail = output::shortened(&detail, 200);
                let why = reasons::code_text(&declined.code);
                output::say(format_args!("  {} {why}{detail}", Painted(BOLD, &declined.layer)));
            }
            if let Some(asks) = &tasked.asks {
                output::hint_line(output::safe(asks));
            } else if tasked.declined.iter().any(|declined| declined.code == "spec.unread") {
                output::hint_line("state it: --signature 'f(x: int) -> int' --example 'f(1) == 2'");
            }
        }
    }
    if let Some(last) = tasked.receipts.last() {
        output::say(format_args!("receipt {}", last.receipt_id));
    }
    Ok(())
}

/// The answer is the program's output: as it is into a pipe, harmless on a terminal.
fn given(answer: &Answer) -> io::Result<()> {
    let end = if answer.text.ends_with('\n') { "" } else { "\n" };
    if io::stdout().is_terminal() {
        output::result(format_args!("{}{end}", answer.text))
    } else {
        output::bytes(format!("{}{end}", answer.text).as_bytes())
    }
}

/// The output of a command: these very bytes into a pipe, harmless on a terminal.
fn written(bytes: &[u8]) -> io::Result<()> {
    if io::stdout().is_terminal() {
        output::result(String::from_utf8_lossy(bytes))
    } else {
        output::bytes(bytes)
    }
}

/// What ran, and what it complained of.
fn ended(ran: &Ran) -> io::Result<()> {
    if !ran.stderr.is_empty() {
        output::say_raw(String::from_utf8_lossy(&ran.stderr));
    }
    if ran.truncated {
        output::say("its output was longer than is kept; the rest was dropped, as the receipt says");
    }
    if let Some(says) = &ran.says {
        output::say(output::safe(says));
    }
    let code = ran.exit_code.map(|code| format!("exit {code}")).unwrap_or_default();
    output::say(format_args!(
        "{}  ran: {}  {}",
        Painted(BOLD, "L6.5"),
        output::safe(&line(ran)),
        Painted(DIM, code)
    ));
    Ok(())
}

fn line(ran: &Ran) -> String {
    ran.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn about(answer: &Answer, tasked: &Tasked) {
    for called in &tasked.calls {
        let words = called.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let verdict = Painted(verdict_style(called.verdict), called.verdict);
        output::say(format_args!("  {verdict}  {}  {}", output::safe(&words), called.receipt_id));
    }
    let (style, what) = match answer.evidence {
        Evidence::Verified => (GOOD, "verified by your tests"),
        Evidence::Checked => (CARE, "checked: reproduces the examples, not verified"),
        Evidence::Proposed => (CARE, "proposed only: look at it before you use it"),
    };
    let grade = Painted(DIM, format!("grade {}", answer.grade));
    let spent = match tasked.tokens {
        0 => String::new(),
        tokens => format!("  {tokens} tokens, {} µ$", tasked.cost_microusd),
    };
    output::say(format_args!("{}  {}  {grade}{spent}", Painted(BOLD, &answer.layer), Painted(style, what)));
    if let Some(question) = answer.question.as_ref().filter(|_| answer.evidence != Evidence::Verified) {
        let told = |output: &Option<String>| output.clone().unwrap_or_else(|| "an error".to_owned());
        let call = output::safe(&question.call);
        output::say(format_args!(
            "  {call} gives {}; another program that fits gives {}",
            output::safe(&told(&question.first)),
            output::safe(&told(&question.second))
        ));
        output::hint_line(format_args!("say which is right: --example '{call} == …'"));
    } else if answer.evidence != Evidence::Verified && answer.smoke.is_some() {
        output::hint_line("your tests make it verified: --tests FILE");
    }
}

fn refused(tasked: &Tasked, dry_run: bool) {
    let verdict = tasked.ruling.decision.verdict;
    let what = if dry_run { "would be: " } else { "" };
    output::say(format_args!("{what}{}", Painted(verdict_style(verdict), verdict)));
    for text in reasons::texts(&tasked.ruling).iter().chain(&tasked.ruling.limits) {
        output::say(format_args!("  {}", output::safe(text)));
    }
    if tasked.ruling.decision.reasons().any(|(_, reason)| reason.code == "risk.limit") {
        output::hint_line(format_args!(
            "a task says something, in at most {TASK_BYTES_MAX} bytes and {TASK_EXAMPLES_MAX} examples"
        ));
    }
    let last = tasked.receipts.last().map(|receipt| receipt.receipt_id).filter(|_| dry_run);
    if let (Verdict::Escalate, Some(asked)) = (verdict, tasked.waits_for.or(last)) {
        output::hint_line(format_args!("somebody eligible runs: cascade approve {asked}"));
        output::hint_line(format_args!("then: cascade task --approval {asked}"));
    }
}
