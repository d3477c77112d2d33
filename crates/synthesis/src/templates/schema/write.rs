//! Checks as Python: one function for each schema inside the schema.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{Check, Format, Kind, Measure, Schema};
use crate::value::Value;

const HEAD: &str = "def validate(value) -> list[str]:
    \"\"\"What is wrong with a value, as `place: reason`; nothing when it is valid.\"\"\"
    errors = []
    _check_0(value, '', errors, 0)
    return errors


def _note(errors, path, reason):
    errors.append((path or '/') + ': ' + reason)


def _below(path, key):
    return path + '/' + str(key).replace('~', '~0').replace('/', '~1')


def _number(value):
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or isinstance(value, float) and math.isfinite(value)


def _integer(value):
    return _number(value) and (isinstance(value, int) or value.is_integer())


def _same(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return type(a) in (int, float) and type(b) in (int, float) and a == b or type(a) is type(b) and a == b


def _fits(check, value, depth):
    errors = []
    check(value, '', errors, depth)
    return not errors
";

const DATE: &str = "

def _date(text):
    if not re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}', text):
        return False
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= month <= 12 and 1 <= day <= [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
";

const EMAIL: &str = "

_LOCAL = re.compile(r\"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\")
_LABEL = re.compile('[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?')


def _email(text):
    local, at, domain = text.rpartition('@')
    if not at or len(local) > 64 or len(domain) > 253 or not _LOCAL.fullmatch(local):
        return False
    return all(_LABEL.fullmatch(label) for label in domain.split('.'))
";

/// Levels of schemas one inside the other that a value is followed through: far below the recursion limit of Python.
const DEPTH_MAX: usize = 200;

/// The whole module, and what it does.
pub(in crate::templates) fn validator(schema: &Schema) -> (String, Vec<String>) {
    let mut writer = Writer { out: String::new(), patterns: Vec::new(), operations: Vec::new() };
    for (at, checks) in schema.nodes.iter().enumerate() {
        writer.node(at, checks);
    }
    let mut head = "import math\nimport re\n\n\n".to_owned();
    head.push_str(HEAD);
    for (operation, text) in [("format date", DATE), ("format email", EMAIL)] {
        if writer.operations.iter().any(|known| known == operation) {
            head.push_str(text);
        }
    }
    for (at, pattern) in writer.patterns.iter().enumerate() {
        let start = if at == 0 { "\n\n" } else { "" };
        let _ = writeln!(head, "{start}_PATTERN_{at} = re.compile({})", Value::text(pattern).repr());
    }
    head.push_str(&writer.out);
    writer.operations.sort_unstable();
    writer.operations.dedup();
    (head, writer.operations)
}

struct Writer {
    out: String,
    patterns: Vec<String>,
    operations: Vec<String>,
}

impl Writer {
    fn node(&mut self, at: usize, checks: &[Check]) {
        let _ = write!(self.out, "\n\ndef _check_{at}(value, path, errors, depth):\n");
        let _ = writeln!(self.out, "    if depth > {DEPTH_MAX}:");
        self.out.push_str("        return _note(errors, path, 'is nested too deeply')\n");
        for check in checks {
            self.check(check);
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.out, "{:width$}{text}", "", width = 4 * indent);
    }

    /// A condition under which something is wrong, and what.
    fn wrong(&mut self, condition: &str, reason: &str) {
        self.line(1, &format!("if {condition}:"));
        self.line(2, &format!("_note(errors, path, {})", Value::text(reason).repr()));
    }

    fn did(&mut self, operation: &str) {
        self.operations.push(operation.to_owned());
    }

    fn check(&mut self, check: &Check) {
        match check {
            Check::Never => self.wrong("True", "is not allowed"),
            Check::Type(kinds) => {
                self.did("type");
                let any: Vec<&str> = kinds.iter().map(|kind| test(*kind)).collect();
                let names: Vec<&str> = kinds.iter().map(|kind| name(*kind)).collect();
                self.wrong(
                    &format!("not ({})", any.join(" or ")),
                    &format!("must be {}", names.join(" or ")),
                );
            }
            Check::Enum(values) => {
                self.did("enum");
                let list = python(&Json::Array(values.clone()));
                self.wrong(
                    &format!("not any(_same(value, known) for known in {list})"),
                    "is none of the values that are allowed",
                );
            }
            Check::Bound { of, sign, bound } => self.bound(*of, sign, bound),
            Check::MultipleOf(step) => {
                self.did("multipleOf");
                self.wrong(
                    &format!("_number(value) and value % {step} != 0"),
                    &format!("must be a multiple of {step}"),
                );
            }
            Check::Pattern(pattern) => {
                self.did("pattern");
                let at = self.patterns.len();
                self.patterns.push(pattern.clone());
                self.wrong(
                    &format!("isinstance(value, str) and not _PATTERN_{at}.search(value)"),
                    "does not match its pattern",
                );
            }
            Check::Format(format) => {
                let (name, article) = match format {
                    Format::Date => ("date", "a"),
                    Format::Email => ("email", "an"),
                };
                self.did(&format!("format {name}"));
                self.wrong(
                    &format!("isinstance(value, str) and not _{name}(value)"),
                    &format!("must be {article} {name}"),
                );
            }
            Check::Required(_) | Check::Properties { .. } | Check::Items(_) | Check::UniqueItems => {
                self.inside(check);
            }
            Check::All(nodes) => {
                self.did("allOf");
                nodes.iter().for_each(|node| self.same(*node));
            }
            Check::Same(node) => {
                self.did("$ref");
                self.same(*node);
            }
            Check::Any(nodes) => {
                self.did("anyOf");
                self.wrong(&format!("not any({})", fits(nodes)), "fits none of its schemas");
            }
            Check::One(nodes) => {
                self.did("oneOf");
                self.wrong(&format!("sum({}) != 1", fits(nodes)), "must fit exactly one of its schemas");
            }
        }
    }

    fn same(&mut self, node: usize) {
        self.line(1, &format!("_check_{node}(value, path, errors, depth + 1)"));
    }

    fn bound(&mut self, of: Measure, sign: &str, bound: &str) {
        let (condition, measured, what) = match of {
            Measure::Number => ("_number(value)", "value", ""),
            Measure::Characters => ("isinstance(value, str)", "len(value)", " characters"),
            Measure::Items => ("isinstance(value, list)", "len(value)", " items"),
            Measure::Properties => ("isinstance(value, dict)", "len(value)", " members"),
        };
        self.did(&format!("limit{what}"));
        let wanted = match sign {
            "<" => "at least",
            ">" => "at most",
            "<=" => "more than",
            _ => "less than",
        };
        let verb = if of == Measure::Number { "be" } else { "have" };
        self.wrong(
            &format!("{condition} and {measured} {sign} {bound}"),
            &format!("must {verb} {wanted} {bound}{what}"),
        );
    }

    /// What looks into a list or an object.
    fn inside(&mut self, check: &Check) {
        match check {
            Check::Required(names) => {
                self.did("required");
                let list = names.iter().map(|name| Value::text(name).repr() + ", ").collect::<String>();
                self.line(1, "if isinstance(value, dict):");
                self.line(2, &format!("for key in ({list}):"));
                self.line(3, "if key not in value:");
                self.line(4, "_note(errors, _below(path, key), 'is missing')");
            }
            Check::Properties { named, others } => {
                self.did("properties");
                let list: Vec<String> = named
                    .iter()
                    .map(|(key, node)| format!("{}: _check_{node}", Value::text(key).repr()))
                    .collect();
                self.line(1, "if isinstance(value, dict):");
                self.line(2, &format!("known = {{{}}}", list.join(", ")));
                self.line(2, "for key, inner in value.items():");
                match others {
                    Some(node) => self.line(3, &format!("check = known.get(key, _check_{node})")),
                    None => self.line(3, "check = known.get(key)"),
                }
                self.line(3, "if check is not None:");
                self.line(4, "check(inner, _below(path, key), errors, depth + 1)");
            }
            Check::Items(node) => {
                self.did("items");
                self.line(1, "if isinstance(value, list):");
                self.line(2, "for at, inner in enumerate(value):");
                self.line(3, &format!("_check_{node}(inner, _below(path, at), errors, depth + 1)"));
            }
            Check::UniqueItems => {
                self.did("uniqueItems");
                self.wrong(
                    "isinstance(value, list) and any(_same(a, b) for at, a in enumerate(value) for b in value[:at])",
                    "must not have an item twice",
                );
            }
            _ => {}
        }
    }
}

fn fits(nodes: &[usize]) -> String {
    let list: String = nodes.iter().map(|node| format!("_check_{node}, ")).collect();
    format!("_fits(check, value, depth + 1) for check in ({list})")
}

fn test(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "value is None",
        Kind::Boolean => "isinstance(value, bool)",
        Kind::Integer => "_integer(value)",
        Kind::Number => "_number(value)",
        Kind::String => "isinstance(value, str)",
        Kind::Array => "isinstance(value, list)",
        Kind::Object => "isinstance(value, dict)",
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Boolean => "a boolean",
        Kind::Integer => "an integer",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    }
}

/// JSON as a Python literal.
fn python(json: &Json) -> String {
    match json {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => Value::text(text).repr(),
        Json::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Json::Object(members) => {
            let each =
                members.iter().map(|(key, value)| format!("{}: {}", Value::text(key).repr(), python(value)));
            format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
        }
    }
}
