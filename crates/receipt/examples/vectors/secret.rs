//! Brokered credentials (check `lifecycle`).

use cascade_receipt::content::{Body, SecretChanged};
use cascade_receipt::digest::Digest;
use cascade_receipt::statement;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{ALICE, BOB, Chain, remove};
use crate::ssh::Person;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn changed(chain: &Chain, set: bool, statement_id: u8, admin: Option<&Person>) -> Body {
    let mut changed = SecretChanged {
        principal: ALICE(),
        secret: [3; 8],
        set,
        secret_hash: Digest::of(b"nonce and declaration"),
        statement_id: [statement_id; 8],
        signatures: vec![],
    };
    let text = statement::admin(chain.origin.as_str(), &Body::SecretChanged(changed.clone()).statement());
    changed.signatures = admin.iter().map(|admin| admin.sign(statement::ADMIN, &text)).collect();
    Body::SecretChanged(changed)
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[alice().admin()]);
    for (set, statement_id) in [(true, 7), (false, 8)] {
        let body = changed(&chain, set, statement_id, Some(&alice()));
        chain.add(&body);
    }
    out.push(Case::valid("secret", "a credential is set, then removed", &chain));

    let mut chain = Chain::founded(&[alice().admin()]);
    let body = changed(&chain, true, 7, None);
    chain.add(&body);
    out.push(fault(Code::SignatureMissing, "a credential set without an administrator", &chain));

    let mut chain = Chain::founded(&[alice().admin()]);
    let body = changed(&chain, true, 7, Some(&Person::new(BOB(), 32)));
    chain.add(&body);
    out.push(fault(Code::SignerUnknown, "a credential set by somebody who never joined", &chain));

    for member in ["change", "secret", "secret_hash"] {
        let mut chain = Chain::founded(&[alice().admin()]);
        let body = changed(&chain, true, 7, Some(&alice()));
        chain.add_with(&body, |content| remove(content, member));
        let case = Case::fault(Code::Member, chain.seq() - 1, "a credential without a member", chain.bytes());
        out.push(case.named(match member {
            "change" => "secret-change",
            "secret" => "secret-id",
            _ => "secret-hash",
        }));
    }
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes()).named("secret")
}
