//! One vector: what is expected, and the ledger.

use cascade_receipt::base64;
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::verify::Code;

use crate::chain::{Chain, Key, MASTER};

/// A vector.
pub(crate) struct Case {
    name: String,
    expect: Option<(Code, u64)>,
    key: Option<[u8; 32]>,
    hmac: bool,
    /// Further header lines.
    extra: Vec<(&'static str, String)>,
    comment: &'static str,
    ledger: Vec<u8>,
}

impl Case {
    /// A ledger that is valid.
    pub(crate) fn valid(name: &str, comment: &'static str, chain: &Chain) -> Self {
        Self::valid_bytes(name, comment, chain.bytes()).pinned(&chain.receipt)
    }

    /// A file that is valid, without a key.
    pub(crate) fn valid_bytes(name: &str, comment: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        let name = format!("valid-{name}");
        let (extra, ledger) = (Vec::new(), bytes.into());
        Self { name, expect: None, key: None, hmac: false, extra, comment, ledger }
    }

    /// A ledger with one fault.
    pub(crate) fn fault(code: Code, seq: u64, comment: &'static str, ledger: impl Into<Vec<u8>>) -> Self {
        let name = code.as_str().replace('.', "-");
        Self {
            name,
            expect: Some((code, seq)),
            key: None,
            hmac: false,
            extra: Vec::new(),
            comment,
            ledger: ledger.into(),
        }
    }

    /// Tells it apart from another vector of the same code.
    pub(crate) fn named(mut self, suffix: &str) -> Self {
        self.name = format!("{}-{suffix}", self.name);
        self
    }

    pub(crate) fn pinned(mut self, key: &Key) -> Self {
        self.key = Some(key.public());
        self
    }

    pub(crate) fn with_hmac(mut self) -> Self {
        self.hmac = true;
        self
    }

    /// The reader gives this checkpoint.
    pub(crate) fn checkpoint(self, note: &str) -> Self {
        self.with("checkpoint", base64::encode(note.as_bytes()))
    }

    /// The reader trusts these witnesses.
    pub(crate) fn trust(self, policy: &str) -> Self {
        self.with("trust", base64::encode(policy.as_bytes()))
    }

    /// The reader remembers this.
    pub(crate) fn memory(self, size: u64, root: &Digest) -> Self {
        self.with("memory", format!("{size} {root}"))
    }

    /// The reader remembers a chain of this name with another genesis key.
    pub(crate) fn other_genesis(self) -> Self {
        self.with("other_genesis", "remembered".to_owned())
    }

    /// The verdict says so.
    pub(crate) fn anchored(self, through: u64) -> Self {
        self.with("anchored_through", through.to_string())
    }

    /// The verdict lists the workflows of these receipts as not ended.
    pub(crate) fn open_chains(self, seqs: &[u64]) -> Self {
        let seqs: Vec<String> = seqs.iter().map(u64::to_string).collect();
        self.with("open_chains", seqs.join(" "))
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.extra.push((name, value));
        self
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}.vector", self.name)
    }

    /// Header lines, an empty line, the ledger's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = String::new();
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push('\n');
        };
        match self.expect {
            None => line("expect", "valid"),
            Some((code, seq)) => {
                line("expect", code.as_str());
                line("seq", &seq.to_string());
            }
        }
        if let Some(key) = self.key {
            line("key", &digest::to_hex(&key));
        }
        if self.hmac {
            line("hmac", &digest::to_hex(&MASTER));
        }
        for (name, value) in &self.extra {
            line(name, value);
        }
        line("comment", self.comment);
        head.push('\n');
        [head.as_bytes(), &self.ledger].concat()
    }
}

/// Every vector.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    crate::valid::cases(&mut cases);
    crate::bytes::cases(&mut cases);
    crate::keys::cases(&mut cases);
    crate::runs::cases(&mut cases);
    crate::people::cases(&mut cases);
    crate::grants::valid(&mut cases);
    crate::grants::cases(&mut cases);
    crate::halt::cases(&mut cases);
    crate::remembered::cases(&mut cases);
    crate::glass::cases(&mut cases);
    crate::packs::cases(&mut cases);
    crate::secret::cases(&mut cases);
    crate::tokens::cases(&mut cases);
    crate::tenants::cases(&mut cases);
    crate::tools::cases(&mut cases);
    crate::anchors::cases(&mut cases);
    crate::bundles::cases(&mut cases);
    crate::limits::cases(&mut cases);
    crate::workflows::cases(&mut cases);
    crate::schedules::cases(&mut cases);
    let mut names: Vec<String> = cases.iter().map(Case::file_name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two vectors have the same name");
    cases
}
