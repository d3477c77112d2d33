//! What a verification answers.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bundle::NOT_PROVEN;
use crate::digest::Digest;
use crate::id::ReceiptId;
use crate::json::Writer;
use crate::verify::Identity;
use crate::verify::anchors::Remembered;
use crate::verify::code::{Check, Code};
use crate::verify::stamps::{Stamp, TimeStamp};

/// The last receipt found good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its position.
    pub seq: u64,
    /// Its hash.
    pub entry_hash: Digest,
}

/// The first fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What it is.
    pub code: Code,
    /// The first bad receipt; for a line that does not parse, the line's index from 0.
    pub seq: u64,
    /// More, for people.
    pub detail: String,
}

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing wrong in the whole input.
    Pass,
    /// Something is wrong.
    Fail,
    /// An earlier check failed first.
    NotReached,
    /// The reader brought nothing to check against.
    NotAsked,
}

impl Outcome {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotReached => "not_reached",
            Self::NotAsked => "not_asked",
        }
    }
}

/// One check's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckResult {
    /// Which check.
    pub check: Check,
    /// How it ended.
    pub outcome: Outcome,
    /// What it found, when it failed.
    pub fault: Option<Fault>,
}

/// An intent in flight at the end, or a workflow that has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// Its position.
    pub seq: u64,
    /// Its id.
    pub receipt_id: ReceiptId,
}

/// The whole answer.
#[derive(Clone, Debug)]
pub struct Verdict {
    parts: Parts,
    checks: Vec<CheckResult>,
    timestamps: Vec<TimeStamp>,
}

/// What was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// A whole chain, from genesis.
    Ledger,
    /// Chosen receipts.
    Bundle,
}

#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) form: Form,
    pub(super) identity: Option<Identity>,
    pub(super) key_pinned: bool,
    pub(super) other_genesis: bool,
    /// Checks that the reader brought nothing for.
    pub(super) not_asked: Vec<Check>,
    pub(super) receipts: u64,
    pub(super) head: Option<Head>,
    pub(super) root: Option<Digest>,
    pub(super) anchored_through: Option<u64>,
    pub(super) open: Vec<(u64, ReceiptId)>,
    pub(super) open_chains: Vec<(u64, ReceiptId)>,
    pub(super) fault: Option<Fault>,
    pub(super) stamped: Vec<(Stamp, u64)>,
}

impl Verdict {
    pub(super) fn new(parts: Parts) -> Self {
        let failed = parts.fault.as_ref().map(|fault| fault.code.check());
        let all = match parts.form {
            Form::Ledger => Check::LEDGER,
            Form::Bundle => Check::BUNDLE,
        };
        let checks = all
            .iter()
            .map(|check| {
                let asked = !parts.not_asked.contains(check);
                let outcome = match failed {
                    _ if !asked => Outcome::NotAsked,
                    Some(failed) if failed == *check => Outcome::Fail,
                    Some(failed) if failed < *check => Outcome::NotReached,
                    _ => Outcome::Pass,
                };
                let fault = if outcome == Outcome::Fail { parts.fault.clone() } else { None };
                CheckResult { check: *check, outcome, fault }
            })
            .collect();
        Self { parts, checks, timestamps: Vec::new() }
    }

    /// Whether nothing is wrong, with the ledger and with the time stamps beside it.
    #[must_use]
    pub fn valid(&self) -> bool {
        self.parts.fault.is_none() && self.timestamps.iter().all(|stamp| stamp.outcome == Outcome::Pass)
    }

    /// How many receipts the checkpoint covers that a token is over: one that the ledger names with the token, or
    /// that the reader gave.
    #[must_use]
    pub fn stamped(&self, stamp: &Stamp) -> Option<u64> {
        self.parts.stamped.iter().find(|(known, _)| known == stamp).map(|(_, size)| *size)
    }

    /// Adds what a time stamp beside the ledger is worth.
    pub fn add_timestamp(&mut self, timestamp: TimeStamp) {
        self.timestamps.push(timestamp);
    }

    /// The time stamps, as they were added.
    #[must_use]
    pub fn timestamps(&self) -> &[TimeStamp] {
        &self.timestamps
    }

    /// Whether the reader gave the public key. Without it the chain is consistent, but anybody may
    /// have made it.
    #[must_use]
    pub const fn key_pinned(&self) -> bool {
        self.parts.key_pinned
    }

    /// Whether it is about a bundle and not about a whole ledger.
    #[must_use]
    pub fn of_bundle(&self) -> bool {
        self.parts.form == Form::Bundle
    }

    /// Receipts found good before the first fault.
    #[must_use]
    pub const fn receipts(&self) -> u64 {
        self.parts.receipts
    }

    /// The last of them.
    #[must_use]
    pub const fn head(&self) -> Option<Head> {
        self.parts.head
    }

    /// The checks, in order.
    #[must_use]
    pub fn checks(&self) -> &[CheckResult] {
        &self.checks
    }

    /// The first fault.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        self.parts.fault.as_ref()
    }

    /// Intents in flight at the end.
    pub fn open(&self) -> impl ExactSizeIterator<Item = Open> {
        self.parts.open.iter().map(|(seq, receipt_id)| Open { seq: *seq, receipt_id: *receipt_id })
    }

    /// Runs of workflows that have not ended.
    pub fn open_chains(&self) -> impl ExactSizeIterator<Item = Open> {
        self.parts.open_chains.iter().map(|(seq, receipt_id)| Open { seq: *seq, receipt_id: *receipt_id })
    }

    /// The last receipt that the trusted witnesses vouch for. Without a trust policy nothing is anchored.
    #[must_use]
    pub const fn anchored_through(&self) -> Option<u64> {
        self.parts.anchored_through
    }

    /// Which chain it is, if genesis was found good.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.parts.identity.as_ref()
    }

    /// What a reader that found the ledger valid should remember of it.
    #[must_use]
    pub fn remembered(&self) -> Option<Remembered> {
        let root = self.parts.root.filter(|_| self.valid())?;
        Some(Remembered { size: self.parts.receipts, root })
    }

    /// What even a valid verdict does not prove, each with a word first.
    #[must_use]
    pub fn not_proven(&self) -> Vec<String> {
        let mut list = Vec::new();
        if !self.key_pinned() {
            list.push(
                "origin: no public key was given, so the chain is consistent but anybody may have made it"
                    .to_owned(),
            );
        }
        if self.parts.other_genesis {
            list.push(
                "memory: another chain of this origin, with another genesis key, is remembered; whose this one is, the \
                 public key says and nothing else"
                    .to_owned(),
            );
        }
        match self.parts.form {
            Form::Ledger => list.extend(self.tail_not_proven()),
            Form::Bundle => list.extend(self.rest_not_proven()),
        }
        if self.parts.not_asked.contains(&Check::Hmac) {
            list.push("tags: HMAC tags were not checked: they are for holders of the HMAC master".to_owned());
        }
        list.push("unsubmitted: actions that never went through Cascade are not here".to_owned());
        list.push("truth: that what was recorded was true when it was written".to_owned());
        list
    }

    fn rest_not_proven(&self) -> Vec<String> {
        let mut list: Vec<String> = NOT_PROVEN.iter().take(2).map(|line| (*line).to_owned()).collect();
        if self.anchored_through().is_none() {
            list.push(
                "history: no witness was asked for, so the holder of the log key may show others another history"
                    .to_owned(),
            );
        }
        list
    }

    fn tail_not_proven(&self) -> Option<String> {
        const WHY: &str =
            "receipts cut from the end, or a history rewritten by the holder of the keys, leave no trace";
        let Some(head) = self.head() else {
            return Some(alloc::format!("tail: nothing is anchored by a cosigned checkpoint; {WHY}"));
        };
        match self.anchored_through() {
            None => Some(alloc::format!(
                "tail: the tail after receipt {} is not anchored by a cosigned checkpoint; {WHY}",
                head.seq
            )),
            Some(through) if through < head.seq => Some(alloc::format!(
                "tail: receipts {} to {} and what may follow are not anchored yet; there {WHY}",
                through + 1,
                head.seq
            )),
            Some(through) => Some(alloc::format!(
                "tail: what may follow receipt {through} is not anchored yet; receipts cut off there leave no trace"
            )),
        }
    }

    /// The JSON document of `verify --json`, on one line without LF.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        Writer::new(&mut text).object(|out| {
            match self.anchored_through() {
                None => out.key("anchored_through").null(),
                Some(seq) => out.key("anchored_through").int(seq),
            }
            out.key("checks").array(|out| {
                for result in &self.checks {
                    out.item().object(|out| result.write(out));
                }
            });
            match self.head() {
                None => out.key("head").null(),
                Some(head) => out.key("head").object(|out| {
                    out.key("entry_hash").hex(&head.entry_hash.0);
                    out.key("seq").int(head.seq);
                }),
            }
            out.key("key_pinned").bool(self.key_pinned());
            out.key("not_proven").array(|out| {
                for line in self.not_proven() {
                    out.item().str(&line);
                }
            });
            out.key("open").array(|out| self.open().for_each(|open| open.write(out)));
            out.key("open_chains").array(|out| self.open_chains().for_each(|open| open.write(out)));
            out.key("receipts").int(self.receipts());
            out.key("timestamps").array(|out| {
                for stamp in &self.timestamps {
                    out.item().object(|out| stamp.write(out));
                }
            });
            out.key("valid").bool(self.valid());
        });
        text
    }
}

impl Open {
    fn write(self, out: &mut Writer<'_>) {
        out.item().object(|out| {
            out.key("receipt_id").spelled(&self.receipt_id);
            out.key("seq").int(self.seq);
        });
    }
}

impl CheckResult {
    fn write(&self, out: &mut Writer<'_>) {
        out.key("check").str(self.check.as_str());
        match &self.fault {
            None => {
                out.key("code").null();
                out.key("detail").null();
                out.key("outcome").str(self.outcome.as_str());
                out.key("seq").null();
            }
            Some(fault) => {
                out.key("code").str(fault.code.as_str());
                out.key("detail").str(&alloc::format!("{}: {}", fault.code.meaning(), fault.detail));
                out.key("outcome").str(self.outcome.as_str());
                out.key("seq").int(fault.seq);
            }
        }
    }
}
