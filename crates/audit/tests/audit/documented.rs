//! The view is what docs/controls.md says that it is.

use rusqlite::Connection;

const SCHEMA: &str = include_str!("../../src/control/schema.sql");
const TEXT: &str = include_str!("../../../../docs/controls.md");

/// The row of the documents' table that begins with this name, or lists it among its first.
fn row(name: &str) -> &'static str {
    let quoted = format!("`{name}`");
    let named = |line: &&str| {
        line.starts_with("| `") && line.split('|').nth(1).is_some_and(|cell| cell.contains(&quoted))
    };
    TEXT.lines().find(named).unwrap_or_else(|| panic!("docs/controls.md has no row for `{name}`"))
}

#[test]
fn every_table_and_column_is_documented() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        let row = row(&table);
        let mut columns =
            connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
        let columns = columns.query_map([], |row| row.get::<_, String>(0)).unwrap();
        for column in columns.map(|column| column.unwrap()) {
            assert!(
                row.contains(&format!("`{column}`")),
                "docs/controls.md says nothing of `{table}`.`{column}`"
            );
        }
    }
}
