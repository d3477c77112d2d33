use cascade_policy::facts::PrincipalKind;
use cascade_policy::snapshot::{Snapshot, SnapshotSource, Thresholds, run_tests};
use cascade_receipt::decision::RiskTier;

use crate::setting::bundled_and;

const ENVIRONMENTS: &str = r#"
[environments]
production = ["cluster:prod-*", "database:db1.internal/*", "host:*.prod.example.org"]
development = ["cluster:dev-*"]
"#;

const POLICIES: &str = r#"
@id("production")
forbid (principal is Agent, action == Action::"exec", resource)
when { context.environments.contains(Environment::"production") };

@id("only-dev")
forbid (principal is Agent, action == Action::"exec", resource == Program::"kubectl")
unless { context.environments == [Environment::"development"] };

@id("unknown")
forbid (principal is Node, action == Action::"exec", resource == Program::"helm")
when { context.clusters.contains(Cluster::"?") && context.environments.contains(Environment::"?") };

@id("one-repo")
forbid (principal is Agent, action == Action::"exec", resource == Program::"git")
when { !context.repos.isEmpty() }
unless { [Repo::"github.com/acme/shop"].containsAll(context.repos) };

@id("that-database")
forbid (principal is Node, action == Action::"exec", resource)
when { context.databases.contains(Database::"db2/shop") || context has subject };
"#;

/// A row `who: command => expectation` in each line.
const ROWS: &str = "
agent: kubectl --context dev-1 -n a get pods => admit
agent: kubectl --context prod-1 -n a get pods => deny policy.forbid(production) policy.forbid(only-dev)
agent: kubectl -n a get pods => deny !policy.forbid(production) policy.forbid(only-dev)
agent: kubectl --context tools -n a get pods => deny policy.forbid(only-dev)
agent: kubectl --context dev-1 --context tools -n a get pods => deny policy.forbid(only-dev)
agent: psql -h db1.internal shop => deny policy.forbid(production)
agent: psql -h DB1.internal. => deny policy.forbid(production)
agent: psql -h db2 -c 'select 1' shop => admit
agent: ssh web1.prod.example.org uptime => deny policy.forbid(production)
agent: $ sudo -u ann kubectl --context prod-1 get pods | wc -l => deny policy.forbid(production)
agent: git fetch https://github.com/acme/shop => admit
agent: git fetch https://ann:x@github.com/acme/shop.git => admit
agent: git fetch https://github.com/acme/other => deny policy.forbid(one-repo)
agent: git push => deny policy.forbid(one-repo)
agent: git status => admit
node: helm list => deny policy.forbid(unknown)
node: helm --kube-context dev-1 list => admit
node: psql -h db2 shop => deny policy.forbid(that-database)
node: psql -h db2 -c 'select 1' other => admit
";

fn source() -> SnapshotSource {
    let mut source = SnapshotSource::bundled();
    source.policies.push(("resources.cedar".to_owned(), POLICIES.to_owned()));
    let declared = Thresholds::parse("thresholds.toml", ENVIRONMENTS).unwrap();
    source.thresholds.environments = declared.environments;
    source
}

const GRANTED: &str = "
node grant=kubectl: kubectl --context prod -n a get pods => admit
node grant=kubectl/cluster:dev-*: kubectl --context dev-1 -n a get pods => admit
node grant=kubectl/cluster:dev-*: kubectl --context prod -n a get pods => deny authority.grant_resource
node grant=kubectl/cluster:dev-*: kubectl --context dev-1 --context prod -n a get pods => deny authority.grant_resource
node grant=kubectl/cluster:dev-*: kubectl -n a get pods => deny authority.grant_resource
node grant=kubectl/cluster:*: kubectl -n a get pods => deny authority.grant_resource
node grant=kubectl/cluster:dev-*: $ kubectl --context dev-$X get pods => deny authority.grant_resource
node grant=kubectl/cluster:dev-*/namespace:a: kubectl --context dev-1 -n b get pods => deny authority.grant_resource
node grant=kubectl/cluster:dev-*/namespace:a/namespace:b: kubectl --context dev-1 -n b get pods => admit
node grant=kubectl/cluster:dev-*/LOW: kubectl --context dev-1 -n b delete pod x => deny authority.grant_tier
node grant=kubectl/cluster:dev-*: git status => deny authority.no_grant !authority.grant_resource
node grant=kubectl/dev:: kubectl --context dev-1 -n a get pods => deny
node grant=kubectl/cluster:dev-* grant=kubectl+get: kubectl --context prod -n a get pods => admit
node grant=psql/database:db1: psql -h db1 -c select shop => deny authority.grant_resource
node grant=*/cluster:dev-*: $ kubectl --context dev-1 -n a get pods | wc -l => admit
node grant=*/host:web1: $ ssh web1 'psql -h db1 -c select shop' => deny authority.grant_resource
";

/// A grant that names resources covers nothing beyond them, and nothing that cannot be known.
#[test]
fn a_grant_reaches_as_far_as_its_resources() {
    let mut source = source();
    source.thresholds.grant_required.insert(PrincipalKind::Node);
    source.thresholds.node = RiskTier::High;
    let snapshot = Snapshot::compile(&source).unwrap();
    let report = run_tests(&snapshot, [&("rows".to_owned(), GRANTED.to_owned())]);
    assert!(report.all_passed(), "{:#?} {:#?}", report.failures, report.faults);
    assert_eq!(report.passed, 16);
}

#[test]
fn policies_speak_of_what_is_acted_on() {
    let snapshot = Snapshot::compile(&source()).unwrap();
    let report = run_tests(&snapshot, [&("rows".to_owned(), ROWS.to_owned())]);
    assert!(report.all_passed(), "{:#?} {:#?}", report.failures, report.faults);
    assert_eq!(report.passed, 19);
    // As a process that starts reads it.
    let source = source();
    let loaded = Snapshot::load(snapshot.document(), |hash| {
        source.blobs().find(|(own, _)| own == hash).map(|(_, text)| text.as_bytes().to_vec())
    });
    let report = run_tests(&loaded.unwrap(), [&("rows".to_owned(), ROWS.to_owned())]);
    assert!(report.all_passed(), "{:#?}", report.failures);
}

/// A directory of before resources were known keeps its schema, and goes on.
#[test]
fn a_schema_may_do_without_what_came_later() {
    let mut source = bundled_and("x.cedar", "");
    let later = [
        "repos:",
        "clusters:",
        "namespaces:",
        "databases:",
        "hosts:",
        "buckets:",
        "accounts:",
        "environments:",
        "subject?:",
        "entity Repo;",
        "entity Cluster;",
        "entity Namespace;",
        "entity Database;",
        "entity Host;",
        "entity Bucket;",
        "entity Account;",
        "entity Environment;",
        "entity Subject;",
    ];
    let whole = source.schema.clone();
    let without = |from: &[&str]| -> String {
        let lines = whole.lines().filter(|line| !from.iter().any(|word| line.trim().starts_with(word)));
        lines.map(|line| format!("{line}\n")).collect()
    };
    source.schema = without(&later);
    assert!(!source.schema.contains("Repo"), "{}", source.schema);
    let snapshot = Snapshot::compile(&source).unwrap();
    let rows = "person: kubectl --context prod get pods => admit\n".to_owned();
    assert!(run_tests(&snapshot, [&("rows".to_owned(), rows)]).all_passed());
    // One that it has must have the right shape.
    source.schema = whole.replace("repos: Set<Repo>", "repos: Set<String>");
    assert_eq!(Snapshot::compile(&source).unwrap_err()[0].code, "schema.mismatch");
    source.schema = whole.replace("subject?: Subject", "subject: Subject");
    assert_eq!(Snapshot::compile(&source).unwrap_err()[0].code, "schema.mismatch");
    // Only some of them will do, and a policy can look at these alone.
    source.schema = without(&["repos:"]);
    assert!(Snapshot::compile(&source).is_ok());
    let asks = "forbid (principal, action, resource) when { context.repos.contains(Repo::\"a\") };";
    source.policies = vec![("x.cedar".to_owned(), asks.to_owned())];
    assert_eq!(Snapshot::compile(&source).unwrap_err()[0].code, "policy.schema");
}

#[test]
fn environments_are_read_strictly_and_kept() {
    let fault = |text: &str| {
        let fault = Thresholds::parse("thresholds.toml", text).unwrap_err();
        (fault.line, fault.column, fault.code)
    };
    let text = "[environments]\nproduction = [\"cluster:prod\",\n  \"clutser:x\"]\n";
    assert_eq!(fault(text), (3, 3, "thresholds.value"));
    assert_eq!(fault("[environments]\nnone = [\"cluster:x\"]\n"), (2, 9, "thresholds.value"));
    let before = SnapshotSource::bundled();
    let document = Snapshot::compile(&SnapshotSource { manifests: Vec::new(), ..before }).unwrap();
    assert!(!String::from_utf8_lossy(document.document()).contains("environments"));
}

#[test]
fn names_of_environments_are_looked_up() {
    let mut source = SnapshotSource { manifests: Vec::new(), ..source() };
    assert_eq!(Snapshot::warnings(&source), []);
    source.policies[1].1 = POLICIES.replace("\"development\"", "\"developmnt\"");
    let told: Vec<_> = Snapshot::warnings(&source).into_iter().map(|one| (one.code, one.line)).collect();
    assert_eq!(told, [("policy.unknown_environment", 8), ("thresholds.unused_environment", 1)]);
}
