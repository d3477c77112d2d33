//! A token: a signed message of CMS around a statement of time.

use alloc::vec::Vec;

use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;
use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::OctetStringRef;
use der::oid::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use crate::algorithm::{self, KNOWN};
use crate::chain::{self, CERTIFICATES_MAX, Roots};
use crate::fault::{Code, TokenFault};
use crate::info::{self, TstInfo};
use crate::{bounds, certificates, ess};

/// Longest token.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

/// A time stamp token that was read, and not yet believed.
#[derive(Clone, Debug)]
pub struct Token {
    bytes: Vec<u8>,
    /// The statement as it was signed.
    statement: Vec<u8>,
    info: TstInfo,
    signer: SignerInfo,
    certificates: Vec<Certificate>,
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenFault> {
        if bytes.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::malformed("it is longer than 64 KiB"));
        }
        if !bounds::within(bytes) {
            return Err(TokenFault::malformed("it is not one value in DER, or has too many parts"));
        }
        let distinct = certificates::once(bytes);
        let signed = distinct.as_deref().and_then(signed_data);
        let signed = signed.ok_or_else(|| TokenFault::malformed("it is no signed message"))?;
        let statement = statement(&signed).ok_or_else(|| TokenFault::malformed("it states no time"))?;
        let info =
            info::parse(&statement).ok_or_else(|| TokenFault::malformed("its statement cannot be read"))?;
        if info.has_critical_extension() {
            return Err(TokenFault::malformed("its statement has a critical extension"));
        }
        let [signer] = signed.signer_infos.0.as_slice() else {
            return Err(TokenFault::malformed("it has not exactly one signer"));
        };
        if !is_plain(signer, &signed) {
            return Err(TokenFault::malformed("its versions or algorithms contradict each other"));
        }
        let certificates = certificates(&signed);
        if certificates.len() > CERTIFICATES_MAX {
            return Err(TokenFault::malformed("it carries too many certificates"));
        }
        Ok(Self { bytes: bytes.to_vec(), statement, info, signer: signer.clone(), certificates })
    }

    /// The token as it was read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What an `anchor` receipt names it by.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// When it claims to have been made.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.info.gen_time.timestamp()
    }

    /// SHA-256 of the bytes that it stamps; `None` when it names them by another hash.
    #[must_use]
    pub fn imprint(&self) -> Option<Digest> {
        self.info.imprint()
    }

    /// Whether it stamps bytes with this SHA-256.
    #[must_use]
    pub fn stamps(&self, imprint: &Digest) -> bool {
        self.imprint().as_ref() == Some(imprint)
    }

    pub(crate) fn nonce(&self) -> Option<&[u8]> {
        self.info.nonce.as_ref().map(der::asn1::Int::as_bytes)
    }

    /// Whether an authority that leads to one of the roots has signed it at the time it claims. Without roots the
    /// signature and the certificate's purpose are checked and nobody vouches for either.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, roots: Option<&Roots>) -> Result<(), TokenFault> {
        let certificate =
            self.certificates
                .iter()
                .find(|certificate| is_of(&self.signer.sid, certificate))
                .ok_or_else(|| TokenFault::new(Code::Signer, "the signer's certificate is not in it"))?;
        let bytes = chain::bytes(certificate)?;
        self.check_signature(&bytes)?;
        ess::check(&self.signer, certificate)?;
        chain::check_purpose(certificate)?;
        let seconds = self.info.gen_time.seconds();
        if !chain::valid_at(certificate, seconds) {
            return Err(TokenFault::new(Code::Validity, "the signer's certificate"));
        }
        let Some(roots) = roots else { return Ok(()) };
        let others: Vec<CertificateDer<'_>> =
            self.certificates.iter().map(chain::bytes).collect::<Result<_, _>>()?;
        roots.vouch(&bytes, &others, seconds)
    }

    /// What was signed are the attributes, in DER as a SET; one of them is the hash of the statement.
    fn check_signature(&self, certificate: &CertificateDer<'_>) -> Result<(), TokenFault> {
        let bad = |detail: &str| TokenFault::new(Code::Signature, detail);
        let digest_algorithm = self.signer.digest_alg.oid;
        let hash = algorithm::digest(digest_algorithm, &self.statement)
            .ok_or_else(|| TokenFault::new(Code::Algorithm, "the hash of the statement"))?;
        let kind = ess::attribute(&self.signer, CONTENT_TYPE)?;
        if kind.and_then(|kind| kind.decode_as::<ObjectIdentifier>().ok()) != Some(TST_INFO) {
            return Err(bad("it was made over something else than a statement of time"));
        }
        let signed = ess::attribute(&self.signer, MESSAGE_DIGEST)?;
        let signed = signed.and_then(|signed| signed.decode_as::<OctetStringRef<'_>>().ok());
        if signed.map(|signed| signed.as_bytes()) != Some(&hash[..]) {
            return Err(bad("it was made over another statement"));
        }
        let attributes = self.signer.signed_attrs.as_ref().and_then(|attributes| attributes.to_der().ok());
        let attributes = attributes.ok_or_else(|| bad("nothing was signed"))?;
        let certificate = EndEntityCert::try_from(certificate)
            .map_err(|_| TokenFault::new(Code::Signer, "the signer's certificate cannot be used"))?;
        let name = self.signer.signature_algorithm.oid;
        let mut outcome = Err(TokenFault::new(Code::Algorithm, "the signature"));
        for known in KNOWN.iter().filter(|known| known.is_meant(digest_algorithm, name)) {
            match certificate.verify_signature(known, &attributes, self.signer.signature.as_bytes()) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::InvalidSignatureForPublicKey) => {
                    outcome = Err(bad("the bytes or the key differ"));
                }
                Err(_) => {}
            }
        }
        outcome
    }
}

/// The signed message, if reading and writing it again loses nothing. What stands in a SET may be in any order: some
/// authorities do not sort, and nothing depends on it.
fn signed_data(bytes: &[u8]) -> Option<SignedData> {
    let outer = ContentInfo::from_der(bytes).ok().filter(|outer| outer.content_type == SIGNED_DATA)?;
    let content = outer.content.to_der().ok()?;
    let signed = SignedData::from_der(&content).ok()?;
    let whole = usize::try_from(signed.encoded_len().ok()?).ok()? == content.len();
    // Version 3 is that of everything but plain data (RFC 5652, section 5.1).
    (whole && signed.version == CmsVersion::V3).then_some(signed)
}

/// Whether the parts of a signer's entry agree that nothing depends on.
fn is_plain(signer: &SignerInfo, signed: &SignedData) -> bool {
    let version = match signer.sid {
        SignerIdentifier::IssuerAndSerialNumber(_) => CmsVersion::V1,
        SignerIdentifier::SubjectKeyIdentifier(_) => CmsVersion::V3,
    };
    let listed = signed.digest_algorithms.iter().any(|listed| listed.oid == signer.digest_alg.oid);
    let mut all = signed.digest_algorithms.iter().chain([&signer.digest_alg, &signer.signature_algorithm]);
    let plain = all.all(|one| one.parameters.as_ref().is_none_or(|parameters| parameters.is_null()));
    signer.version == version && listed && plain
}

fn statement(signed: &SignedData) -> Option<Vec<u8>> {
    let inner = &signed.encap_content_info;
    let octets = inner.econtent.as_ref().filter(|_| inner.econtent_type == TST_INFO)?;
    Some(octets.decode_as::<OctetStringRef<'_>>().ok()?.as_bytes().to_vec())
}

fn certificates(signed: &SignedData) -> Vec<Certificate> {
    let all = signed.certificates.iter().flat_map(|set| set.0.iter());
    let known = |choice: &CertificateChoices| match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate.clone()),
        CertificateChoices::Other(_) => None,
    };
    all.filter_map(known).collect()
}

/// Whether the signer names this certificate.
fn is_of(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    let tbs = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            name.issuer == tbs.issuer && name.serial_number == tbs.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            let known = tbs.get::<SubjectKeyIdentifier>();
            matches!(known, Ok(Some((_, known))) if known == *id)
        }
    }
}
