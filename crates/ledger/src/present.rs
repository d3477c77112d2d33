//! What decisions read, as of one state of the database: looked up once for each state, however many ask meanwhile.
//!
//! Nothing here is believed for a time. Whoever asks learns from the database first whether anybody has committed
//! anything since, in whichever process; if so, everything is looked up anew.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use cascade_receipt::content::PolicyRef;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, TokenId};
use rusqlite::Connection;

use crate::fault::Fault;
use crate::glass_views::Glass;
use crate::grant_views::Grant;
use crate::head::{Head, HeadRow};
use crate::people_views::Person;
use crate::reader::{Mark, Reader, Subject, lock};
use crate::regime_views::Regime;
use crate::tenant_views::Standstill;
use crate::token_views::Token;
use crate::views::{self, Standing};

/// Answers about principals and tokens that are kept of one state; more are looked up each time.
const KEPT_MAX: usize = 1024;

/// A state of the database, as one connection tells it from others: it is another one after any commit, by whichever
/// process, and after any write of the connection's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    commits_of_others: i64,
    own_writes: u64,
}

impl State {
    fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let commits_of_others =
            conn.prepare_cached("PRAGMA data_version")?.query_row((), |row| row.get(0))?;
        Ok(Self { commits_of_others, own_writes: conn.total_changes() })
    }
}

/// What is known of one state.
#[derive(Debug)]
pub(crate) struct Known {
    state: State,
    head: Head,
    standing: Standing,
    /// What is not sound is looked at every time.
    sound: Mutex<bool>,
    learned: Mutex<Learned>,
}

/// What somebody asked for. A commit may have come between the state and the look, never the other way round: so it is
/// at least as new as the state.
#[derive(Debug, Default)]
struct Learned {
    people: HashMap<PrincipalId, Option<Person>>,
    grants: HashMap<PrincipalId, Arc<[Grant]>>,
    tokens: HashMap<TokenId, Token>,
    secrets: HashMap<Digest, Token>,
    regimes: Option<Arc<[Regime]>>,
    unreviewed: Option<Arc<[Glass]>>,
    approved: Option<Arc<[Subject]>>,
}

/// A tenant as it stands now.
#[derive(Clone, Debug)]
pub struct Present<'a> {
    reader: &'a Reader,
    known: Arc<Known>,
}

impl Deref for Present<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        self.reader
    }
}

impl Reader {
    /// How the tenant stands now. Whatever anybody committed before this is in it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn present(&self) -> Result<Present<'_>, Fault> {
        // Held while somebody looks: many who ask after one commit need one look.
        let mut last = lock(&self.present);
        let known = last.as_ref().filter(|_| !self.past);
        let known = self.ask(|conn| {
            if let Some(known) = known
                && known.state == State::of(conn)?
            {
                return Ok(Arc::clone(known));
            }
            let _one_moment = conn.unchecked_transaction()?;
            Ok(Arc::new(Known {
                state: State::of(conn)?,
                head: HeadRow::read(conn)?.head,
                standing: views::standing(conn)?,
                sound: Mutex::default(),
                learned: Mutex::default(),
            }))
        })?;
        *last = Some(Arc::clone(&known));
        Ok(Present { reader: self, known })
    }
}

impl Present<'_> {
    /// The newest receipt.
    #[must_use]
    pub fn head(&self) -> Head {
        self.known.head
    }

    /// The policy in force and what decisions made now must be appended with.
    #[must_use]
    pub fn policy_in_force(&self) -> (&PolicyRef, Mark) {
        (&self.known.standing.policy, Mark(self.known.standing.mark))
    }

    /// Whether the tenant was stopped.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.known.standing.halted
    }

    /// Whether an administrator suspended the tenant.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.known.standing.suspended
    }

    /// Whether the chain has ended: nothing can follow.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.known.standing.deleted
    }

    /// Why nothing starts; `None` where things may.
    #[must_use]
    pub fn standstill(&self) -> Option<Standstill> {
        self.known.standing.standstill()
    }

    /// Whether the newest receipt is sound, as `look` finds. `look` reads the reader and asks nothing of this.
    ///
    /// # Errors
    /// Those of `look`.
    pub fn is_sound(&self, look: impl FnOnce() -> Result<bool, Fault>) -> Result<bool, Fault> {
        let mut sound = lock(&self.known.sound);
        if !*sound {
            *sound = look()?;
        }
        Ok(*sound)
    }

    /// As [`Reader::person`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn person(&self, principal: PrincipalId) -> Result<Option<Person>, Fault> {
        let mut learned = lock(&self.known.learned);
        let look = || self.reader.person(principal);
        kept(&mut learned.people, principal, look)
    }

    /// As [`Reader::grants_of`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn grants_of(&self, holder: PrincipalId) -> Result<Arc<[Grant]>, Fault> {
        let mut learned = lock(&self.known.learned);
        kept(&mut learned.grants, holder, || Ok(self.reader.grants_of(holder)?.into()))
    }

    /// As [`Reader::token`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn token(&self, id: TokenId) -> Result<Option<Token>, Fault> {
        let mut learned = lock(&self.known.learned);
        found(&mut learned.tokens, id, || self.reader.token(id))
    }

    /// As [`Reader::token_by_hash`]. What strangers make up is not kept.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn token_by_hash(&self, hash: &Digest) -> Result<Option<Token>, Fault> {
        let mut learned = lock(&self.known.learned);
        found(&mut learned.secrets, *hash, || self.reader.token_by_hash(hash))
    }

    /// As [`Reader::regimes`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn regimes(&self) -> Result<Arc<[Regime]>, Fault> {
        once(&mut lock(&self.known.learned).regimes, || self.reader.regimes())
    }

    /// As [`Reader::unreviewed`].
    ///
    /// # Errors
    /// [`Fault`].
    pub fn unreviewed(&self) -> Result<Arc<[Glass]>, Fault> {
        once(&mut lock(&self.known.learned).unreviewed, || self.reader.unreviewed())
    }

    /// Escalations that people approved and no action has used, oldest first; those that have run out included.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn approved_escalations(&self) -> Result<Arc<[Subject]>, Fault> {
        once(&mut lock(&self.known.learned).approved, || self.reader.approved_escalations())
    }
}

fn once<T>(
    place: &mut Option<Arc<[T]>>,
    look: impl FnOnce() -> Result<Vec<T>, Fault>,
) -> Result<Arc<[T]>, Fault> {
    if let Some(known) = place {
        return Ok(Arc::clone(known));
    }
    Ok(Arc::clone(place.insert(look()?.into())))
}

fn kept<K: Eq + Hash, V: Clone>(
    known: &mut HashMap<K, V>,
    key: K,
    look: impl FnOnce() -> Result<V, Fault>,
) -> Result<V, Fault> {
    if let Some(known) = known.get(&key) {
        return Ok(known.clone());
    }
    let value = look()?;
    if known.len() < KEPT_MAX {
        known.insert(key, value.clone());
    }
    Ok(value)
}

/// The same of what may not be there, which is not kept.
fn found<K: Eq + Hash, V: Clone>(
    known: &mut HashMap<K, V>,
    key: K,
    look: impl FnOnce() -> Result<Option<V>, Fault>,
) -> Result<Option<V>, Fault> {
    if let Some(known) = known.get(&key) {
        return Ok(Some(known.clone()));
    }
    let value = look()?;
    if let Some(value) = value.as_ref().filter(|_| known.len() < KEPT_MAX) {
        known.insert(key, value.clone());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_answers_are_kept_as_the_limit_says() {
        let mut known = HashMap::new();
        for key in 0..=KEPT_MAX {
            assert_eq!(kept(&mut known, key, || Ok(key)).unwrap(), key);
            assert_eq!(known.len(), (key + 1).min(KEPT_MAX));
        }
        // What is kept is not looked at again; what is not, and what is not there, is.
        assert_eq!(kept(&mut known, 0, || Ok(7)).unwrap(), 0);
        assert_eq!(kept(&mut known, KEPT_MAX, || Ok(7)).unwrap(), 7);
        let mut known = HashMap::new();
        assert_eq!(found::<_, i32>(&mut known, 1, || Ok(None)).unwrap(), None);
        assert_eq!(found(&mut known, 1, || Ok(Some(2))).unwrap(), Some(2));
        assert_eq!(found(&mut known, 1, || Ok(None)).unwrap(), Some(2));
    }
}
