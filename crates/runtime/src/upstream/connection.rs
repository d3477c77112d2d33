//! A connection to the one place that a server has: no redirects, no proxies, no second protocol, no reuse.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{ExchangeFault, HEAD_BYTES_MAX, HEADERS_MAX, Upstream};
use crate::model::trusting;

/// What drives a connection; ended with it.
pub(super) struct Driven(AbortHandle);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is sent on a connection, and what drives it.
pub(super) type Connected = (SendRequest<Full<Bytes>>, Driven);

pub(super) async fn connect(upstream: &Upstream) -> Result<Connected, ExchangeFault> {
    let endpoint = &upstream.endpoint;
    let local = |error: crate::model::ModelFault| ExchangeFault::Local(error.to_string());
    // Before anything is sent.
    let tls = if endpoint.tls() { Some(trusting(upstream.ca_file.as_deref()).map_err(local)?) } else { None };
    let unreachable = |error: std::io::Error| ExchangeFault::Unreachable(error.to_string());
    let stream = TcpStream::connect((endpoint.host(), endpoint.port())).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let Some(tls) = tls else { return handshake(TokioIo::new(stream)).await };
    let name = ServerName::try_from(endpoint.host().to_owned())
        .map_err(|_| ExchangeFault::Local("its name fits no certificate".to_owned()))?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.map_err(unreachable)?;
    handshake(TokioIo::new(stream)).await
}

async fn handshake<S>(stream: TokioIo<S>) -> Result<Connected, ExchangeFault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(stream)
        .await
        .map_err(|error| ExchangeFault::Unreachable(error.to_string()))?;
    // How it ends is seen by whoever reads the answer.
    let driver = tokio::spawn(async move { drop(connection.await) });
    Ok((sender, Driven(driver.abort_handle())))
}
