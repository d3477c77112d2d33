//! Whether a request is of this machine itself, as far as its head tells: a proxy speaks for others, and so does a browser.
//! A proxy that says nothing of itself and names this service as it was told to is not told apart.

use std::net::Ipv4Addr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// What proxies and browsers say of those whom they speak for.
const SPEAKS_FOR: [&str; 9] = [
    "forwarded",
    "via",
    "origin",
    "sec-fetch-site",
    "x-real-ip",
    "x-client-ip",
    "x-original-host",
    "true-client-ip",
    "cf-connecting-ip",
];
/// The same, whatever follows.
const SPEAKS_FOR_PREFIX: &str = "x-forwarded";

/// Whether whoever sent this speaks for somebody else, or calls this service by a name that is none of this machine.
pub(super) fn speaks_for_others(parts: &Parts) -> bool {
    let named = parts.uri.host().or_else(|| host(&parts.headers));
    says_so(&parts.headers) || !named.is_none_or(is_loopback)
}

fn says_so(headers: &HeaderMap) -> bool {
    let mut names = headers.keys().map(header::HeaderName::as_str);
    names.any(|name| SPEAKS_FOR.contains(&name) || name.starts_with(SPEAKS_FOR_PREFIX))
}

/// What the request calls this service; a header that cannot be read is no name of this machine.
fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST).map(|value| value.to_str().unwrap_or("?"))
}

fn is_loopback(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, port) = bracketed.unwrap_or_else(|| host.split_at(host.find(':').unwrap_or(host.len())));
    let is_port = port.strip_prefix(':').map_or(port.is_empty(), |port| port.parse::<u16>().is_ok());
    let is_name = match bracketed {
        Some(_) => name == "::1",
        None => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<Ipv4Addr>().is_ok_and(|one| one.is_loopback())
        }
    };
    is_name && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_and_others() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:7711", "127.9.9.9", "[::1]", "[::1]:65535"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.nip.io",
            "[::2]",
            "[::1]x",
            "",
            "::1",
            "127.0.0.1:x",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn whoever_speaks_for_others_says_so() {
        for (name, says) in [
            ("via", true),
            ("x-forwarded-proto", true),
            ("x-forwarded-for", true),
            ("x-request-id", false),
            ("accept", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::HeaderName::from_static(name), "1".parse().unwrap())]);
            assert_eq!(says_so(&headers), says, "{name}");
        }
    }
}
