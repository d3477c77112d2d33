//! A throw-away tenant and a real denial to append to it.

use std::path::Path;

use anyhow::Context as _;
use cascade_ledger::{Draft, Ledger, TenantId};
use cascade_policy::decide::decide;
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{Action, Body, Runtime};
use cascade_receipt::digest::Digest;
use cascade_runtime::birth::{self, Wishes};
use cascade_runtime::{hypothesis, policy_store};

pub(crate) struct Sample {
    pub(crate) ledger: Ledger,
    body: Body,
}

impl Sample {
    pub(crate) fn new(dir: &Path) -> anyhow::Result<Self> {
        let tenant = TenantId::parse("bench")?;
        let wishes = Wishes { ssh_key: Some(key(dir)?), ..Wishes::default() };
        let ledger = birth::create(&dir.join("home"), &tenant, &wishes)?.ledger;
        let (snapshot, _) = policy_store::in_force(&ledger)?;
        let body = denial(&snapshot, &facts());
        Ok(Self { ledger, body })
    }

    /// A `blocked` receipt, as a denied `git push --force` leaves it.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    pub(crate) fn draft(&self) -> anyhow::Result<Draft> {
        Ok(Draft::new(cascade_ledger::receipt_id()?, self.body.clone()))
    }

    /// Length of the newest line, its LF included.
    pub(crate) fn line_bytes(&self) -> anyhow::Result<usize> {
        self.ledger.append(self.draft()?)?;
        let head = self.ledger.head()?;
        let line = self.ledger.lines(head.next_seq - 1..head.next_seq).next().context("no receipt")??;
        Ok(line.text.len() + 1)
    }
}

/// Facts of a force push by a person.
pub(crate) fn facts() -> Facts {
    hypothesis::shell_line(b"git push --force origin main", Some("person"))
}

fn denial(snapshot: &Snapshot, facts: &Facts) -> Body {
    let ruling = decide(snapshot, facts);
    Body::Blocked(Action {
        task_type: "cli".to_owned(),
        risk_tier: ruling.risk_tier,
        classified: ruling.classified,
        request: None,
        principal: facts.principal.id,
        on_behalf_of: None,
        action_hash: Digest::of(b"action"),
        facts_hash: Digest::of(b"facts"),
        decision: ruling.decision,
        draws: Vec::new(),
        spec: None,
        refs: Vec::new(),
        runtime: Runtime {
            node: "bench".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            binary_sha256: Digest::of(b"binary"),
        },
    })
}

/// An administrator's key of its own: the user's agent has no business here.
pub(crate) fn key(dir: &Path) -> anyhow::Result<std::path::PathBuf> {
    let path = dir.join("bench_ed25519");
    cascade_runtime::ssh::generate(&path, "bench")?;
    Ok(path.with_extension("pub"))
}
