//! What is decided of a call and put on record, however its messages come and go.

use std::time::Instant;

use cascade_ledger::SubjectState;
use cascade_policy::facts::ToolCall;
use cascade_receipt::content::{Ending, RequestTag};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::consent;
use cascade_runtime::lease::{
    self, Asked, Begun, Held, LeaseError, Live, Open, Outcome, Output, REASON_BYTES_MAX, Request, Under,
};
use serde_json::value::RawValue;

use super::calls::Call;
use super::gateway::Gateway;
use super::listing::Listing;
use super::wire::{self, Method, ToolResult};

impl Gateway<'_> {
    /// Has a call decided against what the server says that its tools are. Gives what was decided as well.
    pub(super) fn begin(
        &self,
        call: &Call,
        listing: &Listing,
        tag: Option<RequestTag>,
    ) -> Result<(Begun, Asked), LeaseError> {
        let (mut definition, mut pinned) = (None, None);
        if call.method == Method::Call {
            // What the server does not list has no definition that could be pinned.
            definition = Some(listing.definition(&call.name).unwrap_or_else(|| Digest::of(b"")));
            let known = self.ledger.pinned_tool(&self.server, &call.name)?;
            pinned = known.map(|known| known.definition);
            if listing.definition(&call.name).is_none() && pinned.is_some() {
                definition = None;
            }
        }
        let tool = ToolCall {
            server: self.server.clone(),
            tool: call.name.clone(),
            arguments: call.arguments.clone(),
            definition,
            pinned,
        };
        // Kept with the denial, so that people see what they would accept.
        let changed = listing.changed(&call.name).filter(|text| text.len() <= REASON_BYTES_MAX);
        self.decided(tool, (changed.filter(|_| call.method == Method::Call), tag))
    }

    pub(super) fn decided(
        &self,
        call: ToolCall,
        (reason, tag): (Option<&str>, Option<RequestTag>),
    ) -> Result<(Begun, Asked), LeaseError> {
        let asked = Asked::Tool { call, cwd: self.cwd.clone() };
        let begun = lease::begin(
            self.ledger,
            &Request {
                asked: &asked,
                asker: self.asker,
                approval: None,
                dry_run: false,
                reason,
                subject: None,
                runtime: self.runtime,
                request: tag,
                held: Held::Process,
                policy: Some(self.policy),
            },
        )?;
        Ok((begun, asked))
    }

    /// What `live`, which runs under this gateway, may do now.
    pub(super) fn under<T>(&self, live: &mut Live, act: impl FnOnce(&mut Live, &Under<'_>) -> T) -> T {
        let Self { ledger, policy, asker, .. } = self;
        act(live, &Under { ledger, policy, asker, also: &|_| None })
    }

    /// Commit point: an answer has come, and leaves when this is durable.
    pub(super) fn answered(
        &self,
        open: Open,
        (method, began): (Method, Instant),
        answer: Result<&RawValue, &RawValue>,
    ) -> Result<(), LeaseError> {
        let (raw, code) = told(method, answer);
        self.settle(open, began, raw, code)
    }

    pub(super) fn settle(
        &self,
        open: Open,
        began: Instant,
        raw: &RawValue,
        code: Option<&'static str>,
    ) -> Result<(), LeaseError> {
        let outcome = Outcome {
            duration: Some(began.elapsed()),
            output: Some(Output::of(raw.get().as_bytes().to_vec())),
            reasons: code.into_iter().map(Reason::code).collect(),
            ..Outcome::of(if code.is_some() { Ending::Failed } else { Ending::Completed })
        };
        lease::settle(self.ledger, open, &outcome).map(|_| ())
    }

    /// Commit point: how a call ended that was watched over, with what came of it. False where it was not admitted any
    /// more when that came: none of it may leave.
    pub(super) fn closed(
        &self,
        mut live: Live,
        (ending, code): (Ending, Option<&'static str>),
        output: Option<&[u8]>,
    ) -> Result<bool, LeaseError> {
        let admitted = self.under(&mut live, |live, under| live.goes_on(under));
        let (ending, reasons) = match code {
            _ if !admitted => (Ending::Revoked, live.revoked().to_vec()),
            code => (ending, code.into_iter().map(Reason::code).collect()),
        };
        if let Some(output) = output.filter(|_| admitted) {
            live.push(output);
            live.rest();
        }
        live.close(self.ledger, Outcome { reasons, ..Outcome::of(ending) })?;
        Ok(admitted)
    }

    /// Nobody will know what came of it.
    pub(super) fn unknown(&self, open: Open, began: Instant, code: &'static str) -> Result<(), LeaseError> {
        self.without_answer(open, began, (Ending::Unknown, code))
    }

    /// It ended so, and there is no answer that could be kept.
    pub(super) fn without_answer(
        &self,
        open: Open,
        began: Instant,
        (ending, code): (Ending, &'static str),
    ) -> Result<(), LeaseError> {
        let outcome = Outcome {
            duration: Some(began.elapsed()),
            reasons: vec![Reason::code(code)],
            ..Outcome::of(ending)
        };
        lease::settle(self.ledger, open, &outcome).map(|_| ())
    }

    /// What a call that comes back is to wait for: an escalation of this asker. What the client says is not believed
    /// further than that; whether an approval is for this very call is found by what was approved.
    pub(super) fn awaited(&self, call: &Call) -> Option<ReceiptId> {
        self.awaited_of(call.escalation)
    }

    /// The same of what the client says alone.
    pub(super) fn awaited_of(&self, escalation: Option<ReceiptId>) -> Option<ReceiptId> {
        let escalation = escalation?;
        let subject = self.ledger.subject(escalation).ok()??;
        (subject.principal == self.asker.principal_id()).then_some(escalation)
    }

    /// How people have answered; `None` while they have not.
    pub(super) fn has_answer(&self, escalation: ReceiptId) -> Option<SubjectState> {
        if !consent::wait(self.ledger, escalation, Some(Instant::now())).ok()? {
            return None;
        }
        let subject = self.ledger.subject(escalation).ok()?;
        Some(match subject.map(|subject| subject.state) {
            Some(SubjectState::Open) | None => SubjectState::Expired,
            Some(state) => state,
        })
    }
}

/// What an answer says, and why it is none that was wished for.
pub(super) fn told<'a>(
    method: Method,
    answer: Result<&'a RawValue, &'a RawValue>,
) -> (&'a RawValue, Option<&'static str>) {
    let is_error = |raw: &RawValue| {
        method == Method::Call && wire::object::<ToolResult>(raw).is_some_and(|result| result.is_error)
    };
    match answer {
        Ok(raw) => (raw, is_error(raw).then_some("mcp.tool_failed")),
        Err(raw) => (raw, Some("mcp.refused_by_server")),
    }
}
