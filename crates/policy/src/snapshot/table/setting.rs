//! The left end of a row: who asks, and under what circumstances.
//!
//! Without settings: a Monday noon, a healthy tenant, an authenticated principal, no standard input,
//! and for an agent a person behind it.

use cascade_receipt::decision::RiskTier;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::time::Timestamp;

use crate::decide::EscalationTerms;
use crate::facts::{
    Action, Approval, Authentication, BreakGlass, Budget, Counter, Covers, Delegator, Facts, Grant,
    Invocation, Principal, PrincipalKind, Signer, Spec, SpecLimits, Stdin, Subject, Tenant, Unreviewed,
    Window, WindowKind,
};
use crate::gate::ADMINS;
use crate::limits::{Amounts, is_zone};

const REQUESTER: PrincipalId = PrincipalId([1; 8]);
const DELEGATOR: PrincipalId = PrincipalId([2; 8]);
const ASSUMED: PrincipalId = PrincipalId([3; 8]);
const SUBJECT: PrincipalId = PrincipalId([4; 8]);
/// What the row's principal did past the gates before.
const GLASS: ReceiptId = ReceiptId([9; 8]);
/// Who signed the specification.
const AUTHOR: PrincipalId = PrincipalId([8; 8]);
const MATTER: PrincipalId = PrincipalId([6; 8]);
const HOUR_MS: u64 = 3_600_000;
/// 2026-01-05T12:00:00.000Z, a Monday.
const NOON: Timestamp = Timestamp::from_ms(1_767_614_400_000);

/// Reads the words before the colon.
pub(super) fn facts(who: &str) -> Result<Facts, String> {
    let mut words = who.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let kind =
        PrincipalKind::parse(kind).ok_or_else(|| format!("`{kind}` is none of person, agent, node"))?;
    let mut facts = plain(kind);
    let words: Vec<&str> = words.collect();
    // The moment first: windows and approvals are placed around it.
    for word in words.iter().filter_map(|word| word.strip_prefix("at=")) {
        facts.at = Timestamp::parse(word).ok_or_else(|| format!("`{word}` is no time stamp"))?;
    }
    for word in words.iter().filter(|word| !word.starts_with("at=")) {
        let known = match word.split_once('=') {
            Some((key, value)) => {
                circumstance(&mut facts, key, value)
                    || limits(&mut facts, key, value)
                    || people(&mut facts, key, value)
            }
            None => flag(&mut facts, word),
        };
        if !known {
            return Err(format!("`{word}` is no setting of a test row"));
        }
    }
    Ok(facts)
}

fn plain(kind: PrincipalKind) -> Facts {
    let delegator = Delegator { id: DELEGATOR, groups: Vec::new(), admin: false, alive: true };
    Facts {
        at: NOON,
        tenant: Tenant { active: true, halted: false, chain_healthy: true, regimes: Vec::new() },
        principal: Principal {
            id: REQUESTER,
            kind,
            authentication: Authentication::OsUser,
            alive: true,
            admin: false,
            groups: Vec::new(),
        },
        on_behalf_of: (kind == PrincipalKind::Agent).then_some(delegator),
        assumed: None,
        action: Action {
            invocation: Invocation::Cli(Vec::new()),
            executable: None,
            cwd: b"/work".to_vec(),
            env: Vec::new(),
            stdin: Stdin::None,
            script: None,
            files: Vec::new(),
            defaults: Vec::new(),
            home: Vec::new(),
            resource: None,
        },
        spec: None,
        answers: None,
        approvals: Vec::new(),
        grants: Vec::new(),
        budgets: Vec::new(),
        windows: Vec::new(),
        counters: Vec::new(),
        subject: None,
        break_glass: None,
        unreviewed: Vec::new(),
        dry_run: false,
    }
}

fn flag(facts: &mut Facts, word: &str) -> bool {
    match word {
        "admin" => facts.principal.admin = true,
        "revoked" => facts.principal.alive = false,
        "inactive" => facts.tenant.active = false,
        "halted" => facts.tenant.halted = true,
        "unhealthy" => facts.tenant.chain_healthy = false,
        "dry_run" => facts.dry_run = true,
        "subject" => drop(subject(facts)),
        "matter" => subject(facts).matter = Some(MATTER),
        _ => return false,
    }
    true
}

/// Settings about tenant, action and time.
fn circumstance(facts: &mut Facts, key: &str, value: &str) -> bool {
    match key {
        "regimes" => facts.tenant.regimes = words(value),
        "cwd" => facts.action.cwd = value.as_bytes().to_vec(),
        "target" => facts.action.resource = Some(value.to_owned()),
        "env" => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            facts.action.env.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        "stdin" => return stdin(value).map(|stdin| facts.action.stdin = stdin).is_some(),
        "spec" => {
            facts.spec = spec(&words(value));
            return facts.spec.is_some();
        }
        "budget" => return budget(value).map(|budget| facts.budgets.push(budget)).is_some(),
        "freeze" | "open" => {
            let kind = if key == "open" { WindowKind::Open } else { WindowKind::Freeze };
            return window(facts.at, kind, value).map(|window| facts.windows.push(window)).is_some();
        }
        _ => return false,
    }
    true
}

/// A specification that an administrator signed, unless the words say otherwise.
fn spec(words: &[String]) -> Option<Spec> {
    const WORDS: [&str; 6] = ["signed", "unsigned", "untrusted", "unpinned", "no_step", "closed"];
    let known = |word: &String| {
        let tier = |word: &str| RiskTier::parse(word).is_some();
        WORDS.contains(&word.as_str())
            || word.strip_prefix("up_to:").is_some_and(tier)
            || word.starts_with("worker:")
            || word.starts_with("pack:")
    };
    if !words.iter().all(known) {
        return None;
    }
    let says = |word: &str| words.iter().any(|other| other == word);
    let groups = if says("untrusted") { Vec::new() } else { vec![ADMINS.to_owned()] };
    let signer = Signer { principal: AUTHOR, groups, admin: false };
    let valued = |key: &str| -> Vec<String> {
        words.iter().filter_map(|word| word.strip_prefix(key)).map(str::to_owned).collect()
    };
    let workers = valued("worker:");
    Some(Spec {
        hash: Digest([7; 32]),
        signers: if says("unsigned") { Vec::new() } else { vec![signer] },
        callers: Vec::new(),
        pinned: !says("unpinned"),
        has_step: !says("no_step"),
        open: !says("closed"),
        limits: SpecLimits {
            max_tier: valued("up_to:").first().and_then(|tier| RiskTier::parse(tier)),
            workers: (!workers.is_empty()).then_some(workers),
            packs: valued("pack:"),
            starters: Vec::new(),
        },
        approval: None,
    })
}

/// Settings about counters and about whom the action concerns.
fn limits(facts: &mut Facts, key: &str, value: &str) -> bool {
    match key {
        "used" | "tokens" | "microusd" => return used(facts, key, value).is_some(),
        "zone" if is_zone(value) => subject(facts).zone = Some(value.to_owned()),
        "consent" => subject(facts).consents.extend(words(value)),
        "conversed" | "conversed_matter" => {
            let Some(at) = Timestamp::parse(value) else { return false };
            let subject = subject(facts);
            if key == "conversed" {
                subject.conversed = Some(at);
            }
            subject.conversed_matter = Some(at);
        }
        _ => return false,
    }
    true
}

/// `name:number` of one counter.
fn used(facts: &mut Facts, key: &str, value: &str) -> Option<()> {
    let (name, number) = value.rsplit_once(':')?;
    let number = number.parse().ok()?;
    if facts.counters.iter().all(|counter| counter.budget != name) {
        let (budget, used) = (name.to_owned(), Amounts::default());
        facts.counters.push(Counter { budget, of: None, since: None, used, oldest: None });
    }
    let counter = facts.counters.iter_mut().find(|counter| counter.budget == name)?;
    match key {
        "used" => counter.used.actions = number,
        "tokens" => counter.used.tokens = number,
        _ => counter.used.microusd = number,
    }
    Some(())
}

/// The subject of the row; named by the first setting about it.
fn subject(facts: &mut Facts) -> &mut Subject {
    facts.subject.get_or_insert(Subject {
        id: SUBJECT,
        matter: None,
        zone: None,
        consents: Vec::new(),
        conversed: None,
        conversed_matter: None,
    })
}

/// Settings about principals, grants and approvals.
fn people(facts: &mut Facts, key: &str, value: &str) -> bool {
    match key {
        "groups" => facts.principal.groups = words(value),
        "break_glass" => {
            let (groups, action_matches) = match value.strip_suffix("/other") {
                Some(groups) => (groups, false),
                None => (value, true),
            };
            facts.break_glass = Some(BreakGlass { receipt_id: None, action_matches, groups: words(groups) });
        }
        "unreviewed" => {
            let Some(due) = Timestamp::parse(value) else { return false };
            facts.unreviewed.push(Unreviewed { receipt_id: GLASS, principal: REQUESTER, due });
        }
        "auth" => {
            let way = Authentication::parse(value);
            return way.map(|way| facts.principal.authentication = way).is_some();
        }
        "delegator" => return delegator(facts, value),
        "delegator_groups" => {
            let Some(person) = &mut facts.on_behalf_of else { return false };
            person.groups = words(value);
        }
        "as" => {
            facts.assumed = Some(ASSUMED);
            if value != "nobody" {
                facts.grants.push(grant(facts.at, value, Covers::Assume(ASSUMED)));
            }
        }
        "grant" => {
            // `+` stands for the space of `git push`.
            let (commands, flags) = value.split_once('/').unwrap_or((value, ""));
            let commands = words(commands).iter().map(|command| command.replace('+', " ")).collect();
            facts.grants.push(grant(facts.at, flags, Covers::Commands(commands)));
        }
        "approved" | "denied" => {
            let approval = approval(facts, key == "approved", value);
            facts.approvals.push(approval);
        }
        "answers" => {
            let Some((required, groups)) = value.split_once(':') else { return false };
            let Ok(required) = required.parse() else { return false };
            let terms = EscalationTerms {
                required,
                groups: words(groups),
                expires_after_ms: HOUR_MS,
                signature_required: true,
            };
            facts.answers = Some(terms);
        }
        _ => return false,
    }
    true
}

fn words(list: &str) -> Vec<String> {
    list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn stdin(word: &str) -> Option<Stdin> {
    match word {
        "none" => Some(Stdin::None),
        "terminal" => Some(Stdin::Terminal),
        "stream" => Some(Stdin::Stream),
        "captured" => Some(Stdin::Captured(Digest([9; 32]))),
        _ => None,
    }
}

/// `name:used/limit`.
fn budget(value: &str) -> Option<Budget> {
    let (name, amounts) = value.split_once(':')?;
    let (used, limit) = amounts.split_once('/')?;
    Some(Budget { name: name.to_owned(), used: used.parse().ok()?, limit: limit.parse().ok()? })
}

/// A span around the moment (`now`), one that begins or ends with it (`from_now`, `until_now`), or
/// one that holds nothing (`empty`).
fn window(at: Timestamp, kind: WindowKind, word: &str) -> Option<Window> {
    let around = |before, after| Window {
        from: Timestamp::from_ms(at.ms() - before),
        to: Timestamp::from_ms(at.ms() + after),
        kind,
    };
    match word {
        "now" => Some(around(HOUR_MS, HOUR_MS)),
        "from_now" => Some(around(0, HOUR_MS)),
        "until_now" => Some(around(HOUR_MS, 0)),
        "empty" => Some(around(0, 0)),
        _ => None,
    }
}

fn delegator(facts: &mut Facts, value: &str) -> bool {
    let person = Delegator { id: DELEGATOR, groups: Vec::new(), admin: false, alive: true };
    facts.on_behalf_of = match value {
        "none" => None,
        "person" => Some(person),
        "revoked" => Some(Delegator { alive: false, ..person }),
        "admin" => Some(Delegator { admin: true, ..person }),
        _ => return false,
    };
    true
}

/// Flags: `expired`, `broken` (the grantor is gone), `other` (somebody else's), a tier: the highest it reaches, or
/// `kind:glob`: on what.
fn grant(at: Timestamp, flags: &str, covers: Covers) -> Grant {
    let has = |flag| flags.split('/').any(|word| word == flag);
    Grant {
        receipt_id: ReceiptId([5; 8]),
        to: if has("other") { DELEGATOR } else { REQUESTER },
        grantor_alive: !has("broken"),
        expires: has("expired").then_some(at),
        covers,
        resources: flags.split('/').filter(|flag| flag.contains(':')).map(str::to_owned).collect(),
        up_to: flags.split('/').find_map(RiskTier::parse),
    }
}

/// `group,group` and flags: `unsigned`, `expired`, `other` (of another action), `requester`,
/// `delegator`, `again` (by the person of the approval before).
fn approval(facts: &Facts, approve: bool, value: &str) -> Approval {
    let (groups, flags) = value.split_once('/').unwrap_or((value, ""));
    let has = |flag| flags.split('/').any(|word| word == flag);
    let number = u8::try_from(facts.approvals.len()).unwrap_or(u8::MAX - 16) + 16;
    let principal = match facts.approvals.last() {
        _ if has("requester") => REQUESTER,
        _ if has("delegator") => DELEGATOR,
        Some(before) if has("again") => before.principal,
        _ => PrincipalId([number; 8]),
    };
    let groups = if groups.is_empty() { vec![ADMINS.to_owned()] } else { words(groups) };
    let lasts_ms = if has("expired") { 0 } else { HOUR_MS };
    Approval {
        receipt_id: ReceiptId([number; 8]),
        principal,
        action_matches: !has("other"),
        expires: Timestamp::from_ms(facts.at.ms() + lasts_ms),
        groups,
        approve,
        signed: !has("unsigned"),
    }
}
