//! limits.toml: read strictly, every fault at its place.

use std::collections::BTreeSet;

use cascade_receipt::decision::RiskTier;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::INT_MAX;
use serde::Deserialize;
use toml::Spanned;

use super::calendar::{DAY_MINUTES, is_zone};
use super::{Amounts, Budget, Form, Limits, Per, Period, Scope, Wall, Window, ZoneOf};
use crate::facts::PrincipalKind;
use crate::snapshot::PolicyFault;

/// Name of the file.
pub const LIMITS_FILE: &str = "limits.toml";
/// Most budgets, and most windows: each can leave a line in every receipt.
pub const RULES_MAX: usize = 100;
/// Longest name of a rule, scope of a consent or word of a list, in bytes.
pub const NAME_BYTES_MAX: usize = 100;
/// Longest period, in days.
const DAYS_MAX: u32 = 366;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    budget: Vec<BudgetTable>,
    #[serde(default)]
    window: Vec<WindowTable>,
}

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetTable {
    name: Text,
    who: Option<Vec<Text>>,
    commands: Option<Vec<Text>>,
    tier: Option<Text>,
    per: Option<Text>,
    every: Option<Text>,
    rolling: Option<Text>,
    zone: Option<Text>,
    actions: Option<Spanned<u64>>,
    tokens: Option<Spanned<u64>>,
    microusd: Option<Spanned<u64>>,
    reserve_tokens: Option<Spanned<u64>>,
    reserve_microusd: Option<Spanned<u64>>,
    escalate: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowTable {
    name: Text,
    who: Option<Vec<Text>>,
    commands: Option<Vec<Text>>,
    tier: Option<Text>,
    zone: Option<Text>,
    freeze: Option<Span>,
    hours: Option<Span>,
    days: Option<Vec<Text>>,
    after_conversation: Option<Text>,
    per: Option<Text>,
    consent: Option<Text>,
    escalate: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    from: Text,
    to: Text,
}

/// Where, and what is wrong.
type ValueFault = (usize, String);
type Read<T> = Result<T, ValueFault>;

impl Limits {
    /// Reads the TOML text.
    ///
    /// # Errors
    /// The first fault, placed in `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self, PolicyFault> {
        let tables: File = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            PolicyFault::at(file, text, offset, "limits.syntax", error.message().replace('\n', " "))
        })?;
        tables
            .read()
            .map_err(|(offset, message)| PolicyFault::at(file, text, offset, "limits.value", message))
    }
}

impl File {
    fn read(&self) -> Read<Limits> {
        let names = self.budget.iter().map(|table| &table.name);
        let names: Vec<&Text> = names.chain(self.window.iter().map(|table| &table.name)).collect();
        for (count, most) in [(self.budget.len(), "budgets"), (self.window.len(), "windows")] {
            if count > RULES_MAX {
                let at = names.last().map_or(0, |name| name.span().start);
                return Err((at, format!("there are more than {RULES_MAX} {most}")));
            }
        }
        let mut taken = BTreeSet::new();
        for name in names {
            if !is_name(name.get_ref()) {
                let message =
                    format!("`{}` is no name: use a-z, A-Z, 0-9, `.`, `_`, `-`, `:`", name.get_ref());
                return Err(at(name, message));
            }
            if !taken.insert(name.get_ref()) {
                return Err(at(name, format!("the name `{}` is taken", name.get_ref())));
            }
        }
        Ok(Limits {
            budgets: self.budget.iter().map(budget).collect::<Read<_>>()?,
            windows: self.window.iter().map(window).collect::<Read<_>>()?,
        })
    }
}

fn budget(table: &BudgetTable) -> Read<Budget> {
    let period = match (&table.every, &table.rolling) {
        (Some(every), None) => fixed(every)?,
        (None, Some(rolling)) => match length(rolling)? {
            Length::Hours(hours) => Period::RollingHours(hours),
            Length::Days(days) => Period::RollingDays(days),
        },
        _ => return Err(at(&table.name, "give either `every` or `rolling`".to_owned())),
    };
    let caps = Amounts {
        actions: amount(table.actions.as_ref())?,
        tokens: amount(table.tokens.as_ref())?,
        microusd: amount(table.microusd.as_ref())?,
    };
    if caps == Amounts::default() {
        return Err(at(&table.name, "give at least one of `actions`, `tokens`, `microusd`".to_owned()));
    }
    let reserve = Amounts {
        actions: 0,
        tokens: amount(table.reserve_tokens.as_ref())?.unwrap_or_default(),
        microusd: amount(table.reserve_microusd.as_ref())?.unwrap_or_default(),
    };
    Ok(Budget {
        name: table.name.get_ref().clone(),
        scope: scope(&table.name, table.who.as_deref(), table.commands.as_deref(), table.tier.as_ref())?,
        per: per(table.per.as_ref(), Per::Tenant, &Per::ALL)?,
        period,
        zone: zone(table.zone.as_ref())?,
        caps,
        reserve,
        escalate: table.escalate.as_ref().map(word).transpose()?,
    })
}

fn window(table: &WindowTable) -> Read<Window> {
    let forms = [
        table.freeze.is_some(),
        table.hours.is_some() || table.days.is_some(),
        table.after_conversation.is_some(),
        table.consent.is_some(),
    ];
    if forms.into_iter().filter(|given| *given).count() != 1 {
        let message = "give exactly one of `freeze`, `hours` or `days`, `after_conversation`, `consent`";
        return Err(at(&table.name, message.to_owned()));
    }
    if let Some(per) = table.per.as_ref().filter(|_| table.after_conversation.is_none()) {
        return Err(at(per, "`per` belongs to `after_conversation`".to_owned()));
    }
    let form = if let Some(span) = &table.freeze {
        freeze(span)?
    } else if let Some(length) = &table.after_conversation {
        Form::Quiet(days(length)?, per(table.per.as_ref(), Per::Subject, &[Per::Subject, Per::Matter])?)
    } else if let Some(scope) = &table.consent {
        Form::Consent(word(scope)?)
    } else {
        hours(&table.name, table.hours.as_ref(), table.days.as_deref())?
    };
    let zone = match (&form, &table.zone) {
        // Both are about the subject, whose days count unless said otherwise.
        (Form::Quiet(..) | Form::Consent(_), None) => ZoneOf::Subject,
        (_, given) => zone(given.as_ref())?,
    };
    Ok(Window {
        name: table.name.get_ref().clone(),
        scope: scope(&table.name, table.who.as_deref(), table.commands.as_deref(), table.tier.as_ref())?,
        zone,
        form,
        escalate: table.escalate.as_ref().map(word).transpose()?,
    })
}

fn freeze(span: &Span) -> Read<Form> {
    let wall = |text: &Text| {
        Wall::parse(text.get_ref())
            .ok_or_else(|| at(text, format!("`{}` is no moment such as 2026-12-20T08:00", text.get_ref())))
    };
    let (from, to) = (wall(&span.from)?, wall(&span.to)?);
    if from.as_str() >= to.as_str() {
        return Err(at(&span.to, "the freeze ends before it begins".to_owned()));
    }
    Ok(Form::Freeze(from, to))
}

fn hours(name: &Text, span: Option<&Span>, days: Option<&[Text]>) -> Read<Form> {
    let (from, to) = match span {
        None => (0, DAY_MINUTES),
        Some(span) => (minute(&span.from)?, minute(&span.to)?),
    };
    if let Some(span) = span.filter(|_| from == to || from == DAY_MINUTES) {
        return Err(at(&span.to, "the hours are empty".to_owned()));
    }
    let Some(days) = days else { return Ok(Form::Hours((1..=7).collect(), from, to)) };
    let mut numbers = BTreeSet::new();
    for day in days {
        let number = (1..).zip(DAYS).find(|(_, name)| *name == day.get_ref());
        let fault = || at(day, format!("`{}` is none of {}", day.get_ref(), DAYS.join(", ")));
        numbers.insert(number.ok_or_else(fault)?.0);
    }
    if numbers.is_empty() {
        return Err(at(name, "`days` is empty, so nothing would ever run".to_owned()));
    }
    Ok(Form::Hours(numbers, from, to))
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `08:00` to `24:00`, as minutes.
fn minute(text: &Text) -> Read<u16> {
    let digits = |part: &str| part.parse::<u16>().ok().filter(|_| part.len() == 2 && !part.starts_with('+'));
    let minute = text.get_ref().split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (digits(hour)?, digits(minute)?);
        (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
    });
    minute.ok_or_else(|| at(text, format!("`{}` is no time such as 08:00", text.get_ref())))
}

enum Length {
    Hours(u32),
    Days(u32),
}

/// `12h` or `7d`.
fn length(text: &Text) -> Read<Length> {
    let plain = |digits: &str| {
        let fits = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|_| fits)
    };
    let (hours, days) = (text.get_ref().strip_suffix('h'), text.get_ref().strip_suffix('d'));
    let hours = hours.and_then(plain).filter(|hours| *hours <= DAYS_MAX * 24).map(Length::Hours);
    let days = days.and_then(plain).filter(|days| *days <= DAYS_MAX).map(Length::Days);
    hours.or(days).ok_or_else(|| {
        let message = format!("`{}` is no length such as 12h or 7d, up to {DAYS_MAX}d", text.get_ref());
        at(text, message)
    })
}

fn days(text: &Text) -> Read<u32> {
    match length(text)? {
        Length::Days(days) => Ok(days),
        Length::Hours(_) => Err(at(text, "this counts calendar days: write 7d".to_owned())),
    }
}

fn fixed(text: &Text) -> Read<Period> {
    match length(text)? {
        Length::Hours(hours) if hours < 24 && 24 % hours == 0 => Ok(Period::EveryHours(hours)),
        Length::Days(1) => Ok(Period::EveryDay),
        _ => {
            let message =
                "`every` is 1d or a number of hours that divides the day: 1h, 2h, 3h, 4h, 6h, 8h, 12h";
            Err(at(text, message.to_owned()))
        }
    }
}

fn scope(name: &Text, who: Option<&[Text]>, commands: Option<&[Text]>, tier: Option<&Text>) -> Read<Scope> {
    let mut scope = Scope::default();
    for text in who.unwrap_or_default() {
        let named = text.get_ref().strip_prefix("group:").is_some_and(is_word);
        let known = PrincipalKind::parse(text.get_ref()).is_some()
            || PrincipalId::parse(text.get_ref()).is_some()
            || named;
        if !known {
            let message = format!("`{}` is none of person, agent, node, group:NAME, p_…", text.get_ref());
            return Err(at(text, message));
        }
        scope.who.insert(text.get_ref().clone());
    }
    for text in commands.unwrap_or_default() {
        scope.commands.insert(word(text)?);
    }
    // An empty list reads like "nobody" and would mean everybody.
    if who.is_some_and(<[Text]>::is_empty) || commands.is_some_and(<[Text]>::is_empty) {
        let message = "an empty `who` or `commands` concerns nothing: leave it out to mean all";
        return Err(at(name, message.to_owned()));
    }
    if let Some(text) = tier {
        let known = RiskTier::parse(text.get_ref());
        let fault = || at(text, format!("`{}` is none of LOW, MEDIUM, HIGH, CRITICAL", text.get_ref()));
        scope.tier = Some(known.ok_or_else(fault)?);
    }
    Ok(scope)
}

fn per(text: Option<&Text>, default: Per, among: &[Per]) -> Read<Per> {
    let Some(text) = text else { return Ok(default) };
    let known = Per::parse(text.get_ref()).filter(|per| among.contains(per));
    known.ok_or_else(|| {
        let words: Vec<&str> = among.iter().map(|per| per.as_str()).collect();
        at(text, format!("`{}` is none of {}", text.get_ref(), words.join(", ")))
    })
}

fn zone(text: Option<&Text>) -> Read<ZoneOf> {
    let Some(text) = text else { return Ok(ZoneOf::Named("UTC".to_owned())) };
    match text.get_ref().as_str() {
        "subject" => Ok(ZoneOf::Subject),
        name if is_zone(name) => Ok(ZoneOf::Named(name.to_owned())),
        name => Err(at(text, format!("`{name}` is no zone such as Europe/Berlin, UTC or `subject`"))),
    }
}

fn amount(number: Option<&Spanned<u64>>) -> Read<Option<u64>> {
    let Some(number) = number else { return Ok(None) };
    let value = *number.get_ref();
    if i64::try_from(value).is_ok_and(|value| value <= INT_MAX) {
        return Ok(Some(value));
    }
    Err((number.span().start, format!("`{value}` is more than {INT_MAX}")))
}

fn word(text: &Text) -> Read<String> {
    if is_word(text.get_ref()) {
        return Ok(text.get_ref().clone());
    }
    Err(at(text, format!("this must hold 1 to {NAME_BYTES_MAX} bytes and no control characters")))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
    is_word(text) && text.bytes().all(fits)
}

fn at<T>(place: &Spanned<T>, message: String) -> ValueFault {
    (place.span().start, message)
}
