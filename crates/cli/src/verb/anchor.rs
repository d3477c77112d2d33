use std::path::{Path, PathBuf};
use std::time::Duration;

use cascade_receipt::json::Value;
use cascade_receipt::trust::Trust;
use cascade_runtime::anchor::{self, AnchorError, Anchored};
use cascade_runtime::tsa::{Authority, StampFault};
use cascade_timestamp::Token;
use cascade_verify::inputs;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, GOOD, Painted};
use crate::verb::checkpoint::refused;
use crate::{output, place};

/// Have the chain cosigned by witnesses, and record that in the chain
///
/// The witnesses are asked first what they know: one that has seen more of this chain than there is here stops it. Then a
/// checkpoint is signed and cosigned, and an `anchor` receipt keeps it, so that an export alone shows through which receipt the
/// history stands. Run it from a timer, or with --every.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade anchor --witnesses witnesses.policy
  cascade anchor --witnesses witnesses.policy --every 10m
  cascade anchor --witnesses witnesses.policy --tsa http://tsa.example/ --tsa-root tsa-root.pem

The policy is a C2SP tlog-policy with an address on each witness line:
  witness w w.example+1a2b3c4d+BA… https://w.example/
  quorum w")]
pub(crate) struct AnchorArgs {
    /// C2SP tlog-policy: the witnesses with their addresses, and how many must have cosigned
    #[arg(long, value_name = "F")]
    witnesses: PathBuf,
    /// Address of a time stamping authority (RFC 3161): have the cosigned checkpoint stamped, too
    #[arg(long, value_name = "URL")]
    tsa: Option<String>,
    /// PEM of the roots that the authority's certificate must lead to; without it only the rest of its answer is checked
    #[arg(long, value_name = "F", requires = "tsa")]
    tsa_root: Option<PathBuf>,
    /// Record the anchor also when the authority gives no time stamp
    #[arg(long, requires = "tsa")]
    tsa_optional: bool,
    /// Stay, and anchor again each time, also when nothing happened: silence is evidence, too
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    every: Option<Duration>,
}

pub(crate) fn run(global: &Global, args: &AnchorArgs) -> Exit {
    let trust = policy(&args.witnesses)?;
    let authority = authority(args)?;
    let (ledger, key) = place::ledger_with_log_key(global)?;
    let guard = place::guard_dir()?;
    loop {
        let anchored = anchor::anchor(&ledger, &key, &guard, &trust, authority.as_ref());
        let round = round(global, anchored);
        let Some(pause) = args.every else { return round };
        match round {
            // A witness that was away may be back next time; a chain that was rolled back will not heal.
            Err(failure) if failure.code == exit::EVIDENCE => return Err(failure),
            Err(failure) => output::complain(&failure),
            Ok(_) => {}
        }
        std::thread::sleep(pause);
    }
}

fn authority(args: &AnchorArgs) -> Result<Option<Authority>, Failure> {
    let Some(url) = args.tsa.clone() else { return Ok(None) };
    let roots = args.tsa_root.as_deref().map(inputs::roots).transpose()?;
    Ok(Some(Authority { url, roots, optional: args.tsa_optional }))
}

fn round(global: &Global, anchored: Result<Anchored, AnchorError>) -> Exit {
    let anchored = anchored.map_err(|error| match error {
        AnchorError::Checkpoint(error) => refused(error),
        AnchorError::RolledBack { .. } => Failure::of(exit::EVIDENCE, error.into(), None)
            .hint("this home is an older copy; put back the newest one. Nothing more is appended to it"),
        AnchorError::Forked { .. } => Failure::of(exit::EVIDENCE, error.into(), None).hint(
            "this home is not the one that the witness saw, and it keeps the proof; put back the newest copy. \
             Nothing more is appended to this one",
        ),
        AnchorError::StillStopped { .. } => Failure::could_not(error.into())
            .hint("it has to say that nothing is wrong; a witness that lies is left out of the policy"),
        AnchorError::NoStamp { .. } => Failure::could_not(error.into())
            .hint("no anchor was recorded; try again, or let it go on without with --tsa-optional"),
        other => other.into(),
    })?;
    tell(global, &anchored)?;
    match &anchored.receipt {
        Some(_) => Ok(exit::DONE),
        None => Err(Failure::could_not(anyhow::anyhow!("the quorum of witnesses was not met"))
            .hint("nothing is lost; try again when more of them answer")),
    }
}

fn tell(global: &Global, anchored: &Anchored) -> Result<(), Failure> {
    if global.json {
        let witnesses = anchored.said.iter().map(|said| {
            let error = said.outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
            Value::object([
                ("cosigned", said.outcome.is_ok().into()),
                ("error", error.into()),
                ("name", said.name.as_str().into()),
            ])
        });
        let receipt = anchored.receipt.as_ref().map(|receipt| receipt.receipt_id.to_string());
        let size = i64::try_from(anchored.size).unwrap_or(i64::MAX);
        output::json(&Value::object([
            ("receipt_id", receipt.unwrap_or_default().into()),
            ("size", Value::Int(size)),
            ("timestamp", stamp_document(anchored.stamp.as_ref())),
            ("witnesses", Value::Array(witnesses.collect())),
        ]))?;
    }
    for said in &anchored.said {
        match &said.outcome {
            Ok(_) => {
                output::say(format_args!("{} {}", Painted(GOOD, "cosigned by"), output::safe(&said.name)));
            }
            Err(fault) => {
                output::say(format_args!("{} {}: {fault}", Painted(BAD, "not by"), output::safe(&said.name)));
            }
        }
    }
    match &anchored.stamp {
        Some(Ok(token)) => {
            output::say(format_args!("{} at {}", Painted(GOOD, "time stamped"), token.time()));
        }
        Some(Err(fault)) => output::say(format_args!("{}: {fault}", Painted(BAD, "no time stamp"))),
        None => {}
    }
    if let Some(receipt) = &anchored.receipt {
        output::say(format_args!("{} receipts anchored, receipt {}", anchored.size, receipt.receipt_id));
    }
    Ok(())
}

/// Without a time stamp its members are empty, as elsewhere.
fn stamp_document(stamp: Option<&Result<Token, StampFault>>) -> Value {
    let (error, sha256, time) = match stamp {
        Some(Ok(token)) => (String::new(), token.sha256().to_hex(), token.time().to_string()),
        Some(Err(fault)) => (fault.to_string(), String::new(), String::new()),
        None => Default::default(),
    };
    Value::object([("error", error.into()), ("sha256", sha256.into()), ("time", time.into())])
}

fn policy(path: &Path) -> Result<Trust, Failure> {
    Ok(inputs::trust(path)?)
}

/// At least a second: witnesses are other people's machines.
fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(time) }
}
