//! A command line taken apart by two parsers that do not share code.
//!
//! [`parse`] answers what a POSIX or bash line would run. Two grammars read the text, each walker
//! writes one neutral form, and only where both agree is the answer trusted. A disagreement, a
//! text one of them cannot read, or a construct in which the shell evaluates a string later
//! (`eval`, `alias`, `trap`, `${x@P}`, …) leaves [`Line::opaque`] non-empty: such a line is
//! unclassified and ranks HIGH or higher. Its `commands` are then the union of what both parsers
//! saw, so that a destructive command in plain sight is still found.
//!
//! Nothing here unfolds strings handed to other programs (`bash -c`, `xargs`, `find -exec`).
//! The caller does that and calls [`parse`] again.
//!
//! What not to believe: a [`Word::Unknown`] may stand for no word, one word or many. A variable
//! inherited from the environment, a file sourced at start-up or an exported function can change
//! what a name means; the line alone cannot tell.

use std::collections::BTreeSet;

mod ansi;
mod audit;
mod brace;
mod brush;
mod brush_commands;
mod builtins;
mod compare;
mod cook;
mod depth;
mod extent;
mod limit;
mod neutral;
mod scan;
mod scratch;
mod tokens;
mod tree_compound;
mod tree_operands;
mod tree_redirects;
mod tree_sitter;
mod tree_tests;
mod tree_words;

pub use limit::{COMMANDS_MAX, DEPTH_MAX, LENGTH_MAX, Refusal};

/// What a line would run, as far as its text tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// Every command in the line, wherever it stands: lists, pipelines, groups, loops, function
    /// bodies, substitutions. A redirect on a compound command appears as a command without words.
    pub commands: Vec<Command>,
    /// Why the list of commands must not be taken as complete. Sorted, each reason once.
    pub opaque: Vec<Opaque>,
    /// Names of functions that the line defines.
    pub functions: BTreeSet<String>,
}

/// One simple command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// Assignments before the program word. With no words they outlive the command.
    pub assignments: Vec<Assignment>,
    /// Program and arguments. The first may be [`Word::Unknown`].
    pub words: Vec<Word>,
    /// The same words with the other values of a loop's variable, where the loop lists them.
    pub also: Vec<Vec<Word>>,
    /// Earlier commands that change the directory and have succeeded in the same shell whenever this one starts.
    pub moved_by: Vec<usize>,
    /// How many of the commands that follow stand inside its own words, as substitutions.
    pub inside: usize,
    /// Redirects in source order; here-documents and here-strings are in `stdin` instead.
    pub redirects: Vec<Redirect>,
    /// Where standard input comes from.
    pub stdin: Input,
}

impl Command {
    /// All that its words can be.
    pub fn readings(&self) -> impl Iterator<Item = &[Word]> {
        std::iter::once(self.words.as_slice()).chain(self.also.iter().map(Vec::as_slice))
    }
}

/// `name=value` before a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// The variable, without a subscript.
    pub name: String,
    /// Its value; [`Word::Unknown`] for arrays, appends and expansions.
    pub value: Word,
}

/// A word after everything the text alone decides has been expanded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    /// Exact text after quote removal.
    Known(String),
    /// Text with an unexpanded glob or a leading tilde.
    Glob(String),
    /// Exactly one word, of which only the start and the end are known: `"a$x"`.
    One {
        /// Text before the first part that is not known.
        before: String,
        /// Text after the last one.
        after: String,
    },
    /// Depends on an expansion: none, one or many words at run time.
    Unknown,
}

/// A redirect other than a here-document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// What happens to the target.
    pub op: RedirectOp,
    /// A file, or a descriptor number for [`RedirectOp::Duplicate`].
    pub target: Word,
}

/// What a redirect does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RedirectOp {
    /// `<`
    Read,
    /// `>`, `>|`, `&>`
    Write,
    /// `>>`, `&>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `2>&1`, `<&3`, `>&-`
    Duplicate,
}

/// Where a command's standard input comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Input {
    /// From whoever runs the line, or from a redirect in the command's own list.
    #[default]
    Inherited,
    /// From these commands, as indices in [`Line::commands`].
    Pipe(Vec<usize>),
    /// A here-document or here-string.
    Text(Word),
}

/// Why a line cannot be fully known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Opaque {
    /// The two parsers read the line differently.
    ParserDisagrees,
    /// At least one parser could not read the line.
    NotParsed,
    /// `eval`, or another builtin that runs its arguments as text.
    Eval,
    /// `.` or `source`.
    Source,
    /// `alias`, `unalias`.
    Alias,
    /// `trap`.
    Trap,
    /// A variable that the shell itself evaluates or obeys: `PROMPT_COMMAND`, `BASH_ENV`, `IFS`.
    ShellVariable,
    /// `declare -n`, `${!name}`: one variable names another.
    Nameref,
    /// A subscript or an arithmetic expression whose text is not known to be numeric.
    Arithmetic,
    /// A builtin given the name of a variable that is not a plain name.
    VariableName,
    /// A callback given to a builtin (`mapfile -C`, `complete -C`).
    Callback,
    /// `${x@P}`.
    PromptExpansion,
    /// `enable`, `hash`, `bind`, `fc`, a lasting `PATH=`: changes what a command name means.
    CommandTable,
    /// `shopt` or `set` with an option that changes how lines are read.
    ShellOption,
    /// `coproc`.
    Coprocess,
    /// A function defined in the line has the name of a command used in it, or of a program.
    FunctionShadows,
    /// `{name}>file`.
    DescriptorVariable,
    /// A character that looks like another, or like nothing, where it changes the meaning.
    LookAlike,
    /// A carriage return: part of a word for the shell, invisible to people.
    CarriageReturn,
    /// `!` in a place where an interactive shell would expand history.
    History,
    /// Brace expansion past its bound, or of a kind on which shells differ.
    BraceLimit,
}

impl Opaque {
    /// The stable word for receipts and messages.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ParserDisagrees => "shell.parsers_disagree",
            Self::NotParsed => "shell.not_parsed",
            Self::Eval => "shell.eval",
            Self::Source => "shell.source",
            Self::Alias => "shell.alias",
            Self::Trap => "shell.trap",
            Self::ShellVariable => "shell.shell_variable",
            Self::Nameref => "shell.nameref",
            Self::Arithmetic => "shell.arithmetic",
            Self::VariableName => "shell.variable_name",
            Self::Callback => "shell.callback",
            Self::PromptExpansion => "shell.prompt_expansion",
            Self::CommandTable => "shell.command_table",
            Self::ShellOption => "shell.shell_option",
            Self::Coprocess => "shell.coprocess",
            Self::FunctionShadows => "shell.function_shadows",
            Self::DescriptorVariable => "shell.descriptor_variable",
            Self::LookAlike => "shell.look_alike",
            Self::CarriageReturn => "shell.carriage_return",
            Self::History => "shell.history",
            Self::BraceLimit => "shell.brace_limit",
        }
    }
}

/// Is this the script of a Python environment in the working directory, which only sets variables?
pub(crate) fn is_environment(path: &str) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path);
    let name = path.strip_suffix("/bin/activate").unwrap_or_default();
    !name.is_empty()
        && name != ".."
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Takes a line apart.
///
/// # Errors
///
/// A [`Refusal`] names the limit the line passed. The caller denies: nobody can be asked to
/// approve what cannot be read.
pub fn parse(text: &str) -> Result<Line, Refusal> {
    parse_where(text, true)
}

/// As [`parse`]; `scratch` says whether `$TMPDIR` may be taken for a directory for temporary files.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_where(text: &str, scratch: bool) -> Result<Line, Refusal> {
    limit::check(text)?;
    let tree = tree_sitter::walk(text)?;
    let brush = brush::walk(text)?;
    if tree.commands.len().max(brush.commands.len()) > COMMANDS_MAX {
        return Err(Refusal::Commands);
    }
    let merged = compare::merge(tree, brush);
    let mut opaque: BTreeSet<Opaque> = merged.opaque.clone();
    let mut commands = cook::commands(&merged, scratch, &mut opaque);
    moves(&merged, &mut commands);
    audit::line(text, &merged, &commands, &mut opaque);
    Ok(Line { commands, opaque: opaque.into_iter().collect(), functions: merged.functions })
}

/// Says of each command which changes of directory are behind it.
fn moves(found: &neutral::Found, commands: &mut [Command]) {
    let moves: Vec<usize> = (0..commands.len()).filter(|at| commands.get(*at).is_some_and(is_move)).collect();
    let chain = |at: usize| found.commands.get(at).map_or(0, |command| command.chain);
    for (at, command) in commands.iter_mut().enumerate() {
        let behind = |mover: &&usize| **mover < at && found.chains.holds(chain(**mover), chain(at));
        command.moved_by = moves.iter().filter(behind).copied().collect();
    }
}

/// Where the words of a substitution are not known yet, the directory they run in is the old one.
fn is_move(command: &Command) -> bool {
    let moves =
        |word: &Word| matches!(word, Word::Known(name) if matches!(name.as_str(), "cd" | "pushd" | "popd"));
    command.inside == 0 && command.words.iter().take(4).any(moves)
}
