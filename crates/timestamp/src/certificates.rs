//! The certificates of a token, each once.
//!
//! They are a SET, which has nothing twice, and a reader of DER refuses one that has. Some authorities put the signer's
//! certificate in twice, once for itself and once with the chain. No signature covers the certificates, so the copy
//! can be left out before the token is read; what is not the same to the last byte stays.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use der::{Decode as _, Encode as _, Header, Reader as _, SliceReader, Tag, TagNumber};

/// What `[0]` is called: the content of a message, and in it the certificates.
const ZERO: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };

/// The token without certificates that it repeats; `None` for what is no DER.
pub(crate) fn once(token: &[u8]) -> Option<Vec<u8>> {
    rewrite(token, &[ZERO, Tag::Sequence, ZERO])
}

/// One value, in which the value that the tags lead to has no part twice.
fn rewrite(value: &[u8], path: &[Tag]) -> Option<Vec<u8>> {
    let mut reader = SliceReader::new(value).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    let inner = parts(reader.read_slice(header.length).ok()?)?;
    let content = match path.split_first() {
        None => distinct(&inner),
        Some((next, rest)) => {
            let place = inner.iter().position(|(tag, _)| tag == next);
            let part = |(at, (_, bytes)): (usize, &(Tag, &[u8]))| {
                if place == Some(at) { rewrite(bytes, rest) } else { Some(bytes.to_vec()) }
            };
            inner.iter().enumerate().map(part).collect::<Option<Vec<_>>>()?.concat()
        }
    };
    let mut out = Header::new(header.tag, content.len()).ok()?.to_der().ok()?;
    out.extend_from_slice(&content);
    Some(out)
}

fn distinct(parts: &[(Tag, &[u8])]) -> Vec<u8> {
    let mut seen = BTreeSet::new();
    parts
        .iter()
        .filter(|(_, bytes)| seen.insert(*bytes))
        .flat_map(|(_, bytes)| bytes.iter().copied())
        .collect()
}

/// The values that follow each other.
fn parts(bytes: &[u8]) -> Option<Vec<(Tag, &[u8])>> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let mut parts = Vec::new();
    while !reader.is_finished() {
        parts.push((reader.peek_tag().ok()?, reader.tlv_bytes().ok()?));
    }
    Some(parts)
}
