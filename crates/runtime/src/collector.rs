//! Handing telemetry to a collector: one request, one answer, and nobody else is asked. What it answers is not believed.

use ureq::Agent;
use ureq::http::{Request, Response};

use crate::witness;

/// Most bytes of an answer that are read.
pub const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Speaks to a collector: within [`witness::ANSWER_TIME_MAX`], never sent elsewhere by a redirect.
#[derive(Debug)]
pub struct Client(Agent);

impl Default for Client {
    fn default() -> Self {
        Self(witness::agent())
    }
}

impl Client {
    /// Sends a request, and gives what came back, whatever its status.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let told = |error: ureq::Error| error.to_string();
        let (head, mut body) = self.0.run(request).map_err(told)?.into_parts();
        let bytes = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(told)?;
        Ok(Response::from_parts(head, bytes))
    }
}
