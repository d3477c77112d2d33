//! Controls of an own pack, tried before anybody relies on them.

use cascade_audit::control::{CONTROLS_FILE, ControlFault, Controls};
use cascade_audit::trial::{Trial, judge, unproven};
use cascade_policy::snapshot::PolicyFault;

/// How many cases came out as they say, or everything that is wrong. A pack without controls has neither.
pub(super) fn tried(pack: &str, files: &[(String, Vec<u8>)]) -> Result<usize, Vec<PolicyFault>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let own = files.iter().find(|(name, _)| name == CONTROLS_FILE);
    let cases = || files.iter().filter(|(name, _)| name.starts_with("controls/"));
    let Some((_, bytes)) = own else {
        let faults: Vec<PolicyFault> =
            cases().map(|(name, _)| fault(name, 1, format!("there is no {CONTROLS_FILE}"))).collect();
        return if faults.is_empty() { Ok(0) } else { Err(faults) };
    };
    let controls =
        Controls::parse(pack, &text(bytes)).map_err(|error| vec![of_control(CONTROLS_FILE, error)])?;
    let (mut faults, mut trials, mut passed) = (Vec::new(), Vec::new(), 0);
    for (name, bytes) in cases() {
        match Trial::parse(name, &text(bytes)) {
            Err(error) => faults.push(of_control(name, error)),
            Ok(trial) => {
                for one in judge(&controls, &trial) {
                    passed += usize::from(one.wrong.is_none());
                    let told = one.wrong.map(|wrong| format!("{}: {wrong}", one.title));
                    faults.extend(told.map(|told| fault(name, 1, told)));
                }
                trials.push(trial);
            }
        }
    }
    let missing = unproven(&controls, &trials).into_iter();
    faults.extend(missing.map(|(id, outcome)| {
        fault(CONTROLS_FILE, 1, format!("no case in controls/ shows `{id}` come out {}", outcome.as_str()))
    }));
    if faults.is_empty() { Ok(passed) } else { Err(faults) }
}

fn of_control(file: &str, error: ControlFault) -> PolicyFault {
    fault(file, u32::try_from(error.line).unwrap_or(u32::MAX).max(1), error.message)
}

fn fault(file: &str, line: u32, message: String) -> PolicyFault {
    let suggestion = Some("docs/controls.md says what controls and their tests have".to_owned());
    PolicyFault { file: file.to_owned(), line, column: 1, code: "pack.control", message, suggestion }
}
