//! Members of content, written straight into their place.
//!
//! The members of a receipt's content come from two sides: what every receipt has, and what its kind
//! adds. Both come in the order of RFC 8785 and are merged while they are written: collecting and
//! sorting them would cost more than the hash.

use alloc::string::String;

use crate::content::{Body, Envelope, TYPE};
use crate::json::Writer;

/// Keys of the members that every receipt has.
const COMMON: [&str; 11] = [
    "_type",
    "clock",
    "hmac_key_id",
    "key_id",
    "kind",
    "log_origin",
    "policy_hash",
    "policy_version",
    "receipt_id",
    "seq",
    "timestamp",
];

/// An object under construction.
#[derive(Debug)]
pub struct Members<'a> {
    out: Writer<'a>,
    /// Absent in an administrator's statement, which has of the common members `kind` alone.
    envelope: Option<&'a Envelope>,
    kind: &'static str,
    /// The first common member that is not written yet.
    next: usize,
    without: Option<&'static str>,
}

impl<'a> Members<'a> {
    /// Writes the whole content.
    pub fn content(out: &'a mut String, envelope: &'a Envelope, body: &Body) {
        Self::write(out, Some(envelope), body, None);
    }

    /// Writes `kind` and the kind's own members, one of them left out.
    pub fn statement(out: &'a mut String, body: &Body, without: &'static str) {
        Self::write(out, None, body, Some(without));
    }

    fn write(
        out: &'a mut String,
        envelope: Option<&'a Envelope>,
        body: &Body,
        without: Option<&'static str>,
    ) {
        out.push('{');
        let kind = body.kind().as_str();
        let mut members = Self { out: Writer::new(out), envelope, kind, next: 0, without };
        body.add_to(&mut members);
        members.common_before(None);
        members.out.raw("}");
    }

    /// Adds a member. Keys come in ascending order; debug builds check it.
    pub fn add(&mut self, key: &'static str, value: impl FnOnce(&mut Writer<'_>)) {
        self.common_before(Some(key));
        if self.without != Some(key) {
            value(self.out.key(key));
        }
    }

    /// Writes the common members that stand before `key`, or all that are left.
    fn common_before(&mut self, key: Option<&str>) {
        while let Some(common) = COMMON.get(self.next).filter(|common| key.is_none_or(|key| **common < key)) {
            self.next += 1;
            if *common == "kind" {
                self.out.key(common).word(self.kind);
            } else if let Some(envelope) = self.envelope {
                common_member(&mut self.out, envelope, common);
            }
        }
    }
}

fn common_member(out: &mut Writer<'_>, envelope: &Envelope, key: &'static str) {
    match key {
        "_type" => out.key(key).word(TYPE),
        "clock" if !envelope.clock_stepped => {}
        "clock" => out.key(key).word("stepped"),
        "hmac_key_id" => out.key(key).epoch(envelope.hmac_epoch),
        "key_id" => out.key(key).str(envelope.key_id.as_str()),
        "log_origin" => out.key(key).str(envelope.log_origin.as_str()),
        "policy_hash" => out.key(key).hex(&envelope.policy.hash.0),
        "policy_version" => out.key(key).str(&envelope.policy.version),
        "receipt_id" => out.key(key).spelled(&envelope.receipt_id),
        "seq" => out.key(key).int(envelope.seq),
        _ => out.key(key).spelled(&envelope.timestamp),
    }
}
