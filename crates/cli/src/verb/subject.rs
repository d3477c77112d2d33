use cascade_ledger::{Appended, PrincipalKind, Reader};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::subject::{self, Named, Said, SubjectError};
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{admin, output, place};

/// What is known of persons outside: zone, consents, conversations; limits.toml decides by it
///
/// A subject is named as you know it, with a debt or case after a slash: `customer-17/loan-3`. Receipts hold a random id;
/// the name stays in the vault.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade subject zone customer-17 America/New_York
  cascade subject consent customer-17 --scope calls
  cascade subject consent customer-17 --scope calls --revoke
  cascade subject conversation customer-17/loan-3
  cascade subject show customer-17
  cascade run --subject customer-17/loan-3 -- dialer call")]
pub(crate) struct SubjectArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Record where a subject is, as an IANA time zone
    #[command(after_help = "Example:
  cascade subject zone customer-17 America/New_York")]
    Zone {
        #[arg(value_name = "SUBJECT", value_parser = Named::parse)]
        who: Named,
        /// Such as `America/New_York`
        #[arg(value_name = "AREA/CITY")]
        zone: String,
    },
    /// Record that a subject gave consent, or took it back
    #[command(after_help = "Examples:
  cascade subject consent customer-17 --scope calls
  cascade subject consent customer-17 --scope calls --revoke")]
    Consent {
        #[arg(value_name = "SUBJECT", value_parser = Named::parse)]
        who: Named,
        /// To what, as limits.toml names it
        #[arg(long, value_name = "SCOPE")]
        scope: String,
        /// The subject took it back
        #[arg(long)]
        revoke: bool,
    },
    /// Record that somebody spoke with a subject just now
    #[command(after_help = "Example:
  cascade subject conversation customer-17/loan-3")]
    Conversation {
        #[arg(value_name = "SUBJECT[/MATTER]", value_parser = Named::parse)]
        who: Named,
    },
    /// What is known of a subject; records nothing
    #[command(after_help = "Example:
  cascade subject show customer-17")]
    Show {
        #[arg(value_name = "SUBJECT")]
        who: String,
    },
}

pub(crate) fn run(global: &Global, args: &SubjectArgs) -> Exit {
    match &args.what {
        What::Zone { who, zone } => record(global, who, Said::Zone(zone.clone())),
        What::Consent { who, scope, revoke } => {
            record(global, who, Said::Consent { scope: scope.clone(), given: !revoke })
        }
        What::Conversation { who } => record(global, who, Said::Conversation),
        What::Show { who } => show(global, who),
    }
}

fn record(global: &Global, who: &Named, said: Said) -> Exit {
    let ledger = place::ledger(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let recorded = subject::record(&ledger, &asker, who, said);
    let Appended { receipt_id, .. } =
        recorded.map_err(|error| admin::on_record(&ledger, &asker, "subject", refused(error)))?;
    if global.json {
        output::json(&Value::object([("receipt_id", receipt_id.to_string().into())]))?;
    } else {
        output::say(format_args!("receipt {receipt_id}"));
    }
    Ok(exit::DONE)
}

fn refused(error: SubjectError) -> Failure {
    match error {
        SubjectError::Admin(cascade_runtime::admin::AdminError::Refused(code)) => {
            let hint = if code == "approval.agent" {
                "a person records this; an agent may record a conversation or a consent taken back"
            } else {
                admin::hint(code)
            };
            Failure::refused(anyhow::anyhow!("{}", crate::reasons::code_text(code)), code).hint(hint)
        }
        SubjectError::Admin(other) => admin::refused(other),
        SubjectError::Zone(_) => {
            Failure::usage(error).hint("give an IANA name such as America/New_York or UTC")
        }
        SubjectError::Scope => Failure::usage(error).hint("use the word that limits.toml has for it"),
        SubjectError::Matter => Failure::usage(error).hint("leave out the slash and what follows it"),
    }
}

fn show(global: &Global, who: &str) -> Exit {
    let reader = place::reader(global)?;
    let id = id_of(&reader, who)?;
    let zone = reader.subject_zone(id)?;
    let consents = reader.consents_of(id)?;
    let conversed = reader.conversed(id, None)?;
    if global.json {
        let items = consents.iter().map(|(scope, given, since)| {
            Value::object([
                ("given", (*given).into()),
                ("scope", scope.as_str().into()),
                ("since", since.to_string().into()),
            ])
        });
        let mut members =
            vec![("consents", Value::Array(items.collect())), ("subject", id.to_string().into())];
        members.extend(zone.as_deref().map(|zone| ("zone", zone.into())));
        members.extend(conversed.map(|at| ("conversed", at.to_string().into())));
        output::json(&Value::Object(
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        ))?;
        return Ok(exit::DONE);
    }
    output::line(format_args!("subject {id}"))?;
    output::line(format_args!("  zone         {}", output::safe(zone.as_deref().unwrap_or("not known"))))?;
    for (scope, given, since) in &consents {
        let word = if *given { "given" } else { "taken back" };
        output::line(format_args!("  consent      {}: {word} {since}", output::safe(scope)))?;
    }
    let conversed = conversed.map_or_else(|| "never recorded".to_owned(), |at| at.to_string());
    output::line(format_args!("  conversation {conversed}"))?;
    Ok(exit::DONE)
}

/// A subject by its name or id; looking makes none.
fn id_of(reader: &Reader, who: &str) -> Result<PrincipalId, Failure> {
    let named = |(id, name): &(PrincipalId, cascade_ledger::Name)| {
        (name.kind == PrincipalKind::Subject && (name.name == who || id.to_string() == who)).then_some(*id)
    };
    let found = reader.names()?.iter().find_map(named);
    found.ok_or_else(|| {
        Failure::could_not(anyhow::anyhow!("no subject `{}`", output::shortened(who, 100)))
            .hint("a subject is known from its first `cascade subject …` or `run --subject` on")
    })
}
