-- One row per receipt. Words are those of docs/format.md; times are milliseconds since 1970.
CREATE TABLE receipts (
    seq INTEGER PRIMARY KEY,
    receipt_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    principal TEXT,
    on_behalf_of TEXT,
    task_type TEXT,
    risk_tier TEXT,
    classified INTEGER,
    verdict TEXT,
    gate_letters TEXT,
    action_hash TEXT,
    facts_hash TEXT,
    output_hash TEXT,
    effect_status TEXT,
    exit_code INTEGER,
    signal INTEGER,
    duration_us INTEGER,
    layer_hit TEXT,
    evidence TEXT,
    tokens_in INTEGER,
    tokens_out INTEGER,
    cost_microusd INTEGER,
    spec_hash TEXT,
    policy_version TEXT NOT NULL,
    policy_hash TEXT NOT NULL,
    key_id TEXT NOT NULL,
    node TEXT,
    version TEXT,
    expires INTEGER,
    required INTEGER,
    signature_required INTEGER,
    review_due INTEGER,
    disclosed INTEGER NOT NULL,
    content TEXT
);
CREATE INDEX receipts_by_id ON receipts (receipt_id);
CREATE INDEX receipts_by_kind ON receipts (kind);
CREATE INDEX receipts_by_action ON receipts (action_hash) WHERE action_hash IS NOT NULL;

CREATE TABLE gate_names (place INTEGER PRIMARY KEY, gate TEXT NOT NULL);
CREATE VIEW gates AS
    SELECT receipts.seq AS seq, gate_names.gate AS gate,
        CASE substr(receipts.gate_letters, gate_names.place, 1)
            WHEN 'p' THEN 'pass' WHEN 'e' THEN 'escalate' WHEN 'd' THEN 'deny' ELSE 'not_applicable' END AS outcome
    FROM receipts JOIN gate_names ON receipts.gate_letters IS NOT NULL;

CREATE TABLE reasons (seq INTEGER NOT NULL, gate TEXT, code TEXT NOT NULL, policy_id TEXT, control TEXT);
CREATE INDEX reasons_by_seq ON reasons (seq);
CREATE INDEX reasons_by_code ON reasons (code);

CREATE TABLE refs (seq INTEGER NOT NULL, rel TEXT NOT NULL, target_seq INTEGER, target_id TEXT NOT NULL);
CREATE INDEX refs_by_seq ON refs (seq, rel);
CREATE INDEX refs_by_target ON refs (target_seq, rel);

CREATE TABLE signatures (seq INTEGER NOT NULL, principal TEXT NOT NULL);
CREATE INDEX signatures_by_seq ON signatures (seq);

CREATE TABLE receipt_groups (seq INTEGER NOT NULL, name TEXT NOT NULL);
CREATE INDEX receipt_groups_by_seq ON receipt_groups (seq);

-- One row per decided action, with what closed it.
CREATE VIEW actions AS
    SELECT opened.seq AS seq, opened.receipt_id AS receipt_id, opened.at AS at, opened.kind AS kind,
        opened.principal AS principal, opened.on_behalf_of AS on_behalf_of, opened.task_type AS task_type,
        opened.risk_tier AS risk_tier, opened.classified AS classified, opened.verdict AS verdict,
        opened.action_hash AS action_hash, opened.spec_hash AS spec_hash, opened.policy_hash AS policy_hash,
        opened.policy_version AS policy_version, opened.disclosed AS disclosed,
        closed.seq AS closer_seq, closed.at AS closed_at, closed.kind AS closer_kind,
        CASE WHEN opened.kind = 'task_completed' THEN 'confirmed' ELSE closed.effect_status END AS effect_status,
        closed.exit_code AS exit_code,
        coalesce(closed.duration_us, opened.duration_us) AS duration_us,
        coalesce(closed.layer_hit, opened.layer_hit) AS layer_hit,
        coalesce(closed.tokens_in, opened.tokens_in) AS tokens_in,
        coalesce(closed.tokens_out, opened.tokens_out) AS tokens_out,
        opened.kind IN ('task_started', 'task_completed') AS ran
    FROM receipts AS opened
    LEFT JOIN refs ON refs.target_seq = opened.seq AND refs.rel = 'intent' AND opened.kind = 'task_started'
        AND refs.seq IN (SELECT seq FROM receipts WHERE seq = refs.seq AND kind <> 'heartbeat')
    LEFT JOIN receipts AS closed ON closed.seq = refs.seq
    WHERE opened.gate_letters IS NOT NULL AND opened.kind IN ('dry_run', 'blocked', 'escalation', 'break_glass',
        'task_started', 'task_completed', 'chain_started', 'schedule_changed');

CREATE TABLE people (
    principal TEXT NOT NULL, admin INTEGER NOT NULL, from_seq INTEGER NOT NULL, until_seq INTEGER
);
CREATE INDEX people_by_principal ON people (principal);
CREATE TABLE people_groups (
    principal TEXT NOT NULL, name TEXT NOT NULL, from_seq INTEGER NOT NULL, until_seq INTEGER
);
CREATE INDEX people_groups_by_principal ON people_groups (principal);

CREATE TABLE grants (
    seq INTEGER PRIMARY KEY, giver TEXT NOT NULL, holder TEXT NOT NULL, on_behalf_of TEXT, assume TEXT, up_to TEXT,
    expires INTEGER, delegate INTEGER NOT NULL, parent_seq INTEGER, revoked_seq INTEGER, revoked_at INTEGER
);
CREATE TABLE grant_commands (seq INTEGER NOT NULL, command TEXT NOT NULL);
CREATE TABLE grant_resources (seq INTEGER NOT NULL, resource TEXT NOT NULL);

-- The policy that held from a receipt on, until another one put the next in force.
CREATE TABLE policies (
    from_seq INTEGER PRIMARY KEY, until_seq INTEGER, policy_version TEXT NOT NULL, policy_hash TEXT NOT NULL,
    activated_seq INTEGER, activated_by TEXT
);
CREATE TABLE packs (name TEXT NOT NULL, hash TEXT NOT NULL, from_seq INTEGER NOT NULL, until_seq INTEGER);

CREATE TABLE erased (seq INTEGER NOT NULL, target_seq INTEGER, field TEXT NOT NULL);
CREATE TABLE anchors (seq INTEGER PRIMARY KEY, size INTEGER NOT NULL, cosignatures INTEGER NOT NULL, tst_sha256 TEXT);

-- Private bytes, where whoever audits has them; receipts.disclosed says of which receipts.
CREATE TABLE commands (
    seq INTEGER NOT NULL, place INTEGER NOT NULL, words TEXT NOT NULL, program TEXT NOT NULL, subcommand TEXT,
    risk_tier TEXT
);
CREATE INDEX commands_by_seq ON commands (seq);
CREATE TABLE families (seq INTEGER NOT NULL, family TEXT NOT NULL);
CREATE INDEX families_by_seq ON families (seq);
CREATE TABLE facts (seq INTEGER PRIMARY KEY, facts TEXT NOT NULL);
-- Whom an action concerned, and what time it was there.
CREATE TABLE subjects (
    seq INTEGER PRIMARY KEY, subject TEXT NOT NULL, matter TEXT, zone TEXT, local_day TEXT, local_minute INTEGER
);
CREATE INDEX subjects_by_subject ON subjects (subject);
CREATE TABLE consents (seq INTEGER NOT NULL, scope TEXT NOT NULL);
CREATE INDEX consents_by_seq ON consents (seq);

-- What verification said. A break is a place where the lines do not follow from each other.
CREATE TABLE chain (
    log_origin TEXT, valid INTEGER NOT NULL, receipts INTEGER NOT NULL, key_pinned INTEGER NOT NULL,
    anchored_through INTEGER, code TEXT
);
CREATE TABLE breaks (
    line INTEGER NOT NULL, seq INTEGER, code TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE period (since INTEGER NOT NULL, until INTEGER NOT NULL, now INTEGER NOT NULL);
