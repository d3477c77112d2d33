//! A policy that people sign before it comes into force, as a file that goes from one to the next.
//!
//! What they sign is the statement of the receipt that the activation will be (format section 7.2): the snapshot's
//! hash, its label, who proposed it, and a number that makes it good for one activation of one chain.

use cascade_policy::snapshot::SIGNERS_MAX;
use cascade_receipt::content::{Body, PackChange, PolicyActivated, PolicyRef, Signature};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;

/// The `_type` of the file.
pub const PROPOSAL_TYPE: &str = "cascade/policy-proposal/v1";
/// Longest file.
pub const PROPOSAL_BYTES_MAX: usize = 64 * 1024;

/// Why a file is no proposal, or not one for this activation.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProposalFault {
    /// Not JSON of the format, or too long.
    #[error("it is no signed proposal")]
    Syntax,
    /// A member is missing, ill-formed or unknown.
    #[error("its member `{0}` is missing or ill-formed")]
    Member(&'static str),
    /// It is about another chain.
    #[error("it was signed for another chain")]
    OtherChain,
    /// It is about another pack, or says something else of it.
    #[error("it was signed for another change of packs")]
    OtherPack,
    /// It is about another policy.
    #[error("it was signed for the policy {0}")]
    OtherPolicy(Digest),
    /// Its own author's signature is not there.
    #[error("whoever proposed it has not signed it")]
    Proposer,
    /// Two files about different statements.
    #[error("it is another proposal than the first file: sign one with --onto the other")]
    OtherStatement,
}

/// A statement and the signatures that it has so far.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The chain.
    pub log_origin: String,
    /// The receipt that it will be.
    pub activated: PolicyActivated,
}

impl Proposal {
    /// What is signed: the receipt's own members without signatures, as canonical JSON.
    #[must_use]
    pub fn statement(&self) -> String {
        Body::PolicyActivated(self.activated.clone()).statement()
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let signatures = self.activated.signatures.iter().map(|signature| {
            Value::object([
                ("principal", signature.principal.to_string().into()),
                ("sshsig", signature.sshsig.as_str().into()),
            ])
        });
        let statement = json::parse_canonical(self.statement().as_bytes());
        let mut text = Value::object([
            ("_type", PROPOSAL_TYPE.into()),
            ("log_origin", self.log_origin.as_str().into()),
            ("signatures", Value::Array(signatures.collect())),
            ("statement", statement.unwrap_or_else(|_| Value::object([]))),
        ])
        .to_canonical();
        text.push('\n');
        text
    }

    /// Reads the file. Nothing is said about the signatures in it.
    ///
    /// # Errors
    /// [`ProposalFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProposalFault> {
        if bytes.len() > PROPOSAL_BYTES_MAX {
            return Err(ProposalFault::Syntax);
        }
        let file = json::parse(bytes.trim_ascii()).map_err(|_| ProposalFault::Syntax)?;
        let text = |value: &Value, key: &'static str| {
            let member = value.member(key).and_then(Value::as_str).map(str::to_owned);
            member.ok_or(ProposalFault::Member(key))
        };
        if text(&file, "_type")? != PROPOSAL_TYPE {
            return Err(ProposalFault::Member("_type"));
        }
        let statement = file.member("statement").ok_or(ProposalFault::Member("statement"))?;
        let activates = statement.member("activates").ok_or(ProposalFault::Member("activates"))?;
        let parsed = PolicyActivated {
            activates: PolicyRef {
                version: text(activates, "policy_version")?,
                hash: Digest::from_hex(&text(activates, "policy_hash")?)
                    .ok_or(ProposalFault::Member("policy_hash"))?,
            },
            principal: PrincipalId::parse(&text(statement, "principal")?)
                .ok_or(ProposalFault::Member("principal"))?,
            statement_id: digest::from_hex(&text(statement, "statement_id")?)
                .ok_or(ProposalFault::Member("statement_id"))?,
            signatures: signatures(&file)?,
            pack: statement.member("pack").map(pack).transpose()?,
        };
        let proposal = Self { log_origin: text(&file, "log_origin")?, activated: parsed };
        // Whatever else stands in the statement would be signed unseen.
        if proposal.statement() != statement.to_canonical()
            || file.as_object().is_none_or(|all| all.len() != 4)
        {
            return Err(ProposalFault::Member("statement"));
        }
        Ok(proposal)
    }

    /// Adds the signatures of another file about the same statement.
    ///
    /// # Errors
    /// [`ProposalFault::OtherStatement`].
    pub fn join(&mut self, other: Self) -> Result<(), ProposalFault> {
        if self.log_origin != other.log_origin || self.statement() != other.statement() {
            return Err(ProposalFault::OtherStatement);
        }
        for signature in other.activated.signatures {
            if !self.activated.signatures.contains(&signature) {
                self.activated.signatures.push(signature);
            }
        }
        Ok(())
    }

    /// Whether `content` is the receipt of an activation on this very statement.
    #[must_use]
    pub(crate) fn is_used_by(&self, content: &Value) -> bool {
        let text = |key| content.member(key).and_then(Value::as_str);
        let kinds = [Kind::PolicyActivated, Kind::PackActivated].map(Kind::as_str);
        text("kind").is_some_and(|kind| kinds.contains(&kind))
            && text("statement_id") == Some(digest::to_hex(&self.activated.statement_id).as_str())
    }
}

fn pack(value: &Value) -> Result<PackChange, ProposalFault> {
    let read = || {
        Some(PackChange {
            active: value.member("active")?.as_bool()?,
            hash: Digest::from_hex(value.member("hash")?.as_str()?)?,
            name: value.member("name")?.as_str()?.to_owned(),
        })
    };
    read().ok_or(ProposalFault::Member("pack"))
}

fn signatures(file: &Value) -> Result<Vec<Signature>, ProposalFault> {
    let fault = || ProposalFault::Member("signatures");
    let list = file.member("signatures").and_then(Value::as_array).ok_or_else(fault)?;
    let read = |item: &Value| {
        Some(Signature {
            principal: PrincipalId::parse(item.member("principal")?.as_str()?)?,
            sshsig: item.member("sshsig")?.as_str()?.to_owned(),
        })
    };
    if list.len() > usize::try_from(SIGNERS_MAX).unwrap_or(usize::MAX) {
        return Err(fault());
    }
    list.iter().map(|item| read(item).ok_or_else(fault)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal() -> Proposal {
        let activates = PolicyRef { version: "strict".to_owned(), hash: Digest([7; 32]) };
        let signature = Signature { principal: PrincipalId([2; 8]), sshsig: "-----\n".to_owned() };
        let (principal, statement_id) = (PrincipalId([1; 8]), [3; 8]);
        let activated =
            PolicyActivated { activates, principal, statement_id, signatures: vec![signature], pack: None };
        Proposal { log_origin: "example.org/t/1".to_owned(), activated }
    }

    #[test]
    fn a_file_is_read_as_it_was_written_or_not_at_all() {
        let text = proposal().to_text();
        let read = Proposal::parse(text.as_bytes()).unwrap();
        assert_eq!(read.to_text(), text);
        for (from, to, fault) in [
            ("cascade/policy-proposal/v1", "x", ProposalFault::Member("_type")),
            ("\"kind\":", "\"extra\":1,\"kind\":", ProposalFault::Member("statement")),
            ("\"log_origin\":", "\"extra\":1,\"log_origin\":", ProposalFault::Member("statement")),
            ("policy_activated", "grant", ProposalFault::Member("statement")),
            ("p_0101", "x_0101", ProposalFault::Member("principal")),
            ("p_0202", "x_0202", ProposalFault::Member("signatures")),
            ("}", "", ProposalFault::Syntax),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert_eq!(Proposal::parse(changed.as_bytes()).unwrap_err(), fault, "{from}");
        }
        let padded = |bytes: usize| format!("{}{}", " ".repeat(bytes - text.len()), text);
        assert!(Proposal::parse(padded(PROPOSAL_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(
            Proposal::parse(padded(PROPOSAL_BYTES_MAX + 1).as_bytes()).unwrap_err(),
            ProposalFault::Syntax
        );
    }

    #[test]
    fn signatures_are_limited_at_the_limit() {
        let mut proposal = proposal();
        let one = proposal.activated.signatures[0].clone();
        proposal.activated.signatures = vec![one.clone(); usize::try_from(SIGNERS_MAX).unwrap()];
        assert!(Proposal::parse(proposal.to_text().as_bytes()).is_ok());
        proposal.activated.signatures.push(one);
        let fault = Proposal::parse(proposal.to_text().as_bytes()).unwrap_err();
        assert_eq!(fault, ProposalFault::Member("signatures"));
    }

    #[test]
    fn only_signatures_of_one_statement_are_joined() {
        let mut one = proposal();
        let mut two = proposal();
        two.activated.signatures[0].principal = PrincipalId([9; 8]);
        one.join(two.clone()).unwrap();
        one.join(two.clone()).unwrap();
        assert_eq!(one.activated.signatures.len(), 2);
        two.activated.statement_id = [4; 8];
        assert_eq!(one.join(two), Err(ProposalFault::OtherStatement));
    }
}
