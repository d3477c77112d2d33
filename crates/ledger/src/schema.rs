//! The tables of a tenant.
//!
//! `segments`, `head`, `epoch` and `chain` are the log; `checkpoints` holds what others
//! signed of it; `erasing` names erasures whose bytes may still be on the disk; the tables of
//! [`VIEWS`] follow from the log and can be dropped and rebuilt ([`crate::views`]); `ids` is a search
//! index that may lag.

/// `ledger.db`.
pub(crate) const LEDGER: &str = "
CREATE TABLE chain (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    log_origin TEXT NOT NULL,
    key_id TEXT NOT NULL,
    genesis_public_key BLOB NOT NULL
) STRICT;
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    next_seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    epoch_since_ms INTEGER NOT NULL,
    epoch_receipts INTEGER NOT NULL,
    indexed_through INTEGER NOT NULL,
    segments_unindexed INTEGER NOT NULL,
    tree_size INTEGER,
    tree_peaks BLOB,
    stopped TEXT,
    stopped_by TEXT
) STRICT;
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    epoch INTEGER NOT NULL,
    key BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    cosigned INTEGER NOT NULL
) STRICT;
CREATE TABLE segments (
    first_seq INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    ends_sha256 BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE ids (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE erasing (
    receipt_id BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

/// What the views of this program mean, as `user_version` of the database says it: views of an earlier meaning are made
/// again by whoever opens the tenant for writing.
pub(crate) const VIEWS_VERSION: i64 = 1;

/// What decisions read; written in the transaction of the append.
///
/// What they take from the log changes with [`VIEWS_VERSION`].
pub(crate) const VIEWS: &str = "
CREATE TABLE standing (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    mark INTEGER NOT NULL,
    halted INTEGER NOT NULL,
    suspended INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    turned_seq INTEGER NOT NULL,
    policy_version TEXT NOT NULL,
    policy_hash BLOB NOT NULL
) STRICT;
CREATE TABLE open_actions (
    receipt_id BLOB PRIMARY KEY,
    entry_hash BLOB NOT NULL,
    seq INTEGER NOT NULL,
    principal BLOB NOT NULL,
    action_hash BLOB NOT NULL,
    chain BLOB,
    until_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX open_actions_chain ON open_actions (chain) WHERE chain IS NOT NULL;
CREATE TABLE chains (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    spec_hash BLOB NOT NULL,
    principal BLOB NOT NULL,
    closed BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX chains_open ON chains (seq) WHERE closed IS NULL;
CREATE TABLE chain_receipts (
    chain BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE subjects (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    entry_hash BLOB NOT NULL,
    action_hash BLOB NOT NULL,
    principal BLOB NOT NULL,
    required INTEGER NOT NULL,
    groups TEXT NOT NULL,
    expires_ms INTEGER,
    signature_required INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX subjects_pending ON subjects (seq) WHERE kind = 'escalation' AND state IN ('open', 'approved');
CREATE TABLE approvals (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    subject BLOB NOT NULL,
    action_hash BLOB NOT NULL,
    principal BLOB NOT NULL,
    approve INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    signed INTEGER NOT NULL,
    used_by BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_subject ON approvals (subject, seq);
CREATE TABLE policies (
    seq INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE regimes (
    name TEXT PRIMARY KEY,
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE people (
    principal BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    key_since_seq INTEGER NOT NULL,
    ssh_key TEXT NOT NULL,
    groups TEXT NOT NULL,
    removed_seq INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE grants (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    principal BLOB NOT NULL,
    holder BLOB NOT NULL,
    on_behalf_of BLOB,
    parent BLOB,
    scope TEXT NOT NULL,
    expires_ms INTEGER,
    delegate INTEGER NOT NULL,
    revoked_by BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_holder ON grants (holder, seq);
CREATE TABLE tokens (
    token_id BLOB PRIMARY KEY,
    receipt_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    principal BLOB NOT NULL,
    holder BLOB NOT NULL,
    on_behalf_of BLOB,
    scopes TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE ended (
    log_origin TEXT PRIMARY KEY,
    receipt_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    size INTEGER NOT NULL,
    head BLOB NOT NULL,
    root BLOB NOT NULL,
    tenant_hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tools (
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    definition BLOB NOT NULL,
    receipt_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    principal BLOB NOT NULL,
    PRIMARY KEY (server, tool)
) STRICT, WITHOUT ROWID;
CREATE TABLE glass (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    action_hash BLOB NOT NULL,
    principal BLOB NOT NULL,
    ssh_key TEXT NOT NULL,
    groups TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    used_by BLOB,
    reviewed_by BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX glass_unreviewed ON glass (seq) WHERE reviewed_by IS NULL;
CREATE TABLE memory (
    id BLOB PRIMARY KEY,
    learned BLOB NOT NULL,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    answer BLOB NOT NULL,
    principal BLOB NOT NULL,
    state TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    forgotten BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_learned ON memory (learned);
CREATE TABLE wrong_hits (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    learned BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    lifted_by BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX wrong_hits_counted ON wrong_hits (seq) WHERE lifted_by IS NULL;
CREATE TABLE schedules (
    receipt_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    name BLOB NOT NULL,
    schedule_hash BLOB NOT NULL,
    principal BLOB NOT NULL,
    paused INTEGER NOT NULL,
    through_ms INTEGER NOT NULL,
    changed_seq INTEGER NOT NULL,
    removed BLOB
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX schedules_name ON schedules (name) WHERE removed IS NULL;
CREATE INDEX schedules_changed ON schedules (changed_seq);
CREATE TABLE invocations (
    schedule BLOB NOT NULL,
    seq INTEGER NOT NULL,
    receipt_id BLOB NOT NULL UNIQUE,
    entry_hash BLOB NOT NULL,
    due_ms INTEGER,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    action BLOB,
    kind TEXT,
    PRIMARY KEY (schedule, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE budgets (
    name TEXT NOT NULL,
    owner BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    intent BLOB NOT NULL,
    actions INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    microusd INTEGER NOT NULL,
    PRIMARY KEY (name, owner, at_ms, intent)
) STRICT, WITHOUT ROWID;
CREATE INDEX budgets_intent ON budgets (intent);
CREATE TABLE known (
    subject BLOB PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE zones (
    subject BLOB PRIMARY KEY,
    zone TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE consents (
    subject BLOB NOT NULL,
    scope TEXT NOT NULL,
    given INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (subject, scope)
) STRICT, WITHOUT ROWID;
CREATE TABLE conversations (
    subject BLOB NOT NULL,
    matter BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (subject, matter)
) STRICT, WITHOUT ROWID;
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    public_key BLOB NOT NULL,
    parent TEXT,
    added_ms INTEGER,
    state TEXT NOT NULL,
    ended_seq INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE secrets (
    id BLOB PRIMARY KEY,
    receipt_id BLOB NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE requests (
    key BLOB PRIMARY KEY,
    body BLOB NOT NULL,
    receipt_id BLOB NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE erased (
    receipt_id BLOB PRIMARY KEY,
    erasure BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Each table of [`VIEWS`] with its order and the finding when it differs from a rebuild.
pub(crate) const VIEW_TABLES: [(&str, &str, &str); 27] = [
    ("standing", "id", "views.standing"),
    ("open_actions", "receipt_id", "views.open_actions"),
    ("chains", "receipt_id", "views.chains"),
    ("chain_receipts", "chain, seq", "views.chain_receipts"),
    ("subjects", "receipt_id", "views.subjects"),
    ("approvals", "receipt_id", "views.approvals"),
    ("policies", "seq", "views.policies"),
    ("regimes", "name", "views.regimes"),
    ("people", "principal", "views.people"),
    ("grants", "receipt_id", "views.grants"),
    ("tokens", "token_id", "views.tokens"),
    ("ended", "log_origin", "views.ended"),
    ("tools", "server, tool", "views.tools"),
    ("glass", "receipt_id", "views.glass"),
    ("memory", "id", "views.memory"),
    ("wrong_hits", "receipt_id", "views.wrong_hits"),
    ("schedules", "receipt_id", "views.schedules"),
    ("invocations", "schedule, seq", "views.invocations"),
    ("budgets", "name, owner, at_ms, intent", "views.budgets"),
    ("known", "subject", "views.known"),
    ("zones", "subject", "views.zones"),
    ("consents", "subject, scope", "views.consents"),
    ("conversations", "subject, matter", "views.conversations"),
    ("keys", "key_id", "views.keys"),
    ("secrets", "id", "views.secrets"),
    ("requests", "key", "views.requests"),
    ("erased", "receipt_id", "views.erased"),
];

/// `vault.db`: everything private, erasable, by salted hash; snapshots by plain hash; names.
pub(crate) const VAULT: &str = "
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    nonce BLOB NOT NULL,
    receipt_id BLOB NOT NULL,
    field TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX items_receipt ON items (receipt_id);
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE names (
    principal BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (kind, name)
) STRICT, WITHOUT ROWID;
";

/// `cache.db`: hints that may be lost at any time.
pub(crate) const CACHE: &str = "
CREATE TABLE IF NOT EXISTS file_hashes (
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (dev, ino)
) STRICT, WITHOUT ROWID;
";
