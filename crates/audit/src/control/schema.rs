//! The tables of the view.

/// What makes them.
pub(super) const TABLES: &str = include_str!("schema.sql");
