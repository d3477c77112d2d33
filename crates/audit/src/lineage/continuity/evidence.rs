//! Whether the receipts themselves hold together.

use std::collections::BTreeMap;
use std::rc::Rc;

use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

use super::Continuity;
use crate::lineage::act::{Act, EACH_MAX};
use crate::lineage::tracer::Tracer;
use crate::lineage::{Fault, Find, Receipt};

pub(super) fn of_all(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    missing(tracer, found);
    between(tracer, act, found)?;
    altered(tracer, act, found)?;
    erased(tracer, act, found)?;
    anchored(tracer, act, found)?;
    let noted = |tracer: &Tracer<'_>| {
        tracer.graph().nodes.values().map(|node| node.receipt.clone()).collect::<Vec<_>>()
    };
    let receipts = noted(tracer);
    keys(tracer, &receipts, found)?;
    hashes(&noted(tracer), found);
    if tracer.graph().left_out > 0 {
        let text = format!(
            "{} receipts that it touches were not looked at: there are too many",
            tracer.graph().left_out
        );
        found.not_provable("here.cut", text, &[&act.about]);
    }
    Ok(())
}

/// Each gives its hash, and each reference the hash of what it names.
fn hashes(receipts: &[Rc<Receipt>], found: &mut Continuity) {
    let known: BTreeMap<_, &Rc<Receipt>> = receipts.iter().map(|one| (one.id, one)).collect();
    for receipt in receipts {
        if !receipt.sound {
            found.broken("chain.damaged", format!("{} does not give its hash", receipt.id), &[receipt]);
        }
        for one in &receipt.refs {
            let Some(named) = known.get(&one.receipt_id) else { continue };
            if named.entry_hash != one.entry_hash || named.seq >= receipt.seq {
                let text = format!("{} names {} by another hash than it has", receipt.id, named.id);
                found.broken("chain.damaged", text, &[receipt, named]);
            }
        }
    }
}

fn missing(tracer: &Tracer<'_>, found: &mut Continuity) {
    for edge in tracer.graph().missing.clone() {
        let Some(node) = tracer.graph().node(edge.from) else { continue };
        let text = format!("{} names {} ({}), which is not here", edge.from, edge.to, edge.rel);
        let by = node.receipt.clone();
        if tracer.holds(0..by.seq) {
            found.broken("chain.missing", text, &[&by]);
        } else {
            found.not_provable("here.missing", text, &[&by]);
        }
    }
}

/// The chain from the request to what closed it.
fn between(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    let first = act.subjects.first().or(act.start.as_ref()).unwrap_or(&act.about).clone();
    let last = act.closers.first().or(act.start.as_ref()).unwrap_or(&act.about).clone();
    if last.seq <= first.seq || !tracer.holds(first.seq..last.seq) {
        return Ok(());
    }
    let mut before: Option<Digest> = None;
    for seq in first.seq..=last.seq {
        let linked =
            tracer.linked(seq)?.filter(|one| before.is_none_or(|hash| one.prev_hash == hash) && one.sound);
        let Some(linked) = linked else {
            let text = format!("the chain is damaged at seq {seq}, between request and end");
            found.broken("chain.damaged", text, &[&first, &last]);
            return Ok(());
        };
        before = Some(linked.entry_hash);
    }
    Ok(())
}

/// Private bytes that are not those which a receipt was made of show nothing of what it said.
fn altered(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    for receipt in own(act) {
        if tracer.altered(&receipt)? {
            let text = "private bytes of it are not those that it was made of: what it said cannot be shown";
            found.not_provable("private.altered", text, &[&receipt]);
        }
    }
    Ok(())
}

/// The receipts of the action itself.
fn own(act: &Act) -> Vec<Rc<Receipt>> {
    let own =
        act.subjects.iter().chain(&act.start).chain(&act.closers).chain(&act.answers).chain(&act.glasses);
    own.chain([&act.about]).cloned().collect()
}

/// Keys that were taken back, and those that they brought in since they may have been another's.
fn keys(tracer: &mut Tracer<'_>, receipts: &[Rc<Receipt>], found: &mut Continuity) -> Result<(), Fault> {
    let kinds = vec![Kind::KeyRevoked];
    let all = 0..tracer.head();
    let revoked = every(tracer, kinds, all.clone(), found)?;
    if revoked.is_empty() {
        return Ok(());
    }
    let mut fallen: BTreeMap<String, (Timestamp, Rc<Receipt>)> = BTreeMap::new();
    for one in revoked {
        let Some((key, since)) = statement(&one) else { continue };
        fallen.entry(key).or_insert((since, one));
    }
    let kinds = vec![Kind::KeyAdded, Kind::KeyRotated];
    for added in every(tracer, kinds, all, found)? {
        let by = fallen.get(added.text("key_id").unwrap_or_default()).cloned();
        let Some((since, revoked)) = by.filter(|(since, _)| added.at >= *since) else { continue };
        let key = added.content.member("key").and_then(|key| key.member("key_id")?.as_str());
        fallen.entry(key.unwrap_or_default().to_owned()).or_insert((since, revoked));
    }
    for receipt in receipts {
        let Some((since, revoked)) = fallen.get(receipt.text("key_id").unwrap_or_default()) else { continue };
        tracer.note(revoked, "key revocation")?;
        disputed(tracer, receipt, *since, revoked, found)?;
    }
    Ok(())
}

/// Receipts of kinds of which a chain has few. Where there are more than are looked at, nothing is proven.
fn every(
    tracer: &mut Tracer<'_>,
    kinds: Vec<Kind>,
    seqs: std::ops::Range<u64>,
    found: &mut Continuity,
) -> Result<Vec<Rc<Receipt>>, Fault> {
    let mut all = tracer.find(&Find { kinds, seqs, limit: EACH_MAX + 1, ..Find::default() })?;
    if all.len() > EACH_MAX {
        let last = all.pop();
        let by: Vec<&Receipt> = last.iter().map(Rc::as_ref).collect();
        found.not_provable("here.cut", "there are more receipts about keys than are looked at", &by);
    }
    Ok(all)
}

fn statement(revoked: &Receipt) -> Option<(String, Timestamp)> {
    let statement = revoked.content.member("statement")?;
    let text = |key: &str| statement.member(key).and_then(Value::as_str);
    Some((text("key_id")?.to_owned(), Timestamp::parse(text("compromised_since")?)?))
}

fn disputed(
    tracer: &mut Tracer<'_>,
    receipt: &Rc<Receipt>,
    since: Timestamp,
    revoked: &Rc<Receipt>,
    found: &mut Continuity,
) -> Result<(), Fault> {
    let seqs = receipt.seq + 1..revoked.seq.max(receipt.seq + 1);
    let whole = tracer.holds(seqs.clone());
    let mut find = Find { kinds: vec![Kind::Anchor], seqs, limit: EACH_MAX, ..Find::default() };
    let before = loop {
        let page = tracer.find(&find)?;
        let covers = page.iter().find(|anchor| anchor.at < since && size(anchor) > receipt.seq);
        let next = page.last().map(|last| last.seq + 1).filter(|next| *next > find.seqs.start);
        match (covers, next) {
            (None, Some(next)) => find.seqs.start = next,
            (covers, _) => break covers.cloned(),
        }
    };
    if let Some(anchor) = &before {
        let text = format!(
            "{} stands on a key that was taken back; an anchor from before covers it, and whether its cosignatures \
             count is for `cascade verify --trust` to say",
            receipt.id
        );
        found.not_provable("key.fallen", text, &[receipt, revoked, anchor]);
    } else if !whole {
        let text = format!(
            "{} stands on a key that was taken back; whether an anchor from before covers it is not here",
            receipt.id
        );
        found.not_provable("key.fallen", text, &[receipt, revoked]);
    } else {
        let text = format!("{} is disputed: it stands on a key that was taken back", receipt.id);
        found.broken("key.fallen", text, &[receipt, revoked]);
    }
    Ok(())
}

/// How many receipts the checkpoint in an anchor covers.
fn size(anchor: &Receipt) -> u64 {
    let second = anchor.text("checkpoint").and_then(|note| note.lines().nth(1));
    second.and_then(|line| line.parse().ok()).unwrap_or_default()
}

fn erased(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    for receipt in own(act) {
        if let Some(erasure) = tracer.erasure_of(receipt.id)? {
            tracer.note(&erasure, "erasure")?;
            tracer.link(&erasure, "erases", &receipt);
            let text = "private bytes of it were erased: what it said can no longer be shown, and the receipt stands";
            found.told("private.erased", text, &[&receipt, &erasure]);
        }
    }
    Ok(())
}

/// Whether others have seen it.
fn anchored(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    let last = act.closers.first().or(act.start.as_ref()).unwrap_or(&act.about).clone();
    let cosigned = tracer.cosigned();
    if last.seq >= cosigned {
        let text = "not yet anchored: no checkpoint that trusted witnesses cosigned covers it";
        found.told("anchor.none", text, &[&last]);
        return Ok(());
    }
    let find = Find { kinds: vec![Kind::Anchor], seqs: last.seq..tracer.head(), limit: 8, ..Find::default() };
    let anchor = tracer.find(&find)?.into_iter().find(|anchor| size(anchor) > last.seq);
    let text = format!("a checkpoint over {cosigned} receipts that witnesses cosigned covers it");
    match anchor {
        Some(anchor) => {
            tracer.note(&anchor, "anchor")?;
            tracer.link(&anchor, "anchors", &last);
            found.told("anchor.covers", text, &[&last, &anchor]);
        }
        None => found.told("anchor.covers", text, &[&last]),
    }
    Ok(())
}
