//! What the ledger keeps of tokens, and whom it lets issue and take back.

use cascade_ledger::{AppendError, Appended, Draft};
use cascade_receipt::content::{Body, Rel, TokenIssued, TokenRevoked, TokenScope};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, TokenId};
use cascade_receipt::time::Timestamp;

use crate::fixture::{ADMIN, PERSON, create, draft, open, reference};

const AGENT: PrincipalId = PrincipalId([0xa6; 8]);
const FAR: Timestamp = Timestamp::from_ms(4_000_000_000_000);

fn issued(number: u8, by: PrincipalId, on_behalf_of: Option<PrincipalId>) -> Draft {
    draft(Body::TokenIssued(TokenIssued {
        token_id: TokenId([number; 8]),
        token_hash: Digest::of(&[number; 32]),
        principal: by,
        to: if on_behalf_of.is_some() { AGENT } else { ADMIN },
        on_behalf_of,
        scopes: vec![TokenScope::Actions, TokenScope::Read],
        expires: FAR,
        statement_id: [number; 8],
        signatures: Vec::new(),
    }))
}

fn revoked(number: u8, issued: &Appended, by: PrincipalId) -> Draft {
    draft(Body::TokenRevoked(TokenRevoked {
        token_id: TokenId([number; 8]),
        issued: reference(Rel::Supersedes, issued),
        principal: by,
        reason: Reason::code("token.leaked"),
        statement_id: [number; 8],
        signatures: Vec::new(),
    }))
}

#[test]
fn tokens_are_found_by_what_is_shown_and_rebuilt_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let one = ledger.append(issued(1, ADMIN, None)).unwrap();
    let two = ledger.append(issued(2, ADMIN, Some(ADMIN))).unwrap();
    let mark = ledger.mark().unwrap();
    let gone = ledger.append(revoked(1, &one, ADMIN)).unwrap();
    assert_ne!(ledger.mark().unwrap(), mark, "what runs on it is not looked at again");

    let found = ledger.token_by_hash(&Digest::of(&[2; 32])).unwrap().unwrap();
    assert_eq!((found.token_id, found.receipt_id, found.seq), (TokenId([2; 8]), two.receipt_id, two.seq));
    assert_eq!((found.to, found.on_behalf_of, found.owner()), (AGENT, Some(ADMIN), ADMIN));
    assert!(found.agent() && found.allows(TokenScope::Read) && !found.allows(TokenScope::Admin));
    let just_before = Timestamp::from_ms(FAR.ms() - 1);
    assert!(found.holds(just_before) && !found.holds(FAR), "at its end it holds no longer");
    assert_eq!(ledger.token_by_hash(&Digest::of(&[3; 32])).unwrap(), None);
    let ended = ledger.token(TokenId([1; 8])).unwrap().unwrap();
    assert_eq!((ended.revoked, ended.holds(just_before)), (Some(gone.receipt_id), false));

    let before = ledger.tokens().unwrap();
    ledger.rebuild_views().unwrap();
    assert_eq!(ledger.tokens().unwrap(), before);
    drop(ledger);
    assert_eq!(open(dir.path()).tokens().unwrap(), before);
}

#[test]
fn who_may_not_issue_or_take_back_is_refused_under_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let refused = |draft| ledger.append(draft).unwrap_err();
    assert_eq!(refused(issued(1, PERSON, None)), AppendError::SignerRefused(PERSON));
    assert_eq!(refused(issued(1, ADMIN, Some(PERSON))), AppendError::NotRegistered(PERSON));
    let one = ledger.append(issued(1, ADMIN, None)).unwrap();
    // Neither its id nor its secret a second time.
    assert_eq!(refused(issued(1, ADMIN, None)), AppendError::TokenTaken(TokenId([1; 8])));
    assert_eq!(refused(revoked(1, &one, PERSON)), AppendError::SignerRefused(PERSON));
    assert_eq!(refused(revoked(1, &one, AGENT)), AppendError::SignerRefused(AGENT));
    assert_eq!(refused(revoked(2, &one, ADMIN)), AppendError::TokenEnded(TokenId([2; 8])));
    let other = ledger.append(issued(2, ADMIN, Some(ADMIN))).unwrap();
    assert_eq!(refused(revoked(1, &other, ADMIN)), AppendError::TokenEnded(TokenId([1; 8])));
    ledger.append(revoked(1, &one, ADMIN)).unwrap();
    assert_eq!(refused(revoked(1, &one, ADMIN)), AppendError::TokenEnded(TokenId([1; 8])));
}
