use std::path::{Path, PathBuf};
use std::time::Duration;

use cascade_ledger::Reader;
use cascade_receipt::content::{TokenIssued, TokenScope};
use cascade_receipt::json::Value;
use cascade_runtime::bindings::{
    self, Binding, BindingError, CLAIM_DEFAULT, Certificate, CertificateName, Credential, CredentialFault,
    Issuer, JWKS_BYTES_MAX, JwtIdentity,
};
use cascade_runtime::facts::Asker;
use cascade_runtime::tokens::{self, Issuing, TokenState, Withdrawal};
use clap::{ArgGroup, Args, Subcommand};

use crate::args::{Global, principal};
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, Painted};
use crate::signer::Signer;
use crate::verb::{grant, token};
use crate::{admin, output, place};

/// Largest certificate file, in bytes.
const CERTIFICATE_BYTES_MAX: u64 = 256 * 1024;

/// Who is known by what others issue: JSON Web Tokens of an identity provider, and certificates
///
/// A binding says that whoever shows such a credential is a person or agent of this chain, what for and until when. It
/// is a token without a secret, and taken back like one. Groups and roles stay those of the chain: an issuer says who
/// somebody is and nothing more, and whom nobody bound is nobody here.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade identity bind --issuer https://login.example.org --audience cascade --subject 248289761001 --for ada
  cascade identity bind --issuer https://ci.example.org --audience cascade --subject build --agent ci --scope actions
  cascade identity bind --certificate uri:spiffe://example.org/builder --agent builder
  cascade identity list
  cascade identity unbind t_0123456789abcdef")]
pub(crate) struct Identities {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Bind(Box<Bind>),
    /// List every binding, those that ended included
    #[command(after_help = "Example:
  cascade identity list --json")]
    List,
    Unbind(Unbind),
}

/// Bind somebody of an issuer, or a certificate, to a person or an agent; signed by an administrator
///
/// An issuer is asked for its keys at its /.well-known/openid-configuration when somebody shows a token that names a
/// bound subject. Tokens are signed with RS256, PS256, ES256, ES384 or EdDSA, and hold for a day at most. A certificate
/// is one of the authorities of `cascade serve --tls-client-ca`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["issuer", "certificate"]).required(true))]
#[command(after_help = "Examples:
  cascade identity bind --issuer https://login.example.org --audience cascade --subject 248289761001 --for ada
  cascade identity bind --issuer https://login.example.org --audience cascade --claim email --subject ada@example.org
  cascade identity bind --issuer https://ci.example.org --audience cascade --subject build --agent ci --jwks-file ci.json
  cascade identity bind --certificate ada.pem --for ada --scope read --expires 8h")]
struct Bind {
    /// Who issues the tokens: their `iss`, to the letter
    #[arg(long, value_name = "URL", requires = "audience", requires = "subject")]
    issuer: Option<String>,
    /// Whom the tokens are for: one of their `aud`
    #[arg(long, value_name = "AUD", conflicts_with = "certificate")]
    audience: Option<String>,
    /// What the claim must say, to the letter
    #[arg(long, value_name = "SUBJECT", conflicts_with = "certificate")]
    subject: Option<String>,
    /// The claim that names whom a token is about; `email` counts where the issuer says that it is verified
    #[arg(long, value_name = "CLAIM", default_value = CLAIM_DEFAULT, conflicts_with = "certificate")]
    claim: String,
    /// The issuer's keys (JWK Set), where it cannot be asked; new keys need a new binding
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    jwks_file: Option<PathBuf>,
    /// A certificate: a PEM file (its key counts), or spki:HEX, uri:…, dns:… or email:…
    #[arg(long, value_name = "WHAT")]
    certificate: Option<String>,
    /// Whose it is, or with --agent the person the agent acts for [default: you]
    #[arg(long = "for", value_name = "PERSON", value_parser = principal)]
    owner: Option<String>,
    /// The agent that shows it
    #[arg(long, value_name = "NAME", value_parser = token::agent)]
    agent: Option<String>,
    /// What it may be used for; may be repeated [default: actions, read]
    #[arg(long = "scope", value_name = "SCOPE", value_parser = token::scope)]
    scopes: Vec<TokenScope>,
    /// For how long, at most 366 days
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = humantime::parse_duration)]
    expires: Duration,
    /// Private SSH key of the administrator who says so [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Take a binding back: your own, or as an administrator anybody's
///
/// What runs on it is ended.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  cascade identity unbind t_01234")]
struct Unbind {
    /// The binding's id; the beginning is enough
    id: String,
    /// Private SSH key of whoever says so [default: the agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Identities) -> Exit {
    match &args.what {
        What::Bind(args) => bind(global, args),
        What::List => list(global),
        What::Unbind(args) => unbind(global, args),
    }
}

fn bind(global: &Global, args: &Bind) -> Exit {
    let credential = credential(args)?;
    let default = if args.scopes.is_empty() { tokens::SCOPES_DEFAULT.as_slice() } else { &[] };
    let issuing = Issuing {
        owner: args.owner.clone(),
        agent: args.agent.clone(),
        scopes: [args.scopes.as_slice(), default].concat(),
        lasts_ms: u64::try_from(args.expires.as_millis()).unwrap_or(u64::MAX),
    };
    let ledger = place::ledger(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let (appended, bound) =
        bindings::bind(&ledger, &asker, (&credential, &issuing), &mut |key, namespace, payload| {
            signer.sign(key, namespace, payload)
        })
        .map_err(|error| admin::on_record(&ledger, &asker, "identity_bind", refused(error)))?;
    let receipt = appended.receipt_id.to_string();
    if global.json {
        output::json(&bound_document(&bound, &credential, receipt))?;
        return Ok(exit::DONE);
    }
    let scopes: Vec<&str> = bound.scopes.iter().map(|scope| scope.as_str()).collect();
    output::say(format_args!(
        "{}: {} is {}, for {}, until {}; receipt {receipt}",
        bound.token_id,
        output::safe(&words(&credential)),
        output::safe(&grant::name(&ledger, bound.to)?),
        scopes.join(", "),
        bound.expires
    ));
    Ok(exit::DONE)
}

/// What is to be bound.
fn credential(args: &Bind) -> Result<Credential, Failure> {
    if let Some(what) = &args.certificate {
        return certificate(what).map(Credential::Certificate);
    }
    let url = args.issuer.clone().unwrap_or_default();
    let issuer = Issuer::parse(&url).map_err(|fault| cannot(CredentialFault::Issuer { url, fault }))?;
    let limit = u64::try_from(JWKS_BYTES_MAX).unwrap_or(u64::MAX);
    let jwks = args.jwks_file.as_deref().map(|path| text(path, limit)).transpose()?;
    Ok(Credential::Jwt(JwtIdentity {
        issuer,
        audience: args.audience.clone().unwrap_or_default(),
        claim: args.claim.clone(),
        subject: args.subject.clone().unwrap_or_default(),
        jwks,
    }))
}

/// One that is named, or the key of one in a file.
fn certificate(what: &str) -> Result<CertificateName, Failure> {
    let named = ["spki:", "uri:", "dns:", "email:"].iter().any(|kind| what.starts_with(kind));
    if named {
        return CertificateName::parse(what).map_err(cannot);
    }
    let pem = text(Path::new(what), CERTIFICATE_BYTES_MAX)?;
    let read = Certificate::of_pem(pem.as_bytes());
    read.map(|certificate| certificate.key().clone())
        .ok_or_else(|| cannot(CredentialFault::Certificate(what.to_owned())))
}

fn text(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    use std::io::Read as _;
    let failed = |detail: String| {
        let what = anyhow::anyhow!("couldn't read `{}`: {detail}", path.display());
        Failure::could_not(what).hint("give a file that is there, and of text")
    };
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    let limit = bytes_max.saturating_add(1);
    file.take(limit).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    let long = u64::try_from(text.len()).is_ok_and(|bytes| bytes > bytes_max);
    if long { Err(failed(format!("it is longer than {bytes_max} bytes"))) } else { Ok(text) }
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    for (binding, state) in bindings::list(&reader)? {
        if global.json {
            output::json(&document(&reader, &binding, state)?)?;
            continue;
        }
        let scopes: Vec<&str> = binding.token.scopes.iter().map(|scope| scope.as_str()).collect();
        output::line(format_args!(
            "{}  {}  {}  {}; for {}, until {}; bound by {}",
            binding.token.token_id,
            Painted(token::style(state), format!("{:<7}", state.as_str())),
            Painted(BOLD, output::safe(&grant::name(&reader, binding.token.to)?)),
            output::safe(&words(&binding.credential)),
            scopes.join(", "),
            binding.token.expires,
            output::safe(&grant::name(&reader, binding.token.principal)?)
        ))?;
    }
    Ok(exit::DONE)
}

/// What has to be shown, for people.
fn words(credential: &Credential) -> String {
    match credential {
        Credential::Certificate(name) => format!("certificate {name}"),
        Credential::Jwt(one) => {
            let pinned = if one.jwks.is_some() { " (keys pinned)" } else { "" };
            format!("{} {} of {}{pinned}, for {}", one.claim, one.subject, one.issuer.as_str(), one.audience)
        }
    }
}

fn document(reader: &Reader, binding: &Binding, state: TokenState) -> Result<Value, Failure> {
    let mut value = token::document(reader, &binding.token, state)?;
    if let Value::Object(members) = &mut value {
        members.insert("credential".to_owned(), described(&binding.credential));
    }
    Ok(value)
}

fn bound_document(bound: &TokenIssued, credential: &Credential, receipt: String) -> Value {
    let scopes = bound.scopes.iter().map(|scope| Value::from(scope.as_str())).collect();
    let mut value = Value::object([
        ("credential", described(credential)),
        ("expires", bound.expires.to_string().into()),
        ("principal", bound.principal.to_string().into()),
        ("receipt_id", receipt.into()),
        ("scopes", Value::Array(scopes)),
        ("to", bound.to.to_string().into()),
        ("token_id", bound.token_id.to_string().into()),
    ]);
    if let (Value::Object(members), Some(owner)) = (&mut value, bound.on_behalf_of) {
        members.insert("on_behalf_of".to_owned(), owner.to_string().into());
    }
    value
}

fn described(credential: &Credential) -> Value {
    match credential {
        Credential::Certificate(name) => {
            Value::object([("kind", credential.kind().into()), ("name", name.to_string().into())])
        }
        Credential::Jwt(one) => Value::object([
            ("audience", one.audience.as_str().into()),
            ("claim", one.claim.as_str().into()),
            ("issuer", one.issuer.as_str().into()),
            ("keys_pinned", one.jwks.is_some().into()),
            ("kind", credential.kind().into()),
            ("subject", one.subject.as_str().into()),
        ]),
    }
}

fn unbind(global: &Global, args: &Unbind) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let mut sign = |key: &str, namespace: &str, payload: &[u8]| signer.sign(key, namespace, payload);
    let (receipt, token_id) =
        tokens::revoke(&ledger, &asker, &args.id, Withdrawal::Unneeded, Some(&mut sign))
            .map_err(|error| admin::on_record(&ledger, &asker, "identity_unbind", token::refused(error)))?;
    let id = receipt.receipt_id.to_string();
    if global.json {
        output::json(&Value::object([("receipt_id", id.into()), ("token_id", token_id.to_string().into())]))?;
        return Ok(exit::DONE);
    }
    output::say(format_args!("{token_id} counts no more; receipt {id}"));
    Ok(exit::DONE)
}

fn cannot(fault: CredentialFault) -> Failure {
    let hint = match &fault {
        CredentialFault::Issuer { .. } => "give the `iss` of its tokens, such as https://login.example.org",
        CredentialFault::Word(_) => "give --audience and --subject as they stand in the tokens",
        CredentialFault::Claim | CredentialFault::OtherClaim(_) => "such as --claim sub, email or client_id",
        CredentialFault::Jwks(_) => "give what the issuer shows at its `jwks_uri`",
        CredentialFault::Certificate(_) => "or a file with a certificate, PEM",
    };
    Failure::usage(fault).hint(hint)
}

fn refused(error: BindingError) -> Failure {
    match error {
        BindingError::Credential(fault) => cannot(fault),
        BindingError::Token(error) => token::refused(error),
        BindingError::Bound(_) | BindingError::TooMany | BindingError::Busy => Failure::could_not(
            error.into(),
        )
        .hint("`cascade identity list` shows what is bound; `cascade identity unbind ID` takes it back"),
    }
}
