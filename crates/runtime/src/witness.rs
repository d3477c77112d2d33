//! Asking witnesses for cosignatures (c2sp.org/tlog-witness). What they answer is believed only as far
//! as it verifies.

use std::sync::Arc;
use std::time::Duration;

use cascade_receipt::checkpoint::{SignedCheckpoint, cosigned_at, parse_size};
use cascade_receipt::note::{self, VerifierKey};
use cascade_receipt::witness::AddCheckpoint;
use ureq::Agent;
use ureq::tls::TlsConfig;

/// Longest wait for a connection.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a whole answer.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest answer in bytes.
pub const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What a witness answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It cosigned. The line has been verified.
    Cosigned {
        /// The signature line with its LF, to be appended to the note.
        line: String,
        /// When, by its clock, in seconds since 1970.
        time: u64,
    },
    /// It cosigned another size last.
    Conflict {
        /// That size.
        size: u64,
    },
}

/// Why there is no cosignature.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WitnessFault {
    /// No connection, no answer in time, or an answer beyond the limits.
    #[error("no answer: {0}")]
    Silent(String),
    /// It said no.
    #[error("it refused ({status}): {words}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The first words of its answer.
        words: String,
    },
    /// It answered something that is no answer.
    #[error("it answered nonsense: {0}")]
    Nonsense(&'static str),
}

impl WitnessFault {
    /// It says that the proof from what it cosigned to what it was shown does not hold (tlog-witness: 422).
    #[must_use]
    pub const fn is_fork(&self) -> bool {
        matches!(self, Self::Refused { status: 422, .. })
    }
}

/// Speaks to witnesses.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
}

impl Default for Client {
    fn default() -> Self {
        Self { agent: agent() }
    }
}

/// An HTTP client that waits no longer than it must and goes nowhere else.
pub(crate) fn agent() -> Agent {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider).build();
    let config = Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIME_MAX))
        .timeout_global(Some(ANSWER_TIME_MAX))
        .http_status_as_error(false)
        // A witness that sends us elsewhere is not the one that was configured.
        .max_redirects(0)
        .tls_config(tls)
        .user_agent(concat!("cascade/", env!("CARGO_PKG_VERSION")))
        .build();
    config.new_agent()
}

impl Client {
    /// Submits a checkpoint to the witness at `url` (its submission prefix) with this key.
    ///
    /// # Errors
    /// See [`WitnessFault`].
    pub fn add_checkpoint(
        &self,
        url: &str,
        witness: &VerifierKey,
        request: &AddCheckpoint<'_>,
    ) -> Result<Answer, WitnessFault> {
        let silent = |error: ureq::Error| WitnessFault::Silent(error.to_string());
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let mut response = self.agent.post(url).send(request.to_text()).map_err(silent)?;
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let is_size = kind == Some("text/x.tlog.size");
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(silent)?;
        let Ok(body) = String::from_utf8(body) else {
            return Err(WitnessFault::Nonsense("its answer is no text"));
        };
        match status {
            200 => cosigned(&body, witness, request.note),
            409 if is_size => {
                let size = body.strip_suffix('\n').unwrap_or(&body);
                let size = parse_size(size).ok_or(WitnessFault::Nonsense("a size that is none"))?;
                Ok(Answer::Conflict { size })
            }
            _ => {
                let words = body.chars().take(200).filter(|c| !is_unseen(*c)).collect();
                Err(WitnessFault::Refused { status, words })
            }
        }
    }
}

/// Characters that would change how a terminal shows the others: controls and those of text direction.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The line of this witness in the answer, if it verifies over our own note. Lines of strangers are ignored.
fn cosigned(body: &str, witness: &VerifierKey, our_note: &str) -> Result<Answer, WitnessFault> {
    let signed = SignedCheckpoint::parse(our_note.as_bytes());
    let signed = signed.ok_or(WitnessFault::Nonsense("we sent no checkpoint"))?;
    let lines = note::signatures(body).ok_or(WitnessFault::Nonsense("not signature lines"))?;
    let by_it = |line: &&note::Signature<'_>| line.name == witness.name() && line.id == witness.id();
    let line = lines.iter().find(by_it).ok_or(WitnessFault::Nonsense("no line by its key"))?;
    let time = cosigned_at(line, witness, signed.note().text());
    let time = time.ok_or(WitnessFault::Nonsense("a cosignature that does not verify"))?;
    Ok(Answer::Cosigned { line: witness.line(&line.bytes), time })
}
