//! Requests to the collector, and what people hear of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use axum::http::{Request, Response};
use cascade_runtime::collector::Client;
use opentelemetry_http::{HttpClient, HttpError};

/// Sends what the exporter makes, on the exporter's own thread.
pub(super) struct Sender {
    client: Client,
    told: Box<dyn Fn(&str) + Send + Sync>,
    /// Whether the last one was not taken: of many in a row people hear once.
    failing: AtomicBool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    pub(super) fn new(told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { client: Client::default(), told: Box::new(told), failing: AtomicBool::new(false) }
    }

    fn heard(&self, trouble: Option<String>) {
        let before = self.failing.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(trouble) if !before => {
                (self.told)(&format!(
                    "the collector of traces takes no spans ({trouble}); they are dropped until it does"
                ));
            }
            None if before => (self.told)("the collector of traces takes spans again"),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.send(request.map(Into::into));
        self.heard(match &answer {
            Err(error) => Some(error.clone()),
            Ok(answer) if !answer.status().is_success() => Some(format!("HTTP {}", answer.status().as_u16())),
            Ok(_) => None,
        });
        Ok(answer?.map(Into::into))
    }
}
