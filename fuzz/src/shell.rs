//! Shell lines, argument vectors and worker manifests: what is not understood is never called harmless.

use std::sync::OnceLock;

use cascade_policy::decide::STACK_BYTES;
use cascade_policy::shell::{COMMANDS_MAX, Input, LENGTH_MAX, Opaque, Refusal, parse};
use cascade_policy::worker::{Classification, Registry};
use cascade_receipt::decision::RiskTier;

/// Runs what promises to keep within a stack of [`STACK_BYTES`] in one of that size.
pub(crate) fn on_small_stack(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, work).expect("a thread");
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

pub(crate) fn builtin() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::builtin)
}

pub(crate) fn line(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    on_small_stack(|| {
        let parsed = parse(text);
        assert_eq!(parsed, parse(text), "not deterministic");
        let answer = builtin().classify_line(text, &[]);
        sound(&answer);
        match parsed {
            Err(refusal) => {
                assert!(refusal != Refusal::Length || text.len() > LENGTH_MAX);
                assert!(answer.refused.is_some(), "{refusal:?} was not denied");
            }
            Ok(line) => {
                assert!(line.commands.len() <= COMMANDS_MAX && text.len() <= LENGTH_MAX);
                assert!(line.opaque.is_sorted() && line.opaque.windows(2).all(|two| two[0] != two[1]));
                for command in &line.commands {
                    if let Input::Pipe(from) = &command.stdin {
                        assert!(from.iter().all(|index| *index < line.commands.len()), "{line:?}");
                    }
                }
                // A function of the line is followed into its body, so that its name alone hides nothing.
                if line.opaque.iter().any(|opaque| *opaque != Opaque::FunctionShadows) {
                    assert!(!answer.classified && answer.tier >= RiskTier::High, "{line:?}: {answer:?}");
                }
            }
        }
    });
}

/// Words parted by NUL bytes.
pub(crate) fn argv(bytes: &[u8]) {
    let words: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    on_small_stack(|| {
        let answer = builtin().classify_argv(&words, &[]);
        sound(&answer);
        assert_eq!(answer, builtin().classify_argv(&words, &[]), "not deterministic");
        let governing = builtin().governing_env(&words);
        assert!(governing.is_sorted() && governing.iter().any(|name| name == "PATH"));
    });
}

/// What holds of every answer, whoever wrote the manifests.
fn sound(answer: &Classification) {
    if !answer.classified || answer.refused.is_some() {
        assert!(answer.tier >= RiskTier::High, "{answer:?}");
    }
    for command in &answer.commands {
        assert!(answer.tier >= command.tier && (command.classified || command.tier >= RiskTier::High));
        assert!(command.classified || !answer.classified);
        for finding in &command.findings {
            assert!(command.tier >= finding.tier, "{answer:?}");
            assert!(!finding.failfast || answer.failfast.contains(finding), "{answer:?}");
        }
    }
}

pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    on_small_stack(|| {
        let registry = Registry::new([("fuzzed".to_owned(), text.to_owned())]);
        let faults = registry.check();
        assert_eq!(faults, registry.check(), "not deterministic");
        // A manifest that cannot be read leaves its programs unknown, which ranks them HIGH.
        let programs: Vec<String> = registry.programs().take(4).map(str::to_owned).collect();
        for program in programs {
            for line in [program.clone(), format!("{program} x --y=z -w")] {
                sound(&registry.classify_line(&line, &[]));
            }
        }
        sound(&registry.classify_line("unheard-of --of", &[]));
    });
}
