//! Names of people and groups. Whoever reads one must know who is meant, so a name is plain: letters that can be told
//! apart, of one script, and nothing that is not seen.

use std::fmt;

use cascade_receipt::id::PrincipalId;
use unicode_normalization::is_nfc;
use unicode_security::{GeneralSecurityProfile as _, RestrictionLevel, RestrictionLevelDetection as _};

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// What stands before an agent's name.
pub const AGENT_PREFIX: &str = "agent:";
/// Signs that a name may hold beside letters and digits.
const SIGNS: &str = "-_.@+";
/// Words that mean somebody already.
const TAKEN: [&str; 2] = ["person", "agent"];

/// Why a text is no name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameFault {
    /// Nothing, or too much.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes")]
    Length,
    /// A character that no name holds.
    #[error("a name holds no {}: letters, digits and `{SIGNS}`", Named(*.0))]
    Character(char),
    /// A first character that would make it an option, or a file that hides.
    #[error("a name does not begin with {}: a letter, a digit or `_`", Named(*.0))]
    First(char),
    /// A letter that is not in use, or looks like something else.
    #[error("{} is not a plain letter: write the name with the letters of one living script", Named(*.0))]
    Odd(char),
    /// Letters of several scripts, of which one can pass for another.
    #[error("its letters are of several scripts, so it could pass for another name: use one script")]
    Mixed,
    /// Letters and accents apart, which look like the letter that has the accent.
    #[error("it holds accents as characters of their own: type the letters that have them (NFC)")]
    Apart,
    /// A word with a meaning, or an id.
    #[error("`person`, `agent` and ids mean somebody already: choose another name")]
    Taken,
    /// An agent's name that holds something else than it may.
    #[error("an agent's name holds no {}: ASCII letters, digits, `-`, `_` and `.`", Named(*.0))]
    Agent(char),
}

/// A character as it is told of: seen, and beyond doubt.
struct Named(char);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = u32::from(self.0);
        match self.0 {
            ' ' => write!(f, "space"),
            c if c.is_ascii_graphic() || c.is_alphanumeric() => write!(f, "`{c}` (U+{code:04X})"),
            _ => write!(f, "U+{code:04X}"),
        }
    }
}

/// A name that a person or group can have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Name(String);

impl Name {
    /// Reads a name: letters of one script, digits and `-_.@+`, beginning with a letter, a digit or `_`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        let first = text.chars().next().filter(|_| text.len() <= NAME_BYTES_MAX).ok_or(NameFault::Length)?;
        if let Some(bad) = text.chars().find(|c| !c.is_alphanumeric() && !SIGNS.contains(*c)) {
            return Err(NameFault::Character(bad));
        }
        if !first.is_alphanumeric() && first != '_' {
            return Err(NameFault::First(first));
        }
        if PrincipalId::parse(text).is_some() || TAKEN.contains(&text) {
            return Err(NameFault::Taken);
        }
        if !is_nfc(text) {
            return Err(NameFault::Apart);
        }
        let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
        if let Some(odd) = letters.chars().find(|c| !c.identifier_allowed()) {
            return Err(NameFault::Odd(odd));
        }
        if !letters.check_restriction_level(RestrictionLevel::SingleScript) {
            return Err(NameFault::Mixed);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a reader could take one for the other although they differ.
    #[must_use]
    pub fn passes_for(&self, other: &str) -> bool {
        let skeleton = |text| unicode_security::skeleton(text).collect::<String>();
        self.0 != other && skeleton(&self.0) == skeleton(other)
    }
}

/// Checks the name of an agent as it is typed, without what stands before it.
///
/// # Errors
/// What is wrong with it.
pub fn check_agent(text: &str) -> Result<(), NameFault> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(NameFault::Length);
    }
    let bad = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c));
    bad.map_or(Ok(()), |bad| Err(NameFault::Agent(bad)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        let longest = "n".repeat(NAME_BYTES_MAX);
        for good in [
            "ada",
            "uid-7",
            "_apt",
            "ada@example.org",
            "Ådne",
            "Дмитрий",
            "山田たろう",
            "김철수",
            "7",
            &longest,
        ] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_could_mean_somebody_else_is_no_name() {
        let longer = "n".repeat(NAME_BYTES_MAX + 1);
        for (bad, fault) in [
            ("", NameFault::Length),
            (&longer, NameFault::Length),
            ("a b", NameFault::Character(' ')),
            ("a\nb", NameFault::Character('\n')),
            ("agent:x", NameFault::Character(':')),
            ("ad\u{200b}a", NameFault::Character('\u{200b}')),
            ("\u{202e}ada", NameFault::Character('\u{202e}')),
            ("ad\u{430}", NameFault::Mixed),
            ("p\u{430}ypal", NameFault::Mixed),
            ("\u{3b1}da", NameFault::Mixed),
            ("a\u{30a}", NameFault::Character('\u{30a}')),
            ("\u{212b}dne", NameFault::Apart),
            ("\u{ff41}da", NameFault::Odd('\u{ff41}')),
            ("\u{1d41a}da", NameFault::Odd('\u{1d41a}')),
            ("x\u{b2}", NameFault::Odd('\u{b2}')),
            ("-ada", NameFault::First('-')),
            ("agent", NameFault::Taken),
            ("person", NameFault::Taken),
            ("p_0123456789abcdef", NameFault::Taken),
        ] {
            assert_eq!(Name::parse(bad), Err(fault), "{bad:?}");
        }
    }

    #[test]
    fn names_that_pass_for_others() {
        // All of one script, and yet `aso` to the eye.
        let name = Name::parse("\u{430}\u{455}\u{43e}").unwrap();
        assert!(name.passes_for("aso") && !name.passes_for("ada"));
        let ada = Name::parse("ada").unwrap();
        assert!(!ada.passes_for("ada"));
    }

    #[test]
    fn names_of_agents() {
        for good in ["ci", "claude-code", "a.b_c"] {
            assert_eq!(check_agent(good), Ok(()));
        }
        assert_eq!(check_agent(""), Err(NameFault::Length));
        assert_eq!(check_agent("a b;c"), Err(NameFault::Agent(' ')));
        assert_eq!(
            NameFault::Agent(' ').to_string(),
            "an agent's name holds no space: ASCII letters, digits, `-`, `_` and `.`"
        );
        assert_eq!(check_agent("\u{430}"), Err(NameFault::Agent('\u{430}')));
    }
}
