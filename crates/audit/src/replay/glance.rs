//! A line looked at without building anything: where its members begin and end.
//!
//! Most receipts of a log carry no decision, and most decisions come out the same; for those it is enough to compare bytes.
//! Whatever a glance does not take for a receipt is read again in full, and so is everything that differs. A glance
//! believes that a line is what verification found it to be: it checks no hash and no spelling.

/// The members of a receipt's content that replay compares, as they are spelled.
#[derive(Default)]
pub(super) struct Glance<'a> {
    pub(super) kind: &'a str,
    pub(super) decision: &'a str,
    pub(super) task_type: &'a str,
    pub(super) facts_hash: &'a str,
    pub(super) action_hash: &'a str,
    pub(super) policy_hash: &'a str,
    pub(super) principal: &'a str,
    pub(super) on_behalf_of: &'a str,
    pub(super) risk_tier: &'a str,
}

/// What a receipt begins with: content is the first member, in the order of the format.
const BEGINS: &str = "{\"content\":";

impl<'a> Glance<'a> {
    /// Looks at a line; nothing where it is not spelled as receipts are.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        let content = std::str::from_utf8(line).ok()?.strip_prefix(BEGINS)?;
        let mut seen = Self::default();
        let mut members = Members::of(content)?;
        loop {
            match members.step() {
                Step::Member(key, value) => seen.take(key, value),
                Step::End => break,
                Step::NoObject => return None,
            }
        }
        (!seen.kind.is_empty() && line.ends_with(b"}")).then_some(seen)
    }

    fn take(&mut self, key: &str, value: &'a str) {
        let place = match key {
            "kind" => &mut self.kind,
            "decision" => return self.decision = value,
            "task_type" => &mut self.task_type,
            "facts_hash" => &mut self.facts_hash,
            "action_hash" => &mut self.action_hash,
            "policy_hash" => &mut self.policy_hash,
            "principal" => &mut self.principal,
            "on_behalf_of" => &mut self.on_behalf_of,
            "risk_tier" => &mut self.risk_tier,
            _ => return,
        };
        *place = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or_default();
    }
}

/// What comes next in an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step<'a> {
    /// A key and its value.
    Member(&'a str, &'a str),
    /// No more.
    End,
    /// The text is no object.
    NoObject,
}

/// The members of the object that a text begins with, each as it is spelled.
pub(super) struct Members<'a> {
    rest: &'a str,
    first: bool,
}

impl<'a> Members<'a> {
    pub(super) fn of(text: &'a str) -> Option<Self> {
        Some(Self { rest: text.strip_prefix('{')?, first: true })
    }

    /// What stands behind those that were taken.
    pub(super) const fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next one.
    pub(super) fn step(&mut self) -> Step<'a> {
        if self.rest.starts_with('}') { Step::End } else { self.member().unwrap_or(Step::NoObject) }
    }

    fn member(&mut self) -> Option<Step<'a>> {
        let rest = if self.first { self.rest } else { self.rest.strip_prefix(',')? };
        self.first = false;
        let rest = rest.strip_prefix('"')?;
        // Keys hold nothing that would have to be escaped.
        let (key, rest) = rest.split_at_checked(memchr::memchr(b'"', rest.as_bytes())?)?;
        let rest = rest.strip_prefix("\":")?;
        let (value, rest) = rest.split_at_checked(length(rest.as_bytes())?)?;
        self.rest = rest;
        Some(Step::Member(key, value))
    }
}

/// Bytes of the value that a text begins with.
fn length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match text.get(at)? {
            b'"' => at = string_end(text, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

/// Where the string ends in which `at` lies.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_content_and_of_nothing_within_are_taken() {
        let line = r#"{"content":{"decision":{"kind":"no","s":"a\"},{"},"kind":"blocked","n":1,"refs":[{"principal":"p_1"}],"risk_tier":"LOW"},"entry_hash":"x"}"#;
        let seen = Glance::of(line.as_bytes()).unwrap();
        assert_eq!(
            (seen.kind, seen.decision, seen.risk_tier, seen.principal),
            ("blocked", r#"{"kind":"no","s":"a\"},{"}"#, "LOW", "")
        );
    }

    #[test]
    fn what_is_cut_or_no_receipt_is_not_taken() {
        let line = r#"{"content":{"kind":"blocked","n":{"a":[1,2]}},"entry_hash":"x"}"#;
        assert!(Glance::of(line.as_bytes()).is_some());
        for end in 0..line.len() {
            let cut = line.get(..end).unwrap();
            // Content that is whole is no whole line yet.
            assert!(Glance::of(cut.as_bytes()).is_none() || cut.ends_with('}'), "{cut}");
        }
        for other in
            ["", "{}", "null", "{\"kind\":\"blocked\"}", "{\"content\":{}}", "{\"content\":{\"n\":1}}"]
        {
            assert!(Glance::of(other.as_bytes()).is_none(), "{other}");
        }
    }
}
