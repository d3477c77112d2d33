//! `/v1/chat/completions`, `/v1/messages` and `/v1/models`: what clients of language models speak, governed.
//!
//! A client changes its address and its key, which is a token here. Each request is an action: decided, its intent
//! durable before a byte of it leaves, its answer handed on behind the receipts that commit to it. What a model wants
//! called is part of its answer, and nothing that is done here.

mod answer;
mod below;
mod read;
mod refusal;

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use cascade_receipt::content::TokenScope;
use cascade_runtime::model::{self, Dialect, Model, Models};
use serde_json::{Value, json};

use self::answer::Answering;
use self::read::Read;
use self::refusal::Refusal;
use super::body::Whole;
use super::caller::once;
use super::{Api, Caller, Credentials, Problem, TenantHeader};

/// Most bytes of a request.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Requests of one tenant that are with models at once.
pub(super) const CALLS_MAX: usize = 32;
/// The same of all tenants.
pub(crate) const CALLS_ALL_MAX: usize = 64;

/// Where clients of Anthropic put their key.
static API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Ask a language model, in the words of OpenAI's chat completions.
///
/// The request is decided, passed on as it is to the configured model, and answered as its provider answers; a stream
/// stays one. `cascade-receipt` names the receipt. Errors are in OpenAI's shape.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "models",
    operation_id = "create_chat_completion",
    request_body = super::wire::proxy::ChatIn,
    params(TenantHeader),
    responses(
        (status = 200, description = "The model's answer, or its stream", content(
            (super::wire::proxy::Anything = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", description = "Not asked, or not answered", body = super::wire::proxy::ChatError),
        (status = "5XX", description = "No answer came", body = super::wire::proxy::ChatError),
    ),
    security(("token" = []))
)]
pub(super) async fn chat(State(api): State<Arc<Api>>, request: Request) -> Response {
    answered(&api, Dialect::Chat, request).await
}

/// Ask a language model, in the words of Anthropic's messages.
///
/// As `/v1/chat/completions`; the token may come as `x-api-key`. Errors are in Anthropic's shape.
#[utoipa::path(
    post,
    path = "/v1/messages",
    tag = "models",
    operation_id = "create_message",
    request_body = super::wire::proxy::MessagesIn,
    params(TenantHeader),
    responses(
        (status = 200, description = "The model's answer, or its stream", content(
            (super::wire::proxy::Anything = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", description = "Not asked, or not answered", body = super::wire::proxy::MessagesError),
        (status = "5XX", description = "No answer came", body = super::wire::proxy::MessagesError),
    ),
    security(("token" = []))
)]
pub(super) async fn messages(State(api): State<Arc<Api>>, request: Request) -> Response {
    answered(&api, Dialect::Messages, request).await
}

/// The language models that can be asked here, by the names that `model` takes.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "models",
    operation_id = "list_models",
    params(TenantHeader),
    responses(
        (status = 200, description = "The models", body = super::wire::proxy::Anything),
        (status = "4XX", description = "Not shown", body = super::wire::proxy::ChatError),
        (status = "5XX", description = "They cannot be read now", body = super::wire::proxy::ChatError),
    ),
    security(("token" = []))
)]
pub(super) async fn models(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match listed(&api, &mut parts).await {
        Ok(list) => axum::response::IntoResponse::into_response(Json(list)),
        Err(problem) => Refusal::of(&problem).response(Dialect::Chat),
    }
}

async fn listed(api: &Arc<Api>, parts: &mut Parts) -> Result<Value, Problem> {
    let shown = credentials(api, parts).await?;
    let own = Arc::clone(api);
    api.work(shown, TokenScope::Proxy, move |_| {
        let models = configured(&own)?;
        let one = |(id, model): (String, &Model)| {
            json!({"id": id, "object": "model", "created": 0, "owned_by": model.provider().as_str()})
        };
        let data: Vec<Value> = names(&models).into_iter().map(one).collect();
        Ok(json!({"object": "list", "data": data}))
    })
    .await
}

async fn answered(api: &Arc<Api>, dialect: Dialect, request: Request) -> Response {
    match asked(api, dialect, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(dialect),
    }
}

async fn asked(api: &Arc<Api>, dialect: Dialect, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let shown = credentials(api, &mut parts).await.map_err(|problem| Refusal::of(&problem))?;
    let body = Whole::read(body, api, shown.clone(), REQUEST_BYTES_MAX).await;
    let body = body.map_err(|problem| Refusal::of(&problem))?;
    let (own, headers) = (Arc::clone(api), parts.headers);
    let prepared = api
        .work(shown, TokenScope::Proxy, move |caller| Ok(prepared(&own, caller, (dialect, &headers), &body)));
    let answering = prepared.await.map_err(|problem| Refusal::of(&problem))??;
    answering.respond(api).await
}

/// Everything that is to be asked, held to what is configured.
fn prepared(
    api: &Api,
    caller: &Caller,
    (dialect, headers): (Dialect, &HeaderMap),
    body: &[u8],
) -> Result<Answering, Refusal> {
    let read = Read::of(dialect, body)?;
    let models = configured(api).map_err(|problem| Refusal::of(&problem))?;
    let model = named(&models, dialect, &read.model)?.clone();
    let alone = models.lower_layers().and_then(|least| Some((least, read.alone()?)));
    let (sent, shown) = read.sent(&model, headers)?;
    Ok(Answering { caller: caller.apart(), model, sent, shown, alone })
}

fn configured(api: &Api) -> Result<Models, Problem> {
    Models::load(&api.tenants().home().join(model::FILE))
        .map_err(|_| Problem::internal("the configuration of models cannot be read now"))
}

/// The model of this name: ours first, then the provider's own where it means one.
fn named<'m>(models: &'m Models, dialect: Dialect, name: &str) -> Result<&'m Model, Refusal> {
    let ours = models.pick(Some(name));
    let theirs = || only(models.all().filter(|model| model.model() == name && model.speaks(dialect)));
    let model = ours.or_else(theirs).ok_or_else(|| Refusal::no_model(name))?;
    if model.speaks(dialect) { Ok(model) } else { Err(Refusal::other_dialect(name, dialect)) }
}

/// Every name that can be given, each once.
fn names(models: &Models) -> Vec<(String, &Model)> {
    let mut names: Vec<(String, &Model)> =
        models.all().filter(|model| speaks(model)).map(|model| (model.name().to_owned(), model)).collect();
    for model in models.all().filter(|model| speaks(model)) {
        let means_it = |dialect| named(models, dialect, model.model()).is_ok_and(|one| one == model);
        let known = names.iter().any(|(name, _)| name == model.model());
        if !known && (means_it(Dialect::Chat) || means_it(Dialect::Messages)) {
            names.push((model.model().to_owned(), model));
        }
    }
    names
}

const fn speaks(model: &Model) -> bool {
    model.speaks(Dialect::Chat) || model.speaks(Dialect::Messages)
}

fn only<'m>(mut models: impl Iterator<Item = &'m Model>) -> Option<&'m Model> {
    let first = models.next();
    first.filter(|_| models.next().is_none())
}

/// Who is there. Clients of Anthropic show their key under a name of its own.
async fn credentials(api: &Arc<Api>, parts: &mut Parts) -> Result<Credentials, Problem> {
    let key = once(parts, &API_KEY)?.map(|key| format!("Bearer {}", key.trim()));
    if let Some(bearer) = key {
        let both = once(parts, &header::AUTHORIZATION)?.is_some_and(|other| other.trim() != bearer);
        if both {
            let detail = "`x-api-key` and `Authorization` name two tokens; give one";
            return Err(Problem::bad("request.header_repeated", detail));
        }
        let value = HeaderValue::from_str(&bearer)
            .map_err(|_| Problem::bad("request.header", "`x-api-key` is not visible ASCII"))?;
        parts.headers.insert(header::AUTHORIZATION, value);
    }
    Credentials::from_request_parts(parts, api).await
}
