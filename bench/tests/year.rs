//! A short year, made again: under the policy of then, and under one that has drifted by a known number of decisions.

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cascade_audit::replay::{By, Tally, Under};
    use cascade_bench::Year;
    use cascade_policy::snapshot::{Snapshot, SnapshotSource};
    use cascade_runtime::{facts, replay};

    /// Long enough for several shares of the threads.
    const RECEIPTS: u64 = 20_000;

    const DRIFT: &str = r#"
@id("no-deletes") forbid (principal, action, resource == Program::"kubectl") when { context.subcommand == "delete" };
"#;

    fn scan(year: &Year, under: &Under) -> Tally {
        let whole = 0..year.ledger().head().unwrap().next_seq;
        replay::scan(year.ledger(), whole, under, |_| {}).unwrap()
    }

    #[test]
    fn a_year_comes_out_the_same_and_a_planted_drift_is_found_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let mut year = Year::new(dir.path(), 7).unwrap();
        year.grow(RECEIPTS, |_| facts::now()).unwrap();
        let tally = scan(&year, &Under::Then);
        assert!(tally.is_clean(), "{tally:?}");
        assert_eq!((tally.decisions, tally.matches), (year.made.decisions, year.made.decisions));
        assert_eq!(tally.receipts, year.ledger().head().unwrap().next_seq);

        let mut source = SnapshotSource::bundled();
        source.policies.push(("drift.cedar".to_owned(), DRIFT.to_owned()));
        let candidate = Arc::new(Snapshot::compile(&source).unwrap());
        let tally = scan(&year, &Under::Candidate(candidate));
        let planted = |verdict| year.made.commands.get(&("kubectl delete".to_owned(), verdict)).copied();
        let planted = planted("admit").unwrap_or_default() + planted("escalate").unwrap_or_default();
        assert!(planted > 10, "{planted}");
        assert_eq!((tally.divergences, tally.changed_to("newly_denied")), (planted, planted));
        assert_eq!((tally.unknown, tally.matches), (0, year.made.decisions - planted));
        let of = |by| {
            tally
                .groups
                .iter()
                .filter(move |(key, _)| key.by == by)
                .map(|(key, group)| (key.value.as_str(), group.count))
        };
        assert_eq!(of(By::Policy).collect::<Vec<_>>(), [("no-deletes", planted)]);
        assert_eq!(of(By::Worker).collect::<Vec<_>>(), [("kubectl", planted)]);
        assert_eq!(of(By::Principal).map(|(_, count)| count).sum::<u64>(), planted);
    }

    /// The same seed makes the same decisions, whatever ids they get.
    #[test]
    fn a_year_hangs_on_its_seed_alone() {
        let of = |seed| {
            let dir = tempfile::tempdir().unwrap();
            let mut year = Year::new(dir.path(), seed).unwrap();
            year.grow(600, |_| facts::now()).unwrap();
            year.made.clone()
        };
        assert_eq!(of(3), of(3));
        assert!(of(3) != of(4));
    }
}
