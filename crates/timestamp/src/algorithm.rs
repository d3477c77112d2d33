//! The signature algorithms that count: RSA (PKCS #1 v1.5, 2048 to 4096 bits) and ECDSA (P-256, P-384), each with
//! SHA-256, SHA-384 or SHA-512.

use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

/// Shortest modulus in bytes. The longest, 4096 bits, is held by the crate `rsa`.
const RSA_BYTES_MIN: usize = 256;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Public key, message, signature.
type Verify = fn(&[u8], &[u8], &[u8]) -> Option<()>;

/// One algorithm.
#[derive(Debug)]
pub(crate) struct Known {
    /// What the message is hashed with.
    digest: ObjectIdentifier,
    /// What a CMS message may call it.
    names: [ObjectIdentifier; 2],
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    verify: Verify,
}

impl Known {
    /// Whether a CMS message with these two algorithms means this one.
    pub(crate) fn is_meant(&self, digest: ObjectIdentifier, signature: ObjectIdentifier) -> bool {
        self.digest == digest && self.names.contains(&signature)
    }
}

impl SignatureVerificationAlgorithm for Known {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        (self.verify)(key, message, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

const fn rsa_with<D: Digest + AssociatedOid>(name: &str, signature: AlgorithmIdentifier) -> Known {
    Known {
        digest: D::OID,
        names: [ObjectIdentifier::new_unwrap(name), RSA_ENCRYPTION],
        key: alg_id::RSA_ENCRYPTION,
        signature,
        verify: rsa_verifies::<D>,
    }
}

const fn ecdsa_with<D: AssociatedOid>(
    name: &str,
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    verify: Verify,
) -> Known {
    let name = ObjectIdentifier::new_unwrap(name);
    Known { digest: D::OID, names: [name, name], key, signature, verify }
}

const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const ECDSA_SHA512: &str = "1.2.840.10045.4.3.4";

/// All of them.
pub(crate) static KNOWN: [Known; 9] = [
    rsa_with::<Sha256>("1.2.840.113549.1.1.11", alg_id::RSA_PKCS1_SHA256),
    rsa_with::<Sha384>("1.2.840.113549.1.1.12", alg_id::RSA_PKCS1_SHA384),
    rsa_with::<Sha512>("1.2.840.113549.1.1.13", alg_id::RSA_PKCS1_SHA512),
    ecdsa_with::<Sha256>(ECDSA_SHA256, alg_id::ECDSA_P256, alg_id::ECDSA_SHA256, p256_verifies::<Sha256>),
    ecdsa_with::<Sha384>(ECDSA_SHA384, alg_id::ECDSA_P256, alg_id::ECDSA_SHA384, p256_verifies::<Sha384>),
    ecdsa_with::<Sha512>(ECDSA_SHA512, alg_id::ECDSA_P256, alg_id::ECDSA_SHA512, p256_verifies::<Sha512>),
    ecdsa_with::<Sha256>(ECDSA_SHA256, alg_id::ECDSA_P384, alg_id::ECDSA_SHA256, p384_verifies::<Sha256>),
    ecdsa_with::<Sha384>(ECDSA_SHA384, alg_id::ECDSA_P384, alg_id::ECDSA_SHA384, p384_verifies::<Sha384>),
    ecdsa_with::<Sha512>(ECDSA_SHA512, alg_id::ECDSA_P384, alg_id::ECDSA_SHA512, p384_verifies::<Sha512>),
];

/// The same as a path checker wants it.
pub(crate) static FOR_PATHS: [&dyn SignatureVerificationAlgorithm; 9] = {
    let [a, b, c, d, e, f, g, h, i] = &KNOWN;
    [a, b, c, d, e, f, g, h, i]
};

/// What a message digest attribute must be equal to; `None` for a hash that does not count.
pub(crate) fn digest(algorithm: ObjectIdentifier, bytes: &[u8]) -> Option<alloc::vec::Vec<u8>> {
    Some(match algorithm {
        Sha256::OID => Sha256::digest(bytes).to_vec(),
        Sha384::OID => Sha384::digest(bytes).to_vec(),
        Sha512::OID => Sha512::digest(bytes).to_vec(),
        _ => return None,
    })
}

fn rsa_verifies<D: Digest + AssociatedOid>(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = RsaPublicKey::from_pkcs1_der(key).ok().filter(|key| key.size() >= RSA_BYTES_MIN)?;
    key.verify(Pkcs1v15Sign::new::<D>(), &D::digest(message), signature).ok()
}

fn p256_verifies<D: Digest>(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
    let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
    key.verify_prehash(&D::digest(message), &signature).ok()
}

fn p384_verifies<D: Digest>(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
    let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
    key.verify_prehash(&D::digest(message), &signature).ok()
}
