//! Emitted validators against the crate `jsonschema`: random schemas of what is covered, random instances.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use cascade_synthesis::templates::{Declined, Spec, emit};
use serde_json::{Map, Value, json};

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const KEYS: [&str; 4] = ["a", "b~/", "it's", "é"];
const PATTERNS: [&str; 6] =
    ["^[a-z]+$", "^a|b$", "^[a-z0-9]+(-[a-z0-9]+)*$", "\\d{2}", "^.x", "^[^@]+@[^@]+$"];

fn scalar(random: &mut Random) -> Value {
    let all = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-3),
        json!(7),
        json!(1.0),
        json!(2.5),
        json!(-0.5),
        json!(12),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("a-b"),
        json!("b\n"),
        json!("a\n"),
        json!("éx"),
        json!("12"),
        json!("2024-02-29"),
        json!("2023-02-29"),
        json!("2024-13-01"),
        json!("2024-1-01"),
        json!("a@b.co"),
        json!("not mail"),
        json!("a@"),
        json!("x@y@z.org"),
        json!("Some.One+tag@mail.example.org"),
        json!("a..b@c.de"),
        json!("a b@c.de"),
        json!("٣٣"),
        json!(1e300),
        json!(9_007_199_254_740_993_i64),
    ];
    random.pick(&all).clone()
}

fn instance(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 4 } else { 8 }) {
        0..=3 => scalar(random),
        4 | 5 => (0..random.below(4)).map(|_| instance(random, depth - 1)).collect(),
        _ => {
            let members = (0..random.below(4)).map(|_| {
                let key = (*random.pick(&KEYS)).to_owned();
                (key, instance(random, depth - 1))
            });
            Value::Object(members.collect())
        }
    }
}

fn schema(random: &mut Random, depth: usize) -> Value {
    if random.below(14) == 0 {
        return json!(random.below(3) > 0);
    }
    let mut found = Map::new();
    for _ in 0..=random.below(2) {
        let (keyword, value) = keyword(random, depth);
        found.insert(keyword.to_owned(), value);
    }
    Value::Object(found)
}

fn keyword(random: &mut Random, depth: usize) -> (&'static str, Value) {
    let kinds = ["null", "boolean", "integer", "number", "string", "array", "object"];
    let schemas =
        |random: &mut Random| -> Value { (0..=random.below(2)).map(|_| schema(random, depth - 1)).collect() };
    match random.below(if depth == 0 { 16 } else { 24 }) {
        0 => ("type", json!(random.pick(&kinds))),
        1 => ("type", json!([random.pick(&kinds[1..]), "null"])),
        2 => ("enum", (0..3).map(|_| instance(random, 1)).collect()),
        3 => ("const", instance(random, 1)),
        4 => ("required", json!([random.pick(&KEYS)])),
        5 => (
            *random.pick(&["minItems", "maxItems", "minProperties", "maxProperties"]),
            json!(random.below(3)),
        ),
        6 => (*random.pick(&["minLength", "maxLength"]), json!(random.below(4))),
        7 => (*random.pick(&["minimum", "exclusiveMinimum"]), json!(random.below(3))),
        8 => (*random.pick(&["maximum", "exclusiveMaximum"]), json!(random.below(8))),
        9 => ("maximum", json!(1.5)),
        10 => ("multipleOf", json!(1 + random.below(3))),
        11 => ("uniqueItems", json!(true)),
        12 => ("pattern", json!(random.pick(&PATTERNS))),
        13 => ("format", json!("date")),
        14 => ("format", json!("email")),
        15 => ("description", json!("says nothing")),
        16 => ("items", schema(random, depth - 1)),
        17 => ("allOf", schemas(random)),
        18 => ("anyOf", schemas(random)),
        19 => ("oneOf", schemas(random)),
        20 => ("additionalProperties", schema(random, depth - 1)),
        21 => ("$ref", json!("#/$defs/inner")),
        _ => {
            let members = (0..=random.below(2)).map(|_| {
                let key = (*random.pick(&KEYS)).to_owned();
                (key, schema(random, depth - 1))
            });
            ("properties", Value::Object(members.collect()))
        }
    }
}

const JUDGE: &str = "
import json, sys
bad = 0
for line in sys.stdin:
    case = json.loads(line)
    scope = {}
    exec(case['python'], scope)
    for text, valid in case['instances']:
        errors = scope['validate'](json.loads(text))
        assert all(': ' in error for error in errors)
        if (errors == []) != valid:
            bad += 1
            if bad < 6:
                print(case['schema'], text, 'valid' if valid else 'invalid', errors, file=sys.stderr)
print(bad)
";

fn judged(cases: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the emitted text is Python: CPython says what it does")]
    let mut python = Command::new("python3")
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(cases.as_bytes()).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
}

fn oracle(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

/// The case for the judge, and how many instances are valid and invalid.
fn case(schema: &Value, instances: &[Value]) -> (String, usize, usize) {
    let emitted = emit(&Spec::JsonSchema(&schema.to_string())).unwrap();
    let oracle = oracle(schema);
    let verdicts: Vec<Value> =
        instances.iter().map(|instance| json!([instance.to_string(), oracle.is_valid(instance)])).collect();
    let valid = verdicts.iter().filter(|verdict| verdict[1] == json!(true)).count();
    let line = json!({"schema": schema.to_string(), "python": emitted[0].python, "instances": verdicts});
    (format!("{line}\n"), valid, instances.len() - valid)
}

#[test]
fn random_schemas_judge_as_the_oracle_does() {
    let mut random = Random(11);
    let (mut cases, mut valid, mut invalid) = (String::new(), 0, 0);
    for _ in 0..400 {
        let mut whole = schema(&mut random, 3);
        if let Value::Object(members) = &mut whole {
            // What is referred to refers to nothing itself, so that every schema ends.
            members.insert("$defs".to_owned(), json!({"inner": schema(&mut random, 0)}));
        } else {
            continue;
        }
        let instances: Vec<Value> = (0..60).map(|_| instance(&mut random, 3)).collect();
        let (line, yes, no) = case(&whole, &instances);
        cases.push_str(&line);
        (valid, invalid) = (valid + yes, invalid + no);
    }
    assert!(valid > 3_000 && invalid > 3_000, "{valid} valid and {invalid} invalid instances tell little");
    assert_eq!(judged(&cases), "0\n");
}

#[test]
fn a_business_schema_judges_as_the_oracle_does() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "order",
        "type": "object",
        "required": ["id", "lines", "customer"],
        "additionalProperties": false,
        "properties": {
            "id": {"type": "string", "pattern": "^[A-Z]{2}-\\d{4,8}$"},
            "customer": {"$ref": "#/$defs/person"},
            "ship_to": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/person"}]},
            "due": {"type": "string", "format": "date"},
            "lines": {
                "type": "array", "minItems": 1, "maxItems": 3,
                "items": {
                    "type": "object", "required": ["sku", "count"],
                    "properties": {"sku": {"type": "string", "minLength": 1, "maxLength": 5},
                                   "count": {"type": "integer", "minimum": 1, "exclusiveMaximum": 100}}
                }
            }
        },
        "$defs": {"person": {"type": "object", "required": ["email"], "properties": {
            "email": {"type": "string", "format": "email"}, "boss": {"$ref": "#/$defs/person"}}}}
    });
    let good = json!({"id": "AB-1234", "customer": {"email": "a@b.co", "boss": {"email": "c@d.org"}}, "ship_to": null,
                      "due": "2024-02-29", "lines": [{"sku": "x", "count": 1.0}]});
    let mut instances = vec![good.clone()];
    let spoil = [
        ("/id", json!("AB-123")),
        ("/id", json!("AB-1234\n")),
        ("/id", json!(5)),
        ("/customer", json!({})),
        ("/customer/boss/email", json!("nobody")),
        ("/ship_to", json!({"email": "q@r.st"})),
        ("/ship_to", json!(1)),
        ("/due", json!("2023-02-29")),
        ("/lines", json!([])),
        ("/lines/0/count", json!(0)),
        ("/lines/0/count", json!(100)),
        ("/lines/0/count", json!(true)),
        ("/lines/0/count", json!(1.5)),
        ("/lines/0/sku", json!("")),
        ("/lines/0/sku", json!("ééééé")),
        ("/lines/0/sku", json!("abcdef")),
        ("/lines/0", json!([])),
        ("/lines", json!({})),
    ];
    for (place, value) in spoil {
        let mut spoiled = good.clone();
        *spoiled.pointer_mut(place).unwrap() = value;
        instances.push(spoiled);
    }
    let mut more = good;
    more["note"] = json!("hello");
    instances.push(more);
    let (line, valid, invalid) = case(&schema, &instances);
    assert_eq!((valid, invalid), (3, 17));
    assert_eq!(judged(&line), "0\n");
}

fn declined(schema: &Value) -> Declined {
    emit(&Spec::JsonSchema(&schema.to_string())).unwrap_err()
}

#[test]
fn what_is_not_covered_is_refused_by_its_name() {
    for keyword in [
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "propertyNames",
        "prefixItems",
        "contains",
        "minContains",
        "unevaluatedItems",
        "unevaluatedProperties",
        "$dynamicRef",
        "$anchor",
        "contentEncoding",
        "dependencies",
        "additionalItems",
        "id",
        "typo",
    ] {
        for schema in [json!({keyword: {}}), json!({"properties": {"x": {"items": {keyword: {}}}}})] {
            match declined(&schema) {
                Declined::Keyword { keyword: named, .. } => assert_eq!(named, keyword),
                other => panic!("{keyword} {other}"),
            }
        }
    }
}

#[test]
fn values_that_are_not_covered_are_refused() {
    for schema in [
        json!({"type": "text"}),
        json!({"type": []}),
        json!({"required": "a"}),
        json!({"minLength": -1}),
        json!({"minLength": 1.5}),
        json!({"maximum": "3"}),
        json!({"multipleOf": 0}),
        json!({"multipleOf": 0.1}),
        json!({"format": "uuid"}),
        json!({"pattern": "(a+)+$"}),
        json!({"pattern": 3}),
        json!({"anyOf": []}),
        json!({"$ref": "other.json"}),
        json!({"$ref": "#/$defs/none"}),
        json!({"$ref": "#name"}),
        json!({"enum": 1}),
        json!({"items": [{}]}),
        json!({"properties": []}),
        json!({"uniqueItems": 1}),
        json!(3),
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        json!({"items": {"$id": "x"}}),
    ] {
        assert!(matches!(declined(&schema), Declined::Value { .. }), "{schema}");
    }
    assert!(matches!(emit(&Spec::JsonSchema("{")), Err(Declined::Unreadable { .. })));
}

#[test]
fn schemas_that_would_never_end_are_refused_and_those_that_end_are_not() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}),
    ] {
        assert!(matches!(declined(&schema), Declined::Value { .. }), "{schema}");
    }
    let tree = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
    let deep = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"next": inner}));
    let emitted = emit(&Spec::JsonSchema(&tree.to_string())).unwrap();
    let line = |levels, valid| {
        let text = deep(levels).to_string();
        json!({"schema": "tree", "python": emitted[0].python, "instances": [[text, valid]]}).to_string()
            + "\n"
    };
    // Each level takes two steps: the member's schema and what it refers to.
    assert_eq!(judged(&(line(100, true) + &line(101, false) + &line(400, false))), "0\n");
}

#[test]
fn as_many_schemas_as_allowed_and_no_more() {
    let wide =
        |count: usize| json!({"allOf": (0..count).map(|_| json!({"type": "object"})).collect::<Vec<_>>()});
    assert!(emit(&Spec::JsonSchema(&wide(511).to_string())).is_ok());
    assert!(matches!(declined(&wide(512)), Declined::TooLarge { most: 512, .. }));
    let long = |bytes: usize| format!("{{\"title\": \"{}\"}}", "x".repeat(bytes - 13));
    assert!(emit(&Spec::JsonSchema(&long(65_536))).is_ok());
    assert!(matches!(emit(&Spec::JsonSchema(&long(65_537))), Err(Declined::TooLarge { .. })));
}

#[test]
fn names_in_a_schema_cannot_become_code() {
    let key = "a'\"]); raise SystemExit(9) #\n\\";
    let schema =
        json!({"required": [key], "properties": {key: {"const": key}}, "additionalProperties": false});
    let (line, valid, invalid) =
        case(&schema, &[json!({key: key}), json!({}), json!({key: 1}), json!({"x": 1})]);
    assert_eq!((valid, invalid), (1, 3));
    assert_eq!(judged(&line), "0\n");
}

#[test]
fn patterns_that_are_taken_do_not_run_on() {
    let texts =
        ["a".repeat(20_000) + "!", "a-".repeat(10_000), "a@".repeat(10_000), "1".repeat(20_000) + "\n"];
    let instances: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    let cases: String =
        PATTERNS.iter().map(|pattern| case(&json!({"pattern": pattern}), &instances).0).collect();
    assert_eq!(judged(&cases), "0\n");
}
