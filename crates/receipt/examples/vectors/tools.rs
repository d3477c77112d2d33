//! Tools whose definitions are pinned (check `lifecycle`).

use cascade_receipt::content::{Body, PersonAdded, Rel, Signature, ToolPinned};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::statement;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{AGENT, ALICE, BOB, Chain, Made, remove};
use crate::ssh::Person;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn bob() -> Person {
    Person::new(BOB(), 32)
}

fn signed(chain: &Chain, person: &Person, body: &Body) -> Vec<Signature> {
    vec![person.sign(statement::ADMIN, &statement::admin(chain.origin.as_str(), &body.statement()))]
}

/// A chain of Alice, its administrator, of Bob, who is none, and of a tool that an agent saw.
fn founded() -> (Chain, Made) {
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
    let seen = chain.add(&Body::ToolPinned(pinned(2, AGENT(), None)));
    (chain, seen)
}

fn pinned(number: u8, principal: PrincipalId, instead: Option<&Made>) -> ToolPinned {
    ToolPinned {
        server: "mcp:github".to_owned(),
        tool: "create_issue".to_owned(),
        definition: Digest::of(&[number]),
        principal,
        supersedes: instead.map(|made| made.as_ref(Rel::Supersedes)),
        statement_id: [number; 8],
        signatures: vec![],
    }
}

fn accepted(chain: &Chain, seen: &Made, says: &Person, signer: &Person) -> Body {
    let mut pinned = pinned(3, says.principal, Some(seen));
    pinned.signatures = signed(chain, signer, &Body::ToolPinned(pinned.clone()));
    Body::ToolPinned(pinned)
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let (mut chain, seen) = founded();
    let body = accepted(&chain, &seen, &alice(), &alice());
    chain.add(&body);
    out.push(Case::valid("tool", "a tool that was seen, and accepted as another one", &chain));

    let (mut chain, seen) = founded();
    chain.add(&Body::ToolPinned(pinned(3, ALICE(), Some(&seen))));
    out.push(fault(Code::SignatureMissing, "a tool that became another one, signed by nobody", &chain));

    let (mut chain, seen) = founded();
    let body = accepted(&chain, &seen, &bob(), &bob());
    chain.add(&body);
    out.push(fault(Code::NotAdmin, "a tool accepted by somebody who is no administrator", &chain));

    let (mut chain, seen) = founded();
    let body = accepted(&chain, &seen, &alice(), &bob());
    chain.add(&body);
    out.push(fault(Code::Signer, "a tool accepted with another one's signature", &chain));

    for member in ["definition_hash", "server", "tool"] {
        let (mut chain, _) = founded();
        chain.add_with(&Body::ToolPinned(pinned(3, AGENT(), None)), |content| remove(content, member));
        let case = Case::fault(Code::Member, chain.seq() - 1, "a tool without a member", chain.bytes());
        out.push(case.named(&format!("tool-{}", member.trim_end_matches("_hash"))));
    }
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes()).named("tool")
}
