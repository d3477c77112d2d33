//! Who is there: a tenant and a token or certificate, from the head of a request and its connection.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use cascade_ledger::{Appended, TenantId};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::ToolCall;
use cascade_receipt::content::TokenScope;
use cascade_receipt::decision::Verdict;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::bindings::Presented;
use cascade_runtime::facts::Asker;
use cascade_runtime::lease::{self, Asked};
use cascade_runtime::refused_act::{self, Act};

use utoipa::IntoParams;

use super::wire::ReasonOut;
use super::{Api, Problem, local};
use crate::listener::Peer;
use crate::tenants::{Admitted, Refused, Tenant};
use crate::traces::Trace;

/// Names the tenant; `default` where it is absent.
static TENANT: HeaderName = HeaderName::from_static("cascade-tenant");
/// Makes a request one that can be sent again.
static IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest idempotency key, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 255;
/// Wrong tokens of one address within [`GUESSES_TIME`] that are told apart from a busy service.
pub(crate) const GUESSES_MAX: u32 = 30;
/// See [`GUESSES_MAX`].
pub(crate) const GUESSES_TIME: Duration = Duration::from_secs(60);
/// Addresses whose wrong tokens are counted; the count begins anew with the next one.
const GUESSERS_MAX: usize = 4096;

/// Which tenant.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct TenantHeader {
    /// The tenant; `default` if absent.
    #[param(rename = "Cascade-Tenant", pattern = "^[a-z0-9][a-z0-9-]{0,62}$", value_type = String, required = false)]
    _tenant: (),
}

/// Makes a request one that can be sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyHeader {
    /// Of this caller alone.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,255}$", value_type = String, required = false)]
    _key: (),
}

/// What a request says of its sender.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    tenant: TenantId,
    shown: Option<Presented>,
    key: Option<String>,
    address: Option<IpAddr>,
    /// It is sent for others, by whoever stands between.
    forwarded: bool,
    trace: Option<Trace>,
}

impl FromRequestParts<Arc<Api>> for Credentials {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>();
        let address = peer.and_then(|peer| peer.address).map(|one| one.ip());
        let certificate = peer.and_then(|peer| peer.certificate.as_ref()).map(Arc::clone);
        let shown = match once(parts, &header::AUTHORIZATION)? {
            // Who gives a token speaks by that alone.
            None => certificate.map(Presented::Certificate),
            Some(value) => {
                let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
                if !scheme.eq_ignore_ascii_case("bearer") {
                    return Err(Problem::unauthorized(
                        "auth.scheme",
                        "give a token: `Authorization: Bearer …`",
                    ));
                }
                // What is no token at all is turned away before anything is read or opened for it.
                let shown = Presented::bearer(token.trim());
                Some(shown.map_err(|_| api.guesses.count(address, unknown()))?)
            }
        };
        let tenant = once(parts, &TENANT)?.unwrap_or("default");
        let tenant = match TenantId::parse(tenant) {
            Ok(tenant) => tenant,
            // Who shows nothing is told that first.
            Err(_) if shown.is_none() => TenantId::parse("default").map_err(|_| Problem::no_route())?,
            Err(_) => {
                return Err(Problem::bad("request.tenant", "`Cascade-Tenant` is no name of a tenant"));
            }
        };
        let key = once(parts, &IDEMPOTENCY)?.map(str::to_owned);
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(Problem::bad(
                "request.idempotency_key",
                format!("a key has 1 to {KEY_BYTES_MAX} bytes"),
            ));
        }
        let forwarded = local::speaks_for_others(parts);
        let trace = parts.extensions.get::<Trace>().cloned();
        Ok(Self { tenant, shown, key, address, forwarded, trace })
    }
}

impl Credentials {
    /// What is shown, if anything is.
    pub(super) fn are_there(&self) -> Result<&Presented, Problem> {
        let missing = || Problem::unauthorized("auth.missing", "give a token: `Authorization: Bearer …`");
        self.shown.as_ref().ok_or_else(missing)
    }

    /// Whether nobody has to be named: it comes from this machine itself, and for nobody else.
    pub(super) fn is_local(&self, peer: &Peer) -> bool {
        !matches!(self.shown, Some(Presented::Token(_) | Presented::Jwt(_)))
            && peer.is_local()
            && !self.forwarded
    }
}

/// A header that comes at most once: of two, a proxy before us may have believed the other one.
pub(super) fn once<'a>(parts: &'a Parts, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = parts.headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Problem::bad("request.header_repeated", format!("`{name}` comes more than once")));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| Problem::bad("request.header", format!("`{name}` is not visible ASCII")))
}

/// Somebody whose credential holds for what is asked.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The one tenant.
    pub(crate) tenant: Arc<Tenant>,
    /// Who asks.
    pub(crate) asker: Asker,
    /// What the credential may be used for.
    pub(crate) scopes: Vec<TokenScope>,
    /// Makes the request one that can be sent again.
    pub(crate) key: Option<String>,
    /// The trace that the request belongs to, where there are traces.
    pub(crate) trace: Option<Trace>,
}

impl Api {
    /// Whose credential it is, whatever it is for.
    fn look_up(&self, shown: &Credentials) -> Result<(Arc<Tenant>, Admitted), Problem> {
        let presented = shown.are_there()?;
        self.tenants.admit(&shown.tenant, presented).map_err(|refused| match refused {
            Refused::Unknown => self.guesses.count(shown.address, unknown()),
            Refused::Unavailable(error) => error.into(),
        })
    }

    /// The tenant of somebody whose credential holds.
    pub(super) async fn known(self: &Arc<Self>, shown: Credentials) -> Result<Arc<Tenant>, Problem> {
        let api = Arc::clone(self);
        self.blocking(move || Ok(api.look_up(&shown)?.0)).await
    }

    /// Lets somebody in, for one scope.
    pub(super) fn admit(&self, shown: &Credentials, scope: TokenScope) -> Result<Caller, Problem> {
        self.admitted(shown, scope).map(|(caller, _)| caller)
    }

    fn admitted(&self, shown: &Credentials, scope: TokenScope) -> Result<(Caller, bool), Problem> {
        let (tenant, counts) = self.look_up(shown)?;
        // Whoever may act may ask a model: that is an action.
        let fits = |scope| counts.scopes.contains(&scope);
        if !(fits(scope) || scope == TokenScope::Proxy && fits(TokenScope::Actions)) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "auth.scope",
                format!("this token is not for `{}`", scope.as_str()),
            ));
        }
        let Admitted { asker, suspended, scopes } = counts;
        let caller = Caller { tenant, asker, scopes, key: shown.key.clone(), trace: shown.trace.clone() };
        Ok((caller, suspended))
    }

    /// The same for whoever would begin something: nothing begins for a suspended tenant.
    pub(super) fn admit_to_begin(&self, shown: &Credentials, scope: TokenScope) -> Result<Caller, Problem> {
        let (caller, suspended) = self.admitted(shown, scope)?;
        let begins = !matches!(scope, TokenScope::Read | TokenScope::Admin);
        if begins && suspended {
            return Err(Problem::suspended());
        }
        Ok(caller)
    }
}

/// What somebody is told whose token or certificate does not count, or whose tenant is none: the same.
fn unknown() -> Problem {
    Problem::unauthorized("auth.unknown", "this token does not hold here")
}

impl Caller {
    /// The same, for what is not asked again under a key.
    pub(crate) fn apart(&self) -> Self {
        let Self { tenant, asker, scopes, key: _, trace } = self;
        let (tenant, asker) = (Arc::clone(tenant), asker.clone());
        Self { tenant, asker, scopes: scopes.clone(), key: None, trace: trace.clone() }
    }

    /// Whether the credential may be used for this.
    pub(crate) fn is_for(&self, scope: TokenScope) -> bool {
        self.scopes.contains(&scope)
    }

    /// These receipts came of the request.
    pub(crate) fn began(&self, receipts: impl IntoIterator<Item = ReceiptId>) {
        if let Some(trace) = &self.trace {
            receipts.into_iter().for_each(|receipt| trace.began(receipt));
        }
    }

    /// Whether the policy lets this caller do what the command `cascade VERB` does. Looking is decided without a halt
    /// or a suspension: who stopped a tenant wants to see why.
    pub(crate) fn may(&self, verb: &str) -> Result<(), Problem> {
        let ruling = self.ruling(verb)?;
        if ruling.decision.verdict == Verdict::Admit {
            return Ok(());
        }
        let detail = format!("the policy in force does not let you do what `cascade {verb}` does");
        Err(Problem::forbidden(detail, ReasonOut::all(&ruling)))
    }

    /// The same for what changes something: that somebody tried who may not is on record, like on the command line.
    pub(crate) fn may_act(&self, verb: &str) -> Result<(), Problem> {
        self.may(verb).map_err(|problem| {
            if problem.status() != StatusCode::FORBIDDEN {
                return problem;
            }
            let recorded = self.refused_act(verb, "approval.not_eligible");
            recorded.map_or_else(|error| error, |receipt| problem.of(receipt.receipt_id))
        })
    }

    /// Puts on record that this caller tried what `cascade VERB` does, and why that was refused.
    pub(crate) fn refused_act(&self, verb: &str, code: &str) -> Result<Appended, Problem> {
        let name = verb.replace(' ', "_");
        let act = Act { name: &name, line: &format!("{verb} (over HTTP)") };
        Ok(refused_act::record(&self.tenant.ledger, &self.asker, &act, code)?)
    }

    /// Whether this caller is shown private words: asked for by the name `cascade disclose`, which is no command.
    pub(crate) fn is_told_words(&self) -> Result<bool, Problem> {
        Ok(self.ruling("disclose")?.decision.verdict == Verdict::Admit)
    }

    fn ruling(&self, verb: &str) -> Result<Ruling, Problem> {
        let ledger = &self.tenant.ledger;
        let (snapshot, _) = self.tenant.policy.look(&ledger.present()?)?;
        let call = ToolCall {
            server: "cascade".to_owned(),
            tool: verb.to_owned(),
            arguments: "{}".to_owned(),
            definition: None,
            pinned: None,
        };
        let asked = Asked::Tool { call, cwd: PathBuf::new() };
        let mut facts = lease::facts(ledger, &snapshot, &self.asker, (&asked, None))?;
        (facts.tenant.active, facts.tenant.halted) = (true, false);
        Ok(decide::decide(&snapshot, &facts))
    }
}

/// Wrong tokens by the address they came from.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<BTreeMap<IpAddr, (Instant, u32)>>);

impl Guesses {
    /// Counts a wrong one. Past the limit, guessing is answered like a busy service; a right token is never turned away.
    fn count(&self, address: Option<IpAddr>, problem: Problem) -> Problem {
        let Some(address) = address else { return problem };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= GUESSERS_MAX && !known.contains_key(&address) {
            known.retain(|_, (since, _)| since.elapsed() < GUESSES_TIME);
            if known.len() >= GUESSERS_MAX {
                known.clear();
            }
        }
        let (since, count) = known.entry(address).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= GUESSES_TIME {
            (*since, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        if *count <= GUESSES_MAX {
            return problem;
        }
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "auth.too_many",
            "too many wrong tokens from this address",
        )
    }
}
