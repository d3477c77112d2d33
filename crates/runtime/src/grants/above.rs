//! What is handed on stands on a grant of the giver, and is no wider: bounds that are not given are those of that grant.

use std::fmt;

use cascade_ledger::Grant;
use cascade_receipt::content::{Granted, Ref, Rel, Scope};
use cascade_receipt::decision::RiskTier;
use cascade_receipt::resource::{PATTERNS_MAX, is_within};
use cascade_receipt::time::Timestamp;

/// Why nothing that the giver holds is enough.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Short {
    /// There is no grant that may be handed on.
    Nothing,
    /// None of them covers it.
    Covers,
    /// The one that covers the commands is on less.
    Resources(Vec<String>),
    /// The one that covers it may not be handed on so far.
    Levels {
        /// How many levels were asked for.
        wished: u64,
        /// How many the grant has.
        held: u64,
    },
    /// The one that covers it does not reach so high.
    Tier(RiskTier),
    /// The one that covers it does not hold so long.
    Ends(Timestamp),
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "you hold no grant that may be handed on"),
            Self::Covers => write!(f, "no grant of yours that may be handed on covers all of this"),
            Self::Resources(own) => write!(f, "--resource is too wide: your grant is on {}", own.join(", ")),
            Self::Levels { wished, held } => {
                let most = held.saturating_sub(1);
                write!(f, "--delegate {wished} is too much: handed on, yours has {most} level(s) left")
            }
            Self::Tier(tier) => write!(f, "--up-to is too high: your grant reaches {tier}"),
            Self::Ends(end) => write!(f, "it would outlive your grant, which ends {end}"),
        }
    }
}

/// Puts `granted` on the first grant that gives enough, one that needs no further bound if there is one.
pub(super) fn stand_on(held: &[Grant], granted: &mut Granted, now: Timestamp) -> Result<(), Short> {
    let usable = || held.iter().filter(|above| above.holds(now) && above.delegate > 0);
    let enough = |above: &&Grant| short_of(above, granted).is_none();
    let unbounded = |above: &&Grant| {
        enough(above)
            && (above.scope.up_to.is_none() || granted.scope.up_to.is_some())
            && (above.expires.is_none() || granted.expires.is_some())
            && narrowed(above, granted) == granted.scope.resources
    };
    let Some(above) = usable().find(unbounded).or_else(|| usable().find(enough)) else {
        // The grant that comes closest says most.
        let short = usable().filter_map(|above| short_of(above, granted));
        return Err(short.max_by_key(closeness).unwrap_or(Short::Nothing));
    };
    granted.scope.up_to = granted.scope.up_to.or(above.scope.up_to);
    granted.expires = granted.expires.or(above.expires);
    granted.scope.resources = narrowed(above, granted);
    granted.parent =
        Some(Ref { rel: Rel::Grant, receipt_id: above.receipt_id, entry_hash: above.entry_hash });
    Ok(())
}

/// What `above` lacks; `None` when it is enough.
fn short_of(above: &Grant, granted: &Granted) -> Option<Short> {
    let resources = above.scope.resources.clone();
    let right = Scope { right: granted.scope.right.clone(), resources, up_to: above.scope.up_to };
    if !above.scope.holds(&right) {
        return Some(Short::Covers);
    }
    let resources = narrowed(above, granted);
    if resources.len() > PATTERNS_MAX || !is_within(&resources, &above.scope.resources) {
        return Some(Short::Resources(above.scope.resources.clone()));
    }
    if granted.delegate >= above.delegate {
        return Some(Short::Levels { wished: granted.delegate, held: above.delegate });
    }
    if let Some(tier) = above.scope.up_to.filter(|most| granted.scope.up_to.is_some_and(|tier| tier > *most))
    {
        return Some(Short::Tier(tier));
    }
    let end = above.expires.filter(|end| granted.expires.is_some_and(|wished| wished > *end));
    end.map(Short::Ends)
}

/// On what it is handed on: kinds that are not named are limited as above.
fn narrowed(above: &Grant, granted: &Granted) -> Vec<String> {
    let own = &granted.scope.resources;
    let kind = |text: &str| text.split(':').next().map(str::to_owned);
    let named: Vec<_> = own.iter().map(|text| kind(text)).collect();
    let inherited = above.scope.resources.iter().filter(|text| !named.contains(&kind(text)));
    let mut all: Vec<String> = own.iter().chain(inherited).cloned().collect();
    all.sort_unstable();
    all
}

/// How far the checks got.
const fn closeness(short: &Short) -> u8 {
    match short {
        Short::Nothing => 0,
        Short::Covers => 1,
        Short::Resources(_) => 2,
        Short::Levels { .. } => 3,
        Short::Tier(_) => 4,
        Short::Ends(_) => 5,
    }
}
