//! Budgets, windows and consent: what the operator declares in limits.toml.
//!
//! The rules are data of the snapshot; what they are compared with (counters, zone and consents of a
//! subject, the moment) are facts. Which rules concern an action follows from both and is worked out
//! here, for the gates that judge and for the runtime that reads the counters and reserves.

mod calendar;
mod document;
mod explain;
mod file;

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::decision::RiskTier;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

use crate::facts::{Facts, Invocation, PrincipalKind, Subject};
use crate::gate::ADMINS;
use crate::worker::{Classification, Classified};

pub use self::calendar::{TZDB, is_zone};
pub use self::file::{LIMITS_FILE, NAME_BYTES_MAX, RULES_MAX};

pub(crate) use self::explain::explain;

/// Everything limits.toml declares.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Counters with an end.
    pub budgets: Vec<Budget>,
    /// Moments and circumstances.
    pub windows: Vec<Window>,
}

/// Which actions a rule concerns. Everything left out means all of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// Kinds of principals (`agent`), groups (`group:sre`) and ids; one of them suffices.
    pub who: BTreeSet<String>,
    /// Programs (`git`), programs with a subcommand (`git push`) and families (`family:cloud`).
    pub commands: BTreeSet<String>,
    /// From this tier on.
    pub tier: Option<RiskTier>,
}

/// A counter with an end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Stands in receipts.
    pub name: String,
    /// What draws on it.
    pub scope: Scope,
    /// Who has a counter of their own.
    pub per: Per,
    /// Over which time is counted.
    pub period: Period,
    /// Whose days those are.
    pub zone: ZoneOf,
    /// Where it ends.
    pub caps: Amounts<Option<u64>>,
    /// Tokens and money that an action holds until its closer says what it used; actions are always 1 a command.
    pub reserve: Amounts<u64>,
    /// Whose approval lifts it; without one it denies.
    pub escalate: Option<String>,
}

/// One value for each thing that is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amounts<T> {
    /// Commands that ran.
    pub actions: T,
    /// Tokens in and out of models.
    pub tokens: T,
    /// Millionths of a US dollar.
    pub microusd: T,
}

/// Who has a counter of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Per {
    /// One for all.
    Tenant,
    /// Each principal; an agent can take another name.
    Principal,
    /// Each person, with all their agents.
    Person,
    /// Each subject that an action names.
    Subject,
    /// Each matter (a debt, a case) of a subject.
    Matter,
}

/// Over which time is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Period {
    /// Every so many hours of the UTC day, a divisor of 24.
    EveryHours(u32),
    /// From midnight to midnight.
    EveryDay,
    /// The hours before now.
    RollingHours(u32),
    /// Calendar days, today included.
    RollingDays(u32),
}

/// Whose clock counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ZoneOf {
    /// This place's.
    Named(String),
    /// That of the subject the action names.
    Subject,
}

/// A condition on moment and circumstances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// Stands in receipts.
    pub name: String,
    /// What it concerns.
    pub scope: Scope,
    /// Whose clock counts.
    pub zone: ZoneOf,
    /// The condition.
    pub form: Form,
    /// Whose approval lifts it; without one it denies.
    pub escalate: Option<String>,
}

/// The condition of a [`Window`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Form {
    /// Nothing runs from the first moment to the second, which is outside.
    Freeze(Wall, Wall),
    /// Things run on these days (Monday is 1) between these minutes of the day only; where the second is not
    /// the later one, it is of the next day.
    Hours(BTreeSet<u8>, u16, u16),
    /// Nothing runs for so many calendar days after a conversation, its own day being the first.
    Quiet(u32, Per),
    /// The subject has given this consent and not taken it back.
    Consent(String),
}

/// A moment as a wall clock shows it: `2026-12-20T08:00`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wall(String);

/// What an action takes out of one budget.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draw {
    /// The budget.
    pub budget: String,
    /// Whose counter; one for all where there is none.
    pub of: Option<PrincipalId>,
    /// What was taken from this moment on counts.
    pub since: Timestamp,
    /// How much is taken.
    pub amounts: Amounts<u64>,
    /// Where the budget ends.
    pub caps: Amounts<Option<u64>>,
}

/// Why a rule cannot be applied to an action that it concerns. Denies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lack {
    /// The action names no subject, or no matter, that could be counted.
    Subject,
    /// No zone is known, or none of that name.
    Zone,
    /// Nobody read the counter, or one of another time.
    Counter,
}

impl Amounts<u64> {
    /// Whether taking `draw` out of what has these amounts used would pass the end.
    #[must_use]
    pub fn exhausted_by(&self, draw: &Self, caps: &Amounts<Option<u64>>) -> bool {
        // Who takes nothing measurable beforehand may begin while anything is left.
        let over = |used: u64, take: u64, cap: Option<u64>| {
            cap.is_some_and(|cap| used.saturating_add(take.max(1)) > cap)
        };
        over(self.actions, draw.actions, caps.actions)
            || over(self.tokens, draw.tokens, caps.tokens)
            || over(self.microusd, draw.microusd, caps.microusd)
    }
}

impl Limits {
    /// Nothing is declared.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.budgets.is_empty() && self.windows.is_empty()
    }

    /// Rules that name a family of programs, and which.
    pub(crate) fn families(&self) -> impl Iterator<Item = (&str, &str)> {
        let budgets = self.budgets.iter().map(|budget| (&budget.name, &budget.scope));
        let scopes = budgets.chain(self.windows.iter().map(|window| (&window.name, &window.scope)));
        scopes.flat_map(|(name, scope)| {
            let families = scope.commands.iter().filter_map(|word| word.strip_prefix("family:"));
            families.map(|family| (name.as_str(), family))
        })
    }

    /// The budgets that an action draws on, with what it takes or why that cannot be said.
    pub(crate) fn draws<'a>(
        &'a self,
        case: &'a Concern<'a>,
    ) -> impl Iterator<Item = (&'a Budget, Result<Draw, Lack>)> {
        let concerned = |budget: &'a Budget| Some((budget, case.commands(&budget.scope)?));
        self.budgets
            .iter()
            .filter_map(concerned)
            .map(|(budget, commands)| (budget, budget.draw(case, commands)))
    }

    /// The windows that concern an action.
    pub(crate) fn windows<'a>(&'a self, case: &'a Concern<'a>) -> impl Iterator<Item = &'a Window> {
        self.windows.iter().filter(|window| case.commands(&window.scope).is_some())
    }

    /// The first moment after that of the facts at which a window may answer otherwise; the clock may not pass it
    /// between decision and intent.
    pub(crate) fn holds_until(&self, case: &Concern<'_>) -> Option<Timestamp> {
        self.windows(case).filter_map(|window| window.changes(case.facts)).min()
    }
}

/// An action as far as rules are chosen by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Concern<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) classification: &'a Classification,
    /// The tier that the gates judge.
    pub(crate) tier: RiskTier,
    pub(crate) families: &'a BTreeMap<String, BTreeSet<String>>,
}

impl Concern<'_> {
    /// How many of the action's commands a rule concerns; `None` when it does not concern the action. A rule for
    /// every command counts the action as one.
    fn commands(&self, scope: &Scope) -> Option<u64> {
        let fits = scope.tier.is_none_or(|tier| self.tier >= tier) && self.is_by(&scope.who);
        if !fits {
            return None;
        }
        if scope.commands.is_empty() {
            return Some(1);
        }
        let concerned = |command: &&Classified| scope.commands.iter().any(|rule| self.names(rule, command));
        let count = self.classification.commands.iter().filter(concerned).count();
        u64::try_from(count).ok().filter(|count| *count > 0)
    }

    /// A program, a program with a subcommand, or a family of programs.
    fn names(&self, rule: &str, command: &Classified) -> bool {
        // A program that no manifest knows has the name it was called by, which may be a path.
        let program = command.program.rsplit('/').next().unwrap_or_default();
        if let Some(family) = rule.strip_prefix("family:") {
            return self.families.get(family).is_some_and(|programs| programs.contains(program));
        }
        if rule == command.program {
            return true;
        }
        match rule.strip_prefix(program).map(|rest| rest.strip_prefix(' ').ok_or(rest)) {
            Some(Ok(subcommand)) => command.subcommand.strip_prefix(subcommand).is_some_and(ends_word),
            Some(Err(rest)) => rest.is_empty(),
            None => false,
        }
    }

    /// The principal itself, the person behind it, or whom it asked to be taken for.
    fn is_by(&self, who: &BTreeSet<String>) -> bool {
        if who.is_empty() {
            return true;
        }
        let facts = self.facts;
        let ids = [Some(facts.principal.id), facts.on_behalf_of.as_ref().map(|one| one.id), facts.assumed];
        let behind = facts.on_behalf_of.iter().flat_map(|one| &one.groups);
        let admin = facts.principal.admin || facts.on_behalf_of.as_ref().is_some_and(|one| one.admin);
        let in_group = |group: &str| {
            facts.principal.groups.iter().chain(behind.clone()).any(|own| own == group)
                || (admin && group == ADMINS)
        };
        who.iter().any(|word| match word.strip_prefix("group:") {
            Some(group) => in_group(group),
            None => {
                PrincipalKind::parse(word) == Some(facts.principal.kind)
                    || PrincipalId::parse(word).is_some_and(|id| ids.contains(&Some(id)))
            }
        })
    }
}

fn ends_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(' ')
}

impl Budget {
    /// From which moment on what was drawn counts at `at`; `zone` is that of the subject whose counter it is. `None` where
    /// its days are those of a zone that is not known.
    #[must_use]
    pub fn counts_since(&self, at: Timestamp, zone: Option<&str>) -> Option<Timestamp> {
        let zone = match &self.zone {
            ZoneOf::Named(name) => Some(name.as_str()),
            ZoneOf::Subject => zone,
        };
        calendar::since(at, self.period, zone)
    }

    fn draw(&self, case: &Concern<'_>, commands: u64) -> Result<Draw, Lack> {
        let facts = case.facts;
        let zone = self.zone.of(facts.subject.as_ref());
        Ok(Draw {
            budget: self.name.clone(),
            of: self.per.counted(facts)?,
            since: calendar::since(facts.at, self.period, zone).ok_or(Lack::Zone)?,
            amounts: self.amounts(facts, commands),
            caps: self.caps,
        })
    }

    /// What is held until the closer tells. A task without a model costs neither tokens nor money; with one it is
    /// known how much it can be.
    fn amounts(&self, facts: &Facts, commands: u64) -> Amounts<u64> {
        let Invocation::Task(task) = &facts.action.invocation else {
            return Amounts { actions: commands, ..self.reserve };
        };
        let (tokens, microusd) = task.model.as_ref().map_or((0, 0), |model| (model.tokens, model.microusd));
        Amounts { actions: commands, tokens, microusd }
    }

    /// When what is used up begins to be free again.
    fn free_at(&self, facts: &Facts, oldest: Option<Timestamp>) -> Option<Timestamp> {
        calendar::free_at(facts.at, oldest, self.period, self.zone.of(facts.subject.as_ref()))
    }
}

impl Per {
    /// Whose counter it is.
    fn counted(self, facts: &Facts) -> Result<Option<PrincipalId>, Lack> {
        Ok(Some(match self {
            Self::Tenant => return Ok(None),
            Self::Principal => facts.principal.id,
            Self::Person => facts.on_behalf_of.as_ref().map_or(facts.principal.id, |person| person.id),
            Self::Subject => facts.subject.as_ref().ok_or(Lack::Subject)?.id,
            Self::Matter => facts.subject.as_ref().and_then(|subject| subject.matter).ok_or(Lack::Subject)?,
        }))
    }
}

impl ZoneOf {
    fn of<'a>(&'a self, subject: Option<&'a Subject>) -> Option<&'a str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Subject => subject?.zone.as_deref(),
        }
    }
}

/// Which rule of a window an action breaks: the word after `window.`.
pub(crate) type Broken = &'static str;

impl Window {
    /// What speaks against the action.
    pub(crate) fn broken(&self, facts: &Facts) -> Result<Option<Broken>, Lack> {
        let subject = facts.subject.as_ref();
        if self.zone == ZoneOf::Subject && subject.is_none() {
            return Err(Lack::Subject);
        }
        let zone = || self.zone.of(subject).ok_or(Lack::Zone);
        Ok(match &self.form {
            Form::Freeze(from, to) => {
                let frozen = calendar::is_within(facts.at, from, to, zone()?).ok_or(Lack::Zone)?;
                frozen.then_some("freeze")
            }
            Form::Hours(days, from, to) => {
                let open = calendar::is_open(facts.at, days, (*from, *to), zone()?).ok_or(Lack::Zone)?;
                (!open).then_some("closed")
            }
            Form::Quiet(days, per) => {
                let quiet = calendar::is_quiet(facts.at, conversed(subject, *per)?, *days, zone()?);
                quiet.ok_or(Lack::Zone)?.then_some("quiet")
            }
            Form::Consent(scope) => {
                let given = subject.ok_or(Lack::Subject)?.consents.contains(scope);
                (!given).then_some("no_consent")
            }
        })
    }

    fn changes(&self, facts: &Facts) -> Option<Timestamp> {
        let zone = self.zone.of(facts.subject.as_ref())?;
        match &self.form {
            Form::Freeze(from, to) => calendar::next_of(facts.at, [from, to], zone),
            Form::Hours(_, from, to) => calendar::next_hour(facts.at, (*from, *to), zone),
            // Days pass in favour of the action, and what people say moves the mark.
            Form::Quiet(..) | Form::Consent(_) => None,
        }
    }

    /// From when on the window no longer speaks against the action, where time alone does that.
    fn lifts_at(&self, facts: &Facts) -> Option<Timestamp> {
        let subject = facts.subject.as_ref();
        let zone = self.zone.of(subject)?;
        match &self.form {
            Form::Freeze(_, to) => calendar::next_of(facts.at, [to], zone),
            Form::Hours(days, from, to) => calendar::next_open(facts.at, days, (*from, *to), zone),
            Form::Quiet(days, per) => calendar::days_after(conversed(subject, *per).ok()??, *days, zone),
            Form::Consent(_) => None,
        }
    }
}

/// The last conversation with the subject, about this matter or about none in particular where matters count.
fn conversed(subject: Option<&Subject>, per: Per) -> Result<Option<Timestamp>, Lack> {
    let subject = subject.ok_or(Lack::Subject)?;
    if per == Per::Matter {
        subject.matter.ok_or(Lack::Subject)?;
        return Ok(subject.conversed_matter);
    }
    Ok(subject.conversed)
}
