//! What of the project's own commands tests use too.

pub mod local_model;
