//! A table as Python: rows checked, statements with parameters, CSV read.

use std::fmt::Write as _;

use super::{Column, Kind, Table};
use crate::value::Value;

const BODY: &str = "
def _parameter(value):
    if isinstance(value, decimal.Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime.date) else value


def _known(row):
    return [f'{name}: is no column of the table' for name in row if name not in COLUMNS]


def _wrong(row):
    errors = _known(row)
    for name, value in row.items():
        if name not in COLUMNS:
            continue
        _, nullable, _, fits, wanted = COLUMNS[name]
        if value is None:
            if not nullable:
                errors.append(f'{name}: must not be null')
        elif not fits(value):
            errors.append(f'{name}: must be {wanted}')
    return errors


def validate_row(row) -> list[str]:
    \"\"\"What is wrong with a row, as `column: reason`; nothing when it can be inserted. Keys are left to the database.\"\"\"
    missing = [name for name, (_, nullable, filled, _, _) in COLUMNS.items() if not nullable and not filled]
    return _wrong(row) + [f'{name}: is missing' for name in missing if name not in row]


def _refuse(errors):
    if errors:
        raise ValueError('; '.join(errors))


def _clause(where):
    _refuse(_known(where))
    terms = [COLUMNS[name][0] + (' IS NULL' if value is None else ' = ?') for name, value in where.items()]
    return ' AND '.join(terms), tuple(_parameter(value) for value in where.values() if value is not None)


def insert(row) -> tuple[str, tuple]:
    \"\"\"Statement and parameters that insert a row; values are never part of the statement.\"\"\"
    _refuse(validate_row(row))
    if not row:
        return f'INSERT INTO {TABLE} DEFAULT VALUES', ()
    names = ', '.join(COLUMNS[name][0] for name in row)
    marks = ', '.join('?' for _ in row)
    return f'INSERT INTO {TABLE} ({names}) VALUES ({marks})', tuple(map(_parameter, row.values()))


def select(where=None) -> tuple[str, tuple]:
    \"\"\"Statement and parameters that find the rows with these values; all rows without any.\"\"\"
    clause, parameters = _clause(where or {})
    names = ', '.join(column[0] for column in COLUMNS.values())
    return f'SELECT {names} FROM {TABLE}' + (f' WHERE {clause}' if clause else ''), parameters


def update(changes, where) -> tuple[str, tuple]:
    \"\"\"Statement and parameters that change the rows with these values; without any, nothing is changed by accident.\"\"\"
    if not changes or not where:
        raise ValueError('an update needs changes and the values of the rows to change')
    _refuse(_wrong(changes))
    clause, parameters = _clause(where)
    marks = ', '.join(COLUMNS[name][0] + ' = ?' for name in changes)
    return f'UPDATE {TABLE} SET {marks} WHERE {clause}', tuple(map(_parameter, changes.values())) + parameters


def parse_csv(text) -> tuple[list[dict], list[str]]:
    \"\"\"Rows of a CSV text with a header, and what is wrong as `line N: column: reason`. An empty field is null.\"\"\"
    rows, errors = [], []
    lines = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = next(lines, [])
        problems = _known(header) + [f'{name}: comes twice' for name in sorted(set(header)) if header.count(name) > 1]
        if problems:
            return rows, [f'line 1: {problem}' for problem in problems]
        for fields in lines:
            if not fields:
                continue
            if len(fields) != len(header):
                errors.append(f'line {lines.line_num}: has {len(fields)} fields, the header has {len(header)}')
                continue
            row, found = {}, []
            for name, field in zip(header, fields):
                try:
                    row[name] = None if field == '' else PARSERS[name](field)
                except (ValueError, ArithmeticError):
                    found.append(f'{name}: must be {COLUMNS[name][4]}')
            found = found or validate_row(row)
            errors.extend(f'line {lines.line_num}: {problem}' for problem in found)
            if not found:
                rows.append(row)
    except csv.Error as error:
        errors.append(f'line {lines.line_num}: {error}')
    return rows, errors
";

const CHECKS: &str = "
def _integer(bits):
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and -1 << bits - 1 <= value < 1 << bits - 1


def _real(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _decimal(digits, places):
    def fits(value):
        if isinstance(value, bool) or not isinstance(value, (int, decimal.Decimal)):
            return False
        value = decimal.Decimal(value)
        if not value.is_finite():
            return False
        if digits is None:
            return True
        _, figures, exponent = value.normalize(decimal.Context(prec=2000)).as_tuple()
        return not value or exponent >= -places and len(figures) + exponent <= digits - places
    return fits


def _text(most):
    return lambda value: isinstance(value, str) and (most is None or len(value) <= most)


def _boolean(value):
    return isinstance(value, bool)


def _date(value):
    return isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)


def _timestamp(value):
    return isinstance(value, datetime.datetime)


def _bytes(value):
    return isinstance(value, bytes)


def _read_integer(field):
    if not re.fullmatch('[+-]?[0-9]{1,20}', field):
        raise ValueError(field)
    return int(field)


def _read_boolean(field):
    known = {'true': True, 'false': False, '1': True, '0': False}
    if field.lower() not in known:
        raise ValueError(field)
    return known[field.lower()]
";

/// The whole module, and what it does.
pub(in crate::templates) fn module(table: &Table) -> (String, Vec<String>) {
    let mut out = "import csv\nimport datetime\nimport decimal\nimport math\nimport re\n\n".to_owned();
    out.push_str(CHECKS);
    let _ = write!(out, "\n\nTABLE = {}\n", Value::text(&quoted(&table.name)).repr());
    out.push_str("# Quoted name, whether it may be null, whether the database fills it, the check, and what it is for.\n");
    out.push_str("COLUMNS = {\n");
    for column in &table.columns {
        let _ = writeln!(out, "    {}", row(column));
    }
    out.push_str("}\nPARSERS = {\n");
    for column in &table.columns {
        let _ = writeln!(out, "    {}: {},", Value::text(&column.name).repr(), parser(column.kind));
    }
    out.push_str("}\n\n");
    out.push_str(BODY);
    let operations = ["validate_row", "insert", "select", "update", "parse_csv"];
    (out, operations.map(str::to_owned).to_vec())
}

/// A name as SQL has it; names with quotes were refused when the table was read.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn row(column: &Column) -> String {
    let truth = |b: bool| if b { "True" } else { "False" };
    let (check, wanted) = check(column.kind);
    format!(
        "{}: ({}, {}, {}, {check}, {}),",
        Value::text(&column.name).repr(),
        Value::text(&quoted(&column.name)).repr(),
        truth(column.nullable),
        truth(column.filled),
        Value::text(&wanted).repr(),
    )
}

fn check(kind: Kind) -> (String, String) {
    match kind {
        Kind::Integer(bytes) => {
            (format!("_integer({})", 8 * bytes), format!("a whole number of {} bits", 8 * bytes))
        }
        Kind::Real => ("_real".to_owned(), "a number".to_owned()),
        Kind::Decimal(None) => ("_decimal(None, 0)".to_owned(), "a decimal number".to_owned()),
        Kind::Decimal(Some((digits, places))) => (
            format!("_decimal({digits}, {places})"),
            format!("a decimal number of {digits} digits, {places} of them after the point"),
        ),
        Kind::Text(None) => ("_text(None)".to_owned(), "a text".to_owned()),
        Kind::Text(Some(most)) => (format!("_text({most})"), format!("a text of at most {most} characters")),
        Kind::Boolean => ("_boolean".to_owned(), "true or false".to_owned()),
        Kind::Date => ("_date".to_owned(), "a date".to_owned()),
        Kind::Timestamp => ("_timestamp".to_owned(), "a date with a time".to_owned()),
        Kind::Bytes => ("_bytes".to_owned(), "bytes".to_owned()),
    }
}

fn parser(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer(_) => "_read_integer",
        Kind::Real => "float",
        Kind::Decimal(_) => "decimal.Decimal",
        Kind::Text(_) => "str",
        Kind::Boolean => "_read_boolean",
        Kind::Date => "datetime.date.fromisoformat",
        Kind::Timestamp => "datetime.datetime.fromisoformat",
        Kind::Bytes => "bytes.fromhex",
    }
}
