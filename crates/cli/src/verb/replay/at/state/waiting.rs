//! What has begun and has no end yet, and what waits for people.

use cascade_ledger::{Approval, Subject, SubjectState};
use cascade_receipt::json::Value;
use cascade_runtime::consent;

use super::super::look::Look;
use super::super::sheet::{Row, Section, Tone, cell, dim, members, number, plain};
use crate::exit::Failure;
use crate::output;
use crate::verb::approvals as asked;

/// Characters of a command.
const COMMAND_CHARS: usize = 60;

pub(super) fn open_actions(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for open in look.moment.open_actions()? {
        let (command, who) = (look.command(open.seq)?, look.name(open.principal)?);
        let document = members([
            ("command", command.as_str().into()),
            ("principal", open.principal.to_string().into()),
            ("principal_name", who.as_str().into()),
            ("receipt_id", open.receipt_id.to_string().into()),
            ("seq", number(open.seq)),
        ]);
        let cells = vec![
            plain(open.receipt_id.to_string()),
            plain(cut(&command)),
            plain(who),
            dim(format!("since seq {}", open.seq)),
        ];
        rows.push(Row::new(document, cells));
    }
    Ok(Section::list("open_actions", "open actions", "nothing runs", rows))
}

pub(super) fn pending(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for subject in look.moment.pending_escalations()? {
        let asked::About { command, who, variables } = asked::about(look.moment, &subject)?;
        let needed = consent::needed(look.moment, &subject, look.at)?;
        let mut document = asked::document(look.moment, &subject, (&command, &variables), &needed, None)?;
        let (state, tone) = match subject.expires {
            Some(end) if end <= look.at => ("expired", Tone::Dim),
            _ if asked::is_approved(&subject, &needed) => ("approved", Tone::Good),
            _ => ("waiting", Tone::Care),
        };
        if let Value::Object(members) = &mut document {
            members.insert("state".to_owned(), state.into());
        }
        let until = subject.expires.map(|end| format!("until {end}")).unwrap_or_default();
        let id = plain(subject.receipt_id.to_string());
        rows.push(Row::new(
            document,
            vec![id, cell(tone, state), plain(cut(&command)), plain(who), dim(until)],
        ));
        let groups = format!("{} approval(s) of {}", subject.required, subject.groups.join(", "));
        rows.push(Row::told(vec![dim(format!("  {groups}; {}", asked::progress(look.moment, &needed)?))]));
    }
    Ok(Section::list("pending", "waiting for people", "nothing waits for approval", rows))
}

pub(super) fn approvals(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for approval in look.moment.unused_approvals()? {
        let subject = look.moment.subject(approval.subject)?;
        let state = usable(look, &approval, subject.as_ref());
        let who = look.name(approval.principal)?;
        let document = members([
            ("expires", approval.expires.to_string().into()),
            ("principal", approval.principal.to_string().into()),
            ("principal_name", who.as_str().into()),
            ("receipt_id", approval.receipt_id.to_string().into()),
            ("signed", approval.signed.into()),
            ("state", state.into()),
            ("subject", approval.subject.to_string().into()),
        ]);
        if state != "usable" {
            rows.push(Row::quiet(document));
            continue;
        }
        let cells = vec![
            plain(approval.receipt_id.to_string()),
            plain(format!("by {who}")),
            plain(format!("of {}", approval.subject)),
            dim(format!("until {}", approval.expires)),
        ];
        rows.push(Row::new(document, cells));
    }
    Ok(Section::list("approvals", "approvals not used yet", "none", rows))
}

/// Whether an approval can still be used, or why not.
fn usable(look: &Look<'_>, approval: &Approval, subject: Option<&Subject>) -> &'static str {
    match subject.map(|subject| subject.state) {
        Some(SubjectState::Open | SubjectState::Approved) if approval.expires <= look.at => "expired",
        Some(SubjectState::Open | SubjectState::Approved) => "usable",
        Some(SubjectState::Denied) => "denied",
        Some(SubjectState::Expired) => "expired",
        Some(SubjectState::Used) => "used",
        Some(SubjectState::Erased) => "erased",
        None => "unknown",
    }
}

pub(super) fn unreviewed(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for glass in look.moment.unreviewed()? {
        let (command, who) = (look.command(glass.seq)?, look.name(glass.principal)?);
        let overdue = glass.due <= look.at;
        let groups = glass.groups.iter().map(|group| Value::from(group.as_str())).collect();
        let document = members([
            ("command", command.as_str().into()),
            ("due", glass.due.to_string().into()),
            ("groups", Value::Array(groups)),
            ("overdue", overdue.into()),
            ("principal", glass.principal.to_string().into()),
            ("principal_name", who.as_str().into()),
            ("receipt_id", glass.receipt_id.to_string().into()),
        ]);
        let due = format!("due {}", glass.due);
        let due = if overdue { cell(Tone::Bad, due) } else { cell(Tone::Care, due) };
        let id = plain(glass.receipt_id.to_string());
        rows.push(Row::new(document, vec![id, plain(cut(&command)), plain(who), due]));
    }
    Ok(Section::list("unreviewed", "broken glass not reviewed", "none", rows))
}

fn cut(command: &str) -> String {
    output::shortened(command, COMMAND_CHARS)
}
