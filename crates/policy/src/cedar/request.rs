//! Facts and classification as Cedar sees them: entities, and one request for each command.
//!
//! The shapes here and in `policies/default/schema.cedarschema` are the same; [`World::conform`]
//! checks a schema against them when it is activated. Of the context, only the members that the
//! policies at hand look at are built: making all of them would cost more than the evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::{Arc, LazyLock};

use cascade_receipt::decision::RiskTier;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::resource::UNKNOWN;
use cascade_receipt::time::Timestamp;
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, ValidationWarning, Validator,
};

use super::index::{Index, Subject};
use super::memo::Memo;
use super::needs::Needs;
use crate::environment::{Environments, UNKNOWN_ID};
use crate::facts::{Facts, PrincipalKind, Stdin};
use crate::gate::ADMINS;
use crate::resource::ResourceKind;
use crate::worker::{Classification, Classified};

/// Families by program: `[families]` of thresholds.toml turned round.
pub(crate) type Families = BTreeMap<String, BTreeSet<String>>;

/// What thresholds.toml names together.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) families: Families,
    pub(crate) environments: Environments,
}

/// Every member of the context, as the schema names them.
pub(super) const MEMBERS: [&str; 29] = [
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
    "date",
    "hour",
    "weekday",
    "repos",
    "clusters",
    "namespaces",
    "databases",
    "hosts",
    "buckets",
    "accounts",
    "environments",
    "subject",
];

/// Members from here on came later; a schema may do without them.
const LATER: usize = 20;

#[derive(Debug)]
struct Names {
    person: EntityTypeName,
    agent: EntityTypeName,
    node: EntityTypeName,
    group: EntityTypeName,
    program: EntityTypeName,
    family: EntityTypeName,
    environment: EntityTypeName,
    subject: EntityTypeName,
    /// In the order of [`ResourceKind::ALL`].
    resources: Vec<EntityTypeName>,
    exec: EntityUid,
    exec_keys: Vec<String>,
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
        environment: kind(ENVIRONMENT)?,
        subject: kind(SUBJECT)?,
        resources: ResourceKind::ALL.into_iter().map(|one| kind(type_of(one))).collect::<Option<_>>()?,
        exec: EntityUid::from_type_name_and_id(kind(ACTION)?, EntityId::new(EXEC)),
        exec_keys: Subject { kind: ACTION, id: EXEC, ancestors: Vec::new() }.satisfies(),
    })
});

const PERSON: &str = "Person";
const AGENT: &str = "Agent";
const NODE: &str = "Node";
const GROUP: &str = "Group";
const PROGRAM: &str = "Program";
const FAMILY: &str = "Family";
const ENVIRONMENT: &str = "Environment";
const SUBJECT: &str = "Subject";
const ACTION: &str = "Action";
const EXEC: &str = "exec";

/// The type of an entity that stands for a resource of this kind.
const fn type_of(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Repo => "Repo",
        ResourceKind::Cluster => "Cluster",
        ResourceKind::Namespace => "Namespace",
        ResourceKind::Database => "Database",
        ResourceKind::Host => "Host",
        ResourceKind::Bucket => "Bucket",
        ResourceKind::Account => "Account",
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// Who and what appear in the requests of an action, with their ancestors.
#[derive(Debug)]
pub(super) struct Cast {
    principal: EntityUid,
    /// What the index knows the principal by: the very ancestors that `entities` holds.
    principal_keys: Vec<String>,
    entities: Entities,
}

/// Everything a cast depends on besides the snapshot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct CastKey {
    kind: PrincipalKind,
    id: PrincipalId,
    groups: Vec<String>,
    delegator: Option<(PrincipalId, Vec<String>)>,
    /// Those that have families.
    programs: BTreeSet<String>,
}

/// The same few principals ask again and again.
pub(super) type Casts = Memo<CastKey, Cast>;

/// What all requests of one action share.
#[derive(Debug)]
pub(crate) struct World<'a> {
    names: &'static Names,
    facts: &'a Facts,
    classification: &'a Classification,
    book: &'a Book,
    cast: Arc<Cast>,
}

impl<'a> World<'a> {
    /// `None` where the facts contradict themselves (one person in two guises).
    pub(super) fn of(
        facts: &'a Facts,
        classification: &'a Classification,
        book: &'a Book,
        casts: &Casts,
    ) -> Option<Self> {
        let names = NAMES.as_ref()?;
        let key = CastKey::of(facts, classification, &book.families);
        let cast = match casts.find(&key) {
            Some(cast) => cast,
            None => {
                let cast = Cast::of(names, &key, &book.families, None).ok()?;
                casts.keep(key, cast)
            }
        };
        Some(Self { names, facts, classification, book, cast })
    }

    /// Checks that a schema describes the entities and requests of these facts. At run time nothing
    /// is checked against the schema again: parsing it would cost more than the rest of a start.
    pub(crate) fn conform(
        schema: &Schema,
        declared: Needs,
        facts: &Facts,
        classification: &Classification,
        book: &Book,
    ) -> Result<(), String> {
        let names = NAMES.as_ref().ok_or("names of entity types do not parse")?;
        let key = CastKey::of(facts, classification, &book.families);
        let cast = Arc::new(Cast::of(names, &key, &book.families, Some(schema))?);
        let world = World { names, facts, classification, book, cast };
        let actions = schema.action_entities().map_err(|error| error.to_string())?;
        // Requests carry no action entities, so a policy on a group of actions would never match.
        if actions.ancestors(&world.names.exec).is_some_and(|mut groups| groups.next().is_some()) {
            return Err("`exec` may not be a member of an action group".to_owned());
        }
        for command in &classification.commands {
            world.checked_request(command, declared, Some(schema))?;
        }
        Ok(())
    }

    pub(crate) fn entities(&self) -> &Entities {
        &self.cast.entities
    }

    /// The policies whose scope the request about this command satisfies.
    pub(crate) fn candidates(&self, index: &Index, command: &Classified) -> Vec<u32> {
        let families = self.book.families.get(&command.program).into_iter().flatten();
        let ancestors = families.map(|family| (FAMILY, family.as_str())).collect();
        let program = Subject { kind: PROGRAM, id: &command.program, ancestors };
        index.candidates(&self.cast.principal_keys, &self.names.exec_keys, &program.satisfies())
    }

    /// The question about one command, with the members of the context that are needed.
    pub(crate) fn request(&self, command: &Classified, needs: Needs) -> Option<Request> {
        self.checked_request(command, needs, None).ok()
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
        Request::new(self.cast.principal.clone(), self.names.exec.clone(), resource, context, schema)
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
            "date" => long(date(facts.at)),
            "hour" => long(hours % 24),
            // 1 is Monday; day 0 was a Thursday.
            "weekday" => long((hours / 24 + 3) % 7 + 1),
            "environments" => {
                let touched = self.book.environments.of(&command.resources);
                entities(&self.names.environment, touched.into_iter())
            }
            "subject" => {
                let id = facts.subject.as_ref()?.id.to_string();
                RestrictedExpression::new_entity_uid(uid(&self.names.subject, &id))
            }
            "repos" => self.resources(command, ResourceKind::Repo),
            "clusters" => self.resources(command, ResourceKind::Cluster),
            "namespaces" => self.resources(command, ResourceKind::Namespace),
            "databases" => self.resources(command, ResourceKind::Database),
            "hosts" => self.resources(command, ResourceKind::Host),
            "buckets" => self.resources(command, ResourceKind::Bucket),
            "accounts" => self.resources(command, ResourceKind::Account),
            _ => return None,
        })
    }
}

impl World<'_> {
    fn resources(&self, command: &Classified, kind: ResourceKind) -> RestrictedExpression {
        let types = ResourceKind::ALL.into_iter().zip(&self.names.resources);
        let own = types.into_iter().find(|(own, _)| *own == kind).map(|(_, name)| name);
        let named = command.resources.iter().filter(|resource| resource.kind == kind);
        let named = named.map(|resource| resource.name.as_str());
        own.map_or_else(|| words(iter::empty()), |own| entities(own, named))
    }
}

/// The members that a schema declares: every first one, and of the later ones those that it knows. A policy can only
/// look at what its schema declares.
pub(crate) fn declared(schema: &Schema) -> Needs {
    let later = || MEMBERS.iter().skip(LATER);
    let asks = |name: &&str| {
        let text = format!(
            "permit (principal, action, resource) when {{ context has {name} && [context.{name}] == [context.{name}] }};"
        );
        Policy::parse(Some(PolicyId::new(name)), text).ok()
    };
    let Ok(set) = PolicySet::from_policies(later().filter_map(asks)) else { return Needs::ALL };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    // Of a member that does not exist the validator says that such a policy can never apply.
    let unknown = result.validation_warnings().filter_map(|warning| match warning {
        ValidationWarning::ImpossiblePolicy(warning) => Some(warning.policy_id()),
        _ => None,
    });
    unknown.fold(Needs::ALL, |needs, id| needs.without(id.as_ref()))
}

impl CastKey {
    fn of(facts: &Facts, classification: &Classification, families: &Families) -> Self {
        let programs = classification.commands.iter().map(|command| &command.program);
        Self {
            kind: facts.principal.kind,
            id: facts.principal.id,
            groups: groups(&facts.principal.groups, facts.principal.admin),
            delegator: facts
                .on_behalf_of
                .as_ref()
                .map(|person| (person.id, groups(&person.groups, person.admin))),
            programs: programs.filter(|program| families.contains_key(*program)).cloned().collect(),
        }
    }
}

impl Cast {
    /// Only entities that have parents are listed. Cedar takes one that it does not find for an
    /// entity without parents and attributes.
    fn of(
        names: &Names,
        key: &CastKey,
        families: &Families,
        schema: Option<&Schema>,
    ) -> Result<Self, String> {
        let (kind_name, kind) = match key.kind {
            PrincipalKind::Person => (PERSON, &names.person),
            PrincipalKind::Agent => (AGENT, &names.agent),
            PrincipalKind::Node => (NODE, &names.node),
        };
        let id = key.id.to_string();
        let principal = uid(kind, &id);
        let mut list = Vec::new();
        push(&mut list, principal.clone(), &names.group, &key.groups)?;
        if let Some((id, groups)) = &key.delegator {
            let person = uid(&names.person, &id.to_string());
            if person == principal {
                return Err("a person cannot act on their own behalf".to_owned());
            }
            push(&mut list, person, &names.group, groups)?;
        }
        for program in &key.programs {
            let families = families.get(program).into_iter().flatten();
            push(&mut list, uid(&names.program, program), &names.family, families)?;
        }
        let ancestors = key.groups.iter().map(|group| (GROUP, group.as_str())).collect();
        let principal_keys = Subject { kind: kind_name, id: &id, ancestors }.satisfies();
        let entities = Entities::from_entities(list, schema).map_err(|error| error.to_string())?;
        Ok(Self { principal, principal_keys, entities })
    }
}

fn push<'a>(
    list: &mut Vec<Entity>,
    own: EntityUid,
    kind: &EntityTypeName,
    parents: impl IntoIterator<Item = &'a String>,
) -> Result<(), String> {
    let parents: Vec<EntityUid> = parents.into_iter().map(|id| uid(kind, id)).collect();
    if !parents.is_empty() {
        let entity = Entity::new_with_tags(own, iter::empty(), parents, iter::empty());
        list.push(entity.map_err(|error| error.to_string())?);
    }
    Ok(())
}

fn groups(groups: &[String], admin: bool) -> Vec<String> {
    groups.iter().cloned().chain(admin.then(|| ADMINS.to_owned())).collect()
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

/// Names as ids. Cedar wants printable ASCII in the ids of policies, so what cannot be known is written `?` there.
fn entities<'a>(kind: &EntityTypeName, ids: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    let id = |id: &str| uid(kind, &id.replace(UNKNOWN, UNKNOWN_ID));
    RestrictedExpression::new_set(ids.map(|own| RestrictedExpression::new_entity_uid(id(own))))
}

fn long(number: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The day as a number whose order is that of days: 20261224.
fn date(at: Timestamp) -> u64 {
    let text = at.to_string();
    let digits = text.bytes().take(10).filter(u8::is_ascii_digit);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
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
