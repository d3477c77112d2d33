//! What a person or a program is told of a run.

use cascade_kernel::action::{Outcome, Record};
use cascade_receipt::decision::Verdict;
use cascade_receipt::json::Value;
use cascade_runtime::govern::Governed;
use cascade_runtime::process::{Captured, Status};

use crate::exit::{self, Failure};
use crate::output::{BOLD, Painted, verdict_style};
use crate::verb::halt::RESUME_HINT;
use crate::verb::tenant::ACTIVE_HINT;
use crate::{output, reasons};

/// Most of a program's name in a message.
const PROGRAM_CHARS_MAX: usize = 200;

pub(in crate::verb) fn code(governed: &Governed) -> u8 {
    if governed.output_error.is_some() {
        return exit::COULD_NOT;
    }
    match (&governed.outcome, &governed.status) {
        (Outcome::Decided(Record::DryRun), _) => {
            super::super::shell_check::code(governed.ruling.decision.verdict)
        }
        (Outcome::Decided(Record::Escalation), _) => exit::WAITING,
        (Outcome::Decided(_), _) => exit::DENIED,
        (Outcome::ClosedElsewhere, _) => exit::COULD_NOT,
        (Outcome::Ran(_), Some(Status::Exited(code))) => *code,
        (Outcome::Ran(_), Some(Status::Signaled(signal) | Status::Interrupted(signal))) => {
            signal.saturating_add(128)
        }
        (Outcome::Ran(_), Some(Status::TimedOut)) => exit::TIMED_OUT,
        (Outcome::Ran(_), Some(Status::Revoked)) => exit::DENIED,
        (Outcome::Ran(_), Some(Status::CouldNotStart(_) | Status::Lost) | None) => exit::COULD_NOT,
    }
}

/// What a person is told beside the command's own output: nothing when all went as asked.
pub(in crate::verb) fn tell(governed: &Governed, program: &str) {
    let ruling = &governed.ruling;
    let verdict = ruling.decision.verdict;
    let last = governed.receipts.last().map(|receipt| receipt.receipt_id.to_string()).unwrap_or_default();
    glass(governed);
    match &governed.outcome {
        Outcome::Decided(record) => {
            let what = if *record == Record::DryRun { "would be: " } else { "" };
            output::say(format_args!(
                "{what}{}  {}",
                Painted(verdict_style(verdict), verdict),
                Painted(output::tier_style(ruling.risk_tier), ruling.risk_tier)
            ));
            findings(governed);
            if ruling.glass_broken {
                output::say("  only by breaking the glass, which somebody else would have to review");
            }
            if ruling.decision.reasons().any(|(_, reason)| reason.code == "risk.limit") {
                output::hint_line("give fewer or shorter arguments, or a file of them");
            }
            if ruling.decision.reasons().any(|(_, reason)| reason.code == "standing.halted") {
                output::hint_line(RESUME_HINT);
            }
            if ruling.decision.reasons().any(|(_, reason)| reason.code == "standing.inactive") {
                output::hint_line(ACTIVE_HINT);
            }
            match record {
                Record::Escalation => {
                    output::hint_line(format_args!("somebody eligible runs: cascade approve {last}"));
                    output::hint_line(format_args!("then: cascade run --approval {last}"));
                }
                Record::DryRun if verdict == Verdict::Escalate => {
                    output::hint_line(format_args!("it can be approved in advance: cascade approve {last}"));
                }
                _ => {}
            }
            output::say(format_args!("receipt {last}"));
        }
        Outcome::Ran(_) => ended(governed, program, &last),
        Outcome::ClosedElsewhere => {
            output::say("the run was closed as unknown by another process; its output is withheld");
            output::say(format_args!("receipt {last}"));
        }
    }
}

/// That somebody else will look at it, also where nothing ran in the end.
fn glass(governed: &Governed) {
    let Some(broken) = governed.glass else { return };
    let ran = if matches!(governed.outcome, Outcome::Decided(_)) { ", and nothing ran" } else { "" };
    output::say(format_args!("{}{ran}: receipt {broken}", Painted(output::BAD, "glass broken")));
    output::hint_line(format_args!(
        "somebody else reviews it: cascade review {broken} --justified --reason TEXT"
    ));
}

pub(super) fn findings(governed: &Governed) {
    for command in &governed.ruling.classification.commands {
        for finding in &command.findings {
            let text = output::safe(&finding.text);
            output::say(format_args!("  {text} {}", Painted(output::DIM, &finding.code)));
        }
    }
    for text in reasons::texts(&governed.ruling).iter().chain(&governed.ruling.limits) {
        output::say(format_args!("  {}", output::safe(text)));
    }
}

fn ended(governed: &Governed, program: &str, last: &str) {
    match &governed.status {
        Some(Status::CouldNotStart(error)) => {
            let hint = start_hint(error).map(str::to_owned);
            let cause = anyhow::anyhow!("couldn't start the command {}", not_started(program, error));
            output::complain(&Failure { hint, ..Failure::could_not(cause) });
        }
        Some(Status::TimedOut) => output::say("the command ran out of time and was ended"),
        Some(Status::Revoked) => revoked(governed),
        Some(Status::Lost) => {
            output::say("the supervisor of the run was killed; what the command did is not known");
        }
        None => output::say("no supervisor could be started; nothing ran"),
        _ => {}
    }
    if governed.survivors_ended > 0 {
        output::say(format_args!(
            "{} process(es) that outlived the command were ended",
            Painted(BOLD, governed.survivors_ended)
        ));
    }
    if let Some(error) = &governed.output_error {
        let cause = anyhow::anyhow!("couldn't write the command's output: {error}");
        output::complain(
            &Failure::could_not(cause)
                .hint("the command was started and may have done its work; look before you run it again"),
        );
    }
    if governed.output_error.is_some() || !matches!(governed.status, Some(Status::Exited(_))) {
        output::say(format_args!("receipt {last}"));
    }
}

/// Why a run that was admitted was ended.
fn revoked(governed: &Governed) {
    output::say("the command was no longer admitted and was ended");
    for reason in &governed.revoked {
        output::say(format_args!("  {}", reasons::code_text(&reason.code)));
    }
    if governed.revoked.iter().any(|reason| reason.code == "revoked.halted") {
        output::hint_line(RESUME_HINT);
    }
    if governed.revoked.iter().any(|reason| reason.code == "revoked.suspended") {
        output::hint_line(ACTIVE_HINT);
    }
}

/// Which program could not be executed, and why; what was found missing beforehand has no words of the system.
fn not_started(program: &str, error: &std::io::Error) -> String {
    let why = match (error.raw_os_error(), error.kind()) {
        (None, std::io::ErrorKind::NotFound) => "there is no such program".to_owned(),
        (None, std::io::ErrorKind::PermissionDenied) => "it is no file that may be executed".to_owned(),
        _ => error.to_string(),
    };
    format!("`{}`: {why}", output::shortened(program, PROGRAM_CHARS_MAX))
}

/// What to do about a command that could not be executed.
fn start_hint(error: &std::io::Error) -> Option<&'static str> {
    /// What execve says of a file that is no program.
    const NO_PROGRAM: i32 = rustix::io::Errno::NOEXEC.raw_os_error();
    match (error.kind(), error.raw_os_error()) {
        (std::io::ErrorKind::NotFound, _) => {
            Some("check the name and PATH; shell words such as `cd` or `|` need `bash -c`")
        }
        (std::io::ErrorKind::PermissionDenied, _) => {
            Some("it must be a file that you may execute: `chmod +x` makes it one")
        }
        (std::io::ErrorKind::ArgumentListTooLong, _) => {
            Some("give fewer or shorter arguments, or a file of them")
        }
        (_, Some(NO_PROGRAM)) => {
            Some("a script needs a first line such as `#!/bin/sh`, or its interpreter before it")
        }
        _ => None,
    }
}

pub(in crate::verb) fn document(governed: &Governed, program: &str) -> Value {
    let mut members = std::collections::BTreeMap::new();
    let mut put = |key: &str, value: Value| {
        members.insert(key.to_owned(), value);
    };
    let ids: Vec<Value> =
        governed.receipts.iter().map(|receipt| receipt.receipt_id.to_string().into()).collect();
    if let Some(last) = ids.last() {
        put("receipt_id", last.clone());
    }
    put("receipts", Value::Array(ids));
    put("verdict", governed.ruling.decision.verdict.as_str().into());
    put("risk_tier", governed.ruling.risk_tier.as_str().into());
    put("reasons", reasons::document(&governed.ruling));
    if !governed.ruling.limits.is_empty() {
        put("limits", reasons::limits(&governed.ruling));
    }
    if governed.ruling.glass_broken {
        put("glass_broken", true.into());
    }
    if let Some(broken) = governed.glass {
        put("glass", broken.to_string().into());
    }
    put("exit_code", u32::from(code(governed)).into());
    if let Some(Status::Signaled(signal) | Status::Interrupted(signal)) = &governed.status {
        put("signal", u32::from(*signal).into());
    }
    if let Some(Status::CouldNotStart(error)) = &governed.status {
        put("error", not_started(program, error).into());
    }
    if !governed.revoked.is_empty() {
        put("revoked", reasons::codes(&governed.revoked));
    }
    if governed.truncated {
        put("truncated", true.into());
    }
    let nothing = Captured::default();
    let Captured { stdout, stderr } = governed.captured.as_ref().unwrap_or(&nothing);
    for (name, bytes) in [("stdout", stdout), ("stderr", stderr)] {
        match std::str::from_utf8(bytes) {
            Ok(text) => put(name, text.into()),
            Err(_) => put(&format!("{name}_b64"), cascade_receipt::base64::encode(bytes).into()),
        }
    }
    Value::Object(members)
}
