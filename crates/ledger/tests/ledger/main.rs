//! The ledger against real files, real processes and a real full disk.

#[cfg(test)]
mod append;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod fixture;
