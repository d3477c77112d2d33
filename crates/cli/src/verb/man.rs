use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_receipt::json::Value;
use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man as Page;

use crate::args::{Cli, Global};
use crate::exit::{self, Exit, Failure};
use crate::output;

/// Print the manual page of a verb, or write all of them
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade man run | man -l -
  cascade man key rotate
  cascade man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Write every page into this directory, which is made if it is not there
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    out: Option<PathBuf>,
    /// The verb, with its second word where it has one [default: the page of `cascade` itself]
    #[arg(value_name = "VERB")]
    verb: Vec<String>,
}

pub(crate) fn run(global: &Global, args: &Man) -> Exit {
    match &args.out {
        Some(dir) => write(global, dir),
        None => print(&args.verb),
    }
}

/// `help` is no verb with a page of its own.
fn command() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn write(global: &Global, dir: &Path) -> Exit {
    let shown = || format!("couldn't write manual pages into `{}`", dir.display());
    std::fs::create_dir_all(dir).with_context(shown)?;
    let pages = pages(&command());
    for (name, text) in &pages {
        std::fs::write(dir.join(name), text).with_context(shown)?;
    }
    output::say(format_args!("wrote {} pages into {}", pages.len(), dir.display()));
    if global.json {
        let names = pages.into_iter().map(|(name, _)| name.into()).collect();
        output::json(&Value::object([("pages", Value::Array(names))]))?;
    }
    Ok(exit::DONE)
}

/// Every page with the name of its file: one for the program, one for each verb, one for each word below a verb.
fn pages(root: &Command) -> Vec<(String, Vec<u8>)> {
    let mut pages = Vec::new();
    let mut open = vec![root];
    while let Some(command) = open.pop() {
        let page = page(command);
        pages.push((page.get_filename(), text(&page)));
        open.extend(command.get_subcommands());
    }
    pages.sort();
    pages
}

fn print(words: &[String]) -> Exit {
    let root = command();
    let mut found = &root;
    for word in words {
        let next = found.get_subcommands().find(|verb| verb.get_name() == word);
        found = next.ok_or_else(|| {
            Failure::usage(format_args!("there is no verb `{}`", words.join(" ")))
                .hint("`cascade --help` lists them")
        })?;
    }
    output::bytes(&text(&page(found)))?;
    Ok(exit::DONE)
}

fn page(command: &Command) -> Page {
    Page::new(command.clone()).manual("Cascade").source(format!("cascade {}", env!("CARGO_PKG_VERSION")))
}

fn text(page: &Page) -> Vec<u8> {
    let mut text = Vec::new();
    // Memory takes whatever is written.
    drop(page.render(&mut text));
    text
}
