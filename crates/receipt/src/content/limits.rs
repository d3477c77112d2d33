//! What budgets, consent and contact rules leave in the chain.

use alloc::string::String;

use crate::id::PrincipalId;
use crate::kind::Kind;
use crate::member::Members;

/// What an intent takes out of one budget, held until its closer says what was used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draw {
    /// The budget by its name in the policy.
    pub budget: String,
    /// Whose counter, where there is more than one: a principal, a subject or a matter.
    pub of: Option<PrincipalId>,
    /// How many commands.
    pub actions: u64,
    /// Tokens held.
    pub tokens: u64,
    /// Millionths of a dollar held.
    pub microusd: u64,
}

/// What an action cost, as its closer says; what is absent was not measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// Tokens given to models.
    pub tokens_in: Option<u64>,
    /// Tokens that came from them.
    pub tokens_out: Option<u64>,
    /// Millionths of a dollar.
    pub cost_microusd: Option<u64>,
}

/// Something that is known of a person outside, recorded when it happened. An extension of the format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectFact {
    /// Who recorded it.
    pub principal: PrincipalId,
    /// For whom, if that is somebody else.
    pub on_behalf_of: Option<PrincipalId>,
    /// The person outside; the name lives in the vault.
    pub subject: PrincipalId,
    /// What is known.
    pub known: Known,
}

/// What is known of a subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Known {
    /// `x_subject_zone`: where the subject is, as a time zone.
    Zone(String),
    /// `x_consent`: consent to this was given, or taken back.
    Consent {
        /// To what.
        scope: String,
        /// False when it was taken back.
        given: bool,
    },
    /// `x_conversation`: somebody spoke with the subject, about this matter or none in particular.
    Conversation(Option<PrincipalId>),
}

impl SubjectFact {
    pub(super) const fn kind(&self) -> Kind {
        match self.known {
            Known::Zone(_) => Kind::SubjectZone,
            Known::Consent { .. } => Kind::Consent,
            Known::Conversation(_) => Kind::Conversation,
        }
    }

    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        if let Known::Consent { given, .. } = &self.known {
            to.add("given", |out| out.bool(*given));
        }
        if let Known::Conversation(Some(matter)) = &self.known {
            to.add("matter", |out| out.spelled(matter));
        }
        if let Some(person) = &self.on_behalf_of {
            to.add("on_behalf_of", |out| out.spelled(person));
        }
        to.add("principal", |out| out.spelled(&self.principal));
        if let Known::Consent { scope, .. } = &self.known {
            to.add("scope", |out| out.str(scope));
        }
        to.add("subject", |out| out.spelled(&self.subject));
        if let Known::Zone(zone) = &self.known {
            to.add("zone", |out| out.str(zone));
        }
    }
}

/// Adds `draws`, unless there are none.
pub(super) fn add_draws(to: &mut Members<'_>, draws: &[Draw]) {
    if draws.is_empty() {
        return;
    }
    to.add("draws", |out| {
        out.array(|out| {
            for draw in draws {
                out.item().object(|out| {
                    out.key("actions").int(draw.actions);
                    out.key("budget").str(&draw.budget);
                    if draw.microusd > 0 {
                        out.key("microusd").int(draw.microusd);
                    }
                    if let Some(of) = &draw.of {
                        out.key("of").spelled(of);
                    }
                    if draw.tokens > 0 {
                        out.key("tokens").int(draw.tokens);
                    }
                });
            }
        });
    });
}
