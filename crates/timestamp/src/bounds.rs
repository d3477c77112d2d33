//! A first look at untrusted DER, before anything is built from it.

use der::{Decode as _, Header, Reader as _, SliceReader};

/// Values in a token or answer, each counted with those inside it. Sets are sorted by insertion while they are
/// read, so 64 KiB of tiny values would take quadratic time.
pub const ELEMENTS_MAX: usize = 4096;
/// Depth of values inside values.
const DEPTH_MAX: usize = 32;

/// Whether this is exactly one DER value, of bounded depth and number.
pub(crate) fn within(bytes: &[u8]) -> bool {
    let mut left = ELEMENTS_MAX;
    count(bytes, 0, &mut left) == Some(1)
}

/// The number of values that follow each other in `bytes`.
fn count(bytes: &[u8], depth: usize, left: &mut usize) -> Option<usize> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut reader = SliceReader::new(bytes).ok()?;
    let mut found = 0;
    while !reader.is_finished() {
        let header = Header::decode(&mut reader).ok()?;
        let inner = reader.read_slice(header.length).ok()?;
        *left = left.checked_sub(1)?;
        if header.tag.is_constructed() && !inner.is_empty() {
            count(inner, depth + 1, left)?;
        }
        found += 1;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// A SEQUENCE around the bytes.
    fn sequence(inner: &[u8]) -> Vec<u8> {
        let length = u16::try_from(inner.len()).expect("a short value").to_be_bytes();
        let head: &[u8] = match inner.len() {
            0..128 => &[0x30, length[1]],
            128..256 => &[0x30, 0x81, length[1]],
            _ => &[0x30, 0x82, length[0], length[1]],
        };
        [head, inner].concat()
    }

    #[test]
    fn number_and_depth_have_limits() {
        let nulls = |count: usize| sequence(&[0x05, 0x00].repeat(count));
        assert!(within(&nulls(ELEMENTS_MAX - 1)));
        assert!(!within(&nulls(ELEMENTS_MAX)));
        let nested = |depth: usize| (0..depth).fold(Vec::from([0x05, 0x00]), |inner, _| sequence(&inner));
        assert!(within(&nested(DEPTH_MAX)));
        assert!(!within(&nested(DEPTH_MAX + 1)));
    }

    #[test]
    fn only_one_whole_value_in_der_passes() {
        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x05, 0x00, 0x05, 0x00],
            // Indefinite and needlessly long lengths are BER.
            &[0x30, 0x80, 0x05, 0x00, 0x00, 0x00],
            &[0x30, 0x81, 0x02, 0x05, 0x00],
        ] {
            assert!(!within(bad), "{bad:02x?}");
        }
        assert!(within(&[0x30, 0x00]));
    }
}
