//! Writes the seeds again: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.
//!
//! They are made from `vectors/`, `policies/` and `workers/`, so that every target starts from inputs
//! that pass. Inputs that once broke a promise are kept beside them by hand, named after what broke.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cascade_policy::decide::EscalationTerms;
use cascade_policy::facts::{
    Action, Authentication, Budget, Counter, Facts, Invocation, Principal, PrincipalKind, Signer, Spec,
    SpecLimits, Stdin, Subject, Tenant, Window, WindowKind,
};
use cascade_policy::limits::Amounts;
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::base64;
use cascade_receipt::bundle::Bundle;
use cascade_receipt::checkpoint::Checkpoint;
use cascade_receipt::decision::RiskTier;
use cascade_receipt::digest::Digest;
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::merkle::Tree;
use cascade_receipt::note::{Algorithm, VerifierKey};
use cascade_receipt::pem;
use cascade_receipt::proof::Proof;
use cascade_receipt::time::Timestamp;
use cascade_receipt::witness::AddCheckpoint;
use ed25519_dalek::{Signer as _, SigningKey};

const ORIGIN: &str = "vectors.example/t/a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
/// A vector above this teaches the engine nothing that two short ones do not.
const LEDGER_BYTES_MAX: usize = 7000;

fn main() {
    let mut seeds = Seeds::default();
    let vectors = vectors();
    ledgers(&mut seeds, &vectors);
    bundles(&mut seeds, &vectors);
    people(&mut seeds, &vectors);
    trees(&mut seeds, &vectors);
    texts(&mut seeds);
    policies(&mut seeds);
    seeds.write();
}

/// Target, name and bytes.
#[derive(Default)]
struct Seeds(BTreeMap<(String, String), Vec<u8>>);

impl Seeds {
    fn add(&mut self, target: &str, name: &str, bytes: impl AsRef<[u8]>) {
        self.0.insert((target.to_owned(), name.to_owned()), bytes.as_ref().to_vec());
    }

    fn write(&self) {
        for ((target, name), bytes) in &self.0 {
            let folder = root("fuzz/corpus").join(target);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join(name), bytes).expect("written");
        }
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

struct Vector {
    name: String,
    headers: Vec<(String, String)>,
    ledger: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(root("vectors")).expect("vectors").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let vector = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("readable");
        let end = bytes.windows(2).position(|two| two == b"\n\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let headers = head.lines().filter_map(|line| line.split_once(": "));
        Some(Vector {
            name: path.file_stem()?.to_string_lossy().into_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ledger: bytes[end + 2..].to_vec(),
        })
    };
    paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "vector"))
        .filter_map(vector)
        .collect()
}

/// The value of every string member of this name, however deep.
fn members(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.extend(value.as_str().filter(|_| key == name).map(str::to_owned));
                members(value, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, name, found)),
        Value::Bool(_) | Value::Int(_) | Value::Str(_) => {}
    }
}

fn receipts(vector: &Vector) -> impl Iterator<Item = (&[u8], Value)> {
    let lines = vector.ledger.split(|byte| *byte == b'\n');
    lines.filter_map(|line| Some((line, json::parse(line).ok()?)))
}

fn ledgers(seeds: &mut Seeds, vectors: &[Vector]) {
    for vector in
        vectors.iter().filter(|vector| vector.name.starts_with("valid-") && !vector.name.contains("bundle"))
    {
        if vector.ledger.len() <= LEDGER_BYTES_MAX {
            let target = if vector.name.contains("genesis") { "ledger" } else { "ledger_resealed" };
            seeds.add(target, &vector.name, &vector.ledger);
        }
        for (line, value) in receipts(vector) {
            let kind = value.member("content").and_then(|content| content.member("kind"));
            let kind = kind.and_then(Value::as_str).unwrap_or("none").replace([':', '/'], "-");
            seeds.add("receipt_line", &kind, line);
        }
    }
    for vector in vectors
        .iter()
        .filter(|vector| vector.name.starts_with("valid-") && !vector.name.contains("bundle"))
        .step_by(4)
    {
        if vector.ledger.len() <= LEDGER_BYTES_MAX {
            seeds.add("ledger", &vector.name, &vector.ledger);
        }
    }
    for name in ["syntax-malformed-foreign", "syntax-torn-cut", "signature-bad-s-plus-l"] {
        let vector = vectors.iter().find(|vector| vector.name == name).expect("the vector");
        seeds.add("ledger", name, &vector.ledger);
    }
    for (name, text) in [
        (
            "values",
            r#"{"a":[1,-2,0,9007199254740991],"b":"\u0000\ud83d\ude00\"\\\n/","c":true,"d":{},"e":[]}"#,
        ),
        ("canonical", "{\"a\":\"\\u001f\u{7f}\u{e9}\u{1f600}\",\"b\":[[[]]]}"),
        ("spaced", " { \"b\" : -0 , \"a\" : [ ] } "),
        ("surrogate", r#""\ud800""#),
        ("twice", r#"{"a":1,"a":1}"#),
        ("float", "[1.0,1e5]"),
        ("deep", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"),
    ] {
        seeds.add("json", name, text);
    }
}

fn bundles(seeds: &mut Seeds, vectors: &[Vector]) {
    for name in ["valid-bundle", "valid-bundle-disclosed"] {
        let vector = vectors.iter().find(|vector| vector.name == name).expect("the vector");
        seeds.add("bundle", name, &vector.ledger);
        let bundle = Bundle::parse(&vector.ledger).expect("a bundle");
        seeds.add("bundle_resigned", name, &bundle.payload);
    }
}

fn people(seeds: &mut Seeds, vectors: &[Vector]) {
    let (mut keys, mut armours) = (Vec::new(), Vec::new());
    for vector in
        vectors.iter().filter(|vector| vector.name.starts_with("valid-") && !vector.name.contains("bundle"))
    {
        for (_, value) in receipts(vector) {
            members(&value, "ssh_key", &mut keys);
            members(&value, "sshsig", &mut armours);
        }
    }
    keys.sort();
    keys.dedup();
    for (at, key) in keys.iter().enumerate() {
        seeds.add("ssh_key", &format!("key-{at}"), key);
    }
    let key = keys.first().expect("a key");
    armours.sort();
    armours.dedup();
    for (at, armour) in armours.iter().take(3).enumerate() {
        seeds.add("sshsig", &format!("armour-{at}"), format!("{key}\n\nmessage\n\n{armour}"));
    }
    let (key, armour) = signed_by_a_person();
    seeds.add("sshsig", "good", format!("{key}\n\nmessage\n\n{armour}"));
    let text = pem::write(&[9; 32]);
    seeds.add("pem", "plain", &text);
    seeds.add("pem", "wrapped", text.replace("MCow", "MC\r\n ow"));
}

fn signed_by_a_person() -> (String, String) {
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&[31; 32]);
    let private = ssh_key::PrivateKey::from(pair);
    let signature =
        private.sign("cascade-approval@v1", ssh_key::HashAlg::Sha512, b"message").expect("signed");
    let armour = signature.to_pem(ssh_key::LineEnding::LF).expect("armoured");
    (private.public_key().to_openssh().expect("a key"), armour)
}

fn key(name: &str, algorithm: Algorithm, seed: u8) -> (SigningKey, VerifierKey) {
    let signing = SigningKey::from_bytes(&[seed; 32]);
    let public = PublicKey::accept(signing.verifying_key().as_bytes()).expect("strong");
    (signing, VerifierKey::new(name, algorithm, public).expect("a name"))
}

fn trees(seeds: &mut Seeds, vectors: &[Vector]) {
    let (log, log_key) = key(ORIGIN, Algorithm::Ed25519, 2);
    let (witness, witness_key) = key("w1.example", Algorithm::Cosignature, 51);
    let mut tree = Tree::default();
    (0..9_u8).for_each(|leaf| tree.push(&if leaf == 3 { Digest([5; 32]) } else { Digest([leaf; 32]) }));
    let note = |size: u64| {
        let text =
            Checkpoint { origin: ORIGIN.to_owned(), size, root: tree.root(size).expect("a root") }.text();
        let line = log_key.line(&log.sign(text.as_bytes()).to_bytes());
        let message = cascade_receipt::checkpoint::cosignature_message(1_700_000_000, &text);
        let cosigned =
            cascade_receipt::checkpoint::cosignature(1_700_000_000, &witness.sign(&message).to_bytes());
        (format!("{text}\n{line}"), witness_key.line(&cosigned))
    };
    let (nine, cosigned) = note(9);
    seeds.add("note", "signed", &nine);
    seeds.add("note", "cosigned", format!("{nine}{cosigned}"));
    seeds.add("cosignatures", "two", format!("{cosigned}{cosigned}"));
    seeds.add("cosignatures", "one", note(1).1);
    let proof = Proof { index: 3, path: tree.inclusion(3, 9).expect("a path"), note: &nine };
    seeds.add("proof", "plain", proof.to_text());
    seeds.add("proof", "extra", proof.to_text().replacen("index", "extra AAAA\nindex", 1));
    for old in [0, 3, 9] {
        let path = tree.consistency(old, 9).expect("a path");
        let request = AddCheckpoint { old, path, note: &nine };
        seeds.add("add_checkpoint", &format!("from-{old}"), request.to_text());
    }
    seeds.add("verifier_key", "log", log_key.to_string());
    seeds.add("verifier_key", "witness", witness_key.to_string());
    let trusts = vectors.iter().flat_map(|vector| &vector.headers).filter(|(name, _)| name == "trust");
    let mut trusts: Vec<_> = trusts.filter_map(|(_, value)| base64::decode(value)).collect();
    trusts.sort();
    trusts.dedup();
    for (at, trust) in trusts.iter().take(6).enumerate() {
        seeds.add("trust", &format!("policy-{at}"), trust);
    }
    let grouped = format!(
        "# whom we trust\nlog {log_key} https://log.example/\nwitness\ta {witness_key} https://a.example/\n\
         witness b {}\ngroup ab 2 a b\ngroup any-of any ab\nquorum any-of\n",
        key("w2.example", Algorithm::Cosignature, 52).1
    );
    seeds.add("trust", "grouped", grouped);
}

fn texts(seeds: &mut Seeds) {
    let table = std::fs::read_to_string(root("crates/policy/tests/shell.table")).expect("readable");
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for (at, line) in lines.enumerate().step_by(2) {
        let text = line.split("  =>").next().unwrap_or(line).replace('\u{21b5}', "\n");
        seeds.add("shell", &format!("line-{at:03}"), text);
    }
    for (at, words) in [
        "git\0push\0--force\0origin\0+main",
        "env\0-i\0A=b\0bash\0-c\0rm -rf /",
        "sudo\0-u\0root\0find\0.\0-name\0x\0-exec\0rm\0{}\0;",
        "psql\0-c\0drop table x; select 1",
        "sed\0-n\0s/a/b/w out;1e\0file",
        "awk\0{ system(\"ls\") }\0file",
        "docker\0run\0--rm\0-v\0/:/host\0image\0sh",
        "kubectl\0-n\0prod\0delete\0pod\0--all",
    ]
    .iter()
    .enumerate()
    {
        seeds.add("argv", &format!("call-{at}"), words);
    }
    for (name, every) in [("paraphrases", 6), ("traps", 8)] {
        let path = format!("crates/policy/tests/intents.{name}");
        let table = std::fs::read_to_string(root(&path)).expect("readable");
        let said = table.lines().filter_map(|line| line.split_once(" => ").map(|(said, _)| said));
        for (at, said) in said.enumerate().step_by(every) {
            seeds.add("task", &format!("{name}-{at:03}"), said);
        }
    }
    for name in ["cascade", "find", "terraform", "database"] {
        let text = std::fs::read(root(&format!("workers/{name}.toml"))).expect("readable");
        seeds.add("manifest", name, text);
    }
}

fn policies(seeds: &mut Seeds) {
    let read = |path: &str| std::fs::read(root("policies/default").join(path)).expect("readable");
    seeds.add("cedar", "base", read("base.cedar"));
    seeds.add(
        "cedar",
        "conditions",
        "@id(\"x\")\nforbid (principal in Group::\"g\", action == Action::\"exec\", resource in Family::\"vcs\")\n\
         when { context.tier > 2 && context.cwd like \"/prod*\" } unless { context.hour < 23 };\n",
    );
    seeds.add("schema", "default", read("schema.cedarschema"));
    seeds.add("thresholds", "default", read("thresholds.toml"));
    let limits = std::fs::read(root("crates/policy/tests/gates/policy/limits.toml")).expect("limits");
    seeds.add("limits", "tests", limits);
    seeds.add("table", "default", read("tests/default.table"));
    let source = SnapshotSource { manifests: Vec::new(), ..SnapshotSource::bundled() };
    let snapshot = Snapshot::compile(&source).expect("the bundled policy compiles");
    seeds.add("snapshot", "default", snapshot.document());
    let plain = facts();
    seeds.add("facts", "plain", plain.to_json().to_canonical());
    let full = Facts {
        spec: Some(Spec {
            hash: Digest([3; 32]),
            signers: vec![Signer {
                principal: PrincipalId([2; 8]),
                groups: vec!["ops".to_owned()],
                admin: true,
            }],
            callers: Vec::new(),
            pinned: false,
            has_step: true,
            open: true,
            limits: SpecLimits {
                max_tier: Some(RiskTier::High),
                workers: Some(vec!["git".to_owned()]),
                packs: vec!["soc2".to_owned()],
                starters: Vec::new(),
            },
            approval: None,
        }),
        answers: Some(EscalationTerms {
            required: 2,
            groups: vec!["admins".to_owned()],
            expires_after_ms: 60_000,
            signature_required: true,
        }),
        windows: vec![Window {
            from: Timestamp::from_ms(1_767_600_000_000),
            to: Timestamp::from_ms(1_767_700_000_000),
            kind: WindowKind::Freeze,
        }],
        budgets: vec![Budget { name: "runs".to_owned(), used: 3, limit: 4 }],
        counters: vec![Counter {
            budget: "calls".to_owned(),
            of: Some(PrincipalId([6; 8])),
            since: Some(Timestamp::from_ms(1_767_000_000_000)),
            used: Amounts { actions: 6, tokens: 5, microusd: 4 },
            oldest: Some(Timestamp::from_ms(1_767_000_000_001)),
        }],
        subject: Some(Subject {
            id: PrincipalId([5; 8]),
            matter: Some(PrincipalId([6; 8])),
            zone: Some("America/New_York".to_owned()),
            consents: vec!["calls".to_owned()],
            conversed: Some(Timestamp::from_ms(1_767_000_000_002)),
            conversed_matter: Some(Timestamp::from_ms(1_767_000_000_002)),
        }),
        dry_run: true,
        ..plain
    };
    seeds.add("facts", "full", full.to_json().to_canonical());
}

fn facts() -> Facts {
    Facts {
        at: Timestamp::from_ms(1_767_614_400_000),
        tenant: Tenant { active: true, halted: false, chain_healthy: true, regimes: Vec::new() },
        principal: Principal {
            id: PrincipalId([1; 8]),
            kind: PrincipalKind::Agent,
            authentication: Authentication::OsUser,
            alive: true,
            admin: false,
            groups: vec!["dev".to_owned(), "oncall".to_owned()],
        },
        on_behalf_of: None,
        assumed: None,
        action: Action {
            invocation: Invocation::Cli(["git", "commit", "-m", "fix"].map(Vec::from).to_vec()),
            executable: None,
            cwd: b"/home/ada".to_vec(),
            env: vec![(b"PATH".to_vec(), b"/usr/bin:/bin".to_vec())],
            stdin: Stdin::Terminal,
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
