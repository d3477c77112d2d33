//! What a call acts on, as its words and variables name it.
//!
//! Nothing slips through: what the call acts on and cannot be named is listed as `…`, and so is what another word or
//! variable could lead elsewhere. Nothing here looks at a file; where a default stands in one, the name is `…` until
//! the action says what was found.

use std::collections::BTreeSet;

use super::call::{Argument, Call, Value};
use super::grammar::Source;
use super::manifest::Reading;
use super::named::{self, Named, Target};
use super::scene::{Environment, Scene};
use super::word::Word;
use crate::resource::{Place, Resource, ResourceKind};

/// Most resources of one call. One more, and each of its kinds is `…`.
pub(super) const RESOURCES_MAX: usize = 64;

/// What earlier calls of the line mean for this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Astray {
    /// Variables may have another value than the one that is known.
    pub(super) variables: bool,
    /// Remotes of repositories may lead elsewhere.
    pub(super) remotes: bool,
}

/// Everything that the call `name` acts on, and where names stand that are missing.
pub(super) fn touched(
    name: &str,
    call: &Call<'_>,
    scene: &Scene<'_>,
    astray: Astray,
) -> (Vec<Resource>, Vec<Place>) {
    let mut sought = Vec::new();
    let mut found: BTreeSet<Resource> = scene.beyond.iter().cloned().collect();
    let asks_help = call.help && call.given.is_empty() && call.arguments.is_empty() && call.inner.is_none();
    if !asks_help {
        // Of a subcommand that is not known, any of them may be true.
        let lost = call.unresolved.subcommand || call.unknown_command.is_some();
        let about = |source: &&Source| {
            let named = source.programs.is_empty() || source.programs.iter().any(|own| own == name);
            source.is_about(name, &call.path) || (lost && named)
        };
        for source in call.worker.resources.iter().filter(about) {
            let look = Look { source, call, env: scene.env, astray, lost };
            let (named, place) = look.named();
            sought.extend(place);
            found.extend(named.into_iter().map(|(kind, name)| match name {
                Some(name) => Resource { kind, name },
                None => Resource::unknown(kind),
            }));
        }
    }
    if found.len() > RESOURCES_MAX {
        let kinds: BTreeSet<ResourceKind> = found.iter().map(|resource| resource.kind).collect();
        return (kinds.into_iter().map(Resource::unknown).collect(), Vec::new());
    }
    (found.into_iter().collect(), sought)
}

/// One source of names, asked about one call.
struct Look<'a> {
    source: &'a Source,
    call: &'a Call<'a>,
    env: &'a Environment<'a>,
    astray: Astray,
    lost: bool,
}

/// A text that names something; `None` where it cannot be known.
type Said = Option<String>;

impl Look<'_> {
    fn named(&self) -> (Vec<Named>, Option<Place>) {
        let source = self.source;
        let mut said = self.said();
        let mut sure = !self.is_led_elsewhere() && !self.hides_one();
        if said.is_empty() {
            said = self.variables(&source.env);
            sure &= (source.env.is_empty() && source.default.is_none()) || !self.astray.variables;
        }
        let nothing = said.is_empty();
        let database = source.reading == Reading::Database;
        let mut named = if database && (source.always || !nothing) {
            self.databases(&said)
        } else {
            said.iter().flat_map(|text| self.read(text.as_deref())).collect()
        };
        let open = nothing && (source.always || self.lost);
        if (open && !database) || !sure {
            named.push((source.kind, None));
        }
        if database && !sure {
            named.push((ResourceKind::Host, None));
        }
        (named, source.default.filter(|_| nothing && sure && !self.lost && source.always))
    }

    /// Texts of the words that name it.
    fn said(&self) -> Vec<Said> {
        let (source, call) = (self.source, self.call);
        let mut said = self.options(&source.options);
        let argument = |argument: &Argument<'_>| named::text_of(argument.word);
        said.extend(source.at.and_then(|at| call.arguments.get(at)).map(argument));
        if let Some(from) = source.from {
            said.extend(call.arguments.iter().skip(from).map(argument));
        }
        said
    }

    fn options(&self, options: &[(String, Option<String>)]) -> Vec<Said> {
        let mut said = Vec::new();
        for given in self.call.given.iter().filter(|given| !given.taken_back) {
            let of = options.iter().filter(|(name, _)| given.names.contains(&name.as_str()));
            for (_, key) in of {
                let text = match given.value {
                    Value::Attached(text) => Some(text.to_owned()),
                    Value::Word(word) => named::text_of(word),
                    // A flag of the same name at another place.
                    Value::None => continue,
                    Value::Words(_) => None,
                };
                match (key, text) {
                    (Some(key), Some(text)) => said.extend(value_of(key, &text)),
                    (_, text) => said.push(text),
                }
            }
        }
        said
    }

    /// The values of the first of these variables that is set.
    fn variables(&self, names: &[String]) -> Vec<Said> {
        let values = |name: &String| -> Vec<Said> {
            let own = self.env.iter().filter(|variable| variable.name == *name);
            let set = own.filter(|variable| variable.value.known() != Some(""));
            let mut values: Vec<Said> = set.map(|variable| named::text_of(&variable.value)).collect();
            values.dedup();
            values
        };
        names.iter().map(values).find(|values| !values.is_empty()).unwrap_or_default()
    }

    fn read(&self, text: Option<&str>) -> Vec<Named> {
        let (source, astray) = (self.source, self.astray.remotes);
        let Some(text) = text else { return vec![(source.kind, None)] };
        match source.reading {
            // The name of a remote says nothing of where it leads.
            Reading::Repo if !text.contains(['/', ':']) => vec![(source.kind, None)],
            Reading::Repo if astray && self.call.path.first() != Some(&"remote") => {
                vec![(source.kind, None), (ResourceKind::Host, None)]
            }
            Reading::Forge => self.forge(text),
            Reading::Name if !text.contains("://") => {
                let before = self.source.usual.as_deref().unwrap_or_default();
                vec![(source.kind, named::name(text).map(|name| format!("{before}{name}")))]
            }
            reading => named::read(reading, source.kind, text),
        }
    }

    fn forge(&self, text: &str) -> Vec<Named> {
        let bare = !text.contains(':') && text.matches('/').count() < 2;
        let named = named::read(Reading::Forge, self.source.kind, text);
        if !bare {
            return named;
        }
        let servers = self.servers();
        let servers: Vec<Option<String>> =
            if servers.is_empty() { vec![self.source.usual.clone()] } else { servers };
        let of = |name: &Option<String>| -> Vec<Named> {
            let join = |server: &Option<String>| {
                let name =
                    server.as_ref().zip(name.as_ref()).map(|(server, name)| format!("{server}/{name}"));
                [(self.source.kind, name), (ResourceKind::Host, server.clone())]
            };
            servers.iter().flat_map(join).collect()
        };
        named.iter().flat_map(|(_, name)| of(name)).collect()
    }

    /// Hosts that words name, or else variables.
    fn servers(&self) -> Vec<Option<String>> {
        let options: Vec<_> = self.source.host_options.iter().map(|name| (name.clone(), None)).collect();
        let mut said = self.options(&options);
        if said.is_empty() {
            said = self.variables(&self.source.host_env);
        }
        let servers = said.iter().flat_map(|text| match text {
            Some(text) => text.split(',').map(named::server).collect(),
            None => vec![None],
        });
        servers.collect()
    }

    /// Each database at each host, and the hosts themselves.
    fn databases(&self, said: &[Said]) -> Vec<Named> {
        let servers = self.servers();
        let mut named = Vec::new();
        let nameless = [None];
        for text in if said.is_empty() { &nameless[..] } else { said } {
            let target = text.as_deref().map(named::database);
            let known = target.is_some() || said.is_empty();
            let target = target.unwrap_or_default();
            let Target { mut hosts, name } = target;
            hosts.extend(servers.iter().cloned());
            if hosts.is_empty() {
                hosts.push(self.source.usual.clone());
            }
            // A word that cannot be known may be an address, which beats what the options say.
            if !known {
                hosts.push(None);
            }
            for host in hosts {
                let unknown = || cascade_receipt::resource::UNKNOWN.to_owned();
                let whole = host.is_some() || name.is_some();
                let (server, own) =
                    (host.clone().unwrap_or_else(unknown), name.clone().unwrap_or_else(unknown));
                named.push((self.source.kind, whole.then(|| format!("{server}/{own}"))));
                named.push((ResourceKind::Host, host));
            }
        }
        named
    }

    /// A word that cannot be known may be one of the options, or more words than one.
    fn hides_one(&self) -> bool {
        let call = self.call;
        let options = !self.source.options.is_empty() || !self.source.host_options.is_empty();
        let words = self.source.at.is_some() || self.source.from.is_some();
        let option = |argument: &Argument<'_>| {
            !argument.after_dashes
                && match argument.word {
                    Word::Known(_) => false,
                    Word::One { before, .. } => before.is_empty() || before.starts_with('-'),
                    Word::Glob(text) => text.starts_with(['*', '?', '[', '-']),
                    Word::Around(_) | Word::Unknown => true,
                }
        };
        (options && call.arguments.iter().any(option)) || ((options || words) && call.unresolved.many)
    }

    fn is_led_elsewhere(&self) -> bool {
        let set = |name: &String| {
            self.env.iter().any(|variable| {
                variable.name == *name && !variable.ambient && variable.value.known() != Some("")
            })
        };
        let hidden = |name: &String| !self.variables(std::slice::from_ref(name)).is_empty();
        self.call.mentions(&self.source.elsewhere)
            || self.source.elsewhere_env.iter().any(set)
            || self.source.hidden_by.iter().any(hidden)
    }
}

/// The value behind `key=` or `key `, where it is this key; all of it may be unknown.
fn value_of(key: &str, text: &str) -> Option<Said> {
    let (own, value) = text.split_once(['=', ' ']).unwrap_or((text, ""));
    if own.contains('…') {
        return Some(None);
    }
    own.trim().eq_ignore_ascii_case(key).then(|| Some(value.trim().to_owned()))
}
