//! What the gates answered, as it stands in a receipt.

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::Writer;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word used in receipts, JSON and messages.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// How much an action can harm; ordered.
    RiskTier {
        /// Reads, or local and reversible.
        Low = "LOW",
        /// Shared or remote, reversible.
        Medium = "MEDIUM",
        /// Hard to reverse, secrets, money, production, or not classified.
        High = "HIGH",
        /// Irreversible on a large scale, or a bypass of controls.
        Critical = "CRITICAL",
    }
}

words! {
    /// The answer; ordered by strength: deny beats escalate beats admit.
    Verdict {
        /// The action may run.
        Admit = "admit",
        /// People must approve first.
        Escalate = "escalate",
        /// The action must not run.
        Deny = "deny",
    }
}

words! {
    /// The ten gates, in the order in which a decision lists them.
    GateName {
        /// Tenant active, not halted, chain healthy, packs loaded.
        Standing = "standing",
        /// Principal authenticated, credential alive.
        Identity = "identity",
        /// A grant or role covers principal, action and resource.
        Authority = "authority",
        /// Workflow step: signed spec, pinned hash.
        Specification = "specification",
        /// Policies permit.
        Policy = "policy",
        /// Tier within the operator's threshold.
        Risk = "risk",
        /// Destructive patterns, no appeal.
        Failfast = "failfast",
        /// Required approvals are there.
        Approval = "approval",
        /// Rates, counts, tokens, money.
        Budget = "budget",
        /// Time windows and freezes.
        Window = "window",
    }
}

words! {
    /// What one gate answered.
    GateOutcome {
        /// Nothing against it.
        Pass = "pass",
        /// People must approve.
        Escalate = "escalate",
        /// Not allowed.
        Deny = "deny",
        /// The gate has nothing to say about this action.
        NotApplicable = "not_applicable",
    }
}

/// Why a gate answered as it did. Codes only: free text lives in the vault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// Stable word, `<gate>.<cause>`.
    pub code: String,
    /// The policy or rule that spoke.
    pub policy_id: Option<String>,
    /// The control of a pack it belongs to.
    pub control: Option<String>,
}

impl Reason {
    /// A reason without a policy.
    #[must_use]
    pub fn code(code: &str) -> Self {
        Self { code: code.into(), policy_id: None, control: None }
    }

    /// A reason given by a policy or rule.
    #[must_use]
    pub fn of(code: &str, policy_id: &str) -> Self {
        Self { code: code.into(), policy_id: Some(policy_id.into()), control: None }
    }
}

/// One gate's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gate {
    /// Which gate.
    pub gate: GateName,
    /// Its answer.
    pub outcome: GateOutcome,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Ten gates and what follows from them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Deny beats escalate beats admit.
    pub verdict: Verdict,
    /// All ten, in the order of [`GateName::ALL`].
    pub gates: Vec<Gate>,
}

impl Decision {
    /// The decision that follows from the gates.
    #[must_use]
    pub fn from_gates(gates: Vec<Gate>) -> Self {
        let mut verdict = Verdict::Admit;
        for gate in &gates {
            verdict = verdict.max(match gate.outcome {
                GateOutcome::Pass | GateOutcome::NotApplicable => Verdict::Admit,
                GateOutcome::Escalate => Verdict::Escalate,
                GateOutcome::Deny => Verdict::Deny,
            });
        }
        Self { verdict, gates }
    }

    /// The reasons of every gate that did not pass, in gate order.
    pub fn reasons(&self) -> impl Iterator<Item = (GateName, &Reason)> {
        self.gates
            .iter()
            .filter(|gate| matches!(gate.outcome, GateOutcome::Deny | GateOutcome::Escalate))
            .flat_map(|gate| gate.reasons.iter().map(|reason| (gate.gate, reason)))
    }

    /// Writes the member `decision`.
    pub fn write(&self, out: &mut Writer<'_>) {
        out.object(|out| {
            out.key("gates").array(|out| {
                for gate in &self.gates {
                    out.item().object(|out| gate.write(out));
                }
            });
            out.key("verdict").word(self.verdict.as_str());
        });
    }
}

impl Gate {
    fn write(&self, out: &mut Writer<'_>) {
        // Most receipts have ten gates without a word to say: five pieces each instead of twenty.
        if self.reasons.is_empty() {
            for piece in [
                "\"gate\":\"",
                self.gate.as_str(),
                "\",\"outcome\":\"",
                self.outcome.as_str(),
                "\",\"reasons\":[]",
            ] {
                out.raw(piece);
            }
            return;
        }
        out.key("gate").word(self.gate.as_str());
        out.key("outcome").word(self.outcome.as_str());
        out.key("reasons").array(|out| {
            for reason in &self.reasons {
                out.item().object(|out| {
                    out.key("code").str(&reason.code);
                    if let Some(control) = &reason.control {
                        out.key("control").str(control);
                    }
                    if let Some(policy_id) = &reason.policy_id {
                        out.key("policy_id").str(policy_id);
                    }
                });
            }
        });
    }
}
