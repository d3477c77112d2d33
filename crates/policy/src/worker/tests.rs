//! Promises that hold whatever the manifests say.

use std::sync::LazyLock;

use cascade_receipt::decision::RiskTier;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::walk::{ARGV_BYTES_MAX, COMMANDS_MAX, DEPTH_MAX, WORDS_MAX};
use super::{Classification, Registry};

const SAMPLE: &str = r#"programs = "tool sh"

[[worker]]
names = "tool"
abbreviations = true

[worker.own]
flags = "--verbose"

[[worker.command]]
path = "read"
tier = "LOW"
flags = "--fast --force"
arguments = ["text"]

[[worker.command]]
path = "write"
tier = "MEDIUM"

[[worker.rule]]
code = "tool.write.force"
tier = "CRITICAL"
failfast = true
text = "overwrites"
command = "write"
options = ["-f --force"]
tests = ["tool write -f x"]

[[worker.setting]]
env = "TOOL_HOOK TOOL_X_*"
effect = "line"
tests = ["TOOL_HOOK=frob tool read"]

[[worker]]
names = "sh"

[worker.own]
tier = "LOW"
flags = "-c"
wraps = { as = "script", line_if = "-c" }
stdin = "line"
stdin_unless = "-c"
"#;

fn registry() -> Registry {
    Registry::new([("sample".to_owned(), SAMPLE.to_owned())])
}

fn argv(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn classify(words: &[&str]) -> Classification {
    registry().classify_argv(&argv(words), &[])
}

#[test]
fn what_no_manifest_vouches_for_is_high_and_says_so() {
    for (words, classified, tier) in [
        (&["tool", "read", "x"][..], true, RiskTier::Low),
        (&["tool", "read", "--force"], true, RiskTier::Low),
        (&["tool", "write", "x"], true, RiskTier::Medium),
        (&["tool", "read", "--unheard"], false, RiskTier::High),
        (&["tool", "unheard"], false, RiskTier::High),
        (&["unheard"], false, RiskTier::High),
        (&["/usr/bin/tool", "read"], true, RiskTier::Low),
        (&["./tool", "read"], false, RiskTier::High),
        (&["TOOL", "read"], false, RiskTier::High),
        (&["tool.exe", "write", "--forc"], true, RiskTier::Critical),
        (&["tool", "write", "--unheard", "-f"], false, RiskTier::Critical),
        (&[], false, RiskTier::High),
        (&[""], false, RiskTier::High),
    ] {
        let answer = classify(words);
        assert_eq!((answer.classified, answer.tier), (classified, tier), "{words:?}: {answer:?}");
    }
}

#[test]
fn a_finding_without_appeal_names_its_rule() {
    let answer = classify(&["tool", "write", "--force"]);
    let codes: Vec<&str> = answer.failfast.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["tool.write.force"]);
    let command = &answer.commands[0];
    assert_eq!((command.program.as_str(), command.subcommand.as_str()), ("tool", "write"));
    assert_eq!(command.findings.len(), 2);
}

#[test]
fn words_that_are_not_utf_8_are_unknown_and_never_a_crash() {
    let mut words = argv(&["tool", "write"]);
    words.push(vec![0xff, 0xfe]);
    let answer = registry().classify_argv(&words, &[(vec![0xff], vec![0xfe])]);
    assert_eq!(answer.tier, RiskTier::High);
    assert_eq!(answer.commands[0].words, ["tool", "write", "…"]);
    assert_eq!(registry().classify_argv(&[vec![0xff]], &[]).tier, RiskTier::High);
}

#[test]
fn each_limit_holds_at_the_limit_and_refuses_past_it() {
    let words = |count: usize| {
        let mut words = argv(&["tool", "read"]);
        words.resize(count, b"x".to_vec());
        registry().classify_argv(&words, &[]).refused
    };
    assert_eq!(words(WORDS_MAX), None);
    assert_eq!(words(WORDS_MAX + 1).as_deref(), Some("words"));

    let bytes = |count: usize| {
        let mut words = argv(&["tool", "read"]);
        words.push(vec![b'x'; count - 8]);
        registry().classify_argv(&words, &[]).refused
    };
    assert_eq!(bytes(ARGV_BYTES_MAX), None);
    assert_eq!(bytes(ARGV_BYTES_MAX + 1).as_deref(), Some("argument bytes"));

    let commands = |count: usize| registry().classify_line(&vec!["tool read"; count].join("\n"), &[]).refused;
    assert_eq!(commands(COMMANDS_MAX), None);
    assert!(commands(COMMANDS_MAX + 1).is_some());
}

#[test]
fn wrappers_are_followed_as_deep_as_the_limit_says() {
    let registry = Registry::builtin();
    let nested = |wrappers: usize| {
        let mut words = vec!["env"; wrappers];
        words.extend(["git", "push", "--force"]);
        registry.classify_argv(&argv(&words), &[])
    };
    let answer = nested(DEPTH_MAX);
    assert_eq!((answer.refused.as_deref(), answer.failfast.len()), (None, 1));
    assert_eq!(answer.commands.len(), DEPTH_MAX + 1);
    assert_eq!(nested(DEPTH_MAX + 1).refused.as_deref(), Some("depth"));
}

#[test]
fn looking_at_one_program_parses_no_other_manifest() {
    let broken = ("broken".to_owned(), "programs = \"other\"\nthis is not TOML".to_owned());
    let registry = Registry::new([("sample".to_owned(), SAMPLE.to_owned()), broken]);
    assert_eq!(registry.classify_argv(&argv(&["tool", "read"]), &[]).tier, RiskTier::Low);
    let parsed: Vec<bool> = registry.manifests.iter().map(super::registry::Manifest::is_parsed).collect();
    assert_eq!(parsed, [true, false]);
    assert_eq!(registry.classify_argv(&argv(&["other"]), &[]).tier, RiskTier::High);
    assert_eq!(registry.check().len(), 1);
}

#[test]
fn standard_input_that_would_be_executed_is_named() {
    assert!(classify(&["sh"]).stdin_executes);
    assert!(!classify(&["sh", "-c", "tool read"]).stdin_executes);
    assert!(!registry().classify_line("tool read", &[]).stdin_executes);
}

#[test]
fn the_environment_counts_wherever_it_was_set() {
    let hook = [(b"TOOL_HOOK".to_vec(), b"tool write -f".to_vec())];
    let answer = registry().classify_argv(&argv(&["tool", "read"]), &hook);
    assert_eq!((answer.tier, answer.failfast.len()), (RiskTier::Critical, 1));
    let line = registry().classify_line("export TOOL_HOOK='tool write -f'; tool read", &[]);
    assert_eq!(line.failfast.len(), 1);
    let patterns = registry().governing_env(&argv(&["tool", "read"]));
    assert_eq!(patterns, ["DYLD_*", "LD_*", "PATH", "TOOL_HOOK", "TOOL_X_*"]);
}

#[test]
fn a_manifest_that_is_wrong_is_told_and_not_used() {
    for (text, expected) in [
        ("programs = \"x\"\n[[worker]]\nnames = \"x\"\nsurprise = 1", "unknown field"),
        ("programs = \"x\"\n[[worker]]\nnames = \"y\"\nown = { tier = \"LOW\" }", "`x` is in"),
        ("programs = \"x\"\n[[worker]]\nnames = \"x\"\nown = { tier = \"MILD\" }", "not a risk tier"),
        (
            "programs = \"x\"\n[[worker]]\nnames = \"x\"\nown = { tier = \"LOW\", flags = \"-a\", values = \"-a\" }",
            "`-a`",
        ),
        ("programs = \"x\"\n[[worker]]\nnames = \"x\"", "needs a path and a tier"),
        (
            "programs = \"x\"\n[[worker]]\nnames = \"x\"\nown = { tier = \"LOW\" }\n[tests]\nHIGH = [\"x\"]",
            "is LOW, expected HIGH",
        ),
    ] {
        let registry = Registry::new([("x".to_owned(), text.to_owned())]);
        let faults = registry.check();
        assert!(faults.iter().any(|fault| fault.what.contains(expected)), "{expected}: {faults:?}");
    }
}

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

const WORDS: &[&str] = &[
    "git",
    "push",
    "commit",
    "--force",
    "-f",
    "-qf",
    "+main",
    "origin",
    "--dry-run",
    "-n",
    "--",
    "-C",
    ".",
    "-c",
    "alias.x=push -f",
    "x",
    "rm",
    "-rf",
    "/",
    "src",
    "sh",
    "-c",
    "git push -f",
    "kubectl",
    "delete",
    "ns",
    "--all",
    "find",
    "-exec",
    "{}",
    ";",
    "-delete",
    "terraform",
    "destroy",
    "-auto-approve",
    "python",
    "print(1)",
    "",
];

fn call() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(WORDS), 1..8)
}

proptest! {
    #[test]
    fn a_wrapper_never_makes_a_call_look_safer(words in call()) {
        let bare = BUILTIN.classify_argv(&argv(&words), &[]);
        for wrapper in [&["env", "A=1"][..], &["sudo"], &["nohup"], &["timeout", "5"], &["xargs"], &["nice", "-n", "5"]] {
            // A word that the wrapper itself would take changes which call is meant.
            if words.first().is_some_and(|word| word.starts_with('-') || word.contains('=')) {
                continue;
            }
            // It feeds the words of a file to its command, and nothing to the standard input.
            if wrapper == ["xargs"] && bare.stdin_executes {
                continue;
            }
            let wrapped = BUILTIN.classify_argv(&argv(&[wrapper, &words].concat()), &[]);
            prop_assert!(wrapped.tier >= bare.tier, "{wrapper:?} {words:?}");
            prop_assert!(wrapped.failfast.len() >= bare.failfast.len(), "{wrapper:?} {words:?}");
        }
    }

    #[test]
    fn any_bytes_get_the_same_answer_twice(words in prop::collection::vec(any::<Vec<u8>>(), 0..6), line in "[ -~\n]{0,80}") {
        prop_assert_eq!(BUILTIN.classify_argv(&words, &[]), BUILTIN.classify_argv(&words, &[]));
        prop_assert_eq!(BUILTIN.classify_line(&line, &[]), BUILTIN.classify_line(&line, &[]));
    }
}
