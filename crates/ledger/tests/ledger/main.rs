//! The ledger against real files, real processes and a real full disk.

#[cfg(test)]
mod append;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod child;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod home;
#[cfg(test)]
mod index;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod workflows;
