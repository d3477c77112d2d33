use std::path::PathBuf;

use cascade_receipt::json::Value;
use cascade_server::serve::{self, Allowance, Listen, Serving, TENANT_LEASES_MAX, TENANT_REQUESTS_PER_S_MAX};
use cascade_server::tenants::{Tenants, Unsigned};
use cascade_server::tls::TlsFiles;
use cascade_server::traces::Traces;
use clap::Args;
use rustix::process::{Resource, Rlimit};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{output, place};

/// Serve decisions, approvals and receipts over HTTP
///
/// Every request needs a token (`cascade token issue`), or what is bound like one (`cascade identity`), and is decided by the
/// same policies as the commands here. The reference is at /v1/docs, as OpenAPI at /v1/openapi.json. With --perform,
/// `POST /v1/actions` runs commands on this machine. Metrics at /v1/metrics are open on this machine itself.
/// Spans go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, if it is set.
/// SIGTERM stops it in order: what is in flight is answered first.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade serve
  cascade serve --listen 127.0.0.1:7070
  cascade serve --listen unix:/run/cascade/api.sock
  cascade serve --listen 0.0.0.0:7443 --tls-cert api.pem --tls-key api.key --tls-client-ca clients.pem

  TOKEN=$(cascade token issue --agent builder)
  curl -s http://127.0.0.1:7070/v1/decisions -H \"Authorization: Bearer $TOKEN\" \\
    -d '{\"action\": {\"kind\": \"cli\", \"argv\": [\"git\", \"push\"]}}'")]
pub(crate) struct Serve {
    /// Address and port, or `unix:PATH` for a socket of this user alone
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070", value_parser = listen)]
    listen: Listen,
    /// Speak TLS with this certificate (PEM, with what leads to its root)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Clients must show a certificate of these authorities (PEM): a bound one says who they are, beside others they give a token
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Run commands here, as this user, for whoever is admitted (`POST /v1/actions`, tasks that are commands)
    #[arg(long)]
    perform: bool,
    /// Requests that one tenant may make in a second; one more gets 429
    #[arg(long, value_name = "N", default_value_t = TENANT_REQUESTS_PER_S_MAX, value_parser = clap::value_parser!(u32).range(1..))]
    tenant_requests_per_second: u32,
    /// Admitted actions of one tenant that may wait for their outcome at once; one more gets 429
    #[arg(long, value_name = "N", default_value_t = TENANT_LEASES_MAX, value_parser = clap::value_parser!(u32).range(1..))]
    tenant_open_actions: u32,
}

fn listen(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        return if path.is_absolute() {
            Ok(Listen::Unix(path))
        } else {
            Err("give an absolute path".to_owned())
        };
    }
    text.parse().map(Listen::Tcp).map_err(|_| "give ADDRESS:PORT, or unix:/PATH".to_owned())
}

/// Descriptors for as many connections as are accepted, and for what is done for them.
const DESCRIPTORS: u64 = 32_768;

/// Each connection needs a descriptor, and so does what is done for it: what the system allows at the most, up to what
/// a service can use.
fn raise_descriptors() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    if limit.current.is_some_and(|current| current < most) {
        // Where that is refused, fewer connections are accepted at once.
        _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
}

pub(crate) fn run(global: &Global, args: &Serve) -> Exit {
    if args.tls_cert.is_some() && matches!(args.listen, Listen::Unix(_)) {
        return Err(Failure::usage("a socket in the file system speaks no TLS and asks for no certificate")
            .hint("leave the --tls options out, or --listen on an address"));
    }
    raise_descriptors();
    // What cannot be opened is told here, not to whoever asks first; on first use it is made, as everywhere.
    let ledger = place::ledger(global)?;
    let (home, tenant) = (place::home_dir(global)?, place::tenant(global)?);
    let (opened, at) = (global.clone(), home.clone());
    let (guard, signing, kept) = (place::guard_dir()?, global.clone(), home.clone());
    let tenants = Tenants::new(
        home,
        Box::new(move |tenant| place::open_unasked(&opened, &at, tenant)),
        Box::new(move |tenant, ledger| {
            let key = place::log_key_unasked(&signing, &kept, tenant).map_err(|_| Unsigned)?;
            ledger.sign_checkpoint(&key, &guard).map_err(|_| Unsigned)
        }),
        Box::new(|trouble| output::say(trouble)),
    )
    .with(Allowance { requests_per_s: args.tenant_requests_per_second, leases: args.tenant_open_actions });
    tenants.add(tenant, ledger)?;
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(certificate, key)| TlsFiles {
        certificate,
        key,
        clients: args.tls_client_ca.clone(),
    });
    let plain = tls.is_none();
    let ready = |place: &str| {
        output::say(format_args!("listening on {place}"));
        if let Listen::Tcp(address) = args.listen
            && plain
            && !address.ip().is_loopback()
        {
            output::say("tokens go over the network as they are: give --tls-cert and --tls-key");
        }
        if global.json {
            drop(output::json(&Value::object([("listening", place.into())])));
        }
    };
    let traces = Traces::from_environment(|text| output::say(text)).map_err(|error| {
        Failure::usage(format!("no traces can be sent: {error}"))
            .hint("look at the variables that begin with OTEL_, or set OTEL_TRACES_EXPORTER=none")
    })?;
    let service = Serving { listen: args.listen.clone(), tls, tenants, performs: args.perform, traces };
    serve::serve(service, ready, |text| output::say(text)).map_err(|error| {
        Failure::could_not(anyhow::Error::from(error).context("couldn't serve there"))
            .hint("choose another address with --listen, or look at the certificates")
    })?;
    output::say("stopped");
    Ok(exit::DONE)
}
