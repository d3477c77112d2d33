//! A subset of `CREATE TABLE`, read word by word.

use super::{Column, Declined, Kind, Table, kind};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A bare word as it was written.
    Word(String),
    /// A name in quotes.
    Quoted(String),
    /// A text in single quotes.
    Text,
    Number(String),
    Sign(char),
}

fn unreadable(what: impl Into<String>) -> Declined {
    Declined::Unreadable { what: what.into() }
}

fn tokens(text: &str) -> Result<Vec<Token>, Declined> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => {}
            '-' if rest.next_if_eq(&'-').is_some() => while rest.next_if(|c| *c != '\n').is_some() {},
            '\'' => {
                quoted(&mut rest, '\'')?;
                found.push(Token::Text);
            }
            '"' | '`' => found.push(Token::Quoted(quoted(&mut rest, c)?)),
            '[' => found.push(Token::Quoted(quoted(&mut rest, ']')?)),
            c if c.is_alphabetic() || c == '_' => {
                let mut word = c.to_string();
                word.extend(std::iter::from_fn(|| rest.next_if(|c| c.is_alphanumeric() || *c == '_')));
                found.push(Token::Word(word));
            }
            c if c.is_ascii_digit() => {
                let mut number = c.to_string();
                number.extend(std::iter::from_fn(|| rest.next_if(|c| c.is_ascii_digit() || *c == '.')));
                found.push(Token::Number(number));
            }
            c if c.is_ascii_punctuation() => found.push(Token::Sign(c)),
            other => return Err(unreadable(format!("{other:?} is not expected in CREATE TABLE"))),
        }
    }
    Ok(found)
}

/// Up to the closing quote; twice the quote stands for itself.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> Result<String, Declined> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        if c != quote {
            text.push(c);
        } else if quote != ']' && rest.next_if_eq(&quote).is_some() {
            text.push(quote);
        } else {
            return Ok(text);
        }
    }
    Err(unreadable("a quote is not closed"))
}

/// The type that a text such as `varchar(40)` names, and whether the database fills such a column.
pub(super) fn kind_of(text: &str) -> Result<(Kind, bool), Declined> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    let found = reader.kind("type")?;
    if reader.at < reader.tokens.len() {
        return Err(Declined::Keyword { keyword: text.to_owned(), place: "type".to_owned() });
    }
    Ok(found)
}

/// Reads the whole statement.
pub(super) fn read(text: &str) -> Result<Table, Declined> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    reader.words(&["CREATE", "TABLE"])?;
    if reader.word("IF") {
        reader.words(&["NOT", "EXISTS"])?;
    }
    let name = reader.name()?;
    reader.sign('(')?;
    let mut table = Table { name, columns: Vec::new() };
    let mut keys = Vec::new();
    loop {
        reader.item(&mut table, &mut keys)?;
        if !reader.signed(',') {
            break;
        }
    }
    reader.sign(')')?;
    reader.signed(';');
    if let Some(more) = reader.tokens.get(reader.at) {
        return Err(Reader::keyword(more, "after the columns"));
    }
    for key in keys {
        let column = table.columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(&key));
        column.ok_or_else(|| unreadable(format!("{key} is no column")))?.nullable = false;
    }
    Ok(table)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn keyword(token: &Token, place: &str) -> Declined {
        let keyword = match token {
            Token::Word(word) => word.to_uppercase(),
            other => format!("{other:?}"),
        };
        Declined::Keyword { keyword, place: place.to_owned() }
    }

    fn upper(&self, ahead: usize) -> String {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Word(word)) => word.to_uppercase(),
            _ => String::new(),
        }
    }

    /// Takes a word if it is the next one.
    fn word(&mut self, word: &str) -> bool {
        let found = self.upper(0) == word;
        self.at += usize::from(found);
        found
    }

    fn words(&mut self, words: &[&str]) -> Result<(), Declined> {
        for word in words {
            if !self.word(word) {
                return Err(unreadable(format!(
                    "{word} is missing; write CREATE TABLE name (column type, ...)"
                )));
            }
        }
        Ok(())
    }

    fn signed(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: char) -> Result<(), Declined> {
        if self.signed(sign) {
            return Ok(());
        }
        Err(match self.tokens.get(self.at) {
            Some(token @ Token::Word(_)) => Self::keyword(token, "table"),
            _ => unreadable(format!("{sign:?} is missing")),
        })
    }

    fn name(&mut self) -> Result<String, Declined> {
        let name = match self.tokens.get(self.at) {
            Some(Token::Word(name) | Token::Quoted(name)) => name.clone(),
            _ => return Err(unreadable("a name is missing")),
        };
        self.at += 1;
        Ok(name)
    }

    /// A column, or a constraint of the whole table.
    fn item(&mut self, table: &mut Table, keys: &mut Vec<String>) -> Result<(), Declined> {
        let named = self.word("CONSTRAINT");
        if named {
            self.name()?;
        }
        match self.upper(0).as_str() {
            "PRIMARY" => {
                self.words(&["PRIMARY", "KEY"])?;
                keys.extend(self.names()?);
                Ok(())
            }
            "UNIQUE" => {
                self.at += 1;
                self.names().map(drop)
            }
            word if named || matches!(word, "CHECK" | "FOREIGN" | "EXCLUDE" | "KEY" | "INDEX" | "LIKE") => {
                Err(Declined::Keyword { keyword: word.to_owned(), place: "table".to_owned() })
            }
            _ => {
                let column = self.column()?;
                table.columns.push(column);
                Ok(())
            }
        }
    }

    fn names(&mut self) -> Result<Vec<String>, Declined> {
        self.sign('(')?;
        let mut names = vec![self.name()?];
        while self.signed(',') {
            names.push(self.name()?);
        }
        self.sign(')')?;
        Ok(names)
    }

    /// The type, one or two words and numbers in parentheses.
    fn kind(&mut self, column: &str) -> Result<(Kind, bool), Declined> {
        let mut word = self.upper(0);
        self.at += 1;
        if matches!(
            (word.as_str(), self.upper(0).as_str()),
            ("DOUBLE", "PRECISION") | ("CHARACTER", "VARYING")
        ) {
            word = format!("{word} {}", self.upper(0));
            self.at += 1;
        }
        let mut numbers = Vec::new();
        if self.signed('(') {
            loop {
                match self.tokens.get(self.at) {
                    Some(Token::Number(number)) => {
                        numbers.push(number.parse().map_err(|_| unreadable(format!("{number} is no size")))?);
                    }
                    _ => return Err(unreadable("a size is missing")),
                }
                self.at += 1;
                if !self.signed(',') {
                    break;
                }
            }
            self.sign(')')?;
        }
        let place = format!("column {column}");
        kind(&word, &numbers).ok_or_else(|| Declined::Keyword { keyword: format!("type {word}"), place })
    }

    fn column(&mut self) -> Result<Column, Declined> {
        let name = self.name()?;
        let (kind, filled) = self.kind(&name)?;
        let mut column = Column { name, kind, nullable: !filled, filled };
        loop {
            match self.upper(0).as_str() {
                "NOT" => {
                    self.words(&["NOT", "NULL"])?;
                    column.nullable = false;
                }
                "NULL" | "UNIQUE" => self.at += 1,
                "PRIMARY" => {
                    self.words(&["PRIMARY", "KEY"])?;
                    column.nullable = false;
                }
                "AUTOINCREMENT" | "AUTO_INCREMENT" => {
                    self.at += 1;
                    column.filled = true;
                }
                "DEFAULT" => {
                    self.at += 1;
                    self.default(&column.name)?;
                    column.filled = true;
                }
                "" => return Ok(column),
                word => {
                    let place = format!("column {}", column.name);
                    return Err(Declined::Keyword { keyword: word.to_owned(), place });
                }
            }
        }
    }

    /// A literal or one of the moments a database knows; the database computes it, so only its form counts.
    fn default(&mut self, column: &str) -> Result<(), Declined> {
        let _sign = self.signed('-') || self.signed('+');
        let fits = match self.tokens.get(self.at) {
            Some(Token::Text | Token::Number(_)) => true,
            Some(Token::Word(word)) => matches!(
                word.to_uppercase().as_str(),
                "NULL" | "TRUE" | "FALSE" | "CURRENT_TIMESTAMP" | "CURRENT_DATE"
            ),
            _ => false,
        };
        self.at += 1;
        if fits {
            return Ok(());
        }
        Err(Declined::Keyword {
            keyword: "DEFAULT with an expression".to_owned(),
            place: format!("column {column}"),
        })
    }
}
