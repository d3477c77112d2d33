//! One receipt into the tables of the view.

use cascade_receipt::decision::GateName;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OptionalExtension as _, Result, params, params_from_iter};

use super::view::{Private, text};

/// Kinds whose members all have columns, so that their content need not be kept. They are nearly all of a chain.
const WITHOUT_CONTENT: [&str; 8] = [
    "blocked",
    "dry_run",
    "heartbeat",
    "task_completed",
    "task_failed",
    "task_revoked",
    "task_started",
    "task_unknown",
];

/// Columns of `receipts` that are members of content by the same name: texts, then numbers, then times.
const TEXTS: [&str; 16] = [
    "kind",
    "principal",
    "on_behalf_of",
    "task_type",
    "risk_tier",
    "action_hash",
    "facts_hash",
    "output_hash",
    "effect_status",
    "layer_hit",
    "evidence",
    "spec_hash",
    "policy_version",
    "policy_hash",
    "key_id",
    "receipt_id",
];
const NUMBERS: [&str; 8] = [
    "exit_code",
    "signal",
    "duration_us",
    "tokens_in",
    "tokens_out",
    "cost_microusd",
    "required",
    "signature_required",
];
const TIMES: [&str; 2] = ["expires", "review_due"];

pub(super) fn begin(connection: &Connection) -> Result<()> {
    for (place, gate) in GateName::ALL.iter().enumerate() {
        let place = i64::try_from(place + 1).unwrap_or_default();
        connection.execute("INSERT INTO gate_names VALUES (?1, ?2)", params![place, gate.as_str()])?;
    }
    Ok(())
}

/// `None` where the content is none.
pub(super) fn receipt(
    connection: &Connection,
    content: &Value,
    private: Option<&Private>,
) -> Result<Option<()>> {
    let (Some(seq), Some(kind), Some(at)) =
        (number(content, "seq"), text(content, "kind"), time(content, "timestamp"))
    else {
        return Ok(None);
    };
    let row = Row { connection, seq, at, content };
    row.receipt(kind, private.is_some())?;
    row.reasons()?;
    row.refs()?;
    row.lists()?;
    row.meaning(kind)?;
    private.map_or(Ok(()), |private| super::private::fill(connection, (seq, at), private))?;
    Ok(Some(()))
}

struct Row<'r> {
    connection: &'r Connection,
    seq: i64,
    at: i64,
    content: &'r Value,
}

impl Row<'_> {
    fn receipt(&self, kind: &str, disclosed: bool) -> Result<()> {
        let decision = self.content.member("decision");
        let runtime = self.content.member("runtime");
        let mut names: Vec<&str> = vec!["seq", "at", "disclosed"];
        let mut cells = vec![Cell::from(self.seq), Cell::from(self.at), Cell::from(i64::from(disclosed))];
        let mut add = |name: &'static str, cell: Option<Cell>| {
            if let Some(cell) = cell {
                names.push(name);
                cells.push(cell);
            }
        };
        let word = |value: Option<&Value>, key: &str| {
            value.and_then(|value| text(value, key)).map(|text| Cell::from(text.to_owned()))
        };
        for name in TEXTS {
            add(name, word(Some(self.content), name));
        }
        for name in NUMBERS {
            add(name, number(self.content, name).map(Cell::from));
        }
        for name in TIMES {
            add(name, time(self.content, name).map(Cell::from));
        }
        add("verdict", word(decision, "verdict"));
        add("gate_letters", decision.and_then(letters).map(Cell::from));
        if decision.is_some() && kind != "task_revoked" {
            let classified = self.content.member("classified").and_then(Value::as_bool).unwrap_or(true);
            add("classified", Some(Cell::from(i64::from(classified))));
        }
        add("node", word(runtime, "node"));
        add("version", word(runtime, "version"));
        if !WITHOUT_CONTENT.contains(&kind) {
            add("content", Some(Cell::from(self.content.to_canonical())));
        }
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!("INSERT OR IGNORE INTO receipts ({}) VALUES ({marks})", names.join(", "));
        self.connection.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
        Ok(())
    }

    /// Those of the gates, and those of a receipt that has no gates.
    fn reasons(&self) -> Result<()> {
        let gates = self.content.member("decision").and_then(|decision| decision.member("gates"));
        for gate in gates.and_then(Value::as_array).unwrap_or_default() {
            self.reasons_of(gate.member("reasons"), text(gate, "gate"))?;
        }
        self.reasons_of(self.content.member("reasons"), None)
    }

    fn reasons_of(&self, reasons: Option<&Value>, gate: Option<&str>) -> Result<()> {
        for reason in reasons.and_then(Value::as_array).unwrap_or_default() {
            self.run(
                "INSERT INTO reasons VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    self.seq,
                    gate,
                    text(reason, "code"),
                    text(reason, "policy_id"),
                    text(reason, "control")
                ],
            )?;
        }
        Ok(())
    }

    fn refs(&self) -> Result<()> {
        for one in self.items("refs") {
            let (Some(rel), Some(id)) = (text(one, "rel"), text(one, "receipt_id")) else { continue };
            let target = self.seq_of(id)?;
            self.run("INSERT INTO refs VALUES (?1, ?2, ?3, ?4)", params![self.seq, rel, target, id])?;
        }
        Ok(())
    }

    fn lists(&self) -> Result<()> {
        for one in self.items("signatures") {
            let principal = text(one, "principal");
            self.run("INSERT INTO signatures VALUES (?1, ?2)", params![self.seq, principal])?;
        }
        for one in self.items("groups") {
            self.run("INSERT INTO receipt_groups VALUES (?1, ?2)", params![self.seq, one.as_str()])?;
        }
        for one in self.items("erased") {
            let target = text(one, "receipt_id").map_or(Ok(None), |id| self.seq_of(id))?;
            for field in one.member("fields").and_then(Value::as_array).unwrap_or_default() {
                let field = field.as_str();
                self.run("INSERT INTO erased VALUES (?1, ?2, ?3)", params![self.seq, target, field])?;
            }
        }
        Ok(())
    }

    fn meaning(&self, kind: &str) -> Result<()> {
        match kind {
            "genesis" => {
                for admin in self.items("admins") {
                    self.joins(text(admin, "principal"), &["admins"])?;
                }
                self.policy(self.content, self.seq)
            }
            "principal_added" => {
                let groups: Vec<&str> = self.items("groups").iter().filter_map(Value::as_str).collect();
                self.leaves(text(self.content, "principal"))?;
                self.joins(text(self.content, "principal"), &groups)
            }
            "principal_removed" => self.leaves(text(self.content, "principal")),
            "grant" => self.grant(),
            "grant_revoked" => self.grant_revoked(),
            "policy_activated" | "pack_activated" => self.activated(),
            "anchor" => self.anchor(),
            _ => Ok(()),
        }
    }

    fn joins(&self, principal: Option<&str>, groups: &[&str]) -> Result<()> {
        let admin = groups.contains(&"admins");
        self.run(
            "INSERT INTO people (principal, admin, from_seq) VALUES (?1, ?2, ?3)",
            params![principal, admin, self.seq],
        )?;
        for group in groups {
            self.run(
                "INSERT INTO people_groups (principal, name, from_seq) VALUES (?1, ?2, ?3)",
                params![principal, group, self.seq],
            )?;
        }
        Ok(())
    }

    fn leaves(&self, principal: Option<&str>) -> Result<()> {
        for table in ["people", "people_groups"] {
            self.run(
                &format!("UPDATE {table} SET until_seq = ?2 WHERE principal = ?1 AND until_seq IS NULL"),
                params![principal, self.seq],
            )?;
        }
        Ok(())
    }

    fn grant(&self) -> Result<()> {
        let scope = self.content.member("scope");
        let word = |key: &str| scope.and_then(|scope| text(scope, key));
        let parent = self.target("grant")?;
        self.run(
            "INSERT OR IGNORE INTO grants VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, NULL)",
            params![
                self.seq,
                text(self.content, "principal"),
                text(self.content, "to"),
                text(self.content, "on_behalf_of"),
                word("assume"),
                word("up_to"),
                time(self.content, "expires"),
                number(self.content, "delegate").unwrap_or_default(),
                parent,
            ],
        )?;
        for (key, sql) in [
            ("commands", "INSERT INTO grant_commands VALUES (?1, ?2)"),
            ("resources", "INSERT INTO grant_resources VALUES (?1, ?2)"),
        ] {
            let items = scope.and_then(|scope| scope.member(key)).and_then(Value::as_array);
            for item in items.unwrap_or_default() {
                self.run(sql, params![self.seq, item.as_str()])?;
            }
        }
        Ok(())
    }

    fn grant_revoked(&self) -> Result<()> {
        let grant = self.target("grant")?;
        self.run(
            "UPDATE grants SET revoked_seq = ?2, revoked_at = ?3 WHERE seq = ?1 AND revoked_seq IS NULL",
            params![grant, self.seq, self.at],
        )
    }

    fn activated(&self) -> Result<()> {
        if let Some(pack) = self.content.member("pack") {
            let name = text(pack, "name");
            self.run(
                "UPDATE packs SET until_seq = ?2 WHERE name = ?1 AND until_seq IS NULL",
                params![name, self.seq],
            )?;
            if pack.member("active").and_then(Value::as_bool) == Some(true) {
                self.run(
                    "INSERT INTO packs (name, hash, from_seq) VALUES (?1, ?2, ?3)",
                    params![name, text(pack, "hash"), self.seq],
                )?;
            }
        }
        match self.content.member("activates") {
            Some(activates) => self.policy(activates, self.seq + 1),
            None => Ok(()),
        }
    }

    /// What `named` names is in force from there on.
    fn policy(&self, named: &Value, from: i64) -> Result<()> {
        self.run("UPDATE policies SET until_seq = ?1 WHERE until_seq IS NULL", params![from])?;
        let activated = (from > self.seq).then_some(self.seq);
        self.run(
            "INSERT OR IGNORE INTO policies VALUES (?1, NULL, ?2, ?3, ?4, ?5)",
            params![
                from,
                text(named, "policy_version"),
                text(named, "policy_hash"),
                activated,
                activated.and_then(|_| text(self.content, "principal")),
            ],
        )
    }

    fn anchor(&self) -> Result<()> {
        let note = text(self.content, "checkpoint").unwrap_or_default();
        let size: i64 = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or_default();
        let signatures = note.lines().filter(|line| line.starts_with('\u{2014}')).count();
        // The first signature is the log's own.
        let cosignatures = i64::try_from(signatures.saturating_sub(1)).unwrap_or_default();
        let token = text(self.content, "tst_sha256");
        self.run(
            "INSERT OR IGNORE INTO anchors VALUES (?1, ?2, ?3, ?4)",
            params![self.seq, size, cosignatures, token],
        )
    }

    fn items(&self, key: &str) -> &[Value] {
        self.content.member(key).and_then(Value::as_array).unwrap_or_default()
    }

    /// Where the first receipt stands that this one refers to as `rel`.
    fn target(&self, rel: &str) -> Result<Option<i64>> {
        let one = self.items("refs").iter().find(|one| text(one, "rel") == Some(rel));
        one.and_then(|one| text(one, "receipt_id")).map_or(Ok(None), |id| self.seq_of(id))
    }

    fn seq_of(&self, receipt_id: &str) -> Result<Option<i64>> {
        let mut find = self.connection.prepare_cached("SELECT seq FROM receipts WHERE receipt_id = ?1")?;
        find.query_row([receipt_id], |row| row.get(0)).optional()
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<()> {
        run(self.connection, sql, values)
    }
}

pub(super) fn run(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<()> {
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// A letter for each gate, so that ten answers take ten bytes.
fn letters(decision: &Value) -> Option<String> {
    let gates = decision.member("gates")?.as_array()?;
    let letter = |gate: &Value| match text(gate, "outcome") {
        Some("pass") => 'p',
        Some("escalate") => 'e',
        Some("deny") => 'd',
        _ => 'n',
    };
    Some(gates.iter().map(letter).collect())
}

fn number(value: &Value, key: &str) -> Option<i64> {
    match value.member(key)? {
        Value::Int(number) => Some(*number),
        Value::Bool(truth) => Some(i64::from(*truth)),
        _ => None,
    }
}

fn time(value: &Value, key: &str) -> Option<i64> {
    let time = Timestamp::parse(text(value, key)?)?;
    i64::try_from(time.ms()).ok()
}
