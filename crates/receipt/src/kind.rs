//! Kinds of receipts (format section 2).

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a receipt records.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind this version knows.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The member `kind`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the member `kind`. Of extensions (`x_…`) those that Cascade writes itself are known.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// The first receipt of a chain.
    Genesis = "genesis",
    /// The newest cosigned checkpoint, embedded.
    Anchor = "anchor",
    /// A key joined the chain.
    KeyAdded = "key_added",
    /// A key replaced the one that signs this receipt.
    KeyRotated = "key_rotated",
    /// The recovery key took a key back.
    KeyRevoked = "key_revoked",
    /// Private bytes were erased.
    Erasure = "erasure",
    /// A damaged tail was dropped.
    Recovery = "recovery",
    /// A decision without a run.
    DryRun = "dry_run",
    /// A denial.
    Blocked = "blocked",
    /// The action waits for people.
    Escalation = "escalation",
    /// A person approved.
    Approval = "approval",
    /// A person denied.
    Denial = "denial",
    /// An approval was not accepted.
    ApprovalRefused = "approval_refused",
    /// An approval or escalation ran out.
    ApprovalExpired = "approval_expired",
    /// An action went past the gates under a policy that allows it.
    BreakGlass = "break_glass",
    /// The intent: durable before anything runs.
    TaskStarted = "task_started",
    /// Commits to the output released so far.
    Heartbeat = "heartbeat",
    /// Exit 0, or a pure answer.
    TaskCompleted = "task_completed",
    /// Ran and failed, or could not start.
    TaskFailed = "task_failed",
    /// Ended by revocation, deadline or budget.
    TaskRevoked = "task_revoked",
    /// Cascade died; what the action did is not known.
    TaskUnknown = "task_unknown",
    /// A workflow began.
    ChainStarted = "chain_started",
    /// A workflow ended well.
    ChainCompleted = "chain_completed",
    /// A workflow ended early.
    ChainAborted = "chain_aborted",
    /// The scheduler fired.
    CronInvocation = "cron_invocation",
    /// Another policy is in force.
    PolicyActivated = "policy_activated",
    /// A pack is in force.
    PackActivated = "pack_activated",
    /// A principal joined.
    PrincipalAdded = "principal_added",
    /// A principal left.
    PrincipalRemoved = "principal_removed",
    /// The clock was set back under the recovery key.
    ClockCorrected = "clock_corrected",
    /// Authority was given.
    Grant = "grant",
    /// Authority was taken back.
    GrantRevoked = "grant_revoked",
    /// The tenant was stopped.
    Halted = "halted",
    /// The tenant goes on.
    Resumed = "resumed",
    /// A schedule changed.
    ScheduleChanged = "schedule_changed",
    /// A brokered credential changed.
    SecretChanged = "secret_changed",
    /// A bearer token was issued.
    TokenIssued = "token_issued",
    /// A bearer token was taken back.
    TokenRevoked = "token_revoked",
    /// The tenant was suspended, is active again or was deleted, or another one was deleted.
    TenantChanged = "tenant_changed",
    /// A tool's definition was pinned.
    ToolPinned = "tool_pinned",
    /// Memory learned an answer.
    MemoryLearned = "memory_learned",
    /// Memory dropped an answer.
    MemoryForgotten = "memory_forgotten",
    /// Somebody looked at what was done past the gates. An extension, whose members are checked all the same.
    Review = "x_break_glass_review",
    /// Where a person outside is. An extension.
    SubjectZone = "x_subject_zone",
    /// A person outside gave or took back consent. An extension.
    Consent = "x_consent",
    /// Somebody spoke with a person outside. An extension.
    Conversation = "x_conversation",
}

impl Kind {
    /// Whether a verifier does not look at the members of this kind.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::SubjectZone | Self::Consent | Self::Conversation)
    }

    /// Whether this kind closes a `task_started`.
    #[must_use]
    pub const fn is_closer(self) -> bool {
        matches!(self, Self::TaskCompleted | Self::TaskFailed | Self::TaskRevoked | Self::TaskUnknown)
    }
}
