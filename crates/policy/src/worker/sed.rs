//! What a sed script does beyond editing text.

/// What a script does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// Edits its input.
    Edits,
    /// Writes these files too.
    Writes(Vec<String>),
    /// Executes commands, reads other files, or cannot be understood.
    Executes,
}

/// Reads a script.
pub(super) fn effect(script: &str) -> Effect {
    let mut reader = Reader { rest: script, files: Vec::new() };
    match reader.commands() {
        Some(()) if reader.files.is_empty() => Effect::Edits,
        Some(()) => Effect::Writes(reader.files),
        None => Effect::Executes,
    }
}

struct Reader<'a> {
    rest: &'a str,
    files: Vec<String>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(wanted);
    }

    fn line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        line.trim()
    }

    /// Nothing as soon as a command is not known to be harmless.
    fn commands(&mut self) -> Option<()> {
        loop {
            self.skip(|c| c.is_whitespace() || c == ';');
            self.addresses()?;
            let Some(command) = self.next() else { return Some(()) };
            match command {
                '{' | '}' | '=' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z'
                | 'F' => {}
                'l' | 'q' | 'Q' => self.skip(|c| c == ' ' || c.is_ascii_digit()),
                'b' | 't' | 'T' | ':' => self.skip(|c| c != ';' && c != '\n' && c != '}'),
                '#' => drop(self.line()),
                'a' | 'i' | 'c' => self.text(),
                'y' => {
                    let delimiter = self.next()?;
                    self.until_plain(delimiter)?;
                    self.until_plain(delimiter)?;
                }
                's' => self.substitute()?,
                'w' | 'W' => {
                    let file = self.line().to_owned();
                    self.files.push(file);
                }
                _ => return None,
            }
        }
    }

    fn addresses(&mut self) -> Option<()> {
        loop {
            self.skip(|c| c == ' ' || c == '\t' || c == ',' || c == '!' || c == '~' || c == '+');
            self.skip(|c| c.is_ascii_digit() || c == '$');
            match self.rest.chars().next() {
                Some('/') => {
                    self.next();
                    self.until('/')?;
                }
                Some('\\') => {
                    self.next();
                    let delimiter = self.next()?;
                    self.until(delimiter)?;
                }
                Some(c) if ",!~+ \t$".contains(c) || c.is_ascii_digit() => {}
                _ => return Some(()),
            }
            self.skip(|c| c == 'I' || c == 'M');
        }
    }

    /// Text up to the end of the line, and on where an odd number of backslashes ends it.
    fn text(&mut self) {
        loop {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            let backslashes = line.len() - line.trim_end_matches('\\').len();
            if backslashes % 2 == 0 || rest.is_empty() {
                return;
            }
        }
    }

    /// A regular expression. Implementations disagree on a delimiter or an escaped `]` inside a bracket expression, so
    /// there it is not read on.
    fn until(&mut self, end: char) -> Option<()> {
        loop {
            match self.next()? {
                '\\' => drop(self.next()?),
                c if c == end => return Some(()),
                '[' => self.brackets(end)?,
                _ => {}
            }
        }
    }

    /// What follows `[`: a `]` that comes first is an ordinary character, and `[:` ends with `:]`.
    fn brackets(&mut self, end: char) -> Option<()> {
        self.rest = self.rest.strip_prefix('^').unwrap_or(self.rest);
        self.rest = self.rest.strip_prefix(']').unwrap_or(self.rest);
        loop {
            match self.next()? {
                ']' => return Some(()),
                '\\' if self.next()? == ']' => return None,
                '[' if self.rest.starts_with([':', '.', '=']) => {
                    let kind = self.next()?;
                    let close = format!("{kind}]");
                    let (inside, rest) = self.rest.split_once(close.as_str())?;
                    if inside.contains(end) {
                        return None;
                    }
                    self.rest = rest;
                }
                c if c == end => return None,
                _ => {}
            }
        }
    }

    fn substitute(&mut self) -> Option<()> {
        let delimiter = self.next()?;
        self.until(delimiter)?;
        self.until_plain(delimiter)?;
        self.skip(|c| "gpiIm".contains(c) || c.is_ascii_digit());
        match self.rest.chars().next() {
            Some('e') => None,
            Some('w') => {
                self.next();
                let file = self.line().to_owned();
                self.files.push(file);
                Some(())
            }
            Some(c) if !c.is_whitespace() && !";}#".contains(c) => None,
            _ => Some(()),
        }
    }

    fn until_plain(&mut self, end: char) -> Option<()> {
        loop {
            match self.next()? {
                '\\' => drop(self.next()?),
                c if c == end => return Some(()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, effect};

    #[test]
    fn scripts_are_read_command_by_command() {
        for (script, expected) in [
            ("1,10p", Effect::Edits),
            ("s/a/b/g; s|x|y|; $d", Effect::Edits),
            ("/^[[:space:]]*#/d", Effect::Edits),
            ("/start/,/end/{s/[ab]/e/;p}", Effect::Edits),
            ("s/[^]\"]*/x/", Effect::Edits),
            ("s/[/]/x/", Effect::Executes),
            ("s/[]/]/;#/e", Effect::Executes),
            ("y/[/x/;1e rm -rf src\ny/]/z/", Effect::Executes),
            ("1a foo\\\\\n1e id", Effect::Executes),
            ("1a foo\\ \n1e id", Effect::Executes),
            ("1a foo\\\n1e id", Effect::Edits),
            ("s/a/b/e", Effect::Executes),
            ("1e id", Effect::Executes),
            ("r other", Effect::Executes),
            ("s/a/b/w out", Effect::Writes(vec!["out".to_owned()])),
            ("w /etc/passwd", Effect::Writes(vec!["/etc/passwd".to_owned()])),
        ] {
            assert_eq!(effect(script), expected, "{script}");
        }
    }
}
