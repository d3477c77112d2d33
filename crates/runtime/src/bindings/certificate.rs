//! A client's certificate, after TLS has checked that one of the authorities issued it and that its key is at hand.

use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;
use x509_cert::Certificate as X509;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::credential::CertificateName;

/// Names of one certificate that are looked at; one with more is known by its key alone.
pub const NAMES_MAX: usize = 64;

/// What a certificate says of whoever shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    spki: CertificateName,
    names: Vec<CertificateName>,
    until: Timestamp,
}

impl Certificate {
    /// Reads one; `None` for what is none.
    #[must_use]
    pub fn of_der(der: &[u8]) -> Option<Self> {
        Self::of(&X509::from_der(der).ok()?)
    }

    /// Reads the first one of a file; `None` where none is.
    #[must_use]
    pub fn of_pem(pem: &[u8]) -> Option<Self> {
        let first = X509::load_pem_chain(pem).ok()?.into_iter().next()?;
        Self::of(&first)
    }

    fn of(x509: &X509) -> Option<Self> {
        let part = &x509.tbs_certificate;
        let spki = Digest::of(&part.subject_public_key_info.to_der().ok()?);
        let after = part.validity.not_after.to_unix_duration();
        let until = Timestamp::from_ms(u64::try_from(after.as_millis()).ok()?);
        // It is valid through the second that it names.
        let until = Timestamp::from_ms(until.ms().saturating_add(1000));
        let names = match part.get::<SubjectAltName>() {
            Ok(Some((_, names))) if names.0.len() <= NAMES_MAX => names.0.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        Some(Self { spki: CertificateName::Spki(spki), names, until })
    }

    /// Its public key, which no other certificate has unless it is for the same one.
    #[must_use]
    pub const fn key(&self) -> &CertificateName {
        &self.spki
    }

    /// Whom it is for, as its authority says.
    pub(super) fn names(&self) -> &[CertificateName] {
        &self.names
    }

    /// The moment from which it counts no more.
    pub(super) const fn until(&self) -> Timestamp {
        self.until
    }
}

/// What can be bound; the others are passed over.
fn name(name: &GeneralName) -> Option<CertificateName> {
    let text = match name {
        GeneralName::UniformResourceIdentifier(text) => format!("uri:{text}"),
        GeneralName::DnsName(text) => format!("dns:{text}"),
        GeneralName::Rfc822Name(text) => format!("email:{text}"),
        _ => return None,
    };
    CertificateName::parse(&text).ok()
}
