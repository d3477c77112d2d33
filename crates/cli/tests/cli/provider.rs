//! An OpenID provider that was not written here, on loopback, and what it would never sign.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::site::{Site, finish};

/// Whom its tokens are for.
pub(crate) const AUDIENCE: &str = "cascade";

/// A provider that runs.
pub(crate) struct Provider {
    child: Child,
    pub(crate) url: String,
    keys: PathBuf,
}

impl Provider {
    /// One on a free port, with new keys.
    pub(crate) fn start(site: &Site) -> Self {
        Self::at(site, "0", "first")
    }

    /// The same issuer after this one is gone, with the keys of this name.
    pub(crate) fn again(self, site: &Site, keys: &str) -> Self {
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        drop(self);
        Self::at(site, &port, keys)
    }

    fn at(site: &Site, port: &str, keys: &str) -> Self {
        let keys = site.path(keys);
        let mut command = script(site, "issuer.js");
        command.arg(port).arg(&keys).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { child, url: url.trim().to_owned(), keys }
    }

    /// What it gives a client that asks for a token.
    pub(crate) fn token(&self, site: &Site, client: &str, algorithm: &str) -> String {
        let (user, resource) =
            (format!("{client}:{client}-secret"), format!("resource=https://cascade.test/{algorithm}"));
        let url = format!("{}/token", self.url);
        let told = site
            .set("curl", &["-sS", "-u", &user, "-d", "grant_type=client_credentials", "-d", &resource, &url]);
        told.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", told.stdout)).to_owned()
    }

    /// Its public keys, as it shows them.
    pub(crate) fn jwks(&self, site: &Site) -> String {
        site.set("curl", &["-sS", &format!("{}/jwks", self.url)]).stdout
    }

    /// Claims of a token that would be good.
    pub(crate) fn claims(&self) -> Value {
        let now = now();
        json!({"iss": self.url, "aud": AUDIENCE, "sub": "builder", "iat": now, "exp": now + 600})
    }

    /// Tokens as they are asked for: `alg`, and `kid`, `head`, `claims` where they differ.
    pub(crate) fn forged(&self, site: &Site, requests: &[Value]) -> Vec<String> {
        let whole = |request: &Value| {
            let mut request = request.clone();
            let mut claims = self.claims();
            if let Some(other) = request["claims"].as_object() {
                claims.as_object_mut().unwrap().extend(other.clone());
            }
            request["claims"] = claims;
            request.to_string()
        };
        let input: Vec<String> = requests.iter().map(whole).collect();
        let mut command = script(site, "forge.js");
        command.arg(&self.keys);
        let done = finish(command, input.join("\n").as_bytes()).expect(0);
        let tokens: Vec<String> = done.stdout.lines().map(str::to_owned).collect();
        assert_eq!(tokens.len(), requests.len(), "{}", done.stderr);
        tokens
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A script beside the packages that `cargo xtask tools` installs.
fn script(site: &Site, name: &str) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_cascade"));
    let packages = built.ancestors().nth(2).unwrap().join("issuer/node_modules");
    assert!(packages.is_dir(), "`{}` is missing: run `cargo xtask tools`", packages.display());
    let folder = site.path("issuer");
    if !folder.exists() {
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(packages, folder.join("node_modules")).unwrap();
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/issuer");
    for file in ["package.json", name] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let mut command = site.program("node");
    command.arg(folder.join(name));
    command
}
