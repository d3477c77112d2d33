use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{self, Exit};
use crate::output;

/// Print completions for a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade completions bash > /etc/bash_completion.d/cascade
  cascade completions zsh > ~/.zfunc/_cascade")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(args: &Completions) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cascade", &mut text);
    output::bytes(&text)?;
    Ok(exit::DONE)
}
