//! Time stamp tokens that a reader brings along (format section 12.1).

use cascade_receipt::digest::Digest;
use cascade_receipt::verify::{Check, Outcome, Stamp, StampFault, TimeStamp, Verdict};
use cascade_timestamp::{Code, Roots, Token, TokenFault};

/// Tokens that may be given at once.
pub const TOKENS_MAX: usize = 64;

/// Tokens, and the roots that their authorities must lead to.
#[derive(Clone, Default, Debug)]
pub struct TimeStamps {
    roots: Option<Roots>,
    tokens: Vec<(Digest, Result<Token, TokenFault>)>,
}

impl TimeStamps {
    /// Reads tokens; those that are none are reported as such with the verdict.
    #[must_use]
    pub fn new(roots: Roots, tokens: &[Vec<u8>]) -> Self {
        let tokens = tokens.iter().map(|bytes| (Digest::of(bytes), Token::parse(bytes))).collect();
        Self { roots: Some(roots), tokens }
    }

    /// What the verifier has to look for.
    #[must_use]
    pub fn asked(&self) -> Vec<Stamp> {
        self.tokens.iter().filter_map(|(sha256, token)| asked(*sha256, token.as_ref().ok()?)).collect()
    }

    /// Adds to a verdict what each token is worth.
    pub fn judge(&self, verdict: &mut Verdict) {
        // The receipts after a fault of checks 1 to 7 were not read; one of them may name the token.
        let early = |check| check < Check::Checkpoint || verdict.of_bundle();
        let cut = verdict.fault().is_some_and(|fault| early(fault.code.check()));
        for (sha256, token) in &self.tokens {
            let stamp = self.worth(*sha256, token, verdict, cut);
            verdict.add_timestamp(stamp);
        }
    }

    fn worth(
        &self,
        sha256: Digest,
        token: &Result<Token, TokenFault>,
        verdict: &Verdict,
        cut: bool,
    ) -> TimeStamp {
        let failed = |size, fault: &TokenFault| TimeStamp {
            sha256,
            size,
            time: None,
            outcome: Outcome::Fail,
            fault: Some(StampFault { code: fault.code.as_str(), detail: told(fault) }),
        };
        let token = match token {
            Ok(token) => token,
            Err(fault) => return failed(None, fault),
        };
        let Some(size) = asked(sha256, token).and_then(|stamp| verdict.stamped(&stamp)) else {
            if cut {
                return TimeStamp {
                    sha256,
                    size: None,
                    time: None,
                    outcome: Outcome::NotReached,
                    fault: None,
                };
            }
            let fault = TokenFault { code: Code::Imprint, detail: "none has that hash".to_owned() };
            return failed(None, &fault);
        };
        match token.check(self.roots.as_ref()) {
            Err(fault) => failed(Some(size), &fault),
            Ok(()) => {
                let time = Some(token.time());
                TimeStamp { sha256, size: Some(size), time, outcome: Outcome::Pass, fault: None }
            }
        }
    }
}

fn asked(token: Digest, read: &Token) -> Option<Stamp> {
    Some(Stamp { token, imprint: read.imprint()? })
}

fn told(fault: &TokenFault) -> String {
    format!("{}: {}", fault.code.meaning(), fault.detail)
}
