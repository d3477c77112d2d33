//! Which certificate the signer meant (RFC 2634 section 5.4, RFC 5035): without it, another certificate
//! over the same key could be put in the place of the signer's.

use alloc::vec::Vec;

use cms::signed_data::SignerInfo;
use der::asn1::{OctetString, SetOfVec};
use der::oid::ObjectIdentifier;
use der::{Any, Decode as _, Encode as _, Sequence};
use sha1::{Digest as _, Sha1};
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::algorithm;
use crate::fault::{Code, TokenFault};
use crate::info::SHA256;

const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

#[derive(Sequence)]
struct IssuerSerial {
    issuer: Vec<GeneralName>,
    serial: SerialNumber,
}

#[derive(Sequence)]
struct EssCertId {
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<IssuerSerial>,
}

#[derive(Sequence)]
struct EssCertIdV2 {
    /// SHA-256 where it is absent.
    #[asn1(optional = "true")]
    algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<IssuerSerial>,
}

#[derive(Sequence)]
struct SigningCertificate {
    certs: Vec<EssCertId>,
    #[asn1(optional = "true")]
    policies: Option<Vec<Any>>,
}

#[derive(Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    policies: Option<Vec<Any>>,
}

/// The one value of an attribute that may be there once.
pub(crate) fn attribute(signer: &SignerInfo, oid: ObjectIdentifier) -> Result<Option<&Any>, TokenFault> {
    let mut same =
        signer.signed_attrs.iter().flat_map(SetOfVec::iter).filter(|attribute| attribute.oid == oid);
    let Some(first) = same.next() else { return Ok(None) };
    match (first.values.as_slice(), same.next()) {
        ([value], None) => Ok(Some(value)),
        _ => Err(TokenFault::malformed("a signed attribute is there twice, or has not one value")),
    }
}

/// Whether the signer's certificate is the one that the signature is bound to, by at least one attribute and by all
/// that are there.
pub(crate) fn check(signer: &SignerInfo, certificate: &Certificate) -> Result<(), TokenFault> {
    let bytes = certificate.to_der().map_err(|_| TokenFault::malformed("a certificate"))?;
    let malformed = |_| TokenFault::malformed("the attribute that names the signing certificate");
    let mut bound = false;
    if let Some(value) = attribute(signer, SIGNING_CERTIFICATE)? {
        let value = SigningCertificate::from_der(&value.to_der().map_err(malformed)?).map_err(malformed)?;
        let first = value.certs.first().ok_or_else(other)?;
        names(first.hash.as_bytes() == &Sha1::digest(&bytes)[..], first.issuer_serial.as_ref(), certificate)?;
        bound = true;
    }
    if let Some(value) = attribute(signer, SIGNING_CERTIFICATE_V2)? {
        let value = SigningCertificateV2::from_der(&value.to_der().map_err(malformed)?).map_err(malformed)?;
        let first = value.certs.first().ok_or_else(other)?;
        let algorithm = first.algorithm.as_ref().map_or(SHA256, |algorithm| algorithm.oid);
        let hash = algorithm::digest(algorithm, &bytes)
            .ok_or_else(|| TokenFault::new(Code::Algorithm, "the hash of the signing certificate"))?;
        names(first.hash.as_bytes() == hash, first.issuer_serial.as_ref(), certificate)?;
        bound = true;
    }
    if bound {
        Ok(())
    } else {
        Err(TokenFault::new(Code::Signer, "no signed attribute says which certificate is the signer's"))
    }
}

fn names(
    same_hash: bool,
    by_name: Option<&IssuerSerial>,
    certificate: &Certificate,
) -> Result<(), TokenFault> {
    let tbs = &certificate.tbs_certificate;
    let same_name = by_name.is_none_or(|by_name| {
        let issued = GeneralName::DirectoryName(tbs.issuer.clone());
        by_name.serial == tbs.serial_number && by_name.issuer == [issued]
    });
    if same_hash && same_name { Ok(()) } else { Err(other()) }
}

fn other() -> TokenFault {
    TokenFault::new(Code::Signer, "the signature is bound to another certificate")
}
