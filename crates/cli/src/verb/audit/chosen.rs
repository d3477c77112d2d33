//! Which controls are asked.

use std::path::Path;

use anyhow::Context as _;
use cascade_audit::control::{self, CONTROLS_BYTES_MAX, CONTROLS_FILE, ControlFault, Controls};
use cascade_policy::pack::{Manifest, PACK_FILE};

use crate::exit::Failure;

/// Those of a pack that came with this program, or of a directory. A directory has a slash in it, or is `.`.
pub(in crate::verb) fn controls(typed: &str) -> Result<Controls, Failure> {
    if typed.contains('/') || typed == "." {
        return own(Path::new(typed));
    }
    let Some(text) = control::builtin_text(typed) else {
        let names: Vec<&str> = control::builtin_texts().iter().map(|(name, _)| *name).collect();
        let cause = anyhow::anyhow!("no pack `{typed}` with controls came with this program");
        let hint =
            format!("there is {}; a directory of your own is named with a slash: ./acme", names.join(", "));
        return Err(Failure::could_not(cause).hint(hint));
    };
    Controls::parse(typed, text).map_err(|fault| faulty(&fault))
}

fn own(dir: &Path) -> Result<Controls, Failure> {
    let manifest = dir.join(PACK_FILE);
    let text = read(&manifest)?;
    let manifest = Manifest::parse(&manifest.display().to_string(), &text).map_err(|fault| {
        Failure::could_not(anyhow::anyhow!(fault.to_string())).hint("`cascade pack check` says more")
    })?;
    Controls::parse(&manifest.name, &read(&dir.join(CONTROLS_FILE))?).map_err(|fault| faulty(&fault))
}

fn read(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    // One byte more than allowed is read, and then refused.
    let most = CONTROLS_BYTES_MAX as u64 + 1;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    read.with_context(|| format!("couldn't read `{}`", path.display())).map_err(|cause| {
        Failure::could_not(cause)
            .hint("a pack with controls has pack.toml and controls.toml: docs/controls.md")
    })?;
    Ok(text)
}

fn faulty(fault: &ControlFault) -> Failure {
    let hint = "what a control must have stands in docs/controls.md";
    Failure::could_not(anyhow::anyhow!("the controls cannot be read: {fault}")).hint(hint)
}
