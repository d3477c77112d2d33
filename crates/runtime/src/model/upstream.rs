//! A connection to the one endpoint that a model has: no redirects, no proxies, no second protocol, no reuse.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::{Model, ModelFault};

/// Most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// What is read of a file with certificates.
const CA_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most headers of an answer.
const HEADERS_MAX: usize = 100;

/// What is sent.
pub(super) type Body = http_body_util::Full<hyper::body::Bytes>;

/// Connects. What drives the connection lives as long as the tasks of this thread do.
pub(super) async fn connect(model: &Model) -> Result<SendRequest<Body>, ModelFault> {
    let endpoint = &model.endpoint;
    // Before anything is sent.
    let tls = if endpoint.tls() { Some(tls(model.ca_file.as_deref())?) } else { None };
    let unreachable = |error: std::io::Error| ModelFault::Unreachable(error.to_string());
    let stream = TcpStream::connect((endpoint.host(), endpoint.port())).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let Some(tls) = tls else { return handshake(TokioIo::new(stream)).await };
    let name = ServerName::try_from(endpoint.host().to_owned())
        .map_err(|_| ModelFault::Unreachable("its name fits no certificate".to_owned()))?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.map_err(unreachable)?;
    handshake(TokioIo::new(stream)).await
}

/// TLS as everywhere here: one library for cryptography; the roots that are built in, unless others are named.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, ModelFault> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ModelFault::Local(error.to_string()))?;
    let roots = match ca_file {
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Some(path) => read_roots(path)?,
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn read_roots(path: &Path) -> Result<RootCertStore, ModelFault> {
    let local = |what: &dyn std::fmt::Display| ModelFault::Local(format!("`{}`: {what}", path.display()));
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| local(&error))?;
    file.take(CA_FILE_BYTES_MAX).read_to_end(&mut text).map_err(|error| local(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| local(&error))?;
        roots.add(certificate).map_err(|error| local(&error))?;
    }
    if roots.is_empty() { Err(local(&"no certificate is in it")) } else { Ok(roots) }
}

async fn handshake<S>(stream: TokioIo<S>) -> Result<SendRequest<Body>, ModelFault>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(stream)
        .await
        .map_err(|error| ModelFault::Unreachable(error.to_string()))?;
    // How it ends is seen by whoever reads the answer.
    drop(tokio::task::spawn_local(async move { drop(connection.await) }));
    Ok(sender)
}
