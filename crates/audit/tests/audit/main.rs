//! Questions asked of chains that are built here.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod packs;
#[cfg(test)]
mod report;
