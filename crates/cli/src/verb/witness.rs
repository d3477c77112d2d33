use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use cascade_ledger::{OpenError, Passphrase, Witness as Store};
use cascade_receipt::json::Value;
use cascade_receipt::note::{Algorithm, VerifierKey};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::{output, place};

/// Witness the logs of others: cosign checkpoints that only ever grow, keep evidence of those that do not
///
/// A counterparty runs this on a machine of its own. Each checkpoint is made durable before it is cosigned, and one that does
/// not continue the last one is refused and kept. Speaks C2SP tlog-witness over HTTP; put a proxy with TLS in front
/// of it on an open network.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade key export --log                        the operator: the log key, for the witness
  cascade witness ./witness --name w.example --log 'host/t/…+1a2b3c4d+AX…' --listen 0.0.0.0:7380
  cascade witness ./witness --evidence            what logs have done")]
pub(crate) struct Witness {
    /// Directory of the witness; made on first use, never inside a home
    dir: PathBuf,
    /// Name in cosignatures, by custom a domain; for a new witness
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Verifier key of a log to watch from now on; may be given several times
    #[arg(long, value_name = "VKEY")]
    log: Vec<String>,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7380")]
    listen: SocketAddr,
    /// Print what was kept against logs, and end
    #[arg(long)]
    evidence: bool,
}

pub(crate) fn run(global: &Global, args: &Witness) -> Exit {
    let name = args.name.clone().unwrap_or_else(|| "witness".to_owned());
    let open = |passphrase: Option<&Passphrase>| Store::open_or_create(&args.dir, &name, passphrase);
    let witness = match (open(None), &global.passphrase_file) {
        (Err(OpenError::PassphraseNeeded), _) => {
            open(Some(&Passphrase::new(place::passphrase(global, "passphrase of the witness: ")?)))
        }
        (other, _) => other,
    }?;
    for log in &args.log {
        let key = VerifierKey::parse(log).filter(|key| key.algorithm() == Algorithm::Ed25519);
        let key = key.ok_or_else(|| {
            Failure::usage(format!("`{log}` is no log key"))
                .hint("it is what `cascade key export --log` prints")
        })?;
        witness.watch(&key)?;
    }
    if args.evidence { evidence(global, &witness) } else { serve(global, args, witness) }
}

fn serve(global: &Global, args: &Witness, witness: Store) -> Exit {
    let logs = witness.logs()?;
    if logs.is_empty() {
        output::say("no log is watched yet: give one with --log");
    }
    let witness = Arc::new(witness);
    let vkey = witness.vkey().to_string();
    let tell = |address: SocketAddr| {
        for log in &logs {
            output::say(format_args!("watching {}", log.name()));
        }
        output::say(format_args!("listening on http://{address}; for trust policies:"));
        let line = format!("witness {} {vkey} http://{address}", witness.vkey().name());
        if global.json {
            let document = Value::object([
                ("address", address.to_string().into()),
                ("policy_line", line.into()),
                ("vkey", vkey.as_str().into()),
            ]);
            drop(output::json(&document));
        } else {
            drop(output::line(line));
        }
    };
    cascade_server::witness::serve(Arc::clone(&witness), args.listen, tell).map_err(|error| {
        Failure::could_not(anyhow::Error::from(error).context(format!("couldn't serve on {}", args.listen)))
            .hint("choose another address with --listen")
    })?;
    output::say("stopped");
    Ok(exit::DONE)
}

fn evidence(global: &Global, witness: &Store) -> Exit {
    let all = witness.evidence()?;
    if all.is_empty() && !global.json {
        output::say("nothing was kept against any log");
    }
    for one in all {
        if global.json {
            output::json(&Value::object([
                ("kind", one.kind.into()),
                ("known", one.known.into()),
                ("origin", one.origin.into()),
                ("other", one.other.into()),
                ("statement", one.statement.into()),
                ("time", Value::Int(i64::try_from(one.time).unwrap_or(i64::MAX))),
            ]))?;
        } else {
            let what = if one.kind == "fork" {
                "two histories, both signed by the log"
            } else {
                "a checkpoint that was not shown to continue the one before"
            };
            output::line(format_args!("{}: {what}\n", one.origin))?;
            output::line(format_args!("{}\n{}\n{}", one.known, one.other, one.statement))?;
        }
    }
    Ok(exit::DONE)
}
