//! The index leaves nothing out that could have spoken.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request, Response,
    RestrictedExpression,
};

use super::index::{Index, Scope, Subject};

/// Entities of one random world: every type may be a parent of every other, so that `in` reaches
/// over types and several levels.
const TYPES: [&str; 4] = ["Person", "Agent", "Group", "Program"];
const IDS_PER_TYPE: u64 = 4;
const WORLDS: u64 = 40;
const POLICIES_PER_WORLD: u64 = 40;
const REQUESTS_PER_WORLD: u64 = 60;

/// splitmix64; the seed stands in the message of a failure.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        let at = self.below(items.len() as u64);
        items[usize::try_from(at).unwrap()]
    }

    fn uid(&mut self) -> String {
        let kind = self.pick(&TYPES);
        // One id has characters that Cedar escapes.
        match self.below(IDS_PER_TYPE + 1) {
            4 => format!(r#"{kind}::"a \"b\" \n""#),
            number => format!("{kind}::\"{number}\""),
        }
    }

    fn part(&mut self, name: &str) -> String {
        let (kind, uid) = (self.pick(&TYPES), self.uid());
        match self.below(5) {
            0 => name.to_owned(),
            1 => format!("{name} == {uid}"),
            2 => format!("{name} is {kind}"),
            3 => format!("{name} in {uid}"),
            _ => format!("{name} is {kind} in {uid}"),
        }
    }

    fn policy(&mut self) -> String {
        let effect = self.pick(&["permit", "permit", "forbid"]);
        let (one, two) = (self.below(3), self.below(3));
        let action = match self.below(4) {
            0 => "action".to_owned(),
            1 => format!("action == Action::\"{one}\""),
            2 => format!("action in Action::\"{one}\""),
            _ => format!("action in [Action::\"{one}\", Action::\"{two}\"]"),
        };
        let condition = match self.below(4) {
            0 => format!("when {{ context.n > {} }}", self.below(10)),
            1 => format!("unless {{ principal in {} }}", self.uid()),
            // Errs: policies that err must be found as well.
            2 => "when { context.missing == 1 }".to_owned(),
            _ => String::new(),
        };
        let (principal, resource) = (self.part("principal"), self.part("resource"));
        format!("{effect} ({principal}, {action}, {resource}) {condition};")
    }

    /// Parents only further down the list: no cycles.
    fn entities(&mut self) -> Entities {
        let mut uids: Vec<EntityUid> = Vec::new();
        for kind in TYPES {
            uids.extend(
                (0..IDS_PER_TYPE).map(|id| format!("{kind}::\"{id}\"").parse::<EntityUid>().unwrap()),
            );
            uids.push(format!(r#"{kind}::"a \"b\" \n""#).parse().unwrap());
        }
        for at in (1..uids.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).unwrap();
            uids.swap(at, other);
        }
        let mut list = Vec::new();
        for (at, uid) in uids.iter().enumerate() {
            let parents = uids.iter().skip(at + 1).filter(|_| self.below(7) == 0).cloned();
            list.push(Entity::new_with_tags(uid.clone(), [], parents.collect::<Vec<_>>(), []).unwrap());
        }
        Entities::from_entities(list, None).unwrap()
    }

    fn request(&mut self) -> Request {
        let number = i64::try_from(self.below(10)).unwrap();
        let context =
            Context::from_pairs([("n".to_owned(), RestrictedExpression::new_long(number))]).unwrap();
        let (principal, resource) = (self.uid().parse().unwrap(), self.uid().parse().unwrap());
        let action = format!("Action::\"{}\"", self.below(3)).parse().unwrap();
        Request::new(principal, action, resource, context, None).unwrap()
    }
}

/// The parts of a request with the ancestors that the entities give them.
fn candidates(index: &Index, request: &Request, entities: &Entities) -> Vec<u32> {
    let uids = [request.principal().unwrap(), request.action().unwrap(), request.resource().unwrap()];
    let names: Vec<Vec<(String, &str)>> = uids
        .iter()
        .map(|uid| {
            let ancestors = entities.ancestors(uid).into_iter().flatten();
            let all = [*uid].into_iter().chain(ancestors);
            all.map(|uid| (uid.type_name().to_string(), uid.id().unescaped())).collect()
        })
        .collect();
    let subject = |at: usize| {
        let mut names = names[at].iter().map(|(kind, id)| (kind.as_str(), *id));
        let (kind, id) = names.next().unwrap();
        Subject { kind, id, ancestors: names.collect() }
    };
    index.candidates(&subject(0).satisfies(), &subject(1).satisfies(), &subject(2).satisfies())
}

fn summary(response: &Response) -> (bool, BTreeSet<String>, BTreeSet<String>) {
    let spoke = response.diagnostics().reason().map(ToString::to_string).collect();
    let erred = response.diagnostics().errors().map(ToString::to_string).collect();
    (response.decision() == cedar_policy::Decision::Allow, spoke, erred)
}

#[test]
fn a_slice_answers_like_the_whole() {
    let authorizer = Authorizer::new();
    let (mut kept, mut allowed, mut erred) = (0, 0, 0);
    for seed in 0..WORLDS {
        let mut random = Random(seed);
        let entities = random.entities();
        let policies: Vec<Policy> = (0..POLICIES_PER_WORLD)
            .map(|id| Policy::parse(Some(PolicyId::new(id.to_string())), random.policy()).unwrap())
            .collect();
        let whole = PolicySet::from_policies(policies.iter().cloned()).unwrap();
        let mut index = Index::default();
        for (number, policy) in (0..).zip(&policies) {
            index.insert(&Scope::of(policy), number);
        }
        for number in 0..REQUESTS_PER_WORLD {
            let request = random.request();
            let candidates = candidates(&index, &request, &entities);
            kept += candidates.len();
            let slice = candidates.iter().map(|&at| policies[at as usize].clone());
            let slice = PolicySet::from_policies(slice).unwrap();
            let sliced = summary(&authorizer.is_authorized(&request, &slice, &entities));
            let unsliced = summary(&authorizer.is_authorized(&request, &whole, &entities));
            let mut place = String::new();
            write!(place, "seed {seed}, request {number}: {request:?}").unwrap();
            assert_eq!(sliced, unsliced, "{place}");
            allowed += usize::from(sliced.0);
            erred += usize::from(!sliced.2.is_empty());
        }
    }
    // The comparison means something only if the index drops most and both answers occur.
    let requests = usize::try_from(WORLDS * REQUESTS_PER_WORLD).unwrap();
    let policies = requests * usize::try_from(POLICIES_PER_WORLD).unwrap();
    assert!(kept * 5 < policies, "{kept} of {policies} policies kept");
    assert!(allowed * 50 > requests && allowed * 2 < requests, "{allowed} of {requests} allowed");
    assert!(erred * 10 > requests, "{erred} of {requests} erred");
}
