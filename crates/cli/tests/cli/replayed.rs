//! A run handed over as a bundle: another machine, with the public key and the spec alone, makes its decisions again and
//! finds its steps in an order that the spec allows.

use cascade_audit::replay;
use cascade_kernel::csl::Document;
use cascade_receipt::bundle::Bundle;
use cascade_receipt::digest::Digest;

use crate::runs::{by_agent, run, signed};
use crate::site::Site;

/// A run with a fan-out, an attempt that failed, people who were asked, a nested run, and something undone.
fn handed_over(site: &Site) -> Vec<u8> {
    signed(site, "inner", "", "  - {id: own, run: [echo, inner]}\n");
    let hash = site.run(&["spec", "hash", "inner.yaml"]).expect(0).stdout.trim().to_owned();
    let steps = format!(
        "  - {{id: make, foreach: inputs.names, run: [mkdir, \"d-${{item}}\"], compensate: {{run: [rmdir, \"d-${{item}}\"]}}}}\n  - {{id: ask, needs: [make], approval: {{text: \"go?\", groups: [admins]}}}}\n  - {{id: below, needs: [ask], workflow: {{file: inner.yaml, spec_hash: \"{hash}\"}}}}\n  - {{id: fail, needs: [below], run: [ls, nowhere], retry: {{attempts: 2, backoff: 10ms}}}}\n"
    );
    signed(site, "outer", "inputs: {names: {type: list<string>, default: [a, b]}}\n", &steps);
    let told = by_agent(site, &["--json", "spec", "run", "outer.yaml"]).expect(5).json();
    let asked = told["steps"].as_array().unwrap().iter().find(|step| step["id"] == "ask").unwrap();
    site.run(&["approve", asked["receipt_id"].as_str().unwrap()]).expect(0);
    let chain = told["chain"].as_str().unwrap();
    let told = by_agent(site, &["--json", "spec", "resume", chain]).expect(1).json();
    assert_eq!(told["outcome"], "aborted");
    assert!(!site.work("d-a").exists() && !site.work("d-b").exists());
    // Something beside it, which is none of its receipts.
    signed(site, "other", "", "  - {id: a, run: [echo, other]}\n");
    run(site, "other", 0);
    site.run(&["bundle", "create", chain, "--run", "--replayable", "--out", "run.bundle"]).expect(0);
    std::fs::read(site.work("run.bundle")).unwrap()
}

#[test]
fn another_machine_makes_the_same_decisions() {
    let (site, elsewhere) = (Site::new(), Site::new());
    let bytes = handed_over(&site);
    std::fs::write(elsewhere.work("run.bundle"), &bytes).unwrap();
    for spec in ["inner.yaml", "outer.yaml"] {
        std::fs::copy(site.work(spec), elsewhere.work(spec)).unwrap();
    }
    std::fs::write(elsewhere.work("key.pem"), site.run(&["key", "export", "--public"]).expect(0).stdout)
        .unwrap();
    let words = [
        "replay",
        "run.bundle",
        "--public-key",
        "key.pem",
        "--spec",
        "outer.yaml",
        "--spec",
        "inner.yaml",
        "--check",
    ];
    let told = elsewhere.run(&[&["--json"], &words[..]].concat()).expect(0).json();
    // Start, two directories, the question and its answer to the run, the nested start and its step, two attempts, two
    // that undo.
    assert_eq!(
        (&told["decisions"], &told["matches"], &told["runs"]),
        (&11.into(), &11.into(), &2.into()),
        "{told}"
    );
    assert_eq!((&told["divergences"], &told["erased"]), (&0.into(), &0.into()));
    assert_eq!(told["attempts"], 7);
    assert!(!elsewhere.home().exists(), "it needs no home");
    let told = elsewhere.run(&words).expect(0).stdout;
    assert!(told.starts_with("same: 11 of 11 decisions came out the same\n7 attempts of 2 runs"), "{told}");

    // What was not disclosed cannot be made again, and whoever wants to be sure is told.
    site.run(&["bundle", "create", "--range", "0..8", "--out", "bare.bundle"]).expect(0);
    let told = site.run(&["--json", "replay", "bare.bundle", "--check"]).expect(6).json();
    assert_eq!(told["decisions"], told["undisclosed"]);
    // Nor is anything called the same that was not held against its spec, or whose facts are erased.
    let outer = ["replay", "run.bundle", "--public-key", "key.pem", "--spec", "outer.yaml", "--check"];
    assert!(elsewhere.run(&outer).expect(6).stdout.starts_with("incomplete"));
    let done = site.receipts().into_iter().find(|one| one.kind() == "task_completed").unwrap();
    let chain = done.reference("chain").unwrap().to_owned();
    site.run(&["erase", done.id()]).expect(0);
    site.run(&["bundle", "create", &chain, "--run", "--replayable", "--out", "erased.bundle"]).expect(0);
    let told = site.run(&[
        "--json",
        "replay",
        "erased.bundle",
        "--spec",
        "outer.yaml",
        "--spec",
        "inner.yaml",
        "--check",
    ]);
    let told = told.expect(6).json();
    assert_eq!((&told["outcome"], &told["divergences"]), (&"incomplete".into(), &0.into()), "{told}");
    // A bundle that is not what it says is not replayed.
    let other = String::from_utf8(bytes).unwrap().replacen("\"sig\":\"", "\"sig\":\"AAAA", 1);
    std::fs::write(elsewhere.work("run.bundle"), other).unwrap();
    elsewhere.run(&words).expect_failure(4, "it is not valid");
}

#[test]
fn whatever_does_not_follow_is_told() {
    let site = Site::new();
    let sound = Bundle::parse(&handed_over(&site)).unwrap();
    let spec = |name: &str| Document::read(&std::fs::read(site.work(name)).unwrap()).unwrap();
    let specs: Vec<(Digest, Document)> =
        ["outer.yaml", "inner.yaml"].map(|name| (spec(name).hash(), spec(name))).into();
    let codes = |bundle: &Bundle| {
        let replayed = replay::bundle(bundle, &specs);
        let mut codes: Vec<_> = replayed.divergences.iter().map(|one| one.what.code()).collect();
        codes.dedup();
        codes
    };
    assert_eq!(codes(&sound), [""; 0]);
    // (what a line must hold, what is changed in it to what, what is told of it)
    for (holds, from, to, code) in [
        (
            "\"kind\":\"task_started\"",
            "\"outcome\":\"pass\"",
            "\"outcome\":\"not_applicable\"",
            "decision.differs",
        ),
        ("\"step\":{\"at\":3,\"attempt\":1", "\"step\":{\"at\":3", "\"step\":{\"at\":0", "order.needs"),
        ("\"step\":{\"at\":3,\"attempt\":1", "\"attempt\":1", "\"attempt\":3", "order.attempts"),
        ("\"role\":\"compensation\"", "\"item\":1", "\"item\":7", "step.unknown"),
        (
            "\"kind\":\"task_started\"",
            "\"risk_tier\":\"LOW\"",
            "\"risk_tier\":\"HIGH\"",
            "decision.other_action",
        ),
        (
            "\"kind\":\"escalation\"",
            "\"kind\":\"escalation\"",
            "\"kind\":\"task_started\"",
            "decision.other_kind",
        ),
        ("\"step\":{\"at\":3", "\"step\":{\"at\":3", "\"step\":{\"at\":9", "step.unknown"),
    ] {
        let mut bundle = sound.clone();
        for shown in bundle.statement.receipts.iter_mut().filter(|shown| shown.line.contains(holds)) {
            shown.line = shown.line.replace(from, to);
        }
        assert!(codes(&bundle).contains(&code), "{code}: {:?}", codes(&bundle));
    }
    // What was undone in another order than the reverse.
    let mut bundle = sound.clone();
    for shown in &mut bundle.statement.receipts {
        if shown.line.contains("\"role\":\"compensation\"") {
            let swapped = shown.line.replace("\"item\":0", "\"item\":X").replace("\"item\":1", "\"item\":0");
            shown.line = swapped.replace("\"item\":X", "\"item\":1");
        }
    }
    assert!(codes(&bundle).contains(&"order.compensation"), "{:?}", codes(&bundle));
    // Facts about other words than the spec has.
    let mut bundle = sound.clone();
    for one in &mut bundle.statement.disclosures {
        let text = String::from_utf8(one.bytes.clone()).unwrap();
        one.bytes = text.replace("\"mkdir\",\"d-a\"", "\"mkdir\",\"e-a\"").into_bytes();
    }
    assert!(codes(&bundle).contains(&"step.command"), "{:?}", codes(&bundle));
    // A policy that is not there any more.
    let mut bundle = sound;
    bundle.statement.snapshots.clear();
    let replayed = replay::bundle(&bundle, &specs);
    assert_eq!((replayed.matches, replayed.undisclosed), (0, replayed.decisions));
}
