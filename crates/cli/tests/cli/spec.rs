//! `cascade spec`: written, hashed, signed, checked and planned. Nothing here runs one.

use std::path::PathBuf;

use serde_json::Value;

use crate::site::{Done, Site, finish};
use crate::team::Team;

const SPEC: &str = r#"csl: 1
name: ship
version: "1.0"
inputs:
  tag: {type: string, pattern: 'v[0-9.]+'}
  hosts: {type: list<string>, default: [a]}
  count: {type: int, default: 1}
  dry: {type: bool, default: false}
steps:
  - id: force
    needs: [mark]
    run: [git, push, --force]
  - id: mark
    run: [git, tag, "${inputs.tag}"]
    compensate: {run: [git, tag, -d, "${inputs.tag}"]}
  - id: each
    foreach: inputs.hosts
    run: [echo, "${item}"]
  - id: later
    needs: [mark]
    when: steps.mark.ok
    run: [echo, "${steps.mark.stdout}"]
  - id: never
    when: inputs.dry
    run: [echo, fixed]
  - id: ask
    approval: {text: "well?", groups: [admins]}
"#;

fn write(site: &Site, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(site.work(name), text).unwrap();
}

fn with_spec() -> Site {
    let site = Site::new();
    write(&site, "ship.yaml", SPEC);
    site
}

/// The files of the repository.
fn repository(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn step<'a>(plan: &'a Value, id: &str) -> &'a Value {
    plan["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap()
}

#[test]
fn what_new_prints_can_be_planned_and_signed() {
    let site = Site::new();
    for (args, name) in [(&["spec", "new"][..], "starter"), (&["spec", "new", "yes"], "yes")] {
        let text = site.run(args).expect(0).stdout;
        write(&site, "new.yaml", &text);
        let plan = site.run(&["--json", "spec", "plan", "new.yaml", "--as", "person"]).expect(0).json();
        assert_eq!(plan["name"], name);
        for kind in ["retry:", "foreach:", "approval:", "compensate:", "inputs:"] {
            assert!(text.contains(kind), "no {kind}");
        }
        for step in plan["steps"].as_array().unwrap() {
            for command in step["commands"].as_array().unwrap() {
                assert_eq!(command["verdict"], "admit", "{step}");
            }
        }
    }
    assert!(!site.home().exists(), "looking created a home");
    site.run(&["spec", "new", "Not a name"]).expect_failure(2, "`name` is lower-case letters");
    site.run(&["spec", "new", "x\"\ncsl: 2"]).expect_failure(2, "is no spec");
}

#[test]
fn the_schema_is_printed_for_editors() {
    let schema = Site::new().run(&["spec", "schema"]).expect(0).json();
    assert_eq!(schema["title"], "Cascade Spec Language");
    assert_eq!(schema["properties"]["csl"]["const"], 1);
}

#[test]
fn the_hash_is_of_the_data_whatever_it_is_written_in() {
    let site = Site::new();
    let yaml = "# c\ncsl: 1\nname: a\nversion: \"1\"\nsteps:\n  - id: one\n    run: [echo, 'x y']\n";
    let json = r#"{"steps":[{"run":["echo","x y"],"id":"one"}],"version":"1","name":"a","csl":1}"#;
    write(&site, "a.yaml", yaml);
    write(&site, "a.json", json);
    let hash = site.run(&["spec", "hash", "a.yaml"]).expect(0).stdout;
    assert_eq!(site.run(&["spec", "hash", "a.json"]).expect(0).stdout, hash);
    let canonical = site.run(&["spec", "hash", "a.yaml", "--canonical"]).expect(0).bytes;
    let mut sum = site.program("sha256sum");
    sum.arg("-");
    assert_eq!(finish(sum, &canonical).expect(0).stdout, format!("{}  -\n", hash.trim()));
    let told = site.run(&["--json", "spec", "hash", "a.json"]).expect(0).json();
    assert_eq!(told, serde_json::json!({"name": "a", "version": "1", "spec_hash": hash.trim()}));
    write(&site, "a.yaml", yaml.replace("x y", "x z"));
    assert_ne!(site.run(&["spec", "hash", "a.yaml"]).expect(0).stdout, hash);
}

/// What stands beside the spec, and what is said of it.
fn verified(site: &Site, more: &[&str]) -> Value {
    let mut args = vec!["--json", "spec", "verify", "ship.yaml"];
    args.extend(more);
    let done = site.run(&args);
    let code = done.status.code();
    let told = done.json();
    assert_eq!(code, Some(if told["valid"] == true { 0 } else { 4 }), "{told}");
    told
}

fn code(site: &Site, more: &[&str]) -> String {
    verified(site, more)["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_registered_person_signs_and_the_chain_knows_who() {
    let site = with_spec();
    assert_eq!(code(&site, &[]), "specification.unsigned");
    site.run(&["spec", "sign", "ship.yaml"]).expect_failure(1, "couldn't open the ledger");
    site.run(&["init"]).expect(0);
    let before = site.receipts().len();
    let signed = site.run(&["--json", "spec", "sign", "ship.yaml"]).expect(0).json();
    let told = verified(&site, &[]);
    assert_eq!(
        (&told["code"], &told["name"], &told["version"]),
        (&"valid".into(), &"ship".into(), &"1.0".into())
    );
    assert_eq!(told["spec_hash"], signed["spec_hash"]);
    assert_eq!(told["signer"]["fingerprint"], signed["fingerprint"]);
    let people = site.run(&["--json", "people", "list"]).expect(0).stdout;
    assert!(people.contains(told["signer"]["principal"].as_str().unwrap()), "{people}");
    let text = site.run(&["spec", "verify", "ship.yaml"]).expect(0).stdout;
    assert!(text.contains("valid  ship 1.0") && text.contains("SHA256:"), "{text}");
    // Layout is not content; a single letter is.
    write(&site, "ship.yaml", format!("# a comment\n{SPEC}"));
    assert_eq!(code(&site, &[]), "valid");
    for (from, to) in [("v[0-9.]+", "v[0-9.]*"), ("--force", "--forcE"), ("\"1.0\"", "\"1.1\"")] {
        write(&site, "ship.yaml", SPEC.replace(from, to));
        assert_eq!(code(&site, &[]), "specification.changed", "{to}");
    }
    site.run(&["spec", "verify", "ship.yaml"]).expect(4);
    assert_eq!(site.receipts().len(), before, "neither signing nor checking is an act of the chain");
}

/// The statement that is signed.
fn statement(site: &Site) -> String {
    let hash = site.run(&["spec", "hash", "ship.yaml"]).expect(0).stdout;
    format!("{{\"_type\":\"cascade/spec/v1\",\"spec_hash\":\"{}\"}}", hash.trim())
}

/// A signature as `ssh-keygen` makes it, put beside the spec.
fn sign_with_ssh_keygen(team: &Team, who: &str, namespace: &str) {
    let (key, statement) = (team.key(who), statement(&team.site));
    write(&team.site, "statement", statement);
    drop(std::fs::remove_file(team.site.work("statement.sig")));
    team.site
        .set("ssh-keygen", &["-q", "-Y", "sign", "-f", key.to_str().unwrap(), "-n", namespace, "statement"]);
    std::fs::rename(team.site.work("statement.sig"), team.site.work("ship.yaml.sig")).unwrap();
}

#[test]
fn ssh_keygen_checks_ours_and_we_check_its() {
    let team = Team::new();
    let site = &team.site;
    write(site, "ship.yaml", SPEC);
    let (key, public) = (team.key("ada"), team.public("ada"));
    let public = public.to_str().unwrap();
    site.run(&["spec", "sign", "ship.yaml", "--key", key.to_str().unwrap()]).expect(0);
    let line = std::fs::read_to_string(public).unwrap();
    write(site, "allowed", format!("ada namespaces=\"cascade-spec@v1\" {line}"));
    let mut check = site.program("ssh-keygen");
    check.args([
        "-Y",
        "verify",
        "-f",
        "allowed",
        "-I",
        "ada",
        "-n",
        "cascade-spec@v1",
        "-s",
        "ship.yaml.sig",
    ]);
    assert!(finish(check, statement(site).as_bytes()).expect(0).stdout.starts_with("Good"));

    sign_with_ssh_keygen(&team, "ada", "cascade-spec@v1");
    assert_eq!(code(site, &["--author-key", public]), "valid");
    let fingerprint = site.set("ssh-keygen", &["-l", "-f", public]).stdout;
    let signer = verified(site, &["--author-key", public])["signer"].clone();
    assert!(fingerprint.contains(signer["fingerprint"].as_str().unwrap()), "{signer}");
    let bob = team.public("bob");
    assert_eq!(code(site, &["--author-key", bob.to_str().unwrap()]), "specification.other_key");
    sign_with_ssh_keygen(&team, "ada", "cascade-policy@v1");
    assert_eq!(code(site, &["--author-key", public]), "specification.namespace");
}

#[test]
fn without_a_key_given_the_author_is_one_whom_the_chain_trusts() {
    let team = Team::new();
    let site = &team.site;
    write(site, "ship.yaml", SPEC);
    let sign = |who: &str| {
        let key = team.key(who);
        site.run(&["spec", "sign", "ship.yaml", "--key", key.to_str().unwrap()]).expect(0)
    };
    sign("ada");
    assert_eq!(code(site, &[]), "specification.stranger");
    team.joins("ada", &["authors"]);
    assert_eq!(code(site, &[]), "specification.untrusted");
    // Whose groups the policy trusts is the policy's own business.
    let dir = site.path("authors");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("all.cedar"), "permit (principal, action, resource);\n").unwrap();
    std::fs::write(dir.join("thresholds.toml"), "[specs]\nauthors = [\"authors\"]\n").unwrap();
    site.run(&["policy", "activate", dir.to_str().unwrap()]).expect(0);
    assert_eq!(code(site, &[]), "valid");
    site.run(&["policy", "activate", "--to", "default"]).expect(0);
    assert_eq!(code(site, &[]), "specification.untrusted");
    let public = team.public("bob");
    site.run(&["people", "add", "bob", "--admin", "--ssh-key", public.to_str().unwrap()]).expect(0);
    let done = sign("bob");
    assert!(done.stderr.contains("which was a signature of this spec by SHA256:"), "{}", done.stderr);
    let told = verified(site, &[]);
    assert_eq!(told["code"], "valid");
    assert!(site.run(&["spec", "verify", "ship.yaml"]).expect(0).stdout.contains("signed by bob SHA256:"));
    site.run(&["people", "remove", "bob"]).expect(0);
    assert_eq!(code(site, &[]), "specification.stranger", "whoever left is trusted no more");
    // With the key in hand no chain is needed.
    let mut alone = site.cascade(&["spec", "verify", "ship.yaml", "--author-key", public.to_str().unwrap()]);
    alone.env("CASCADE_HOME", site.path("nowhere"));
    finish(alone, b"").expect(0);
}

#[test]
fn what_is_no_signature_is_neither_trusted_nor_overwritten() {
    let team = Team::new();
    let site = &team.site;
    let key = team.key("ada");
    let sign = |more: &[&str]| -> Done {
        let mut args = vec!["spec", "sign", "ship.yaml", "--key", key.to_str().unwrap()];
        args.extend(more);
        site.run(&args)
    };
    write(site, "ship.yaml", SPEC);
    write(site, "ship.yaml.sig", "my notes\n");
    assert_eq!(code(site, &[]), "specification.malformed");
    sign(&[]).expect_failure(1, "is no SSH signature");
    assert_eq!(std::fs::read_to_string(site.work("ship.yaml.sig")).unwrap(), "my notes\n");
    std::fs::remove_file(site.work("ship.yaml.sig")).unwrap();

    assert!(!sign(&[]).expect(0).stderr.contains("replaced"));
    assert!(!sign(&[]).expect(0).stderr.contains("replaced"), "the same content again");
    write(site, "ship.yaml", SPEC.replace("1.0", "1.1"));
    let again = sign(&[]).expect(0).stderr;
    assert!(again.contains("replaced `ship.yaml.sig`, which was not a signature of this spec"), "{again}");
    assert!(again.contains("signed by SHA256:") && again.contains(&statement(site)[40..104]), "{again}");
    sign(&["--out", "elsewhere"]).expect(0);
    assert_eq!(
        std::fs::read(site.work("elsewhere")).unwrap(),
        std::fs::read(site.work("ship.yaml.sig")).unwrap()
    );
    sign(&["--out", "nowhere/x.sig"]).expect(1);
    let left: Vec<_> =
        std::fs::read_dir(site.work(".")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with(".cascade-")), "{left:?}");
}

#[test]
fn what_is_no_spec_is_not_signed_and_agents_sign_nothing() {
    let team = Team::new();
    let site = &team.site;
    let key = team.key("ada");
    let key = key.to_str().unwrap();
    write(site, "ship.yaml", SPEC.replace("csl: 1", "csl: 2"));
    site.run(&["spec", "sign", "ship.yaml", "--key", key]).expect_failure(2, "ship.yaml:1:6: ");
    assert!(!site.work("ship.yaml.sig").exists());
    write(site, "ship.yaml", SPEC);
    for (args, agent) in [
        (&["spec", "sign", "ship.yaml", "--key", key][..], true),
        (&["spec", "sign", "ship.yaml"], true),
        (&["--as", "agent", "spec", "sign", "ship.yaml", "--key", key], false),
    ] {
        let command = if agent { team.agent(args) } else { site.cascade(args) };
        finish(command, b"").expect_failure(3, "an agent cannot answer for people");
    }
    // Nor does anybody from beneath a governed run.
    let cascade = crate::site::CASCADE;
    let below = site.run(&["run", "--", cascade, "spec", "sign", "ship.yaml", "--key", key]);
    assert_ne!(below.status.code(), Some(0), "{}", below.stderr);
    assert!(!site.work("ship.yaml.sig").exists());
    // What a verifier would refuse is not written either.
    site.set("ssh-keygen", &["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", "weak"]);
    site.run(&["spec", "sign", "ship.yaml", "--key", "weak"]).expect_failure(1, "too weak");
    assert!(!site.work("ship.yaml.sig").exists());
    site.run(&["spec", "sign", "ship.yaml", "--key", "ship.yaml"]).expect_failure(1, "couldn't sign");
    site.run(&["spec", "sign", "ship.yaml", "--key", "none"]).expect_failure(1, "none");
}

#[test]
fn files_that_cannot_be_read_are_no_verdict() {
    let site = with_spec();
    for verb in ["hash", "sign", "verify", "plan"] {
        site.run(&["spec", verb, "none.yaml"]).expect(1);
        site.run(&["spec", verb, "."]).expect(1);
        write(&site, "bad.yaml", "csl: 1\n");
        site.run(&["spec", verb, "bad.yaml"]).expect_failure(2, "bad.yaml:1:1: ");
    }
    site.run(&["spec", "verify", "ship.yaml", "--author-key", "ship.yaml"])
        .expect_failure(1, "couldn't use `ship.yaml`");
}

/// One step of a spec that is otherwise right.
fn of_step(step: &str) -> String {
    format!(
        "csl: 1\nname: a\nversion: \"1\"\ninputs: {{n: {{type: int, default: 1}}}}\nsteps:\n  - id: first\n    run: [echo]\n  - id: one\n{step}\n"
    )
}

#[test]
fn bad_input_is_told_with_its_place() {
    let site = Site::new();
    let bomb: String = ["a: &a [x,x,x,x,x,x,x,x]\n".to_owned()]
        .into_iter()
        .chain(["ab", "bc", "cd", "de", "ef", "fg", "gh"].map(|pair| {
            let (from, to) = pair.split_at(1);
            format!("{to}: &{to} [*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from}]\n")
        }))
        .collect();
    for (name, text, said) in [
        (
            "circle",
            of_step("    needs: [two]\n    run: [echo]\n  - id: two\n    needs: [one]\n    run: [echo]"),
            "8:5: the steps wait for each other: one needs two needs one",
        ),
        ("no such step", of_step("    needs: [none]\n    run: [echo]"), "9:13: there is no step `none`"),
        (
            "no such input",
            of_step("    run: [echo, \"${inputs.none}\"]"),
            "9:17: `inputs.none`: there is no input `none`",
        ),
        (
            "not over by then",
            of_step("    run: [echo, \"${steps.first.stdout}\"]"),
            "9:17: `steps.first.stdout`: `first` may not be over",
        ),
        ("types", of_step("    when: inputs.n\n    run: [echo]"), "9:11: `when` is true or false"),
        (
            "more types",
            of_step("    run: [echo, \"${inputs.n + 'x'}\"]"),
            "9:17: `inputs.n + 'x'`: the types do not fit",
        ),
        (
            "no function",
            of_step("    run: [echo, \"${system('id')}\"]"),
            "9:17: there is no function `system`",
        ),
        (
            "no function with a mark in it",
            of_step("    run: [echo, \"${read_file('id')}\"]"),
            "9:17: there is no function `read_file`",
        ),
        ("bomb", bomb, "1:4: anchors"),
        (
            "a line for a shell",
            of_step("    run: echo hello; rm -rf /"),
            "9:10: a command is a list of words",
        ),
        ("a member nobody knows", of_step("    run: [echo]\n    runs: [echo]"), "10:5: a step has no `runs`"),
        (
            "a zone nobody knows",
            of_step(
                "    run: [echo]\nconstraints: {window: {from: \"09:00\", to: \"17:00\", zone: Europe/Atlantis}}",
            ),
            "10:23: there is no time zone `Europe/Atlantis`",
        ),
        ("deep", "[".repeat(100_000), "1:"),
        ("long", format!("csl: \"{}\"", "x".repeat(300_000)), "1:1: the spec has more than 256 KiB"),
    ] {
        write(&site, "bad.yaml", text);
        let done = site.run(&["spec", "plan", "bad.yaml"]).expect_failure(2, "`bad.yaml` is no spec");
        assert!(done.stderr.contains(&format!("  bad.yaml:{said}")), "{name}: {}", done.stderr);
    }
}

#[test]
fn an_expression_that_does_not_end_is_ended_and_bytes_that_are_no_text_are_told() {
    let site = Site::new();
    let walk = "    when: \"[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, [0,1,2,3,4,5,6,7,8,9].all(d, [0,1,2].all(e, true)))))\"\n    run: [echo]";
    // Told of its type, not of its value; a run ends it, and here it is ended as well.
    write(&site, "bad.yaml", of_step(walk));
    let plan = site.run(&["--json", "spec", "plan", "bad.yaml"]).expect(0).json();
    assert!(step(&plan, "one")["fault"].as_str().unwrap().contains("walks over too much"), "{plan}");
    write(&site, "bad.yaml", b"csl: 1\nname: \xff\n");
    site.run(&["spec", "plan", "bad.yaml"]).expect_failure(2, "bad.yaml:2:7: the text is not UTF-8");
    let told = site.run(&["--json", "spec", "hash", "bad.yaml"]).expect(2).json();
    let fault = &told["faults"][0];
    assert_eq!(
        (&fault["file"], &fault["line"], &fault["column"]),
        (&"bad.yaml".into(), &2.into(), &7.into())
    );
    assert_eq!(told["error"]["exit_code"], 2);
}

#[test]
fn a_plan_decides_what_hangs_on_inputs_alone() {
    let site = with_spec();
    let args = [
        "--json",
        "spec",
        "plan",
        "ship.yaml",
        "--input",
        "tag=v1",
        "--input",
        "hosts=a",
        "--input",
        "hosts=b",
    ];
    let plan = site.run(&args).expect(0).json();
    let ids: Vec<&str> =
        plan["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["mark", "force", "each", "later", "never", "ask"]);
    let command = |id: &str, at: usize| step(&plan, id)["commands"][at].clone();
    // The same as `shell-check` says of the line.
    let line = site.run(&["--json", "shell-check", "--", "git push --force"]).expect(3).json();
    let force = command("force", 0);
    assert_eq!((&force["verdict"], &force["risk_tier"]), (&line["verdict"], &line["risk_tier"]));
    assert_eq!(force["risk_tier"], "CRITICAL");
    assert_eq!(command("mark", 0)["argv"], serde_json::json!(["git", "tag", "v1"]));
    assert_eq!(command("mark", 1)["role"], "compensate");
    assert_eq!(command("mark", 1)["known"], "decided");
    assert_eq!(
        (&step(&plan, "each")["foreach"]["items"], &command("each", 0)["known"]),
        (&2.into(), &"decided".into())
    );
    assert_eq!(command("later", 0)["known"], "at run time");
    assert_eq!(step(&plan, "never")["when"], serde_json::json!({"expression": "inputs.dry", "value": false}));
    assert_eq!(step(&plan, "ask")["groups"], serde_json::json!(["admins"]));
    assert_eq!(plan["missing_inputs"], serde_json::json!([]));

    let without = site.run(&["--json", "spec", "plan", "ship.yaml"]).expect(0).json();
    assert_eq!(without["missing_inputs"], serde_json::json!(["tag"]));
    assert_eq!(step(&without, "mark")["commands"][0]["known"], "at run time");
    let table = site.run(&["spec", "plan", "ship.yaml"]).expect(0);
    for line in [
        "ID",
        "mark",
        "  compensate",
        "force",
        "at run time",
        "skipped",
        "asks 1 of admins",
        "force: failfast: ",
    ] {
        assert!(table.stdout.contains(line), "no `{line}` in {}", table.stdout);
    }
    assert!(table.stderr.contains("--input tag=VALUE"), "{}", table.stderr);
    assert!(!site.home().exists(), "looking created a home");
    site.run(&["init"]).expect(0);
    site.run(&args).expect(0);
    assert_eq!(site.receipts().len(), 1, "nothing is recorded");
}

#[test]
fn a_plan_holds_commands_to_the_constraints_of_the_spec() {
    let site = Site::new();
    for (constraints, code) in [
        ("max_tier: LOW", Some("specification.tier")),
        ("workers: [tar]", Some("specification.worker")),
        ("workers: [git, env]", None),
        ("workers: [env]", Some("specification.worker")),
    ] {
        let text = format!(
            "csl: 1\nname: a\nversion: \"1\"\nconstraints: {{{constraints}}}\nsteps: [{{id: one, run: [env, git, push]}}]\n"
        );
        write(&site, "a.yaml", text);
        let plan = site.run(&["--json", "--as", "person", "spec", "plan", "a.yaml"]).expect(0).json();
        let command = &plan["steps"][0]["commands"][0];
        let codes: Vec<&str> =
            command["reasons"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(
            (command["verdict"] == "deny", codes.first().copied()),
            (code.is_some(), code),
            "{constraints}: {command}"
        );
    }
}

#[test]
fn what_governs_a_program_beside_its_words_counts() {
    let site = Site::new();
    let of = |more: &str| {
        write(&site, "a.yaml", format!("csl: 1\nname: a\nversion: \"1\"\nsteps:\n  - {{id: one, {more}}}\n"));
        let plan = site.run(&["--json", "--as", "person", "spec", "plan", "a.yaml"]).expect(0).json();
        plan["steps"][0]["commands"][0]["risk_tier"].as_str().unwrap().to_owned()
    };
    assert_eq!(of("run: [git, log]"), "LOW");
    assert_eq!(of("run: [git, log], env: {GIT_PAGER: 'rm -rf /'}"), "CRITICAL");
    assert_eq!(of("run: [sh], stdin: \"git push --force\\n\""), "CRITICAL");
}

#[test]
fn a_plan_decides_a_thousand_commands_and_no_more() {
    let site = Site::new();
    let spec = "csl: 1\nname: a\nversion: \"1\"\ninputs: {hosts: {type: list<string>}}\nsteps: [{id: one, foreach: inputs.hosts, run: [echo, \"${item}\"]}]\n";
    write(&site, "a.yaml", spec);
    for (count, known) in [(1_000, "decided"), (1_001, "at run time")] {
        let hosts = serde_json::json!({"hosts": vec!["x"; count]});
        write(&site, "in.json", hosts.to_string());
        let plan = site.run(&["--json", "spec", "plan", "a.yaml", "--inputs", "in.json"]).expect(0).json();
        assert_eq!(plan["steps"][0]["commands"][0]["known"], known, "{count}");
        assert_eq!(plan["steps"][0]["foreach"]["items"], count);
    }
}

#[test]
fn inputs_are_read_by_their_type() {
    let site = with_spec();
    let planned = |more: &[&str]| -> Done {
        let mut args = vec!["--json", "spec", "plan", "ship.yaml"];
        args.extend(more);
        site.run(&args)
    };
    write(&site, "in.json", r#"{"tag": "v2", "hosts": ["a", "b", "c"]}"#);
    for (more, items, missing) in [
        (&["--input", "hosts=[]"][..], 0, 1),
        (&["--input", r#"hosts=["a","b"]"#], 2, 1),
        (&["--input", "hosts=a,b"], 1, 1),
        (&["--inputs", "in.json"], 3, 0),
        (&["--inputs", "in.json", "--input", "hosts=z", "--input", "count=-4", "--input", "dry=true"], 1, 0),
    ] {
        let plan = planned(more).expect(0).json();
        assert_eq!(step(&plan, "each")["foreach"]["items"], items, "{more:?}");
        assert_eq!(plan["missing_inputs"].as_array().unwrap().len(), missing, "{more:?}");
    }
    write(&site, "bad.json", r#"{"tag": 1.5}"#);
    write(&site, "list.json", "[]");
    for (more, said) in [
        (&["--input", "tag"][..], "`tag` is not NAME=VALUE"),
        (&["--input", "more=1"], "there is no input `more`"),
        (&["--input", "tag=x"], "input `tag` does not match"),
        (&["--input", "tag=v1", "--input", "tag=v2"], "input `tag` is given twice"),
        (&["--input", "count=1.5"], "input `count` is a whole number"),
        (&["--input", "count=9007199254740992"], "input `count` is a whole number"),
        (&["--input", "dry=yes"], "input `dry` is `true` or `false`"),
        (&["--input", "hosts=[1]"], "input `hosts` is not of type list<string>"),
        (&["--input", "hosts=[a]"], "input `hosts` is no JSON list"),
        (&["--inputs", "bad.json"], "number is not an integer"),
        (&["--inputs", "list.json"], "is no JSON object"),
    ] {
        let told = planned(more).expect(2).json();
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{more:?}: {message}");
        assert!(
            told["error"]["hint"].as_str().unwrap().contains("tag string (needed), hosts list<string>"),
            "{told}"
        );
    }
    planned(&["--inputs", "none.json"]).expect(1);
}

#[test]
fn no_title_becomes_part_of_a_graph() {
    let site = Site::new();
    let hostile = r#"csl: 1
name: a
version: "1"
steps:
  - id: one
    title: "\"]; click s0 href \"javascript:x\"\n  s0 --> evil <script> `#35;"
    run: [echo]
  - {id: end, needs: [one], approval: {text: x, groups: [g]}, title: "\\\" ]; evil [label=\"x"}
  - {id: three, needs: [one, end], wait: 1s}
"#;
    write(&site, "a.yaml", hostile);
    let mermaid = site.run(&["spec", "plan", "a.yaml", "--graph", "mermaid"]).expect(0).stdout;
    let lines: Vec<&str> = mermaid.lines().collect();
    assert_eq!(lines.len(), 7, "{mermaid}");
    assert_eq!(lines[0], "flowchart TD");
    assert!(lines[1].starts_with("  s0[\"#34;#93;#59; click s0"), "{mermaid}");
    assert!(lines[1].ends_with("<br/>run\"]") && lines[2].ends_with("<br/>approval\"}}"), "{mermaid}");
    assert_eq!(mermaid.matches('"').count(), 6, "{mermaid}");
    assert!(!mermaid.contains("<script>") && !mermaid.contains('`'), "{mermaid}");
    assert_eq!(lines[4..], ["  s0 --> s1", "  s0 --> s2", "  s1 --> s2"]);
    let dot = site.run(&["spec", "plan", "a.yaml", "--graph", "dot"]).expect(0).stdout;
    let lines: Vec<&str> = dot.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[7]), (8, "digraph \"a\" {", "}"), "{dot}");
    assert!(lines[2].contains(r#"label="\\\" ]; evil [label=\"x\napproval"];"#), "{dot}");
    assert!(
        site.run(&["--json", "spec", "plan", "a.yaml", "--graph", "dot"]).expect(0).json()["graph"]
            .is_string()
    );
    site.run(&["spec", "plan", "a.yaml", "--graph", "png"]).expect(2);
}

#[test]
fn the_example_of_the_language_page_and_the_examples_of_the_repository_are_specs() {
    let site = Site::new();
    let page = std::fs::read_to_string(repository("docs/csl.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    write(&site, "page.yaml", example);
    site.run(&["spec", "plan", "page.yaml", "--input", "tag=v1.2.3"]).expect(0);
    let mut seen = 0;
    for file in std::fs::read_dir(repository("specs")).unwrap().flatten().map(|entry| entry.path()) {
        if file.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let plan =
            site.run(&["--json", "--as", "person", "spec", "plan", file.to_str().unwrap()]).expect(0).json();
        for step in plan["steps"].as_array().unwrap() {
            for command in step["commands"].as_array().unwrap() {
                assert_ne!(command["verdict"], "deny", "{}: {step}", file.display());
            }
            assert!(step.get("fault").is_none(), "{step}");
        }
        seen += 1;
    }
    assert!(seen >= 3, "{seen} examples");
}
