//! Where a path lies, by its text alone: no file system is asked, so links and the real working directory stay
//! unknown. A path may lie in several places at once (`~/.ssh/id_rsa` is a secret outside the working directory).

use super::pattern::Pattern;

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One kind of place.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Place { $($(#[$doc])* $name,)* }

        impl Place {
            /// Every place at once.
            pub(super) const ALL: Places = Places(u32::MAX);

            pub(super) fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

places! {
    /// `/`, or everything in it.
    Root = "root",
    /// A home directory, or everything in it.
    Home = "home",
    /// A directory of the system as a whole, or everything in it.
    System = "system",
    /// Below a directory of the system.
    SystemFile = "system-file",
    /// A device other than the harmless ones.
    Device = "device",
    /// Below a directory for temporary files, or a harmless device.
    Temp = "temp",
    /// Keys, tokens and passwords.
    Secret = "secret",
    /// Read and obeyed by shells, services or git later on.
    Startup = "startup",
    /// A repository's own store.
    Vcs = "vcs",
    /// The working directory as a whole.
    Whole = "whole",
    /// Below the working directory, in a directory that builds make anew.
    Build = "build",
    /// Below the working directory.
    Inside = "inside",
    /// Below the working directory, and not in a directory that builds make anew.
    Source = "source",
    /// Anywhere else.
    Outside = "outside",
    /// Everything below a directory, other than one for temporary files or one that builds make anew.
    Mass = "mass",
    /// On another machine (`host:path`).
    Remote = "remote",
    /// Cannot be known.
    Unknown = "unknown",
}

/// A set of places.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Places(u32);

impl Places {
    pub(super) const fn with(self, place: Place) -> Self {
        Self(self.0 | (1 << place as u32))
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, place: Place) -> bool {
        self.0 & (1 << place as u32) != 0
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A directory, or a path after normalisation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Location {
    /// From the root.
    Absolute(Vec<String>),
    /// From a home directory.
    Home(Vec<String>),
    /// From the directory in which the line starts, `ups` directories above it.
    Here { ups: usize, below: Vec<String> },
    /// One of these; none of them is another such choice or unknown.
    Either(Vec<Self>),
    /// Cannot be known.
    Unknown,
}

/// More than so many places that a line may be in are too many to follow.
const EITHER_MAX: usize = 4;

impl Location {
    pub(super) const START: Self = Self::Here { ups: 0, below: Vec::new() };

    /// One of several.
    pub(super) fn either(all: impl IntoIterator<Item = Self>) -> Self {
        let mut distinct: Vec<Self> = Vec::new();
        for location in all.into_iter().flat_map(Self::alternatives) {
            if location == Self::Unknown {
                return Self::Unknown;
            }
            if !distinct.contains(&location) {
                distinct.push(location);
            }
        }
        match distinct.len() {
            0 => Self::Unknown,
            1 => distinct.pop().unwrap_or(Self::Unknown),
            count if count > EITHER_MAX => Self::Unknown,
            _ => Self::Either(distinct),
        }
    }

    /// The one, or each of those that it may be.
    pub(super) fn alternatives(self) -> Vec<Self> {
        match self {
            Self::Either(all) => all,
            one => vec![one],
        }
    }

    /// May both be the same?
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Either(all), other) | (other, Self::Either(all)) => all.iter().any(|one| one.meets(other)),
            (one, other) => one == other,
        }
    }

    /// The path `text` seen from `self`.
    pub(super) fn join(&self, text: &str) -> Self {
        if let Self::Either(all) = self {
            return Self::either(all.iter().map(|one| one.join(text)));
        }
        let (start, rest) = if let Some(rest) = text.strip_prefix('/') {
            (Self::Absolute(Vec::new()), rest)
        } else if let Some(rest) = text.strip_prefix('~') {
            (Self::Home(Vec::new()), rest.split_once('/').map_or("", |(_, rest)| rest))
        } else {
            (self.clone(), text)
        };
        let joined = rest.split(['/', '\\']).fold(start, Self::step);
        joined.homed()
    }

    fn step(mut self, name: &str) -> Self {
        let (Self::Absolute(below) | Self::Home(below) | Self::Here { below, .. }) = &mut self else {
            return self;
        };
        match name {
            "" | "." => self,
            ".." if below.pop().is_some() => self,
            ".." => match self {
                Self::Home(_) => Self::Absolute(vec!["home".to_owned()]),
                Self::Here { ups, below } => Self::Here { ups: ups + 1, below },
                other => other,
            },
            name => {
                below.push(name.to_owned());
                self
            }
        }
    }

    /// `/home/someone/…` is a home directory too.
    fn homed(self) -> Self {
        let Self::Absolute(names) = &self else { return self };
        match names.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["home" | "Users", user, ..] if !user.contains('*') => {
                Self::Home(names.iter().skip(2).cloned().collect())
            }
            ["root", ..] => Self::Home(names.iter().skip(1).cloned().collect()),
            _ => self,
        }
    }

    /// Something in the directory of devices.
    pub(super) fn is_device(&self) -> bool {
        matches!(self, Self::Absolute(names) if names.first().is_some_and(|name| name == "dev"))
    }

    /// Every place this path lies in.
    pub(super) fn places(&self) -> Places {
        let none = Places::default();
        match self {
            Self::Unknown => none.with(Place::Unknown),
            Self::Either(all) => all.iter().fold(none, |places, one| places.or(one.places())),
            Self::Absolute(names) => absolute(names),
            Self::Home(names) if whole(names) => none.with(Place::Home).with(Place::Outside),
            Self::Home(names) => named(names, true).with(Place::Outside),
            Self::Here { ups: 0, below } if whole(below) => none.with(Place::Whole),
            Self::Here { ups: 0, below } => {
                // Behind `**` a pattern may match what lies in any directory.
                let built = below.iter().scan(false, |open, name| {
                    *open |= name == "**";
                    Some(one_of(name, BUILD) && !(*open && name.contains('*')))
                });
                let built = built.into_iter().any(|built| built);
                let places = named(below, false).with(Place::Inside);
                if built && !places.has(Place::Vcs) {
                    places.with(Place::Build)
                } else {
                    places.with(Place::Source)
                }
            }
            Self::Here { below, .. } => named(below, false).with(Place::Outside),
        }
    }
}

/// The places of `text` seen from `directory`.
pub(super) fn places(directory: &Location, text: &str) -> Places {
    let mut places = directory.join(text).places();
    if text.ends_with("**") && !places.has(Place::Temp) && !places.has(Place::Build) {
        places = places.with(Place::Mass);
    }
    let Some((host, path)) = text.split_once(':') else { return places };
    // `host:path` and `revision:path` name a file with secrets as well as the path alone.
    let secret = directory.join(path).places().has(Place::Secret);
    let places = if secret { places.with(Place::Secret) } else { places };
    if host.len() > 1 && !host.contains('/') { places.with(Place::Remote) } else { places }
}

fn whole(names: &[String]) -> bool {
    match names {
        [] => true,
        names => names.iter().all(|name| matches!(name.as_str(), "*" | "**" | ".*" | "{*,.*}")),
    }
}

fn absolute(names: &[String]) -> Places {
    let none = Places::default();
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let ending = |names: &[&str]| matches!(names, [] | ["*" | "**" | ".*"]);
    match words.as_slice() {
        names if ending(names) => none.with(Place::Root),
        ["home" | "Users"] | ["home" | "Users", "*", ..] => none.with(Place::Home).with(Place::Outside),
        ["tmp", "**"] | ["var" | "private", "tmp", "**"] => none.with(Place::Outside),
        ["tmp", _, ..] | ["var" | "private", "tmp", _, ..] | ["dev", "shm", _, ..] => {
            named(names, false).with(Place::Temp)
        }
        ["private", "var", "folders", _, ..] => none.with(Place::Temp),
        ["dev", "null" | "zero" | "full" | "stdin" | "stdout" | "stderr" | "tty" | "random" | "urandom"]
        | ["dev", "fd", ..] => none.with(Place::Temp),
        ["dev", _, ..] => none.with(Place::Device).with(Place::SystemFile),
        ["tmp" | "private"] => none.with(Place::System),
        [top, rest @ ..] if SYSTEM.contains(top) => {
            let branch = matches!(rest, [branch] if BRANCHES.contains(branch))
                || matches!(rest, [branch, last] if BRANCHES.contains(branch) && ending(&[last]));
            let place = if ending(rest) || branch { Place::System } else { Place::SystemFile };
            named(names, false).with(place)
        }
        _ => named(names, false).with(Place::Outside),
    }
}

/// Places that the names tell, wherever the path starts.
fn named(names: &[String], home: bool) -> Places {
    let mut places = Places::default();
    let last = names.last().map(String::as_str).unwrap_or_default();
    let path = names.join("/");
    let lists = |list: &str| list.split_whitespace().any(|end| ends(&path, end));
    let starts = last.starts_with('.') || last.find(['*', '?', '[']).is_some_and(|at| at > 1);
    let hidden = starts && last.contains(['*', '?', '[']) && {
        let pattern = Pattern::new(&last.replace('[', "*"));
        SECRET_NAMES.split_whitespace().any(|name| pattern.matches(name))
    };
    if (hidden || one_of(last, SECRET_NAMES) || lists(SECRET_ENDS)) && !one_of(last, NOT_SECRET) {
        places = places.with(Place::Secret);
    }
    let private = |name: &String| {
        matches!(name.as_str(), ".ssh" | ".gnupg")
            || (name.starts_with('.')
                && name.len() > 2
                && name.contains(['*', '?', '['])
                && [".ssh", ".gnupg"].iter().any(|own| Pattern::new(&name.replace('[', "*")).matches(own)))
    };
    let mounted = |pair: &[String]| {
        matches!(pair, [first, second] if matches!((first.as_str(), second.as_str()),
            ("run", "secrets") | ("kubernetes.io", "serviceaccount")))
    };
    if names.windows(2).any(mounted) {
        places = places.with(Place::Secret);
    }
    let secret_directory = names.iter().any(private);
    if secret_directory && !one_of(last, NOT_SECRET) && last != "config" {
        places = places.with(Place::Secret);
    }
    let dotfile = home && names.first().is_some_and(|name| one_of(name, STARTUP_HOME));
    let hook = names.windows(2).any(|pair| pair.first().is_some_and(|name| name == ".git") && obeyed(pair));
    let ci = names.windows(2).any(|pair| {
        pair.first().is_some_and(|name| name == ".github")
            && pair.get(1).is_some_and(|name| matches!(name.as_str(), "workflows" | "actions"))
    });
    let ci = ci || names.iter().any(|name| matches!(name.as_str(), ".circleci" | ".husky" | ".githooks"));
    let agent = lists(AGENT_SETTINGS);
    if dotfile || hook || ci || agent || secret_directory || one_of(last, STARTUP_NAMES) {
        places = places.with(Place::Startup);
    }
    if names.iter().any(|name| name == ".git") {
        places = places.with(Place::Vcs);
    }
    places
}

fn obeyed(pair: &[String]) -> bool {
    matches!(pair.get(1).map(String::as_str), Some("hooks" | "config" | "info"))
}

fn ends(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

fn one_of(name: &str, patterns: &str) -> bool {
    patterns.split_whitespace().any(|pattern| match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    })
}

const SYSTEM: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "opt",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "var",
    "System",
    "Library",
    "Applications",
    "Windows",
];
const BRANCHES: &[&str] =
    &["bin", "sbin", "lib", "local", "share", "log", "libexec", "include", "cache", "www"];
const BUILD: &str = "node_modules target dist build out .cache coverage __pycache__ .pytest_cache .mypy_cache \
    .ruff_cache .next .nuxt .turbo .parcel-cache .venv venv .tox .gradle .terraform tmp .tmp *.egg-info *.pyc *.o \
    *.log *.tmp *.bak _build htmlcov .nyc_output .eggs DerivedData cmake-build-* bazel-* .svelte-kit obj";
const SECRET_NAMES: &str = ".env .env.* *.pem *.key *.p12 *.pfx *.jks *.keystore *.kdbx id_rsa id_dsa id_ecdsa \
    id_ed25519 .netrc _netrc .pgpass .my.cnf .git-credentials .vault-token .npmrc .pypirc .htpasswd shadow shadow- \
    .bash_history .zsh_history .python_history .psql_history .mysql_history .node_repl_history .rediscli_history \
    gshadow master.passwd sudoers credentials.json service-account*.json terraform.tfstate *.tfstate kubeconfig secrets.yml secrets.yaml \
    secrets.json secrets.toml secrets.env";
const SECRET_ENDS: &str = ".aws/credentials .kube/config .docker/config.json .config/gh/hosts.yml .azure/* \
    .config/gcloud/credentials.db .config/gcloud/application_default_credentials.json environ .cargo/credentials \
    .cargo/credentials.toml .config/hub .aws .aws/* .aws/** .kube .kube/* .kube/** .azure .azure/** .password-store \
    .password-store/* .password-store/** .config/gcloud .config/gcloud/* .config/gcloud/** .config/gh .config/gh/* \
    .config/gh/** .docker/* .docker/**";
const NOT_SECRET: &str = "cert.pem *cert.pem *certs.pem *chain.pem *bundle.pem ca.pem pub*.pem *public.pem *.pub.pem \
    .env.example .env.sample .env.template .env.dist .env.test *.pub known_hosts authorized_keys";
const STARTUP_HOME: &str = ".bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshrc .zshenv \
    .zprofile .zlogin .kshrc .cshrc .tcshrc .inputrc .vimrc .exrc .gitconfig .ssh .gnupg .xinitrc .xprofile .aws \
    .kube .docker .netrc .npmrc .pypirc .config .local .cargo .pam_environment .psqlrc .sqliterc .pythonrc Library";
/// What coding agents obey: their hooks and permissions.
const AGENT_SETTINGS: &str = ".claude .claude/settings.json .claude/settings.local.json .codex .codex/hooks.json \
    .codex/config.toml .gemini .gemini/settings.json";
const STARTUP_NAMES: &str = "authorized_keys .bashrc .zshrc .profile .bash_profile .envrc crontab \
    .gitlab-ci.yml .travis.yml .drone.yml azure-pipelines.yml bitbucket-pipelines.yml Jenkinsfile";

#[cfg(test)]
mod tests {
    use super::{Location, Place, places};

    #[test]
    fn a_path_lies_where_its_text_says() {
        for (path, place, expected) in [
            ("/", Place::Root, true),
            ("//./", Place::Root, true),
            ("/*", Place::Root, true),
            ("~", Place::Home, true),
            ("/home/ann/", Place::Home, true),
            ("/home/ann/work", Place::Home, false),
            ("/etc", Place::System, true),
            ("/tmp/../etc", Place::System, true),
            ("/usr/local/*", Place::System, true),
            ("/etc/hosts", Place::SystemFile, true),
            ("/tmp/x", Place::Temp, true),
            ("/dev/sda1", Place::Device, true),
            ("/dev/null", Place::Device, false),
            ("~/.ssh/id_ed25519", Place::Secret, true),
            ("~/.ssh/id_ed25519.pub", Place::Secret, false),
            ("deploy/.env", Place::Secret, true),
            ("~/.kube/config", Place::Secret, true),
            ("~/.ssh/config", Place::Secret, false),
            ("~/.ssh", Place::Secret, true),
            ("~/.ss?/*", Place::Secret, true),
            ("id_rs?", Place::Secret, true),
            ("~/.aws", Place::Secret, true),
            ("id*", Place::Secret, true),
            ("src/*", Place::Secret, false),
            ("HEAD:deploy/.env", Place::Secret, true),
            (".git/config", Place::Secret, false),
            (".env.example", Place::Secret, false),
            (".e*", Place::Secret, true),
            ("*.rs", Place::Secret, false),
            ("~/.bashrc", Place::Startup, true),
            ("~/.claude//x/../settings.json", Place::Startup, true),
            ("app/.codex/./hooks.json", Place::Startup, true),
            ("~/.claude/projects/notes.md", Place::Startup, false),
            (".git/hooks/pre-push", Place::Startup, true),
            (".github/workflows/x.yml", Place::Startup, true),
            ("a/.github/workflows", Place::Startup, true),
            (".github/CODEOWNERS", Place::Startup, false),
            (".gitlab-ci.yml", Place::Startup, true),
            (".git", Place::Vcs, true),
            ("a/.git/objects", Place::Vcs, true),
            (".gitignore", Place::Vcs, false),
            (".", Place::Whole, true),
            ("a/..", Place::Whole, true),
            ("web/node_modules", Place::Build, true),
            ("build/../src", Place::Build, false),
            ("src", Place::Inside, true),
            ("../src", Place::Inside, false),
            ("../src", Place::Outside, true),
            ("host:/srv", Place::Remote, true),
        ] {
            assert_eq!(places(&Location::START, path).has(place), expected, "{path} {place:?}");
        }
    }

    #[test]
    fn a_changed_directory_counts() {
        let root = Location::START.join("/");
        assert!(places(&root, "*").has(Place::Root));
        assert!(places(&root.join("etc"), "passwd").has(Place::SystemFile));
        assert!(places(&Location::Unknown, "x").has(Place::Unknown));
        assert!(places(&Location::START.join(".."), "x").has(Place::Outside));
    }
}
