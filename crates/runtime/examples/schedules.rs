//! What many schedules cost a scheduler: `cargo run --release -p cascade-runtime --example schedules [COUNT]`.
//!
//! Prints, as one JSON document, memory for each schedule (growth of this process's resident memory while a scheduler reads them
//! from a ledger on the disk), how long that reading takes, and the time for one wake-up: taking the next alarm, deciding
//! what is due, and finding when it is due again.
#![expect(clippy::expect_used, reason = "a measurement that cannot be taken ends here")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use cascade_kernel::schedule::{CatchUp, Overlap, Rules, Standing, Timing};
use cascade_ledger::{Birth, Draft, Home, Ledger, PrivateItem, TenantId};
use cascade_receipt::content::{Action, Body, PolicyRef, Runtime, ScheduleChange, ScheduleChanged};
use cascade_receipt::decision::{Decision, Gate, GateName, GateOutcome, RiskTier};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::cron::{Definition, Scheduler, Work};
use cascade_runtime::facts::Asker;
use cascade_runtime::model::Models;
use cascade_runtime::workflow::Driver;

const SNAPSHOT: &[u8] = b"{}";
const WRITERS: u32 = 64;
const WRITERS_STEP: usize = 64;

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000_u32);
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = founded(dir.path());
    let runtime =
        Runtime { node: "bench".to_owned(), version: "0".to_owned(), binary_sha256: Digest([0; 32]) };
    let asker = Asker::find(&ledger, &[], None).expect("who asks");
    let driver = Driver { asker, reason: None, runtime, models: Models::default() };
    // Many at once share their commits.
    std::thread::scope(|scope| {
        for first in 0..WRITERS {
            let (ledger, driver) = (&ledger, &driver);
            scope.spawn(move || {
                (first..count).step_by(WRITERS_STEP).for_each(|number| add(ledger, driver, number));
            });
        }
    });
    let (before, began) = (resident(), Instant::now());
    let scheduler = Scheduler::new(&ledger, &driver, &mut |_| ()).expect("a scheduler");
    let (bytes, read) = (resident().saturating_sub(before), began.elapsed());
    assert_eq!(scheduler.count(), usize::try_from(count).unwrap_or(0), "every schedule is looked after");
    let (wake_ns, wakes) = wake(count);
    let number = |number: u128| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let told = Value::object([
        ("bytes_each", number(u128::from(bytes) / u128::from(count.max(1)))),
        ("read_us_each", number(read.as_micros() / u128::from(count.max(1)))),
        ("schedules", Value::from(count)),
        ("wake_ns", number(wake_ns)),
        ("wakes", number(wakes)),
    ]);
    writeln!(std::io::stdout(), "{}", told.to_canonical()).expect("standard output");
}

/// Mean time of a wake-up among so many schedules, over an hour of their clocks.
fn wake(count: u32) -> (u128, u128) {
    let start = Timestamp::from_ms(1_800_000_000_000);
    let mut all: Vec<(Rules, Standing)> =
        (0..count).map(|number| (rules(number), Standing::new(start))).collect();
    let id = |number: usize| ReceiptId(u64::try_from(number).unwrap_or(0).to_be_bytes());
    let first = |(number, (rules, standing)): (usize, &(Rules, Standing))| {
        rules.wakes_at(id(number), standing).map(|at| Reverse((at, number)))
    };
    let mut alarms: BinaryHeap<_> = all.iter().enumerate().filter_map(first).collect();
    let end = Timestamp::from_ms(start.ms() + 3_600_000);
    let (began, mut wakes) = (Instant::now(), 0);
    while let Some(Reverse((at, number))) = alarms.pop()
        && at < end
    {
        let Some(one) = all.get_mut(number) else { break };
        let (steps, next) = one.0.wake(id(number), &mut one.1, at);
        black_box(steps);
        one.0.ended(&mut one.1);
        alarms.extend(next.map(|at| Reverse((at, number))));
        wakes += 1;
    }
    (began.elapsed().as_nanos() / wakes.max(1), wakes)
}

/// Schedules of many kinds: no two of an hour are the same.
fn rules(number: u32) -> Rules {
    let (minute, hour) = (number % 60, number / 60 % 24);
    let at = match number % 4 {
        0 => format!("{minute} {hour} * * *"),
        1 => format!("{minute} * * * *"),
        2 => format!("*/{} * * * *", 1 + minute % 30),
        _ => format!("{minute} {hour} * * mon-fri"),
    };
    let zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"];
    let zone = zones.get(usize::try_from(number / 4 % 4).unwrap_or(0)).unwrap_or(&"UTC");
    let timing = Timing::parse(&at, zone).expect("an expression");
    Rules::new(timing, CatchUp::None, Overlap::Skip, 0).expect("rules")
}

fn add(ledger: &Ledger, driver: &Driver, number: u32) {
    let definition = Definition {
        name: format!("schedule-{number}"),
        rules: rules(number),
        cwd: "/srv".into(),
        work: Work::Command(vec!["true".to_owned(), number.to_string()]),
    };
    let name = cascade_ledger::principal_id().expect("an id");
    let text = definition.to_json().to_canonical().into_bytes();
    let item = PrivateItem::new("schedule_hash", cascade_ledger::nonce().expect("a nonce"), text);
    let change = ScheduleChange::Added { schedule: name.0, schedule_hash: item.hash };
    let action = action(driver);
    let body = Body::ScheduleChanged(ScheduleChanged { action, change });
    let mut draft = Draft::new(cascade_ledger::receipt_id().expect("an id"), body);
    draft.private.push(item);
    ledger.append(draft).expect("a receipt");
}

fn action(driver: &Driver) -> Action {
    let gate = |gate: &GateName| Gate { gate: *gate, outcome: GateOutcome::Pass, reasons: Vec::new() };
    Action {
        task_type: "cron".to_owned(),
        risk_tier: RiskTier::High,
        classified: true,
        request: None,
        principal: driver.asker.principal_id(),
        on_behalf_of: None,
        action_hash: Digest([1; 32]),
        facts_hash: Digest([2; 32]),
        decision: Decision::from_gates(GateName::ALL.iter().map(gate).collect()),
        refs: Vec::new(),
        draws: Vec::new(),
        spec: None,
        runtime: driver.runtime.clone(),
    }
}

fn founded(dir: &std::path::Path) -> Ledger {
    let home = Home::open_or_create(&dir.join("home")).expect("a home");
    let birth = Birth {
        host: "bench.example",
        admins: Vec::new(),
        names: Vec::new(),
        policy: PolicyRef { version: "bench".to_owned(), hash: Digest::of(SNAPSHOT) },
        blobs: vec![(Digest::of(SNAPSHOT), SNAPSHOT.to_vec())],
        recovery_out: None,
        passphrase: None,
        now: Timestamp::from_ms(1_700_000_000_000),
    };
    let tenant = TenantId::parse("default").expect("a tenant");
    home.create_tenant(&tenant, &birth).expect("a ledger").0
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
