//! What sets providers apart that `genai` does not hide.

use cascade_policy::credential::endpoint::Endpoint;
use genai::adapter::AdapterKind;

/// Whose messages are spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Provider {
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions.
    OpenAi,
    /// OpenAI's responses, which Codex models want.
    OpenAiResponses,
    /// Google's Gemini.
    Gemini,
    /// Ollama's own messages.
    Ollama,
    /// Anything that speaks OpenAI's chat completions.
    OpenAiCompatible,
}

impl Provider {
    /// All, as `models.toml` calls them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("anthropic", Self::Anthropic),
        ("openai", Self::OpenAi),
        ("openai_responses", Self::OpenAiResponses),
        ("gemini", Self::Gemini),
        ("ollama", Self::Ollama),
        ("openai_compatible", Self::OpenAiCompatible),
    ];

    /// The provider of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, _)| *own == name).map(|(_, provider)| *provider)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, provider)| *provider == self).map_or("", |(name, _)| name)
    }

    /// Never left to the model's name: a name that `genai` does not know would go to Ollama.
    pub(super) const fn adapter(self) -> AdapterKind {
        match self {
            Self::Anthropic => AdapterKind::Anthropic,
            Self::OpenAi | Self::OpenAiCompatible => AdapterKind::OpenAI,
            Self::OpenAiResponses => AdapterKind::OpenAIResp,
            Self::Gemini => AdapterKind::Gemini,
            Self::Ollama => AdapterKind::Ollama,
        }
    }

    /// Where it is unless `endpoint` says otherwise.
    pub(super) const fn address(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("https://api.anthropic.com/v1/"),
            Self::OpenAi | Self::OpenAiResponses => Some("https://api.openai.com/v1/"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com/v1beta/"),
            Self::Ollama => Some("http://127.0.0.1:11434/"),
            Self::OpenAiCompatible => None,
        }
    }

    /// The endpoint of that.
    #[must_use]
    pub fn endpoint(self) -> Option<Endpoint> {
        let (scheme, rest) = self.address()?.split_once("://")?;
        Endpoint::parse(&format!("{scheme}://{}", rest.split('/').next()?)).ok()
    }

    /// The header that carries the key, and what stands before it.
    pub(super) const fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Anthropic => ("x-api-key", ""),
            Self::Gemini => ("x-goog-api-key", ""),
            Self::OpenAi | Self::OpenAiResponses | Self::OpenAiCompatible | Self::Ollama => {
                ("authorization", "Bearer ")
            }
        }
    }

    /// The content type of its streams.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Ollama => "application/x-ndjson",
            _ => "text/event-stream",
        }
    }
}
