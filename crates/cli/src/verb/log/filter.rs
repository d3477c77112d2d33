//! What is looked for, as it is typed.

use std::collections::BTreeSet;

use cascade_ledger::{Found, Name, PrincipalKind, Reader, Sought};
use cascade_receipt::decision::{GateName, RiskTier, Verdict};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;
use cascade_runtime::people::Whom;
use clap::Args;

use crate::exit::Failure;
use crate::{failures, when};

/// Filters of `cascade log`.
#[derive(Args, Debug)]
pub(super) struct Filters {
    /// Only receipts of this kind; may be repeated
    #[arg(long, value_parser = kind, value_name = "KIND")]
    kind: Vec<Kind>,
    /// Only decisions with this verdict: admit, escalate, deny
    #[arg(long, value_parser = verdict, value_name = "VERDICT")]
    verdict: Option<Verdict>,
    /// Only actions of this tier or above
    #[arg(long, value_parser = tier, value_name = "TIER")]
    tier: Option<RiskTier>,
    /// Not before: a time, a date (UTC), or how long ago, such as 2h
    #[arg(long, value_parser = when::moment, value_name = "WHEN")]
    since: Option<Timestamp>,
    /// Before that moment
    #[arg(long, value_parser = when::moment, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// By or for somebody: a name, `agent:NAME`, or an id
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// With this reason, or one that begins so: `failfast.pattern`, `failfast`
    #[arg(long, value_parser = code, value_name = "CODE")]
    code: Option<String>,
    /// Stopped by this gate
    #[arg(long, value_parser = gate, value_name = "GATE")]
    gate: Option<GateName>,
    /// Of the spec with this hash; its beginning is enough
    #[arg(long, value_parser = hash, value_name = "HASH")]
    spec: Option<String>,
    /// Of this run of a workflow; the beginning of its id is enough
    #[arg(long, value_name = "RUN")]
    chain: Option<String>,
    /// Under the policy with this hash; its beginning is enough
    #[arg(long, value_parser = hash, value_name = "HASH")]
    policy: Option<String>,
    /// Commands that ended with this exit code
    #[arg(long, value_name = "CODE")]
    exit: Option<u8>,
    /// All of these words in the command or in a reason that somebody gave
    #[arg(long, visible_alias = "grep", value_parser = about, value_name = "WORDS")]
    about: Option<String>,
    /// Include heartbeats
    #[arg(long)]
    all: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text)
        .ok_or_else(|| "not a kind of receipt; for instance blocked or task_completed".to_owned())
}

fn verdict(text: &str) -> Result<Verdict, String> {
    Verdict::parse(text).ok_or_else(|| "one of admit, escalate, deny".to_owned())
}

fn tier(text: &str) -> Result<RiskTier, String> {
    RiskTier::parse(&text.to_uppercase()).ok_or_else(|| "one of LOW, MEDIUM, HIGH, CRITICAL".to_owned())
}

fn gate(text: &str) -> Result<GateName, String> {
    let known = || GateName::ALL.iter().map(|gate| gate.as_str()).collect::<Vec<_>>().join(", ");
    GateName::parse(text).ok_or_else(|| format!("one of {}", known()))
}

fn code(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('.');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
    if text.is_empty() || !text.chars().all(plain) {
        return Err("a code such as failfast.pattern, or its beginning, such as failfast".to_owned());
    }
    Ok(text.to_owned())
}

fn about(text: &str) -> Result<String, String> {
    if words_of(text).is_empty() {
        return Err("there is no word in it; a word is made of letters, digits and _".to_owned());
    }
    Ok(text.to_owned())
}

fn hash(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        return Err("a hash in lower-case hex, or its beginning".to_owned());
    }
    Ok(text.to_owned())
}

impl Filters {
    /// Whether there is nothing that leaves anything out but heartbeats.
    pub(super) fn is_plain(&self) -> bool {
        let Self { kind, verdict, tier, since, until, principal, code, gate, spec, chain, .. } = self;
        kind.is_empty()
            && verdict.is_none()
            && tier.is_none()
            && since.is_none()
            && until.is_none()
            && principal.is_none()
            && code.is_none()
            && gate.is_none()
            && spec.is_none()
            && chain.is_none()
            && self.policy.is_none()
            && self.exit.is_none()
    }

    /// Names and ids looked up.
    pub(super) fn sought(&self, reader: &Reader) -> Result<Sought, Failure> {
        let heartbeats = self.all || !self.kind.is_empty();
        Ok(Sought {
            kinds: self.kind.iter().map(|kind| kind.as_str().to_owned()).collect(),
            other_kinds: (!heartbeats).then(|| Kind::Heartbeat.as_str().to_owned()).into_iter().collect(),
            verdict: self.verdict,
            tier: self.tier,
            since: self.since,
            until: self.until,
            principals: self.principal.as_deref().map(|text| principals(reader, text)).transpose()?,
            code: self.code.clone(),
            gate: self.gate,
            spec: self.spec.clone(),
            policy: self.policy.clone(),
            key_id: None,
            chain: self.chain.as_deref().map(|text| chain(reader, text)).transpose()?,
            exit_code: self.exit.map(u64::from),
        })
    }

    /// The words that must stand in command or reason.
    pub(super) fn words(&self) -> BTreeSet<String> {
        self.about.as_deref().map(words_of).unwrap_or_default()
    }
}

/// The words of a text, whatever their case.
pub(super) fn words_of(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn principals(reader: &Reader, text: &str) -> Result<Vec<PrincipalId>, Failure> {
    if let Some(id) = PrincipalId::parse(text) {
        return Ok(vec![id]);
    }
    let agent = text.strip_prefix(Whom::AGENT_PREFIX);
    // An agent's name says for whom it acts: all of them are meant by the word before that.
    let is = |name: &Name| match (agent, name.kind) {
        (Some(agent), PrincipalKind::Agent) => {
            let rest = name.name.strip_prefix(agent);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" for "))
        }
        (None, PrincipalKind::Person | PrincipalKind::Agent) => name.name == text,
        _ => false,
    };
    let found: Vec<_> = reader.names()?.into_iter().filter(|(_, name)| is(name)).map(|(id, _)| id).collect();
    if found.is_empty() {
        return Err(Failure::could_not(anyhow::anyhow!("nobody called `{text}` is known here"))
            .hint("`cascade people list` shows names; an id (p_…) works, too"));
    }
    Ok(found)
}

fn chain(reader: &Reader, text: &str) -> Result<(ReceiptId, u64), Failure> {
    let (id, content) = cascade_runtime::consent::find(reader, text).map_err(failures::finding)?;
    let kind = content.member("kind").and_then(cascade_receipt::json::Value::as_str).unwrap_or_default();
    if kind != Kind::ChainStarted.as_str() {
        return Err(Failure::could_not(anyhow::anyhow!("{id} is no run of a workflow: it is `{kind}`"))
            .hint("`cascade log --kind chain_started` lists runs"));
    }
    match reader.find(&id.to_string())? {
        Found::One(id, seq, _) => Ok((id, seq)),
        _ => Err(Failure::could_not(anyhow::anyhow!("no receipt `{id}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_cut_where_none_goes_on() {
        let expected = ["git", "push", "force", "straße", "a_b"].map(str::to_owned).into_iter().collect();
        assert_eq!(
            words_of("Git push --force; STRASSE=straße 'a_b'")
                .into_iter()
                .filter(|word| word != "strasse")
                .collect::<BTreeSet<_>>(),
            expected
        );
        assert!(words_of(" -- ").is_empty());
    }

    #[test]
    fn codes_and_hashes_are_checked_when_they_are_typed() {
        assert_eq!(code("failfast."), Ok("failfast".to_owned()));
        assert_eq!(hash("0af"), Ok("0af".to_owned()));
        for bad in ["", ".", "Fail", "a b", "a%"] {
            assert!(code(bad).is_err(), "{bad}");
        }
        for bad in ["", "0A", "xyz", &"0".repeat(65)] {
            assert!(hash(bad).is_err(), "{bad}");
        }
    }
}
