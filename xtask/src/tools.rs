//! What the tests need on a machine, and how to get it there.
//!
//! With root or a sudo that asks nothing, missing Debian packages are installed. Otherwise the run
//! stops and names every missing thing at once, so that nobody learns of them one by one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use xtask::local_model::{self, Weights};

use crate::steps::{answers, say, succeed};

/// One thing the tests need.
struct Need {
    name: &'static str,
    package: &'static str,
    present: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need { name: "a C compiler", package: "gcc", present: || answers("cc", &["--version"]) },
    Need { name: "the C library's headers", package: "libc6-dev", present: has_c_headers },
    Need { name: "git", package: "git", present: || answers("git", &["--version"]) },
    Need { name: "bash", package: "bash", present: || answers("bash", &["--version"]) },
    Need { name: "openssl", package: "openssl", present: || answers("openssl", &["version"]) },
    Need { name: "ssh-keygen", package: "openssh-client", present: || found("ssh-keygen") },
    Need { name: "strace", package: "strace", present: || answers("strace", &["-V"]) },
    Need { name: "curl", package: "curl", present: || answers("curl", &["--version"]) },
    Need { name: "PostgreSQL", package: "postgresql", present: has_postgresql },
    Need { name: "SoftHSM", package: "softhsm2", present: || answers("softhsm2-util", &["--version"]) },
    Need { name: "Node.js 18 or newer", package: "nodejs", present: has_node },
    Need { name: "npm", package: "npm", present: || answers("npm", &["--version"]) },
    Need { name: "python3", package: "python3", present: || answers("python3", &["--version"]) },
    Need {
        name: "python3's cryptography",
        package: "python3-cryptography",
        present: || PYTHONS.iter().any(|python| imports_cryptography(python)),
    },
    Need { name: "pip", package: "python3-pip", present: || pip().is_some() },
    // The local model's server gets an environment of its own.
    Need {
        name: "python3's venv",
        package: "python3-venv",
        present: || answers("python3", &["-c", "import venv, ensurepip"]),
    },
];

/// What other people's software the tests ask, with hashes, and where it goes below the target directory.
const OUTSIDE: &str = "crates/cli/tests/cli/outside.txt";
const OUTSIDE_FOLDER: &str = "outside";
/// What holds the service against its own description.
const CONTRACT: &str = "crates/cli/tests/cli/contract.txt";
const CONTRACT_FOLDER: &str = "contract";
/// A client that is generated from that description.
const CLIENT: &str = "crates/cli/tests/cli/client";
const CLIENT_FOLDER: &str = "client";
/// A certified OpenID provider.
const ISSUER: &str = "crates/cli/tests/cli/issuer";
const ISSUER_FOLDER: &str = "issuer";
/// A client and servers of MCP, apart: what they stand on is of other versions.
const MCP: &str = "crates/cli/tests/cli/mcp.txt";
const MCP_FOLDER: &str = "mcp";
/// Clients of language models.
const SDK: &str = "crates/cli/tests/cli/sdk.txt";
const SDK_FOLDER: &str = "sdk";
/// A collector of traces.
const TELEMETRY: &str = "crates/cli/tests/cli/telemetry.txt";
const TELEMETRY_FOLDER: &str = "telemetry";

/// Interpreters that may carry the `cryptography` package. A python3 of one's own (pyenv, venv) hides
/// the one Debian's packages serve, so both are asked.
const PYTHONS: &[&str] = &["python3", "/usr/bin/python3"];

/// Makes the machine ready for the tests, or says exactly what is missing.
///
/// # Errors
/// Something is missing and could not be installed.
pub(crate) fn prepare(root: &Path) -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.present)()).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !answers("cargo", &[probe, "--version"]) && !answers("rustup", &["component", "add", component]) {
            bail!("cargo {probe} is missing: run `rustup component add {component}`");
        }
    }
    // A witness that asks for Python 3.12 runs on Debian's 3.11 too; the tests say whether it does.
    packages(root, OUTSIDE, OUTSIDE_FOLDER, &["--ignore-requires-python", "--require-hashes"])?;
    packages(root, CONTRACT, CONTRACT_FOLDER, &[])?;
    packages(root, MCP, MCP_FOLDER, &["--ignore-requires-python", "--require-hashes"])?;
    packages(root, SDK, SDK_FOLDER, &[])?;
    packages(root, TELEMETRY, TELEMETRY_FOLDER, &[])?;
    node_packages(root, CLIENT, CLIENT_FOLDER)?;
    node_packages(root, ISSUER, ISSUER_FOLDER)?;
    local_model::prepare(Weights::Small).context("couldn't fetch the local model that tests ask")
}

/// Where Cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// The platform that this compiler builds for.
///
/// # Errors
/// The compiler does not say.
pub(crate) fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("couldn't start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("`rustc -vV` names no host"),
    }
}

/// Installs what a list names, unless that very list was installed before.
fn packages(root: &Path, list: &str, name: &str, words: &[&str]) -> Result<()> {
    let path = root.join(list);
    let folder = target(root).join(name);
    let mark = folder.join("installed.txt");
    let wanted = std::fs::read(&path).with_context(|| format!("couldn't read `{list}`"))?;
    if std::fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("couldn't clear the folder of Python packages")?;
    }
    let Some(python) = pip() else { bail!("no python3 here has pip: run `apt-get install python3-pip`") };
    let mut install = Command::new(python);
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(words)
        .args(["--only-binary", ":all:", "--root-user-action", "ignore", "--target"])
        .arg(&folder)
        .arg("--requirement")
        .arg(&path);
    succeed(&mut install).with_context(|| format!("couldn't install what `{list}` lists"))?;
    std::fs::write(&mark, wanted).context("couldn't mark the Python packages as installed")
}

/// Installs what a lock file of npm names, unless that very file was installed before.
fn node_packages(root: &Path, list: &str, name: &str) -> Result<()> {
    let folder = target(root).join(name);
    let mark = folder.join("installed.json");
    let wanted =
        std::fs::read(root.join(list).join("package-lock.json")).context("couldn't read the lock file")?;
    if std::fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).context("couldn't make the folder of npm packages")?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(root.join(list).join(file), folder.join(file))
            .context("couldn't copy the lock file")?;
    }
    succeed(Command::new("npm").args(["ci", "--silent"]).current_dir(&folder))
        .with_context(|| format!("couldn't install what `{list}` lists"))?;
    std::fs::write(&mark, wanted).context("couldn't mark the packages as installed")
}

/// An interpreter with pip, Debian's before one of one's own: the tests ask them in this order.
fn pip() -> Option<&'static str> {
    PYTHONS.iter().rev().copied().find(|python| answers(python, &["-m", "pip", "--version"]))
}

/// An interpreter that can run the Python verifier.
///
/// # Errors
/// No interpreter has the `cryptography` package.
pub(crate) fn python() -> Result<&'static str> {
    match PYTHONS.iter().find(|python| imports_cryptography(python)) {
        Some(python) => Ok(python),
        None => bail!(
            "no python3 here has the `cryptography` package: run `apt-get install python3-cryptography`"
        ),
    }
}

fn install(missing: &[&Need]) -> Result<()> {
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let advice = format!(
        "missing: {}; on Debian run `apt-get install {}` as root",
        names.join(", "),
        packages.join(" ")
    );
    if !found("apt-get") {
        bail!("{advice}");
    }
    let Some(prefix) = privilege() else { bail!("{advice} (neither root nor a sudo without password here)") };
    say(&format!("installing {}", packages.join(" ")));
    let apt = |arguments: &[&str]| {
        let mut words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        let mut command = Command::new(words.next().unwrap_or("env"));
        command.args(words).args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(arguments);
        succeed(command.stdin(Stdio::null()))
    };
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&packages);
    apt(&arguments)?;
    let still: Vec<&str> = missing.iter().filter(|need| !(need.present)()).map(|need| need.name).collect();
    if !still.is_empty() {
        bail!("still missing after the installation: {}; {advice}", still.join(", "));
    }
    Ok(())
}

/// The words that make a command run as root: none for root, sudo where it asks no password.
fn privilege() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    answers("sudo", &["-n", "true"]).then_some(&["sudo", "-n"])
}

/// Whether there are PostgreSQL's server and clients. Debian keeps the server's programs off PATH.
fn has_postgresql() -> bool {
    let mut versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let is_there = found("initdb") || versions.any(|entry| entry.path().join("bin/initdb").is_file());
    is_there && ["psql", "pg_dump", "pg_restore"].iter().all(|client| answers(client, &["--version"]))
}

/// Whether there is a Node.js whose WebCrypto has Ed25519.
fn has_node() -> bool {
    answers("node", &["--eval", "process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)"])
}

/// Whether the compiler finds the C library's headers: the compiler alone is there without them.
fn has_c_headers() -> bool {
    ["/usr/include/stdio.h", "/usr/local/include/stdio.h"].iter().any(|path| Path::new(path).is_file())
        || answers("cc", &["-E", "-include", "stdio.h", "-x", "c", "/dev/null"])
}

fn imports_cryptography(python: &str) -> bool {
    answers(python, &["-c", "from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, ec"])
}

/// Whether a program of this name is on PATH. For programs without a harmless `--version`.
fn found(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
