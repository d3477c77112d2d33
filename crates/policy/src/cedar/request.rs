//! Facts and classification as Cedar sees them: entities, and one request for each command.
//!
//! The shapes here and in `policies/default/schema.cedarschema` are the same; [`World::conform`]
//! checks a schema against them when it is activated. Of the context, only the members that the
//! policies at hand look at are built: making all of them would cost more than the evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::LazyLock;

use cascade_receipt::decision::RiskTier;
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};

use super::index::Subject;
use super::needs::Needs;
use crate::facts::{Facts, PrincipalKind, Stdin};
use crate::gate::ADMINS;
use crate::worker::{Classification, Classified};

/// Families by program: `[families]` of thresholds.toml turned round.
pub(crate) type Families = BTreeMap<String, BTreeSet<String>>;

/// Every member of the context, as the schema names them.
pub(super) const MEMBERS: [&str; 19] = [
    "kind",
    "program",
    "subcommand",
    "argv",
    "words",
    "tier",
    "classified",
    "findings",
    "line_tier",
    "commands",
    "cwd",
    "stdin",
    "dry_run",
    "target",
    "authentication",
    "admin",
    "on_behalf_of",
    "hour",
    "weekday",
];

#[derive(Debug)]
struct Names {
    person: EntityTypeName,
    agent: EntityTypeName,
    node: EntityTypeName,
    group: EntityTypeName,
    program: EntityTypeName,
    family: EntityTypeName,
    exec: EntityUid,
}

static NAMES: LazyLock<Option<Names>> = LazyLock::new(|| {
    let kind = |name: &str| name.parse::<EntityTypeName>().ok();
    Some(Names {
        person: kind(PERSON)?,
        agent: kind(AGENT)?,
        node: kind(NODE)?,
        group: kind(GROUP)?,
        program: kind(PROGRAM)?,
        family: kind(FAMILY)?,
        exec: EntityUid::from_type_name_and_id(kind(ACTION)?, EntityId::new(EXEC)),
    })
});

const PERSON: &str = "Person";
const AGENT: &str = "Agent";
const NODE: &str = "Node";
const GROUP: &str = "Group";
const PROGRAM: &str = "Program";
const FAMILY: &str = "Family";
const ACTION: &str = "Action";
const EXEC: &str = "exec";

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// What all requests of one action share.
#[derive(Debug)]
pub(crate) struct World<'a> {
    names: &'static Names,
    facts: &'a Facts,
    classification: &'a Classification,
    families: &'a Families,
    principal: EntityUid,
    entities: Entities,
}

impl<'a> World<'a> {
    /// `None` where the facts contradict themselves (one person in two guises).
    pub(crate) fn of(
        facts: &'a Facts,
        classification: &'a Classification,
        families: &'a Families,
    ) -> Option<Self> {
        Self::checked(facts, classification, families, None).ok()
    }

    /// Checks that a schema describes the entities and requests of these facts. At run time nothing
    /// is checked against the schema again: parsing it would cost more than the rest of a start.
    pub(crate) fn conform(
        schema: &Schema,
        facts: &Facts,
        classification: &Classification,
        families: &Families,
    ) -> Result<(), String> {
        let world = World::checked(facts, classification, families, Some(schema))?;
        let actions = schema.action_entities().map_err(|error| error.to_string())?;
        // Requests carry no action entities, so a policy on a group of actions would never match.
        if actions.ancestors(&world.names.exec).is_some_and(|mut groups| groups.next().is_some()) {
            return Err("`exec` may not be a member of an action group".to_owned());
        }
        for command in &classification.commands {
            world.checked_request(command, Needs::ALL, Some(schema))?;
        }
        Ok(())
    }

    pub(crate) const fn entities(&self) -> &Entities {
        &self.entities
    }

    /// Principal, action and resource as the index wants them: the very ancestors that
    /// [`World::entities`] holds.
    pub(crate) fn subjects<'c>(&'c self, command: &'c Classified) -> [Subject<'c>; 3] {
        let principal = &self.facts.principal;
        let kind = match principal.kind {
            PrincipalKind::Person => PERSON,
            PrincipalKind::Agent => AGENT,
            PrincipalKind::Node => NODE,
        };
        let groups = groups(&principal.groups, principal.admin).map(|group| (GROUP, group)).collect();
        let families = self.families.get(&command.program).into_iter().flatten();
        let families = families.map(|family| (FAMILY, family.as_str())).collect();
        [
            Subject { kind, id: self.principal.id().unescaped(), ancestors: groups },
            Subject { kind: ACTION, id: EXEC, ancestors: Vec::new() },
            Subject { kind: PROGRAM, id: &command.program, ancestors: families },
        ]
    }

    /// The question about one command, with the members of the context that are needed.
    pub(crate) fn request(&self, command: &Classified, needs: Needs) -> Option<Request> {
        self.checked_request(command, needs, None).ok()
    }

    fn checked(
        facts: &'a Facts,
        classification: &'a Classification,
        families: &'a Families,
        schema: Option<&Schema>,
    ) -> Result<Self, String> {
        let names = NAMES.as_ref().ok_or("names of entity types do not parse")?;
        let kind = match facts.principal.kind {
            PrincipalKind::Person => &names.person,
            PrincipalKind::Agent => &names.agent,
            PrincipalKind::Node => &names.node,
        };
        let principal = uid(kind, &facts.principal.id.to_string());
        let list = entities(names, &principal, facts, classification, families)?;
        let entities = Entities::from_entities(list, schema).map_err(|error| error.to_string())?;
        Ok(Self { names, facts, classification, families, principal, entities })
    }

    fn checked_request(
        &self,
        command: &Classified,
        needs: Needs,
        schema: Option<&Schema>,
    ) -> Result<Request, String> {
        let needed = MEMBERS.iter().enumerate().filter(|(at, _)| needs.has(*at));
        let pairs = needed.filter_map(|(_, name)| Some(((*name).to_owned(), self.member(name, command)?)));
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let resource = uid(&self.names.program, &command.program);
        Request::new(self.principal.clone(), self.names.exec.clone(), resource, context, schema)
            .map_err(|error| error.to_string())
    }

    /// A member of the context; `None` for an optional one that is not there.
    fn member(&self, name: &str, command: &Classified) -> Option<RestrictedExpression> {
        let (facts, hours) = (self.facts, self.facts.at.ms() / 3_600_000);
        Some(match name {
            "kind" => text(facts.action.invocation.kind()),
            "program" => text(&command.program),
            "subcommand" => text(&command.subcommand),
            "argv" => text(&command.words.join(" ")),
            "words" => words(command.words.iter().map(String::as_str)),
            "tier" => tier(command.tier),
            "classified" => RestrictedExpression::new_bool(command.classified),
            "findings" => words(command.findings.iter().map(|finding| finding.code.as_str())),
            "line_tier" => tier(self.classification.tier),
            "commands" => words(self.classification.commands.iter().map(|command| command.program.as_str())),
            "cwd" => text(&String::from_utf8_lossy(&facts.action.cwd)),
            "stdin" => text(stdin(facts.action.stdin)),
            "dry_run" => RestrictedExpression::new_bool(facts.dry_run),
            "target" => text(facts.action.resource.as_ref()?),
            "authentication" => text(facts.principal.authentication.as_str()),
            "admin" => RestrictedExpression::new_bool(facts.principal.admin),
            "on_behalf_of" => {
                let person = facts.on_behalf_of.as_ref()?.id.to_string();
                RestrictedExpression::new_entity_uid(uid(&self.names.person, &person))
            }
            "hour" => long(hours % 24),
            // 1 is Monday; day 0 was a Thursday.
            "weekday" => long((hours / 24 + 3) % 7 + 1),
            _ => return None,
        })
    }
}

/// Entities that have parents. One without needs no entry: Cedar takes what it does not find for an
/// entity without parents and attributes.
fn entities(
    names: &Names,
    principal: &EntityUid,
    facts: &Facts,
    classification: &Classification,
    families: &Families,
) -> Result<Vec<Entity>, String> {
    let mut list = Vec::new();
    let in_groups =
        |own: &[String], admin| groups(own, admin).map(|group| uid(&names.group, group)).collect();
    push(&mut list, principal.clone(), in_groups(&facts.principal.groups, facts.principal.admin))?;
    if let Some(delegator) = &facts.on_behalf_of {
        let person = uid(&names.person, &delegator.id.to_string());
        if person == *principal {
            return Err("a person cannot act on their own behalf".to_owned());
        }
        push(&mut list, person, in_groups(&delegator.groups, delegator.admin))?;
    }
    let programs: BTreeSet<&String> =
        classification.commands.iter().map(|command| &command.program).collect();
    for program in programs {
        if let Some(families) = families.get(program) {
            let families = families.iter().map(|family| uid(&names.family, family)).collect();
            push(&mut list, uid(&names.program, program), families)?;
        }
    }
    Ok(list)
}

fn push(list: &mut Vec<Entity>, uid: EntityUid, parents: Vec<EntityUid>) -> Result<(), String> {
    if !parents.is_empty() {
        let entity = Entity::new_with_tags(uid, iter::empty(), parents, iter::empty());
        list.push(entity.map_err(|error| error.to_string())?);
    }
    Ok(())
}

fn groups(groups: &[String], admin: bool) -> impl Iterator<Item = &str> {
    groups.iter().map(String::as_str).chain(admin.then_some(ADMINS))
}

const fn stdin(stdin: Stdin) -> &'static str {
    match stdin {
        Stdin::None => "none",
        Stdin::Terminal => "terminal",
        Stdin::Stream => "stream",
        Stdin::Captured(_) => "captured",
    }
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(words.map(text))
}

fn long(number: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX))
}

/// 0 LOW to 3 CRITICAL, so that policies can compare.
fn tier(tier: RiskTier) -> RestrictedExpression {
    long(match tier {
        RiskTier::Low => 0,
        RiskTier::Medium => 1,
        RiskTier::High => 2,
        RiskTier::Critical => 3,
    })
}
