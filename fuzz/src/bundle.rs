//! Bundles: what is handed to an outsider, as it comes and with its statement signed again.

use cascade_receipt::bundle::{
    Bundle, PREDICATE_TYPE, RECEIPTS_MAX, Statement, begins, envelope, pre_authentication,
};
use cascade_receipt::id::KeyId;
use cascade_receipt::json;
use cascade_receipt::line::Receipt;
use cascade_receipt::merkle::PROOF_HASHES_MAX;
use cascade_receipt::verify::{Options, Verdict, verify_bundle};
use ed25519_dalek::Signer as _;

use crate::keys;
use crate::ledger::options;

pub(crate) fn whole(bytes: &[u8]) {
    let verdict = judged(bytes, Options::default());
    judged(bytes, options());
    let Ok(bundle) = Bundle::parse(bytes) else { return assert!(!verdict.valid()) };
    shape(&bundle.statement);
    if verdict.valid() {
        assert!(begins(bytes), "what is valid is taken for a bundle");
        // The signatures are over the payload as it stands, and at least one is needed.
        let bare = envelope(&bundle.payload, &key_id(), &[0; 64]);
        assert!(!judged(bare.as_bytes(), Options::default()).valid());
    }
}

/// The bytes are a statement, put into an envelope and signed with the chain's newest receipt key.
pub(crate) fn resigned(bytes: &[u8]) {
    let signature = keys::secret(keys::ROTATED).sign(&pre_authentication(bytes)).to_bytes();
    let text = envelope(bytes, &key_id(), &signature);
    assert!(begins(text.as_bytes()));
    let verdict = judged(text.as_bytes(), options());
    let Ok(bundle) = Bundle::parse(text.as_bytes()) else { return assert!(!verdict.valid()) };
    assert_eq!(bundle.payload, bytes);
    let statement = &bundle.statement;
    shape(statement);
    // What is read is written again; the reader takes more spellings than the writer has.
    let written = statement.to_json();
    let again = envelope(written.as_bytes(), &key_id(), &[0; 64]);
    assert_eq!(Bundle::parse(again.as_bytes()).expect("what is written is read").statement, *statement);
    if verdict.valid() {
        assert!(!statement.receipts.is_empty() && written.contains(PREDICATE_TYPE));
        assert!(statement.receipts.iter().all(|shown| Receipt::parse(shown.line.as_bytes()).is_ok()));
        assert_eq!(verdict.receipts(), statement.receipts.len() as u64);
    }
}

fn key_id() -> KeyId {
    KeyId::of("receipt", keys::secret(keys::ROTATED).verifying_key().as_bytes())
}

fn judged(bytes: &[u8], options: Options) -> Verdict {
    let verdict = verify_bundle(bytes, options.clone());
    assert_eq!(verdict.to_json(), verify_bundle(bytes, options).to_json());
    assert_eq!(verdict.valid(), verdict.fault().is_none());
    assert!(json::parse(verdict.to_json().replace(":null", ":0").as_bytes()).is_ok());
    verdict
}

fn shape(statement: &Statement) {
    assert!(statement.receipts.len() <= RECEIPTS_MAX);
    assert!(statement.receipts.iter().all(|shown| shown.path.len() <= PROOF_HASHES_MAX));
    assert!(statement.disclosures.iter().all(|one| json::is_key(&one.field)));
}
