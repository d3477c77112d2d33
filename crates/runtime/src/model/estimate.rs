//! What a call may cost, before it is made, and what one cost whose provider did not say.

use super::{Model, Prompt};

/// Tokens that providers add around a message: roles, separators, the beginning of the answer.
const AROUND_TOKENS: u64 = 64;
/// Tokens that providers add when tools are offered: Anthropic's own instructions for them are the longest.
const TOOLS_TOKENS: u64 = 1024;
/// Tokens that providers add for each tool.
const TOOL_TOKENS: u64 = 64;
/// Bytes of a token, at the least that is usual: English prose has four, code three.
const TOKEN_BYTES: u64 = 3;

/// What a call costs at the most, and what it will likely cost for its prompt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// Upper bound for the prompt. A token stands for one byte or more.
    pub tokens_in: u64,
    /// Upper bound for the answer.
    pub tokens_out: u64,
    /// Upper bound of the cost, in millionths of a dollar.
    pub cost_microusd: u64,
    /// What the prompt likely has.
    pub tokens_in_likely: u64,
}

/// Bounds what a call costs. Only one attempt is charged: what an error answers is not, and what was answered is not
/// asked again.
#[must_use]
pub fn estimate(model: &Model, prompt: &Prompt) -> Estimate {
    let bytes = u64::try_from(prompt.bytes()).unwrap_or(u64::MAX);
    let around = around(prompt);
    let tokens_in = bytes.saturating_add(around);
    let tokens_out = u64::from(model.max_output_tokens);
    Estimate {
        tokens_in,
        tokens_out,
        cost_microusd: model.cost(tokens_in, tokens_out),
        tokens_in_likely: likely(bytes).saturating_add(around),
    }
}

/// Bounds what a request of the caller's own costs: its bytes, and as many tokens of answers as it says.
#[must_use]
pub fn estimate_of(model: &Model, bytes: usize, tokens_out: u64) -> Estimate {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let tokens_in = bytes.saturating_add(AROUND_TOKENS);
    Estimate {
        tokens_in,
        tokens_out,
        cost_microusd: model.cost(tokens_in, tokens_out),
        tokens_in_likely: likely(bytes).saturating_add(AROUND_TOKENS),
    }
}

fn around(prompt: &Prompt) -> u64 {
    let tools = u64::try_from(prompt.tools.len()).unwrap_or(u64::MAX);
    let for_tools =
        if tools == 0 { 0 } else { tools.saturating_mul(TOOL_TOKENS).saturating_add(TOOLS_TOKENS) };
    for_tools.saturating_add(AROUND_TOKENS)
}

/// Tokens that this many bytes likely are.
pub(super) const fn likely(bytes: u64) -> u64 {
    bytes.div_ceil(TOKEN_BYTES)
}

impl Model {
    /// What tokens cost by the configured prices, rounded up.
    #[must_use]
    pub fn cost(&self, tokens_in: u64, tokens_out: u64) -> u64 {
        let price = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let millionths = price(tokens_in, self.price_in) + price(tokens_out, self.price_out);
        u64::try_from(millionths.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}
