//! Runs programs for the guided tour, each as a person would type it: in its own process, in a throw-away
//! directory, with an environment that holds nothing of this machine's agents or keys.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A throw-away place.
#[derive(Debug)]
pub struct Stage {
    dir: PathBuf,
    home: PathBuf,
    binary: PathBuf,
}

/// What a program left.
#[derive(Debug)]
pub struct Scene {
    /// Its exit code; 128 and more for a signal.
    pub code: u8,
    /// Both streams as text, standard error first, as the messages explain the result.
    pub text: String,
    /// Standard output alone.
    pub stdout: String,
}

impl Stage {
    /// A stage in `dir`, which must exist and be empty.
    ///
    /// # Errors
    /// When the running program cannot be found.
    pub fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { dir: dir.to_owned(), home: dir.join("home"), binary: std::env::current_exe()? })
    }

    /// Runs Cascade itself.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn cascade(&self, cwd: &Path, args: &[&str]) -> io::Result<Scene> {
        self.play(Command::new(&self.binary).args(args), cwd)
    }

    /// Runs another program, for setting the scene.
    ///
    /// # Errors
    /// When it cannot be started, for instance because it is not installed.
    pub fn program(&self, cwd: &Path, program: &str, args: &[&str]) -> io::Result<Scene> {
        self.play(Command::new(program).args(args), cwd)
    }

    fn play(&self, command: &mut Command, cwd: &Path) -> io::Result<Scene> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
        let output = command
            .current_dir(cwd)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.dir)
            .env("CASCADE_HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
            .stdin(Stdio::null())
            .output()?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{}{stdout}", String::from_utf8_lossy(&output.stderr));
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
        Ok(Scene { code, text, stdout })
    }
}
