//! The built binary, as people and scripts meet it: real processes, real files, a real repository.

#[cfg(test)]
mod aftermath;
#[cfg(test)]
mod again;
#[cfg(test)]
mod apart;
#[cfg(test)]
mod approved;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod backtest;
#[cfg(test)]
mod bad;
#[cfg(test)]
mod beneath;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod campaign;
#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod cron;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod erase;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod fair;
#[cfg(test)]
mod fan_out;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod full;
#[cfg(test)]
mod git;
#[cfg(test)]
mod glass;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod halt;
#[cfg(test)]
mod help;
#[cfg(test)]
mod hook;
#[cfg(test)]
mod hook_settings;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inject;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lineage;
#[cfg(test)]
mod log;
#[cfg(test)]
mod many;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod migration;
#[cfg(test)]
mod model;
#[cfg(test)]
mod names;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod next;
#[cfg(test)]
mod out;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod own_home;
#[cfg(test)]
mod packs;
#[cfg(test)]
mod passing;
#[cfg(test)]
mod people;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod powercut;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod random;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod recall;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod replayed;
#[cfg(test)]
mod report;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod rollback;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod screen;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod secret;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod service;
#[cfg(test)]
mod session;
#[cfg(test)]
mod shims;
#[cfg(test)]
mod site;
#[cfg(test)]
mod spans;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod task;
#[cfg(test)]
mod team;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod thinking;
#[cfg(test)]
mod timestamp;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod told;
#[cfg(test)]
mod tour;
#[cfg(test)]
mod trace;
#[cfg(test)]
mod travel;
#[cfg(test)]
mod triage;
#[cfg(test)]
mod tty;
#[cfg(test)]
mod verifiers;
#[cfg(test)]
mod watched;
#[cfg(test)]
mod witness;
#[cfg(test)]
mod words;
#[cfg(test)]
mod workers;
