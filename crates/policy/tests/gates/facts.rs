use cascade_policy::decide::EscalationTerms;
use cascade_policy::facts::{
    Action, Approval, AskedModel, Authentication, BreakGlass, Budget, Covers, Delegator, Executable, Facts,
    FactsFault, Found, Grant, Invocation, ObeyedFile, Principal, PrincipalKind, Signer, Spec, SpecLimits,
    Stdin, Task, TaskKind, Tenant, Unreviewed, Window, WindowKind,
};
use cascade_receipt::decision::RiskTier;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;

/// A person in good standing who runs the words of `command`.
pub(crate) fn plain(command: &[u8]) -> Facts {
    let argv = command.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
    Facts {
        at: Timestamp::parse("2026-01-05T12:00:00.000Z").unwrap(),
        tenant: Tenant { active: true, halted: false, chain_healthy: true, regimes: Vec::new() },
        principal: Principal {
            id: PrincipalId([1; 8]),
            kind: PrincipalKind::Person,
            authentication: Authentication::OsUser,
            alive: true,
            admin: false,
            groups: Vec::new(),
        },
        on_behalf_of: None,
        assumed: None,
        action: Action {
            invocation: Invocation::Cli(argv),
            executable: None,
            cwd: b"/work".to_vec(),
            env: Vec::new(),
            stdin: Stdin::None,
            script: None,
            files: Vec::new(),
            defaults: Vec::new(),
            home: Vec::new(),
            resource: None,
        },
        spec: None,
        answers: None,
        approvals: Vec::new(),
        grants: Vec::new(),
        budgets: Vec::new(),
        windows: Vec::new(),
        counters: Vec::new(),
        subject: None,
        break_glass: None,
        unreviewed: Vec::new(),
        dry_run: false,
    }
}

/// A specification of which everything is said.
fn spec() -> Spec {
    Spec {
        hash: Digest([7; 32]),
        signers: vec![Signer { principal: PrincipalId([4; 8]), groups: vec!["ops".to_owned()], admin: true }],
        callers: vec![
            vec![Signer { principal: PrincipalId([5; 8]), groups: Vec::new(), admin: false }],
            Vec::new(),
        ],
        pinned: false,
        has_step: true,
        open: false,
        limits: SpecLimits {
            max_tier: Some(RiskTier::Medium),
            workers: Some(vec!["git".to_owned()]),
            packs: vec!["soc2".to_owned()],
            starters: vec!["release".to_owned()],
        },
        approval: Some(EscalationTerms {
            required: 3,
            groups: vec!["ops".to_owned()],
            expires_after_ms: 6,
            signature_required: true,
        }),
    }
}

/// Every member present, with bytes that are not text wherever bytes may stand.
pub(crate) fn full() -> Facts {
    let at = Timestamp::parse("2026-01-05T12:00:00.000Z").unwrap();
    let grant = |covers, expires| Grant {
        receipt_id: ReceiptId([4; 8]),
        to: PrincipalId([1; 8]),
        grantor_alive: true,
        expires,
        covers,
        resources: expires.map(|_| "cluster:dev-*".to_owned()).into_iter().collect(),
        up_to: expires.map(|_| RiskTier::High),
    };
    let groups = vec!["ops".to_owned(), "böse \"groups\"".to_owned()];
    Facts {
        on_behalf_of: Some(Delegator {
            id: PrincipalId([2; 8]),
            groups: groups.clone(),
            admin: true,
            alive: true,
        }),
        assumed: Some(PrincipalId([3; 8])),
        action: Action {
            invocation: Invocation::Cli(vec![b"ls".to_vec(), b"\xff\0".to_vec(), Vec::new()]),
            executable: Some(Executable { path: b"/bin/\xfe".to_vec(), sha256: Digest([8; 32]) }),
            cwd: b"/tmp/\xff".to_vec(),
            env: vec![(b"PATH".to_vec(), b"/bin".to_vec()), (b"\xff".to_vec(), b"\xff".to_vec())],
            stdin: Stdin::Captured(Digest([9; 32])),
            script: Some(b"git push".to_vec()),
            files: Vec::new(),
            defaults: Vec::new(),
            home: Vec::new(),
            resource: Some("db".to_owned()),
        },
        spec: Some(spec()),
        answers: Some(EscalationTerms {
            required: 2,
            groups: groups.clone(),
            expires_after_ms: 5,
            signature_required: false,
        }),
        approvals: vec![Approval {
            receipt_id: ReceiptId([6; 8]),
            principal: PrincipalId([5; 8]),
            action_matches: true,
            expires: at,
            groups,
            approve: false,
            signed: true,
        }],
        grants: vec![
            grant(Covers::Commands(vec!["git push".to_owned()]), Some(at)),
            grant(Covers::Assume(PrincipalId([3; 8])), None),
        ],
        budgets: vec![Budget { name: "runs".to_owned(), used: 1, limit: 2 }],
        windows: vec![Window { from: at, to: at, kind: WindowKind::Open }],
        break_glass: Some(BreakGlass {
            receipt_id: Some(ReceiptId([7; 8])),
            action_matches: true,
            groups: vec!["oncall".to_owned()],
        }),
        unreviewed: vec![Unreviewed {
            receipt_id: ReceiptId([7; 8]),
            principal: PrincipalId([1; 8]),
            due: at,
        }],
        dry_run: true,
        ..plain(b"")
    }
}

#[test]
fn json_holds_everything_and_is_canonical() {
    let mut shell = plain(b"");
    shell.action.invocation = Invocation::Shell(b"echo \xff".to_vec());
    shell.action.stdin = Stdin::Stream;
    let task = Task {
        kind: TaskKind::Code,
        text: "adds \u{fc}".to_owned(),
        signature: Some("f(a, b)".to_owned()),
        examples: vec!["f(1, 2) == 3".to_owned()],
        tests: Some("assert f(2, 2) == 4".to_owned()),
        schema: None,
        max_layer: "L5".to_owned(),
        tools: Vec::new(),
        model: None,
    };
    let model = AskedModel {
        provider: "openai".to_owned(),
        name: "m".to_owned(),
        host: "api.example.org".to_owned(),
        local: false,
        tokens: 7,
        microusd: 8,
        request: None,
    };
    let asked = |task| Facts {
        action: Action { invocation: Invocation::Task(Box::new(task)), ..plain(b"").action },
        ..plain(b"")
    };
    let with_model = asked(Task { model: Some(model), examples: vec![], ..task.clone() });
    for facts in [full(), plain(b"git status"), shell, asked(task), with_model] {
        let text = facts.to_json().to_canonical();
        let value = json::parse_canonical(text.as_bytes()).unwrap();
        assert_eq!(Facts::from_json(&value), Ok(facts));
    }
}

fn with_files() -> Facts {
    let found = [
        Found::Absent,
        Found::Bytes(Digest([1; 32])),
        Found::Directory,
        Found::Special,
        Found::TooLarge(Digest([2; 32])),
        Found::Unreadable(Digest([3; 32])),
    ];
    let mut facts = plain(b"sh x");
    let file = |(at, found)| ObeyedFile { path: vec![b'/', 0xfa + at], found };
    facts.action.files = (0_u8..).zip(found).map(file).collect();
    facts
}

#[test]
fn the_files_that_are_obeyed_are_part_of_the_action_where_there_are_some() {
    let facts = with_files();
    let text = facts.to_json().to_canonical();
    assert_eq!(Facts::from_json(&json::parse_canonical(text.as_bytes()).unwrap()), Ok(facts.clone()));
    let action = |facts: &Facts| facts.action().to_canonical();
    for at in 0..facts.action.files.len() {
        let mut changed = facts.clone();
        let other = Found::Bytes(Digest([9; 32]));
        changed.action.files[at].found = other;
        assert_ne!(action(&changed), action(&facts), "{at}");
    }
    assert!(!action(&plain(b"sh x")).contains("files"));
    // One spelling: sorted, without repetition, absent where empty.
    let mut unsorted = facts.clone();
    unsorted.action.files.reverse();
    let mut twice = facts.clone();
    twice.action.files.insert(0, facts.action.files[0].clone());
    for odd in [unsorted, twice] {
        assert_eq!(Facts::from_json(&odd.to_json()), Err(FactsFault::Malformed("files")));
    }
    for (from, to, fault) in [
        (r#""state":"absent""#, r#""state":"gone""#, FactsFault::Malformed("state")),
        (r#""state":"absent""#, r#""sha256":"00""#, FactsFault::Malformed("sha256")),
        (r#""stamp":""#, r#""stamped":""#, FactsFault::Missing("stamp")),
    ] {
        assert!(text.contains(from), "{from}");
        let value = json::parse(text.replacen(from, to, 1).as_bytes()).unwrap();
        assert_eq!(Facts::from_json(&value), Err(fault), "{to}");
    }
}

#[test]
fn what_is_missing_unknown_or_ill_formed_is_refused() {
    let text = full().to_json().to_canonical();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let value = json::parse(text.replacen(from, to, 1).as_bytes()).unwrap();
        Facts::from_json(&value).unwrap_err()
    };
    let cases = [
        (r#""dry_run":true,"#, "", FactsFault::Missing("dry_run")),
        (r#""dry_run":true"#, r#""dry_run":1"#, FactsFault::Malformed("dry_run")),
        ("facts/v1", "facts/v2", FactsFault::Malformed("_type")),
        (r#""halted":false"#, r#""frozen":true,"halted":false"#, FactsFault::Unknown("frozen".to_owned())),
        (r#""kind":"person""#, r#""kind":"robot""#, FactsFault::Malformed("kind")),
        (r#""kind":"cli""#, r#""kind":"shell""#, FactsFault::Missing("line")),
        (r#""id":"p_0101010101010101""#, r#""id":"p_01""#, FactsFault::Malformed("id")),
        // Base64 of plain text would be a second spelling.
        (r#""argv_b64":["bHM=","/wA=",""]"#, r#""argv_b64":["bHM="]"#, FactsFault::Malformed("argv_b64")),
        (r#""used":1"#, r#""used":-1"#, FactsFault::Malformed("used")),
        (r#""due":"2026"#, r#""due":"26"#, FactsFault::Malformed("due")),
        (r#""kind":"open""#, r#""kind":"ajar""#, FactsFault::Malformed("kind")),
    ];
    for (from, to, fault) in cases {
        assert_eq!(refused(from, to), fault, "{from} -> {to}");
    }
}

#[test]
fn the_action_is_what_people_approve() {
    let action = |facts: &Facts| facts.action().to_canonical();
    let facts = full();
    // The moment, approvals and whether it is a dry run do not change it; the order of the
    // environment does not either.
    let mut same = facts.clone();
    same.at = Timestamp::from_ms(1);
    same.approvals.clear();
    same.break_glass = None;
    same.unreviewed.clear();
    same.dry_run = false;
    same.tenant.halted = true;
    // `stdin` holds the hash of the same bytes.
    same.action.script = None;
    same.action.env.reverse();
    assert_eq!(action(&same), action(&facts));
    // Everything that changes what happens does.
    let changes: [fn(&mut Facts); 9] = [
        |facts| facts.action.invocation = Invocation::Cli(vec![b"ls".to_vec()]),
        |facts| facts.action.invocation = Invocation::Shell(b"ls".to_vec()),
        |facts| facts.action.cwd = b"/".to_vec(),
        |facts| facts.action.env[0].1 = b"/evil".to_vec(),
        |facts| facts.action.stdin = Stdin::Stream,
        |facts| facts.action.executable = None,
        |facts| facts.action.resource = None,
        |facts| facts.principal.id = PrincipalId([9; 8]),
        |facts| facts.on_behalf_of = None,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = facts.clone();
        change(&mut other);
        assert_ne!(action(&other), action(&facts), "change {number}");
    }
    let expected = r#"{"argv":["git","status"],"cwd":"/work","env":[],"kind":"cli","principal":"p_0101010101010101","stdin":"none"}"#;
    assert_eq!(action(&plain(b"git status")), expected);
}

#[test]
fn amounts_beyond_the_format_are_written_as_its_largest() {
    let mut facts = plain(b"ls");
    facts.budgets = vec![Budget { name: "big".to_owned(), used: u64::MAX, limit: u64::MAX }];
    let value = facts.to_json();
    let budget = &value.member("budgets").and_then(Value::as_array).unwrap()[0];
    assert_eq!(budget.member("used").and_then(Value::as_int), Some(json::INT_MAX));
}
