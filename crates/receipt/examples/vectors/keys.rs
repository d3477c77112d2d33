//! Keys, origin and time (checks `signature`, `origin`, `time`).

use cascade_receipt::base64;
use cascade_receipt::content::Ending;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{KeyId, LogOrigin};
use cascade_receipt::json::Value;
use cascade_receipt::statement;
use cascade_receipt::verify::Code;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use sha2::Digest as _;

use crate::case::Case;
use crate::chain::{ALICE, Chain, Extra, Key, Made, set};
use crate::runs::{closing, running, started};
use crate::ssh::Person;

pub(crate) fn valid(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    rotate(&mut chain, &Key::of("receipt", 11));
    let intent = chain.add(&started("under the new key", &[]));
    chain.add(&closing(Ending::Completed, &intent));
    out.push(Case::valid("key-rotated", "the receipt key is replaced by another", &chain));

    let alice = Person::new(ALICE(), 31);
    let mut chain = Chain::founded(&[alice.admin()]);
    let second = Key::of("node-2", 12);
    let key = chain.key_object(&second, "receipt");
    add_signed(&mut chain, &alice, "key_added", &[("key", key)]);
    chain.add(&started("by node 1", &[]));
    chain.signer = second;
    chain.add(&started("by node 2", &[]));
    out.push(Case::valid("key-added", "two nodes sign one chain", &chain));

    let mut chain = Chain::founded(&[]);
    for (name, seed, purpose) in [("log", 13, "log"), ("recovery", 14, "recovery")] {
        add_with_recovery(&mut chain, &Key::of(name, seed), purpose);
    }
    let log = chain.log.clone();
    revoke(&mut chain, &log.id, None);
    chain.add(&started("after", &[]));
    out.push(Case::valid(
        "log-key-changed",
        "log and recovery keys added, the first log key taken back",
        &chain,
    ));

    let mut chain = Chain::founded(&[]);
    let replacement = Key::of("receipt", 15);
    rotate(&mut chain, &Key::of("unused", 16));
    let stolen = chain.signer.clone();
    chain.signer = replacement.clone();
    revoke(&mut chain, &stolen.id, Some(&replacement));
    chain.add(&started("after", &[]));
    out.push(Case::valid(
        "key-revoked",
        "a key that never signed is taken back; its replacement signs that",
        &chain,
    ));

    let mut chain = Chain::founded(&[]);
    let content = chain.content(&started("identity", &[]));
    let head = chain.head;
    let secret = chain.signer.clone();
    chain.seal_as(&content.to_canonical(), &content, head, |digest| {
        crafted(&secret, digest, Scalar::ZERO, EdwardsPoint::default())
    });
    out.push(Case::valid(
        "small-r",
        "the signature's R is the identity: OpenSSL and others accept it",
        &chain,
    ));
}

/// A signature over `digest` with the nonce scalar `r` and a point added to R after the fact.
fn crafted(key: &Key, digest: &Digest, r: Scalar, add: EdwardsPoint) -> [u8; 64] {
    let expanded = ExpandedSecretKey::from(key.secret.as_bytes());
    let point = (EdwardsPoint::mul_base(&r) + add).compress().to_bytes();
    let mut hasher = sha2::Sha512::new();
    hasher.update(point);
    hasher.update(key.public());
    hasher.update(digest.0);
    let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    let s = (r + k * expanded.scalar).to_bytes();
    [point, s].concat().try_into().expect("64 bytes")
}

/// `key_rotated`, signed by the key that it retires; the new one signs from then on.
pub(crate) fn rotate(chain: &mut Chain, new: &Key) -> Made {
    let key = chain.key_object(new, "receipt");
    let retires = chain.signer.id.as_str().to_owned();
    let made = chain.add_kind("key_rotated", &[("key", key), ("retires", retires.into())]);
    chain.signer = new.clone();
    made
}

pub(crate) fn add_with_recovery(chain: &mut Chain, new: &Key, purpose: &str) {
    let key = chain.key_object(new, purpose);
    let signature = chain.recovery_sig(&key);
    chain.add_kind("key_added", &[("key", key), ("recovery_sig", signature)]);
}

/// Adds a receipt with an administrator's signature over its statement.
pub(crate) fn add_signed(chain: &mut Chain, admin: &Person, kind: &str, members: Extra<'_>) -> Made {
    let mut own = Value::object([("kind", kind.into())]);
    for (key, value) in members {
        set(&mut own, key, value.clone());
    }
    let text = statement::admin(chain.origin.as_str(), &own.to_canonical());
    let signatures = ("signatures", signature_list(&[admin.sign(statement::ADMIN, &text)]));
    let members: Vec<_> = members.iter().cloned().chain([signatures]).collect();
    chain.add_kind(kind, &members)
}

pub(crate) fn signature_list(signatures: &[cascade_receipt::content::Signature]) -> Value {
    let one = |signature: &cascade_receipt::content::Signature| {
        Value::object([
            ("principal", signature.principal.to_string().into()),
            ("sshsig", signature.sshsig.as_str().into()),
        ])
    };
    Value::Array(signatures.iter().map(one).collect())
}

fn revocation(chain: &Chain, key_id: &KeyId, replacement: Option<&Key>) -> Value {
    let mut text = Value::object([
        ("_type", "cascade/revocation/v1".into()),
        ("compromised_since", "2026-01-02T03:04:05.678Z".into()),
        ("key_id", key_id.as_str().into()),
        ("log_origin", chain.origin.as_str().into()),
        ("reason_code", "stolen".into()),
    ]);
    if let Some(key) = replacement {
        set(&mut text, "replacement", chain.key_object(key, "receipt"));
    }
    text
}

pub(crate) fn revoke(chain: &mut Chain, key_id: &KeyId, replacement: Option<&Key>) -> Made {
    let text = revocation(chain, key_id, replacement);
    let signature = chain.recovery_sig(&text);
    chain.add_kind("key_revoked", &[("statement", text), ("recovery_sig", signature)])
}

fn fault(code: Code, comment: &'static str, chain: &Chain) -> Case {
    Case::fault(code, chain.seq() - 1, comment, chain.bytes())
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    genesis_keys(out);
    signatures(out);
    additions(out);
    revocations(out);
    origins(out);
    times(out);
    let (mut chain, intent) = running();
    chain.add(&closing(Ending::Completed, &intent));
    let mut bytes = chain.bytes();
    let at = bytes.windows(8).rposition(|window| window == b"\"hmac\":\"").expect("hmac") + 8;
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    out.push(Case::fault(Code::HmacTag, 2, "the last tag was changed", bytes).with_hmac());
}

fn genesis_keys(out: &mut Vec<Case>) {
    let odd = |raw: [u8; 32]| {
        let mut chain = Chain::new();
        let genesis = chain.genesis(&[]);
        chain.add_with(&genesis, |content| {
            let key = Value::object([
                ("key_id", KeyId::of("log", &raw).as_str().into()),
                ("public_key", base64::encode(&raw).into()),
            ]);
            let mut keys = content.member("keys").cloned().expect("keys");
            set(&mut keys, "log", key);
            set(content, "keys", keys);
        });
        chain
    };
    let mut small = [0; 32];
    small[0] = 1;
    let mut unreduced = [0xff; 32];
    unreduced[0] = 0xf0; // p + 3, a point when reduced
    unreduced[31] = 0x7f;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let order_eight = EIGHT_TORSION[1].compress().to_bytes();
    for (name, raw) in [
        ("small-order", small),
        ("order-eight", order_eight),
        ("unreduced", unreduced),
        ("no-point", no_point),
    ] {
        out.push(fault(Code::KeyRefused, "a log key that must not enter a chain", &odd(raw)).named(name));
    }

    let mut chain = Chain::new();
    chain.log.id = KeyId::of("log", &[9; 32]);
    let genesis = chain.genesis(&[]);
    chain.add(&genesis);
    out.push(fault(Code::KeyId, "a key id of another key", &chain));

    let mut chain = Chain::new();
    chain.recovery = chain.log.clone();
    let genesis = chain.genesis(&[]);
    chain.add(&genesis);
    out.push(fault(Code::KeyRepeated, "one key for two purposes", &chain));

    let chain = Chain::founded(&[]);
    out.push(
        fault(Code::PinnedKey, "another chain than the reader expects", &chain)
            .pinned(&Key::of("receipt", 99)),
    );
}

fn signatures(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    chain.signer = Key::of("receipt", 21);
    chain.add(&started("run", &[]));
    out.push(fault(Code::UnknownKey, "a key that nobody added", &chain));

    for (name, key) in [("log", chain.log.clone()), ("recovery", chain.recovery.clone())] {
        let mut chain = Chain::founded(&[]);
        chain.signer = key;
        chain.add(&started("run", &[]));
        out.push(fault(Code::InactiveKey, "a key of another purpose signs", &chain).named(name));
    }
    let mut chain = Chain::founded(&[]);
    let old = chain.signer.clone();
    rotate(&mut chain, &Key::of("receipt", 22));
    chain.signer = old;
    chain.add(&started("run", &[]));
    out.push(fault(Code::InactiveKey, "the retired key signs once more", &chain).named("retired"));

    let mut bad = |name: &str, comment, sign: &dyn Fn(&Key, &Digest) -> [u8; 64]| {
        let mut chain = Chain::founded(&[]);
        let content = chain.content(&started("run", &[]));
        let (head, key) = (chain.head, chain.signer.clone());
        chain.seal_as(&content.to_canonical(), &content, head, |digest| sign(&key, digest));
        out.push(fault(Code::SignatureBad, comment, &chain).named(name));
    };
    bad("other-key", "signed by another key", &|_, digest| Key::of("x", 23).sign(digest));
    bad("other-message", "a signature over something else", &|key, _| key.sign(&Digest::of(b"else")));
    bad("cofactored", "only a cofactored equation accepts this", &|key, digest| {
        crafted(key, digest, Scalar::from(5_u8), EIGHT_TORSION[1])
    });
    bad("s-plus-l", "S is not below the group order", &|key, digest| {
        let mut signature = key.sign(digest);
        let order = (-Scalar::ONE).to_bytes();
        let mut carry = 1;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        signature
    });
}

fn additions(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    let mut key = chain.key_object(&Key::of("receipt", 24), "receipt");
    set(&mut key, "pop", base64::encode(&[1; 64]));
    let retires = chain.signer.id.as_str().to_owned();
    chain.add_kind("key_rotated", &[("key", key), ("retires", retires.clone().into())]);
    out.push(fault(Code::Pop, "nobody shows that he holds the new key", &chain));

    let mut chain = Chain::founded(&[]);
    let key = chain.key_object(&Key::of("receipt", 24), "receipt");
    chain.add_kind("key_rotated", &[("key", key), ("retires", chain_log_id().into())]);
    out.push(fault(Code::Retires, "a rotation that retires another key", &chain));

    let mut chain = Chain::founded(&[]);
    let key = chain.key_object(&Key::of("log", 24), "log");
    chain.add_kind("key_added", &[("key", key.clone())]);
    out.push(fault(Code::RecoverySig, "a log key without the recovery key's word", &chain));

    let mut chain = Chain::founded(&[]);
    let other = Value::object([("not", "the key".into())]);
    let signature = chain.recovery_sig(&other);
    chain.add_kind("key_added", &[("key", key), ("recovery_sig", signature)]);
    out.push(fault(Code::RecoverySig, "the recovery key signed something else", &chain).named("other"));

    let mut chain = Chain::founded(&[]);
    let same = chain.signer.clone();
    let key = chain.key_object(&same, "receipt");
    chain.add_kind("key_rotated", &[("key", key), ("retires", retires.into())]);
    out.push(fault(Code::KeyRepeated, "a rotation to the same key", &chain).named("rotation"));
}

fn chain_log_id() -> String {
    Chain::new().log.id.as_str().to_owned()
}

fn revocations(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[]);
    let text = revocation(&chain, &chain.log.id.clone(), None);
    let forged = base64::encode(&chain.signer.sign(&Digest::of(text.to_canonical().as_bytes())));
    chain.add_kind("key_revoked", &[("statement", text), ("recovery_sig", forged.into())]);
    out.push(fault(Code::RecoverySig, "a revocation by the receipt key", &chain).named("revocation"));

    let mut chain = Chain::founded(&[]);
    revoke(&mut chain, &Key::of("ghost", 25).id, None);
    out.push(fault(Code::RevokedKey, "a key that the chain does not have", &chain));

    let mut chain = Chain::founded(&[]);
    let log = chain.log.id.clone();
    revoke(&mut chain, &log, None);
    revoke(&mut chain, &log, None);
    out.push(fault(Code::RevokedKey, "a key taken back twice", &chain).named("twice"));

    let mut chain = Chain::founded(&[]);
    revoke(&mut chain, &log, Some(&Key::of("receipt", 26)));
    out.push(fault(Code::RevokedKey, "a receipt key in the place of a log key", &chain).named("purpose"));

    let mut chain = Chain::founded(&[]);
    chain.add(&started("by the stolen key", &[]));
    let (stolen, replacement) = (chain.signer.clone(), Key::of("receipt", 27));
    chain.signer = replacement.clone();
    revoke(&mut chain, &stolen.id, Some(&replacement));
    chain.add(&started("after", &[]));
    let comment = "the genesis key was taken back and nothing shows which receipts were before the theft";
    out.push(Case::fault(Code::Disputed, 0, comment, chain.bytes()));

    let mut chain = Chain::founded(&[]);
    let (first, thief, replacement) = (chain.signer.clone(), Key::of("thief", 28), Key::of("receipt", 29));
    rotate(&mut chain, &thief);
    chain.add(&started("by the thief", &[]));
    revoke(&mut chain, &first.id, Some(&replacement));
    chain.add(&started("by the thief again", &[]));
    out.push(
        fault(Code::InactiveKey, "a key added under the stolen one fell with it", &chain).named("fallen"),
    );
}

fn origins(out: &mut Vec<Case>) {
    let (mut chain, _) = running();
    chain.origin = LogOrigin::of("elsewhere.example", &[1; 16]);
    chain.add(&started("run", &[]));
    out.push(fault(Code::OriginChanged, "a receipt of another chain, with the same key", &chain));

    let mut chain = Chain::founded(&[]);
    let here = chain.origin.clone();
    chain.origin = LogOrigin::of("elsewhere.example", &[1; 16]);
    let key = chain.key_object(&Key::of("receipt", 30), "receipt");
    chain.origin = here;
    let retires = chain.signer.id.as_str().to_owned();
    chain.add_kind("key_rotated", &[("key", key), ("retires", retires.into())]);
    out.push(fault(Code::OriginKey, "the new key was made for another chain", &chain));
}

fn times(out: &mut Vec<Case>) {
    let (mut chain, _) = running();
    chain.time_ms -= 1001;
    chain.add(&started("run", &[]));
    out.push(fault(Code::Backwards, "a millisecond back", &chain));

    let (mut chain, _) = running();
    chain.add_with(&started("run", &[]), |content| set(content, "clock", "stepped"));
    out.push(fault(Code::Stepped, "the clock stepped back and the time went on", &chain));

    let (mut chain, _) = running();
    let (from, now) = (chain.now(), chain.later(1000));
    let digest = statement::clock(chain.origin.as_str(), chain.seq(), &now, &from);
    let signature = base64::encode(&chain.recovery.sign(&digest));
    let mut members: Vec<(&str, Value)> =
        vec![("from", now.to_string().into()), ("to", from.to_string().into())];
    members.push(("recovery_sig", signature.into()));
    chain.add_kind("clock_corrected", &members);
    out.push(fault(Code::Correction, "from and to are the wrong way round", &chain));

    let (mut chain, _) = running();
    let (from, to) = (chain.now(), chain.later(1000));
    let digest = statement::clock(chain.origin.as_str(), 77, &from, &to);
    let signature = base64::encode(&chain.recovery.sign(&digest));
    chain.add_kind(
        "clock_corrected",
        &[
            ("from", from.to_string().into()),
            ("to", to.to_string().into()),
            ("recovery_sig", signature.into()),
        ],
    );
    out.push(fault(Code::RecoverySig, "a correction made for another receipt", &chain).named("clock"));
}
