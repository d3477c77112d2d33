//! Calls that look like harmful ones and are not: a rule that spares them leaves them to a milder one.

use super::call::{Call, Given};
use super::manifest::Spares;
use super::place::{Location, Place, places};
use super::unfold::looked_for;

/// Is this call of the kind?
pub(super) fn is_spared(spares: Spares, call: &Call<'_>, directory: &Location) -> bool {
    let whole = call.unknown_option.is_none()
        && !call.unresolved.any
        && call.arguments.iter().all(|argument| argument.word.known().is_some());
    whole
        && match spares {
            Spares::Rebuilt => finds_rebuilt(call, directory),
            Spares::Below => {
                let below = |text: &str| is_below(directory, text, false);
                call.arguments.len() == 2
                    && call.arguments.iter().filter_map(|argument| argument.word.known()).all(below)
            }
        }
}

/// Does it look below the working directory, and for names that builds make anew alone? An option that is not known to
/// narrow the search may widen it (`-o`, `-files0-from`, `-L`).
fn finds_rebuilt(call: &Call<'_>, directory: &Location) -> bool {
    let narrows = |given: &Given<'_>| given.names.iter().all(|name| NARROWING.contains(name));
    let below = |text: &str| is_below(directory, text, true);
    let named = looked_for(call).is_some_and(|name| REBUILT.contains(&name));
    let starts: Vec<&str> = call.arguments.iter().filter_map(|argument| argument.word.known()).collect();
    let here = if starts.is_empty() { below(".") } else { starts.into_iter().all(below) };
    named && here && call.given.iter().all(narrows)
}

/// In the working directory, and not in what programs obey, git's store or among secrets.
fn is_below(directory: &Location, text: &str, whole: bool) -> bool {
    let place = places(directory, text);
    let other = [Place::Outside, Place::Vcs, Place::Startup, Place::Secret, Place::Unknown, Place::Remote];
    (place.has(Place::Inside) || (whole && place.has(Place::Whole)))
        && !other.into_iter().any(|other| place.has(other))
}

/// Names that compilers and interpreters make again.
const REBUILT: &[&str] = &["*.pyc", "*.pyo", "*.o", "*.obj", "*.class", "*.gcda", "*.gcno", ".DS_Store"];
/// Options of find that let fewer files through, or show what is found.
const NARROWING: &[&str] = &[
    "-name",
    "-iname",
    "-type",
    "-maxdepth",
    "-mindepth",
    "-mtime",
    "-mmin",
    "-newer",
    "-size",
    "-empty",
    "-xdev",
    "-mount",
    "-depth",
    "-print",
    "-delete",
    "-P",
];
