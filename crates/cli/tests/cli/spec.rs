//! `cascade spec`.
