//! Where an issuer is asked for its keys: nowhere but where an administrator's record leads.

use std::net::IpAddr;

use ureq::http::Uri;

/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 512;
/// Where OpenID Connect Discovery 1.0 (section 4) has an issuer describe itself.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Why an address is not asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressFault {
    /// It is too long.
    #[error("it is longer than {ADDRESS_BYTES_MAX} bytes")]
    Length,
    /// It is no address at all.
    #[error("it is no absolute URL")]
    Malformed,
    /// What goes over a network must be protected.
    #[error("it must begin with https://, or with http:// on this machine itself")]
    Plain,
    /// It carries more than a place.
    #[error("it has a user, a query or a fragment")]
    More,
}

/// The address of an issuer, as tokens name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Issuer(String);

impl Issuer {
    /// An address that may be asked.
    ///
    /// # Errors
    /// [`AddressFault`].
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let uri = address(text)?;
        if uri.query().is_some() {
            return Err(AddressFault::More);
        }
        may_be_asked(&uri, true)?;
        Ok(Self(text.to_owned()))
    }

    /// As it was given, to the byte.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it describes itself.
    pub(super) fn discovery(&self) -> String {
        format!("{}{DISCOVERY}", self.0.trim_end_matches('/'))
    }

    /// Whether it runs on this machine.
    pub(super) fn is_here(&self) -> bool {
        address(&self.0).is_ok_and(|uri| is_loopback(&uri))
    }

    /// Whether its keys may be asked for at this address, which its description gives.
    ///
    /// # Errors
    /// [`AddressFault`].
    pub(super) fn may_lead_to(&self, keys: &str) -> Result<(), AddressFault> {
        may_be_asked(&address(keys)?, self.is_here())
    }
}

fn address(text: &str) -> Result<Uri, AddressFault> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(AddressFault::Length);
    }
    // The parser drops a fragment without a word.
    if text.contains('#') {
        return Err(AddressFault::More);
    }
    let uri: Uri = text.parse().map_err(|_| AddressFault::Malformed)?;
    let authority = uri.authority().ok_or(AddressFault::Malformed)?;
    if uri.scheme().is_none() || authority.host().is_empty() {
        return Err(AddressFault::Malformed);
    }
    if authority.as_str().contains('@') { Err(AddressFault::More) } else { Ok(uri) }
}

fn may_be_asked(uri: &Uri, here: bool) -> Result<(), AddressFault> {
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if here && is_loopback(uri) => Ok(()),
        _ => Err(AddressFault::Plain),
    }
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_address_that_may_be_asked() {
        for good in [
            "https://accounts.example.org",
            "https://login.example.org:8443/realms/a/",
            "http://127.0.0.1:8080",
            "http://localhost/x",
            "http://[::1]:9",
        ] {
            assert!(Issuer::parse(good).is_ok(), "{good}");
        }
        for (bad, fault) in [
            ("http://login.example.org", AddressFault::Plain),
            ("http://127.0.0.1.example.org", AddressFault::Plain),
            ("http://169.254.169.254", AddressFault::Plain),
            ("file:///etc/passwd", AddressFault::Malformed),
            ("ftp://a.example", AddressFault::Plain),
            ("login.example.org", AddressFault::Malformed),
            ("/realms/a", AddressFault::Malformed),
            ("", AddressFault::Malformed),
            ("https://ada@login.example.org", AddressFault::More),
            ("https://login.example.org/?a=b", AddressFault::More),
            ("https://login.example.org/#a", AddressFault::More),
        ] {
            assert_eq!(Issuer::parse(bad), Err(fault), "{bad}");
        }
        let of =
            |bytes: usize| format!("https://a.example/{}", "x".repeat(bytes - "https://a.example/".len()));
        assert!(Issuer::parse(&of(ADDRESS_BYTES_MAX)).is_ok());
        assert_eq!(Issuer::parse(&of(ADDRESS_BYTES_MAX + 1)), Err(AddressFault::Length));
    }

    #[test]
    fn a_description_leads_nowhere_that_is_less_than_its_issuer() {
        let far = Issuer::parse("https://login.example.org").unwrap();
        assert_eq!(far.may_lead_to("https://keys.example.org/jwks?tenant=a"), Ok(()));
        for bad in ["http://127.0.0.1/jwks", "http://keys.example.org/jwks", "http://localhost:22"] {
            assert_eq!(far.may_lead_to(bad), Err(AddressFault::Plain), "{bad}");
        }
        let here = Issuer::parse("http://127.0.0.1:8080/").unwrap();
        assert_eq!(here.may_lead_to("http://127.0.0.1:8080/jwks"), Ok(()));
        assert_eq!(here.may_lead_to("http://10.0.0.1/jwks"), Err(AddressFault::Plain));
        assert_eq!(here.discovery(), "http://127.0.0.1:8080/.well-known/openid-configuration");
    }
}
