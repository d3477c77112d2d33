//! The form in which a token is handed out and shown again: one word, known by how it begins, with a checksum.

use cascade_ledger::Fault;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::TokenId;
use zeroize::Zeroizing;

/// What every token begins with, so that those who look for secrets in files and logs find it.
pub const PREFIX: &str = "cascade_";
/// Length of every token, in bytes.
pub const TEXT_BYTES: usize = PREFIX.len() + SYMBOLS;

const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 5;
const RAW_BYTES: usize = ID_BYTES + SECRET_BYTES + CHECKSUM_BYTES;
/// RFC 4648 base32 in small letters. Five bytes are eight symbols, so there is no padding and one spelling only.
const SYMBOLS: usize = RAW_BYTES / 5 * 8;
/// Sets what is hashed here apart from what is kept: the hash of the secret alone.
const CHECKSUM_LABEL: &[u8] = b"cascade/token/v1\n";

/// Why a text is no token. Nothing of the text is repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextFault {
    /// It does not begin like one.
    #[error("a token begins with `{PREFIX}`")]
    Foreign,
    /// Something is missing, or too much.
    #[error("a token has {TEXT_BYTES} characters: some are missing, or there are too many")]
    Length,
    /// It holds a character that none holds, or its checksum is not the one of the rest.
    #[error("the token is mistyped: its checksum does not fit")]
    Checksum,
}

/// A token with its secret, which is wiped from memory when dropped and shows in no debug output.
#[derive(Clone)]
pub struct TokenText {
    id: TokenId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenText({}, ..)", self.id)
    }
}

impl TokenText {
    /// A new one, random.
    ///
    /// # Errors
    /// [`Fault::Random`].
    pub(super) fn generate() -> Result<Self, Fault> {
        let id = TokenId(cascade_ledger::receipt_id()?.0);
        Ok(Self { id, secret: Zeroizing::new(cascade_ledger::nonce()?.0) })
    }

    /// Reads what somebody shows.
    ///
    /// # Errors
    /// [`TextFault`].
    pub fn parse(text: &str) -> Result<Self, TextFault> {
        let symbols = text.strip_prefix(PREFIX).ok_or(TextFault::Foreign)?;
        if text.len() != TEXT_BYTES {
            return Err(TextFault::Length);
        }
        let raw = decode(symbols).ok_or(TextFault::Checksum)?;
        let (id, rest) = raw.split_first_chunk().ok_or(TextFault::Length)?;
        let (secret, checksum) = rest.split_first_chunk().ok_or(TextFault::Length)?;
        let token = Self { id: TokenId(*id), secret: Zeroizing::new(*secret) };
        // It keeps no secret, so that it need not be compared in constant time.
        if token.checksum() == checksum { Ok(token) } else { Err(TextFault::Checksum) }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// What the chain knows it by: SHA-256 of the secret.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.secret.as_slice())
    }

    /// The word to hand out, once.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut raw = Zeroizing::new(Vec::with_capacity(RAW_BYTES));
        raw.extend_from_slice(&self.id.0);
        raw.extend_from_slice(self.secret.as_slice());
        raw.extend_from_slice(&self.checksum());
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
        text.push_str(PREFIX);
        encode(&raw, &mut text);
        text
    }

    fn checksum(&self) -> Vec<u8> {
        let mut text = Zeroizing::new(CHECKSUM_LABEL.to_vec());
        text.extend_from_slice(&self.id.0);
        text.extend_from_slice(self.secret.as_slice());
        Digest::of(&text).0.into_iter().take(CHECKSUM_BYTES).collect()
    }
}

fn encode(raw: &[u8], out: &mut String) {
    for group in raw.chunks(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        out.extend((0..8).rev().map(|at| symbol(bits >> (5 * at) & 31)));
    }
}

/// `None` for a symbol that there is not. The length was looked at before.
fn decode(symbols: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut raw = Zeroizing::new(Vec::with_capacity(RAW_BYTES));
    for group in symbols.as_bytes().chunks(8) {
        let bits = group.iter().try_fold(0_u64, |bits, symbol| Some(bits << 5 | value(*symbol)?))?;
        raw.extend(bits.to_be_bytes().into_iter().skip(3));
    }
    Some(raw)
}

/// `a` to `z`, then `2` to `7`.
fn symbol(value: u64) -> char {
    let value = u8::try_from(value).unwrap_or_default();
    char::from(if value < 26 { b'a' + value } else { b'2' + (value - 26) })
}

fn value(symbol: u8) -> Option<u64> {
    match symbol {
        b'a'..=b'z' => Some(u64::from(symbol - b'a')),
        b'2'..=b'7' => Some(u64::from(symbol - b'2') + 26),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_revealed_is_read_again() {
        let token = TokenText { id: TokenId([7; 8]), secret: Zeroizing::new([9; 32]) };
        let text = token.reveal();
        assert_eq!(text.len(), TEXT_BYTES);
        let read = TokenText::parse(&text).unwrap();
        assert_eq!((read.id(), read.hash()), (token.id(), Digest::of(&[9; 32])));
        assert_eq!(*read.reveal(), *text);
        assert!(!format!("{token:?}").contains(text.get(21..40).unwrap()));
        let other = TokenText::generate().unwrap();
        assert_ne!(other.hash(), TokenText::generate().unwrap().hash());
        assert_eq!(TokenText::parse(&other.reveal()).unwrap().hash(), other.hash());
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        let mut text = String::new();
        encode(b"foobar1234", &mut text);
        assert_eq!(text, "mzxw6ytboiytemzu");
        assert_eq!(*decode(&text).unwrap(), b"foobar1234");
    }

    #[test]
    fn a_slip_is_told_from_a_text_that_is_no_token() {
        let text = TokenText { id: TokenId([7; 8]), secret: Zeroizing::new([9; 32]) }.reveal();
        let mut characters: Vec<char> = text.chars().collect();
        characters.swap(30, 31);
        characters[40] = if characters[40] == 'q' { 'r' } else { 'q' };
        let slipped: String = characters.into_iter().collect();
        let shorter = text.get(..TEXT_BYTES - 1).unwrap();
        for (text, fault) in [
            ("", TextFault::Foreign),
            ("ghp_abcdef", TextFault::Foreign),
            (&text.to_uppercase(), TextFault::Foreign),
            (shorter, TextFault::Length),
            (&format!("{}a", *text), TextFault::Length),
            (&slipped, TextFault::Checksum),
            (&format!("{shorter}="), TextFault::Checksum),
            (&format!("{}\u{e9}", text.get(..TEXT_BYTES - 2).unwrap()), TextFault::Checksum),
        ] {
            assert_eq!(TokenText::parse(text).map(|token| token.id()), Err(fault), "{text}");
        }
    }
}
