//! Looks at the world before a decision: who asks, which program, which directory, which variables,
//! what stands on standard input. What is found here is all that the gates will know.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use cascade_ledger::{Fault, Ledger, Person as PersonEntry, Present, PrincipalKind as NameKind, Reader};
use cascade_policy::decide;
use cascade_policy::facts::{
    self, Authentication, Delegator, Executable, Facts, Invocation, PrincipalKind, Stdin,
};
use cascade_policy::shell::LENGTH_MAX;
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::chain;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::ADMIN_GROUP;

use crate::credentials;
use crate::defaults;
use crate::file_hash;
use crate::glass;
use crate::grants;
use crate::obeyed;
use crate::own_home;
use crate::people::{self, Person, Whom};
use crate::process::Enclosure;
use crate::shim;
use crate::subject::{self, Concerned};
use crate::tokens::Known;

/// Most bytes of standard input that are read before a decision, for programs that execute them.
pub const STDIN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the agent is called that a model is which has commands run.
const MODEL_AGENT: &str = "model";

/// Programs that execute their standard input as shell lines.
const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "ash"];

/// Who asks, with ids of this chain.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The operating-system user, or the person of the chain behind a token.
    pub person: Person,
    /// That person's id in this chain.
    pub person_id: PrincipalId,
    /// That person in the chain, also after a removal; `None` for somebody who was never admitted.
    pub entry: Option<PersonEntry>,
    /// The agent that acts for the person.
    pub agent: Option<(String, PrincipalId)>,
    /// Somebody else whom `--as` names.
    pub assumed: Option<PrincipalId>,
    /// The governed run that this process works beneath.
    pub enclosure: Enclosure,
    /// How it is known that it is this one.
    pub(crate) known: Known,
}

impl Asker {
    /// Finds out who asks.
    ///
    /// # Errors
    /// When the ledger cannot look up or keep a principal.
    pub fn find(ledger: &Ledger, env: &[(OsString, OsString)], whom: Option<&str>) -> Result<Self, Fault> {
        let person = Person::current();
        let person_id = ledger.principal_for(NameKind::Person, &person.name)?;
        let entry = ledger.person(person_id)?;
        let marker =
            people::agent_marker(&env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())));
        let enclosure = Enclosure::look();
        // Whoever works beneath an agent's run is that agent, whatever it did to its environment.
        let marker = enclosure.agent().map(str::to_owned).or(marker);
        let agent_id =
            |name: &str| ledger.principal_for(NameKind::Agent, &grants::agent_of(name, &person.name));
        let whom = whom.map(|text| Whom::parse(text, &person));
        let (agent, assumed) = match whom {
            None => (marker, None),
            // Nor may it be another one: that would be to ask for the other one's authority.
            Some(Whom::Agent(name)) => match marker.filter(|own| *own != name) {
                Some(own) => (Some(own), Some(agent_id(&name)?)),
                None => (Some(name), None),
            },
            // An agent that says it is the person asks for somebody else's authority.
            Some(Whom::SelfPerson) => {
                let assumed = marker.is_some().then_some(person_id);
                (marker, assumed)
            }
            Some(Whom::Other(name)) => (marker, Some(named(ledger, &name)?)),
        };
        let agent = match agent {
            Some(name) => {
                let id = agent_id(&name)?;
                Some((name, id))
            }
            None => None,
        };
        Ok(Self { person, person_id, entry, agent, assumed, enclosure, known: Known::Here })
    }

    /// The agent that a model is which acts for this asker; whoever is one already stays who it is.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn behind_model(&self, ledger: &Ledger) -> Result<Self, Fault> {
        if self.agent.is_some() {
            return Ok(self.clone());
        }
        let id = ledger.principal_for(NameKind::Agent, &grants::agent_of(MODEL_AGENT, &self.person.name))?;
        Ok(Self { agent: Some((MODEL_AGENT.to_owned(), id)), ..self.clone() })
    }

    /// The same asker, as the chain knows it now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn again(&self, ledger: &Ledger) -> Result<Self, Fault> {
        self.at(&ledger.present()?)
    }

    pub(crate) fn at(&self, present: &Present<'_>) -> Result<Self, Fault> {
        let known = self.known.at(present)?;
        Ok(Self { entry: present.person(self.person_id)?, known, ..self.clone() })
    }

    /// Who is accountable for the action in the receipt.
    #[must_use]
    pub fn principal_id(&self) -> PrincipalId {
        self.agent.as_ref().map_or(self.person_id, |(_, id)| *id)
    }

    /// The person who answers or governs: whoever `--as` names, who proves it with that person's SSH key, else the
    /// operating-system user.
    #[must_use]
    pub fn speaker(&self) -> PrincipalId {
        self.assumed.unwrap_or(self.person_id)
    }

    /// Whether the token that was shown does not count any more.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        !self.known.holds()
    }

    /// The moment from which what was shown counts no more.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.known.until()
    }

    pub(crate) fn principal(&self) -> facts::Principal {
        let (kind, authentication) = match (&self.agent, &self.entry) {
            (Some(_), _) => (PrincipalKind::Agent, Authentication::EnvironmentMarker),
            (None, Some(_)) => (PrincipalKind::Person, Authentication::OsUser),
            (None, None) => (PrincipalKind::Person, Authentication::None),
        };
        // Groups are the person's; an agent has them as its delegator's only.
        let own = self.entry.as_ref().filter(|_| self.agent.is_none());
        facts::Principal {
            id: self.principal_id(),
            kind,
            authentication: self.known.authentication().unwrap_or(authentication),
            alive: self.is_registered() && self.known.holds(),
            admin: own.is_some_and(PersonEntry::is_admin),
            groups: own.map(groups_beside_admins).unwrap_or_default(),
        }
    }

    fn delegator(&self) -> Option<Delegator> {
        self.agent.as_ref().map(|_| Delegator {
            id: self.person_id,
            groups: self.entry.as_ref().map(groups_beside_admins).unwrap_or_default(),
            admin: self.entry.as_ref().is_some_and(PersonEntry::is_admin),
            alive: self.is_registered(),
        })
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.entry.as_ref().is_some_and(PersonEntry::is_registered)
    }
}

/// Facts say by a flag whether somebody is an administrator. Who left is in no group.
pub(crate) fn groups_beside_admins(person: &PersonEntry) -> Vec<String> {
    let groups = person.groups.iter().filter(|group| *group != ADMIN_GROUP && person.is_registered());
    groups.cloned().collect()
}

/// How the tenant stands.
pub(crate) fn tenant(present: &Present<'_>) -> Result<facts::Tenant, Fault> {
    Ok(facts::Tenant {
        active: !present.is_suspended(),
        halted: present.is_halted(),
        chain_healthy: present.is_sound(|| ends_well(present))?,
        regimes: present.regimes()?.iter().map(|regime| regime.name.clone()).collect(),
    })
}

/// An id as such, or the id of a name; a name nobody has gets an id that no grant covers.
pub(crate) fn named(ledger: &Ledger, name: &str) -> Result<PrincipalId, Fault> {
    match PrincipalId::parse(name) {
        Some(id) => Ok(id),
        None => ledger.principal_for(NameKind::Person, name),
    }
}

/// Where standard input comes from, and its bytes when they were read beforehand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Closed or /dev/null.
    None,
    /// A terminal.
    Terminal,
    /// A pipe or file that nobody has read.
    Stream,
    /// Read before the decision.
    Captured(Vec<u8>),
}

impl Input {
    /// What stands on this process's standard input, unread.
    #[must_use]
    pub fn of_stdin() -> Self {
        let stdin = io::stdin();
        if rustix::termios::isatty(stdin.as_fd()) {
            return Self::Terminal;
        }
        let null = rustix::fs::stat("/dev/null").map(|stat| stat.st_rdev);
        match rustix::fs::fstat(stdin.as_fd()) {
            Ok(stat) if stat.st_rdev != 0 && null == Ok(stat.st_rdev) => Self::None,
            Ok(_) => Self::Stream,
            Err(_) => Self::None,
        }
    }

    pub(crate) fn fact(&self) -> Stdin {
        match self {
            Self::None => Stdin::None,
            Self::Terminal => Stdin::Terminal,
            Self::Stream => Stdin::Stream,
            Self::Captured(bytes) => Stdin::Captured(Digest::of(bytes)),
        }
    }
}

/// A command that is to be decided.
#[derive(Clone, Debug)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Its whole environment; only what governs the program becomes a fact.
    pub env: Vec<(OsString, OsString)>,
    /// Its standard input.
    pub input: Input,
    /// Whom it concerns, where the caller says so.
    pub subject: Option<Concerned>,
}

/// Why the world could not be looked at. Nothing was decided, nothing ran.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Standard input of a program that executes it is longer than [`STDIN_BYTES_MAX`].
    #[error("standard input of a program that executes it is longer than {STDIN_BYTES_MAX} bytes")]
    InputTooLong,
    /// Standard input could not be read.
    #[error("couldn't read standard input: {0}")]
    Input(io::Error),
    /// The working directory is gone or unreadable.
    #[error("couldn't find the working directory: {0}")]
    Cwd(io::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] Fault),
}

impl Command {
    /// The command as this process would run it.
    ///
    /// # Errors
    /// [`LookError::Cwd`].
    pub fn here(argv: Vec<OsString>) -> Result<Self, LookError> {
        let cwd = std::env::current_dir().map_err(LookError::Cwd)?;
        let env = std::env::vars_os().collect();
        Ok(Self { argv, cwd, env, input: Input::of_stdin(), subject: None })
    }

    /// The file that would be executed: `argv[0]` itself when it holds a slash, else the first
    /// executable of that name along `PATH`, as `execvp` would find it; shims are passed over, which would only come
    /// back here.
    #[must_use]
    pub fn executable(&self) -> Option<PathBuf> {
        let program = self.argv.first()?;
        if program.as_bytes().contains(&b'/') {
            let path = self.cwd.join(program);
            return is_executable(&path).then_some(path);
        }
        self.along_path(program).find(|path| is_executable(path) && !shim::leads_back(path))
    }

    /// Where a bare name may stand along `PATH`, in its order.
    pub(crate) fn along_path(&self, name: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
        let path = self.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        std::env::split_paths(path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin")))
            .map(move |dir| self.cwd.join(dir).join(name.as_ref()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Reads standard input whole when the program executes what it reads (or an agent runs a program that
    /// nobody knows), so that the decision and an approval are about these bytes; any other input passes through unread.
    ///
    /// # Errors
    /// [`LookError::InputTooLong`] and [`LookError::Input`].
    pub fn capture_if_executed(&mut self, snapshot: &Snapshot, asker: &Asker) -> Result<(), LookError> {
        if self.input != Input::Stream {
            return Ok(());
        }
        let class = snapshot.registry().classify_argv(&self.argv_bytes(), &[]);
        // An agent's unknown program waits for an approval, which must be about its input as well.
        if class.stdin_executes || (asker.agent.is_some() && !class.classified) {
            let mut bytes = Vec::new();
            let limit = STDIN_BYTES_MAX as u64 + 1;
            io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(LookError::Input)?;
            if bytes.len() > STDIN_BYTES_MAX {
                return Err(LookError::InputTooLong);
            }
            self.input = Input::Captured(bytes);
        }
        Ok(())
    }

    /// What a shell will execute, where it was captured and is short enough to be read as a line.
    pub(crate) fn script(&self) -> Option<Vec<u8>> {
        let program = Path::new(self.argv.first()?).file_name()?.to_str()?;
        match &self.input {
            Input::Captured(bytes) if SHELLS.contains(&program) && bytes.len() <= LENGTH_MAX => {
                Some(bytes.clone())
            }
            _ => None,
        }
    }

    pub(crate) fn argv_bytes(&self) -> Vec<Vec<u8>> {
        self.argv.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    /// The variables that can change what the program does.
    pub(crate) fn governing_env(&self, snapshot: &Snapshot) -> Vec<(Vec<u8>, Vec<u8>)> {
        let patterns = snapshot.registry().governing_env(&self.argv_bytes());
        self.env
            .iter()
            .filter(|(name, _)| governs(&patterns, name))
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect()
    }
}

/// Whether a variable is one of `patterns`: names, or beginnings that end in `*`.
pub(crate) fn governs(patterns: &[String], name: &OsStr) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.as_bytes().starts_with(beginning.as_bytes()),
        None => name.as_bytes() == pattern.as_bytes(),
    })
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Everything a decision about `command` may depend on. Counters and approvals are added by the caller.
///
/// # Errors
/// When the ledger cannot be read.
pub fn look(
    ledger: &Present<'_>,
    snapshot: &Snapshot,
    asker: &Asker,
    command: &Command,
) -> Result<Facts, LookError> {
    let executable = command.executable().and_then(|path| {
        let sha256 = file_hash::of_file(ledger, &path)?;
        Some(Executable { path: path.into_os_string().into_vec(), sha256 })
    });
    let principal = asker.principal();
    let env = command.governing_env(snapshot);
    let argv = command.argv_bytes();
    let env = credentials::action_env(ledger, &principal, executable.as_ref(), &argv, env)?;
    let mut action = facts::Action {
        invocation: Invocation::Cli(argv),
        executable,
        cwd: command.cwd.as_os_str().as_bytes().to_vec(),
        env,
        stdin: command.input.fact(),
        script: command.script(),
        files: Vec::new(),
        defaults: Vec::new(),
        home: Vec::new(),
        resource: None,
    };
    action.defaults = defaults::look(command, &decide::sought(snapshot.registry(), &action));
    action.files = obeyed::look(ledger, command, &decide::obeyed(snapshot.registry(), &action));
    action.home = own_home::look(ledger, snapshot.registry(), &action, &command.env);
    let subject = command.subject.map(|concerned| subject::look(ledger, concerned)).transpose()?;
    Ok(Facts { subject, ..of_action(ledger, asker, action)? })
}

/// Everything a decision about a task may depend on. What it says is all there is of it: it has no directory, no
/// environment and no input.
///
/// # Errors
/// When the ledger cannot be read.
pub fn of_task(ledger: &Present<'_>, asker: &Asker, task: facts::Task) -> Result<Facts, Fault> {
    let action = without_world(Invocation::Task(Box::new(task)), Vec::new());
    of_action(ledger, asker, action)
}

/// Everything a decision about what a workflow does by itself may depend on; its steps run in `cwd`.
///
/// # Errors
/// When the ledger cannot be read.
pub fn of_workflow(
    ledger: &Present<'_>,
    asker: &Asker,
    act: facts::WorkflowAct,
    cwd: &Path,
) -> Result<Facts, Fault> {
    let cwd = cwd.as_os_str().as_bytes().to_vec();
    let action = without_world(Invocation::Workflow(Box::new(act)), cwd);
    of_action(ledger, asker, action)
}

/// Everything a decision about a change of a schedule may depend on; what is added runs in `cwd`.
///
/// # Errors
/// When the ledger cannot be read.
pub fn of_schedule(
    ledger: &Present<'_>,
    asker: &Asker,
    act: facts::ScheduleAct,
    cwd: &Path,
) -> Result<Facts, Fault> {
    let cwd = cwd.as_os_str().as_bytes().to_vec();
    let action = without_world(Invocation::Schedule(Box::new(act)), cwd);
    of_action(ledger, asker, action)
}

/// An action that is no program: it has no environment, no input and no files.
pub(crate) const fn without_world(invocation: Invocation, cwd: Vec<u8>) -> facts::Action {
    facts::Action {
        invocation,
        executable: None,
        cwd,
        env: Vec::new(),
        stdin: Stdin::None,
        script: None,
        files: Vec::new(),
        defaults: Vec::new(),
        home: Vec::new(),
        resource: None,
    }
}

pub(crate) fn of_action(present: &Present<'_>, asker: &Asker, action: facts::Action) -> Result<Facts, Fault> {
    Ok(Facts {
        at: time_of(present),
        tenant: tenant(present)?,
        principal: asker.principal(),
        on_behalf_of: asker.delegator(),
        assumed: asker.assumed,
        action,
        spec: None,
        answers: None,
        approvals: Vec::new(),
        grants: grants::held(present, asker.principal_id())?,
        budgets: Vec::new(),
        windows: Vec::new(),
        counters: Vec::new(),
        subject: None,
        break_glass: None,
        unreviewed: glass::unreviewed(present)?,
        dry_run: false,
    })
}

/// Whether the newest stored line is the one the head names and its hash is the one it gives: a torn or
/// exchanged tail must stop new actions, not be built upon.
///
/// # Errors
/// When the ledger cannot be read.
pub fn is_healthy(ledger: &Reader) -> Result<bool, Fault> {
    ledger.present()?.is_sound(|| ends_well(ledger))
}

fn ends_well(ledger: &Reader) -> Result<bool, Fault> {
    let head = ledger.head()?;
    let Some(line) = ledger.lines(head.next_seq.saturating_sub(1)..head.next_seq).next() else {
        return Ok(false);
    };
    let Ok(value) = json::parse(line?.text.as_bytes()) else {
        return Ok(false);
    };
    let digest = |key| value.member(key).and_then(Value::as_str).and_then(Digest::from_hex);
    let (Some(prev), Some(entry), Some(content)) =
        (digest("prev_hash"), digest("entry_hash"), value.member("content"))
    else {
        return Ok(false);
    };
    let computed = chain::entry_hash(&prev, content.to_canonical().as_bytes());
    Ok(entry == computed && entry == head.entry_hash)
}

/// The time that a receipt written now would carry: never before that of the newest one, even when the clock
/// ran ahead once and was put right. What expires is measured in this time, as verifiers do.
///
/// # Errors
/// [`Fault`].
pub fn chain_now(reader: &Reader) -> Result<Timestamp, Fault> {
    Ok(now().max(reader.head()?.timestamp))
}

/// The same of a look that was taken already.
pub(crate) fn time_of(present: &Present<'_>) -> Timestamp {
    now().max(present.head().timestamp)
}

/// The system clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Hash of an open file's bytes, and how many there are.
pub(crate) fn hash_reader(mut file: impl io::Read) -> io::Result<(Digest, u64)> {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    let (mut buffer, mut total) = (vec![0; 256 * 1024], 0);
    loop {
        let count = file.read(&mut buffer)?;
        total += count as u64;
        match buffer.get(..count) {
            Some([]) | None => return Ok((Digest(hasher.finalize().into()), total)),
            Some(bytes) => hasher.update(bytes),
        }
    }
}
