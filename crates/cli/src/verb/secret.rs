use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::{Ledger, PrincipalKind, Reader, SECRET_BYTES_MAX, SECRET_BYTES_MIN, SecretValue, Wiped};
use cascade_policy::credential::{Binding, Declaration, check_name};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_runtime::credentials::{self, Changed, Credential, CredentialError};
use cascade_runtime::facts::{Asker, Command};
use cascade_runtime::people::Whom;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, BOLD, CARE, DIM, GOOD, Painted};
use crate::signer::Signer;
use crate::{admin, failures, place, secret};
use cascade_runtime::record::quoted;

/// Credentials that admitted commands are handed, and keys of language models
///
/// A credential is kept sealed. A command gets it in its environment when it is admitted and begins with a program and
/// words that the credential is for; its output shows `[redacted:NAME]` in the place of the value. The key of a language
/// model is sent to the endpoints that it is for, and no command is handed it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade secret set GITHUB_TOKEN --for 'gh pr' --from-file token.txt
  cascade run -- gh pr create
  cascade secret list")]
pub(crate) struct Secret {
    #[command(subcommand)]
    verb: SecretVerb,
}

#[derive(Subcommand, Debug)]
enum SecretVerb {
    Set(Set),
    List(List),
    Remove(Remove),
}

/// Keep a credential, or replace it; signed by an administrator
///
/// The value is read from --from-file, from standard input, or asked for without echo; one line end after it is not
/// part of it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade secret set GITHUB_TOKEN --for 'gh pr' --for 'gh release' --from-file token.txt
  cascade secret set prod-db --env PGPASSWORD --for psql --group dba < password
  cascade secret set deploy --env AWS_SECRET_ACCESS_KEY --for 'terraform apply' --principal agent:claude-code
  cascade secret set anthropic --for-model anthropic < key
  cascade secret set llm --for-model https://llm.example.com --group ml < key")]
struct Set {
    /// What it is called
    name: String,
    /// Program and the words that must follow it at once; the program is looked up now and that file is meant
    #[arg(long = "for", value_name = "PROGRAM [WORD…]", required_unless_present = "models")]
    programs: Vec<String>,
    /// Where a language model, or a server of `cascade mcp upstream`, is asked with it: an endpoint such as
    /// `https://llm.example.com`, or anthropic, openai, gemini
    #[arg(long = "for-model", id = "models", value_name = "ENDPOINT", conflicts_with_all = ["programs", "env"])]
    models: Vec<String>,
    /// Variable that it is handed in [default: the name in capitals]
    #[arg(long, value_name = "VAR")]
    env: Option<String>,
    /// Who may use it: a person's name or id, `agent:NAME` [default: everybody whose command is admitted]
    #[arg(long, value_name = "PRINCIPAL", value_parser = crate::args::principal)]
    principal: Vec<String>,
    /// Whose members may use it
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// File with the value
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// What there is, for which programs; never a value
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade secret list
  cascade --json secret list")]
struct List {}

/// Remove a credential and overwrite its value; runs that hold it are ended
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade secret remove GITHUB_TOKEN
  cascade secret remove prod-db --key ~/.ssh/id_ed25519")]
struct Remove {
    /// What it is called
    name: String,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Secret) -> Exit {
    match &args.verb {
        SecretVerb::Set(args) => set(global, args),
        SecretVerb::List(_) => list(global),
        SecretVerb::Remove(args) => remove(global, args),
    }
}

fn set(global: &Global, args: &Set) -> Exit {
    check_name(&args.name).map_err(|fault| refused(fault.into()))?;
    let ledger = place::ledger(global)?;
    let command = Command::here(Vec::new())?;
    let asker = Asker::find(&ledger, &command.env, global.acting_as.as_deref())?;
    let declaration = declaration(args, &ledger, &asker, &command)?;
    let value = value(args.from_file.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let changed = credentials::set(&ledger, &asker, &declaration, &value, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    });
    let changed = changed.map_err(|error| admin::on_record(&ledger, &asker, "secret_set", refused(error)))?;
    tell(global, &args.name, "set", &changed)
}

fn declaration(
    args: &Set,
    ledger: &Ledger,
    asker: &Asker,
    command: &Command,
) -> Result<Declaration, Failure> {
    let principals = args.principal.iter().map(|text| principal(ledger, asker, text));
    let (principals, groups) = (principals.collect::<Result<_, _>>()?, args.group.clone());
    let endpoints = args.models.iter().map(|text| credentials::model_endpoint(text));
    let endpoints = endpoints.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let bindings = args.programs.iter().map(|text| credentials::binding(text, command));
    let bindings = bindings.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let declaration = if endpoints.is_empty() {
        Declaration::new(&args.name, args.env.as_deref(), bindings, principals, groups)
    } else {
        Declaration::for_models(&args.name, endpoints, principals, groups)
    };
    declaration.map_err(|fault| refused(fault.into()))
}

fn remove(global: &Global, args: &Remove) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let changed = credentials::remove(&ledger, &asker, &args.name, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    });
    let changed =
        changed.map_err(|error| admin::on_record(&ledger, &asker, "secret_remove", refused(error)))?;
    tell(global, &args.name, "removed", &changed)
}

/// Nothing of the value may end up in a message: its length is all that is told.
fn value(path: Option<&Path>) -> Result<SecretValue, Failure> {
    let limit = SECRET_BYTES_MAX as u64 + 3;
    let mut bytes = Vec::new();
    if let Some(path) = path {
        let file =
            std::fs::File::open(path).with_context(|| format!("couldn't read `{}`", path.display()))?;
        file.take(limit).read_to_end(&mut bytes).context("couldn't read the value")?;
    } else if std::io::stdin().is_terminal() {
        bytes = secret::ask("value: ").context("couldn't ask for the value")?.into_bytes();
    } else {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).context("couldn't read the value")?;
    }
    if bytes.pop_if(|last| *last == b'\n').is_some() {
        bytes.pop_if(|last| *last == b'\r');
    }
    let length = bytes.len();
    SecretValue::new(bytes).ok_or_else(|| {
        let hint = "a shorter value would be replaced in output where it is not meant, and no environment holds a zero byte";
        Failure::usage(format_args!(
            "a value has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes and no zero byte; this one has {length}"
        ))
        .hint(hint)
    })
}

fn principal(ledger: &Ledger, asker: &Asker, text: &str) -> Result<PrincipalId, Failure> {
    if let Some(id) = PrincipalId::parse(text) {
        return Ok(id);
    }
    let agent = |name: &str| format!("{name} for {}", asker.person.name);
    Ok(match Whom::parse(text, &asker.person) {
        Whom::SelfPerson => asker.person_id,
        Whom::Agent(name) => ledger.principal_for(PrincipalKind::Agent, &agent(&name))?,
        Whom::Other(name) => ledger.principal_for(PrincipalKind::Person, &name)?,
    })
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let all = credentials::list(&reader)?;
    if global.json {
        let all = all.iter().map(|one| document(&reader, one)).collect::<Result<_, Failure>>()?;
        output::json(&Value::object([("secrets", Value::Array(all))]))?;
        return Ok(exit::DONE);
    }
    if all.is_empty() {
        output::say("no credentials");
    }
    for one in &all {
        let declared = &one.declaration;
        let variable = declared.variable();
        let name = Painted(BOLD, declared.name());
        let gap = if variable.is_empty() { "" } else { "  " };
        output::line(format_args!("{name}{gap}{variable}  {}", Painted(DIM, one.secret.receipt_id)))?;
        for binding in declared.programs() {
            output::line(format_args!("  for  {}", command(binding)))?;
        }
        for endpoint in declared.endpoints() {
            output::line(format_args!("  for  language models at {endpoint}"))?;
        }
        for holder in holders(&reader, one)? {
            output::line(format_args!("  to   {}", output::safe(&holder)))?;
        }
    }
    Ok(exit::DONE)
}

fn command(binding: &Binding) -> String {
    let words = std::iter::once(&binding.path).chain(&binding.words);
    output::safe(&words.map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

fn holders(reader: &Reader, one: &Credential) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for id in one.declaration.principals() {
        let name = reader.name(*id)?.map(|name| name.name).unwrap_or_default();
        all.push(format!("{id} {name}"));
    }
    all.extend(one.declaration.groups().iter().map(|group| format!("group {group}")));
    Ok(all)
}

fn document(reader: &Reader, one: &Credential) -> Result<Value, Failure> {
    let declared = &one.declaration;
    let texts = |all: Vec<String>| Value::Array(all.into_iter().map(Value::Str).collect());
    let (name, receipt) = (declared.name().into(), one.secret.receipt_id.to_string().into());
    let to = texts(holders(reader, one)?);
    if declared.endpoints().is_empty() {
        return Ok(Value::object([
            ("env", declared.variable().into()),
            ("for", texts(declared.programs().iter().map(command).collect())),
            ("name", name),
            ("receipt_id", receipt),
            ("to", to),
        ]));
    }
    let models = texts(declared.endpoints().iter().map(ToString::to_string).collect());
    Ok(Value::object([("models", models), ("name", name), ("receipt_id", receipt), ("to", to)]))
}

fn tell(global: &Global, name: &str, word: &'static str, changed: &Changed) -> Exit {
    let done = changed.wiped == Wiped::Everywhere;
    let receipt = changed.appended.receipt_id.to_string();
    if global.json {
        output::json(&Value::object([
            ("change", word.into()),
            ("name", name.into()),
            ("receipt_id", receipt.into()),
            ("wiped", done.into()),
        ]))?;
    } else {
        output::line(format_args!("{} {name}", Painted(GOOD, word)))?;
        output::say(format_args!("receipt {receipt}"));
    }
    if !done {
        output::say(format_args!(
            "{}: other processes still read pages with the old value, sealed",
            Painted(CARE, "pending")
        ));
        output::hint_line(format_args!(
            "end them or wait, then run `cascade secret remove {name}` or `set` again"
        ));
    }
    Ok(if done { exit::DONE } else { exit::COULD_NOT })
}

fn refused(error: CredentialError) -> Failure {
    let hint = match &error {
        CredentialError::Declared(_) => {
            return Failure::usage(error).hint("`cascade secret set --help` shows what is taken");
        }
        CredentialError::Program(_) => "give a program of your PATH, or its path",
        CredentialError::TooMany => "`cascade secret remove NAME` makes room",
        CredentialError::Unknown(_) => "`cascade secret list` shows what there is",
        CredentialError::Unfinished(fault) => {
            let hint = failures::fault(fault);
            return Failure { hint, ..Failure::could_not(error.into()) };
        }
        CredentialError::Open(_) | CredentialError::Admin(_) => "",
    };
    match error {
        CredentialError::Admin(error) => admin::refused(error),
        CredentialError::Open(error) => place::opening(error),
        other => Failure::could_not(other.into()).hint(hint),
    }
}
