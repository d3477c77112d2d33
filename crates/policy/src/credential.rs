//! Which brokered credentials a command is handed.
//!
//! A credential is declared for programs, each a file with the words that must follow it at once. Nothing is looked
//! through here, on purpose: a command that reaches the program by way of another one (`sudo`, `env`, a shell line)
//! is started with an environment that others read too, and gets nothing.
//!
//! A credential can also be the key of a language model. Then it is for endpoints, and no command is handed it.

pub mod endpoint;

use std::collections::BTreeMap;

use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::{self, Value};

use crate::facts::Principal;

use self::endpoint::{Endpoint, EndpointFault};

/// Longest name of a credential or variable, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Most programs of one credential.
pub const PROGRAMS_MAX: usize = 16;
/// Most endpoints of one credential.
pub const ENDPOINTS_MAX: usize = 16;
/// Most words that a binding asks for after the program.
pub const WORDS_MAX: usize = 8;
/// Most people and groups of one credential, counted together.
pub const HOLDERS_MAX: usize = 64;
/// Stands before the credential's name where an action names the variables that are handed to it.
pub const BROKERED: &str = "brokered:";

/// Programs whose business is to run what others write: whoever may start one with a credential has the credential.
const OPEN_PROGRAMS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox", "env", "printenv", "xargs", "sudo", "doas",
    "nohup", "timeout", "nice", "setsid", "find", "awk", "gawk", "perl", "ruby", "node", "php", "cascade",
];
/// Variables by which a caller puts code of its own into a program, or makes a script print what it does; beginnings
/// end in `*`. A command that is handed a credential is started without them.
const STEERING: &[&str] = &[
    "LD_*",
    "DYLD_*",
    "GCONV_PATH",
    "BASH_ENV",
    "ENV",
    "BASH_FUNC_*",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "IFS",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
];

/// What is wrong with a declaration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CredentialFault {
    /// The name.
    #[error("`{0}` is no name of a credential: letters, digits, `-`, `_` and `.`, at most {NAME_BYTES_MAX}")]
    Name(String),
    /// The variable.
    #[error("`{0}` is no variable that a credential can be handed in")]
    Variable(String),
    /// No program, or too many.
    #[error(
        "a credential is for 1 to {PROGRAMS_MAX} programs, or for language models at 1 to {ENDPOINTS_MAX} endpoints"
    )]
    Programs,
    /// An endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointFault),
    /// Too many words.
    #[error("`{0}` asks for more than {WORDS_MAX} words after the program")]
    Words(String),
    /// A program that hands on what it is given.
    #[error("`{0}` runs whatever it is told to, so a credential for it is a credential for everything")]
    Open(String),
    /// Too many people and groups.
    #[error("a credential is for at most {HOLDERS_MAX} people and groups")]
    Holders,
}

/// A program that a credential is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Binding {
    /// The program's file, absolute.
    pub path: String,
    /// The words that follow it at once.
    pub words: Vec<String>,
}

/// What is declared of a credential: everything but its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declaration {
    name: String,
    variable: String,
    programs: Vec<Binding>,
    endpoints: Vec<Endpoint>,
    principals: Vec<PrincipalId>,
    groups: Vec<String>,
}

impl Declaration {
    /// Checks a declaration. The variable is the name in capitals unless given.
    ///
    /// # Errors
    /// See [`CredentialFault`].
    pub fn new(
        name: &str,
        variable: Option<&str>,
        programs: Vec<Binding>,
        principals: Vec<PrincipalId>,
        groups: Vec<String>,
    ) -> Result<Self, CredentialFault> {
        check_name(name)?;
        let variable = variable.map_or_else(|| variable_of(name), str::to_owned);
        if !is_variable(&variable) {
            return Err(CredentialFault::Variable(variable));
        }
        if programs.is_empty() || programs.len() > PROGRAMS_MAX {
            return Err(CredentialFault::Programs);
        }
        for binding in &programs {
            let file = binding.path.rsplit('/').next().unwrap_or_default();
            if binding.words.len() > WORDS_MAX {
                return Err(CredentialFault::Words(file.to_owned()));
            }
            if is_open(file) {
                return Err(CredentialFault::Open(file.to_owned()));
            }
        }
        if principals.len() + groups.len() > HOLDERS_MAX {
            return Err(CredentialFault::Holders);
        }
        Ok(Self { name: name.to_owned(), variable, programs, endpoints: Vec::new(), principals, groups })
    }

    /// Checks the declaration of a key of language models. No command is handed it, so it has no variable.
    ///
    /// # Errors
    /// See [`CredentialFault`].
    pub fn for_models(
        name: &str,
        mut endpoints: Vec<Endpoint>,
        principals: Vec<PrincipalId>,
        groups: Vec<String>,
    ) -> Result<Self, CredentialFault> {
        check_name(name)?;
        endpoints.sort();
        endpoints.dedup();
        if endpoints.is_empty() || endpoints.len() > ENDPOINTS_MAX {
            return Err(CredentialFault::Programs);
        }
        if principals.len() + groups.len() > HOLDERS_MAX {
            return Err(CredentialFault::Holders);
        }
        let (variable, programs) = (String::new(), Vec::new());
        Ok(Self { name: name.to_owned(), variable, programs, endpoints, principals, groups })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The variable that it is handed in.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// The programs that it is for.
    #[must_use]
    pub fn programs(&self) -> &[Binding] {
        &self.programs
    }

    /// The endpoints at which language models are asked with it.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Whether a language model at this endpoint may be asked with it for this principal.
    #[must_use]
    pub fn is_for_model(&self, principal: &Principal, endpoint: &Endpoint) -> bool {
        self.is_held_by(principal) && self.endpoints.contains(endpoint)
    }

    /// Who may use it; nobody named, and no group, means everybody.
    #[must_use]
    pub fn principals(&self) -> &[PrincipalId] {
        &self.principals
    }

    /// The groups whose members may use it.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The JSON form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let texts = |texts: &[String]| Value::Array(texts.iter().map(|text| text.as_str().into()).collect());
        let program = |binding: &Binding| {
            Value::object([("path", binding.path.as_str().into()), ("words", texts(&binding.words))])
        };
        let groups = texts(&self.groups);
        let name = self.name.as_str().into();
        let principals = Value::Array(self.principals.iter().map(|id| id.to_string().into()).collect());
        if self.endpoints.is_empty() {
            return Value::object([
                ("env", self.variable.as_str().into()),
                ("for", Value::Array(self.programs.iter().map(program).collect())),
                ("groups", groups),
                ("name", name),
                ("principals", principals),
            ]);
        }
        let models = Value::Array(self.endpoints.iter().map(|one| one.to_string().into()).collect());
        Value::object([("groups", groups), ("models", models), ("name", name), ("principals", principals)])
    }

    /// Reads the JSON form.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let value = json::parse_canonical(bytes).ok()?;
        let list = |key| value.member(key).and_then(Value::as_array);
        let texts = |items: &[Value]| -> Option<Vec<String>> {
            items.iter().map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let program = |one: &Value| {
            let path = one.member("path")?.as_str()?.to_owned();
            Some(Binding { path, words: texts(one.member("words")?.as_array()?)? })
        };
        let name = value.member("name")?.as_str()?;
        let principals =
            list("principals")?.iter().map(|id| PrincipalId::parse(id.as_str()?)).collect::<Option<_>>()?;
        let groups = texts(list("groups")?)?;
        if let Some(models) = list("models") {
            let endpoint = |one: &Value| Endpoint::parse(one.as_str()?).ok();
            let endpoints = models.iter().map(endpoint).collect::<Option<_>>()?;
            return Self::for_models(name, endpoints, principals, groups).ok();
        }
        let variable = value.member("env")?.as_str()?;
        let programs = list("for")?.iter().map(program).collect::<Option<_>>()?;
        Self::new(name, Some(variable), programs, principals, groups).ok()
    }

    fn is_held_by(&self, principal: &Principal) -> bool {
        let open = self.principals.is_empty() && self.groups.is_empty();
        open || self.principals.contains(&principal.id)
            || self.groups.iter().any(|group| principal.groups.contains(group))
    }

    /// How many words of the command a binding asks for, the program included; `None` when it is for none of this.
    fn covers(&self, principal: &Principal, program: &str, argv: &[Vec<u8>]) -> Option<usize> {
        if !self.is_held_by(principal) {
            return None;
        }
        let fits = |binding: &&Binding| {
            let given = argv.get(1..=binding.words.len()).unwrap_or_default();
            binding.path == program
                && given.len() == binding.words.len()
                && binding.words.iter().zip(given).all(|(word, given)| word.as_bytes() == given.as_slice())
        };
        self.programs.iter().filter(fits).map(|binding| 1 + binding.words.len()).max()
    }
}

/// The credentials that a command is handed, as places in `declared`: for each variable the one whose binding says most
/// about the command, then one that names who may use it, then the first by name.
#[must_use]
pub fn chosen(
    declared: &[Declaration],
    principal: &Principal,
    program: &str,
    argv: &[Vec<u8>],
) -> Vec<usize> {
    let mut best: BTreeMap<&str, (usize, bool, usize)> = BTreeMap::new();
    for (place, one) in declared.iter().enumerate() {
        let Some(words) = one.covers(principal, program, argv) else { continue };
        let named = !one.principals.is_empty() || !one.groups.is_empty();
        let better = best.get(one.variable.as_str()).is_none_or(|(most, most_named, other)| {
            let first = declared.get(*other).is_some_and(|other| one.name < other.name);
            (words, named, first) > (*most, *most_named, false)
        });
        if better {
            best.insert(&one.variable, (words, named, place));
        }
    }
    best.into_values().map(|(_, _, place)| place).collect()
}

/// The environment of an action that is handed these credentials: their variables with the names of the credentials in
/// the place of whatever the caller has there, and nothing that steers the program.
#[must_use]
pub fn brokered_env<'a>(
    env: Vec<(Vec<u8>, Vec<u8>)>,
    handed: impl Iterator<Item = &'a Declaration>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let handed: Vec<&Declaration> = handed.collect();
    if handed.is_empty() {
        return env;
    }
    let is_handed = |name: &[u8]| handed.iter().any(|one| one.variable.as_bytes() == name);
    let kept = env.into_iter().filter(|(name, _)| !steers(name) && !is_handed(name));
    let brokered = handed
        .iter()
        .map(|one| (one.variable.clone().into_bytes(), format!("{BROKERED}{}", one.name).into_bytes()));
    kept.chain(brokered).collect()
}

/// Whether a command that is handed a credential is started without this variable.
#[must_use]
pub fn steers(name: &[u8]) -> bool {
    STEERING.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => name == pattern.as_bytes(),
    })
}

/// Checks a credential's name.
///
/// # Errors
/// [`CredentialFault::Name`].
pub fn check_name(name: &str) -> Result<(), CredentialFault> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if first && plain && name.len() <= NAME_BYTES_MAX {
        Ok(())
    } else {
        Err(CredentialFault::Name(name.to_owned()))
    }
}

fn variable_of(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let own = name.starts_with("CASCADE_") || name == "PATH" || steers(name.as_bytes());
    first && plain && !own && name.len() <= NAME_BYTES_MAX
}

fn is_open(file: &str) -> bool {
    let bare = file.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    OPEN_PROGRAMS.contains(&file) || OPEN_PROGRAMS.contains(&bare) || bare == "python"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Authentication, PrincipalKind};

    fn principal(id: u8, groups: &[&str]) -> Principal {
        Principal {
            id: PrincipalId([id; 8]),
            kind: PrincipalKind::Person,
            authentication: Authentication::OsUser,
            alive: true,
            admin: false,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    fn binding(path: &str, words: &[&str]) -> Binding {
        Binding { path: path.to_owned(), words: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    fn declared(name: &str, programs: &[Binding], principals: &[u8], groups: &[&str]) -> Declaration {
        let principals = principals.iter().map(|id| PrincipalId([*id; 8])).collect();
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Declaration::new(name, Some("TOKEN"), programs.to_vec(), principals, groups).unwrap()
    }

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    /// Who, in which groups, the program's file, the command, and what it is handed.
    type Row<'a> = (u8, &'a [&'a str], &'a str, &'a str, Option<&'a str>);

    #[test]
    fn what_a_command_is_handed() {
        let all = [
            declared("plain", &[binding("/bin/aws", &[])], &[], &[]),
            declared("s3", &[binding("/bin/aws", &["s3", "cp"])], &[], &[]),
            declared("alice", &[binding("/bin/aws", &[])], &[1], &[]),
            declared("sre", &[binding("/bin/tf", &["apply"])], &[], &["sre"]),
        ];
        let table: &[Row<'_>] = &[
            (2, &[], "/bin/aws", "aws ec2 ls", Some("plain")),
            (2, &[], "/bin/aws", "aws s3 cp a b", Some("s3")),
            (1, &[], "/bin/aws", "aws s3 cp a b", Some("s3")),
            (1, &[], "/bin/aws", "aws ec2", Some("alice")),
            // Words follow the program at once; nothing is looked through.
            (2, &[], "/bin/aws", "aws --debug s3 cp", Some("plain")),
            (2, &[], "/tmp/aws", "aws ec2 ls", None),
            (2, &[], "/bin/sudo", "sudo aws ec2 ls", None),
            (2, &["sre"], "/bin/tf", "tf apply", Some("sre")),
            (2, &["dev"], "/bin/tf", "tf apply", None),
            (2, &["sre"], "/bin/tf", "tf -chdir=x apply", None),
            (2, &["sre"], "/bin/tf", "tf", None),
            (2, &["sre"], "/bin/tf", "tf applyx", None),
        ];
        for (who, groups, program, line, expected) in table {
            let places = chosen(&all, &principal(*who, groups), program, &words(line));
            let names: Vec<&str> = places.iter().map(|place| all[*place].name()).collect();
            assert_eq!(names, expected.iter().copied().collect::<Vec<_>>(), "{program} {line}");
        }
    }

    #[test]
    fn the_environment_names_what_is_handed_and_loses_what_steers() {
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let env = vec![pair("PATH", "/bin"), pair("LD_PRELOAD", "/tmp/x.so"), pair("TOKEN", "mine")];
        assert_eq!(brokered_env(env.clone(), [].iter()), env);
        let handed = [declared("prod", &[binding("/bin/aws", &[])], &[], &[])];
        let expected = vec![pair("PATH", "/bin"), pair("TOKEN", "brokered:prod")];
        assert_eq!(brokered_env(env, handed.iter()), expected);
    }

    #[test]
    fn declarations_at_and_past_their_limits() {
        let new = |name: &str, variable: Option<&str>, programs: usize, words: usize, holders: usize| {
            let words = vec!["w".to_owned(); words];
            let programs = vec![Binding { path: "/bin/aws".to_owned(), words }; programs];
            Declaration::new(name, variable, programs, Vec::new(), vec!["g".to_owned(); holders])
        };
        let longest = "n".repeat(NAME_BYTES_MAX);
        let good = new(&longest, None, PROGRAMS_MAX, WORDS_MAX, HOLDERS_MAX).unwrap();
        assert_eq!(Declaration::parse(good.to_json().to_canonical().as_bytes()), Some(good));
        assert_eq!(new("db-pass.word", None, 1, 0, 0).unwrap().variable(), "DB_PASS_WORD");
        assert!(matches!(new(&format!("{longest}n"), None, 1, 0, 0), Err(CredentialFault::Name(_))));
        assert_eq!(new("n", None, PROGRAMS_MAX + 1, 0, 0), Err(CredentialFault::Programs));
        assert_eq!(new("n", None, 0, 0, 0), Err(CredentialFault::Programs));
        assert!(matches!(new("n", None, 1, WORDS_MAX + 1, 0), Err(CredentialFault::Words(_))));
        assert_eq!(new("n", None, 1, 0, HOLDERS_MAX + 1), Err(CredentialFault::Holders));
        for bad in ["", "-n", "a b", "a=b", "ä"] {
            assert!(matches!(new(bad, Some("V"), 1, 0, 0), Err(CredentialFault::Name(_))), "{bad}");
        }
        for bad in ["", "1A", "A-B", "PATH", "LD_PRELOAD", "BASH_ENV", "CASCADE_RUN"] {
            assert!(matches!(new("n", Some(bad), 1, 0, 0), Err(CredentialFault::Variable(_))), "{bad}");
        }
    }

    #[test]
    fn a_key_of_a_model_is_for_its_endpoints_and_no_command() {
        let endpoint = |text: &str| Endpoint::parse(text).unwrap();
        let endpoints = vec![endpoint("https://api.example.com")];
        let key = Declaration::for_models("llm", endpoints, Vec::new(), vec!["ml".to_owned()]).unwrap();
        let json = key.to_json().to_canonical();
        assert_eq!(
            json,
            r#"{"groups":["ml"],"models":["https://api.example.com"],"name":"llm","principals":[]}"#
        );
        assert_eq!(Declaration::parse(json.as_bytes()), Some(key.clone()));
        let table = [
            (&["ml"] as &[&str], "https://api.example.com", true),
            (&[], "https://api.example.com", false),
            (&["ml"], "https://api.example.com:8443", false),
            (&["ml"], "https://evil.example.com", false),
        ];
        for (groups, at, expected) in table {
            assert_eq!(key.is_for_model(&principal(1, groups), &endpoint(at)), expected, "{groups:?} {at}");
        }
        assert_eq!(chosen(&[key], &principal(1, &["ml"]), "/bin/aws", &words("aws")), [] as [usize; 0]);
        let program = declared("plain", &[binding("/bin/aws", &[])], &[], &[]);
        assert!(!program.is_for_model(&principal(1, &[]), &endpoint("https://api.example.com")));
        let many =
            |count: u16| (0..count).map(|n| endpoint(&format!("https://a.example:{}", n + 1))).collect();
        let new = |endpoints| Declaration::for_models("n", endpoints, Vec::new(), Vec::new());
        assert!(new(many(16)).is_ok());
        assert_eq!(new(many(17)), Err(CredentialFault::Programs));
        assert_eq!(new(many(0)), Err(CredentialFault::Programs));
    }

    #[test]
    fn programs_that_run_anything_get_nothing() {
        for (file, open) in [
            ("bash", true),
            ("sh", true),
            ("python", true),
            ("python3.12", true),
            ("env", true),
            ("aws", false),
            ("psql", false),
            ("terraform", false),
        ] {
            let declared =
                Declaration::new("n", None, vec![binding(&format!("/bin/{file}"), &[])], vec![], vec![]);
            assert_eq!(declared.is_err(), open, "{file}");
        }
    }
}
