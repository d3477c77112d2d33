//! What the ledger keeps of pinned tools, and whom it lets accept another definition.

use cascade_ledger::{AppendError, Appended, Draft};
use cascade_receipt::content::{Body, Rel, ToolPinned};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;

use crate::fixture::{ADMIN, PERSON, create, draft, open, reference};

const AGENT: PrincipalId = PrincipalId([0xa6; 8]);

fn pinned(number: u8, by: PrincipalId, instead: Option<&Appended>) -> Draft {
    draft(Body::ToolPinned(ToolPinned {
        server: "mcp:github".to_owned(),
        tool: "create_issue".to_owned(),
        definition: Digest::of(&[number]),
        principal: by,
        supersedes: instead.map(|one| reference(Rel::Supersedes, one)),
        statement_id: [number; 8],
        signatures: Vec::new(),
    }))
}

#[test]
fn a_tool_stays_what_it_was_until_an_administrator_accepts_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let stands = || ledger.pinned_tool("mcp:github", "create_issue").unwrap().map(|tool| tool.definition);
    assert_eq!(stands(), None);
    let first = ledger.append(pinned(1, AGENT, None)).unwrap();
    let refused = |draft| ledger.append(draft).unwrap_err();
    assert_eq!(refused(pinned(2, AGENT, None)), AppendError::ToolTaken);
    assert_eq!(refused(pinned(2, AGENT, Some(&first))), AppendError::SignerRefused(AGENT));
    assert_eq!(refused(pinned(2, PERSON, Some(&first))), AppendError::SignerRefused(PERSON));
    assert_eq!(stands(), Some(Digest::of(&[1])));

    let mark = ledger.mark().unwrap();
    let second = ledger.append(pinned(2, ADMIN, Some(&first))).unwrap();
    assert_ne!(ledger.mark().unwrap(), mark, "what is being decided on the old one is not decided again");
    assert_eq!(refused(pinned(3, ADMIN, Some(&first))), AppendError::ToolTaken);
    let all = ledger.pinned_tools().unwrap();
    assert_eq!((all.len(), all[0].receipt_id, all[0].definition), (1, second.receipt_id, Digest::of(&[2])));
    ledger.rebuild_views().unwrap();
    assert_eq!(ledger.pinned_tools().unwrap(), all);
    drop(ledger);
    assert_eq!(open(dir.path()).pinned_tools().unwrap(), all);
}
