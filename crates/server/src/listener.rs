//! Connections: accepted within limits, read within time, ended in order when the service stops.

mod place;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::Response;
use cascade_runtime::bindings::Certificate;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::tls::HANDSHAKE_TIME_MAX;
use place::Place;

/// Connections that are open at once; more wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Longest that the head of a request may take to come.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of the head of a request.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header lines of one request.
pub const HEADERS_MAX: usize = 64;
/// Rest after an accept that failed: the process has no descriptors left, and will not have some at once.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Where a service listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// An address and port.
    Tcp(SocketAddr),
    /// A socket in the file system, for its owner alone.
    Unix(PathBuf),
}

/// Who is at the other end, as far as the system knows.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The address; none on a socket in the file system.
    pub(crate) address: Option<SocketAddr>,
    /// The certificate that it showed, which TLS has checked.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

impl Peer {
    /// Whether it is this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.address.is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

/// A socket that is bound.
pub(crate) enum Bound {
    Tcp(TcpListener, Option<TlsAcceptor>),
    Unix(UnixListener, Place),
}

impl Bound {
    pub(crate) async fn to(listen: &Listen, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => TcpListener::bind(address).await.map(|listener| Self::Tcp(listener, tls)),
            Listen::Unix(path) => place::bind(path).map(|(listener, place)| Self::Unix(listener, place)),
        }
    }

    /// Where it is, for people: `http://127.0.0.1:7070`, `unix:/run/cascade.sock`.
    pub(crate) fn place(&self) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener, None) => format!("http://{}", listener.local_addr()?),
            Self::Tcp(listener, Some(_)) => format!("https://{}", listener.local_addr()?),
            Self::Unix(_, place) => format!("unix:{}", place.path().display()),
        })
    }
}

/// Serves until `stop` says so; then nothing new is accepted and what is in flight ends by itself. Resolves when the
/// last connection is gone.
pub(crate) async fn serve(bound: Bound, router: Router, stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stopped = stop.clone();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        tokio::select! {
            biased;
            () = said(&mut stopped) => break,
            accepted = accept(&bound) => match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(converse(stream, peer, router.clone(), stop.clone(), permit));
                }
                Err(_) => tokio::time::sleep(ACCEPT_REST).await,
            },
        }
    }
    if let Bound::Unix(_, place) = &bound {
        // Whoever comes next finds no socket of ours.
        place.clear();
    }
    drop(bound);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    drop(room.acquire_many(all).await);
}

/// Ready when it is said. Nobody left who could say it means the same.
pub(crate) async fn said(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection before anything was said on it.
enum Accepted {
    Plain(Box<dyn Stream>),
    Tls(TcpStream, TlsAcceptor),
}

async fn accept(bound: &Bound) -> io::Result<(Accepted, Peer)> {
    Ok(match bound {
        Bound::Tcp(listener, tls) => {
            let (stream, address) = listener.accept().await?;
            // A decision is one small answer: waiting for more to send with it only delays it.
            stream.set_nodelay(true)?;
            let accepted = match tls {
                Some(tls) => Accepted::Tls(stream, tls.clone()),
                None => Accepted::Plain(Box::new(stream)),
            };
            (accepted, Peer { address: Some(address), certificate: None })
        }
        Bound::Unix(listener, _) => {
            let peer = Peer { address: None, certificate: None };
            (Accepted::Plain(Box::new(listener.accept().await?.0)), peer)
        }
    })
}

impl Accepted {
    /// The stream, once the handshake is over, and the certificate shown in it; `None` where it fails or takes too long.
    async fn begin(self) -> Option<(Box<dyn Stream>, Option<Arc<Certificate>>)> {
        match self {
            Self::Plain(stream) => Some((stream, None)),
            Self::Tls(stream, tls) => {
                let handshake = tokio::time::timeout(HANDSHAKE_TIME_MAX, tls.accept(stream)).await;
                let stream = handshake.ok()?.ok()?;
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.and_then(|shown| Certificate::of_der(shown)).map(Arc::new);
                Some((Box::new(stream), certificate))
            }
        }
    }
}

/// The bytes of a head, as it would be written with one blank after each colon.
fn head_bytes<B>(request: &hyper::Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    let headers = request.headers().iter();
    line + headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum::<usize>() + 2
}

/// Whether a request says once whom it means: where it says so never or twice, a proxy before us may have read it
/// otherwise (RFC 9112 section 3.2).
fn names_one_host<B>(request: &hyper::Request<B>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() < Version::HTTP_11
}

fn closed(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn converse(
    accepted: Accepted,
    mut peer: Peer,
    router: Router,
    mut stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    let Some((stream, certificate)) = accepted.begin().await else { return };
    peer.certificate = certificate;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, peer) = (router.clone(), peer.clone());
        async move {
            // The buffer of a connection may be longer than what it is told to be.
            if head_bytes(&request) > HEAD_BYTES_MAX {
                return Ok(closed(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
            }
            if !names_one_host(&request) {
                return Ok(closed(StatusCode::BAD_REQUEST));
            }
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let Ok(response) = router.oneshot(request).await;
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // What goes wrong on a connection is its client's to know.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = said(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}
