//! CSL, the Cascade Spec Language: a workflow as data, read from YAML or JSON.
//!
//! A spec is read strictly: what this version does not know is refused, with line and column. Its hash is SHA-256 over
//! the RFC 8785 text of the data as written, so that the same data hashes the same in YAML and in JSON, and nothing that
//! is left out is filled in first. What people sign and what every receipt of a run carries is this hash.
//!
//! Values flow by reference: a template (`--tag=${inputs.tag}`) or an expression names inputs and the results of steps
//! before. Expressions are the Common Expression Language; a template's text is one word of a command, whatever a value
//! holds.

mod check;
mod expression;
mod fault;
mod fields;
mod input;
mod node;
mod read;
mod schema;
mod scope;
mod steps;
mod template;
mod text;

use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;

pub use self::expression::{COST_MAX, Expression, SOURCE_BYTES_MAX};
pub(crate) use self::expression::{data_of, map_of, value_of};
pub use self::fault::{Fault, Faults};
pub use self::input::{Input, InputType};
pub use self::node::{DEPTH_MAX, NODES_MAX, SPEC_BYTES_MAX};
pub use self::read::{
    Approval, Command, Constraints, FAN_OUT_MAX, FanOut, Http, OnFailure, PARALLEL_MAX, Retry, STEPS_MAX,
    Spec, Step, SubWorkflow, Subject, TaskOf, Wait, Window, Work,
};
pub use self::schema::schema;
pub(crate) use self::scope::json_of;
pub use self::scope::{EvaluationFault, Scope};
pub use self::template::Template;

/// A spec with what it was read from.
#[derive(Debug)]
pub struct Document {
    /// What it says.
    pub spec: Spec,
    /// The data as written.
    pub data: Value,
}

impl Document {
    /// Reads YAML or JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text; one fault where the text itself cannot be read.
    pub fn read(text: &[u8]) -> Result<Self, Faults> {
        let node = text::parse(text).map_err(Faults::one)?;
        let spec = read::spec(&node)?;
        check::check(&spec)?;
        Ok(Self { spec, data: node.to_value() })
    }

    /// What a run starts with: the values given, and the defaults of the others.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn inputs(&self, given: &Value) -> Result<Value, Vec<String>> {
        input::bind(&self.spec.inputs, given)
    }

    /// The same of whoever has not made up their mind: and the names of those that are missing.
    ///
    /// # Errors
    /// Everything that is wrong with those given.
    pub fn inputs_so_far(&self, given: &Value) -> Result<(Value, Vec<String>), Vec<String>> {
        input::bind_so_far(&self.spec.inputs, given)
    }

    /// What is kept of it for ever; reading it again gives the same spec.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.data.to_canonical()
    }

    /// SHA-256 over [`Self::canonical`].
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }
}
