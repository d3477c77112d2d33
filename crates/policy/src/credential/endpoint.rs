//! Where a key for a language model may go: scheme, host and port, nothing else.

/// Longest endpoint, in bytes.
pub const ENDPOINT_BYTES_MAX: usize = 300;
/// Longest host name, in bytes (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

/// Where a language model is asked: `https://api.example.com`, `http://127.0.0.1:8080`. Without TLS only this machine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
}

/// What is wrong with an endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EndpointFault {
    /// Not of the form.
    #[error("`{0}` is no endpoint: https://HOST or https://HOST:PORT, without a path")]
    Form(String),
    /// No TLS to another machine.
    #[error("`{0}` has no TLS, and only this machine (127.0.0.1, [::1], localhost) may be spoken to without")]
    Plain(String),
}

impl Endpoint {
    /// Reads an endpoint; a bare host with a dot in it means HTTPS.
    ///
    /// # Errors
    /// See [`EndpointFault`].
    pub fn parse(text: &str) -> Result<Self, EndpointFault> {
        let form = || EndpointFault::Form(text.chars().take(ENDPOINT_BYTES_MAX).collect());
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            // Without a dot it is a mistyped word, not somebody's host.
            None if text.contains('.') => (true, text),
            _ => return Err(form()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if text.len() > ENDPOINT_BYTES_MAX {
            return Err(form());
        }
        let (host, port) = split_port(rest).ok_or_else(form)?;
        if !is_host(host) {
            return Err(form());
        }
        let endpoint = Self {
            tls,
            host: host.to_ascii_lowercase(),
            port: match port {
                Some(port) => port_number(port).ok_or_else(form)?,
                None if tls => 443,
                None => 80,
            },
        };
        if !tls && !endpoint.is_loopback() {
            return Err(EndpointFault::Plain(endpoint.to_string()));
        }
        Ok(endpoint)
    }

    /// Whether it is spoken to with TLS.
    #[must_use]
    pub const fn tls(&self) -> bool {
        self.tls
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the `Host` header spells them: the port unless it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let own = if self.tls { 443 } else { 80 };
        if self.port == own { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Whether it is this machine. A name that somebody resolves is taken for it only when it is `localhost`, which
    /// resolvers must not ask anybody about (RFC 6761).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host().parse::<core::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl core::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Host with its brackets, and the port if one is given.
fn split_port(rest: &str) -> Option<(&str, Option<&str>)> {
    if rest.starts_with('[') {
        let (inner, after) = rest.split_at(rest.find(']')? + 1);
        return match after.strip_prefix(':') {
            Some(port) => Some((inner, Some(port))),
            None => after.is_empty().then_some((inner, None)),
        };
    }
    Some(rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))))
}

fn port_number(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| plain && *port != 0)
}

/// An address, or letters, digits and inner hyphens between dots. Numbers that a resolver might read as an address
/// (`0x7f.1`, `2130706433`) are no host: the last label must not begin with a digit unless all of it is an address.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<core::net::Ipv6Addr>().is_ok();
    }
    if host.parse::<core::net::Ipv4Addr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let named = !last.starts_with(|first: char| first.is_ascii_digit());
    named && host.len() <= HOST_BYTES_MAX && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_and_what_is_none() {
        for (text, expected) in [
            ("https://api.example.com", "https://api.example.com"),
            ("API.Example.com", "https://api.example.com"),
            ("https://api.example.com:443/", "https://api.example.com"),
            ("https://api.example.com:8443", "https://api.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost", "http://localhost"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), expected);
        }
        let long = format!("https://{}.com", "a".repeat(ENDPOINT_BYTES_MAX));
        for text in [
            "",
            "https://",
            "ftp://example.com",
            "antropic",
            "https://example.com/v1",
            "https://user@example.com",
            "https://user:pass@example.com",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:+80",
            "https://exa mple.com",
            "https://example..com",
            "https://-a.com",
            "https://example.com?x",
            "https://example.com#x",
            "https://[::1",
            "http://2130706433",
            "http://0x7f.1",
            long.as_str(),
        ] {
            assert!(matches!(Endpoint::parse(text), Err(EndpointFault::Form(_))), "{text}");
        }
    }

    #[test]
    fn without_tls_only_this_machine() {
        for text in [
            "http://example.com",
            "http://10.0.0.1:80",
            "http://0.0.0.0",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
        ] {
            assert!(matches!(Endpoint::parse(text), Err(EndpointFault::Plain(_))), "{text}");
        }
        assert!(Endpoint::parse("http://127.8.9.1").unwrap().is_loopback());
        assert!(!Endpoint::parse("https://example.com").unwrap().is_loopback());
    }
}
