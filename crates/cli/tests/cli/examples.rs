//! The specs of the repository with real tools: a release of a real git repository and a rotated secret, whole, refused,
//! failed and undone, killed and gone on with.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::stage::{Moment, Stage, undone};

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/default");

/// A repository with one commit, and a directory that others see.
fn with_repository() -> Stage {
    let mut stage = Stage::new("release");
    let site = stage.site();
    for (name, value) in [("user.name", "Ann"), ("user.email", "ann@example.org")] {
        site.set("git", &["config", "--global", name, value]);
    }
    site.set("git", &["init", "-q", "-b", "main"]);
    std::fs::write(site.work("app.txt"), "one\n").unwrap();
    site.set("git", &["add", "app.txt"]);
    site.set("git", &["commit", "-q", "-m", "first"]);
    std::fs::create_dir(site.path("public")).unwrap();
    let to = format!("to={}", site.path("public").display());
    stage.give(&["tag=v1.0.0", &to]);
    stage
}

fn tags(stage: &Stage) -> String {
    stage.site().set("git", &["tag"]).stdout
}

#[test]
fn a_release_is_published_once_another_person_agrees() {
    let stage = with_repository();
    let site = stage.site();
    let chain = stage.run_to_question();
    let head = site.set("git", &["rev-parse", "HEAD"]).stdout.trim().to_owned();
    let asked = site.run(&["approvals"]).expect(0).stdout;
    assert!(asked.contains(&format!("Publish v1.0.0 of {head}?")), "{asked}");
    assert!(!site.path("public/v1.0.0").exists());
    // Whoever runs it is not whoever agrees.
    site.run(&["approve", &site.last_of("escalation")]).expect(3);
    stage.resume(&chain).expect(5);
    stage.ada("approve");
    let told = stage.resume(&chain).expect(0).json();
    let published = site.path("public/v1.0.0/v1.0.0.tar");
    let sum = site.set("sha256sum", &[published.to_str().unwrap()]).stdout;
    assert_eq!(told["outputs"]["commit"], json!(head));
    assert!(told["outputs"]["checksum"].as_str().unwrap().starts_with(&sum[..64]), "{told}");
    site.set("tar", &["-xf", published.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(site.work("v1.0.0/app.txt")).unwrap(), "one\n");
    assert_eq!(tags(&stage), "v1.0.0\n");
    // The same version once more: the tag is there, and stays.
    let told = stage.run().expect(1).json();
    assert_eq!((&told["reasons"], undone(&told)), (&json!(["step.failed"]), vec![]));
    assert_eq!(tags(&stage), "v1.0.0\n");
    site.assert_sound();
}

#[test]
fn a_release_that_cannot_be_published_or_that_nobody_wants_is_taken_back() {
    let stage = with_repository();
    let site = stage.site();
    // Somebody else was there first.
    std::fs::create_dir(site.path("public/v1.0.0")).unwrap();
    let chain = stage.run_to_question();
    assert_eq!(tags(&stage), "v1.0.0\n");
    stage.ada("approve");
    let told = stage.resume(&chain).expect(1).json();
    assert_eq!(told["reasons"], json!(["step.failed"]));
    assert_eq!(undone(&told), ["pack", "mark"]);
    assert!(site.path("public/v1.0.0").exists(), "what is of others is theirs");
    assert_eq!((tags(&stage).as_str(), site.work("v1.0.0.tar").exists()), ("", false));

    let chain = stage.run_to_question();
    stage.ada("deny");
    let told = stage.resume(&chain).expect(3).json();
    assert_eq!((&told["reasons"], undone(&told)), (&json!(["step.refused"]), vec!["pack", "mark"]));
    assert_eq!((tags(&stage).as_str(), site.work("v1.0.0.tar").exists()), ("", false));
    site.assert_sound();
}

#[test]
fn a_release_killed_before_or_after_a_step_takes_effect_goes_on() {
    let mut stage = with_repository();
    let public = stage.site().path("public");
    let mut versions = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        for (program, word) in [("git", "tag"), ("git", "archive"), ("cp", "")] {
            let version = format!("v1.0.{}", versions.len());
            let file = format!("{version}.tar");
            stage.give(&[&format!("tag={version}"), &format!("to={}", public.display())]);
            stage.stall(program, if word.is_empty() { &file } else { word }, moment);
            let told = stage.killed_and_resumed(program == "cp");
            assert_eq!(told["outcome"], "completed", "{program} {word} {moment:?}");
            assert!(public.join(&version).join(file).exists());
            versions.push(version);
            let unknown = stage.site().receipts().iter().filter(|one| one.kind() == "task_unknown").count();
            assert_eq!((unknown, tags(&stage)), (versions.len(), versions.join("\n") + "\n"));
        }
    }
    stage.site().assert_sound();
}

/// A service's secret.
fn with_secret() -> Stage {
    let mut stage = Stage::new("rotate-secret");
    let file = stage.site().work("api.key");
    std::fs::write(&file, OLD).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    stage.give(&["file=api.key"]);
    stage
}

const OLD: &str = "0b5fd1c90b5fd1c90b5fd1c90b5fd1c9\n";

fn secret(stage: &Stage) -> String {
    std::fs::read_to_string(stage.site().work("api.key")).unwrap()
}

/// What the rotation may leave beside the secret: nothing.
fn assert_nothing_beside(stage: &Stage) {
    for name in ["api.key.old", "api.key.new"] {
        assert!(!stage.site().work(name).exists(), "{name} is left");
    }
}

#[test]
fn a_secret_is_rotated_and_never_seen() {
    let stage = with_secret();
    let site = stage.site();
    let chain = stage.run_to_question();
    assert_eq!(secret(&stage), OLD, "the service goes on with the old one");
    stage.ada("approve");
    let told = stage.resume(&chain).expect(0).json();
    let new = secret(&stage);
    assert!(new.trim().len() == 64 && new != OLD, "{new}");
    let mode = std::fs::metadata(site.work("api.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_nothing_beside(&stage);
    let sum = site.set("sha256sum", &["api.key"]).stdout;
    assert_eq!(told["outputs"]["sum"], sum.trim());
    // Nowhere in the home, receipts and private bytes alike.
    for text in [OLD, &new] {
        let home = site.home();
        let mut look = site.program("grep");
        look.args(["-rqF", text.trim(), home.to_str().unwrap()]);
        crate::site::finish(look, b"").expect(1);
    }
    site.assert_sound();
}

#[test]
fn the_old_secret_comes_back_when_anything_fails_or_is_refused() {
    let stage = with_secret();
    let site = stage.site();
    let chain = stage.run_to_question();
    stage.ada("deny");
    let told = stage.resume(&chain).expect(3).json();
    assert_eq!((secret(&stage).as_str(), undone(&told)), (OLD, vec!["room", "keep"]));
    assert_nothing_beside(&stage);

    // Somebody takes the new one away before it is put in place.
    let chain = stage.run_to_question();
    std::fs::remove_file(site.work("api.key.new")).unwrap();
    stage.ada("approve");
    let told = stage.resume(&chain).expect(1).json();
    assert_eq!((secret(&stage).as_str(), undone(&told)), (OLD, vec!["room", "keep"]));
    assert_nothing_beside(&stage);

    // The policy becomes stricter while people are asked: the new one stands already when that is met.
    let chain = stage.run_to_question();
    site.set("cp", &["-r", DEFAULT, "policy"]);
    std::fs::write(
        site.work("policy/sums.cedar"),
        "@id(\"no-sums\") forbid (principal, action, resource == Program::\"sha256sum\");\n",
    )
    .unwrap();
    site.run(&["policy", "activate", "policy"]).expect(0);
    stage.ada("approve");
    let told = stage.resume(&chain).expect(3).json();
    assert_eq!(told["reasons"], json!(["step.refused"]));
    assert_eq!((secret(&stage).as_str(), undone(&told)), (OLD, vec!["replace", "room", "keep"]));
    assert_nothing_beside(&stage);
    site.assert_sound();
}

#[test]
fn a_rotation_killed_before_or_after_a_step_takes_effect_goes_on() {
    let mut stage = with_secret();
    let mut old = secret(&stage);
    for moment in [Moment::Before, Moment::After] {
        for (program, word) in [("cp", "api.key"), ("install", "600"), ("openssl", "rand"), ("mv", "api.key")]
        {
            stage.stall(program, word, moment);
            let told = stage.killed_and_resumed(program == "mv");
            assert_eq!(told["outcome"], "completed", "{program} {moment:?}");
            let new = secret(&stage);
            assert!(new.trim().len() == 64 && new != old, "{program} {moment:?}");
            old = new;
            assert_nothing_beside(&stage);
        }
    }
    stage.site().assert_sound();
}
