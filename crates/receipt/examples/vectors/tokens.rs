//! Bearer tokens: issued, taken back (check `lifecycle`).

use cascade_receipt::content::{Body, PersonAdded, Rel, Signature, TokenIssued, TokenRevoked, TokenScope};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, TokenId};
use cascade_receipt::statement;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{AGENT, ALICE, BOB, Chain, Made, remove};
use crate::ssh::Person;

const DAY_MS: u64 = 86_400_000;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn bob() -> Person {
    Person::new(BOB(), 32)
}

fn signed(chain: &Chain, person: &Person, body: &Body) -> Vec<Signature> {
    vec![person.sign(statement::ADMIN, &statement::admin(chain.origin.as_str(), &body.statement()))]
}

/// A chain of Alice, its administrator, and of Bob, who is none.
fn founded() -> Chain {
    let mut chain = Chain::founded(&[alice().admin()]);
    let mut added = PersonAdded {
        principal: BOB(),
        ssh_key: bob().ssh_key(),
        groups: vec![],
        statement_id: [1; 8],
        signatures: vec![],
    };
    added.signatures = signed(&chain, &alice(), &Body::PersonAdded(added.clone()));
    chain.add(&Body::PersonAdded(added));
    chain
}

fn token(chain: &Chain, number: u8, from: &Person, to: PrincipalId) -> TokenIssued {
    TokenIssued {
        token_id: TokenId([number; 8]),
        token_hash: Digest::of(&[number; 32]),
        principal: from.principal,
        to,
        on_behalf_of: (to == AGENT()).then(ALICE),
        scopes: vec![TokenScope::Actions, TokenScope::Read],
        expires: chain.later(30 * DAY_MS),
        statement_id: [number; 8],
        signatures: vec![],
    }
}

fn issued(chain: &Chain, number: u8, from: &Person, to: PrincipalId) -> Body {
    let mut token = token(chain, number, from, to);
    token.signatures = signed(chain, from, &Body::TokenIssued(token.clone()));
    Body::TokenIssued(token)
}

fn revoked(chain: &Chain, number: u8, issued: &Made, says: &Person, signer: Option<&Person>) -> Body {
    let mut revoked = TokenRevoked {
        token_id: TokenId([number; 8]),
        issued: issued.as_ref(Rel::Supersedes),
        principal: says.principal,
        reason: Reason::code("token.unneeded"),
        statement_id: [number + 100; 8],
        signatures: vec![],
    };
    let body = Body::TokenRevoked(revoked.clone());
    revoked.signatures = signer.map(|signer| signed(chain, signer, &body)).unwrap_or_default();
    Body::TokenRevoked(revoked)
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let mut chain = founded();
    let body = issued(&chain, 7, &alice(), BOB());
    let bobs = chain.add(&body);
    let body = issued(&chain, 8, &alice(), AGENT());
    let agents = chain.add(&body);
    let body = revoked(&chain, 7, &bobs, &bob(), None);
    chain.add(&body);
    let body = revoked(&chain, 8, &agents, &alice(), Some(&alice()));
    chain.add(&body);
    out.push(Case::valid("token", "tokens of a person and an agent, issued and taken back", &chain));

    let mut chain = founded();
    let body = Body::TokenIssued(token(&chain, 7, &alice(), BOB()));
    chain.add(&body);
    out.push(fault(Code::SignatureMissing, "a token that nobody signed", &chain));

    let mut chain = founded();
    let body = issued(&chain, 7, &bob(), BOB());
    chain.add(&body);
    out.push(fault(Code::NotAdmin, "a token issued by somebody who is no administrator", &chain));

    let mut chain = founded();
    let mut token = token(&chain, 7, &alice(), BOB());
    token.signatures = signed(&chain, &bob(), &Body::TokenIssued(token.clone()));
    chain.add(&Body::TokenIssued(token));
    out.push(fault(Code::Signer, "a token signed by another one than who issues it", &chain));

    let mut chain = founded();
    let body = issued(&chain, 7, &alice(), BOB());
    let made = chain.add(&body);
    let body = revoked(&chain, 7, &made, &bob(), Some(&alice()));
    chain.add(&body);
    out.push(fault(Code::Signer, "a token taken back with another one's signature", &chain).named("revoked"));

    for member in ["expires", "scopes", "to", "token_hash", "token_id"] {
        let mut chain = founded();
        let body = issued(&chain, 7, &alice(), BOB());
        chain.add_with(&body, |content| remove(content, member));
        let case = Case::fault(Code::Member, chain.seq() - 1, "a token without a member", chain.bytes());
        out.push(case.named(&format!("token-{}", member.trim_start_matches("token_"))));
    }
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes()).named("token")
}
