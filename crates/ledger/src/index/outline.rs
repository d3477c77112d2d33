//! What the index keeps of a receipt, read from its line.

use std::borrow::Cow;

use cascade_receipt::content::Rel;
use cascade_receipt::decision::{GateName, RiskTier, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::time::Timestamp;
use cascade_receipt::tree::{Tree, View};

/// The word for how an `erasure` refers to what it erased, beside those of [`Rel`].
pub const ERASED: &str = "erased";

/// A reference of one receipt to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// What the other one is to it; `None` for [`ERASED`].
    pub rel: Option<Rel>,
    /// The other one.
    pub target: ReceiptId,
}

/// The members of a receipt that searches ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outline<'a> {
    /// Its id.
    pub id: ReceiptId,
    /// Its time.
    pub at: Timestamp,
    /// Its kind, known or not.
    pub kind: &'a str,
    /// The key that signs it.
    pub key_id: &'a str,
    /// The policy in force.
    pub policy_hash: Digest,
    /// Who asked, or did it.
    pub principal: Option<PrincipalId>,
    /// For whom.
    pub on_behalf_of: Option<PrincipalId>,
    /// The tier of a decided action.
    pub tier: Option<RiskTier>,
    /// What was decided.
    pub verdict: Option<Verdict>,
    /// The gates that did not let it pass, a bit each, in the order of [`GateName::ALL`].
    pub stopped: u16,
    /// Codes of all its reasons, in their order, each once.
    pub codes: Vec<Cow<'a, str>>,
    /// The specification.
    pub spec_hash: Option<Digest>,
    /// The child's exit code.
    pub exit_code: Option<u64>,
    /// What it refers to.
    pub links: Vec<Link>,
}

impl<'a> Outline<'a> {
    /// Hands the outline of a line to `f`; nothing when it is no receipt.
    pub fn read<T>(line: &'a str, f: impl FnOnce(&Outline<'_>) -> T) -> Option<T> {
        let tree = Tree::parse(line)?;
        let content = tree.root().member("content")?;
        Some(f(&Outline::of(content)?))
    }

    fn of(content: View<'_, 'a>) -> Option<Self> {
        let mut outline = Self::blank(content)?;
        for (key, value) in content.members()? {
            match key {
                "decision" => outline.decided(value)?,
                "erased" => {
                    let erased = value.items()?.filter_map(|one| one.member("receipt_id")?.plain());
                    let link = |target| Link { rel: None, target };
                    outline.links.extend(erased.filter_map(ReceiptId::parse).map(link));
                }
                "exit_code" => outline.exit_code = value.uint(),
                "on_behalf_of" => outline.on_behalf_of = value.plain().and_then(PrincipalId::parse),
                "principal" => outline.principal = value.plain().and_then(PrincipalId::parse),
                "reasons" => outline.say(value)?,
                "refs" => outline.links.extend(value.items()?.filter_map(link)),
                "risk_tier" => outline.tier = value.plain().and_then(RiskTier::parse),
                "spec_hash" => outline.spec_hash = value.plain().and_then(Digest::from_hex),
                _ => {}
            }
        }
        Some(outline)
    }

    fn blank(content: View<'_, 'a>) -> Option<Self> {
        let plain = |key| content.member(key)?.plain();
        Some(Self {
            id: ReceiptId::parse(plain("receipt_id")?)?,
            at: Timestamp::parse(plain("timestamp")?)?,
            kind: plain("kind")?,
            key_id: plain("key_id")?,
            policy_hash: Digest::from_hex(plain("policy_hash")?)?,
            principal: None,
            on_behalf_of: None,
            tier: None,
            verdict: None,
            stopped: 0,
            codes: Vec::new(),
            spec_hash: None,
            exit_code: None,
            links: Vec::new(),
        })
    }

    fn decided(&mut self, decision: View<'_, 'a>) -> Option<()> {
        self.verdict = decision.member("verdict").and_then(|word| Verdict::parse(word.plain()?));
        for gate in decision.member("gates")?.items()? {
            if matches!(gate.member("outcome")?.plain(), Some("escalate" | "deny")) {
                self.stopped |= gate.member("gate")?.plain().and_then(GateName::parse).map_or(0, bit);
            }
            self.say(gate.member("reasons")?)?;
        }
        Some(())
    }

    fn say(&mut self, reasons: View<'_, 'a>) -> Option<()> {
        for reason in reasons.items()? {
            let code = reason.member("code")?.text()?;
            if !self.codes.contains(&code) {
                self.codes.push(code);
            }
        }
        Some(())
    }
}

/// The bit of a gate in [`Outline::stopped`].
pub(super) fn bit(gate: GateName) -> u16 {
    GateName::ALL.iter().position(|one| *one == gate).map_or(0, |place| 1 << place)
}

fn link(one: View<'_, '_>) -> Option<Link> {
    let rel = Rel::parse(one.member("rel")?.plain()?)?;
    Some(Link { rel: Some(rel), target: ReceiptId::parse(one.member("receipt_id")?.plain()?)? })
}
