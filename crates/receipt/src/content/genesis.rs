//! What the first receipt of a chain holds.

use alloc::string::String;
use alloc::vec::Vec;

use crate::base64;
use crate::id::{KeyId, PrincipalId};
use crate::member::Members;

/// A key named in `genesis`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GenesisKey {
    /// Its id.
    pub key_id: KeyId,
    /// Raw Ed25519 public key.
    pub public_key: [u8; 32],
}

/// The first administrator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admin {
    /// Who.
    pub principal: PrincipalId,
    /// Public SSH key in `authorized_keys` form without its comment, which may be a name.
    pub ssh_key: String,
}

/// `genesis`.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Signs receipts.
    pub receipt: GenesisKey,
    /// Signs checkpoints.
    pub log: GenesisKey,
    /// Takes keys back; kept offline.
    pub recovery: GenesisKey,
    /// Who may add keys, people and policies.
    pub admins: Vec<Admin>,
}

impl Genesis {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("admins", |out| {
            out.array(|out| {
                for admin in &self.admins {
                    out.item().object(|out| {
                        out.key("principal").spelled(&admin.principal);
                        out.key("ssh_key").str(&admin.ssh_key);
                    });
                }
            });
        });
        to.add("keys", |out| {
            out.object(|out| {
                for (purpose, key) in
                    [("log", &self.log), ("receipt", &self.receipt), ("recovery", &self.recovery)]
                {
                    let name: &'static str = match purpose {
                        "log" => "log",
                        "receipt" => "receipt",
                        _ => "recovery",
                    };
                    out.key(name).object(|out| {
                        out.key("key_id").str(key.key_id.as_str());
                        out.key("public_key").str(&base64::encode(&key.public_key));
                    });
                }
            });
        });
    }
}
