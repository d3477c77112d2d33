//! Why the gates answered as they did, in words for people and as JSON.

pub(crate) use cascade_policy::words::{code_text, codes, document, limits, texts};
use cascade_policy::worker::Classified;

/// What a command acts on.
pub(crate) fn resources(command: &Classified) -> String {
    let names: Vec<String> = command.resources.iter().map(ToString::to_string).collect();
    names.join(", ")
}
