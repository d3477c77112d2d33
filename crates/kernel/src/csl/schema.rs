//! The JSON Schema of specs, for editors. The reader is stricter: what a schema cannot say, it checks.

/// The schema, draft 2020-12.
#[must_use]
pub const fn schema() -> &'static str {
    include_str!("spec.schema.json")
}
