//! Keys and signatures of people: PEM, SSH keys, SSHSIG.

use cascade_receipt::pem;
use cascade_receipt::sshsig::{SshKey, without_comment};

pub(crate) fn pem(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(key) = pem::read(text) else { return };
    let written = pem::write(&key);
    assert_eq!(pem::read(&written), Ok(key));
    // Text around the block does not matter.
    assert_eq!(pem::read(&format!("before\n{written}after\n")), Ok(key));
}

pub(crate) fn ssh_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(key) = SshKey::accept(text) else { return };
    assert!(!text.contains(['\n', '\r', '\0']) && text.split(' ').count() == 2, "one spelling, no comment");
    let parsed = ssh(text);
    assert_eq!(without_comment(&parsed).as_deref(), Ok(text));
    assert!(SshKey::accept(&format!("{text} somebody")).is_err());
    assert!(key.verify("n", b"m", "").is_err());
}

fn ssh(text: &str) -> ssh_key::PublicKey {
    ssh_key::PublicKey::from_openssh(text).expect("what is accepted is a key")
}

/// A key, an empty line, a message, an empty line, the armour.
pub(crate) fn sshsig(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut parts = text.splitn(3, "\n\n");
    let (Some(key), Some(message), Some(armour)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Ok(key) = SshKey::accept(key) else { return };
    for namespace in ["cascade-approval@v1", "cascade-admin@v1", "cascade-spec@v1", "cascade-policy@v1"] {
        if key.verify(namespace, message.as_bytes(), armour).is_ok() {
            assert!(key.verify(namespace, format!("{message} ").as_bytes(), armour).is_err());
            assert!(key.verify("cascade-other@v1", message.as_bytes(), armour).is_err());
            assert!(key.verify(namespace, message.as_bytes(), "").is_err());
        }
    }
}
