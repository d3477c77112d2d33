//! Values kept because making them costs more than a decision. Answers are the same without.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Values kept; one more and the memo starts anew.
const VALUES_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Memo<K, V>(RwLock<BTreeMap<K, Arc<V>>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Ord, V> Memo<K, V> {
    pub(super) fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        // A panic elsewhere cannot have left a half-made value: each is inserted whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn keep(&self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= VALUES_MAX {
            values.clear();
        }
        values.insert(key, Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_memo_starts_anew() {
        let memo: Memo<usize, usize> = Memo::default();
        for key in 0..VALUES_MAX {
            memo.keep(key, key);
        }
        assert_eq!(memo.find(&0).as_deref(), Some(&0));
        memo.keep(VALUES_MAX, 1);
        assert_eq!((memo.find(&0), memo.find(&VALUES_MAX).as_deref()), (None, Some(&1)));
    }
}
