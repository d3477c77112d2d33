//! A manifest as it is written: TOML, unknown members refused. [`super::grammar`] turns it into something checked.
//!
//! Lists of plain names are one string with blanks between (`"-q --quiet"`): a hundred flags stay readable in a few
//! lines.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::resource::{Place, ResourceKind};

/// One file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Every program name and alias in this file; read before the rest is parsed.
    pub(super) programs: String,
    pub(super) worker: Vec<Worker>,
    /// Tier -> lines that must get exactly this tier.
    #[serde(default)]
    pub(super) tests: BTreeMap<String, Vec<String>>,
}

/// One program.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Worker {
    /// `name` and `aliases`: the first is used in codes.
    pub(super) names: String,
    #[serde(default)]
    pub(super) style: Style,
    /// Long options may be shortened (`--forc`).
    #[serde(default)]
    pub(super) abbreviations: bool,
    /// `--no-x` is understood for every long option `--x`.
    #[serde(default)]
    pub(super) negations: bool,
    /// `-long` and `---long` are `--long` too (npm).
    #[serde(default)]
    pub(super) loose_dashes: bool,
    #[serde(default)]
    pub(super) globals: Globals,
    #[serde(default)]
    pub(super) lies: Lies,
    /// What is true of the program itself, and its options before any subcommand.
    #[serde(default)]
    pub(super) own: Node,
    #[serde(default)]
    pub(super) command: Vec<Node>,
    #[serde(default)]
    pub(super) rule: Vec<Rule>,
    #[serde(default)]
    pub(super) setting: Vec<Setting>,
    #[serde(default)]
    pub(super) defaults: Vec<Defaults>,
    #[serde(default)]
    pub(super) resource: Vec<Named>,
    #[serde(default)]
    pub(super) intent: Vec<Intent>,
    #[serde(default)]
    pub(super) inverse: Vec<Inverse>,
}

/// How options are spelled.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Style {
    /// `-qf`, `-cVALUE`, `--long=VALUE`.
    #[default]
    Gnu,
    /// `-long`, `--long`, `-long=VALUE`; no clusters.
    Go,
    /// `-word` as a whole, no clusters (find).
    Single,
    /// `name=VALUE` without dashes (dd); the manifest writes such a name with its `=`.
    Operands,
    /// No options: every word is an argument (echo).
    Words,
    /// As Gnu, and the first word is a cluster even without a dash (tar).
    Bundled,
    /// As Gnu, but `+x` is an option like `-x`, a lone `-` ends them, and values never stand in the same word: in
    /// `-oc posix LINE` the `c` is a flag and `posix` what `-o` takes.
    Shell,
}

/// Where a program is kept.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Lies {
    /// With the programs of the system.
    #[default]
    System,
    /// In the project itself, to be called as `./NAME`: a build script that comes with it.
    Project,
}

/// Where the program's own options may stand.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Globals {
    /// Before the subcommand only.
    #[default]
    Before,
    /// After it too.
    Anywhere,
}

/// Options and arguments at one place of the tree.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Node {
    /// Subcommand paths that are alike, separated by commas: `"remote add, remote rename"`. A word may be a glob;
    /// `**` in front stands for any number of words.
    pub(super) path: String,
    pub(super) tier: Option<String>,
    /// For people: what it does.
    pub(super) text: Option<String>,
    /// Tier of a word that cannot be known beforehand; computed where it is missing.
    pub(super) unresolved: Option<String>,
    pub(super) flags: String,
    /// Options with a value that is plain text.
    pub(super) values: String,
    /// Options whose value may be left out and must be attached.
    pub(super) optional: String,
    /// Options with a value of a kind: kind -> names.
    pub(super) kinds: BTreeMap<Kind, String>,
    /// Unknown options are taken as flags: nothing this program's options do changes its tier.
    pub(super) lenient: bool,
    /// `-20` and `+20` are options.
    pub(super) numeric: bool,
    /// Kinds of the arguments in order; the last one repeats. Empty: text.
    pub(super) arguments: Vec<Kind>,
    /// With one of these options the first kind of `arguments` is not expected.
    pub(super) shifts: String,
    /// With one of these nothing is changed: the call is LOW.
    pub(super) dry: String,
    /// One of these can take that back.
    pub(super) dry_unless: String,
    /// Unless this says that even then something of the project runs.
    pub(super) dry_tier: Option<String>,
    /// Where another command starts.
    pub(super) wraps: Option<Wraps>,
    /// Standard input is executed as this when there is no script argument.
    pub(super) stdin: Option<Kind>,
    /// Options that keep standard input from being executed (`-c`).
    pub(super) stdin_unless: String,
    /// Only with fewer arguments than this; 0: with any number.
    pub(super) stdin_below: usize,
    /// Only where the line feeds it: what is typed at a terminal is the person's own doing.
    pub(super) stdin_fed: bool,
    pub(super) emits: Emits,
    /// With one of these options paths are written (`grep -l`).
    pub(super) emits_paths_if: String,
    /// With one of these options the lines are cut or rewritten (`grep -o`).
    pub(super) emits_changed_if: String,
}

/// Files that a call obeys without being told their names; their bytes become part of the action.
#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    /// Subcommand paths, separated by commas; missing: all.
    pub(super) command: Option<String>,
    /// Only where the program is called by one of these names.
    #[serde(default)]
    pub(super) programs: String,
    /// Their names in the directory in which the call works. Those that are there count.
    pub(super) files: String,
    /// Options that name other ones instead.
    #[serde(default)]
    pub(super) unless: String,
    /// They are in the directory that the argument at this place names, where there is one.
    pub(super) within: Option<usize>,
}

/// Where another command starts.
#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Wraps {
    #[serde(rename = "as")]
    pub(super) form: Form,
    /// Arguments before it.
    #[serde(default)]
    pub(super) skip: usize,
    /// `NAME=VALUE` words before it set its environment.
    #[serde(default)]
    pub(super) assignments: bool,
    /// With one of these options the first word is a shell line (`bash -c`).
    #[serde(default)]
    pub(super) line_if: String,
    /// The script is not read, and nothing is known of what it does (a shell's).
    #[serde(default)]
    pub(super) unread: bool,
    /// It runs on another machine or among the files of a container: paths in it are not those of here.
    #[serde(default)]
    pub(super) away: bool,
    /// What it enters runs already, with its environment and data.
    #[serde(default)]
    pub(super) enters: Enters,
    /// With no other options than these it reaches nothing but itself and the network: what it takes from standard input
    /// is a matter of who feeds it.
    #[serde(default)]
    pub(super) apart: String,
    /// With one of these options what is added is split or grouped in a way that is not followed.
    #[serde(default)]
    pub(super) regroups: String,
    /// With one of these options nothing is executed (`command -v`).
    #[serde(default)]
    pub(super) unless: String,
}

/// What an inner command is run in, where that was there before.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Enters {
    #[default]
    Nothing,
    /// A container of this machine: one for development.
    Container,
    /// Another machine, or a container of a cluster: what is changed there is in use.
    Machine,
}

/// What the words from there on are.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// Program and arguments.
    Argv,
    /// Joined by blanks they are a shell line.
    Line,
    /// Program and arguments, to which words from standard input are added.
    Appended,
    /// A template, `:::` and words that are added one by one (parallel).
    Template,
    /// A program from a package and its arguments; looked at only where a manifest knows it.
    Package,
    /// A script file and its arguments, or a shell line where an option of `line_if` is given.
    Script,
}

/// What a word is.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// Means nothing to the classifier.
    Text,
    /// A file or directory that is read.
    Read,
    /// Text, or `@FILE` for the contents of a file that is sent away.
    Upload,
    /// A file whose contents are sent away.
    Send,
    /// A file that is written.
    Write,
    /// A path that rules look at by its place.
    Path,
    /// All but the last are read, the last is written.
    Copy,
    /// A shell line.
    Line,
    /// Program and arguments up to `;` or `+`.
    Exec,
    /// Source text for an interpreter.
    Code,
    /// Source text for a MongoDB shell.
    Mongo,
    /// Source text in which texts in quotes are not evaluated (Python, JavaScript).
    Snippet,
    /// The name of a module that is executed (`python -m`).
    Module,
    /// An awk program.
    Awk,
    /// A sed script.
    Sed,
    /// SQL statements.
    Sql,
    /// A script file that is executed.
    Script,
    /// A file whose bytes say what is done, without being a program: its hash is part of the action, and it adds
    /// nothing to the tier. Several may stand behind commas.
    Obeyed,
    /// The directory in which the rest is done (`-C`).
    Directory,
    /// `key=value` of a setting.
    Config,
    /// `-I`: the text in the inner command that is replaced by words from standard input.
    Replace,
}

/// What a program writes to standard output, for the next one in the pipeline.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Emits {
    /// Anything.
    #[default]
    Unknown,
    /// Its arguments.
    Arguments,
    /// Paths below its path arguments, or below the working directory.
    Paths,
    /// The one format it is given, where nothing in it stands for something else.
    Format,
    /// Its input.
    Input,
    /// Some lines of its input. Paths stay paths below the same directory; of a text any part may be missing, which
    /// can turn a harmless one into a command.
    Lines,
    /// Something made from its input.
    Changed,
    /// Bytes from the network.
    Network,
    /// Environment variables, secrets among them.
    Secret,
    /// Something decoded, so that it cannot be read beforehand.
    Decoded,
}

/// All conditions that are given must hold.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) code: String,
    pub(super) tier: String,
    #[serde(default)]
    pub(super) failfast: bool,
    /// For people.
    pub(super) text: String,
    /// Subcommand paths, separated by commas; missing: all.
    pub(super) command: Option<String>,
    /// Each entry: names with blanks between (or `--name=glob`), one of which is given.
    #[serde(default)]
    pub(super) options: Vec<String>,
    /// None of these is given.
    #[serde(default)]
    pub(super) without: String,
    /// Globs, one of which one argument matches.
    #[serde(default)]
    pub(super) argument: Vec<String>,
    /// Globs; an argument that one of them matches does not count.
    #[serde(default)]
    pub(super) except: Vec<String>,
    /// Only the argument at this place, counted from 0.
    pub(super) at: Option<usize>,
    /// Only arguments from this place on.
    #[serde(default)]
    pub(super) from: usize,
    /// Places, with blanks between, one of which one path argument is in.
    #[serde(default)]
    pub(super) place: String,
    /// At least so many arguments.
    #[serde(default)]
    pub(super) min: usize,
    /// At most so many arguments.
    pub(super) max: Option<usize>,
    /// An argument stands after `--`.
    #[serde(default)]
    pub(super) dashes: bool,
    /// Calls of this kind are left to another rule.
    pub(super) spares: Option<Spares>,
    /// A word that cannot be known is not taken for one that this rule is about.
    #[serde(default)]
    pub(super) certain: bool,
    /// Lines that this rule must find.
    pub(super) tests: Vec<String>,
}

/// What a rule does not speak about.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Spares {
    /// A search of the working directory by names that builds make anew.
    Rebuilt,
    /// Of two directories below the working directory.
    Below,
}

/// An environment variable or configuration key that changes what the program does.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    /// Patterns of environment variables.
    #[serde(default)]
    pub(super) env: String,
    /// Patterns of configuration keys, lower case.
    #[serde(default)]
    pub(super) config: String,
    pub(super) effect: Effect,
    /// Subcommands that look at it; missing: all.
    pub(super) command: Option<String>,
    #[serde(default)]
    pub(super) tests: Vec<String>,
}

/// What a setting's value does.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Effect {
    /// Nothing that harms.
    Harmless,
    /// It is executed as a shell line.
    Line,
    /// It is more options and arguments.
    Options,
    /// The last part of the key is a new subcommand, the value what it stands for.
    Alias,
    /// It is itself a configuration key, whose value stands in `…_VALUE_…`.
    Key,
    /// The program itself expands it: suspect where the line sets it to something with a substitution in it.
    Expanded,
    /// A push that overwrites: a refspec with a `+`, or a switch that makes the remote equal.
    Overwrite,
    /// It can do anything.
    Opaque,
    /// The same, but only where the line itself sets it: what was there before belongs to whoever set up the session.
    Assigned,
}

/// Words and variables that name what a call acts on.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) kind: ResourceKind,
    /// How the text is read.
    #[serde(default, rename = "as")]
    pub(super) reading: Reading,
    /// Only where the program is called by one of these names.
    #[serde(default)]
    pub(super) programs: String,
    /// Subcommand paths, separated by commas; missing: all.
    pub(super) command: Option<String>,
    /// Subcommand paths of which this is not true.
    pub(super) except: Option<String>,
    /// Options whose value is one; `-o=key` where it is the value of this key.
    #[serde(default)]
    pub(super) options: String,
    /// The argument at this place is one, counted from 0.
    pub(super) at: Option<usize>,
    /// Each argument from this place on is one.
    pub(super) from: Option<usize>,
    /// Variables that name it where no word does; the first that is set counts.
    #[serde(default)]
    pub(super) env: String,
    /// Of a database: the words and variables that name its host.
    #[serde(default)]
    pub(super) host: Holder,
    /// The host of a forge where nothing names one; else what is put before a name without a scheme.
    #[serde(default)]
    pub(super) usual: String,
    /// Variables with which no name can be known, wherever they were set.
    #[serde(default)]
    pub(super) hidden_by: String,
    /// Options with which the name need not lead where it usually does.
    #[serde(default)]
    pub(super) elsewhere: String,
    /// The same of variables that the line sets.
    #[serde(default)]
    pub(super) elsewhere_env: String,
    /// The file in which it stands where nothing names it.
    pub(super) default: Option<Place>,
    /// The call acts on one even where nothing names it.
    #[serde(default)]
    pub(super) always: bool,
    /// Lines and the name that is found in them: `LINE => NAME`.
    pub(super) tests: Vec<String>,
}

/// What names the host of a database.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Holder {
    pub(super) options: String,
    pub(super) env: String,
}

/// How a text names a resource.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reading {
    /// As it is.
    #[default]
    Name,
    /// Several names behind commas or colons.
    List,
    /// `user@HOST:port`, or an address.
    Host,
    /// Several of these behind commas.
    Hosts,
    /// `user@HOST:path` or an address; other texts are paths of this machine.
    Remote,
    /// An address of a repository, or its path.
    Repo,
    /// `OWNER/NAME`, perhaps with a host in front.
    Forge,
    /// An address below a repository; other texts are none.
    Link,
    /// `s3://BUCKET/key`; other texts are paths of this machine.
    Bucket,
    /// An address, `host=a dbname=b`, `host/name` or a name.
    Database,
}

/// What people say, and the argv that it means.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    /// The worker's name, a dot and a word.
    pub(super) id: String,
    /// Phrases: words, `{slot:kind}`, `[what may be left out]`, `(one|another)`.
    pub(super) say: Vec<String>,
    /// What they mean; `{slot}` is the value, and a word with `{slot?}` is left out where there is none.
    pub(super) argv: Vec<String>,
    /// It only looks: a word that means about the same will do. It must rank LOW.
    #[serde(default)]
    pub(super) reads: bool,
    /// Values of slots that a phrase does not name.
    #[serde(default)]
    pub(super) defaults: BTreeMap<String, String>,
    /// Exit codes besides 0 that are an answer, and what they say: a search without hits has found out something.
    #[serde(default)]
    pub(super) answers: BTreeMap<String, String>,
    /// Texts and the argv that they must give.
    pub(super) tests: Vec<Said>,
    /// Texts that must not mean it.
    #[serde(default)]
    pub(super) not: Vec<String>,
}

/// A text and what it means.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) argv: Vec<String>,
}

/// How calls of one kind are undone, or why they cannot be. Exactly one of `undo`, `cannot` and `reads` is given.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Inverse {
    /// Only where the program is called by one of these names.
    #[serde(default)]
    pub(super) programs: String,
    /// Subcommand paths, separated by commas, with no subcommand of the grammar below them; missing: the program itself.
    pub(super) command: Option<String>,
    /// Each entry: names with blanks between (or `--name=glob`), one of which is given.
    #[serde(default)]
    pub(super) with: Vec<String>,
    /// Options that may be given beside these, as they do not matter to the undoing; `*`: all that are known and neither
    /// write nor execute.
    #[serde(default)]
    pub(super) allows: String,
    /// The same, but the undoing is given them too, where it says `{kept}`.
    #[serde(default)]
    pub(super) keeps: String,
    /// What the arguments are called, in order; the last may be `name...`, one or more. Not looked at by `cannot`.
    pub(super) arguments: Option<Vec<String>>,
    /// Program and arguments that undo it: `{name}` is the argument, `{name...}` all of them in reverse order, `{--option}`
    /// the value of an option that is given once.
    pub(super) undo: Option<Vec<String>>,
    /// What must have been so before the call for `undo` to be right, and what no receipt says.
    pub(super) assumes: Option<String>,
    /// Why such calls cannot be undone.
    pub(super) cannot: Option<String>,
    /// They change nothing.
    #[serde(default)]
    pub(super) reads: bool,
    /// Lines, and the words that undo them: `LINE => WORDS`; without `undo` just lines.
    pub(super) tests: Vec<String>,
    /// Lines that it must say nothing of.
    #[serde(default)]
    pub(super) not: Vec<String>,
}
