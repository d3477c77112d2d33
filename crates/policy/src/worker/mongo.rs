//! Whether a text for a MongoDB shell only reads. What is not a chain of calls on a short list is not taken for one.

/// True for `db.orders.find({…}).limit(3)`, `show dbs` and their like.
pub(super) fn only_reads(text: &str) -> bool {
    let text = text.trim().trim_end_matches(';').trim_end();
    if let Some(rest) = text.strip_prefix("show ") {
        return matches!(
            rest.trim(),
            "dbs" | "databases" | "collections" | "tables" | "users" | "roles" | "profile"
        );
    }
    let Some(calls) = calls(text) else { return false };
    let Some(((first, _), rest)) = calls.split_first() else { return false };
    let objects: Vec<&str> = first.split('.').collect();
    let head = match objects.as_slice() {
        ["db", method] => OF_DATABASE.contains(method),
        ["db", .., method] => OF_COLLECTION.contains(method),
        ["rs" | "sh", method] => {
            matches!(*method, "status" | "conf" | "isMaster" | "printReplicationInfo" | "hello")
        }
        ["print" | "printjson"] => {
            return rest.is_empty() && calls.iter().all(|(_, inside)| only_reads(inside));
        }
        _ => false,
    };
    let writes = |inside: &str| {
        ["$out", "$merge", "$function", "$where", "$accumulator", "=>", "function"]
            .iter()
            .any(|word| inside.contains(word))
    };
    head && rest.iter().all(|(name, _)| CHAINED.contains(&name.trim_start_matches('.')))
        && calls.iter().all(|(_, inside)| !writes(inside) && is_data(inside))
}

/// `a.b(x).c(y)` as `("a.b", "x")`, `(".c", "y")`; nothing where the text is anything else.
fn calls(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut calls = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let open = rest.find('(')?;
        let (name, after) = rest.split_at(open);
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')) {
            return None;
        }
        let close = closing(after)?;
        calls.push((name, after.get(1..close)?));
        rest = after.get(close + 1..)?.trim_start();
    }
    Some(calls)
}

/// Where the parenthesis that a text begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '`' | '/') => return None,
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// An argument of numbers, texts, lists and objects; the only calls in it make values.
fn is_data(inside: &str) -> bool {
    let mut bare = String::new();
    let mut quote = None;
    for c in inside.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), '\\') => return false,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, c) => bare.push(c),
        }
    }
    let makes = ["ObjectId(", "ISODate(", "NumberLong(", "NumberInt(", "Date("];
    let stripped = makes.iter().fold(bare, |text, make| text.replace(make, "["));
    stripped.chars().all(|c| c.is_ascii_alphanumeric() || " \n\t_$:,.{}[]-)".contains(c))
}

const OF_DATABASE: &[&str] = &[
    "stats",
    "version",
    "getName",
    "getCollectionNames",
    "getCollectionInfos",
    "serverStatus",
    "hostInfo",
    "hello",
    "isMaster",
    "currentOp",
    "getUsers",
    "getRoles",
    "getProfilingStatus",
    "serverBuildInfo",
    "listCommands",
];
const OF_COLLECTION: &[&str] = &[
    "find",
    "findOne",
    "count",
    "countDocuments",
    "estimatedDocumentCount",
    "distinct",
    "aggregate",
    "getIndexes",
    "stats",
    "dataSize",
    "storageSize",
    "totalSize",
    "totalIndexSize",
    "isCapped",
    "validate",
    "explain",
    "latencyStats",
];
const CHAINED: &[&str] = &[
    "limit",
    "skip",
    "sort",
    "count",
    "size",
    "toArray",
    "pretty",
    "explain",
    "projection",
    "hint",
    "maxTimeMS",
    "batchSize",
    "next",
    "hasNext",
    "itcount",
    "length",
    "collation",
    "readPref",
    "find",
    "aggregate",
    "countDocuments",
];

#[cfg(test)]
mod tests {
    use super::only_reads;

    #[test]
    fn only_chains_of_known_calls_read() {
        for (text, expected) in [
            ("db.orders.countDocuments()", true),
            ("db.orders.find({a: {$gt: 3}}, {b: 1}).sort({a: -1}).limit(3);", true),
            ("db.stats()", true),
            ("show collections", true),
            ("printjson(db.users.findOne({name: 'x)'}))", true),
            ("rs.status()", true),
            ("db.orders.drop()", false),
            ("db.orders.find().forEach(x => db.orders.deleteOne(x))", false),
            ("db.orders.aggregate([{$out: 'x'}])", false),
            ("db.orders.find({$where: 'sleep(9)'})", false),
            ("db.find(db.orders.drop())", false),
            ("db.orders.find(db.orders.drop())", false),
            ("db.orders.find({}); db.orders.drop()", false),
            ("db['orders'].find()", false),
            ("db.orders.find(load('x.js'))", false),
            ("rs.stepDown()", false),
            ("db.orders.find({a: `${x}`})", false),
            ("", false),
        ] {
            assert_eq!(only_reads(text), expected, "{text}");
        }
    }
}
