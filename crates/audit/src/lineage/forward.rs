//! Forwards: what followed from a receipt.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use cascade_receipt::id::ReceiptId;
use cascade_receipt::kind::Kind;

use super::tracer::Tracer;
use super::{Fault, Find, Receipt, Referring, Source};

/// Most receipts that one answer shows.
pub const FOLLOWERS_MAX: usize = 1_000;
/// How many references lie between the receipt and what is shown, at most.
const DEPTH_MAX: u32 = 6;

/// A receipt that followed.
#[derive(Clone, Debug)]
pub struct Follower {
    /// The receipt.
    pub receipt: Rc<Receipt>,
    /// What it followed from.
    pub from: ReceiptId,
    /// How: a relation of receipts, or `policy`, `key`, `principal`, `spec`.
    pub rel: &'static str,
    /// How many references lie between.
    pub depth: u32,
    /// What was asked for by it, where the private bytes are there.
    pub command: Option<String>,
    /// Who asked for or did it, by name where it is known.
    pub principal: Option<String>,
}

/// Everything that followed, as far as it is shown.
#[derive(Clone, Debug)]
pub struct Following {
    /// The receipt that was asked for.
    pub about: Rc<Receipt>,
    /// In the order of the chain.
    pub followers: Vec<Follower>,
    /// Heartbeats that are not shown.
    pub heartbeats: u64,
    /// There is more than was shown.
    pub more: bool,
    /// Not every later receipt is here: what else followed cannot be seen.
    pub partial: bool,
    /// The limit that was asked with.
    pub limit: usize,
}

/// Finds what followed from the receipt with this id, at most `limit` receipts; `None` when there is no such receipt.
///
/// # Errors
/// [`Fault`] of the source.
pub fn follow(source: &mut dyn Source, id: ReceiptId, limit: usize) -> Result<Option<Following>, Fault> {
    let limit = limit.clamp(1, FOLLOWERS_MAX);
    let mut tracer = Tracer::new(source);
    let Some(about) = tracer.by_id(id)? else { return Ok(None) };
    let mut following = Following {
        about: about.clone(),
        followers: Vec::new(),
        heartbeats: 0,
        more: false,
        partial: false,
        limit,
    };
    let mut seen: BTreeSet<ReceiptId> = [id].into_iter().collect();
    let mut ahead = VecDeque::from([(about.clone(), 0)]);
    following.heartbeats += tracer.count_heartbeats(id)?;
    for (rel, find) in wider(&mut tracer, &about, limit + 1)? {
        // Those that were taken already leave the room for others that is asked for.
        let find = Find { limit: limit + 1 + seen.len(), ..find };
        for found in tracer.find(&find)? {
            let taken = following.take(&mut tracer, &mut seen, (&found, about.id, rel, 1))?;
            // What a policy or a key led to is wide enough by itself.
            if taken && rel == "principal" {
                following.heartbeats += tracer.count_heartbeats(found.id)?;
                ahead.push_back((found, 1));
            }
        }
    }
    while let Some((from, depth)) = ahead.pop_front() {
        if following.more {
            break;
        }
        let asked = Referring::to(from.id, limit + 1 + seen.len()).not_of(Kind::Heartbeat);
        let found = tracer.referring(&asked)?;
        if depth >= DEPTH_MAX {
            following.more = found.iter().any(|one| !seen.contains(&one.id));
            continue;
        }
        for found in found {
            let rel = rel_between(&found, from.id);
            if following.take(&mut tracer, &mut seen, (&found, from.id, rel, depth + 1))? {
                following.heartbeats += tracer.count_heartbeats(found.id)?;
                ahead.push_back((found, depth + 1));
            }
        }
    }
    following.partial = !tracer.holds(about.seq..tracer.head());
    following.followers.sort_by_key(|one| one.receipt.seq);
    Ok(Some(following))
}

impl Following {
    /// Takes one in, once, while there is room; true when what followed from it is wanted, too.
    fn take(
        &mut self,
        tracer: &mut Tracer<'_>,
        seen: &mut BTreeSet<ReceiptId>,
        (receipt, from, rel, depth): (&Rc<Receipt>, ReceiptId, &'static str, u32),
    ) -> Result<bool, Fault> {
        if !seen.insert(receipt.id) {
            return Ok(false);
        }
        if self.followers.len() >= self.limit {
            self.more = true;
            return Ok(false);
        }
        let command = tracer.command(receipt)?;
        let principal = receipt.principal().map(|who| tracer.name(who)).transpose()?;
        self.followers.push(Follower { receipt: receipt.clone(), from, rel, depth, command, principal });
        Ok(true)
    }
}

fn rel_between(receipt: &Receipt, to: ReceiptId) -> &'static str {
    receipt.refs.iter().find(|one| one.receipt_id == to).map_or("erases", |one| one.rel.as_str())
}

/// Kinds of what is decided.
const DECIDED: [Kind; 8] = [
    Kind::TaskStarted,
    Kind::TaskCompleted,
    Kind::Blocked,
    Kind::Escalation,
    Kind::DryRun,
    Kind::ChainStarted,
    Kind::ScheduleChanged,
    Kind::BreakGlass,
];

/// What follows from a receipt without naming it: what was decided by a policy until another one was put in force, signed
/// by a key, done by a person, run by a specification.
fn wider(tracer: &mut Tracer<'_>, about: &Receipt, limit: usize) -> Result<Vec<(&'static str, Find)>, Fault> {
    let seqs = about.seq + 1..tracer.head();
    let after = Find { seqs, limit, other_kinds: vec![Kind::Heartbeat], ..Find::default() };
    let mut all = Vec::new();
    if let Some((_, policy)) = about.activates() {
        let kinds = vec![Kind::PolicyActivated, Kind::PackActivated];
        let next = tracer.find(&Find { kinds, limit: 1, ..after.clone() })?;
        let end = next.first().map_or(after.seqs.end, |next| next.seq);
        let seqs = after.seqs.start..end;
        all.push(("policy", Find { kinds: DECIDED.to_vec(), policy: Some(policy), seqs, ..after.clone() }));
    }
    let keys = about.content.member("keys").and_then(|keys| keys.member("receipt"));
    let key = about.content.member("key").or(keys).and_then(|key| key.member("key_id")?.as_str());
    if let Some(key) = key {
        all.push(("key", Find { key_id: Some(key.to_owned()), ..after.clone() }));
    }
    if about.is(Kind::PrincipalAdded) {
        all.push(("principal", Find { principal: about.principal(), ..after.clone() }));
    }
    if about.is(Kind::ChainStarted) {
        let spec = about.digest("spec_hash");
        all.push(("spec", Find { kinds: vec![Kind::ChainStarted], spec, ..after }));
    }
    Ok(all)
}
