//! Ed25519 public keys as PEM (SubjectPublicKeyInfo, RFC 8410), the form in which a chain's public
//! key is published.

use alloc::string::String;
use alloc::vec::Vec;

use crate::base64;

/// DER of SubjectPublicKeyInfo with the OID 1.3.101.112, up to the 32 key bytes.
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// Why a text is not a usable public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PemFault {
    /// No `BEGIN PUBLIC KEY` block.
    #[error(
        "no `BEGIN PUBLIC KEY` block (a public key as `cascade key export --public` prints it is needed)"
    )]
    NoBlock,
    /// The block's base64 is broken.
    #[error("the PEM block is not valid base64")]
    Base64,
    /// Another kind of key.
    #[error("not an Ed25519 public key")]
    Algorithm,
}

/// The PEM text of a raw public key.
#[must_use]
pub fn write(public_key: &[u8; 32]) -> String {
    let der: Vec<u8> = PREFIX.iter().chain(public_key).copied().collect();
    alloc::format!("{BEGIN}\n{}\n{END}\n", base64::encode(&der))
}

/// Reads the first public key block of `text`. Text around the block and the width of its lines do
/// not matter.
///
/// # Errors
/// When there is no block, or it is not an Ed25519 key.
pub fn read(text: &str) -> Result<[u8; 32], PemFault> {
    let (_, rest) = text.split_once(BEGIN).ok_or(PemFault::NoBlock)?;
    let (body, _) = rest.split_once(END).ok_or(PemFault::NoBlock)?;
    let joined: String = body.split_ascii_whitespace().collect();
    let der = base64::decode(&joined).ok_or(PemFault::Base64)?;
    let raw = der.strip_prefix(&PREFIX).ok_or(PemFault::Algorithm)?;
    raw.try_into().map_err(|_| PemFault::Algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let text = write(&[9; 32]);
        assert_eq!(read(&text), Ok([9; 32]));
        assert_eq!(read(&text.replace('\n', "\r\n")), Ok([9; 32]));
        assert_eq!(read(""), Err(PemFault::NoBlock));
        assert_eq!(read(&text.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu")), Err(PemFault::Algorithm));
        assert_eq!(read(&text.replace("MCow", "MC!w")), Err(PemFault::Base64));
    }
}
