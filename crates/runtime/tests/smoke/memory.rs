//! Memory that mistrusts itself: shadow checks, quarantine, and who may confirm what.

use std::time::Duration;

use cascade_ledger::{Appended, Ledger, PrincipalKind, TenantId};
use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::{Evidence, Layer as Name, MemoryState};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;
use cascade_runtime::birth::{self, Wishes};
use cascade_runtime::facts::{self, Asker};
use cascade_runtime::identity;
use cascade_runtime::layer::{Asked, Candidate, Layer, Manifest, Reply};
use cascade_runtime::memory::{self, Charges, Key, Lesson, Origin, Recall, SHADOW_EVERY, WRONG_MAX};
use cascade_runtime::model::Models;
use cascade_runtime::task::{Request, Router, Tasked};
use tempfile::TempDir;

use crate::kit::Tests;

pub(crate) fn tests() -> Tests {
    vec![
        ("a_shadow_check_finds_a_wrong_answer_and_forgets_it_behind_the_answer", shadow_differs),
        ("a_shadow_check_that_finds_the_same_changes_nothing", shadow_same),
        ("a_shadow_check_of_a_slow_layer_keeps_nobody_waiting", shadow_is_bounded),
        ("too_many_wrong_answers_of_one_layer_put_it_in_quarantine", quarantine),
        ("only_another_person_makes_an_answer_trusted", trusted),
    ]
}

const RIGHT: &str = "def f(xs):\n    return sum(xs)\n";
/// Fits every example below and is wrong for longer lists.
const WRONG: &str = "def f(xs):\n    return sum(xs) if len(xs) < 4 else 0\n";
const EXAMPLES: [&str; 3] = ["f([1, 2, 3]) == 6", "f([]) == 0", "f([5, -7]) == -2"];
const TESTS: &str = "def check(candidate):\n    assert candidate([2, 2]) == 4\n";

/// Says the same to everything, under the name of a layer that Cascade has itself.
struct Double {
    manifest: Manifest,
    source: &'static str,
    takes: Duration,
}

impl Layer for Double {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn ask(&self, asked: &Asked<'_>) -> Reply {
        // What a search does: it goes on until it is told to end.
        let end = std::time::Instant::now() + self.takes;
        while asked.until.min(end) > std::time::Instant::now() {
            std::hint::spin_loop();
        }
        let source = self.source.to_owned();
        let candidate = Candidate { source, entry: None, grade: 90, unseen: 90, question: None };
        Reply::Take(vec![candidate])
    }
}

fn saying(source: &'static str, budget: Duration) -> Router {
    let manifest =
        Manifest { layer: Name::L3, behind: Name::L1, kinds: vec![TaskKind::Code], admit_min: 70, budget };
    let double = Double { manifest, source, takes: budget };
    Router::new(1, Models::default()).unwrap().with(Box::new(double))
}

const AT_ONCE: Duration = Duration::from_millis(1);

struct Place {
    ledger: Ledger,
    _home: TempDir,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let wishes = Wishes { recovery_out: Some(home.path().join("recovery")), ..Wishes::default() };
        let tenant = TenantId::parse("default").unwrap();
        let created = birth::create(&home.path().join("home"), &tenant, &wishes);
        Self { ledger: created.unwrap().ledger, _home: home }
    }

    fn asked(&self, router: &Router, text: &str) -> Tasked {
        self.up_to("L6", router, text, None)
    }

    fn up_to(&self, max_layer: &str, router: &Router, text: &str, tests: Option<&str>) -> Tasked {
        let request = Request {
            task: task(text, max_layer, tests),
            asker: Asker::find(&self.ledger, &[], None).unwrap(),
            approved: None,
            dry_run: false,
            spend: false,
            reason: None,
            runtime: identity::runtime(&self.ledger).unwrap(),
            step: None,
        };
        router.answer(&self.ledger, &request).unwrap()
    }

    fn key(&self, text: &str, tests: Option<&str>) -> Key {
        let (policy, _) = self.ledger.policy_in_force().unwrap();
        let log_origin = self.ledger.log_origin();
        let origin = Origin { log_origin, policy_hash: policy.hash, model: None };
        Key::of_task(&origin, &task(text, "", tests))
    }

    fn person(&self, name: &str) -> PrincipalId {
        self.ledger.principal_for(PrincipalKind::Person, name).unwrap()
    }

    /// Asks until a hit has its shadow check; how many hits that took.
    fn until_checked(&self, router: &Router, text: &str) -> (u64, Tasked) {
        for hit in 1..=SHADOW_EVERY {
            let tasked = self.asked(router, text);
            assert_eq!(layer(&tasked), Name::L6, "{:?}", tasked.declined);
            if line(&tasked).contains("\"shadow\":") {
                return (hit, tasked);
            }
        }
        panic!("none of {SHADOW_EVERY} hits was checked")
    }
}

fn task(text: &str, max_layer: &str, tests: Option<&str>) -> Task {
    Task {
        kind: TaskKind::Code,
        text: text.to_owned(),
        signature: Some("f(xs: list[int]) -> int".to_owned()),
        examples: EXAMPLES.iter().map(|example| (*example).to_owned()).collect(),
        tests: tests.map(str::to_owned),
        schema: None,
        tools: Vec::new(),
        max_layer: max_layer.to_owned(),
        model: None,
    }
}

fn layer(tasked: &Tasked) -> Name {
    tasked.answer.as_ref().unwrap().layer.clone()
}

fn line(tasked: &Tasked) -> &str {
    &tasked.receipts.last().unwrap().line
}

fn declined(tasked: &Tasked, code: &str) -> bool {
    tasked.declined.iter().any(|declined| declined.code == code)
}

fn shadow_differs() {
    let place = Place::new();
    assert_eq!(layer(&place.asked(&saying(WRONG, AT_ONCE), "wrong")), Name::L3);
    let router = saying(RIGHT, AT_ONCE);
    let (hit, checked) = place.until_checked(&router, "wrong");
    // What leaves is what would have left without it.
    assert_eq!(checked.answer.as_ref().unwrap().text, WRONG);
    assert!(line(&checked).contains(&format!("\"hit\":{hit},\"shadow\":\"differs\"")), "{}", line(&checked));
    let [forgotten] = checked.learned.as_slice() else { panic!("{:?}", checked.learned) };
    assert!(forgotten.line.contains("memory.shadow_differs"), "{}", forgotten.line);
    let after = place.asked(&router, "wrong");
    assert!(layer(&after) == Name::L3 && declined(&after, "memory.forgotten"), "{:?}", after.declined);
    assert_eq!(after.answer.unwrap().text, RIGHT);
}

fn shadow_same() {
    let place = Place::new();
    // Another spelling of the same, so that the two have to be run.
    let spelled = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n";
    place.asked(&saying(spelled, AT_ONCE), "right");
    let router = saying(RIGHT, AT_ONCE);
    let (first, checked) = place.until_checked(&router, "right");
    assert!(line(&checked).contains("\"shadow\":\"same\""), "{}", line(&checked));
    assert!(checked.learned.is_empty());
    // The next one has its turn exactly so many hits later.
    let (second, checked) = place.until_checked(&router, "right");
    assert_eq!(second, SHADOW_EVERY);
    let hit = first + SHADOW_EVERY;
    assert!(line(&checked).contains(&format!("\"hit\":{hit},")), "{}", line(&checked));
    assert_eq!(checked.answer.unwrap().text, spelled);
}

fn shadow_is_bounded() {
    let place = Place::new();
    place.asked(&saying(WRONG, AT_ONCE), "slow");
    let began = std::time::Instant::now();
    let (_, checked) = place.until_checked(&saying(RIGHT, Duration::from_secs(60)), "slow");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    // A search that was cut short proves nothing.
    assert!(line(&checked).contains("\"shadow\":\"nothing\""), "{}", line(&checked));
    assert!(checked.learned.is_empty());
}

fn quarantine() {
    let place = Place::new();
    let (wrong, right) = (saying(WRONG, AT_ONCE), saying(RIGHT, AT_ONCE));
    let texts: Vec<String> = (0..WRONG_MAX).map(|number| format!("wrong {number}")).collect();
    for text in &texts {
        place.asked(&wrong, text);
    }
    place.asked(&right, "innocent");
    place.asked(&right, "neighbour");
    for text in &texts {
        assert_eq!(layer(&place.asked(&right, "innocent")), Name::L6, "two wrong answers are not enough");
        place.until_checked(&right, text);
    }
    let held = place.asked(&right, "innocent");
    assert!(layer(&held) == Name::L3 && declined(&held, "memory.quarantined"), "{:?}", held.declined);
    assert_eq!(layer(&place.asked(&right, "innocent")), Name::L6, "what is learned anew is used");
    let quarantines = Charges::read(&place.ledger).unwrap().quarantines();
    let [one] = quarantines.as_slice() else { panic!("{quarantines:?}") };
    assert_eq!((&one.maker.layer, one.wrong), (&Name::L3, WRONG_MAX));

    let released = memory::release(&place.ledger, &Name::L4, place.person("a"), None).unwrap();
    assert!(released.is_empty(), "another layer's wrong answers are not touched");
    let key = place.key("neighbour", None);
    assert!(matches!(recall(&place, &key, 0), Recall::Nothing("memory.quarantined")));
    let released = memory::release(&place.ledger, &Name::L3, place.person("a"), Some("mended")).unwrap();
    let [receipt] = released.as_slice() else { panic!("{released:?}") };
    assert!(receipt.line.contains("\"code\":\"memory.released\""), "{}", receipt.line);
    assert_eq!(layer(&place.asked(&right, "neighbour")), Name::L6);
    assert!(Charges::read(&place.ledger).unwrap().quarantines().is_empty());
    // What was wrong stays forgotten.
    assert!(declined(&place.asked(&right, &texts[0]), "memory.forgotten"));
    place.ledger.rebuild_views().unwrap();
    assert!(Charges::read(&place.ledger).unwrap().quarantines().is_empty(), "the log says the same");
}

/// What memory has of a key, so many days from now.
fn recall(place: &Place, key: &Key, days: u64) -> Recall {
    let now = facts::chain_now(&place.ledger).unwrap();
    let at = Timestamp::from_ms(now.ms() + days * 86_400_000);
    memory::recall(&place.ledger, key, Asker::find(&place.ledger, &[], None).unwrap().person_id, at).unwrap()
}

fn state(place: &Place, key: &Key, days: u64) -> Option<MemoryState> {
    match recall(place, key, days) {
        Recall::Answer(recalled) => Some(recalled.memory.state),
        _ => None,
    }
}

fn trusted() {
    let place = Place::new();
    let router = Router::new(1, Models::default()).unwrap();
    let first = place.up_to("L5", &router, "sum", Some(TESTS));
    assert_eq!(first.answer.as_ref().unwrap().evidence, Evidence::Verified);
    let key = place.key("sum", Some(TESTS));
    assert_eq!(state(&place, &key, 0), Some(MemoryState::Verified));
    // Found once more by the same person: nothing new.
    let again = place.up_to("L5", &router, "sum", Some(TESTS));
    assert!(again.learned.is_empty() && layer(&again) != Name::L2, "{:?}", again.learned);

    let asker = Asker::find(&place.ledger, &[], None).unwrap().person_id;
    let agent = place.ledger.principal_for(PrincipalKind::Agent, "agent of it").unwrap();
    let bob = place.person("bob");
    let answer: &Appended = again.receipts.last().unwrap();
    let learn = |principal, owner, found_anew| {
        let evidence = Evidence::Verified;
        let lesson = Lesson { key: &key, answer, evidence, principal, owner, found_anew };
        memory::learn(&place.ledger, &lesson).unwrap()
    };
    assert!(learn(asker, asker, true).is_none(), "nobody confirms himself");
    assert!(learn(agent, asker, true).is_none(), "nor through an agent");
    assert!(learn(bob, bob, false).is_none(), "nor does what was only remembered");
    assert_eq!(state(&place, &key, 0), Some(MemoryState::Verified));
    assert_eq!(state(&place, &key, 91), None, "verified lasts 90 days");
    assert!(learn(bob, bob, true).is_some());
    assert_eq!(state(&place, &key, 0), Some(MemoryState::Trusted));
    assert_eq!(state(&place, &key, 91), Some(MemoryState::Trusted), "trusted lasts a year");
    assert_eq!(state(&place, &key, 366), None, "and no longer");
    assert!(learn(bob, asker, true).is_none(), "an answer of the first person confirms nothing twice");
}
