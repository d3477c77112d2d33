//! People's SSH keys and signatures from fixed seeds.

use cascade_receipt::content::{Admin, Signature};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::sshsig;
use sha2::{Digest as _, Sha256};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::public::{KeyData, SkEd25519};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

/// A person with an Ed25519 SSH key.
pub(crate) struct Person {
    pub(crate) principal: PrincipalId,
    secret: PrivateKey,
}

impl Person {
    pub(crate) fn new(principal: PrincipalId, seed: u8) -> Self {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32]));
        Self { principal, secret: PrivateKey::new(pair, "").expect("a key") }
    }

    pub(crate) fn ssh_key(&self) -> String {
        sshsig::without_comment(self.secret.public_key()).expect("a key")
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin { principal: self.principal, ssh_key: self.ssh_key() }
    }

    pub(crate) fn sign(&self, namespace: &str, text: &str) -> Signature {
        self.sign_with(namespace, HashAlg::Sha512, text)
    }

    pub(crate) fn sign_with(&self, namespace: &str, hash: HashAlg, text: &str) -> Signature {
        let sig = SshSig::sign(&self.secret, namespace, hash, text.as_bytes()).expect("signs");
        self.armoured(&sig)
    }

    fn armoured(&self, sig: &SshSig) -> Signature {
        Signature { principal: self.principal, sshsig: sig.to_pem(LineEnding::LF).expect("writes") }
    }

    /// The same seed in a security key.
    pub(crate) fn sk_key(&self) -> PublicKey {
        let KeypairData::Ed25519(pair) = self.secret.key_data() else { panic!("Ed25519") };
        PublicKey::new(KeyData::SkEd25519(SkEd25519::new(pair.public, "ssh:")), "")
    }

    /// A signature of that security key, touched or not.
    pub(crate) fn sk_sign(&self, namespace: &str, text: &str, touched: bool) -> Signature {
        use ed25519_dalek::{Signer as _, SigningKey};
        let KeypairData::Ed25519(pair) = self.secret.key_data() else { panic!("Ed25519") };
        let signed = SshSig::signed_data(namespace, HashAlg::Sha512, text.as_bytes()).expect("data");
        let trailer = [u8::from(touched), 0, 0, 0, 7];
        let mut message = Sha256::digest(b"ssh:").to_vec();
        message.extend_from_slice(&trailer);
        message.extend_from_slice(&Sha256::digest(&signed));
        let secret = SigningKey::from_bytes(&pair.private.to_bytes());
        let mut raw = secret.sign(&message).to_bytes().to_vec();
        raw.extend_from_slice(&trailer);
        let signature = ssh_key::Signature::new(Algorithm::SkEd25519, raw).expect("a signature");
        let sig = SshSig::new(self.sk_key().key_data().clone(), namespace, HashAlg::Sha512, signature);
        self.armoured(&sig.expect("a signature"))
    }
}
