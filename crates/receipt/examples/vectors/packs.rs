//! Regimes declared with their packs, and given up (check `lifecycle`).

use cascade_receipt::content::{Body, PackChange};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{ALICE, Chain, remove, set};
use crate::people::{activated, strict};
use crate::runs::started;
use crate::ssh::Person;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn founded() -> Chain {
    Chain::founded(&[alice().admin()])
}

/// The regime is declared, or given up.
fn pack_activated(chain: &Chain, active: bool) -> Body {
    let pack = PackChange { active, hash: Digest::of(b"pack"), name: "soc2".into() };
    activated(chain, &[&alice()], Some(pack))
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    let mut chain = founded();
    let declared = pack_activated(&chain, true);
    chain.add(&declared);
    chain.policy = strict();
    chain.add(&started("with the pack", &[]));
    let given_up = pack_activated(&chain, false);
    chain.add(&given_up);
    chain.add(&started("without it", &[]));
    out.push(Case::valid("pack", "a regime is declared with its pack, and given up", &chain));

    let mut chain = founded();
    let body = pack_activated(&chain, true);
    chain.add(&body);
    chain.add(&started("without the pack", &[]));
    out.push(fault(Code::Policy, "the policy before is used after the pack", &chain));

    let mut chain = founded();
    let body = pack_activated(&chain, true);
    chain.add_with(&body, |content| remove(content, "pack"));
    out.push(fault(Code::Member, "a pack is activated and none is named", &chain));

    let mut chain = founded();
    let body = pack_activated(&chain, false);
    chain.add_with(&body, |content| {
        let Value::Object(members) = content else { panic!("an object") };
        members.entry("pack".to_owned()).and_modify(|pack| set(pack, "active", true));
    });
    out.push(fault(Code::Sshsig, "given up was signed, declared stands there", &chain));
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes()).named("pack")
}
