//! The promises of facts, snapshots, gates and decisions.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod compile;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod difference;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod home;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod load;
#[cfg(test)]
mod packs;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod setting;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod workflows;
