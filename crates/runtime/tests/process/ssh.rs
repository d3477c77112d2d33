//! Signatures against the real `ssh-keygen` and `ssh-agent`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cascade_runtime::ssh::{PublicIdentity, Source, SshError, candidates, generate, sign, sign_with};

use crate::kit::{Tests, until};

const NAMESPACE: &str = "cascade-approval@v1";
const PAYLOAD: &[u8] = br#"{"verdict":"approve"}"#;

pub(crate) fn tests() -> Tests {
    vec![
        (
            "ssh_keygen_accepts_signatures_of_files_and_agent",
            ssh_keygen_accepts_signatures_of_files_and_agent,
        ),
        ("made_keys_are_private_and_usable_and_never_replace_others", made_keys),
        ("refusals_say_what_to_do", refusals_say_what_to_do),
    ]
}

fn keygen(dir: &Path, name: &str, arguments: &[&str], passphrase: &str) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-C", name, "-N", passphrase, "-f"])
        .arg(dir.join(name))
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success());
}

/// What a stranger does with the signature.
fn ssh_keygen_accepts(dir: &Path, public: &str, namespace: &str, payload: &[u8], signature: &str) -> bool {
    fs::write(dir.join("allowed"), format!("someone {public}\n")).unwrap();
    fs::write(dir.join("signature"), signature).unwrap();
    fs::write(dir.join("payload"), payload).unwrap();
    Command::new("ssh-keygen")
        .args(["-Y", "verify", "-I", "someone", "-n", namespace, "-f"])
        .arg(dir.join("allowed"))
        .arg("-s")
        .arg(dir.join("signature"))
        .stdin(File::open(dir.join("payload")).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

struct Agent(Child, PathBuf);

impl Agent {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child =
            Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let agent = Self(child, socket);
        until("the agent", || std::os::unix::net::UnixStream::connect(&agent.1).is_ok());
        agent
    }

    fn add(&self, key: &Path) {
        let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.1).status();
        assert!(added.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn ssh_keygen_accepts_signatures_of_files_and_agent() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    keygen(dir, "id_ed25519", &["-t", "ed25519"], "");
    keygen(dir, "id_ecdsa", &["-t", "ecdsa", "-b", "384"], "");
    keygen(dir, "id_rsa", &["-t", "rsa", "-b", "3072"], "");
    keygen(dir, "id_locked", &["-t", "ed25519"], "open sesame");
    keygen(dir, "other", &["-t", "ed25519"], "");
    fs::write(dir.join("id_orphan.pub"), fs::read(dir.join("other.pub")).unwrap()).unwrap();
    fs::write(dir.join("id_broken.pub"), "ssh-ed25519 AAAA").unwrap();
    fs::write(dir.join("id_broken"), "").unwrap();

    let files = candidates(dir, None);
    let comments: Vec<&str> = files.iter().map(|identity| identity.key.comment()).collect();
    assert_eq!(comments, ["id_ecdsa", "id_ed25519", "id_locked", "id_rsa"]);
    let agent = Agent::start(dir);
    assert_eq!(candidates(dir, Some(&agent.1)), files);
    assert_eq!(candidates(dir, Some(&dir.join("nobody"))), files);
    agent.add(&dir.join("id_rsa"));
    agent.add(&dir.join("id_ecdsa"));
    agent.add(&dir.join("other"));
    let all = candidates(dir, Some(&agent.1));
    assert_eq!(all.len(), 5);
    let in_agent = |identity: &PublicIdentity| matches!(identity.source, Source::Agent(_));
    assert_eq!(all.iter().filter(|identity| in_agent(identity)).count(), 3);

    for identity in files.iter().chain(&all) {
        let mut asked = Vec::new();
        let mut passphrase = |path: &Path| {
            asked.push(path.to_owned());
            Some(if asked.len() == 1 { "wrong".to_owned() } else { "open sesame".to_owned() })
        };
        let signature = sign_with(identity, NAMESPACE, PAYLOAD, &mut passphrase).unwrap();
        assert_eq!(asked.len(), if identity.key.comment() == "id_locked" { 2 } else { 0 });
        let public = identity.key.to_openssh().unwrap();
        assert!(ssh_keygen_accepts(dir, &public, NAMESPACE, PAYLOAD, &signature), "{public}");
        assert!(!ssh_keygen_accepts(dir, &public, "cascade-spec@v1", PAYLOAD, &signature));
        assert!(!ssh_keygen_accepts(dir, &public, NAMESPACE, b"{}", &signature));
    }
}

fn made_keys() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let path = dir.join("id_cascade");
    let public = generate(&path, "cascade admin").unwrap();
    assert_eq!(fs::read_to_string(dir.join("id_cascade.pub")).unwrap().trim(), public);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let derived = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&path).output().unwrap();
    assert_eq!(String::from_utf8(derived.stdout).unwrap().trim(), public);

    let registered = public.parse().unwrap();
    let signature = sign(&registered, NAMESPACE, PAYLOAD, dir, None, &mut |_| None).unwrap();
    assert!(ssh_keygen_accepts(dir, &public, NAMESPACE, PAYLOAD, &signature));

    let before = fs::read(&path).unwrap();
    assert!(matches!(generate(&path, "again"), Err(SshError::Exists(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
}

fn refusals_say_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    keygen(dir, "id_locked", &["-t", "ed25519"], "open sesame");
    let locked = candidates(dir, None).remove(0);
    let mut tries = 0;
    let refused = sign_with(&locked, NAMESPACE, PAYLOAD, &mut |_| {
        tries += 1;
        Some("wrong".to_owned())
    });
    assert!(matches!(refused, Err(SshError::Locked(_))));
    assert_eq!(tries, 3);
    let refused = sign_with(&locked, NAMESPACE, PAYLOAD, &mut |_| None);
    assert!(refused.unwrap_err().to_string().contains("ssh-add"));
    // The private file was replaced by another key; the public one was left.
    keygen(dir, "other", &["-t", "ed25519"], "");
    fs::rename(dir.join("other"), dir.join("id_locked")).unwrap();
    let refused = sign(&locked.key, NAMESPACE, PAYLOAD, dir, None, &mut |_| None);
    assert!(matches!(refused, Err(SshError::OtherKey(_))), "{refused:?}");
}
