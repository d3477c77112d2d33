//! Grants: given, handed on, taken back, used (check `lifecycle`).

use cascade_receipt::content::{
    Body, DELEGATION_MAX, Ending, GRANT_COMMANDS_MAX, GrantRevoked, Granted, PersonAdded, PersonRemoved, Ref,
    Rel, Right, Scope,
};
use cascade_receipt::decision::RiskTier;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_receipt::statement;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{AGENT, ALICE, BOB, Chain, Made, action, remove, set};
use crate::runs::{closing, started};
use crate::ssh::Person;

const HOUR_MS: u64 = 3_600_000;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn bob() -> Person {
    Person::new(BOB(), 32)
}

/// A chain of Alice, its administrator, and of Bob, who is none.
struct Desk {
    chain: Chain,
    statements: u8,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self { chain: Chain::founded(&[alice().admin()]), statements: 0 };
        desk.bob_joins(&[]);
        desk
    }

    fn bob_joins(&mut self, groups: &[&str]) {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let mut added = PersonAdded {
            principal: BOB(),
            ssh_key: bob().ssh_key(),
            groups,
            statement_id: self.next(),
            signatures: vec![],
        };
        added.signatures = self.signed(&alice(), &Body::PersonAdded(added.clone()));
        self.chain.add(&Body::PersonAdded(added));
    }

    fn leaves(&mut self, person: &Person, says: &Person) {
        let mut removed =
            PersonRemoved { principal: person.principal, statement_id: self.next(), signatures: vec![] };
        removed.signatures = self.signed(says, &Body::PersonRemoved(removed.clone()));
        self.chain.add(&Body::PersonRemoved(removed));
    }

    fn next(&mut self) -> [u8; 8] {
        self.statements += 1;
        [self.statements; 8]
    }

    fn signed(&self, person: &Person, body: &Body) -> Vec<cascade_receipt::content::Signature> {
        let text = statement::admin(self.chain.origin.as_str(), &body.statement());
        vec![person.sign(statement::ADMIN, &text)]
    }

    fn unsigned(&mut self, from: &Person, to: PrincipalId, commands: &[&str]) -> Granted {
        Granted {
            principal: from.principal,
            to,
            on_behalf_of: (to == AGENT()).then(ALICE),
            parent: None,
            scope: Scope {
                right: Right::Commands(commands.iter().map(|word| (*word).to_owned()).collect()),
                resources: vec![],
                up_to: None,
            },
            expires: None,
            delegate: 0,
            statement_id: self.next(),
            signatures: vec![],
        }
    }

    fn give(&mut self, from: &Person, mut granted: Granted) -> Made {
        granted.signatures = self.signed(from, &Body::Granted(granted.clone()));
        self.chain.add(&Body::Granted(granted))
    }

    /// Alice lets the agent push.
    fn simple(&mut self) -> Made {
        let granted = self.unsigned(&alice(), AGENT(), &["git push"]);
        self.give(&alice(), granted)
    }

    /// Alice gives Bob git, to hand on once, up to HIGH and for an hour; and what he hands on to the agent.
    fn handed_on(&mut self, change: impl FnOnce(&mut Granted)) -> Made {
        let mut above = self.unsigned(&alice(), BOB(), &["git", "kubectl get"]);
        above.delegate = 1;
        above.scope.up_to = Some(RiskTier::High);
        above.scope.resources =
            ["cluster:dev-*", "cluster:tools", "repo:*/acme/*"].map(str::to_owned).to_vec();
        above.expires = Some(self.chain.later(HOUR_MS));
        let expires = above.expires;
        let above = self.give(&alice(), above);
        let mut below = self.unsigned(&bob(), AGENT(), &["git push"]);
        below.parent = Some(above.as_ref(Rel::Grant));
        below.scope.up_to = Some(RiskTier::Medium);
        below.scope.resources =
            ["cluster:dev-eu-*", "repo:github.com/acme/*", "host:*"].map(str::to_owned).to_vec();
        below.expires = expires;
        change(&mut below);
        self.give(&bob(), below)
    }

    fn revoke(&mut self, says: &Person, grant: &Made) {
        let mut revoked = GrantRevoked {
            grant: grant.as_ref(Rel::Grant),
            principal: says.principal,
            statement_id: self.next(),
            signatures: vec![],
        };
        revoked.signatures = self.signed(says, &Body::GrantRevoked(revoked.clone()));
        self.chain.add(&Body::GrantRevoked(revoked));
    }

    fn run(&mut self, grant: &Made) -> Made {
        self.chain.add(&started("push", &[grant.as_ref(Rel::Grant)]))
    }

    fn fault(&self, code: Code, comment: &'static str) -> Case {
        Case::fault(code, self.chain.seq() - 1, comment, self.chain.bytes())
    }
}

pub(crate) fn valid(out: &mut Vec<Case>) {
    let mut desk = Desk::new();
    let grant = desk.simple();
    let intent = desk.run(&grant);
    desk.chain.add(&closing(Ending::Completed, &intent));
    desk.revoke(&alice(), &grant);
    out.push(Case::valid("grant", "a grant, an action that stands on it, the revocation", &desk.chain));

    let mut desk = Desk::new();
    let grant = desk.handed_on(|_| {});
    desk.run(&grant);
    desk.revoke(&bob(), &grant);
    out.push(Case::valid("grant-handed-on", "what Bob holds he hands on, and takes back", &desk.chain));

    let mut desk = Desk::new();
    let grant = desk.simple();
    desk.chain.add(&Body::AnswerExpired(grant.as_ref(Rel::Grant)));
    desk.run(&grant);
    out.push(Case::valid("grant-no-answer", "what ends an answer does not end a grant", &desk.chain));

    let mut desk = Desk::new();
    let mut assume = desk.unsigned(&alice(), BOB(), &[]);
    assume.scope.right = Right::Assume(ALICE());
    let grant = desk.give(&alice(), assume);
    let mut run = action("push", cascade_receipt::decision::Verdict::Admit, &[grant.as_ref(Rel::Grant)]);
    (run.principal, run.on_behalf_of) = (BOB(), None);
    desk.chain.add(&Body::TaskStarted(run));
    out.push(Case::valid("grant-assume", "Bob may be taken for Alice", &desk.chain));
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    ended(out);
    wider(out);
    others(out);
    shapes(out);
}

fn ended(out: &mut Vec<Case>) {
    let mut desk = Desk::new();
    let grant = desk.simple();
    desk.revoke(&alice(), &grant);
    desk.run(&grant);
    out.push(desk.fault(Code::GrantEnded, "the grant was revoked before"));

    let mut desk = Desk::new();
    let grant = desk.handed_on(|_| {});
    desk.chain.time_ms += HOUR_MS;
    desk.run(&grant);
    out.push(desk.fault(Code::GrantEnded, "the grant had run out").named("expired"));

    let mut desk = Desk::new();
    let mut granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    granted.expires = Some(desk.chain.later(2000));
    let grant = desk.give(&alice(), granted);
    desk.run(&grant);
    out.push(desk.fault(Code::GrantEnded, "at its end it holds no longer").named("moment"));

    let mut desk = Desk::new();
    let grant = desk.handed_on(|_| {});
    desk.leaves(&bob(), &alice());
    desk.run(&grant);
    out.push(desk.fault(Code::GrantEnded, "whoever handed it on has left").named("broken"));

    let mut desk = Desk::new();
    let grant = desk.simple();
    desk.bob_joins(&["admins"]);
    desk.leaves(&alice(), &bob());
    desk.run(&grant);
    out.push(desk.fault(Code::GrantEnded, "whoever gave it is no administrator any more").named("giver"));

    let mut desk = Desk::new();
    let mut above = desk.unsigned(&alice(), BOB(), &["git"]);
    above.delegate = 1;
    let above = desk.give(&alice(), above);
    let mut below = desk.unsigned(&bob(), AGENT(), &["git push"]);
    below.parent = Some(above.as_ref(Rel::Grant));
    let grant = desk.give(&bob(), below.clone());
    desk.revoke(&alice(), &above);
    let mut late = desk.clone_of();
    desk.run(&grant);
    out.push(desk.fault(Code::GrantEnded, "the grant above it was revoked").named("above"));
    below.statement_id = late.next();
    late.give(&bob(), below);
    out.push(late.fault(Code::GrantEnded, "a revoked grant is handed on").named("handed-on"));

    let mut desk = Desk::new();
    desk.bob_joins(&["admins"]);
    let granted = desk.unsigned(&bob(), AGENT(), &["git push"]);
    let grant = desk.give(&bob(), granted);
    desk.leaves(&alice(), &bob());
    desk.run(&grant);
    out.push(desk.fault(Code::GrantEnded, "the person behind the agent has left").named("owner"));
}

fn wider(out: &mut Vec<Case>) {
    type Change = fn(&mut Granted);
    let changes: [(&str, &'static str, Change); 9] = [
        ("command", "another program is handed on", |below| {
            below.scope.right = Right::Commands(vec!["helm".to_owned()]);
        }),
        ("tier", "a higher tier is handed on", |below| below.scope.up_to = Some(RiskTier::Critical)),
        ("no-tier", "every tier is handed on", |below| below.scope.up_to = None),
        ("depth", "as many levels are handed on as there were", |below| below.delegate = 1),
        ("resource", "another cluster is handed on", |below| {
            below.scope.resources[0] = "cluster:prod-eu".to_owned();
        }),
        ("star", "more clusters are handed on than there were", |below| {
            below.scope.resources[0] = "cluster:dev*".to_owned();
        }),
        ("kind", "one kind of resource is not limited any more", |below| {
            below.scope.resources.remove(1);
        }),
        ("no-resource", "every resource is handed on", |below| below.scope.resources.clear()),
        ("end", "what runs out is handed on for ever", |below| below.expires = None),
    ];
    for (name, comment, change) in changes {
        let mut desk = Desk::new();
        desk.handed_on(change);
        out.push(desk.fault(Code::GrantWider, comment).named(name));
    }
}

fn others(out: &mut Vec<Case>) {
    let mut desk = Desk::new();
    let granted = desk.unsigned(&alice(), BOB(), &["git push"]);
    let grant = desk.give(&alice(), granted);
    desk.run(&grant);
    out.push(desk.fault(Code::GrantHolder, "the agent uses what Bob holds"));

    let mut desk = Desk::new();
    let mut granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    granted.on_behalf_of = Some(BOB());
    let grant = desk.give(&alice(), granted);
    desk.run(&grant);
    out.push(desk.fault(Code::GrantHolder, "the agent acts for somebody else").named("owner"));

    let mut desk = Desk::new();
    let granted = desk.unsigned(&bob(), AGENT(), &["git push"]);
    desk.give(&bob(), granted);
    out.push(
        desk.fault(Code::NotAdmin, "who is no administrator gives what he does not hold").named("grant"),
    );

    let mut desk = Desk::new();
    let grant = desk.simple();
    desk.revoke(&bob(), &grant);
    out.push(desk.fault(Code::NotAdmin, "somebody else takes a grant back").named("revocation"));

    let mut desk = Desk::new();
    let granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    desk.chain.add(&Body::Granted(granted));
    out.push(desk.fault(Code::SignatureMissing, "a grant that nobody signed").named("grant"));

    let mut desk = Desk::new();
    let granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    desk.give(&bob(), granted);
    out.push(desk.fault(Code::Signer, "another person signs the grant").named("grant"));

    let mut desk = Desk::new();
    let granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    let signatures = desk.signed(&alice(), &Body::Granted(granted.clone()));
    let wide = Granted {
        scope: Scope { right: Right::Commands(vec!["*".to_owned()]), ..granted.scope.clone() },
        signatures,
        ..granted
    };
    desk.chain.add(&Body::Granted(wide));
    out.push(desk.fault(Code::Sshsig, "a narrower grant was signed").named("grant"));

    let mut desk = Desk::new();
    let refs = [Ref { rel: Rel::Grant, ..last_ref(&desk.chain) }];
    desk.chain.add(&started("push", &refs));
    out.push(desk.fault(Code::RefKind, "a run stands on a receipt that is no grant").named("grant"));
}

fn last_ref(chain: &Chain) -> Ref {
    let receipt_id = crate::chain::receipt_id(chain.seq() - 1);
    Ref { rel: Rel::Grant, receipt_id, entry_hash: chain.head }
}

fn shapes(out: &mut Vec<Case>) {
    let mut desk = Desk::new();
    let (first, second) = (desk.simple(), desk.simple());
    let granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    desk.chain.add_with(&Body::Granted(granted), |content| {
        let refs = [&first, &second].map(|made| crate::runs::ref_value(made, "grant"));
        set(content, "refs", Value::Array(refs.to_vec()));
    });
    out.push(desk.fault(Code::GrantRef, "a grant that stands on two"));

    let mut desk = Desk::new();
    let grant = desk.simple();
    desk.revoke_with(&grant, |content| remove(content, "refs"));
    out.push(desk.fault(Code::GrantRef, "a revocation of nothing").named("nothing"));

    let mut desk = Desk::new();
    let mut granted = desk.unsigned(&alice(), AGENT(), &vec!["git push"; GRANT_COMMANDS_MAX]);
    granted.delegate = DELEGATION_MAX;
    desk.give(&alice(), granted);
    out.push(Case::valid("grant-limits", "as many commands and levels as a grant may have", &desk.chain));

    let mut desk = Desk::new();
    let granted = desk.unsigned(&alice(), AGENT(), &vec!["git push"; GRANT_COMMANDS_MAX + 1]);
    desk.give(&alice(), granted);
    out.push(desk.fault(Code::Member, "a grant of too many commands").named("grant-commands"));

    let mut desk = Desk::new();
    let mut granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    granted.delegate = DELEGATION_MAX + 1;
    desk.give(&alice(), granted);
    out.push(desk.fault(Code::Member, "a grant of too many levels").named("grant-levels"));

    let mut desk = Desk::new();
    let granted = desk.unsigned(&alice(), AGENT(), &["git push"]);
    desk.chain.add_with(&Body::Granted(granted), |content| {
        let both = [("assume", ALICE().to_string().into()), ("commands", Value::Array(vec![]))];
        set(content, "scope", Value::object(both));
    });
    out.push(desk.fault(Code::Member, "a grant of two rights at once").named("grant-scope"));
}

impl Desk {
    fn clone_of(&self) -> Self {
        Self { chain: self.chain.clone(), statements: self.statements }
    }

    fn revoke_with(&mut self, grant: &Made, change: impl FnOnce(&mut Value)) {
        let revoked = GrantRevoked {
            grant: grant.as_ref(Rel::Grant),
            principal: ALICE(),
            statement_id: self.next(),
            signatures: vec![],
        };
        self.chain.add_with(&Body::GrantRevoked(revoked), change);
    }
}
