//! The ten tasks of docs/policy.md: what stands there is what runs here.

use cascade_policy::snapshot::{Snapshot, SnapshotSource, Thresholds, run_tests};

use crate::setting::directory;

const PAGE: &str = include_str!("../../../../docs/policy.md");
const POLICY_LINES_MAX: usize = 10;

/// A section with its number, and the texts of its fenced blocks of one language.
struct Task {
    title: &'static str,
    text: &'static str,
}

impl Task {
    fn block(&self, language: &str) -> Option<&'static str> {
        let (_, rest) = self.text.split_once(&format!("\n```{language}\n"))?;
        rest.split_once("\n```").map(|(block, _)| block)
    }
}

fn tasks() -> Vec<Task> {
    let (_, rest) = PAGE.split_once("\n## Ten tasks\n").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let tasks = section.split("\n### ").skip(1);
    tasks.map(|text| Task { title: text.lines().next().unwrap(), text }).collect()
}

/// The default policy with the task's own, as a reader would add it.
fn source(task: &Task) -> SnapshotSource {
    let mut source = SnapshotSource::bundled();
    source.policies.push(("task.cedar".to_owned(), task.block("cedar").unwrap().to_owned()));
    if let Some(text) = task.block("toml") {
        let own = Thresholds::parse("thresholds.toml", text).unwrap();
        source.thresholds.families.extend(own.families);
        source.thresholds.environments = own.environments;
    }
    source
}

#[test]
fn ten_tasks_are_solved_as_the_page_says() {
    let tasks = tasks();
    assert_eq!(tasks.len(), 10);
    let bundled = Snapshot::compile(&SnapshotSource::bundled()).unwrap();
    for (number, task) in (1..).zip(&tasks) {
        let title = task.title;
        assert!(title.starts_with(&format!("{number}. ")), "{title}");
        let lines = ["cedar", "toml"].into_iter().filter_map(|language| task.block(language));
        let lines = lines.map(|text| text.lines().count()).sum::<usize>();
        assert!(lines <= POLICY_LINES_MAX, "{title} takes {lines} lines");
        let source = source(task);
        assert_eq!(Snapshot::warnings(&source), [], "{title}");
        let rows = [(title.to_owned(), task.block("text").unwrap().to_owned())];
        let snapshot = Snapshot::compile(&source).unwrap_or_else(|faults| panic!("{title}: {faults:#?}"));
        let report = run_tests(&snapshot, &rows);
        assert!(report.all_passed(), "{title}: {report:#?}");
        assert!(report.passed >= 5, "{title}");
        // Each solves something: without it, a row comes out otherwise.
        let report = run_tests(&bundled, &rows);
        assert!(!report.failures.is_empty(), "{title} changes nothing");
    }
}

/// The page's first example and its own table, as a directory.
#[test]
fn the_first_example_holds() {
    let fenced = |language: &str| {
        let fence = format!("\n```{language}\n");
        let blocks = PAGE.split(fence.as_str()).skip(1);
        blocks.map(|rest| rest.split_once("\n```").unwrap().0).collect::<Vec<_>>()
    };
    let example = fenced("cedar")[0];
    let base = include_str!("../../../../policies/default/base.cedar");
    let thresholds = include_str!("../../../../policies/default/thresholds.toml");
    let files = [("base.cedar", base), ("infra.cedar", example), ("thresholds.toml", thresholds)];
    let source = directory(&files).unwrap().source;
    let snapshot = Snapshot::compile(&source).unwrap();
    assert_eq!(Snapshot::warnings(&source), []);
    let rows = fenced("text").into_iter().find(|text| text.starts_with("# who and circumstances")).unwrap();
    let report = run_tests(&snapshot, &[("page".to_owned(), rows.to_owned())]);
    assert!(report.all_passed() && report.passed == 5, "{report:#?}");
}
