//! From the signer's certificate to a root that the reader gave, at the time that the token claims.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::time::Duration;

use der::oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage as Purpose};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages};

use crate::algorithm;
use crate::fault::{Code, TokenFault};

/// Certificates in a token: the signer's, those between it and the root, and some that some authorities add.
pub const CERTIFICATES_MAX: usize = 10;
/// Roots of a reader.
pub const ROOTS_MAX: usize = 64;

const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// The same as DER content.
const TIME_STAMPING_BYTES: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// The certificates whose word a reader takes.
#[derive(Clone, Debug)]
pub struct Roots(Vec<Root>);

#[derive(Clone, Debug)]
struct Root {
    bytes: CertificateDer<'static>,
    certificate: Certificate,
}

impl Roots {
    /// Reads the certificates of a PEM file; text between them does not matter. `None` when there are none, too many, or
    /// one that is none.
    #[must_use]
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let mut roots = Vec::new();
        for bytes in CertificateDer::pem_slice_iter(pem) {
            let bytes = bytes.ok().filter(|_| roots.len() < ROOTS_MAX)?;
            let certificate = Certificate::from_der(&bytes).ok()?;
            webpki::anchor_from_trusted_cert(&bytes).ok()?;
            roots.push(Root { bytes, certificate });
        }
        (!roots.is_empty()).then_some(Self(roots))
    }

    /// Whether the signer's certificate leads to one of them through some of the others.
    pub(crate) fn vouch(
        &self,
        signer: &[u8],
        others: &[CertificateDer<'_>],
        seconds: u64,
    ) -> Result<(), TokenFault> {
        let mut anchors: Vec<TrustAnchor<'_>> = Vec::new();
        for root in self.0.iter().filter(|root| valid_at(&root.certificate, seconds)) {
            anchors.extend(webpki::anchor_from_trusted_cert(&root.bytes));
        }
        if anchors.is_empty() {
            return Err(TokenFault::new(Code::Validity, "no root was valid then"));
        }
        let signer = CertificateDer::from(signer);
        let signer = EndEntityCert::try_from(&signer).map_err(|error| chain(&error))?;
        // The signer's own purpose has been checked more strictly; those between may leave theirs open.
        let purpose = Purpose::required_if_present(TIME_STAMPING_BYTES);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        signer
            .verify_for_usage(&algorithm::FOR_PATHS, &anchors, others, time, purpose, None, None)
            .map(|_| ())
            .map_err(|error| chain(&error))
    }
}

fn chain(error: &webpki::Error) -> TokenFault {
    use webpki::Error as E;
    let code = match error {
        E::CertExpired { .. } | E::CertNotValidYet { .. } => Code::Validity,
        E::UnsupportedSignatureAlgorithmContext(_) => Code::Algorithm,
        _ => Code::Chain,
    };
    TokenFault::new(code, error.to_string())
}

/// Both ends of the validity included (RFC 5280, section 4.1.2.5).
pub(crate) fn valid_at(certificate: &Certificate, seconds: u64) -> bool {
    let validity = &certificate.tbs_certificate.validity;
    let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    (from.as_secs()..=to.as_secs()).contains(&seconds)
}

/// The signer's certificate is for time stamps and nothing else (RFC 3161, section 2.3).
pub(crate) fn check_purpose(certificate: &Certificate) -> Result<(), TokenFault> {
    let usage = |detail: &str| TokenFault::new(Code::Usage, detail);
    match extension::<ExtendedKeyUsage>(certificate)? {
        None => return Err(usage("it does not say what it is for")),
        Some((_, ExtendedKeyUsage(purposes))) if purposes != [TIME_STAMPING] => {
            return Err(usage("it is for something else, too, or not for time stamps"));
        }
        Some((false, _)) => return Err(usage("its purpose is not marked critical")),
        Some((true, _)) => {}
    }
    let signing = KeyUsages::DigitalSignature | KeyUsages::NonRepudiation;
    match extension::<KeyUsage>(certificate)? {
        Some((_, KeyUsage(usages))) if usages.is_empty() || !signing.contains(usages) => {
            Err(usage("its key is for something else than signatures"))
        }
        _ => Ok(()),
    }
}

/// An extension that may be there once, and whether it is critical.
fn extension<T: AssociatedOid + for<'a> Decode<'a>>(
    certificate: &Certificate,
) -> Result<Option<(bool, T)>, TokenFault> {
    let all = certificate.tbs_certificate.extensions.iter().flatten();
    let mut same = all.filter(|extension| extension.extn_id == T::OID);
    let Some(first) = same.next() else { return Ok(None) };
    let value = T::from_der(first.extn_value.as_bytes()).ok().filter(|_| same.next().is_none());
    let value = value.ok_or_else(|| TokenFault::new(Code::Usage, "an extension cannot be read"))?;
    Ok(Some((first.critical, value)))
}

/// The bytes of a certificate.
pub(crate) fn bytes(certificate: &Certificate) -> Result<CertificateDer<'static>, TokenFault> {
    let bytes = certificate.to_der().map_err(|_| TokenFault::malformed("a certificate"))?;
    Ok(CertificateDer::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_purpose() {
        assert_eq!(TIME_STAMPING.as_bytes(), TIME_STAMPING_BYTES);
    }
}
