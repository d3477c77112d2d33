//! Gate 2: we know who acts, and the credential is alive.

use super::Answer;
use crate::facts::{Authentication, Principal, PrincipalKind};

pub(super) fn answer(principal: &Principal) -> Answer {
    let mut answer = Answer::pass();
    match principal.authentication {
        Authentication::None => answer.deny("identity.unauthenticated"),
        // Markers are set by whoever starts a process. They may turn a person into an agent, which
        // has fewer rights; they prove nothing else.
        Authentication::EnvironmentMarker if principal.kind != PrincipalKind::Agent => {
            answer.deny("identity.marker");
        }
        Authentication::EnvironmentMarker
        | Authentication::OsUser
        | Authentication::Token
        | Authentication::Jwt
        | Authentication::Mtls => {}
    }
    if !principal.alive {
        answer.deny("identity.revoked");
    }
    answer
}
