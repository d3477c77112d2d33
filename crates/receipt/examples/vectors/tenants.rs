//! Tenants that are suspended and deleted (check `lifecycle`).

use cascade_receipt::content::{Body, EndedChain, Ending, TenantChange, TenantChanged};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::LogOrigin;
use cascade_receipt::statement;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{ALICE, BOB, Chain, remove, set};
use crate::runs::{closing, started};
use crate::ssh::Person;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn founded() -> Chain {
    Chain::founded(&[alice().admin()])
}

fn unsigned(chain: &Chain, change: TenantChange) -> TenantChanged {
    TenantChanged {
        change,
        principal: ALICE(),
        reason_hash: Some(Digest::of(b"nonce and reason")),
        private_items: (change == TenantChange::Deleted).then_some(0),
        of: None,
        statement_id: [u8::try_from(chain.seq()).unwrap_or(u8::MAX); 8],
        signatures: vec![],
    }
}

fn signed(chain: &Chain, mut changed: TenantChanged, signer: &Person) -> Body {
    let own = Body::TenantChanged(changed.clone()).statement();
    let text = statement::admin(chain.origin.as_str(), &own);
    changed.signatures = vec![signer.sign(statement::ADMIN, &text)];
    Body::TenantChanged(changed)
}

fn change(chain: &mut Chain, change: TenantChange) {
    let body = signed(chain, unsigned(chain, change), &alice());
    chain.add(&body);
}

/// Another chain that ended, as this one may say.
fn other(chain: &Chain, origin: LogOrigin, word: TenantChange) -> Body {
    let hash = Digest::of(b"the other chain");
    let ended = EndedChain { log_origin: origin, size: 7, head: hash, root: hash, tenant_hash: hash };
    let says = TenantChanged { of: Some(ended), private_items: None, ..unsigned(chain, word) };
    signed(chain, says, &alice())
}

fn elsewhere() -> LogOrigin {
    LogOrigin::of("vectors.example", &[0x5a; 16])
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    lives(out);
    ends(out);
    says(out);
}

fn lives(out: &mut Vec<Case>) {
    let mut chain = founded();
    let intent = chain.add(&started("before", &[]));
    change(&mut chain, TenantChange::Suspended);
    chain.add(&closing(Ending::Revoked, &intent));
    change(&mut chain, TenantChange::Active);
    let intent = chain.add(&started("again", &[]));
    chain.add(&closing(Ending::Completed, &intent));
    let body = other(&chain, elsewhere(), TenantChange::Deleted);
    chain.add(&body);
    chain.add(&started("of no concern to this one", &[]));
    out.push(Case::valid("tenant", "suspended, active again; then another tenant was deleted", &chain));

    let mut chain = founded();
    change(&mut chain, TenantChange::Suspended);
    chain.add(&started("nevertheless", &[]));
    out.push(fault(Code::Suspended, "something runs while the tenant is suspended", &chain));
}

fn ends(out: &mut Vec<Case>) {
    let mut chain = founded();
    change(&mut chain, TenantChange::Suspended);
    change(&mut chain, TenantChange::Deleted);
    out.push(Case::valid("tenant-deleted", "suspended, then deleted: the chain has ended", &chain));

    chain.add_kind("x_acme_ticket", &[]);
    out.push(fault(Code::Deleted, "something follows the end, even if it is nobody's to check", &chain));

    let mut chain = founded();
    change(&mut chain, TenantChange::Deleted);
    out.push(fault(Code::Tenant, "deleted without being suspended", &chain));

    let mut chain = founded();
    chain.add(&started("in flight", &[]));
    change(&mut chain, TenantChange::Suspended);
    change(&mut chain, TenantChange::Deleted);
    out.push(fault(Code::Tenant, "deleted with an action in flight", &chain).named("in-flight"));
}

fn says(out: &mut Vec<Case>) {
    let mut chain = founded();
    let body = other(&chain, chain.origin.clone(), TenantChange::Deleted);
    chain.add(&body);
    out.push(fault(Code::Tenant, "another chain that is this one", &chain).named("own"));

    let mut chain = founded();
    let body = other(&chain, elsewhere(), TenantChange::Suspended);
    chain.add(&body);
    out.push(fault(Code::Tenant, "another chain is suspended from here", &chain).named("other"));

    let mut chain = founded();
    chain.add(&Body::TenantChanged(unsigned(&chain, TenantChange::Suspended)));
    out.push(fault(Code::SignatureMissing, "suspended without an administrator", &chain).named("tenant"));

    let mut chain = founded();
    let body = signed(&chain, unsigned(&chain, TenantChange::Suspended), &Person::new(BOB(), 32));
    chain.add(&body);
    out.push(fault(Code::SignerUnknown, "suspended by somebody who never joined", &chain).named("tenant"));

    for member in ["change", "statement_id"] {
        let mut chain = founded();
        chain.add_with(&Body::TenantChanged(unsigned(&chain, TenantChange::Active)), |content| {
            remove(content, member);
        });
        let case = fault(Code::Member, "a changed tenant without a member", &chain);
        out.push(case.named(&format!("tenant-{}", member.trim_end_matches("_id"))));
    }
    let mut chain = founded();
    chain.add_with(&Body::TenantChanged(unsigned(&chain, TenantChange::Active)), |content| {
        set(content, "change", "paused");
    });
    out.push(fault(Code::Member, "a tenant becomes what none can be", &chain).named("tenant-word"));
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes())
}
