//! Faults of bytes, copies and links (checks `syntax`, `copies`, `chain`).

use cascade_receipt::chain::LINE_BYTES_MAX;
use cascade_receipt::content::Ending;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_receipt::verify::Code;

use crate::case::Case;
use crate::chain::{Chain, receipt_id, remove, set};
use crate::runs::{closing, running, started};

pub(crate) fn cases(out: &mut Vec<Case>) {
    input(out);
    texts(out);
    members(out);
    content(out);
    copies(out);
    links(out);
}

/// Genesis, intent, closer: what most faults are put into, at seq 2.
fn three() -> Chain {
    let (mut chain, intent) = running();
    chain.add(&closing(Ending::Completed, &intent));
    chain
}

fn input(out: &mut Vec<Case>) {
    out.push(Case::fault(Code::Empty, 0, "no byte at all", ""));
    let mut bytes = three().bytes();
    bytes.pop();
    out.push(Case::fault(Code::Torn, 2, "everything but the last line feed", bytes));
    let mut bytes = three().bytes();
    bytes.truncate(bytes.len() - 100);
    out.push(Case::fault(Code::Torn, 2, "cut in the last line", bytes).named("cut"));

    let mut chain = three();
    chain.add_with(&started("long", &[]), |content| set(content, "note", "x".repeat(LINE_BYTES_MAX)));
    out.push(Case::fault(Code::LineLength, 3, "a member of 64 KiB", chain.bytes()));
    let endless = [three().bytes(), vec![b'x'; LINE_BYTES_MAX + 1]].concat();
    out.push(Case::fault(Code::LineLength, 3, "a line that does not end", endless).named("endless"));

    for (name, bytes) in [
        ("foreign", b"<!doctype html>\n".to_vec()),
        ("binary", b"\x7fELF\x02\x01\x01\n".to_vec()),
        ("bom", [b"\xef\xbb\xbf", three().bytes().as_slice()].concat()),
        ("blank-first", [b"\n", three().bytes().as_slice()].concat()),
    ] {
        out.push(Case::fault(Code::Malformed, 0, "no ledger", bytes).named(name));
    }
    let bytes = [three().bytes().as_slice(), b"\n"].concat();
    out.push(Case::fault(Code::Malformed, 3, "a blank line at the end", bytes).named("blank-last"));
    let mut chain = three();
    chain.lines[1].insert_str(0, "{}");
    out.push(Case::fault(Code::Malformed, 1, "two values on a line", chain.bytes()).named("two-values"));
}

/// One change of the text of line 2 each, where nothing is hashed again: the reader stops before.
fn texts(out: &mut Vec<Case>) {
    let mut change = |code: Code, name: &str, comment, from: &str, to: &str| {
        let mut chain = three();
        let line = chain.lines[2].replacen(from, to, 1);
        assert_ne!(line, chain.lines[2], "`{from}` is not in the line");
        chain.lines[2] = line;
        out.push(Case::fault(code, 2, comment, chain.bytes()).named(name));
    };
    let exit = "\"exit_code\":0";
    change(Code::DuplicateKey, "inner", "a key twice in content", exit, "\"exit_code\":0,\"exit_code\":0");
    change(Code::DuplicateKey, "outer", "a key twice outside", "\"hmac\":", "\"hmac\":\"\",\"hmac\":");
    change(Code::Key, "upper", "an upper case key", exit, "\"exitCode\":0");
    change(Code::Key, "empty", "an empty key", exit, "\"\":0");
    change(Code::Float, "fraction", "a fraction", exit, "\"exit_code\":0.0");
    change(Code::Float, "exponent", "an exponent", exit, "\"exit_code\":1e0");
    change(Code::IntRange, "above", "2^53", exit, "\"exit_code\":9007199254740992");
    change(Code::IntRange, "huge", "forty digits", exit, &format!("\"exit_code\":{}", "9".repeat(40)));
    change(Code::Null, "member", "null", exit, "\"exit_code\":null");
    let deep = format!("\"exit_code\":{}{}", "[".repeat(15), "]".repeat(15));
    change(Code::Depth, "array", "the receipt, content and fifteen arrays", exit, &deep);
    change(Code::NotCanonical, "space", "a space after a colon", exit, "\"exit_code\": 0");
    let swapped = "\"effect_status\":\"confirmed\",\"duration_us\":1234";
    let in_order = "\"duration_us\":1234,\"effect_status\":\"confirmed\"";
    change(Code::NotCanonical, "order", "two members swapped", in_order, swapped);
    change(
        Code::NotCanonical,
        "slash",
        "an escape that is not needed",
        "cascade/receipt",
        "cascade\\/receipt",
    );
    change(Code::NotCanonical, "zero", "minus zero", exit, "\"exit_code\":-0");
    change(Code::NotCanonical, "cr", "a carriage return before the line feed", "\"}\n", "\"}\r\n");
    change(Code::Malformed, "leading-zero", "a leading zero", exit, "\"exit_code\":00");
    change(Code::Malformed, "control", "a raw control character", "cascade/receipt", "cascade\u{1}receipt");
    change(Code::Unicode, "surrogate", "a lone surrogate", "cascade/receipt", "cascade\\ud800receipt");
    let mut bytes = three().bytes();
    let at = bytes.len() - 10;
    bytes[at] = 0xff;
    out.push(Case::fault(Code::Unicode, 2, "a byte that is not UTF-8", bytes).named("byte"));
}

fn members(out: &mut Vec<Case>) {
    let mut change = |code: Code, name: &str, comment, from: &str, to: &str| {
        let mut chain = three();
        let line = chain.lines[2].replacen(from, to, 1);
        assert_ne!(line, chain.lines[2], "`{from}` is not in the line");
        chain.lines[2] = line;
        out.push(Case::fault(code, 2, comment, chain.bytes()).named(name));
    };
    change(Code::UnknownMember, "eighth", "an eighth member", "\"}\n", "\",\"z\":1}\n");
    change(
        Code::Member,
        "outer-missing",
        "no outer time stamp",
        ",\"timestamp\":\"2026-01-02T03:04:07.678Z\"}\n",
        "}\n",
    );
    change(
        Code::Member,
        "outer-type",
        "an outer id that is a number",
        "\"receipt_id\":\"r_5eed000000000002\",\"timestamp\":\"2026-01-02T03:04:07.678Z\"}\n",
        "\"receipt_id\":2,\"timestamp\":\"2026-01-02T03:04:07.678Z\"}\n",
    );
    change(Code::Member, "base64", "a signature without padding", "==\",\"entry_hash\"", "\",\"entry_hash\"");
    let mut chain = three();
    let end = chain.lines[2].find(",\"ed25519_sig\"").expect("the next member");
    chain.lines[2].replace_range(..end, "{\"content\":[]");
    out.push(Case::fault(Code::Member, 2, "content that is no object", chain.bytes()).named("no-object"));

    let mut chain = three();
    let line = &chain.lines[2];
    let start = line.find("\"hmac\":\"").expect("hmac") + 8;
    let upper = line[start..start + 64].to_uppercase();
    chain.lines[2].replace_range(start..start + 64, &upper);
    out.push(Case::fault(Code::Member, 2, "hex in upper case", chain.bytes()).named("hex"));
}

/// Content that is hashed and signed as it stands and yet is not of the format.
fn content(out: &mut Vec<Case>) {
    let mut with = |code: Code, name: &str, comment, change: &dyn Fn(&mut Value)| {
        let mut chain = three();
        chain.add_with(&started("odd", &[]), |content| change(content));
        out.push(Case::fault(code, 3, comment, chain.bytes()).named(name));
    };
    with(Code::Type, "version", "content of a later format", &|content| {
        set(content, "_type", "cascade/receipt/v2");
    });
    with(Code::Kind, "unknown", "an unknown kind", &|content| set(content, "kind", "task_paused"));
    with(Code::Kind, "extension", "an extension without a name", &|content| set(content, "kind", "x_"));
    for key in ["decision", "principal", "action_hash", "risk_tier", "runtime", "log_origin", "key_id", "seq"]
    {
        let name = format!("no-{}", key.replace('_', "-"));
        with(Code::Member, &name, "a required member is missing", &|content| remove(content, key));
    }
    for (key, value) in [
        ("risk_tier", Value::from("low")),
        ("principal", "alice".into()),
        ("classified", Value::Int(1)),
        ("hmac_key_id", "e01".into()),
        ("clock", "forward".into()),
        ("layer_hit", "L9".into()),
        ("duration_us", Value::Int(-1)),
        ("timestamp", "2026-02-30T00:00:00.000Z".into()),
        ("log_origin", "vectors.example/tenant".into()),
    ] {
        let name = format!("bad-{}", key.replace('_', "-"));
        with(Code::Member, &name, "a member of the wrong type or spelling", &|content| {
            set(content, key, value.clone());
        });
    }
    let draw = |key: &str, value: Value| {
        let mut draw = Value::object([("actions", Value::Int(1)), ("budget", "calls".into())]);
        set(&mut draw, key, value);
        Value::Array(vec![draw])
    };
    for (name, draws) in [
        ("draws", Value::object([])),
        ("draws-budget", draw("budget", Value::Int(1))),
        ("draws-actions", draw("actions", "1".into())),
        ("draws-of", draw("of", "somebody".into())),
        ("draws-tokens", draw("tokens", Value::Int(-1))),
    ] {
        with(Code::Member, &format!("bad-{name}"), "what is taken from budgets is ill-formed", &|content| {
            set(content, "draws", draws.clone());
        });
    }
    with(Code::Member, "nine-gates", "a decision of nine gates", &|content| {
        let Value::Object(members) = content else { panic!("object") };
        let Some(Value::Object(decision)) = members.get_mut("decision") else { panic!("decision") };
        let Some(Value::Array(gates)) = decision.get_mut("gates") else { panic!("gates") };
        gates.pop();
    });
}

fn copies(out: &mut Vec<Case>) {
    let mut chain = three();
    chain.lines[1] = chain.lines[1].replacen(
        "\"receipt_id\":\"r_5eed000000000001\",\"timestamp\":\"2026-01-02T03:04:06.678Z\"}\n",
        "\"receipt_id\":\"r_5eed0000000000ff\",\"timestamp\":\"2026-01-02T03:04:06.678Z\"}\n",
        1,
    );
    out.push(Case::fault(Code::CopyReceiptId, 1, "the outer id was changed", chain.bytes()));
    let mut chain = three();
    chain.lines[1] = chain.lines[1].replacen("03:04:06.678Z\"}\n", "03:04:06.679Z\"}\n", 1);
    out.push(Case::fault(Code::CopyTimestamp, 1, "the outer time was changed", chain.bytes()));
}

fn links(out: &mut Vec<Case>) {
    let mut chain = three();
    chain.lines.swap(1, 2);
    out.push(Case::fault(Code::Seq, 1, "two receipts swapped", chain.bytes()).named("swapped"));
    let mut chain = three();
    chain.lines.remove(1);
    out.push(Case::fault(Code::Seq, 1, "a receipt is missing", chain.bytes()).named("missing"));
    let mut chain = three();
    chain.lines.remove(0);
    out.push(Case::fault(Code::Seq, 0, "the first receipt is missing", chain.bytes()).named("headless"));
    let mut chain = three();
    let twice = chain.lines[1].clone();
    chain.lines.insert(1, twice);
    out.push(Case::fault(Code::Seq, 2, "a receipt twice", chain.bytes()).named("twice"));

    let mut chain = three();
    let content = chain.content(&started("elsewhere", &[]));
    let signer = chain.signer.clone();
    chain.seal_as(&content.to_canonical(), &content, Digest([7; 32]), |digest| signer.sign(digest));
    out.push(Case::fault(Code::PrevHash, 3, "a receipt of another history, rightly signed", chain.bytes()));

    let mut chain = three();
    chain.lines[1] = chain.lines[1].replacen("\"risk_tier\":\"MEDIUM\"", "\"risk_tier\":\"LOW\"", 1);
    out.push(Case::fault(Code::EntryHash, 1, "one word of content was changed", chain.bytes()));

    let mut chain = Chain::new();
    let body = started("early", &[]);
    chain.add(&body);
    out.push(Case::fault(Code::Genesis, 0, "a chain that begins with a run", chain.bytes()));
    let mut chain = three();
    let genesis = chain.genesis(&[]);
    chain.add(&genesis);
    out.push(Case::fault(Code::Genesis, 3, "a second genesis", chain.bytes()).named("second"));

    let mut chain = three();
    let again = receipt_id(1);
    chain.add_with(&started("again", &[]), |content| set(content, "receipt_id", again.to_string()));
    out.push(Case::fault(Code::ReceiptId, 3, "an id for the second time", chain.bytes()));
}
