//! Limits as they stand in the snapshot document.

use std::collections::BTreeSet;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::json::Value;

use super::{Amounts, Budget, Form, Limits, Per, Period, Scope, TZDB, Wall, Window, ZoneOf};

impl Limits {
    pub(crate) fn to_json(&self) -> Value {
        Value::object([
            ("budgets", Value::Array(self.budgets.iter().map(budget).collect())),
            // Which edition of the zones the rules were checked against, for whoever looks for the reason of a
            // divergence.
            ("tzdb", TZDB.into()),
            ("windows", Value::Array(self.windows.iter().map(window).collect())),
        ])
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let list = |key| value.member(key)?.as_array();
        Some(Self {
            budgets: list("budgets")?.iter().map(read_budget).collect::<Option<_>>()?,
            windows: list("windows")?.iter().map(read_window).collect::<Option<_>>()?,
        })
    }
}

fn budget(budget: &Budget) -> Value {
    let mut value = scoped(&budget.name, &budget.scope, &budget.zone, budget.escalate.as_deref());
    let (period, length) = match budget.period {
        Period::EveryHours(hours) => ("every_hours", hours),
        Period::EveryDay => ("every_days", 1),
        Period::RollingHours(hours) => ("rolling_hours", hours),
        Period::RollingDays(days) => ("rolling_days", days),
    };
    put(&mut value, "per", budget.per.as_str());
    put(&mut value, period, length);
    let caps = [
        ("actions", budget.caps.actions),
        ("tokens", budget.caps.tokens),
        ("microusd", budget.caps.microusd),
    ];
    for (key, cap) in caps {
        if let Some(cap) = cap {
            put(&mut value, key, number(cap));
        }
    }
    put(&mut value, "reserve_tokens", number(budget.reserve.tokens));
    put(&mut value, "reserve_microusd", number(budget.reserve.microusd));
    value
}

fn read_budget(value: &Value) -> Option<Budget> {
    let (name, scope, zone, escalate) = read_scoped(value)?;
    let length = |key: &str| u32::try_from(value.member(key)?.as_u64()?).ok();
    let period = length("every_hours")
        .map(Period::EveryHours)
        .or_else(|| length("every_days").map(|_| Period::EveryDay))
        .or_else(|| length("rolling_hours").map(Period::RollingHours))
        .or_else(|| length("rolling_days").map(Period::RollingDays))?;
    let cap = |key: &str| match value.member(key) {
        Some(cap) => cap.as_u64().map(Some),
        None => Some(None),
    };
    Some(Budget {
        name,
        scope,
        per: Per::parse(value.member("per")?.as_str()?)?,
        period,
        zone,
        caps: Amounts { actions: cap("actions")?, tokens: cap("tokens")?, microusd: cap("microusd")? },
        reserve: Amounts {
            actions: 0,
            tokens: value.member("reserve_tokens")?.as_u64()?,
            microusd: value.member("reserve_microusd")?.as_u64()?,
        },
        escalate,
    })
}

fn window(window: &Window) -> Value {
    let mut value = scoped(&window.name, &window.scope, &window.zone, window.escalate.as_deref());
    match &window.form {
        Form::Freeze(from, to) => {
            put(&mut value, "freeze_from", from.as_str());
            put(&mut value, "freeze_to", to.as_str());
        }
        Form::Hours(days, from, to) => {
            let days = days.iter().map(|day| u32::from(*day).into()).collect();
            put(&mut value, "days", Value::Array(days));
            put(&mut value, "open_from", u32::from(*from));
            put(&mut value, "open_to", u32::from(*to));
        }
        Form::Quiet(days, per) => {
            put(&mut value, "quiet_days", *days);
            put(&mut value, "per", per.as_str());
        }
        Form::Consent(scope) => put(&mut value, "consent", scope.as_str()),
    }
    value
}

fn read_window(value: &Value) -> Option<Window> {
    let (name, scope, zone, escalate) = read_scoped(value)?;
    let text = |key: &str| value.member(key)?.as_str();
    let minutes = |key: &str| u16::try_from(value.member(key)?.as_u64()?).ok();
    let form = if let Some(from) = text("freeze_from") {
        Form::Freeze(Wall::parse(from)?, Wall::parse(text("freeze_to")?)?)
    } else if let Some(days) = value.member("days") {
        let days = days.as_array()?.iter().map(|day| u8::try_from(day.as_u64()?).ok());
        Form::Hours(days.collect::<Option<_>>()?, minutes("open_from")?, minutes("open_to")?)
    } else if let Some(days) = value.member("quiet_days") {
        Form::Quiet(u32::try_from(days.as_u64()?).ok()?, Per::parse(text("per")?)?)
    } else {
        Form::Consent(text("consent")?.to_owned())
    };
    Some(Window { name, scope, zone, form, escalate })
}

fn scoped(name: &str, scope: &Scope, zone: &ZoneOf, escalate: Option<&str>) -> Value {
    let words =
        |words: &BTreeSet<String>| Value::Array(words.iter().map(|word| word.as_str().into()).collect());
    let mut value = Value::object([
        ("name", name.into()),
        ("who", words(&scope.who)),
        ("commands", words(&scope.commands)),
    ]);
    if let Some(tier) = scope.tier {
        put(&mut value, "tier", tier.as_str());
    }
    match zone {
        ZoneOf::Named(zone) => put(&mut value, "zone", zone.as_str()),
        ZoneOf::Subject => put(&mut value, "zone_of_subject", true),
    }
    if let Some(group) = escalate {
        put(&mut value, "escalate", group);
    }
    value
}

type Scoped = (String, Scope, ZoneOf, Option<String>);

fn read_scoped(value: &Value) -> Option<Scoped> {
    let text = |key: &str| value.member(key).map(|text| text.as_str().map(str::to_owned));
    let words = |key: &str| -> Option<BTreeSet<String>> {
        value.member(key)?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let tier = match text("tier") {
        Some(word) => Some(RiskTier::parse(&word?)?),
        None => None,
    };
    let zone = match text("zone") {
        Some(zone) => ZoneOf::Named(zone?),
        None => value.member("zone_of_subject")?.as_bool()?.then_some(ZoneOf::Subject)?,
    };
    let escalate = match text("escalate") {
        Some(group) => Some(group?),
        None => None,
    };
    Some((text("name")??, Scope { who: words("who")?, commands: words("commands")?, tier }, zone, escalate))
}

impl Per {
    /// Every way to count.
    pub(super) const ALL: [Self; 5] =
        [Self::Tenant, Self::Principal, Self::Person, Self::Subject, Self::Matter];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Principal => "principal",
            Self::Person => "person",
            Self::Subject => "subject",
            Self::Matter => "matter",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|per| per.as_str() == text)
    }
}

fn put(value: &mut Value, key: &str, member: impl Into<Value>) {
    if let Value::Object(members) = value {
        members.insert(key.to_owned(), member.into());
    }
}

/// The file's numbers are signed, so none is lost.
fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
