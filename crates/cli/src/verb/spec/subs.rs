//! The specs that steps of a spec run, from their files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cascade_kernel::csl::{Document, SubWorkflow, Work};
use cascade_runtime::workflow::Sub;

use super::read;
use super::run::signature;
use crate::exit::Failure;
use crate::output;

/// Most specs that one spec runs, with those that they run.
const SUBS_MAX: usize = 32;

/// All of them, each from the directory of the one that names it, with its signature from FILE.sig.
pub(crate) fn of(file: &Path, document: &Document) -> Result<Vec<Sub>, Failure> {
    let mut found: BTreeMap<String, Sub> = BTreeMap::new();
    let mut left = named(file, document);
    while let Some((file, of)) = left.pop() {
        if found.contains_key(&of.spec_hash) {
            continue;
        }
        if found.len() >= SUBS_MAX {
            return Err(Failure::usage(format!("a spec runs at most {SUBS_MAX} others")));
        }
        let sub = read(&file)?;
        let hash = sub.hash().to_hex();
        if hash != of.spec_hash {
            let name = output::safe(&file.display().to_string());
            let message = format!("`{name}` is not the spec that was meant: its hash is {hash}");
            return Err(Failure::usage(message)
                .hint("look at what has changed, then put the new hash into `spec_hash` and sign again"));
        }
        left.extend(named(&file, &sub));
        found.insert(hash, Sub { document: Arc::new(sub), signature: signature(&file)? });
    }
    Ok(found.into_values().collect())
}

fn named(file: &Path, document: &Document) -> Vec<(PathBuf, SubWorkflow)> {
    let directory = file.parent().unwrap_or_else(|| Path::new(""));
    let works = document.spec.steps.iter().map(|step| &step.work);
    let subs = works.filter_map(|work| if let Work::Workflow(of) = work { Some(of) } else { None });
    subs.map(|of| (directory.join(&of.file), of.clone())).collect()
}
