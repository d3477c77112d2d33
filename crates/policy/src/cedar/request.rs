//! Facts and classification as Cedar sees them: entities, and one request for each command.
//!
//! The shapes here and in `policies/default/schema.cedarschema` are the same; [`World::conform`]
//! checks a schema against them when it is activated.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::LazyLock;

use cascade_receipt::decision::RiskTier;
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};

use crate::facts::{Facts, PrincipalKind, Stdin};
use crate::gate::ADMINS;
use crate::worker::{Classification, Classified};

/// Families by program: `[families]` of thresholds.toml turned round.
pub(crate) type Families = BTreeMap<String, BTreeSet<String>>;

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
        person: kind("Person")?,
        agent: kind("Agent")?,
        node: kind("Node")?,
        group: kind("Group")?,
        program: kind("Program")?,
        family: kind("Family")?,
        exec: EntityUid::from_type_name_and_id(kind("Action")?, EntityId::new("exec")),
    })
});

impl Names {
    const fn of(&self, kind: PrincipalKind) -> &EntityTypeName {
        match kind {
            PrincipalKind::Person => &self.person,
            PrincipalKind::Agent => &self.agent,
            PrincipalKind::Node => &self.node,
        }
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

type Pair = (&'static str, RestrictedExpression);

/// What all requests of one action share.
#[derive(Debug)]
pub(crate) struct World {
    names: &'static Names,
    principal: EntityUid,
    entities: Entities,
    shared: Vec<Pair>,
}

impl World {
    /// `None` where the facts contradict themselves (two different entities under one name).
    pub(crate) fn of(facts: &Facts, classification: &Classification, families: &Families) -> Option<Self> {
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
        let world = Self::checked(facts, classification, families, Some(schema))?;
        let actions = schema.action_entities().map_err(|error| error.to_string())?;
        // Requests carry no action entities, so a policy on a group of actions would never match.
        if actions.ancestors(&world.names.exec).is_some_and(|mut groups| groups.next().is_some()) {
            return Err("`exec` may not be a member of an action group".to_owned());
        }
        for command in &classification.commands {
            world.checked_request(command, Some(schema))?;
        }
        Ok(())
    }

    pub(crate) const fn entities(&self) -> &Entities {
        &self.entities
    }

    /// The question about one command.
    pub(crate) fn request(&self, command: &Classified) -> Option<Request> {
        self.checked_request(command, None).ok()
    }

    fn checked(
        facts: &Facts,
        classification: &Classification,
        families: &Families,
        schema: Option<&Schema>,
    ) -> Result<Self, String> {
        let names = NAMES.as_ref().ok_or("names of entity types do not parse")?;
        let list = entities(names, facts, classification, families)?;
        Ok(Self {
            names,
            principal: uid(names.of(facts.principal.kind), &facts.principal.id.to_string()),
            entities: Entities::from_entities(list, schema).map_err(|error| error.to_string())?,
            shared: shared(names, facts, classification),
        })
    }

    fn checked_request(&self, command: &Classified, schema: Option<&Schema>) -> Result<Request, String> {
        let pairs =
            self.shared.iter().cloned().chain(own(command)).map(|(key, value)| (key.to_owned(), value));
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let resource = uid(&self.names.program, &command.program);
        Request::new(self.principal.clone(), self.names.exec.clone(), resource, context, schema)
            .map_err(|error| error.to_string())
    }
}

fn entities(
    names: &Names,
    facts: &Facts,
    classification: &Classification,
    families: &Families,
) -> Result<Vec<Entity>, String> {
    let principal = &facts.principal;
    let own_uid = uid(names.of(principal.kind), &principal.id.to_string());
    let mut list = vec![entity(own_uid, groups(names, &principal.groups, principal.admin))?];
    if let Some(delegator) = &facts.on_behalf_of {
        let person = uid(&names.person, &delegator.id.to_string());
        list.push(entity(person, groups(names, &delegator.groups, delegator.admin))?);
    }
    let programs: BTreeSet<&str> =
        classification.commands.iter().map(|command| command.program.as_str()).collect();
    for program in programs {
        let families = families.get(program).into_iter().flatten();
        let parents = families.map(|family| uid(&names.family, family)).collect();
        list.push(entity(uid(&names.program, program), parents)?);
    }
    Ok(list)
}

fn entity(uid: EntityUid, parents: Vec<EntityUid>) -> Result<Entity, String> {
    Entity::new_with_tags(uid, iter::empty(), parents, iter::empty()).map_err(|error| error.to_string())
}

fn groups(names: &Names, groups: &[String], admin: bool) -> Vec<EntityUid> {
    let admins = admin.then_some(ADMINS);
    groups.iter().map(String::as_str).chain(admins).map(|group| uid(&names.group, group)).collect()
}

/// Members of the context that are the same for every command of the action.
fn shared(names: &Names, facts: &Facts, classification: &Classification) -> Vec<Pair> {
    let hours = facts.at.ms() / 3_600_000;
    let programs = classification.commands.iter().map(|command| command.program.as_str());
    let stdin = match facts.action.stdin {
        Stdin::None => "none",
        Stdin::Terminal => "terminal",
        Stdin::Stream => "stream",
        Stdin::Captured(_) => "captured",
    };
    let mut shared = vec![
        ("kind", text(facts.action.invocation.kind())),
        ("line_tier", tier(classification.tier)),
        ("commands", words(programs)),
        ("cwd", text(&String::from_utf8_lossy(&facts.action.cwd))),
        ("stdin", text(stdin)),
        ("authentication", text(facts.principal.authentication.as_str())),
        ("admin", RestrictedExpression::new_bool(facts.principal.admin)),
        ("dry_run", RestrictedExpression::new_bool(facts.dry_run)),
        ("hour", long(hours % 24)),
        // 1 is Monday; day 0 was a Thursday.
        ("weekday", long((hours / 24 + 3) % 7 + 1)),
    ];
    if let Some(delegator) = &facts.on_behalf_of {
        let person = uid(&names.person, &delegator.id.to_string());
        shared.push(("on_behalf_of", RestrictedExpression::new_entity_uid(person)));
    }
    if let Some(target) = &facts.action.resource {
        shared.push(("target", text(target)));
    }
    shared
}

/// Members of the context that belong to one command.
fn own(command: &Classified) -> [Pair; 7] {
    [
        ("program", text(&command.program)),
        ("subcommand", text(&command.subcommand)),
        ("argv", text(&command.words.join(" "))),
        ("words", words(command.words.iter().map(String::as_str))),
        ("tier", tier(command.tier)),
        ("classified", RestrictedExpression::new_bool(command.classified)),
        ("findings", words(command.findings.iter().map(|finding| finding.code.as_str()))),
    ]
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
