//! A time stamping authority made of the program `openssl`, with certificates of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// What an authority is like.
#[derive(Clone, Copy)]
pub(crate) struct Profile {
    /// As `openssl genpkey` names it: `RSA` or a curve.
    pub(crate) key: &'static str,
    /// Hash of the signature.
    pub(crate) digest: &'static str,
    /// Hash in the attribute that names the certificate.
    pub(crate) ess: &'static str,
    /// Certificates between root and signer.
    pub(crate) between: usize,
    /// Extensions of the signer's certificate.
    pub(crate) extensions: &'static str,
    /// First and last moment of the signer's certificate.
    pub(crate) dates: (&'static str, &'static str),
    /// Digits of a fraction of a second.
    pub(crate) digits: u8,
}

impl Profile {
    pub(crate) const GOOD: Self = Self {
        key: "P-256",
        digest: "sha256",
        ess: "sha256",
        between: 0,
        extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping",
        dates: ("20200101000000Z", "21000101000000Z"),
        digits: 0,
    };
}

pub(crate) struct Authority {
    dir: TempDir,
    profile: Profile,
    count: AtomicU32,
}

impl Authority {
    pub(crate) fn new(profile: Profile) -> Self {
        let authority = Self { dir: tempfile::tempdir().unwrap(), profile, count: AtomicU32::new(0) };
        authority.write("index.txt", "");
        authority.write("serial", "01\n");
        authority.write("index.txt.attr", "unique_subject = no\n");
        authority.write("openssl.cnf", authority.configuration());
        let ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash";
        let long = Profile::GOOD.dates;
        authority.issue("root", None, ca, long);
        let mut issuer = "root".to_owned();
        let mut chain = String::new();
        for number in 0..profile.between {
            let name = format!("between{number}");
            authority.issue(&name, Some(&issuer), ca, long);
            chain.insert_str(0, &authority.read(&format!("{name}.pem")));
            issuer = name;
        }
        authority.issue("tsa", Some(&issuer), profile.extensions, profile.dates);
        authority.write("chain.pem", &chain);
        authority
    }

    fn configuration(&self) -> String {
        let Profile { digest, ess, digits, .. } = self.profile;
        let dir = self.dir.path().display();
        format!(
            "[ca]\ndefault_ca = issue\n[issue]\ndatabase = {dir}/index.txt\nnew_certs_dir = {dir}\nserial = {dir}/serial\n\
             default_md = {digest}\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n\
             [tsa]\ndefault_tsa = stamp\n[stamp]\nserial = {dir}/stamps\nsigner_digest = {digest}\n\
             default_policy = 1.3.6.1.4.1.99999.1\ndigests = sha256,sha512\nclock_precision_digits = {digits}\n\
             ess_cert_id_alg = {ess}\nordering = no\ntsa_name = no\n"
        )
    }

    fn make_key(&self, path: &Path) {
        let mut genpkey = self.openssl("genpkey");
        genpkey.arg("-out").arg(path);
        match self.profile.key {
            "RSA" => genpkey.args(["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
            curve => genpkey.args(["-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")]),
        };
        run(&mut genpkey);
    }

    /// A certificate over the key of that name, which is made once; signed by itself without an issuer.
    pub(crate) fn issue(&self, name: &str, issuer: Option<&str>, extensions: &str, dates: (&str, &str)) {
        let key = self.path(&format!("{name}.key"));
        if !key.exists() {
            self.make_key(&key);
        }
        let request = self.path(&format!("{name}.csr"));
        let subject = format!("/CN=Cascade test {name}");
        run(self
            .openssl("req")
            .args(["-new", "-subj", &subject, "-key"])
            .arg(&key)
            .arg("-out")
            .arg(&request));
        let file = self.write(&format!("{name}.ext"), extensions);
        let mut ca = self.openssl("ca");
        ca.args(["-batch", "-notext", "-config"]).arg(self.path("openssl.cnf")).arg("-extfile").arg(file);
        ca.args(["-startdate", dates.0, "-enddate", dates.1]);
        match issuer {
            None => ca.arg("-selfsign").arg("-keyfile").arg(&key),
            Some(issuer) => {
                ca.arg("-keyfile").arg(self.path(&format!("{issuer}.key")));
                ca.arg("-cert").arg(self.path(&format!("{issuer}.pem")))
            }
        };
        run(ca.arg("-in").arg(&request).arg("-out").arg(self.path(&format!("{name}.pem"))));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> Vec<u8> {
        std::fs::read(self.path("root.pem")).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn fresh(&self, name: &str) -> PathBuf {
        self.path(&format!("{}.{name}", self.count.fetch_add(1, Ordering::Relaxed)))
    }

    fn openssl(&self, verb: &str) -> Command {
        let mut command = Command::new("openssl");
        command.arg(verb).current_dir(self.dir.path());
        command
    }

    /// The answer to a query.
    pub(crate) fn reply(&self, query: &[u8]) -> Vec<u8> {
        let (asked, answer) = (self.fresh("tsq"), self.fresh("tsr"));
        std::fs::write(&asked, query).unwrap();
        let mut reply = self.openssl("ts");
        reply.args(["-reply", "-config"]).arg(self.path("openssl.cnf"));
        reply.arg("-signer").arg(self.path("tsa.pem")).arg("-inkey").arg(self.path("tsa.key"));
        if self.profile.between > 0 {
            reply.arg("-chain").arg(self.path("chain.pem"));
        }
        run(reply.arg("-queryfile").arg(&asked).arg("-out").arg(&answer));
        std::fs::read(&answer).unwrap()
    }

    /// A query of OpenSSL's own, over the SHA-512 of these bytes.
    pub(crate) fn query_sha512(&self, data: &[u8]) -> Vec<u8> {
        let (file, query) = (self.fresh("data"), self.fresh("tsq"));
        std::fs::write(&file, data).unwrap();
        run(self
            .openssl("ts")
            .args(["-query", "-sha512", "-cert", "-data"])
            .arg(&file)
            .arg("-out")
            .arg(&query));
        std::fs::read(&query).unwrap()
    }

    /// The token in an answer, as `openssl` takes it out.
    pub(crate) fn token_out(&self, answer: &[u8]) -> Vec<u8> {
        let (reply, token) = (self.fresh("tsr"), self.fresh("tst"));
        std::fs::write(&reply, answer).unwrap();
        let mut take = self.openssl("ts");
        take.args(["-reply", "-token_out", "-in"]).arg(&reply).arg("-out").arg(&token);
        run(&mut take);
        std::fs::read(&token).unwrap()
    }

    /// The statement in a token.
    pub(crate) fn statement(&self, token: &[u8]) -> Vec<u8> {
        let (old, statement) = (self.fresh("tst"), self.fresh("info"));
        std::fs::write(&old, token).unwrap();
        let mut take = self.openssl("cms");
        take.args(["-verify", "-noverify", "-inform", "DER", "-in"]).arg(&old).arg("-out").arg(&statement);
        run(&mut take);
        std::fs::read(&statement).unwrap()
    }

    /// The statement in a token, signed anew by any certificate of this authority.
    pub(crate) fn sign_again(&self, token: &[u8], signer: &str, flags: &[&str]) -> Vec<u8> {
        self.sign(&self.statement(token), signer, flags)
    }

    /// A plain CMS message.
    pub(crate) fn sign(&self, text: &[u8], signer: &str, flags: &[&str]) -> Vec<u8> {
        let (statement, new) = (self.fresh("info"), self.fresh("tst"));
        std::fs::write(&statement, text).unwrap();
        let mut sign = self.openssl("cms");
        sign.args([
            "-sign",
            "-binary",
            "-nodetach",
            "-nosmimecap",
            "-outform",
            "DER",
            "-md",
            self.profile.digest,
        ]);
        if !flags.contains(&"-econtent_type") {
            sign.args(["-econtent_type", "1.2.840.113549.1.9.16.1.4"]);
        }
        sign.args(flags);
        sign.arg("-signer").arg(self.path(&format!("{signer}.pem")));
        sign.arg("-inkey").arg(self.path(&format!("{signer}.key")));
        run(sign.arg("-in").arg(&statement).arg("-out").arg(&new));
        std::fs::read(&new).unwrap()
    }

    /// Whether `openssl ts -verify` believes that the token is over the note.
    pub(crate) fn believes(note: &Path, token: &Path, root: &Path) -> bool {
        let mut verify = Command::new("openssl");
        verify.args(["ts", "-verify", "-data"]).arg(note).arg("-in").arg(token).arg("-token_in");
        verify.arg("-CAfile").arg(root).output().unwrap().status.success()
    }
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
}
