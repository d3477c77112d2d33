//! People: approvals, their signatures, administrators (check `lifecycle`).

use cascade_receipt::content::{
    Admin, Answer, Body, Ending, Escalation, PackChange, PolicyActivated, PolicyRef, Ref, Rel, Signature,
};
use cascade_receipt::decision::Verdict;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::Code;
use ssh_key::{HashAlg, Mpint, PublicKey};

use crate::case::Case;
use crate::chain::{AGENT, ALICE, BOB, Chain, Key, Made, action, remove, set};
use crate::keys::add_signed;
use crate::runs::{closing, started};
use crate::ssh::Person;
use crate::workflows::chain_started;

fn alice() -> Person {
    Person::new(ALICE(), 31)
}

fn bob() -> Person {
    Person::new(BOB(), 32)
}

/// A chain that waits for people to approve the action `push`.
pub(crate) struct Waiting {
    pub(crate) chain: Chain,
    pub(crate) subject: Ref,
    expires: Timestamp,
}

/// How many must approve, and from which groups.
#[derive(Clone, Copy)]
struct Terms {
    required: u32,
    groups: &'static [&'static str],
    signature_required: bool,
}

const ONE: Terms = Terms { required: 1, groups: &[], signature_required: true };
const HOUR_MS: u64 = 3_600_000;

impl Waiting {
    fn new(terms: Terms) -> Self {
        let mut chain = Chain::founded(&[alice().admin()]);
        let expires = chain.later(HOUR_MS);
        let made = chain.add(&Body::Escalation(Escalation {
            action: action("push", Verdict::Escalate, &[]),
            required: terms.required,
            groups: terms.groups.iter().map(|group| (*group).to_owned()).collect(),
            expires,
            signature_required: terms.signature_required,
        }));
        Self { chain, subject: made.as_ref(Rel::Escalation), expires }
    }

    fn answer(&self, approve: bool, principal: PrincipalId) -> Answer {
        Answer {
            approve,
            subject: self.subject.clone(),
            principal,
            action_hash: Digest::of(b"push"),
            expires: self.expires,
            signatures: vec![],
        }
    }

    fn signed(&self, approve: bool, person: &Person) -> Answer {
        let mut answer = self.answer(approve, person.principal);
        answer.signatures = vec![person.sign(statement::APPROVAL, &self.text(&answer))];
        answer
    }

    fn text(&self, answer: &Answer) -> String {
        statement::Approval {
            log_origin: self.chain.origin.as_str(),
            subject: &answer.subject.entry_hash,
            action_hash: &answer.action_hash,
            approve: answer.approve,
            approver: &answer.principal,
            expires: &answer.expires,
        }
        .text()
    }

    fn approved_by(&mut self, person: &Person) -> Ref {
        let answer = self.signed(true, person);
        self.chain.add(&Body::Answer(answer)).as_ref(Rel::Approval)
    }

    /// Runs `push` with these approvals.
    fn run(&mut self, approvals: &[Ref]) -> Made {
        let refs: Vec<Ref> = [self.subject.clone()].into_iter().chain(approvals.iter().cloned()).collect();
        self.chain.add(&started("push", &refs))
    }

    fn bob_joins(&mut self, groups: &[&str]) {
        let members = joins(&bob(), groups);
        add_signed(&mut self.chain, &alice(), "principal_added", &members);
    }

    fn fault(&self, code: Code, comment: &'static str) -> Case {
        Case::fault(code, self.chain.seq() - 1, comment, self.chain.bytes())
    }
}

pub(crate) fn joins(person: &Person, groups: &[&str]) -> [(&'static str, Value); 3] {
    [
        ("principal", person.principal.to_string().into()),
        ("ssh_key", person.ssh_key().into()),
        ("groups", Value::Array(groups.iter().map(|group| (*group).into()).collect())),
    ]
}

pub(crate) fn valid(out: &mut Vec<Case>) {
    let mut waiting = Waiting::new(ONE);
    let approval = waiting.approved_by(&alice());
    let intent = waiting.run(&[approval]);
    waiting.chain.add(&closing(Ending::Completed, &intent));
    out.push(Case::valid("approved", "an escalation, a signed approval, the run", &waiting.chain));

    let mut waiting = Waiting::new(Terms { required: 2, groups: &["ops"], signature_required: true });
    waiting.bob_joins(&["ops"]);
    let approvals = [waiting.approved_by(&alice()), waiting.approved_by(&bob())];
    waiting.run(&approvals);
    out.push(Case::valid(
        "two-approvers",
        "four eyes: an administrator and a member of the group",
        &waiting.chain,
    ));

    let mut waiting = Waiting::new(Terms { signature_required: false, ..ONE });
    let answer = waiting.answer(true, BOB());
    let approval = waiting.chain.add(&Body::Answer(answer)).as_ref(Rel::Approval);
    waiting.run(&[approval]);
    out.push(Case::valid(
        "approved-unsigned",
        "an approval without signature where none is demanded",
        &waiting.chain,
    ));

    let mut waiting = Waiting::new(ONE);
    let answer = waiting.signed(false, &alice());
    waiting.chain.add(&Body::Answer(answer));
    out.push(Case::valid("refused", "a signed denial, and nothing ran", &waiting.chain));

    let mut waiting = Waiting::new(ONE);
    waiting.chain.time_ms += HOUR_MS;
    let expired = Body::AnswerExpired(waiting.subject.clone());
    waiting.chain.add(&expired);
    out.push(Case::valid("expired", "nobody answered", &waiting.chain));

    let mut waiting = dry_run();
    let approval = waiting.approved_by(&alice());
    waiting.run(&[approval]);
    out.push(Case::valid(
        "dry-run-approved",
        "a dry run is approved in advance and then runs",
        &waiting.chain,
    ));

    let mut waiting = security_key(true);
    let id =
        Ref { rel: Rel::Approval, receipt_id: crate::chain::receipt_id(2), entry_hash: waiting.chain.head };
    waiting.run(&[id]);
    out.push(Case::valid("security-key", "an approval by a security key that was touched", &waiting.chain));

    governance(out);
}

/// A dry run that escalates, as the subject of approvals.
fn dry_run() -> Waiting {
    let mut waiting = Waiting::new(ONE);
    waiting.chain = Chain::founded(&[alice().admin()]);
    let made = waiting.chain.add(&Body::DryRun(action("push", Verdict::Escalate, &[])));
    waiting.subject = made.as_ref(Rel::DryRun);
    waiting
}

/// An approval by Alice's security key.
fn security_key(touched: bool) -> Waiting {
    let mut waiting = Waiting::new(ONE);
    let alice = alice();
    let ssh_key = cascade_receipt::sshsig::without_comment(&alice.sk_key()).expect("a key");
    let expires = waiting.expires;
    waiting.chain = Chain::founded(&[Admin { principal: ALICE(), ssh_key }]);
    let made = waiting.chain.add(&Body::Escalation(Escalation {
        action: action("push", Verdict::Escalate, &[]),
        required: 1,
        groups: vec![],
        expires,
        signature_required: true,
    }));
    waiting.subject = made.as_ref(Rel::Escalation);
    let mut answer = waiting.answer(true, ALICE());
    answer.signatures = vec![alice.sk_sign(statement::APPROVAL, &waiting.text(&answer), touched)];
    waiting.chain.add(&Body::Answer(answer));
    waiting
}

pub(crate) fn strict() -> PolicyRef {
    PolicyRef { version: "strict-2".into(), hash: Digest::of(b"strict") }
}

fn policy_activated(chain: &Chain, admins: &[&Person]) -> Body {
    activated(chain, admins, None)
}

pub(crate) fn activated(chain: &Chain, admins: &[&Person], pack: Option<PackChange>) -> Body {
    let (activates, principal) = (strict(), ALICE());
    let mut activated =
        PolicyActivated { activates, principal, statement_id: [8; 8], signatures: vec![], pack };
    let text = statement::admin(chain.origin.as_str(), &Body::PolicyActivated(activated.clone()).statement());
    activated.signatures = admins.iter().map(|admin| admin.sign(statement::ADMIN, &text)).collect();
    Body::PolicyActivated(activated)
}

fn governance(out: &mut Vec<Case>) {
    let mut chain = Chain::founded(&[alice().admin()]);
    let signed = policy_activated(&chain, &[&alice()]);
    chain.add(&signed);
    chain.policy = strict();
    let unsigned = policy_activated(&chain, &[]);
    chain.add(&unsigned);
    chain.add(&started("under the new policy", &[]));
    out.push(Case::valid(
        "policy",
        "a policy activated with and without an administrator's signature",
        &chain,
    ));

    let mut chain = Chain::founded(&[alice().admin(), bob().admin()]);
    let signed = policy_activated(&chain, &[&alice(), &bob()]);
    chain.add(&signed);
    chain.policy = strict();
    chain.add(&started("under what two have signed", &[]));
    out.push(Case::valid(
        "policy-two",
        "a policy activated with the signatures of two administrators",
        &chain,
    ));

    let mut chain = Chain::founded(&[alice().admin()]);
    add_signed(&mut chain, &alice(), "principal_added", &joins(&bob(), &["admins"]));
    add_signed(&mut chain, &bob(), "principal_removed", &[("principal", ALICE().to_string().into())]);
    let members = joins(&Person::new(ALICE(), 33), &[]);
    add_signed(&mut chain, &bob(), "principal_added", &members);
    out.push(Case::valid("admins", "one administrator adds another, who removes the first", &chain));

    let mut chain = Chain::founded(&[alice().admin()]);
    let spec_hash = Digest::of(b"spec");
    let signature = alice().sign(statement::SPEC, &statement::spec(&spec_hash));
    for _ in 0..2 {
        chain.add(&chain_started(b"spec", vec![signature.clone()]));
    }
    out.push(Case::valid("spec", "one signed spec runs twice", &chain).open_chains(&[1, 2]));
    openssh(out);
}

/// Public keys and signatures that `ssh-keygen` made for the text of `SHA-256("spec")`; the private
/// keys were thrown away.
const OPENSSH: [(&str, &str); 4] = [
    (include_str!("openssh/rsa-3072.pub"), include_str!("openssh/rsa-3072.sig")),
    (include_str!("openssh/ecdsa-256.pub"), include_str!("openssh/ecdsa-256.sig")),
    (include_str!("openssh/ecdsa-384.pub"), include_str!("openssh/ecdsa-384.sig")),
    (include_str!("openssh/ecdsa-521.pub"), include_str!("openssh/ecdsa-521.sig")),
];

fn openssh(out: &mut Vec<Case>) {
    let people = (41..).map(crate::chain::principal).zip(OPENSSH);
    let admins: Vec<Admin> =
        people.clone().map(|(principal, (key, _))| Admin { principal, ssh_key: key.to_owned() }).collect();
    let signatures: Vec<Signature> =
        people.map(|(principal, (_, sig))| Signature { principal, sshsig: sig.to_owned() }).collect();
    let signed = {
        let mut chain = Chain::founded(&admins);
        chain.add(&chain_started(b"spec", signatures.clone()));
        chain
    };
    let comment = "signatures by ssh-keygen: RSA, three NIST curves";
    out.push(Case::valid("openssh", comment, &signed).open_chains(&[1]));
    for (index, name) in ["rsa", "p256", "p384", "p521"].into_iter().enumerate() {
        let mut chain = Chain::founded(&admins);
        chain.add(&chain_started(b"other", vec![signatures[index].clone()]));
        out.push(Case::fault(Code::Sshsig, 1, "another spec was signed", chain.bytes()).named(name));
    }
}

pub(crate) fn cases(out: &mut Vec<Case>) {
    approvals(out);
    spent(out);
    answers(out);
    signatures(out);
    administrators(out);
    ssh_keys(out);
}

fn approvals(out: &mut Vec<Case>) {
    let mut waiting = Waiting::new(ONE);
    waiting.run(&[]);
    out.push(waiting.fault(Code::ApprovalsMissing, "nobody approved"));

    let mut waiting = Waiting::new(ONE);
    waiting.chain.add(&started("push", &[]));
    out.push(waiting.fault(Code::ApprovalsMissing, "the run does not name its escalation").named("unnamed"));

    let mut waiting = Waiting::new(Terms { required: 2, ..ONE });
    let approval = waiting.approved_by(&alice());
    waiting.run(&[approval]);
    out.push(
        waiting.fault(Code::ApprovalsMissing, "one approval where two are demanded").named("one-of-two"),
    );

    let mut waiting = dry_run();
    let subject = waiting.subject.clone();
    waiting.chain.add(&started("push", &[subject]));
    out.push(
        waiting.fault(Code::ApprovalsMissing, "a dry run that escalates runs unapproved").named("dry-run"),
    );

    let mut waiting = Waiting::new(ONE);
    waiting.chain.add_with(&started("push", &[]), |content| set(content, "kind", "task_completed"));
    out.push(waiting.fault(Code::ApprovalsMissing, "a pure task past its escalation").named("pure"));

    let mut waiting = Waiting::new(Terms { required: 2, ..ONE });
    let first = waiting.approved_by(&alice());
    waiting.expires = waiting.chain.later(HOUR_MS);
    let second = waiting.approved_by(&alice());
    waiting.run(&[first, second]);
    out.push(waiting.fault(Code::SameApprover, "one person approves twice"));

    let mut waiting = Waiting::new(Terms { signature_required: false, ..ONE });
    let answer = waiting.answer(true, AGENT());
    let approval = waiting.chain.add(&Body::Answer(answer)).as_ref(Rel::Approval);
    waiting.run(&[approval]);
    out.push(waiting.fault(Code::SelfApproval, "the agent approves its own action"));

    let mut waiting = Waiting::new(Terms { groups: &["finance"], ..ONE });
    waiting.bob_joins(&["ops"]);
    let approval = waiting.approved_by(&bob());
    waiting.run(&[approval]);
    out.push(waiting.fault(Code::NotEligible, "an approver of another group"));

    let mut waiting = Waiting::new(ONE);
    let approval = waiting.approved_by(&alice());
    let refs = [waiting.subject.clone(), approval];
    waiting.chain.add(&started("something else", &refs));
    out.push(waiting.fault(Code::ActionHash, "the run is not what was approved").named("run"));
}

fn spent(out: &mut Vec<Case>) {
    let mut waiting = Waiting::new(ONE);
    let approval = waiting.approved_by(&alice());
    let intent = waiting.run(std::slice::from_ref(&approval));
    waiting.chain.add(&closing(Ending::Completed, &intent));
    waiting.run(&[approval]);
    out.push(waiting.fault(Code::ApprovalReused, "the same approval for a second run"));

    let mut waiting = Waiting::new(ONE);
    let approval = waiting.approved_by(&alice());
    let other = waiting.chain.add(&Body::Escalation(Escalation {
        action: action("push", Verdict::Escalate, &[]),
        required: 1,
        groups: vec![],
        expires: waiting.expires,
        signature_required: true,
    }));
    waiting.chain.add(&started("push", &[other.as_ref(Rel::Escalation), approval]));
    out.push(waiting.fault(Code::ApprovalSubject, "an approval of another escalation"));

    let mut waiting = Waiting::new(ONE);
    let approval = waiting.approved_by(&alice());
    waiting.chain.time_ms += HOUR_MS;
    waiting.run(&[approval]);
    out.push(waiting.fault(Code::Expired, "the run comes after the approval has run out").named("approval"));

    let mut waiting = Waiting::new(ONE);
    waiting.chain.time_ms += HOUR_MS;
    waiting.expires = waiting.chain.later(HOUR_MS);
    let approval = waiting.approved_by(&alice());
    waiting.run(&[approval]);
    out.push(
        waiting
            .fault(Code::Expired, "the approval comes after the escalation has run out")
            .named("escalation"),
    );

    let mut waiting = Waiting::new(ONE);
    let approval = waiting.approved_by(&alice());
    let body = Body::AnswerExpired(waiting.subject.clone());
    waiting.chain.add(&body);
    waiting.run(&[approval]);
    out.push(waiting.fault(Code::Expired, "approval_expired said so").named("said"));

    let mut waiting = Waiting::new(ONE);
    let approval = waiting.approved_by(&alice());
    let no = waiting.signed(false, &alice());
    waiting.chain.add(&Body::Answer(no));
    waiting.run(&[approval]);
    out.push(waiting.fault(Code::Denied, "a denial came after the approval").named("person"));
}

fn answers(out: &mut Vec<Case>) {
    let mut waiting = Waiting::new(ONE);
    let answer = Body::Answer(waiting.signed(true, &alice()));
    waiting.chain.add_with(&answer, |content| remove(content, "refs"));
    out.push(waiting.fault(Code::Subject, "an approval of nothing"));

    let mut waiting = Waiting::new(ONE);
    let mut answer = waiting.answer(true, ALICE());
    answer.action_hash = Digest::of(b"something else");
    answer.signatures = vec![alice().sign(statement::APPROVAL, &waiting.text(&answer))];
    waiting.chain.add(&Body::Answer(answer));
    out.push(waiting.fault(Code::ActionHash, "an approval of another action").named("approval"));

    let mut waiting = Waiting::new(ONE);
    let answer = waiting.signed(true, &alice());
    waiting.chain.add(&Body::Answer(answer.clone()));
    waiting.chain.add(&Body::Answer(answer));
    out.push(waiting.fault(Code::StatementReused, "one signature in two approvals").named("approval"));
}

fn signatures(out: &mut Vec<Case>) {
    let mut waiting = Waiting::new(ONE);
    let answer = waiting.answer(true, ALICE());
    waiting.chain.add(&Body::Answer(answer));
    out.push(waiting.fault(Code::SignatureMissing, "an unsigned approval where a signature is demanded"));

    let mut waiting = Waiting::new(ONE);
    let answer = waiting.signed(true, &bob());
    waiting.chain.add(&Body::Answer(answer));
    out.push(waiting.fault(Code::SignerUnknown, "the approver was never registered"));

    let mut waiting = Waiting::new(ONE);
    let mut answer = waiting.answer(true, BOB());
    answer.signatures = vec![alice().sign(statement::APPROVAL, &waiting.text(&answer))];
    waiting.chain.add(&Body::Answer(answer));
    out.push(waiting.fault(Code::Signer, "another person signs"));

    type Forge = fn(&Waiting, &Answer) -> Signature;
    let forgeries: [(&str, &'static str, Forge); 7] = [
        ("other-key", "the signature is by another key", |waiting, answer| Signature {
            principal: ALICE(),
            ..bob().sign(statement::APPROVAL, &waiting.text(answer))
        }),
        ("other-namespace", "made for another purpose", |waiting, answer| {
            alice().sign("file", &waiting.text(answer))
        }),
        ("admin-namespace", "an administrator's signature is no approval", |waiting, answer| {
            alice().sign(statement::ADMIN, &waiting.text(answer))
        }),
        ("sha256", "another hash than sha512", |waiting, answer| {
            alice().sign_with(statement::APPROVAL, HashAlg::Sha256, &waiting.text(answer))
        }),
        ("verdict", "the person signed a denial", |waiting, answer| {
            alice().sign(statement::APPROVAL, &waiting.text(&Answer { approve: false, ..answer.clone() }))
        }),
        ("expires", "the person signed another end", |waiting, answer| {
            let expires = Timestamp::from_ms(answer.expires.ms() - 1);
            alice().sign(statement::APPROVAL, &waiting.text(&Answer { expires, ..answer.clone() }))
        }),
        ("armour", "not a signature at all", |_, _| Signature {
            principal: ALICE(),
            sshsig: "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n".into(),
        }),
    ];
    for (name, comment, forge) in forgeries {
        let mut waiting = Waiting::new(ONE);
        let mut answer = waiting.answer(true, ALICE());
        answer.signatures = vec![forge(&waiting, &answer)];
        waiting.chain.add(&Body::Answer(answer));
        out.push(waiting.fault(Code::Sshsig, comment).named(name));
    }
    let waiting = security_key(false);
    out.push(waiting.fault(Code::Sshsig, "a security key that nobody touched").named("untouched"));
}

fn administrators(out: &mut Vec<Case>) {
    let fault = |code, comment, chain: &Chain| Case::fault(code, chain.seq() - 1, comment, chain.bytes());

    let mut chain = Chain::founded(&[alice().admin()]);
    chain.add_kind("principal_added", &joins(&bob(), &[]));
    out.push(
        fault(Code::SignatureMissing, "a person joins and no administrator says so", &chain).named("person"),
    );

    let mut chain = Chain::founded(&[alice().admin()]);
    let key = chain.key_object(&Key::of("node-2", 12), "receipt");
    chain.add_kind("key_added", &[("key", key)]);
    out.push(
        fault(Code::SignatureMissing, "a receipt key joins and no administrator says so", &chain)
            .named("key"),
    );

    let mut chain = Chain::founded(&[alice().admin()]);
    add_signed(&mut chain, &alice(), "principal_added", &joins(&bob(), &["ops"]));
    let body = policy_activated(&chain, &[&bob()]);
    chain.add(&body);
    out.push(fault(Code::NotAdmin, "a member of another group activates a policy", &chain));

    let mut chain = Chain::founded(&[alice().admin()]);
    add_signed(&mut chain, &alice(), "principal_added", &joins(&bob(), &["ops"]));
    let body = policy_activated(&chain, &[&alice(), &bob()]);
    chain.add(&body);
    out.push(
        fault(Code::NotAdmin, "an administrator and a member of another group activate a policy", &chain)
            .named("second"),
    );

    // Whoever looks at the first signature alone finds nothing wrong.
    let mut chain = Chain::founded(&[alice().admin(), bob().admin()]);
    let forged = Person::new(BOB(), 77);
    let body = policy_activated(&chain, &[&alice(), &forged]);
    chain.add(&body);
    out.push(fault(Code::Sshsig, "the second of two signatures is by another key", &chain).named("second"));

    let mut chain = Chain::founded(&[alice().admin()]);
    chain.policy = strict();
    chain.add(&started("under a policy out of nowhere", &[]));
    out.push(fault(Code::Policy, "another policy without its activation", &chain));

    let mut chain = Chain::founded(&[alice().admin()]);
    let body = policy_activated(&chain, &[&alice()]);
    chain.add(&body);
    chain.add(&started("under the old policy", &[]));
    out.push(fault(Code::Policy, "the policy before is used after the activation", &chain).named("old"));

    let mut chain = Chain::founded(&[alice().admin()]);
    let body = policy_activated(&chain, &[&alice()]);
    chain.add(&body);
    chain.policy = strict();
    chain.add(&body);
    out.push(fault(Code::StatementReused, "one signed activation, used twice", &chain).named("policy"));

    let mut chain = Chain::founded(&[alice().admin()]);
    let body = policy_activated(&chain, &[&alice()]);
    chain.add_with(&body, |content| set(content, "statement_id", "0909090909090909"));
    out.push(fault(Code::Sshsig, "the statement is not the one that was signed", &chain).named("statement"));

    let mut chain = Chain::founded(&[alice().admin()]);
    let signature = alice().sign(statement::SPEC, &statement::spec(&Digest::of(b"other")));
    chain.add(&chain_started(b"spec", vec![signature]));
    out.push(fault(Code::Sshsig, "the spec is not the one that was signed", &chain).named("spec"));
}

fn ssh_keys(out: &mut Vec<Case>) {
    let rsa = |bytes: usize| {
        let n = Mpint::from_positive_bytes(&vec![0xc5; bytes]).expect("a number");
        let e = Mpint::from_positive_bytes(&[1, 0, 1]).expect("a number");
        let key = ssh_key::public::RsaPublicKey { e, n };
        PublicKey::new(ssh_key::public::KeyData::Rsa(key), "").to_openssh().expect("a key")
    };
    let mut of = |name: &str, comment, ssh_key: String| {
        let chain = Chain::founded(&[Admin { principal: ALICE(), ssh_key }]);
        out.push(Case::fault(Code::SshKey, 0, comment, chain.bytes()).named(name));
    };
    of("rsa-1024", "RSA with 1024 bits", rsa(128));
    of("comment", "a comment, which may be a name", format!("{} alice", alice().ssh_key()));
    of("text", "no key", "ssh-ed25519 AAAA".into());
    let shared = Admin { principal: BOB(), ssh_key: alice().ssh_key() };
    let chain = Chain::founded(&[alice().admin(), shared]);
    out.push(Case::fault(Code::SshKey, 0, "two principals, one key", chain.bytes()).named("shared"));
}
