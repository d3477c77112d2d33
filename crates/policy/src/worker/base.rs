//! Directories and files by the texts with which a program opens them.
//!
//! A [`Location`](super::place::Location) says where a path lies, after normalisation. Which file the kernel opens it
//! does not say: `link/..` leads elsewhere than its text. What is to be hashed is therefore kept as it was written.

/// Where relative paths start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Base {
    /// Each text that the working directory may have, seen from the one in which the action starts.
    Here(Vec<String>),
    /// Cannot be known.
    Unknown,
    /// In the files of another machine or of a container: no path is one of here.
    Away,
}

/// More directories than this are too many to follow.
const BASES_MAX: usize = 8;

impl Base {
    pub(super) fn start() -> Self {
        Self::Here(vec![String::new()])
    }

    pub(super) fn home() -> Self {
        Self::Here(vec!["~".to_owned()])
    }

    /// One of both.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Away, _) | (_, Self::Away) => Self::Away,
            (Self::Here(mut all), Self::Here(more)) => {
                for text in more {
                    if !all.contains(&text) {
                        all.push(text);
                    }
                }
                if all.len() <= BASES_MAX { Self::Here(all) } else { Self::Unknown }
            }
            _ => Self::Unknown,
        }
    }

    /// After a change of the directory by the system.
    pub(super) fn join(&self, text: &str) -> Self {
        match self {
            Self::Away => Self::Away,
            _ if text.starts_with(['/', '~']) => Self::Here(vec![text.to_owned()]),
            Self::Here(all) => Self::Here(all.iter().map(|base| joined(base, text)).collect()),
            Self::Unknown => Self::Unknown,
        }
    }

    /// After a `cd` of a shell, which takes `..` by the text or by the directory it is in.
    pub(super) fn entered(&self, text: &str) -> Self {
        let there = self.join(text);
        match &there {
            Self::Here(all) => {
                let by_text = Self::Here(all.iter().map(|base| without_parents(base)).collect());
                there.or(by_text)
            }
            Self::Unknown | Self::Away => there,
        }
    }

    /// The files that `text` may name from here; none where that cannot be known.
    pub(super) fn files(&self, text: &str) -> Vec<String> {
        match self.join(text) {
            Self::Here(all) => all,
            Self::Unknown | Self::Away => Vec::new(),
        }
    }
}

fn joined(base: &str, text: &str) -> String {
    match (base, text) {
        (base, "" | ".") => base.to_owned(),
        ("", text) => text.to_owned(),
        (base, text) => format!("{}/{text}", base.trim_end_matches('/')),
    }
}

/// `a/b/../c` is `a/c`, as far as the text has directories to go back from.
fn without_parents(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match (name, kept.last()) {
            ("..", Some(last)) if !matches!(*last, "" | "." | ".." | "~") => drop(kept.pop()),
            _ => kept.push(name),
        }
    }
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::{BASES_MAX, Base};

    #[test]
    fn files_are_named_as_they_are_written() {
        let start = Base::start();
        assert_eq!(start.files("a/../x.sh"), ["a/../x.sh"]);
        assert_eq!(start.join("a").join("b/").files("x.sh"), ["a/b/x.sh"]);
        assert_eq!(start.join("a").files("/x.sh"), ["/x.sh"]);
        assert_eq!(start.join("a").files("~/x.sh"), ["~/x.sh"]);
        assert_eq!(Base::Unknown.files("/x.sh"), ["/x.sh"]);
        assert!(Base::Unknown.files("x.sh").is_empty());
        assert!(Base::Away.files("/x.sh").is_empty());
    }

    #[test]
    fn a_shell_may_go_up_by_the_text_or_by_the_directory() {
        assert_eq!(Base::start().entered("a/..").files("x"), ["a/../x", "x"]);
        assert_eq!(Base::start().join("a").entered("../b").files("x"), ["a/../b/x", "b/x"]);
        assert_eq!(Base::start().entered("..").files("x"), ["../x"]);
    }

    #[test]
    fn more_directories_than_can_be_followed_are_unknown() {
        let many = |count: usize| {
            (1..count).fold(Base::start(), |all, at| all.or(Base::start().join(&at.to_string())))
        };
        assert_eq!(many(BASES_MAX).files("x").len(), BASES_MAX);
        assert!(many(BASES_MAX + 1).files("x").is_empty());
    }
}
