//! Asking an authority, and believing its answer only as far as it fits the question.

use alloc::string::String;
use alloc::vec::Vec;

use cascade_receipt::digest::Digest;
use der::asn1::{Int, OctetString};
use der::{Any, Decode as _, Encode as _};
use x509_cert::spki::AlgorithmIdentifier;
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion};

use crate::bounds;
use crate::chain::Roots;
use crate::fault::{Code, TokenFault};
use crate::info::SHA256;
use crate::token::{TOKEN_BYTES_MAX, Token};

/// Longest answer: a token, and what an authority may say around it.
pub const ANSWER_BYTES_MAX: usize = TOKEN_BYTES_MAX + 4096;

/// Why an answer gives no token.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnswerFault {
    /// It is no answer of RFC 3161.
    #[error("it is no answer to a time stamp query")]
    Malformed,
    /// The authority said no.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// The answer belongs to another question.
    #[error("it answers another question (its nonce is not ours)")]
    Nonce,
    /// The token does not count.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

/// A question about one checkpoint.
#[derive(Clone, Debug)]
pub struct Query {
    imprint: Digest,
    nonce: [u8; 8],
}

impl Query {
    /// Asks about these bytes. The nonce is random.
    #[must_use]
    pub fn new(note: &[u8], random: [u8; 8]) -> Self {
        let [first, rest @ ..] = random;
        let mut nonce = [0; 8];
        // Positive, and without a leading zero that DER would not have.
        nonce[0] = first & 0x3f | 0x40;
        nonce[1..].copy_from_slice(&rest);
        Self { imprint: Digest::of(note), nonce }
    }

    /// The question as it is sent: SHA-256, nonce, certificates wanted. `None` cannot happen with these values.
    #[must_use]
    pub fn to_der(&self) -> Option<Vec<u8>> {
        let null = Any::from_der(&[0x05, 0x00]).ok()?;
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier { oid: SHA256, parameters: Some(null) },
                hashed_message: OctetString::new(&self.imprint.0[..]).ok()?,
            },
            req_policy: None,
            nonce: Some(Int::new(&self.nonce).ok()?),
            cert_req: true,
            extensions: None,
        };
        request.to_der().ok()
    }

    /// The token of an answer: granted, for this question, over these bytes, signed for time stamps, and by somebody that
    /// the roots vouch for, if there are any.
    ///
    /// # Errors
    /// See [`AnswerFault`].
    pub fn accept(&self, answer: &[u8], roots: Option<&Roots>) -> Result<Token, AnswerFault> {
        if answer.len() > ANSWER_BYTES_MAX || !bounds::within(answer) {
            return Err(AnswerFault::Malformed);
        }
        let answer = TimeStampResp::from_der(answer).map_err(|_| AnswerFault::Malformed)?;
        let status = answer.status.status as u8;
        // 0 is granted, 1 is granted with modifications, which the checks below allow or not.
        if status > 1 {
            return Err(AnswerFault::Refused(words(&answer, status)));
        }
        let token = answer.time_stamp_token.and_then(|token| token.to_der().ok());
        let token = Token::parse(&token.ok_or(AnswerFault::Malformed)?)?;
        if !token.stamps(&self.imprint) {
            let detail = "it is over something else than what was sent";
            return Err(TokenFault::new(Code::Imprint, detail).into());
        }
        if token.nonce() != Some(&self.nonce[..]) {
            return Err(AnswerFault::Nonce);
        }
        token.check(roots)?;
        Ok(token)
    }
}

/// What the authority says, shortened and without control characters.
fn words(answer: &TimeStampResp<'_>, status: u8) -> String {
    let said = answer.status.status_string.iter().flatten().map(|text| text.as_str());
    let said: String = said.flat_map(str::chars).filter(|c| !c.is_control()).take(200).collect();
    if said.is_empty() { alloc::format!("status {status}") } else { said }
}
