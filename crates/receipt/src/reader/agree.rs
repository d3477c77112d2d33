//! What is written can be read, member by member, for every `Body`.

use alloc::vec;
use std::string::String;

use super::*;
use crate::content::{
    Action as Written, Answer, AnswerRefused, Body, ChainClosed, ChainStarted, Closing, Content as Writing,
    CronInvocation, CronOutcome, Draw, EndedChain, Ending, Envelope, Escalation, Genesis, GenesisKey,
    GlassBroken, GrantRevoked, Granted, Halted, Heartbeat, Known, OfSpec, PackChange, PersonAdded,
    PersonRemoved, PolicyActivated, Resumed, Review, Reviewed, Right, Runtime, ScheduleChange,
    ScheduleChanged, SecretChanged, Spent, StepAt, StepCounts, StepRole, SubjectFact, TenantChanged,
    TokenIssued, TokenRevoked, TokenScope, ToolPinned,
};
use crate::decision::{Decision, Gate, GateName, GateOutcome, Reason};
use crate::id::{KeyId, TokenId};
use crate::tree::Tree;

fn envelope() -> Envelope {
    Envelope {
        log_origin: LogOrigin::of("host", &[1; 16]),
        seq: 7,
        receipt_id: ReceiptId([2; 8]),
        timestamp: Timestamp::from_ms(1_700_000_000_000),
        clock_stepped: true,
        key_id: KeyId::of("receipt", &[3; 32]),
        hmac_epoch: 12,
        policy: PolicyRef { version: "a \"label\"\n".into(), hash: Digest([4; 32]) },
    }
}

fn reference(rel: Rel) -> Ref {
    Ref { rel, receipt_id: ReceiptId([5; 8]), entry_hash: Digest([6; 32]) }
}

fn of_spec() -> OfSpec {
    let role = Some(StepRole::Compensation);
    OfSpec { spec_hash: Digest([12; 32]), step: Some(StepAt { at: 1, item: 2, attempt: 3, role }) }
}

fn action() -> Written {
    let outcome = |gate| if gate == GateName::Risk { GateOutcome::Escalate } else { GateOutcome::Pass };
    let reasons = vec![Reason { code: "a.b".into(), policy_id: Some("p".into()), control: Some("c".into()) }];
    let gates = GateName::ALL
        .iter()
        .map(|gate| Gate { gate: *gate, outcome: outcome(*gate), reasons: reasons.clone() })
        .collect();
    Written {
        task_type: "cli".into(),
        risk_tier: RiskTier::High,
        classified: false,
        request: None,
        principal: PrincipalId([7; 8]),
        on_behalf_of: Some(PrincipalId([8; 8])),
        action_hash: Digest([9; 32]),
        facts_hash: Digest([10; 32]),
        decision: Decision::from_gates(gates),
        refs: vec![reference(Rel::DryRun), reference(Rel::Approval)],
        draws: vec![
            Draw { budget: "b".into(), of: Some(PrincipalId([3; 8])), actions: 1, tokens: 2, microusd: 3 },
            Draw { budget: "c".into(), of: None, actions: 0, tokens: 0, microusd: 0 },
        ],
        spec: Some(of_spec()),
        runtime: Runtime { node: "n".into(), version: "0".into(), binary_sha256: Digest([11; 32]) },
    }
}

/// Writes `body`, reads it and gives what was read to `check`.
fn read(body: &Body, check: impl FnOnce(Content<'_>)) {
    let envelope = envelope();
    let mut text = String::new();
    Writing { envelope: &envelope, body }.write(&mut text);
    let tree = Tree::parse(&text).expect("the writer is canonical");
    let content = Content::read(tree.root()).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    assert_eq!(content.kind, Some(body.kind()).filter(|kind| !kind.is_open()));
    assert_eq!(content.log_origin, envelope.log_origin.as_str());
    assert_eq!((content.seq, content.receipt_id), (envelope.seq, envelope.receipt_id));
    assert_eq!((content.timestamp, content.clock_stepped), (envelope.timestamp, true));
    assert_eq!((content.key_id, content.hmac_epoch), (envelope.key_id.as_str(), 12));
    assert_eq!((content.policy_version.as_ref(), content.policy_hash), ("a \"label\"\n", Digest([4; 32])));
    if let Some(statement) = &content.statement {
        assert_eq!(*statement, body.statement(), "both sides mean the same statement");
    }
    check(content);
}

fn expect_action(read: &Action) {
    let written = action();
    assert_eq!((read.principal, read.on_behalf_of), (written.principal, written.on_behalf_of));
    assert_eq!((read.action_hash, read.facts_hash), (written.action_hash, written.facts_hash));
    assert_eq!((read.risk_tier, read.classified), (written.risk_tier, written.classified));
    assert_eq!((read.verdict, read.from_gates), (Verdict::Escalate, Verdict::Escalate));
}

#[test]
fn actions() {
    let signatures = vec![Signature { principal: PrincipalId([7; 8]), sshsig: "a\nb\n".into() }];
    let chain = ChainStarted { action: action(), signatures };
    for body in [
        Body::DryRun(action()),
        Body::Blocked(action()),
        Body::TaskStarted(action()),
        Body::Point(action()),
        Body::ChainStarted(ChainStarted { signatures: vec![], ..chain.clone() }),
        Body::ChainStarted(chain),
    ] {
        read(&body, |content| {
            assert_eq!(content.refs, action().refs);
            assert_eq!((content.spec_hash, content.step), (Some(of_spec().spec_hash), of_spec().step));
            let (Meaning::DryRun(read)
            | Meaning::Blocked(read)
            | Meaning::Started(read)
            | Meaning::Pure(read)
            | Meaning::ChainStarted(read)) = &content.meaning
            else {
                panic!("{:?}", content.meaning)
            };
            expect_action(read);
        });
    }
    let written = Escalation {
        action: action(),
        required: 2,
        groups: vec!["a".into(), "\u{e9}".into()],
        expires: Timestamp::from_ms(5),
        signature_required: true,
    };
    read(&Body::Escalation(written.clone()), |content| {
        let Meaning::Escalation { action, required, groups, expires, signature_required } = content.meaning
        else {
            panic!("no escalation")
        };
        expect_action(&action);
        assert_eq!((required, groups, expires), (2, written.groups, written.expires));
        assert!(signature_required);
    });
}

#[test]
fn schedules_and_their_invocations() {
    let added = ScheduleChange::Added { schedule: [3; 8], schedule_hash: Digest([4; 32]) };
    for change in [added, ScheduleChange::Paused, ScheduleChange::Resumed, ScheduleChange::Removed] {
        read(&Body::ScheduleChanged(ScheduleChanged { action: action(), change }), |content| {
            assert_eq!(content.refs, action().refs);
            let Meaning::ScheduleChanged { action, change: word } = &content.meaning else {
                panic!("{:?}", content.meaning)
            };
            expect_action(action);
            assert_eq!(*word, change.word());
        });
    }
    let (due, until) = (Timestamp::from_ms(5), Timestamp::from_ms(7));
    for (outcome, due, end) in [
        (CronOutcome::Run, None, None),
        (CronOutcome::Run, Some(due), None),
        (CronOutcome::Skip, Some(due), None),
        (CronOutcome::Miss { until, count: 2, truncated: true }, Some(due), Some(until)),
    ] {
        let written = CronInvocation {
            schedule: reference(Rel::Cron),
            due,
            outcome,
            principal: PrincipalId([7; 8]),
            reasons: vec![Reason::code("cron.overlap")],
        };
        read(&Body::CronInvocation(written), |content| {
            assert_eq!(content.refs, vec![reference(Rel::Cron)]);
            let Meaning::CronInvocation { runs, due: read, until } = content.meaning else {
                panic!("{:?}", content.meaning)
            };
            assert_eq!((runs, read, until), (outcome == CronOutcome::Run, due, end));
        });
    }
}

#[test]
fn broken_glass_and_its_review() {
    let signatures = vec![Signature { principal: PrincipalId([7; 8]), sshsig: "a\nb\n".into() }];
    let broken = GlassBroken {
        action: action(),
        groups: vec!["admins".into()],
        review_due: Timestamp::from_ms(5),
        statement_id: [3; 8],
        signatures: signatures.clone(),
    };
    read(&Body::GlassBroken(broken), |content| {
        assert_eq!(content.signatures, signatures);
        let Meaning::GlassBroken { action, groups, review_due } = content.meaning else { panic!("no glass") };
        expect_action(&action);
        assert_eq!((groups, review_due), (vec!["admins".into()], Timestamp::from_ms(5)));
    });
    let reviewed = Reviewed {
        glass: reference(Rel::Parent),
        principal: PrincipalId([7; 8]),
        justified: false,
        reason_hash: Some(Digest([1; 32])),
        statement_id: [3; 8],
        signatures: signatures.clone(),
    };
    read(&Body::Reviewed(reviewed), |content| {
        assert_eq!((&content.signatures, &content.refs), (&signatures, &vec![reference(Rel::Parent)]));
        assert!(matches!(content.meaning, Meaning::Reviewed(PrincipalId([7, ..]))));
    });
}

#[test]
fn answers() {
    for approve in [true, false] {
        let signatures = vec![Signature { principal: PrincipalId([1; 8]), sshsig: "a\nb\n".into() }];
        let written = Answer {
            approve,
            subject: reference(Rel::Escalation),
            principal: PrincipalId([1; 8]),
            action_hash: Digest([2; 32]),
            expires: Timestamp::from_ms(9),
            signatures: signatures.clone(),
        };
        read(&Body::Answer(written), |content| {
            let Meaning::Answer { approve: read, principal, action_hash, expires } = content.meaning else {
                panic!("no answer")
            };
            assert_eq!((read, principal, action_hash), (approve, PrincipalId([1; 8]), Digest([2; 32])));
            assert_eq!((expires, content.signatures), (Timestamp::from_ms(9), signatures));
            assert_eq!(content.refs, vec![reference(Rel::Escalation)]);
        });
    }
    let refused = AnswerRefused {
        refs: vec![reference(Rel::Escalation)],
        principal: PrincipalId([1; 8]),
        reasons: vec![Reason::code("approval.expired")],
    };
    read(&Body::AnswerRefused(refused), |content| assert_eq!(content.refs, vec![reference(Rel::Escalation)]));
    read(&Body::AnswerExpired(reference(Rel::Approval)), |content| {
        assert_eq!(content.refs, vec![reference(Rel::Approval)]);
    });
}

#[test]
fn runs() {
    for (ending, status) in [
        (Ending::Completed, EffectStatus::Confirmed),
        (Ending::Failed, EffectStatus::Failed),
        (Ending::Revoked, EffectStatus::Revoked),
        (Ending::Unknown, EffectStatus::Unknown),
    ] {
        let written = Closing {
            ending,
            intent: reference(Rel::Intent),
            output_hash: Some(Digest([1; 32])),
            truncated: true,
            exit_code: Some(3),
            signal: Some(9),
            duration_us: Some(1),
            reasons: vec![Reason::code("x.y")],
            spent: Spent { tokens_in: Some(4), tokens_out: Some(5), cost_microusd: Some(6) },
            served_model: None,
            routed: None,
            review: Some(Review { decision: action().decision, facts_hash: Digest([10; 32]) }),
            chain: Some(reference(Rel::Chain)),
            spec: Some(of_spec()),
        };
        read(&Body::Closing(written), |content| {
            let Meaning::Closing { effect_status, exit_code, signal, output_hash, truncated } =
                content.meaning
            else {
                panic!("no closer")
            };
            assert_eq!((effect_status, exit_code, signal), (Some(status), Some(3), Some(9)));
            assert_eq!((output_hash, truncated), (Some(Digest([1; 32])), true));
            assert_eq!(content.refs, vec![reference(Rel::Intent), reference(Rel::Chain)]);
            assert_eq!((content.spec_hash, content.step), (Some(of_spec().spec_hash), of_spec().step));
        });
    }
    let written = Heartbeat {
        intent: reference(Rel::Intent),
        segment: 4,
        bytes: 5,
        running_hash: Digest([6; 32]),
        chain: Some(reference(Rel::Chain)),
        spec: Some(of_spec()),
    };
    read(&Body::Heartbeat(written), |content| {
        assert_eq!(content.refs, vec![reference(Rel::Intent), reference(Rel::Chain)]);
        assert_eq!((content.spec_hash, content.step), (Some(of_spec().spec_hash), of_spec().step));
        let Meaning::Heartbeat { segment, bytes, running_hash } = content.meaning else { panic!("none") };
        assert_eq!((segment, bytes, running_hash), (4, 5, Digest([6; 32])));
    });
}

#[test]
fn ends_of_workflows() {
    for completed in [true, false] {
        let counts = StepCounts { completed: 1, failed: 2, skipped: 3, unknown: 4 };
        let written = ChainClosed {
            completed,
            chain: reference(Rel::Chain),
            spec_hash: Digest([12; 32]),
            principal: PrincipalId([1; 8]),
            reasons: if completed { vec![] } else { vec![Reason::code("a.b")] },
            steps: counts,
        };
        read(&Body::ChainClosed(written), |content| {
            let Meaning::ChainClosed { completed: read, principal, steps } = content.meaning else {
                panic!("no end")
            };
            assert_eq!((read, principal, steps), (completed, PrincipalId([1; 8]), counts));
            assert_eq!(content.refs, vec![reference(Rel::Chain)]);
            assert_eq!((content.spec_hash, content.step), (Some(Digest([12; 32])), None));
        });
    }
}

#[test]
fn extensions() {
    let (principal, subject) = (PrincipalId([1; 8]), PrincipalId([2; 8]));
    for known in [
        Known::Zone("Europe/Berlin".into()),
        Known::Consent { scope: "calls".into(), given: false },
        Known::Conversation(None),
        Known::Conversation(Some(PrincipalId([3; 8]))),
    ] {
        let on_behalf_of = Some(PrincipalId([4; 8]));
        let fact = SubjectFact { principal, on_behalf_of, subject, known };
        read(&Body::SubjectFact(fact), |content| assert!(matches!(content.meaning, Meaning::Other)));
    }
}

#[test]
fn governance() {
    let key = |seed| GenesisKey { key_id: KeyId::of("k", &[seed; 32]), public_key: [seed; 32] };
    let admins = vec![Admin { principal: PrincipalId([1; 8]), ssh_key: "ssh-ed25519 AAAA".into() }];
    let written = Genesis { receipt: key(1), log: key(2), recovery: key(3), admins: admins.clone() };
    read(&Body::Genesis(written), |content| {
        let Meaning::Genesis { receipt, log, recovery, admins: read } = content.meaning else {
            panic!("none")
        };
        let raw = |key: GenesisKey| RawKey { key_id: key.key_id.as_str().into(), public_key: key.public_key };
        assert_eq!([receipt, log, recovery], [raw(key(1)), raw(key(2)), raw(key(3))]);
        assert_eq!(read, admins);
    });
    let activates = PolicyRef { version: "v".into(), hash: Digest([1; 32]) };
    let pack = PackChange { active: true, hash: Digest([3; 32]), name: "soc2".into() };
    for pack in [None, Some(pack)] {
        let written = PolicyActivated {
            activates: activates.clone(),
            principal: PrincipalId([1; 8]),
            statement_id: [2; 8],
            signatures: vec![Signature { principal: PrincipalId([1; 8]), sshsig: "x".into() }],
            pack,
        };
        read(&Body::PolicyActivated(written), |content| {
            assert!(content.statement.is_some());
            let Meaning::PolicyActivated { activates: read, principal } = content.meaning else {
                panic!("none")
            };
            assert_eq!((read, principal), (activates.clone(), PrincipalId([1; 8])));
        });
    }
}

#[test]
fn people_and_grants() {
    let signatures = vec![Signature { principal: PrincipalId([1; 8]), sshsig: "x".into() }];
    let (principal, statement_id) = (PrincipalId([3; 8]), [2; 8]);
    let groups = vec!["b".into(), "a \"quoted\"".into()];
    let added = PersonAdded {
        principal,
        ssh_key: "ssh-ed25519 AAAA".into(),
        groups: groups.clone(),
        statement_id,
        signatures: signatures.clone(),
    };
    read(&Body::PersonAdded(added), |content| {
        let Meaning::PrincipalAdded { principal: read, ssh_key, groups: in_groups } = content.meaning else {
            panic!("none")
        };
        assert_eq!((read, ssh_key.as_str(), in_groups), (principal, "ssh-ed25519 AAAA", groups));
    });
    let removed = PersonRemoved { principal, statement_id, signatures: signatures.clone() };
    read(&Body::PersonRemoved(removed), |content| {
        assert!(matches!(content.meaning, Meaning::PrincipalRemoved(read) if read == principal));
    });
    let revoked = GrantRevoked {
        grant: reference(Rel::Grant),
        principal,
        statement_id,
        signatures: signatures.clone(),
    };
    read(&Body::GrantRevoked(revoked), |content| {
        assert!(matches!(content.meaning, Meaning::GrantRevoked(read) if read == principal));
        assert_eq!(content.refs, vec![reference(Rel::Grant)]);
    });
    let rights = [Right::Commands(vec!["git push".into(), "*".into()]), Right::Assume(PrincipalId([4; 8]))];
    for (right, all) in rights.iter().flat_map(|right| [(right, true), (right, false)]) {
        let limits = all && matches!(right, Right::Commands(_));
        let resources = if limits { vec!["cluster:dev-*".into(), "host:x".into()] } else { vec![] };
        let scope = Scope { right: right.clone(), resources, up_to: all.then_some(RiskTier::Medium) };
        let given = Given {
            principal,
            to: PrincipalId([5; 8]),
            on_behalf_of: all.then_some(PrincipalId([6; 8])),
            scope: scope.clone(),
            expires: all.then_some(Timestamp::from_ms(9)),
            delegate: 3,
        };
        let granted = Granted {
            principal,
            to: given.to,
            on_behalf_of: given.on_behalf_of,
            parent: all.then(|| reference(Rel::Grant)),
            scope,
            expires: given.expires,
            delegate: 3,
            statement_id,
            signatures: signatures.clone(),
        };
        read(&Body::Granted(granted), |content| {
            let Meaning::Granted(read) = content.meaning else { panic!("none") };
            assert_eq!(read, given);
        });
    }
}

#[test]
fn the_stop_button() {
    let (principal, reason_hash) = (PrincipalId([1; 8]), Some(Digest([2; 32])));
    let written = Halted { principal, on_behalf_of: Some(PrincipalId([3; 8])), reason_hash };
    read(&Body::Halted(written), |content| assert!(matches!(content.meaning, Meaning::Halted)));
    let signatures = vec![Signature { principal, sshsig: "x".into() }];
    let written = Resumed { principal, reason_hash, statement_id: [2; 8], signatures };
    read(&Body::Resumed(written), |content| {
        assert!(content.statement.is_some());
        assert!(matches!(content.meaning, Meaning::Resumed));
    });
}

#[test]
fn a_credential() {
    let principal = PrincipalId([1; 8]);
    for set in [true, false] {
        let written = SecretChanged {
            principal,
            secret: [4; 8],
            set,
            secret_hash: Digest([2; 32]),
            statement_id: [2; 8],
            signatures: vec![Signature { principal, sshsig: "x".into() }],
        };
        read(&Body::SecretChanged(written), |content| {
            assert!(content.statement.is_some());
            assert!(matches!(content.meaning, Meaning::SecretChanged));
        });
    }
}

#[test]
fn a_tenant_that_changes() {
    let (principal, hash) = (PrincipalId([1; 8]), Digest([2; 32]));
    let log_origin = LogOrigin::of("h", &[9; 16]);
    let ended = EndedChain { log_origin, size: 7, head: hash, root: hash, tenant_hash: hash };
    for change in TenantChange::ALL.iter().copied() {
        for of in [None, Some(ended.clone())] {
            let name = of.as_ref().map(|of| String::from(of.log_origin.as_str()));
            let changed = TenantChanged {
                change,
                principal,
                reason_hash: of.as_ref().map(|_| hash),
                private_items: of.is_none().then_some(3),
                of,
                statement_id: [2; 8],
                signatures: vec![Signature { principal, sshsig: "x".into() }],
            };
            read(&Body::TenantChanged(changed), |content| {
                let Meaning::TenantChanged { change: read, of } = content.meaning else { panic!("none") };
                assert_eq!((read, of), (change, name.clone()));
            });
        }
    }
}

#[test]
fn a_pinned_tool() {
    let principal = PrincipalId([1; 8]);
    for accepts in [false, true] {
        let pinned = ToolPinned {
            server: "mcp:github".into(),
            tool: "create_issue".into(),
            definition: Digest([2; 32]),
            principal,
            supersedes: accepts.then(|| reference(Rel::Supersedes)),
            statement_id: [2; 8],
            signatures: if accepts { vec![Signature { principal, sshsig: "x".into() }] } else { vec![] },
        };
        read(&Body::ToolPinned(pinned), |content| {
            let Meaning::ToolPinned { principal: by, supersedes } = content.meaning else { panic!("none") };
            assert_eq!((by, supersedes), (principal, accepts));
            assert_eq!(content.refs.len(), usize::from(accepts));
        });
    }
}

#[test]
fn a_token() {
    let principal = PrincipalId([1; 8]);
    let signatures = vec![Signature { principal, sshsig: "x".into() }];
    for on_behalf_of in [None, Some(PrincipalId([4; 8]))] {
        let issued = TokenIssued {
            token_id: TokenId([5; 8]),
            token_hash: Digest([2; 32]),
            principal,
            to: PrincipalId([3; 8]),
            on_behalf_of,
            scopes: TokenScope::ALL.to_vec(),
            expires: Timestamp::from_ms(9),
            statement_id: [2; 8],
            signatures: signatures.clone(),
        };
        read(&Body::TokenIssued(issued), |content| {
            assert!(content.statement.is_some());
            assert!(matches!(content.meaning, Meaning::TokenIssued(read) if read == principal));
        });
    }
    for signatures in [vec![], signatures] {
        let revoked = TokenRevoked {
            token_id: TokenId([5; 8]),
            issued: reference(Rel::Supersedes),
            principal,
            reason: Reason::code("token.leaked"),
            statement_id: [2; 8],
            signatures,
        };
        read(&Body::TokenRevoked(revoked), |content| {
            assert!(matches!(content.meaning, Meaning::TokenRevoked(read) if read == principal));
            assert_eq!(content.refs, vec![reference(Rel::Supersedes)]);
        });
    }
    let words: Vec<&str> = TokenScope::ALL.iter().map(|scope| scope.as_str()).collect();
    assert!(words.is_sorted());
    assert!(TokenScope::ALL.iter().all(|scope| TokenScope::parse(scope.as_str()) == Some(*scope)));
}
