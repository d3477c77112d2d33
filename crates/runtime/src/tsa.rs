//! Asking a time stamping authority (RFC 3161 over HTTP). Its answer is believed only as far as it verifies.

use cascade_timestamp::{ANSWER_BYTES_MAX, AnswerFault, Query, Roots, Token};

use crate::witness;

/// Whom to ask for a time stamp, and what to make of silence.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Where it answers.
    pub url: String,
    /// The roots that its certificate must lead to. Without any, everything else about the answer is checked.
    pub roots: Option<Roots>,
    /// Whether an anchor may be recorded without it.
    pub optional: bool,
}

/// Why there is no time stamp.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StampFault {
    /// No connection, no answer in time, or an answer beyond the limits.
    #[error("no answer: {0}")]
    Silent(String),
    /// It answered with an error of HTTP.
    #[error("it refused (HTTP {0})")]
    Refused(u16),
    /// Its answer is of another kind.
    #[error("its answer is no application/timestamp-reply")]
    Kind,
    /// The answer gives no token that counts.
    #[error(transparent)]
    Answer(#[from] AnswerFault),
}

impl Authority {
    /// Has a note stamped.
    ///
    /// # Errors
    /// See [`StampFault`].
    pub fn stamp(&self, note: &str) -> Result<Token, StampFault> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| StampFault::Silent(error.to_string()))?;
        let query = Query::new(note.as_bytes(), random);
        let question = query.to_der().ok_or(AnswerFault::Malformed)?;
        Ok(query.accept(&self.ask(&question)?, self.roots.as_ref())?)
    }

    fn ask(&self, question: &[u8]) -> Result<Vec<u8>, StampFault> {
        let silent = |error: ureq::Error| StampFault::Silent(error.to_string());
        let request = witness::agent().post(&self.url).header("content-type", "application/timestamp-query");
        let mut response = request.send(question).map_err(silent)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(StampFault::Refused(status));
        }
        let kind =
            response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/timestamp-reply") {
            return Err(StampFault::Kind);
        }
        let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        response.body_mut().with_config().limit(limit).read_to_vec().map_err(silent)
    }
}
