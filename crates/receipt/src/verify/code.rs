//! Names of checks and of what they find. They are stable: scripts and vectors rely on them.

use crate::json::JsonFault;
use crate::line::LineFault;
use crate::reader::ContentFault;

/// A check of format section 3, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Check {
    /// A bundle has the parts that it should have.
    Bundle,
    /// Every line parses strictly and is canonical.
    Syntax,
    /// Outer id and time equal the inner.
    Copies,
    /// Sequence numbers, links and hashes.
    Chain,
    /// Ed25519 signatures by active keys of the chain.
    Signature,
    /// One chain's name.
    Origin,
    /// Time does not run backwards.
    Time,
    /// What happened may have happened in this order.
    Lifecycle,
    /// Given checkpoints fit.
    Checkpoint,
    /// Every receipt of a bundle is in the tree of its checkpoint.
    Inclusion,
    /// The trusted quorum has cosigned.
    Witness,
    /// What the reader remembers is a prefix.
    Memory,
    /// Tags, for those who hold the key.
    Hmac,
    /// What a bundle says of itself.
    Statement,
}

impl Check {
    /// The eleven checks of a ledger, in order.
    pub const LEDGER: &[Self] = &[
        Self::Syntax,
        Self::Copies,
        Self::Chain,
        Self::Signature,
        Self::Origin,
        Self::Time,
        Self::Lifecycle,
        Self::Checkpoint,
        Self::Witness,
        Self::Memory,
        Self::Hmac,
    ];

    /// The checks of a bundle, in order.
    pub const BUNDLE: &[Self] = &[
        Self::Bundle,
        Self::Syntax,
        Self::Copies,
        Self::Chain,
        Self::Signature,
        Self::Origin,
        Self::Time,
        Self::Lifecycle,
        Self::Checkpoint,
        Self::Inclusion,
        Self::Witness,
        Self::Memory,
        Self::Hmac,
        Self::Statement,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Syntax => "syntax",
            Self::Copies => "copies",
            Self::Chain => "chain",
            Self::Signature => "signature",
            Self::Origin => "origin",
            Self::Time => "time",
            Self::Lifecycle => "lifecycle",
            Self::Checkpoint => "checkpoint",
            Self::Inclusion => "inclusion",
            Self::Witness => "witness",
            Self::Memory => "memory",
            Self::Hmac => "hmac",
            Self::Statement => "statement",
        }
    }
}

macro_rules! codes {
    ($($variant:ident = $check:ident $text:literal, $meaning:literal;)*) => {
        /// What a check found, as a stable code `<check>.<fault>`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, by check.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The check that finds it.
            #[must_use]
            pub const fn check(self) -> Check {
                match self { $(Self::$variant => Check::$check,)* }
            }

            /// What it means, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    Empty = Syntax "syntax.empty", "there is no receipt";
    Torn = Syntax "syntax.torn", "the last line has no line feed";
    LineLength = Syntax "syntax.line_length", "a line is longer than 64 KiB";
    Unicode = Syntax "syntax.unicode", "text is not UTF-8 or holds a lone surrogate";
    Malformed = Syntax "syntax.malformed", "a line is not JSON";
    DuplicateKey = Syntax "syntax.duplicate_key", "an object has the same key twice";
    Key = Syntax "syntax.key", "a key is outside [a-z0-9_]+";
    Float = Syntax "syntax.float", "a number has a fraction or an exponent";
    IntRange = Syntax "syntax.int_range", "an integer is beyond 2^53-1";
    Null = Syntax "syntax.null", "a value is null";
    Depth = Syntax "syntax.depth", "values are nested deeper than 16";
    NotCanonical = Syntax "syntax.not_canonical", "a line is not spelled as RFC 8785 demands";
    UnknownMember = Syntax "syntax.unknown_member", "a receipt has a member beside the seven";
    Member = Syntax "syntax.member", "a member is missing or has another type or spelling";
    Type = Syntax "syntax.type", "content is of another format";
    Kind = Syntax "syntax.kind", "the kind is neither known nor an extension";

    CopyReceiptId = Copies "copies.receipt_id", "the two receipt ids differ";
    CopyTimestamp = Copies "copies.timestamp", "the two time stamps differ";

    Seq = Chain "chain.seq", "seq is not the receipt's position";
    PrevHash = Chain "chain.prev_hash", "prev_hash is not the hash of the receipt before";
    EntryHash = Chain "chain.entry_hash", "entry_hash is not the hash of the content";
    Genesis = Chain "chain.genesis", "the first receipt is no genesis, or a later one is";
    ReceiptId = Chain "chain.receipt_id", "a receipt id was used before";

    KeyRefused = Signature "signature.key_refused", "a public key is no point, of small order, or not in canonical form";
    KeyId = Signature "signature.key_id", "a key id does not fit its public key";
    KeyRepeated = Signature "signature.key_repeated", "a key id or public key is in the chain already";
    KeysMax = Signature "signature.keys_max", "more keys of a purpose are active, or were taken back, than a chain may have";
    PinnedKey = Signature "signature.pinned_key", "genesis names another receipt key than the one given";
    UnknownKey = Signature "signature.unknown_key", "the receipt names a key that the chain does not know";
    InactiveKey = Signature "signature.inactive_key", "the receipt names a key that may not sign receipts here";
    SignatureBad = Signature "signature.bad", "the receipt's signature does not verify";
    Pop = Signature "signature.pop", "a new key does not prove its possession";
    RecoverySig = Signature "signature.recovery", "the recovery key's signature is missing or does not verify";
    Retires = Signature "signature.retires", "a rotation does not put a receipt key in the place of the one that signs";
    RevokedKey = Signature "signature.revoked_key", "the revoked key is unknown, revoked already, or replaced by one of another purpose";
    Disputed = Signature "signature.disputed", "a receipt stands on a key that was taken back";

    OriginChanged = Origin "origin.changed", "the receipt belongs to another chain";
    OriginKey = Origin "origin.key", "a key or revocation was made for another chain";

    Backwards = Time "time.backwards", "the time is before that of the receipt before";
    Stepped = Time "time.stepped", "a stepped clock must repeat the time of the receipt before";
    Correction = Time "time.correction", "a correction of the clock does not name its two times";

    EpochStep = Lifecycle "lifecycle.epoch_step", "the HMAC epoch does not stay or step by one from e0";
    EpochFull = Lifecycle "lifecycle.epoch_full", "an HMAC epoch has more than 10,000 receipts";
    Policy = Lifecycle "lifecycle.policy", "the policy in force changed without a receipt that says so";
    Ref = Lifecycle "lifecycle.ref", "a reference names no earlier receipt of this chain";
    RefKind = Lifecycle "lifecycle.ref_kind", "a reference names a receipt of the wrong kind";
    Decision = Lifecycle "lifecycle.decision", "a verdict is not what its gates say";
    Verdict = Lifecycle "lifecycle.verdict", "a kind and its verdict contradict each other";
    Denied = Lifecycle "lifecycle.denied", "something ran that was denied";
    Halted = Lifecycle "lifecycle.halted", "something ran while the tenant was halted";
    Suspended = Lifecycle "lifecycle.suspended", "something ran while the tenant was suspended";
    Deleted = Lifecycle "lifecycle.deleted", "something follows the receipt that says that the tenant was deleted";
    Tenant = Lifecycle "lifecycle.tenant", "a tenant was deleted that was not suspended or had something in flight, or another chain is this one";
    NoIntent = Lifecycle "lifecycle.no_intent", "a closer or heartbeat does not name exactly one intent";
    TwoClosers = Lifecycle "lifecycle.two_closers", "an intent or a workflow is closed twice";
    HeartbeatClosed = Lifecycle "lifecycle.heartbeat_closed", "a heartbeat follows the closer of its intent";
    Segment = Lifecycle "lifecycle.segment", "heartbeats are not in order";
    Effect = Lifecycle "lifecycle.effect", "a closer contradicts its kind";
    Subject = Lifecycle "lifecycle.subject", "an answer or review does not name exactly one thing that it is about";
    ActionHash = Lifecycle "lifecycle.action_hash", "an answer or run is about another action";
    ApprovalsMissing = Lifecycle "lifecycle.approvals_missing", "an escalated action ran without enough approvals";
    ApprovalSubject = Lifecycle "lifecycle.approval_subject", "an approval was given for something else";
    ApprovalReused = Lifecycle "lifecycle.approval_reused", "an approval is used twice";
    Expired = Lifecycle "lifecycle.expired", "an approval or escalation had run out";
    SelfApproval = Lifecycle "lifecycle.self_approval", "the requester approved";
    SameApprover = Lifecycle "lifecycle.same_approver", "one principal approved twice";
    NotEligible = Lifecycle "lifecycle.not_eligible", "the approver was in none of the groups";
    SignatureMissing = Lifecycle "lifecycle.signature_missing", "a person's signature is demanded and not there";
    Signer = Lifecycle "lifecycle.signer", "a signature is not by the principal who must sign";
    SignerUnknown = Lifecycle "lifecycle.signer_unknown", "the signer has no registered SSH key";
    NotAdmin = Lifecycle "lifecycle.not_admin", "the signer is no administrator";
    Sshsig = Lifecycle "lifecycle.sshsig", "a person's signature does not verify";
    StatementReused = Lifecycle "lifecycle.statement_reused", "a signed statement is used twice";
    SshKey = Lifecycle "lifecycle.ssh_key", "an SSH key is refused, or another principal has it";
    GrantRef = Lifecycle "lifecycle.grant_ref", "a grant names more than one grant, or a revocation not exactly one";
    GrantHolder = Lifecycle "lifecycle.grant_holder", "a grant is used by somebody who does not hold it";
    GrantEnded = Lifecycle "lifecycle.grant_ended", "a grant is used that was revoked, had run out, or that its giver may no longer give";
    GrantWider = Lifecycle "lifecycle.grant_wider", "a grant gives more than the one it stands on";
    MemoryGone = Lifecycle "lifecycle.memory_gone", "what stands on a memory was written after that one was forgotten or replaced";
    MemoryUnnamed = Lifecycle "lifecycle.memory_unnamed", "an answer from memory does not name what was learned";
    ChainRef = Lifecycle "lifecycle.chain_ref", "a receipt names more than one workflow, the end of one not exactly one, or a closer another than its intent";
    ChainSpec = Lifecycle "lifecycle.chain_spec", "a receipt of a workflow has another spec_hash than its start";
    ChainClosed = Lifecycle "lifecycle.chain_closed", "something of a workflow ran after its end";
    ChainRunning = Lifecycle "lifecycle.chain_running", "a workflow completed while something of it was running";
    CronRef = Lifecycle "lifecycle.cron_ref", "a change of a schedule or an invocation names not exactly one schedule";
    ScheduleState = Lifecycle "lifecycle.schedule_state", "a schedule fires or is changed that does not stand so: it is removed, paused, or not paused";
    CronDue = Lifecycle "lifecycle.cron_due", "an invocation is of a time to come, or of one at which the schedule was not there or paused";
    CronTwice = Lifecycle "lifecycle.cron_twice", "a time at which a schedule was due is dealt with twice, or two things run for one invocation";
    CronRun = Lifecycle "lifecycle.cron_run", "something stands on an invocation that starts nothing";
    Anchor = Lifecycle "lifecycle.anchor", "an embedded checkpoint does not fit its hash";

    CheckpointMalformed = Checkpoint "checkpoint.malformed", "a checkpoint is no signed note of three lines";
    CheckpointOrigin = Checkpoint "checkpoint.origin", "a checkpoint is of another chain";
    CheckpointSignature = Checkpoint "checkpoint.signature", "a checkpoint is not signed by a log key of the chain";
    CheckpointTruncated = Checkpoint "checkpoint.truncated", "the checkpoint covers more receipts than there are";
    CheckpointRoot = Checkpoint "checkpoint.root", "the receipts are not those that the checkpoint covers";

    WitnessSignature = Witness "witness.signature", "a trusted witness's cosignature does not verify";
    WitnessLog = Witness "witness.log", "a checkpoint is not signed by a log that the trust policy names";
    WitnessQuorum = Witness "witness.quorum", "the trusted witnesses have not cosigned";

    OlderThanRemembered = Memory "memory.older_than_remembered", "the ledger is shorter than one that was accepted before";
    Fork = Memory "memory.fork", "the ledger is not a continuation of one that was accepted before";

    HmacTag = Hmac "hmac.tag", "the tag was not made with the key given";

    BundleSize = Bundle "bundle.size", "a bundle is longer than 64 MiB or has too many parts";
    BundleMalformed = Bundle "bundle.malformed", "a part of a bundle is missing or has another type or spelling";
    BundleType = Bundle "bundle.type", "the envelope or its statement is of another type";
    InclusionPath = Inclusion "inclusion.path", "a receipt is not proved to be in the tree of the checkpoint";
    StatementSubject = Statement "statement.subject", "a subject is not among the receipts";
    StatementSignature = Statement "statement.signature", "the statement is not signed by a receipt key of the chain";
    StatementDisclosure = Statement "statement.disclosure", "what is disclosed does not give the hash in its receipt";
    StatementSnapshot = Statement "statement.snapshot", "a snapshot belongs to no receipt of the bundle";
}

impl From<JsonFault> for Code {
    fn from(fault: JsonFault) -> Self {
        match fault {
            JsonFault::Malformed => Self::Malformed,
            JsonFault::Unicode => Self::Unicode,
            JsonFault::DuplicateKey => Self::DuplicateKey,
            JsonFault::Key => Self::Key,
            JsonFault::Float => Self::Float,
            JsonFault::IntRange => Self::IntRange,
            JsonFault::Null => Self::Null,
            JsonFault::Depth => Self::Depth,
            JsonFault::NotCanonical => Self::NotCanonical,
        }
    }
}

impl From<LineFault> for Code {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::Length => Self::LineLength,
            LineFault::Json(fault) => fault.into(),
            LineFault::UnknownMember => Self::UnknownMember,
            LineFault::Content(ContentFault::Member(_)) => Self::Member,
            LineFault::Content(ContentFault::Type) => Self::Type,
            LineFault::Content(ContentFault::Kind) => Self::Kind,
        }
    }
}
