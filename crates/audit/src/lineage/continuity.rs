//! Whether authorization and what happened are linked without a gap.

mod authority;
mod evidence;
mod running;

use cascade_receipt::id::ReceiptId;

use super::act::Act;
use super::tracer::Tracer;
use super::{Fault, Receipt};

pub(super) use authority::removed;

/// What a case does to the verdict.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// It is said, and changes nothing.
    Told,
    /// Whether it is so cannot be proven from what is here.
    NotProvable,
    /// There is a gap.
    Broken,
}

impl Weight {
    /// The verdict in a word, when this is the heaviest.
    #[must_use]
    pub const fn verdict(self) -> &'static str {
        match self {
            Self::Told => "intact",
            Self::NotProvable => "not provable here",
            Self::Broken => "broken",
        }
    }

    /// The word for one case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::NotProvable => "not_provable",
            Self::Broken => "broken",
        }
    }
}

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// The code that programs compare.
    pub code: &'static str,
    /// What it does to the verdict.
    pub weight: Weight,
    /// The same for people.
    pub text: String,
    /// The receipts that say so.
    pub receipts: Vec<ReceiptId>,
}

/// The verdict and what it rests on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Continuity {
    /// Everything that was found, the heaviest first.
    pub cases: Vec<Case>,
}

impl Continuity {
    /// The heaviest of its cases.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.cases.iter().map(|case| case.weight).max().unwrap_or(Weight::Told)
    }

    /// `intact`, `broken` or `not provable here`.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        self.weight().verdict()
    }

    fn add(&mut self, weight: Weight, code: &'static str, text: String, receipts: &[&Receipt]) {
        let receipts = receipts.iter().map(|one| one.id).collect();
        let case = Case { code, weight, text, receipts };
        if !self.cases.contains(&case) {
            self.cases.push(case);
        }
    }

    fn broken(&mut self, code: &'static str, text: impl Into<String>, receipts: &[&Receipt]) {
        self.add(Weight::Broken, code, text.into(), receipts);
    }

    fn not_provable(&mut self, code: &'static str, text: impl Into<String>, receipts: &[&Receipt]) {
        self.add(Weight::NotProvable, code, text.into(), receipts);
    }

    fn told(&mut self, code: &'static str, text: impl Into<String>, receipts: &[&Receipt]) {
        self.add(Weight::Told, code, text.into(), receipts);
    }
}

/// Judges an action and whatever it is part of.
pub(super) fn judge(tracer: &mut Tracer<'_>, act: &Act) -> Result<Continuity, Fault> {
    let mut found = Continuity::default();
    one(tracer, act, &mut found)?;
    evidence::of_all(tracer, act, &mut found)?;
    found.cases.sort_by_key(|case| std::cmp::Reverse(case.weight));
    Ok(found)
}

fn one(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    partial(tracer, act, found);
    authority::check(tracer, act, found)?;
    running::check(tracer, act, found)?;
    for above in act.within.iter().chain(&act.schedule) {
        one(tracer, above, found)?;
    }
    for origin in &act.origins {
        let Some(origin_act) = &origin.act else { continue };
        older(act, origin_act, &origin.learned, found);
        partial(tracer, origin_act, found);
        authority::check(tracer, origin_act, found)?;
    }
    Ok(())
}

/// What cannot be seen from here, of whatever sort the receipt is.
fn partial(tracer: &Tracer<'_>, act: &Act, found: &mut Continuity) {
    let core = act.core();
    if !tracer.holds(0..core.seq) {
        let text = "not everything before it is here: what it was decided by, and what was taken back by then, cannot \
                    all be seen";
        found.not_provable("here.partial", text, &[core]);
    }
    for cut in &act.cuts {
        if cut.weighs {
            found.not_provable("here.cut", cut.text, &[&cut.by]);
        } else {
            found.told("here.cut", cut.text, &[&cut.by]);
        }
    }
    if act.may_begin() && !act.knows_what_followed(tracer) {
        let text = "not everything after it is looked at here: whether something ran on it cannot be seen";
        found.not_provable("here.partial", text, &[core]);
    }
}

/// An answer that is repeated was given first under the policy that was in force then.
fn older(act: &Act, origin: &Act, learned: &Receipt, found: &mut Continuity) {
    let (then, now) = (origin.core(), act.core());
    let (Some(before), Some(after)) = (&origin.policy, &act.policy) else { return };
    if before.id == after.id {
        return;
    }
    let (old, new) = (then.policy(), now.policy());
    let text = if old.1 == new.1 {
        format!(
            "the answer was given first when the policy `{}` was in force before; others were since",
            old.0
        )
    } else {
        format!("the answer was given first under the policy `{}`, and is repeated under `{}`", old.0, new.0)
    };
    found.told("memory.older_policy", text, &[before, then, learned, after, now]);
}
