//! An export or a bundle as a source of lineage: the same questions, asked by an outsider.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;
use cascade_audit::lineage::{Fault, Find, Linked, Receipt, Referring, Source};
use cascade_ledger::{Index, Sought};
use cascade_receipt::bundle::{self, Bundle, LOOK_BYTES};
use cascade_receipt::chain::LINE_BYTES_MAX;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json;
use cascade_receipt::verify::{Verdict, verify_bundle};
use cascade_verify::inputs::Inputs;

use crate::exit::{self, Failure};
use crate::output;
use crate::progress::Progress;
use crate::verb::bundle as bundles;
use cascade_runtime::lineage::{order, sought, words};
use cascade_runtime::record;

/// Lines by their places.
enum Lines {
    Few(BTreeMap<u64, String>),
    /// A file, where each line begins, and its length.
    Many(File, Vec<u64>),
}

pub(super) struct Handed {
    lines: Lines,
    index: Index,
    disclosed: BTreeMap<(ReceiptId, String), Vec<u8>>,
    cosigned: u64,
    /// How many receipts there were when it was made.
    head: u64,
}

/// Reads and verifies it.
pub(super) fn open(path: &Path, inputs: &Inputs) -> Result<Handed, Failure> {
    let named = || format!("couldn't read `{}`", path.display());
    let mut file = File::open(path).with_context(|| format!("couldn't open `{}`", path.display()))?;
    let mut first = Vec::new();
    (&mut file).take(LOOK_BYTES as u64).read_to_end(&mut first).with_context(named)?;
    if bundle::begins(&first) {
        let bytes = bundles::read(path)?;
        let verdict = verify_bundle(&bytes, inputs.options()?);
        return Ok(of_bundle(
            &Bundle::parse(&bytes).context("couldn't read the bundle")?,
            cosigned(path, &verdict)?,
        )?);
    }
    file.rewind().with_context(named)?;
    let progress = Progress::new("verifying", 0);
    let verdict = cascade_verify::verify(&mut file, inputs.options()?, |done| progress.set(done))
        .with_context(named)?;
    drop(progress);
    let cosigned = cosigned(path, &verdict)?;
    Ok(of_export(file, cosigned).with_context(named)?)
}

/// Refuses what is not valid; gives how many receipts others have cosigned.
fn cosigned(path: &Path, verdict: &Verdict) -> Result<u64, Failure> {
    if let Some(fault) = verdict.fault() {
        let cause = anyhow::anyhow!("it is not valid: {} ({})", fault.code.meaning(), fault.code.as_str());
        let hint = format!("all that is wrong with it: cascade verify {}", path.display());
        return Err(Failure::of(exit::EVIDENCE, cause, Some(hint)));
    }
    if !verdict.key_pinned() {
        output::hint_line("valid in itself; whose it is shows --public-key KEY");
    }
    Ok(verdict.anchored_through().map_or(0, |seq| seq + 1))
}

fn of_bundle(bundle: &Bundle, cosigned: u64) -> anyhow::Result<Handed> {
    let statement = &bundle.statement;
    let lines: BTreeMap<u64, String> = statement
        .receipts
        .iter()
        .filter_map(|shown| Some((place_of(&shown.line)?, shown.line.clone())))
        .collect();
    let index = Index::of_lines(lines.iter().map(|(seq, line)| (*seq, line.as_str())))?;
    let disclosed = statement.disclosures.iter();
    let disclosed = disclosed.map(|one| ((one.receipt_id, one.field.clone()), one.bytes.clone())).collect();
    // What came after the last one shown, up to the checkpoint, is not here either.
    let shown = lines.last_key_value().map_or(0, |(seq, _)| seq + 1);
    let size = statement.checkpoint.lines().nth(1).and_then(|size| size.parse().ok());
    let head = size.unwrap_or(u64::MAX >> 1).max(shown);
    Ok(Handed { lines: Lines::Few(lines), index, disclosed, cosigned, head })
}

fn place_of(line: &str) -> Option<u64> {
    json::parse(line.as_bytes()).ok()?.member("content")?.member("seq")?.as_u64()
}

fn of_export(mut file: File, cosigned: u64) -> anyhow::Result<Handed> {
    file.rewind()?;
    let mut starts = vec![0];
    let mut reader = BufReader::with_capacity(1 << 20, &file);
    let mut fault = None;
    let mut line = Vec::new();
    let mut next = || {
        line.clear();
        match (&mut reader).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(length) => {
                let seq = starts.len() as u64 - 1;
                starts.push(starts.last().copied().unwrap_or_default() + length as u64);
                Some((seq, String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned()))
            }
            Err(error) => {
                fault = Some(error);
                None
            }
        }
    };
    let index = index_of(&mut next)?;
    if let Some(error) = fault {
        return Err(error.into());
    }
    let head = starts.len() as u64 - 1;
    Ok(Handed { lines: Lines::Many(file, starts), index, disclosed: BTreeMap::new(), cosigned, head })
}

fn index_of(next: &mut dyn FnMut() -> Option<(u64, String)>) -> Result<Index, cascade_ledger::Fault> {
    Index::of_lines(std::iter::from_fn(next))
}

impl Handed {
    /// The receipt that an id or its beginning means.
    pub(super) fn find_id(&mut self, text: &str) -> Result<ReceiptId, Failure> {
        let plain = text.strip_prefix("r_").is_some_and(|hex| {
            (1..=16).contains(&hex.len()) && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        let found = if plain { self.index.beginning(text)? } else { Vec::new() };
        match found.as_slice() {
            [id] => Ok(*id),
            [] => Err(Failure::could_not(anyhow::anyhow!("no receipt `{text}` in it"))
                .hint("`cascade bundle unpack` shows what a bundle holds")),
            _ => Err(Failure::could_not(anyhow::anyhow!("more than one receipt begins with `{text}`"))
                .hint("give more of its id")),
        }
    }

    fn line(&mut self, seq: u64) -> std::io::Result<Option<String>> {
        match &mut self.lines {
            Lines::Few(lines) => Ok(lines.get(&seq).cloned()),
            Lines::Many(file, starts) => {
                let Ok(place) = usize::try_from(seq) else { return Ok(None) };
                let Some((start, end)) = starts.get(place).zip(starts.get(place + 1)) else {
                    return Ok(None);
                };
                file.seek(SeekFrom::Start(*start))?;
                let mut line = Vec::new();
                file.take(end - start).read_to_end(&mut line)?;
                Ok(String::from_utf8(line).ok().map(|line| line.trim_end_matches('\n').to_owned()))
            }
        }
    }
}

impl Source for Handed {
    fn by_id(&mut self, id: ReceiptId) -> Result<Option<Receipt>, Fault> {
        match self.index.place_of(id)? {
            Some(seq) => self.by_seq(seq),
            None => Ok(None),
        }
    }

    fn by_seq(&mut self, seq: u64) -> Result<Option<Receipt>, Fault> {
        Ok(self.line(seq)?.and_then(|line| Receipt::read(seq, &line)))
    }

    fn linked(&mut self, seq: u64) -> Result<Option<Linked>, Fault> {
        Ok(self.line(seq)?.and_then(|line| Linked::read(seq, &line)))
    }

    fn referring(&mut self, asked: &Referring) -> Result<Vec<u64>, Fault> {
        let Referring { id, rels, from, limit, .. } = asked;
        let kinds = Sought {
            kinds: words(&asked.kinds),
            other_kinds: words(&asked.other_kinds),
            ..Sought::default()
        };
        Ok(self.index.referring(*id, rels, &kinds, *from, *limit)?)
    }

    fn find(&mut self, find: &Find) -> Result<Vec<u64>, Fault> {
        Ok(self.index.search(&sought(find), find.seqs.clone(), order(find), find.limit)?)
    }

    fn command(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault> {
        let disclosed = self.disclosed.get(&(receipt.id, "action_hash".to_owned()));
        Ok(disclosed.and_then(|bytes| record::command_of(&json::parse(bytes).ok()?)))
    }

    /// A verifier refuses a file that discloses other bytes than a receipt was made of.
    fn altered(&mut self, _: &Receipt) -> Result<bool, Fault> {
        Ok(false)
    }

    fn reason(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault> {
        let said = ["reason", "reason_hash"].into_iter();
        let said = said.filter_map(|field| self.disclosed.get(&(receipt.id, field.to_owned())));
        Ok(said.filter_map(|bytes| String::from_utf8(bytes.clone()).ok()).next())
    }

    /// Names stay with whoever keeps the ledger.
    fn name(&mut self, _: PrincipalId) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    fn head(&self) -> u64 {
        self.head
    }

    fn holds(&self, seqs: Range<u64>) -> bool {
        match &self.lines {
            _ if seqs.is_empty() => true,
            Lines::Few(lines) => lines.range(seqs.clone()).count() as u64 == seqs.end - seqs.start,
            Lines::Many(..) => seqs.end <= self.head(),
        }
    }

    fn cosigned(&self) -> u64 {
        self.cosigned
    }
}
