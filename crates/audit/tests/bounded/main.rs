//! SQL of strangers, in a process of its own: the bound of memory is one for all of SQLite in a process, and what runs beside
//! a query that reaches it fails as well.

#[cfg(test)]
mod sql;
