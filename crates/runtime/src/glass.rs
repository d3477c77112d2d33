//! Breaking the glass: who may ask for it, and the review that somebody else owes it.

use cascade_ledger::{AppendError, Draft, Fault, Glass, Ledger, Person, Present, PrivateItem, Reader};
use cascade_policy::facts::{BreakGlass, Unreviewed};
use cascade_receipt::content::{Body, Ref, Rel, Reviewed};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;

use crate::admin::{self, AdminError};
use crate::consent::{self, ConsentError, Replied, Sign};
use crate::facts::Asker;

/// What was done past the gates and nobody has reviewed, as a decision sees it.
pub(crate) fn unreviewed(present: &Present<'_>) -> Result<Vec<Unreviewed>, Fault> {
    let one = |glass: &Glass| Unreviewed {
        receipt_id: glass.receipt_id,
        principal: glass.principal,
        due: glass.due,
    };
    Ok(present.unreviewed()?.iter().map(one).collect())
}

/// What the gates hear of it. An agent, or somebody beneath a governed run who may be one, belongs to no group here.
pub(crate) fn asked(
    ledger: &Reader,
    asker: &Asker,
    broken: Option<&Ref>,
    action_hash: &Digest,
) -> Result<BreakGlass, Fault> {
    let person =
        asker.entry.as_ref().filter(|person| person.is_registered() && admin::is_person(asker).is_ok());
    let fits = match broken {
        Some(one) => ledger.glass(one.receipt_id)?.is_some_and(|glass| glass.action_hash == *action_hash),
        None => true,
    };
    Ok(BreakGlass {
        receipt_id: broken.map(|one| one.receipt_id),
        action_matches: fits,
        groups: person.map(|person| person.groups.clone()).unwrap_or_default(),
    })
}

/// What somebody thinks of a broken glass.
#[derive(Debug)]
pub struct Review {
    /// The `break_glass`, or the beginning of its id.
    pub id: String,
    /// Whether it was right.
    pub justified: bool,
    /// Why, in the reviewer's words; kept in the vault.
    pub reason: Option<String>,
}

/// Records a review. Who did it, and who is in none of the groups that it names, reviews nothing: that leaves an
/// `approval_refused`.
///
/// # Errors
/// [`ConsentError`].
pub fn review(
    ledger: &Ledger,
    asker: &Asker,
    review: &Review,
    sign: Sign<'_>,
) -> Result<Replied, ConsentError> {
    let (id, content) = consent::find(ledger, &review.id)?;
    let Some(glass) = ledger.glass(id)? else {
        let kind = content.member("kind").and_then(cascade_receipt::json::Value::as_str);
        return Err(ConsentError::NotReviewable(id, kind.unwrap_or_default().to_owned()));
    };
    let about = Ref { rel: Rel::Parent, receipt_id: glass.receipt_id, entry_hash: glass.entry_hash };
    let speaker = ledger.person(asker.speaker())?.filter(Person::is_registered);
    let reasons = objections(&glass, asker, speaker.as_ref());
    let Some(speaker) = speaker.filter(|_| reasons.is_empty()) else {
        return refused(ledger, asker, about, reasons);
    };
    let reason = review.reason.as_ref().map(|text| words(text)).transpose()?;
    let mut reviewed = Reviewed {
        glass: about.clone(),
        principal: speaker.principal,
        justified: review.justified,
        reason_hash: reason.as_ref().map(|item| item.hash),
        statement_id: cascade_ledger::receipt_id()?.0,
        signatures: Vec::new(),
    };
    let own = Body::Reviewed(reviewed.clone()).statement();
    match admin::signature_of(ledger, &speaker, &own, sign) {
        Ok(signature) => reviewed.signatures.push(signature),
        Err(AdminError::Sign(crate::ssh::SshError::OtherKey(_)) | AdminError::Signature(_)) => {
            return refused(ledger, asker, about, vec![Reason::code("approval.signature")]);
        }
        Err(AdminError::Sign(error)) => return Err(error.into()),
        Err(AdminError::Ledger(fault)) => return Err(fault.into()),
        Err(AdminError::Append(error)) => return Err(error.into()),
        Err(AdminError::Refused(code)) => return refused(ledger, asker, about, vec![Reason::code(code)]),
    }
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::Reviewed(reviewed));
    draft.private.extend(reason);
    match ledger.append(draft) {
        Err(AppendError::Reviewed { .. }) => refused(ledger, asker, about, vec![Reason::code("review.done")]),
        appended => Ok(Replied::Accepted(appended?)),
    }
}

fn refused(
    ledger: &Ledger,
    asker: &Asker,
    about: Ref,
    reasons: Vec<Reason>,
) -> Result<Replied, ConsentError> {
    let (receipt, reasons) = consent::refuse(ledger, asker, vec![about], reasons)?;
    Ok(Replied::Refused(receipt, reasons))
}

fn objections(glass: &Glass, asker: &Asker, speaker: Option<&Person>) -> Vec<Reason> {
    let mut codes = Vec::new();
    if asker.agent.is_some() {
        codes.push("approval.agent");
    } else if !speaker.is_some_and(|person| may_review(glass, person)) {
        codes.push("approval.not_eligible");
    }
    if asker.has_ended() {
        codes.push("identity.revoked");
    }
    codes.extend(asker.enclosure.objection());
    let same_key = speaker.is_some_and(|person| person.ssh_key == glass.ssh_key);
    if same_key || asker.speaker() == glass.principal {
        codes.push("review.own");
    }
    if glass.reviewed_by.is_some() {
        codes.push("review.done");
    }
    codes.into_iter().map(Reason::code).collect()
}

fn may_review(glass: &Glass, person: &Person) -> bool {
    person.is_admin() || person.groups.iter().any(|group| glass.groups.contains(group))
}

fn words(text: &str) -> Result<PrivateItem, Fault> {
    Ok(PrivateItem::new("reason_hash", cascade_ledger::nonce()?, text.as_bytes().to_vec()))
}

/// A broken glass that waits for its review.
#[derive(Debug)]
pub struct Waiting {
    /// What the chain says of it.
    pub glass: Glass,
    /// It is past due.
    pub overdue: bool,
}

/// What waits for a review, oldest first.
///
/// # Errors
/// [`Fault`].
pub fn waiting(reader: &Reader) -> Result<Vec<Waiting>, Fault> {
    let now = crate::facts::chain_now(reader)?;
    let one = |glass: Glass| Waiting { overdue: glass.due <= now, glass };
    Ok(reader.unreviewed()?.into_iter().map(one).collect())
}
