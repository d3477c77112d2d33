//! The only writer of chains: one directory per tenant, SQLite inside, receipts by group commit.
//!
//! What is trusted for what: the databases are trusted for availability alone. Whoever can edit
//! them can remove or change receipts, and the chain, its signatures and checkpoints that others
//! hold show it. The receipt key in `keys/` is trusted to say what this node recorded.
//!
//! The rules that everything here serves:
//! - Nobody is answered before the commit of their receipt has returned ([`Ledger::append`]).
//! - Bytes are stored as they were hashed and signed; views follow from them and can be rebuilt.
//! - A failed write stops the writer; opening the ledger again finds out what is true.
//! - One tenant's code path never opens another tenant's files.
//!
//! Many processes may have one tenant open. Each append reads the head again under SQLite's write
//! lock, so the chain has no gaps whoever writes.

mod ahead;
mod answer;
mod bare;
mod batch;
mod birth;
mod bundle;
mod cache;
mod chain_views;
mod change;
mod checkpoint;
mod draft;
mod epoch;
mod erasure;
mod evidence;
mod extent;
mod fault;
mod files;
mod frontier;
mod fsck;
mod glass_views;
mod grant_views;
mod guard;
mod head;
mod holders;
mod home;
mod index;
mod key_views;
mod keys;
mod ledger;
mod limit_views;
mod lines;
mod memory_views;
mod names;
mod people_views;
mod present;
mod queue;
mod random;
mod reader;
mod rebuild;
mod refusal;
mod regime_views;
mod removal;
mod requests;
mod rotate;
mod schedule_views;
mod schema;
mod seal;
mod sealer;
mod sealing;
mod secrets;
mod segment;
mod signer;
mod statements;
mod store;
mod tail;
mod tenant_views;
mod tiles;
mod timeline;
mod timestamps;
mod token;
mod token_views;
mod tool_views;
mod vault;
mod views;
mod walk;
mod witness;
mod writer;

pub use answer::Ticket;
pub use bare::BareCommits;
pub use birth::{Birth, RecoveryFiles};
pub use bundle::{BundleError, Wanted, disclosable};
pub use cache::FileStamp;
pub use chain_views::{CHAIN_LINES_MAX, Chain};
pub use checkpoint::{ChainTree, CheckpointError, LogKey};
pub use draft::{AppendError, Appended, Draft, ITEM_BYTES_MAX, PrivateItem};
pub use erasure::{Erasable, EraseError, ErasedBy, Wiped};
pub use fault::{Fault, OpenError};
pub use fsck::{FINDINGS_MAX, Finding, FsckReport};
pub use glass_views::Glass;
pub use grant_views::Grant;
pub use head::Head;
pub use holders::Holder;
pub use home::{Home, TenantId, VERSION};
pub use index::{ERASED, Index, Link, Order, Outline, PAGE_MAX, Sought};
pub use key_views::{ChainKey, KeyState};
pub use keys::{Passphrase, public_key_pem};
pub use ledger::Ledger;
pub use limit_views::{About, Cap, Used};
pub use lines::{Line, Lines, Stored};
pub use memory_views::{MEMORIES_MAX, Memory, WRONG_HITS_MAX, WrongHit};
pub use people_views::Person;
pub use present::Present;
pub use queue::{BATCH_DRAFTS_MAX, QUEUE_BYTES_MAX, QUEUE_DRAFTS_MAX};
pub use random::{nonce, principal_id, receipt_id};
pub use reader::{Approval, Found, Mark, OpenAction, Reader, Subject, SubjectState};
pub use regime_views::Regime;
pub use requests::Surface;
pub use rotate::{NewKey, NewKeyPlace, RecoveryKey};
pub use schedule_views::{INVOCATIONS_KEPT, Invocation, Schedule};
pub use seal::Sealer;
pub use secrets::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRETS_MAX, SealedSecret, Secret, SecretValue};
pub use store::BUSY_WAIT_MAX;
pub use tenant_views::{EndedTenant, Standstill};
pub use timeline::{Cell, RowChange, Timeline};
pub use timestamps::Stamped;
pub use token::TokenPlace;
pub use token_views::Token;
pub use tool_views::PinnedTool;
pub use vault::{Item, Kept, Name, PrincipalKind};
pub use witness::{EVIDENCE_MAX, Evidence, Witness, WitnessError};
