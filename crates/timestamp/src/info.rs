//! `TSTInfo`, the statement inside a token. The one of `x509-tsp` refuses fractions of a second, which
//! authorities use.

use alloc::vec::Vec;

use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;
use der::asn1::{GeneralizedTime, Int};
use der::oid::ObjectIdentifier;
use der::{
    Decode as _, DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Sequence, SliceReader, Tag,
    Writer,
};
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::name::GeneralName;
use x509_tsp::{Accuracy, MessageImprint, TspVersion};

pub(crate) const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// RFC 3161, section 2.4.2.
#[derive(Clone, PartialEq, Eq, Debug, Sequence)]
pub(crate) struct TstInfo {
    pub(crate) version: TspVersion,
    pub(crate) policy: ObjectIdentifier,
    pub(crate) message_imprint: MessageImprint,
    pub(crate) serial_number: Int,
    pub(crate) gen_time: GenTime,
    #[asn1(optional = "true")]
    pub(crate) accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    pub(crate) ordering: bool,
    #[asn1(optional = "true")]
    pub(crate) nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) tsa: Option<GeneralName>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(crate) extensions: Option<Extensions>,
}

impl TstInfo {
    /// SHA-256 of what it is about.
    pub(crate) fn imprint(&self) -> Option<Digest> {
        let algorithm = &self.message_imprint.hash_algorithm;
        let plain = algorithm.parameters.as_ref().is_none_or(|parameters| parameters.is_null());
        let hash = self.message_imprint.hashed_message.as_bytes();
        hash.try_into().ok().map(Digest).filter(|_| plain && algorithm.oid == SHA256)
    }

    /// Whether it says something critical that is not understood here.
    pub(crate) fn has_critical_extension(&self) -> bool {
        self.extensions.iter().flatten().any(|extension| extension.critical)
    }
}

/// `YYYYMMDDHHMMSS[.f…]Z`, as RFC 3161 wants it: at least one digit of a fraction, the last not 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GenTime {
    text: Vec<u8>,
    seconds: u64,
    ms: u64,
}

/// Digits of a fraction.
const FRACTION_MAX: usize = 9;

impl GenTime {
    /// Whole seconds since 1970.
    pub(crate) const fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The moment; what lies below a millisecond is rounded up, since it was "before" that.
    pub(crate) const fn timestamp(&self) -> Timestamp {
        Timestamp::from_ms(self.seconds * 1000 + self.ms)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (whole, rest) = text.split_at_checked(14)?;
        let plain = [whole, b"Z"].concat();
        let header = Header::new(Tag::GeneralizedTime, plain.len()).ok()?;
        let time = GeneralizedTime::decode_value(&mut SliceReader::new(&plain).ok()?, header).ok()?;
        let ms = match rest.strip_suffix(b"Z")? {
            b"" => 0,
            fraction => milliseconds(fraction.strip_prefix(b".")?)?,
        };
        Some(Self { text: text.to_vec(), seconds: time.to_unix_duration().as_secs(), ms })
    }
}

fn milliseconds(digits: &[u8]) -> Option<u64> {
    let fits = (1..=FRACTION_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !fits || digits.last() == Some(&b'0') {
        return None;
    }
    let padded = digits.iter().copied().chain(core::iter::repeat(b'0')).take(FRACTION_MAX);
    let nanoseconds = padded.fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(nanoseconds.div_ceil(1_000_000))
}

impl FixedTag for GenTime {
    const TAG: Tag = Tag::GeneralizedTime;
}

impl<'a> DecodeValue<'a> for GenTime {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let text = reader.read_vec(header.length)?;
        Self::parse(&text).ok_or_else(|| Self::TAG.value_error())
    }
}

impl EncodeValue for GenTime {
    fn value_len(&self) -> der::Result<Length> {
        self.text.len().try_into()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(&self.text)
    }
}

/// Reads the statement; what is not its own DER spelling is `None`.
pub(crate) fn parse(bytes: &[u8]) -> Option<TstInfo> {
    use der::Encode as _;
    let info = TstInfo::from_der(bytes).ok()?;
    (info.to_der().ok()? == bytes).then_some(info)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn times_with_and_without_fractions() {
        for (text, told) in [
            ("20260131120000Z", Some("2026-01-31T12:00:00.000Z")),
            ("20260131120000.5Z", Some("2026-01-31T12:00:00.500Z")),
            ("20260131120000.123456Z", Some("2026-01-31T12:00:00.124Z")),
            ("20260131120000.999999999Z", Some("2026-01-31T12:00:01.000Z")),
            ("20260131120000.0Z", None),
            ("20260131120000.50Z", None),
            ("20260131120000.Z", None),
            ("20260131120000,5Z", None),
            ("20260131120000.1234567891Z", None),
            ("20260131120000", None),
            ("20260131120000+0100", None),
            ("202601311200Z", None),
            ("20260230120000Z", None),
            ("2026013112000\u{e9}Z", None),
        ] {
            let time = GenTime::parse(text.as_bytes()).map(|time| time.timestamp().to_string());
            assert_eq!(time.as_deref(), told, "{text}");
        }
    }
}
