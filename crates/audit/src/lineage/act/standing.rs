//! What an action stood on when it was decided, and what of that changed while it ran.

use std::collections::BTreeSet;
use std::rc::Rc;

use cascade_receipt::content::Rel;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::kind::Kind;

use super::{Act, Cut, EACH_MAX, is_long};
use crate::lineage::tracer::Tracer;
use crate::lineage::{Fault, Find, Receipt, Referring};

/// Kinds that change what every decision stands on.
const CHANGES: [Kind; 3] = [Kind::PolicyActivated, Kind::PackActivated, Kind::Halted];

impl Act {
    /// Receipts of these kinds that refer to one. Where there are more than are looked at, that is noted; with a `text`
    /// it weighs.
    pub(super) fn referring(
        &mut self,
        tracer: &mut Tracer<'_>,
        id: ReceiptId,
        rels: &[Rel],
        kinds: &[Kind],
        text: Option<&'static str>,
    ) -> Result<Vec<Rc<Receipt>>, Fault> {
        let asked = Referring::to(id, EACH_MAX + 1).by(rels).of(kinds);
        let mut found = tracer.referring(&asked)?;
        if found.len() > EACH_MAX {
            found.truncate(EACH_MAX);
            let by = tracer.by_id(id)?.unwrap_or_else(|| self.about.clone());
            let told = "more names it than is shown; what is left out changes no answer";
            self.cuts.push(Cut { weighs: text.is_some(), text: text.unwrap_or(told), by });
        }
        Ok(found)
    }

    /// What changed while it ran, of what concerns it.
    pub(super) fn changed(&mut self, tracer: &mut Tracer<'_>, start: &Rc<Receipt>) -> Result<(), Fault> {
        if !is_long(start) {
            return Ok(());
        }
        let until = self.closers.first().map_or(tracer.head(), |closer| closer.seq);
        let seqs = start.seq + 1..until.max(start.seq + 1);
        let asked = |kinds: &[Kind], principal| Find {
            kinds: kinds.to_vec(),
            principal,
            seqs: seqs.clone(),
            limit: EACH_MAX + 1,
            ..Find::default()
        };
        let mut changes = Vec::new();
        let mut some = |found: Vec<Rc<Receipt>>| {
            let cut = found.len() > EACH_MAX;
            changes.extend(found.into_iter().take(EACH_MAX));
            cut
        };
        let mut cut = some(tracer.find(&asked(&CHANGES, None))?);
        for who in self.concerned() {
            cut |= some(tracer.find(&asked(&[Kind::PrincipalRemoved], Some(who)))?);
        }
        let revoked = self.grants.iter().filter_map(|held| held.revoked.clone());
        changes.extend(revoked.filter(|one| seqs.contains(&one.seq)));
        super::unique(&mut changes);
        self.changes = changes;
        if cut {
            let text = "more changed while it ran than is looked at";
            self.cuts.push(Cut { weighs: true, text, by: start.clone() });
        }
        Ok(())
    }

    /// Those on whose membership it stands.
    pub(in crate::lineage) fn concerned(&self) -> BTreeSet<PrincipalId> {
        let givers = self.grants.iter().filter_map(|held| held.grant.principal());
        let own = [self.core().principal(), self.core().who("on_behalf_of")].into_iter().flatten();
        givers.chain(own).collect()
    }

    /// The policy that was in force, and the packs. What may have been replaced by a receipt that is not here is not
    /// taken for it.
    pub(super) fn policy(&mut self, tracer: &mut Tracer<'_>) -> Result<(), Fault> {
        let core = self.core().clone();
        if core.verdict().is_none() {
            return Ok(());
        }
        let before = |kinds: &[Kind], limit| Find {
            kinds: kinds.to_vec(),
            seqs: 0..core.seq,
            newest: true,
            limit,
            ..Find::default()
        };
        let newest = tracer.find(&before(&[Kind::PolicyActivated, Kind::PackActivated], 1))?;
        let last = match newest.into_iter().next() {
            Some(activation) => Some(activation),
            None => tracer.by_seq(0)?.filter(|first| first.is(Kind::Genesis)),
        };
        self.policy = last.filter(|last| tracer.holds(last.seq..core.seq));
        if let Some(policy) = self.policy.clone() {
            tracer.note(&policy, "policy")?;
            tracer.link(&core, "policy", &policy);
        }
        let packs = tracer.find(&before(&[Kind::PackActivated], EACH_MAX + 1))?;
        if packs.len() > EACH_MAX {
            let text =
                "packs were put in force more often than is looked at: others may be part of the policy";
            self.cuts.push(Cut { weighs: false, text, by: core.clone() });
        }
        let mut known = BTreeSet::new();
        for pack in packs.into_iter().take(EACH_MAX) {
            let Some(said) = pack.content.member("pack") else { continue };
            let name = said.member("name").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
            let holds = said.member("active").and_then(|active| active.as_bool()) == Some(true);
            if known.insert(name) && holds && tracer.holds(pack.seq..core.seq) {
                tracer.note(&pack, "pack")?;
                self.packs.push(pack.clone());
            }
        }
        Ok(())
    }

    /// Whether all that could say that something ran on it is here.
    pub(in crate::lineage) fn knows_what_followed(&self, tracer: &Tracer<'_>) -> bool {
        tracer.holds(self.first().seq..tracer.head()) && !self.cuts.iter().any(|cut| cut.weighs)
    }

    fn first(&self) -> &Rc<Receipt> {
        self.subjects
            .iter()
            .chain(&self.glasses)
            .chain([&self.about])
            .min_by_key(|one| one.seq)
            .unwrap_or(&self.about)
    }

    /// Whether it is one of those on which something may have begun: a question, an answer, a broken glass.
    pub(in crate::lineage) fn may_begin(&self) -> bool {
        self.start.is_none()
            && matches!(
                self.about.known(),
                Some(
                    Kind::Escalation
                        | Kind::DryRun
                        | Kind::Approval
                        | Kind::Denial
                        | Kind::ApprovalRefused
                        | Kind::ApprovalExpired
                        | Kind::BreakGlass
                        | Kind::Review
                )
            )
    }

    /// Whether it ends or attends something whose beginning is not here.
    pub(in crate::lineage) fn lacks_start(&self) -> bool {
        self.start.is_none() && (!self.closers.is_empty() || self.about.is(Kind::Heartbeat))
    }
}
