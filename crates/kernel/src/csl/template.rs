//! Texts with expressions inside: `--tag=${inputs.tag}`. The result is one text, whatever the values hold.

use cel::Value;

use super::expression::Expression;
use super::node::Place;
use super::scope::{EvaluationFault, Scope};

/// Bytes of one rendered text; the longest word that Linux passes to a program is 128 KiB.
const RENDERED_BYTES_MAX: usize = 128 * 1024;

/// A text with expressions inside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    parts: Vec<Part>,
    source: String,
    /// Where it stands in the spec.
    pub(super) place: Place,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// Reads `text`; `$${` stands for `${`.
    pub(super) fn parse(text: &str, place: Place) -> Result<Self, String> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(escaped) = before.strip_suffix('$') {
                literal.push_str(escaped);
                literal.push_str("${");
                rest = from.get(2..).unwrap_or_default();
                continue;
            }
            literal.push_str(before);
            let inside = from.get(2..).unwrap_or_default();
            let end =
                end_of(inside).ok_or("`${` without its `}`; write `$${` where it is meant as it stands")?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            let (source, after) = inside.split_at(end);
            parts.push(Part::Expression(Expression::compile(source.trim())?));
            rest = after.get(1..).unwrap_or_default();
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts, source: text.to_owned(), place })
    }

    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text, where it holds no expression.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The text for these values.
    ///
    /// # Errors
    /// An expression has no value, or one that is no text, number or truth value; the text is too long or holds NUL.
    pub fn render(&self, scope: &Scope) -> Result<String, EvaluationFault> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expression(expression) => {
                    let value = expression.evaluate(scope)?;
                    let text = text_of(&value)
                        .ok_or_else(|| expression.fault("it gives no text, number or truth value"))?;
                    out.push_str(&text);
                }
            }
        }
        let fault =
            |message: &str| EvaluationFault { expression: self.source.clone(), message: message.to_owned() };
        if out.len() > RENDERED_BYTES_MAX {
            return Err(fault("the text grows past 128 KiB"));
        }
        if out.contains('\0') {
            return Err(fault("the text would hold a NUL"));
        }
        Ok(out)
    }
}

fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.as_str().to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    })
}

/// Where the `}` stands that ends an expression: not inside a text or braces of its own.
fn end_of(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csl::expression::FUNCTIONS;
    use crate::csl::{COST_MAX, SOURCE_BYTES_MAX};
    use cascade_receipt::json::Value as Data;

    fn scope() -> Scope {
        let numbers: Vec<Data> = (0..100).map(Data::Int).collect();
        Scope::new(&Data::object([
            ("tag", "v1 ; rm -rf /".into()),
            ("count", Data::Int(3)),
            ("dry", Data::Bool(true)),
            ("numbers", Data::Array(numbers)),
            ("long", "x".repeat(60_000).into()),
        ]))
    }

    fn rendered(text: &str) -> Result<String, String> {
        let template = Template::parse(text, (1, 1))?;
        template.render(&scope()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn values_become_one_text() {
        for (text, becomes) in [
            ("plain", "plain"),
            ("", ""),
            ("--tag=${inputs.tag}", "--tag=v1 ; rm -rf /"),
            ("${inputs.count + 1}/${inputs.dry}", "4/true"),
            ("$${inputs.tag} $ {x} $x", "${inputs.tag} $ {x} $x"),
            ("${ '}' + \"\\\"}\" }", "}\"}"),
            ("${ {'a': 'b'}['a'] }", "b"),
            ("${inputs.numbers.filter(x, x > 97).map(x, string(x))[0]}", "98"),
            ("${size(inputs.numbers)}", "100"),
        ] {
            assert_eq!(rendered(text).as_deref(), Ok(becomes), "{text}");
        }
    }

    #[test]
    fn every_function_that_may_be_called_is_there() {
        let calls = [
            ("bool('true')", "true"),
            ("bytes('a') == b'a'", "true"),
            ("'abc'.contains('b')", "true"),
            ("double(1) == 1.0", "true"),
            ("dyn(1) == 1", "true"),
            ("'abc'.endsWith('c')", "true"),
            ("int('12')", "12"),
            ("'abc'.matches('^a.c$')", "true"),
            ("size([1, 2])", "2"),
            ("'abc'.startsWith('a')", "true"),
            ("string(12)", "12"),
            ("type(1) == type(2)", "true"),
        ];
        for function in FUNCTIONS {
            let (call, becomes) =
                calls.iter().find(|(call, _)| call.contains(&format!("{function}("))).unwrap();
            assert_eq!(rendered(&format!("${{{call}}}")).as_deref(), Ok(*becomes), "{call}");
        }
    }

    #[test]
    fn what_gives_no_text_is_told() {
        for (text, said) in [
            ("${inputs.tag", "without its `}`"),
            ("${inputs.tag +}", "is no expression"),
            ("${}", "is no expression"),
            ("${inputs.none}", "there is no `none`"),
            ("${inputs.numbers}", "no text, number or truth value"),
            ("${inputs.tag + 1}", "the types do not fit"),
            ("${shell('x')}", "there is no function `shell`"),
            ("${inputs.count / 0}", "division by zero"),
            ("${inputs.long + inputs.long + inputs.long}", "past 128 KiB"),
            ("${'\\u0000'}", "NUL"),
            ("${inputs.all(k, true)}", "only a list can be walked"),
        ] {
            let told = rendered(text).expect_err(text);
            assert!(told.contains(said), "{text}: {told}");
        }
    }

    #[test]
    fn an_expression_that_would_not_end_is_ended() {
        let twice = "${inputs.numbers.all(x, inputs.numbers.all(y, x + y >= 0))}";
        assert!(rendered(twice).unwrap_err().contains("walks over too much"), "100 + 100 × 100 items");
        let once = "${inputs.numbers.all(x, x >= 0)}";
        assert_eq!(rendered(once).as_deref(), Ok("true"));
        let heavy = format!("${{inputs.numbers.all(x, {} == '')}}", ["inputs.long"; 40].join("+"));
        assert!(rendered(&heavy).unwrap_err().contains("walks over too much"), "each item costs megabytes");
        assert_eq!(COST_MAX, 10_000_000);
        let long = format!("${{{}}}", "1+".repeat(SOURCE_BYTES_MAX));
        assert!(rendered(&long).unwrap_err().contains("at most 2048 bytes"));
    }

    #[test]
    fn what_recurses_is_refused_before_the_stack_ends() {
        let around =
            |open: &str, close: &str, count| format!("${{{}1{}}}", open.repeat(count), close.repeat(count));
        for (open, close) in [("(", ")"), ("[", "]"), ("size(", ")"), ("{1:", "}"), ("x[", "]")] {
            assert!(
                !matches!(rendered(&around(open, close, 24)), Err(told) if told.contains("nests at most")),
                "{open}"
            );
            assert!(rendered(&around(open, close, 25)).unwrap_err().contains("nests at most"), "{open}");
        }
        for operator in ["1+", "!", "-", "true&&", "true?1:", "1 in ", "1 <", "1=="] {
            let many = around(operator, "", 200);
            assert!(rendered(&many).unwrap_err().contains("at most 128 operators"), "{operator}");
            // As many as may be, inside as many brackets as may be.
            let fits = around(&format!("{}{}", "(".repeat(24), operator.repeat(60)), &")".repeat(24), 1);
            drop(rendered(&fits));
        }
        for chain in [".b", "[0]"] {
            let many = format!("${{inputs{}}}", chain.repeat(129));
            assert!(rendered(&many).unwrap_err().contains("at most 128 operators"), "{chain}");
            drop(rendered(&format!("${{inputs{}}}", chain.repeat(127))));
        }
    }
}
