//! Whom an action concerns outside, as people name them: `customer-17`, or with a debt or case `customer-17/loan-3`.

/// Longest name of a subject with its matter, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 200;

/// A person outside, and a matter of theirs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    person: String,
    /// The whole text: two persons may have a matter of the same name.
    matter: Option<String>,
}

impl Named {
    /// Reads `PERSON` or `PERSON/MATTER`.
    ///
    /// # Errors
    /// In words, what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = text.len() <= SUBJECT_BYTES_MAX && !text.chars().any(char::is_control);
        let (person, matter) =
            text.split_once('/').map_or((text, None), |(person, matter)| (person, Some(matter)));
        if !fits || person.is_empty() || matter == Some("") {
            return Err(format!("expected PERSON or PERSON/MATTER, up to {SUBJECT_BYTES_MAX} bytes"));
        }
        Ok(Self { person: person.to_owned(), matter: matter.map(|_| text.to_owned()) })
    }

    /// The same from its parts. A slash in the name of the person would make it somebody else's.
    ///
    /// # Errors
    /// In words, what is wrong.
    pub fn of(person: &str, matter: Option<&str>) -> Result<Self, String> {
        if person.contains('/') {
            return Err("the name of a person holds no `/`".to_owned());
        }
        Self::parse(&matter.map_or_else(|| person.to_owned(), |matter| format!("{person}/{matter}")))
    }

    /// The person.
    #[must_use]
    pub fn person(&self) -> &str {
        &self.person
    }

    /// The matter, with the person it is of.
    #[must_use]
    pub fn matter(&self) -> Option<&str> {
        self.matter.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_and_a_matter_of_theirs() {
        let one = Named::parse("ada/loan/3").unwrap();
        assert_eq!((one.person(), one.matter()), ("ada", Some("ada/loan/3")));
        assert_eq!(Named::of("ada", Some("loan/3")), Ok(one));
        assert_eq!(Named::of("ada", None), Named::parse("ada"));
        assert_eq!(Named::parse("ada").unwrap().matter(), None);
        let longest = "a".repeat(SUBJECT_BYTES_MAX);
        assert!(Named::parse(&longest).is_ok());
        for bad in ["", "/loan", "ada/", "a\nb", &format!("{longest}a")] {
            assert!(Named::parse(bad).is_err(), "{bad:?}");
        }
        for (person, matter) in
            [("ada/loan", Some("3")), ("ada/loan", None), ("", Some("3")), ("ada", Some(""))]
        {
            assert!(Named::of(person, matter).is_err(), "{person:?} {matter:?}");
        }
    }
}
