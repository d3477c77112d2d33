//! How many of something a chain may have: at the limit, and one past it.

use cascade_receipt::content::{Body, Escalation, GROUPS_MAX};
use cascade_receipt::decision::Verdict;
use cascade_receipt::id::KeyId;
use cascade_receipt::json::Value;
use cascade_receipt::reader::Purpose;
use cascade_receipt::verify::Code;
use ed25519_dalek::SigningKey;

use crate::case::Case;
use crate::chain::{ALICE, BOB, Chain, Key, action};
use crate::keys::{add_signed, add_with_recovery};
use crate::ssh::Person;

pub(crate) fn cases(out: &mut Vec<Case>) {
    keys(out);
    groups(out);
}

fn keys(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    fill(&mut chain, Purpose::Recovery);
    fill(&mut chain, Purpose::Log);
    let log = chain.log.id.clone();
    replace(&mut chain, &log, &Key::numbered("log", 99));
    out.push(Case::valid(
        "keys-max",
        "as many log and recovery keys as may be active; one is replaced when it is taken back",
        &chain,
    ));
    for purpose in [Purpose::Recovery, Purpose::Log] {
        let mut chain = Chain::founded(&[]);
        fill(&mut chain, purpose);
        add_with_recovery(&mut chain, &Key::numbered("more", 99), purpose.as_str());
        out.push(past(&chain, "a seventeenth key of one purpose", purpose.as_str()));
    }
    let alice = Person::new(ALICE(), 31);
    let mut chain = Chain::founded(&[alice.admin()]);
    for number in 1..=Purpose::Receipt.active_max() {
        let key = chain.key_object(&Key::numbered("node", number), "receipt");
        add_signed(&mut chain, &alice, "key_added", &[("key", key)]);
    }
    out.push(past(&chain, "a 257th receipt key; 256 are good", "receipt"));
}

fn past(chain: &Chain, comment: &'static str, name: &str) -> Case {
    Case::fault(Code::KeysMax, chain.seq() - 1, comment, chain.bytes()).named(name)
}

/// Adds keys beside that of genesis until no more may be active.
fn fill(chain: &mut Chain, purpose: Purpose) {
    for number in 1..purpose.active_max() {
        let key = Key::numbered(purpose.as_str(), number);
        add_with_recovery(chain, &key, purpose.as_str());
    }
}

/// Takes a log key back and puts another in its place.
pub(crate) fn replace(chain: &mut Chain, key_id: &KeyId, new: &Key) {
    let text = Value::object([
        ("_type", "cascade/revocation/v1".into()),
        ("compromised_since", "2026-01-02T03:04:05.678Z".into()),
        ("key_id", key_id.as_str().into()),
        ("log_origin", chain.origin.as_str().into()),
        ("reason_code", "lost".into()),
        ("replacement", chain.key_object(new, "log")),
    ]);
    let signature = chain.recovery_sig(&text);
    chain.add_kind("key_revoked", &[("statement", text), ("recovery_sig", signature)]);
}

impl Key {
    /// One of more keys than a byte can count.
    pub(crate) fn numbered(name: &str, number: usize) -> Self {
        let mut seed = [0x6e; 32];
        for (byte, part) in seed.iter_mut().zip(name.bytes().chain(number.to_be_bytes())) {
            *byte = part;
        }
        let secret = SigningKey::from_bytes(&seed);
        Self { id: KeyId::of(name, secret.verifying_key().as_bytes()), secret }
    }
}

fn groups(out: &mut Vec<Case>) {
    let names = |count| (0..count).map(|number| format!("group-{number}")).collect::<Vec<_>>();
    let escalated = |chain: &mut Chain, groups: Vec<String>| {
        let expires = chain.later(3_600_000);
        let action = action("push", Verdict::Escalate, &[]);
        chain.add(&Body::Escalation(Escalation {
            action,
            required: 1,
            groups,
            expires,
            signature_required: true,
        }));
    };
    let joined = |chain: &mut Chain, groups: &[String]| {
        let (alice, bob) = (Person::new(ALICE(), 31), Person::new(BOB(), 32));
        let groups = Value::Array(groups.iter().map(|group| group.as_str().into()).collect());
        let members = [
            ("principal", bob.principal.to_string().into()),
            ("ssh_key", bob.ssh_key().into()),
            ("groups", groups),
        ];
        add_signed(chain, &alice, "principal_added", &members);
    };
    let founded = || Chain::founded(&[Person::new(ALICE(), 31).admin()]);

    let mut chain = founded();
    escalated(&mut chain, names(GROUPS_MAX));
    joined(&mut chain, &names(GROUPS_MAX));
    out.push(Case::valid("groups-max", "an escalation and a person with 64 groups each", &chain));

    let mut chain = founded();
    escalated(&mut chain, names(GROUPS_MAX + 1));
    out.push(Case::fault(Code::Member, 1, "an escalation to 65 groups", chain.bytes()).named("groups"));
    let mut chain = founded();
    joined(&mut chain, &names(GROUPS_MAX + 1));
    out.push(Case::fault(Code::Member, 1, "a person in 65 groups", chain.bytes()).named("person-groups"));
}
