//! What a stranger recomputes: links, hashes, tags and signatures, with nothing of the ledger's code.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use cascade_ledger::Reader;
use cascade_receipt::base64;
use cascade_receipt::chain::{GENESIS_PREV, entry_hash};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{Value, parse_canonical};

/// Checks the whole chain and gives the parsed receipts.
pub(crate) fn check(reader: &Reader) -> Vec<Value> {
    let mut prev = GENESIS_PREV;
    let mut receipts = Vec::new();
    for (index, line) in reader.lines(0..u64::MAX).enumerate() {
        let line = line.unwrap();
        assert_eq!(line.seq, index as u64);
        let receipt = parse_canonical(line.text.as_bytes()).unwrap();
        let text = |key: &str| receipt.member(key).unwrap().as_str().unwrap();
        let content = receipt.member("content").unwrap();
        assert_eq!(content.member("seq").unwrap().as_u64(), Some(index as u64));
        for copy in ["receipt_id", "timestamp"] {
            assert_eq!(content.member(copy).unwrap().as_str().unwrap(), text(copy));
        }
        assert_eq!(text("prev_hash"), prev.to_hex());
        prev = entry_hash(&prev, content.to_canonical().as_bytes());
        assert_eq!(text("entry_hash"), prev.to_hex());
        let signature = base64::decode(text("ed25519_sig")).unwrap();
        UnparsedPublicKey::new(&ED25519, reader.genesis_public_key()).verify(&prev.0, &signature).unwrap();
        receipts.push(receipt);
    }
    let head = reader.head().unwrap();
    assert_eq!(head.next_seq, receipts.len() as u64);
    assert_eq!(head.entry_hash, prev);
    let report = reader.fsck(&mut |_, _| ()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.receipts, head.next_seq);
    receipts
}

/// Checks every tag from the master that left the home, by format section 5.
pub(crate) fn check_tags(receipts: &[Value], master_hex: &str, log_origin: &str) {
    let master: [u8; 32] = cascade_receipt::digest::from_hex(master_hex.trim()).unwrap();
    let extract = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]), &master);
    let info = format!("cascade/hmac/v1\n{log_origin}\u{1}");
    let mut key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, extract.as_ref()), info.as_bytes());
    let mut epoch = 0;
    for receipt in receipts {
        let id = receipt.member("content").unwrap().member("hmac_key_id").unwrap().as_str().unwrap();
        let named: u64 = id.strip_prefix('e').unwrap().parse().unwrap();
        assert!(named == epoch || named == epoch + 1, "{named} after {epoch}");
        if named > epoch {
            let old = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
            key = hmac::sign(&old, b"cascade/hmac-ratchet/v1");
            epoch = named;
        }
        let hash = Digest::from_hex(receipt.member("entry_hash").unwrap().as_str().unwrap()).unwrap();
        let tag = cascade_receipt::digest::from_hex::<32>(receipt.member("hmac").unwrap().as_str().unwrap());
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), &hash.0, &tag.unwrap()).unwrap();
    }
}
