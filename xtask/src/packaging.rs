//! What is shipped beside the binary is what the tools that read it take. A tool that is not here checks nothing, which
//! is said and not counted.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::steps::{Steps, answers, say, succeed};

/// Where the units lie.
const UNITS: &str = "packaging/systemd";
/// Where units expect the program.
const INSTALLED: &str = "/usr/local/bin/cascade";
/// Every system has it: a unit whose program is not there is refused for that alone.
const STAND_IN: &str = "/bin/true";

/// Has systemd read the units and Docker build the image, each where it is.
///
/// # Errors
/// The first that is refused.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut steps = Steps::default();
    if answers("systemd-analyze", &["--version"]) {
        steps.step("systemd units", || units(root))?;
    } else {
        say("== systemd units: not here. There is no systemd-analyze, so nobody has read them");
    }
    if answers("docker", &["version"]) {
        let mut build = Command::new("docker");
        steps.run("docker image", build.args(["build", "--tag", "cascade", "."]).current_dir(root))?;
    } else {
        say("== docker image: not here. There is no Docker that answers, so it was not built");
    }
    steps.close("packaging");
    Ok(())
}

fn units(root: &Path) -> Result<()> {
    let read = root.join("target/units");
    std::fs::create_dir_all(&read).context("couldn't create `target/units`")?;
    let mut verify = Command::new("systemd-analyze");
    // The manual pages that they name come from the program.
    verify.args(["verify", "--man=no"]);
    for entry in std::fs::read_dir(root.join(UNITS)).with_context(|| format!("couldn't read `{UNITS}`"))? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        let copy = read.join(path.file_name().unwrap_or_default());
        std::fs::write(&copy, text.replace(INSTALLED, STAND_IN))?;
        verify.arg(copy);
    }
    succeed(&mut verify)
}
