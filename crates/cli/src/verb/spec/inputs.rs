//! What a run is given: values typed on the command line, or in a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use cascade_kernel::csl::{Document, Input, InputType};
use cascade_receipt::json::{self, INT_MAX, Value};
use clap::Args;

use super::bytes_of;
use crate::exit::Failure;

/// Longest file of inputs.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The flags that give inputs.
#[derive(Args, Debug, Clone)]
pub(crate) struct Given {
    /// An input of the spec; a list as JSON (`hosts=["a","b"]`) or one item each time it is given
    #[arg(long = "input", value_name = "NAME=VALUE")]
    input: Vec<String>,
    /// Inputs as a JSON object; what --input says comes before it
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
}

impl Given {
    /// What was given, each value of its input's type; whether the values will do is for the spec to say.
    pub(crate) fn read(&self, document: &Document) -> Result<Value, Failure> {
        let mut all = match &self.inputs {
            None => BTreeMap::new(),
            Some(file) => {
                let bytes = bytes_of(file, FILE_BYTES_MAX)?;
                if bytes.len() > FILE_BYTES_MAX {
                    return Err(wrong(
                        format!("`{}` has more than {FILE_BYTES_MAX} bytes", file.display()),
                        document,
                    ));
                }
                match json::parse(&bytes).with_context(|| format!("couldn't use `{}`", file.display())) {
                    Ok(Value::Object(members)) => members,
                    Ok(_) => return Err(wrong(format!("`{}` is no JSON object", file.display()), document)),
                    Err(error) => return Err(wrong(format!("{error:#}"), document)),
                }
            }
        };
        let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in &self.input {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(wrong(format!("`{pair}` is not NAME=VALUE"), document));
            };
            texts.entry(name).or_default().push(value);
        }
        for (name, values) in texts {
            let Some(input) = document.spec.inputs.iter().find(|input| input.name == name) else {
                return Err(wrong(format!("there is no input `{name}`"), document));
            };
            let value =
                typed(input, &values).map_err(|why| wrong(format!("input `{name}` {why}"), document))?;
            all.insert(name.to_owned(), value);
        }
        Ok(Value::Object(all))
    }
}

/// Inputs that will not do.
pub(crate) fn wrong(message: impl std::fmt::Display, document: &Document) -> Failure {
    let describe = |input: &Input| {
        let needed = if input.default.is_none() { " (needed)" } else { "" };
        format!("{} {}{needed}", input.name, input.kind.as_str())
    };
    let all: Vec<String> = document.spec.inputs.iter().map(describe).collect();
    let hint = if all.is_empty() {
        "this spec takes no inputs".to_owned()
    } else {
        format!("it takes {}", all.join(", "))
    };
    Failure::usage(message).hint(hint)
}

fn typed(input: &Input, values: &[&str]) -> Result<Value, String> {
    match (input.kind, values) {
        (InputType::Texts | InputType::Ints, [one]) if one.starts_with('[') => {
            json::parse(one.as_bytes()).map_err(|fault| format!("is no JSON list: {fault}"))
        }
        (InputType::Texts, _) => Ok(Value::Array(values.iter().map(|text| (*text).into()).collect())),
        (InputType::Ints, _) => {
            values.iter().map(|text| whole(text)).collect::<Result<_, _>>().map(Value::Array)
        }
        (InputType::Text, [one]) => Ok((*one).into()),
        (InputType::Int, [one]) => whole(one),
        (InputType::Bool, ["true"]) => Ok(true.into()),
        (InputType::Bool, ["false"]) => Ok(false.into()),
        (InputType::Bool, [one]) => Err(format!("is `true` or `false`, not `{one}`")),
        (InputType::Text | InputType::Int | InputType::Bool, _) => Err("is given twice".to_owned()),
    }
}

fn whole(text: &str) -> Result<Value, String> {
    match text.parse() {
        Ok(number) if (-INT_MAX..=INT_MAX).contains(&number) => Ok(Value::Int(number)),
        _ => Err(format!("is a whole number within ±(2^53 − 1), not `{text}`")),
    }
}
