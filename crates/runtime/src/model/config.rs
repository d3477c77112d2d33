//! `models.toml`: which models there are.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cascade_policy::credential::{self, endpoint::Endpoint};
use cascade_receipt::content::Evidence;
use genai::chat::ReasoningEffort;
use rustix::fs::OFlags;
use serde::Deserialize;

use super::Provider;

/// The file's name in the home.
pub const FILE: &str = "models.toml";
/// Longest file in bytes.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// Most models.
pub const MODELS_MAX: usize = 32;
/// Longest name of a model, the provider's and our own, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// Longest path of an endpoint in bytes.
const PATH_BYTES_MAX: usize = 200;
/// Most attempts.
const ATTEMPTS_MAX: u32 = 10;
/// Longest time for one attempt, in seconds.
const TIMEOUT_S_MAX: u64 = 3600;
/// Most tokens of an answer.
const OUTPUT_TOKENS_MAX: u32 = 1_000_000;
/// Highest price of a million tokens, in millionths of a dollar.
const PRICE_MAX: u64 = 1_000_000_000_000;

/// What can be asked, checked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Models {
    models: BTreeMap<String, Model>,
    used: Option<String>,
    lower_layers: Option<Evidence>,
}

/// A language model.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    pub(super) name: String,
    pub(super) provider: Provider,
    pub(super) model: String,
    pub(super) endpoint: Endpoint,
    /// Path of the endpoint, beginning and ending in `/`.
    pub(super) path: String,
    /// Certificates that are trusted instead of the roots that are built in.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) secret: Option<String>,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
    pub(super) max_output_tokens: u32,
    pub(super) price_in: u64,
    pub(super) price_out: u64,
    pub(super) temperature: Option<f64>,
    pub(super) seed: Option<u64>,
}

/// What is wrong with the file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{FILE}: {place}{what}")]
pub struct ConfigFault {
    place: String,
    what: String,
    hint: &'static str,
}

impl ConfigFault {
    fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { place: String::new(), what: what.into(), hint }
    }

    fn within(mut self, name: &str) -> Self {
        self.place = format!("model `{name}`: ");
        self
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        self.hint
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "use")]
    used: Option<String>,
    #[serde(default)]
    models: BTreeMap<String, Entry>,
    #[serde(default)]
    proxy: Proxy,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Proxy {
    lower_layers: Option<String>,
}

impl Proxy {
    fn check(&self) -> Result<Option<Evidence>, ConfigFault> {
        let Some(text) = self.lower_layers.as_deref().filter(|text| *text != "off") else { return Ok(None) };
        match Evidence::parse(text).filter(|evidence| *evidence > Evidence::Proposed) {
            Some(evidence) => Ok(Some(evidence)),
            None => Err(ConfigFault::new(
                format!("`lower_layers` is `{text}`"),
                "say which answers count: `off`, `checked` or `verified`",
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    model: String,
    endpoint: Option<String>,
    ca_file: Option<PathBuf>,
    secret: Option<String>,
    timeout_s: Option<u64>,
    attempts: Option<u32>,
    max_output_tokens: Option<u32>,
    price_in: Option<u64>,
    price_out: Option<u64>,
    temperature: Option<f64>,
    seed: Option<u64>,
}

impl Models {
    /// Reads the file; none means no models.
    ///
    /// # Errors
    /// See [`ConfigFault`].
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        let unread = |error: std::io::Error| {
            ConfigFault::new(format!("it cannot be read: {error}"), "check who may read it")
        };
        // Nobody waits for whoever may write into a pipe.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unread(error)),
        };
        if !file.metadata().map_err(unread)?.is_file() {
            return Err(ConfigFault::new("it is no file", "put a file there, or nothing"));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(too_long());
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| ConfigFault::new("it is no UTF-8 text", "save it as UTF-8"))?;
        Self::parse(&text)
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// See [`ConfigFault`].
    pub fn parse(text: &str) -> Result<Self, ConfigFault> {
        if text.len() > FILE_BYTES_MAX {
            return Err(too_long());
        }
        let document: Document = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        if document.models.len() > MODELS_MAX {
            let what = format!("there are more than {MODELS_MAX} models");
            return Err(ConfigFault::new(what, "leave out models that nobody uses"));
        }
        if let Some(used) = document.used.as_ref().filter(|used| !document.models.contains_key(*used)) {
            let what = format!("`use` names `{used}`, which there is not");
            return Err(ConfigFault::new(what, "name one of the `[models.NAME]` tables"));
        }
        let checked = |(name, entry): (String, Entry)| match credential::check_name(&name)
            .map_err(|_| {
                ConfigFault::new("that is no name", "use up to 64 letters, digits, `-`, `_` and `.`")
            })
            .and_then(|()| entry.check(&name))
        {
            Ok(model) => Ok((name, model)),
            Err(fault) => Err(fault.within(&name)),
        };
        let models = document.models.into_iter().map(checked).collect::<Result<_, _>>()?;
        Ok(Self { models, used: document.used, lower_layers: document.proxy.check()? })
    }

    /// The model of this name; without a name, the one that `use` picks, or the only one.
    #[must_use]
    pub fn pick(&self, name: Option<&str>) -> Option<&Model> {
        match name.or(self.used.as_deref()) {
            Some(name) => self.models.get(name),
            None if self.models.len() == 1 => self.models.values().next(),
            None => None,
        }
    }

    /// Why [`Models::pick`] picks none without a name, though there are several, and what to write.
    #[must_use]
    pub fn unchosen(&self) -> Option<String> {
        let first = self.models.keys().next().filter(|_| self.pick(None).is_none())?;
        let names: Vec<String> = self.models.keys().map(|name| format!("`{name}`")).collect();
        Some(format!("of {}; write `use = \"{first}\"` at the top of {FILE}", names.join(", ")))
    }

    /// The least evidence with which the router's layers below a model may answer a request to one; none where they
    /// are not asked.
    #[must_use]
    pub const fn lower_layers(&self) -> Option<Evidence> {
        self.lower_layers
    }

    /// All, by name.
    pub fn all(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }
}

impl Model {
    /// Our own name of it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose messages are spoken.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// The provider's name of it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The only place that is spoken to.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The secret that holds its key.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// Everything that an answer depends on, in words: another text means that another answer may come.
    #[must_use]
    pub fn identity(&self) -> String {
        let Self { provider, model, endpoint, path, max_output_tokens, temperature, seed, .. } = self;
        format!(
            "{} {model} {endpoint}{path} max_output_tokens={max_output_tokens} temperature={temperature:?} seed={seed:?}",
            provider.as_str()
        )
    }

    /// Most tokens of an answer.
    #[must_use]
    pub const fn max_output_tokens(&self) -> u32 {
        self.max_output_tokens
    }
}

impl Entry {
    fn check(self, name: &str) -> Result<Model, ConfigFault> {
        let provider = Provider::parse(&self.provider).ok_or_else(|| {
            let names = "anthropic, openai, openai_responses, gemini, ollama or openai_compatible";
            ConfigFault::new(format!("`{}` is no provider", self.provider), names)
        })?;
        check_model(&self.model)?;
        let (endpoint, path) = endpoint(provider, self.endpoint.as_deref())?;
        if let Some(secret) = &self.secret {
            let hint = "name a secret that `cascade secret list` shows";
            credential::check_name(secret).map_err(|fault| ConfigFault::new(fault.to_string(), hint))?;
        }
        let priced = endpoint.is_loopback() || (self.price_in.is_some() && self.price_out.is_some());
        if !priced {
            let hint = "give `price_in` and `price_out`, millionths of a dollar for a million tokens; 0 if it is free";
            return Err(ConfigFault::new("what it costs is not said", hint));
        }
        if self.ca_file.as_ref().is_some_and(|path| !path.is_absolute() || !endpoint.tls()) {
            let hint = "give an absolute path, and an `https` endpoint";
            return Err(ConfigFault::new("`ca_file` means nothing here", hint));
        }
        if self.temperature.is_some_and(|heat| !(0.0..=2.0).contains(&heat)) {
            return Err(ConfigFault::new("`temperature` is out of range", "give 0 to 2"));
        }
        if self.seed.is_some() && provider == Provider::Anthropic {
            return Err(ConfigFault::new("this provider takes no `seed`", "leave it out"));
        }
        Ok(Model {
            name: name.to_owned(),
            provider,
            endpoint,
            path,
            timeout: Duration::from_secs(within("timeout_s", self.timeout_s, 60, 1..=TIMEOUT_S_MAX)?),
            attempts: within("attempts", self.attempts, 3, 1..=ATTEMPTS_MAX)?,
            max_output_tokens: within(
                "max_output_tokens",
                self.max_output_tokens,
                2048,
                1..=OUTPUT_TOKENS_MAX,
            )?,
            price_in: within("price_in", self.price_in, 0, 0..=PRICE_MAX)?,
            price_out: within("price_out", self.price_out, 0, 0..=PRICE_MAX)?,
            model: self.model,
            ca_file: self.ca_file,
            secret: self.secret,
            temperature: self.temperature,
            seed: self.seed,
        })
    }
}

fn too_long() -> ConfigFault {
    ConfigFault::new("it is longer than 64 KiB", "leave out models that nobody uses")
}

fn syntax(text: &str, error: &toml::de::Error) -> ConfigFault {
    let place = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or_else(String::new, |before| format!("line {}: ", before.matches('\n').count() + 1));
    // A member that is not known comes with the list of those that are.
    let hint = "docs/models.md shows every member";
    ConfigFault { place, ..ConfigFault::new(error.message().lines().next().unwrap_or_default(), hint) }
}

fn within<T: PartialOrd + std::fmt::Display>(
    member: &str,
    given: Option<T>,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, ConfigFault> {
    let value = given.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let what = format!("`{member}` is {value}, and may be {} to {}", range.start(), range.end());
    Err(ConfigFault::new(what, "give a number within these bounds"))
}

/// A name that reaches the provider as it is: `genai` takes `NAME::` for a provider and some endings for settings.
fn check_model(model: &str) -> Result<(), ConfigFault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+".contains(&byte);
    let shaped = (1..=NAME_BYTES_MAX).contains(&model.len()) && model.bytes().all(plain);
    if !shaped || model.contains("::") || model.contains("..") || model.starts_with('/') {
        let hint = "give the provider's own name: letters, digits and `-_.:/@+`, at most 200";
        return Err(ConfigFault::new(format!("`{model}` is no name of a model"), hint));
    }
    if ReasoningEffort::from_model_name(model).0.is_some() {
        let hint = "leave out the ending (`-low`, `-high` …), which is taken for a setting, not for a part of the name";
        return Err(ConfigFault::new(format!("`{model}` would be asked for under another name"), hint));
    }
    Ok(())
}

fn endpoint(provider: Provider, given: Option<&str>) -> Result<(Endpoint, String), ConfigFault> {
    let hint = "give something like `https://api.example.com/v1/`";
    let text = given.or(provider.address()).ok_or_else(|| {
        ConfigFault::new("this provider has no endpoint of its own, and `endpoint` is missing", hint)
    })?;
    let after = text.find("://").map_or(0, |at| at + 3);
    let slash = text.get(after..).and_then(|rest| rest.find('/')).map_or(text.len(), |at| after + at);
    let (endpoint, path) = text.split_at_checked(slash).unwrap_or((text, ""));
    let endpoint = Endpoint::parse(endpoint).map_err(|fault| ConfigFault::new(fault.to_string(), hint))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let dots = path.split('/').any(|part| part == "." || part == "..");
    if path.len() > PATH_BYTES_MAX || !path.bytes().all(plain) || path.contains("//") || dots {
        return Err(ConfigFault::new("the path of `endpoint` is none", hint));
    }
    Ok((endpoint, if path.ends_with('/') { path.to_owned() } else { format!("{path}/") }))
}

#[cfg(test)]
mod tests;
