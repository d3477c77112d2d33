//! Whether the chain ends well, asked for every decision and looked at once for each state of the database.

use rusqlite::Connection;

use crate::fault::Fault;
use crate::reader::{Reader, lock};

/// A state of the database, as one connection tells it from others: it is another one after any commit, by whichever
/// process, and after any write of the connection's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
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

impl Reader {
    /// Whether the newest receipt is sound, as `look` finds. It looks again once anybody has committed anything; what is
    /// not sound is looked at every time. `look` reads this reader and asks nothing of this.
    ///
    /// # Errors
    /// [`Fault`], and those of `look`.
    pub fn is_sound(&self, look: impl FnOnce() -> Result<bool, Fault>) -> Result<bool, Fault> {
        if self.past {
            return look();
        }
        // Held while somebody looks: many who ask after one commit need one look.
        let mut known = lock(&self.sound);
        // Before the look: what is committed meanwhile makes another state, and the next one looks again.
        let state = self.ask(State::of)?;
        if *known == Some(state) {
            return Ok(true);
        }
        *known = None;
        let sound = look()?;
        *known = sound.then_some(state);
        Ok(sound)
    }
}
