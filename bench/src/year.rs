//! A year of a small company, from a seed: people and agents whose commands the shipped policy decides, with what
//! follows from each decision. The receipts are appended as those of real runs are; only the commands are not run.

mod commands;
mod dice;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::{Appended, Draft, Ledger, PrincipalKind as NameKind, PrivateItem, TenantId};
use cascade_policy::decide::{Ruling, decide};
use cascade_policy::facts::{self, Authentication, Delegator, Facts, Invocation, Principal, PrincipalKind};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{
    Action, Answer, Body, Closing, Ending, Escalation, Heartbeat, Ref, Rel, Runtime, Signature, Spent,
};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;
use cascade_runtime::birth::{self, Wishes};
use cascade_runtime::{hypothesis, policy_store, ssh};

use dice::Dice;

/// Actions that are under way at once, so that their receipts stand among each other.
const UNDER_WAY: usize = 128;
/// How many people and how many agents there are.
const PEOPLE: u64 = 9;
const AGENTS: u64 = 14;

/// What was made, as counted while it was made.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Made {
    /// Receipts that carry a decision.
    pub decisions: u64,
    /// Actions by verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Decisions by the first two words of the command and the verdict: `git push`, `admit`.
    pub commands: BTreeMap<(String, &'static str), u64>,
}

/// A chain in the making.
#[expect(missing_debug_implementations, reason = "nobody prints a year")]
pub struct Year {
    ledger: Ledger,
    snapshot: Snapshot,
    key: PathBuf,
    admin: PrincipalId,
    people: Vec<PrincipalId>,
    agents: Vec<PrincipalId>,
    dice: Dice,
    /// What was made so far.
    pub made: Made,
}

/// An action that was decided and whose first receipt is on its way.
struct Begun {
    facts: Facts,
    ruling: Ruling,
    nonce: Nonce,
    draft: Draft,
}

impl Year {
    /// An empty chain in a home below `dir`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(dir: &Path, seed: u64) -> anyhow::Result<Self> {
        let key = crate::sample::key(dir)?;
        let wishes = Wishes { ssh_key: Some(key.clone()), ..Wishes::default() };
        let ledger = birth::create(&dir.join("home"), &TenantId::parse("default")?, &wishes)?.ledger;
        let (snapshot, _) = policy_store::in_force(&ledger)?;
        let admin = ledger.people()?.first().context("nobody is an administrator")?.principal;
        let named = |kind, word: &str, count: u64| {
            (0..count)
                .map(|at| ledger.principal_for(kind, &format!("{word}-{at}")))
                .collect::<Result<Vec<_>, _>>()
        };
        let (people, agents) =
            (named(NameKind::Person, "person", PEOPLE)?, named(NameKind::Agent, "agent", AGENTS)?);
        let key = key.with_extension("");
        Ok(Self {
            ledger,
            snapshot,
            key,
            admin,
            people,
            agents,
            dice: Dice::new(seed),
            made: Made::default(),
        })
    }

    /// The chain.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The policy that everything is decided under.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Goes on until the chain has `receipts`; `clock` is asked for the time of each batch.
    ///
    /// # Errors
    /// When something cannot be decided or written.
    pub fn grow(&mut self, receipts: u64, mut clock: impl FnMut(u64) -> Timestamp) -> anyhow::Result<()> {
        loop {
            let length = self.ledger.head()?.next_seq;
            if length >= receipts {
                return Ok(());
            }
            let at = clock(length);
            let begun = (0..UNDER_WAY).map(|_| self.begin(at)).collect::<anyhow::Result<Vec<_>>>()?;
            self.carry_out(begun)?;
        }
    }

    fn begin(&mut self, at: Timestamp) -> anyhow::Result<Begun> {
        let mut facts = self.facts(at);
        facts.dry_run = self.dice.happens(20);
        let ruling = decide(&self.snapshot, &facts);
        let nonce = cascade_ledger::nonce()?;
        let verdict = ruling.decision.verdict;
        *self.made.verdicts.entry(verdict.as_str()).or_default() += 1;
        let draft = self.decided(&facts, &ruling, nonce, Vec::new())?;
        Ok(Begun { facts, ruling, nonce, draft })
    }

    fn facts(&mut self, at: Timestamp) -> Facts {
        let words = commands::command(&mut self.dice);
        let by_agent = self.dice.happens(600);
        let mut facts = hypothesis::shell_line(b"", Some("person"));
        let person = pick(&self.people, &mut self.dice);
        facts.at = at;
        facts.tenant =
            facts::Tenant { active: true, halted: false, chain_healthy: true, regimes: Vec::new() };
        facts.principal = Principal {
            id: if by_agent { pick(&self.agents, &mut self.dice) } else { person },
            kind: if by_agent { PrincipalKind::Agent } else { PrincipalKind::Person },
            authentication: if by_agent { Authentication::EnvironmentMarker } else { Authentication::OsUser },
            alive: true,
            admin: false,
            groups: Vec::new(),
        };
        facts.on_behalf_of =
            by_agent.then(|| Delegator { id: person, groups: Vec::new(), admin: false, alive: true });
        let program = words.first().cloned().unwrap_or_default();
        facts.action.invocation = Invocation::Cli(words.into_iter().map(String::into_bytes).collect());
        facts.action.executable = Some(facts::Executable {
            path: format!("/usr/bin/{program}").into_bytes(),
            sha256: Digest::of(program.as_bytes()),
        });
        facts.action.cwd = b"/srv/app".to_vec();
        facts.action.env = vec![(b"PATH".to_vec(), b"/usr/local/bin:/usr/bin:/bin".to_vec())];
        facts
    }

    /// The receipt that a decision leads to.
    fn decided(
        &mut self,
        facts: &Facts,
        ruling: &Ruling,
        nonce: Nonce,
        refs: Vec<Ref>,
    ) -> anyhow::Result<Draft> {
        self.made.decisions += 1;
        let verdict = ruling.decision.verdict.as_str();
        *self.made.commands.entry((first_words(facts), verdict)).or_default() += 1;
        let action = PrivateItem::new("action_hash", nonce, facts.action().to_canonical().into_bytes());
        let kept = PrivateItem::new(
            "facts_hash",
            cascade_ledger::nonce()?,
            facts.to_json().to_canonical().into_bytes(),
        );
        let body = Action {
            task_type: "cli".to_owned(),
            risk_tier: ruling.risk_tier,
            classified: ruling.classified,
            request: None,
            principal: facts.principal.id,
            on_behalf_of: facts.on_behalf_of.as_ref().map(|person| person.id),
            action_hash: action.hash,
            facts_hash: kept.hash,
            decision: ruling.decision.clone(),
            draws: Vec::new(),
            spec: None,
            refs,
            runtime: Runtime {
                node: "bench".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                binary_sha256: Digest::of(b"binary"),
            },
        };
        let body = match (ruling.decision.verdict, &ruling.escalation) {
            _ if facts.dry_run => Body::DryRun(body),
            (Verdict::Escalate, Some(terms)) => Body::Escalation(Escalation {
                action: body,
                required: terms.required,
                groups: terms.groups.clone(),
                expires: Timestamp::from_ms(facts.at.ms() + terms.expires_after_ms),
                signature_required: terms.signature_required,
            }),
            (Verdict::Admit, _) => Body::TaskStarted(body),
            _ => Body::Blocked(body),
        };
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        draft.private = vec![action, kept];
        if self.dice.happens(30) {
            let words = format!("ticket {}", self.dice.below(10_000));
            draft.private.push(PrivateItem::new("reason", cascade_ledger::nonce()?, words.into_bytes()));
        }
        Ok(draft)
    }

    fn carry_out(&mut self, begun: Vec<Begun>) -> anyhow::Result<()> {
        let (begun, drafts): (Vec<_>, Vec<_>) =
            begun.into_iter().map(|one| ((one.facts, one.ruling, one.nonce), one.draft)).unzip();
        let mut running = Vec::new();
        let mut asked = Vec::new();
        for ((facts, ruling, nonce), durable) in begun.into_iter().zip(self.append(drafts)?) {
            match ruling.decision.verdict {
                _ if facts.dry_run => {}
                Verdict::Admit => running.push(durable),
                Verdict::Escalate => asked.push((facts, ruling, nonce, durable)),
                Verdict::Deny => {}
            }
        }
        running.extend(self.answered(asked)?);
        self.close(&running)
    }

    /// People answer most of what they are asked; what they approve runs.
    fn answered(&mut self, asked: Vec<(Facts, Ruling, Nonce, Appended)>) -> anyhow::Result<Vec<Appended>> {
        let mut answers = Vec::new();
        let mut approved = Vec::new();
        for (facts, ruling, nonce, durable) in asked {
            let approve = match self.dice.below(10) {
                0..7 => true,
                7 => false,
                _ => continue,
            };
            let expires = Timestamp::from_ms(
                facts.at.ms() + ruling.escalation.map_or(0, |terms| terms.expires_after_ms),
            );
            let action_hash = Digest::salted(&nonce, facts.action().to_canonical().as_bytes());
            answers.push(self.answer(&durable, action_hash, approve, expires)?);
            approved.push((approve, expires, facts, nonce, durable));
        }
        let mut drafts = Vec::new();
        for ((approve, expires, mut facts, nonce, asked), answer) in
            approved.into_iter().zip(self.append(answers)?)
        {
            if !approve {
                continue;
            }
            facts.approvals = vec![facts::Approval {
                receipt_id: answer.receipt_id,
                principal: self.admin,
                action_matches: true,
                expires,
                groups: vec!["admins".to_owned()],
                approve: true,
                signed: true,
            }];
            let ruling = decide(&self.snapshot, &facts);
            anyhow::ensure!(ruling.decision.verdict == Verdict::Admit, "an approved action was not admitted");
            let named =
                |rel, of: &Appended| Ref { rel, receipt_id: of.receipt_id, entry_hash: of.entry_hash };
            let refs = vec![named(Rel::Escalation, &asked), named(Rel::Approval, &answer)];
            drafts.push(self.decided(&facts, &ruling, nonce, refs)?);
        }
        self.append(drafts)
    }

    fn answer(
        &self,
        asked: &Appended,
        action_hash: Digest,
        approve: bool,
        expires: Timestamp,
    ) -> anyhow::Result<Draft> {
        let payload = statement::Approval {
            log_origin: self.ledger.log_origin().as_str(),
            subject: &asked.entry_hash,
            action_hash: &action_hash,
            approve,
            approver: &self.admin,
            expires: &expires,
        };
        let identity = ssh::of_file(&self.key)?;
        let sshsig =
            ssh::sign_with(&identity, statement::APPROVAL, payload.text().as_bytes(), &mut |_| None)?;
        let subject =
            Ref { rel: Rel::Escalation, receipt_id: asked.receipt_id, entry_hash: asked.entry_hash };
        let signatures = vec![Signature { principal: self.admin, sshsig }];
        let answer = Answer { approve, subject, principal: self.admin, action_hash, expires, signatures };
        Ok(Draft::new(cascade_ledger::receipt_id()?, Body::Answer(answer)))
    }

    fn close(&mut self, running: &[Appended]) -> anyhow::Result<()> {
        let mut drafts = Vec::new();
        for durable in running {
            let intent =
                Ref { rel: Rel::Intent, receipt_id: durable.receipt_id, entry_hash: durable.entry_hash };
            let output = Digest::of(&durable.receipt_id.0);
            if self.dice.happens(150) {
                let beat = Heartbeat {
                    intent: intent.clone(),
                    segment: 0,
                    bytes: 40 + self.dice.below(4_000),
                    running_hash: output,
                    chain: None,
                    spec: None,
                };
                drafts.push(Draft::new(cascade_ledger::receipt_id()?, Body::Heartbeat(beat)));
            }
            let (ending, exit_code) = match self.dice.below(100) {
                0..7 => (Ending::Failed, Some(1)),
                7 => (Ending::Unknown, None),
                _ => (Ending::Completed, Some(0)),
            };
            let known = ending != Ending::Unknown;
            drafts.push(Draft::new(
                cascade_ledger::receipt_id()?,
                Body::Closing(Closing {
                    ending,
                    intent,
                    output_hash: known.then_some(output),
                    truncated: false,
                    exit_code,
                    signal: None,
                    duration_us: known.then(|| 900 + self.dice.below(3_000_000)),
                    reasons: Vec::new(),
                    spent: Spent::default(),
                    served_model: None,
                    routed: None,
                    review: None,
                    chain: None,
                    spec: None,
                }),
            ));
        }
        self.append(drafts).map(drop)
    }

    fn append(&self, drafts: Vec<Draft>) -> anyhow::Result<Vec<Appended>> {
        let tickets: Vec<_> = drafts.into_iter().map(|draft| self.ledger.submit(draft)).collect();
        tickets.into_iter().map(|ticket| Ok(ticket.wait()?)).collect()
    }
}

fn pick(of: &[PrincipalId], dice: &mut Dice) -> PrincipalId {
    let at = usize::try_from(dice.below(of.len() as u64)).unwrap_or_default();
    of.get(at).copied().unwrap_or(PrincipalId([0; 8]))
}

fn first_words(facts: &Facts) -> String {
    let Invocation::Cli(argv) = &facts.action.invocation else { return String::new() };
    let words: Vec<_> = argv.iter().take(2).map(|word| String::from_utf8_lossy(word)).collect();
    words.join(" ")
}
