//! Writes the golden vectors: `cargo run -p cascade-receipt --example vectors [DIR]`.
//!
//! Every byte follows from the fixed seeds in here, so that running it again changes nothing unless
//! the format changes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the input is fixed in this program, so that a panic is a mistake in it, seen at once"
)]
#![expect(clippy::disallowed_methods, reason = "only the library is pure; this program writes files")]

mod anchors;
mod bundles;
mod bytes;
mod case;
mod chain;
mod glass;
mod grants;
mod halt;
mod keys;
mod limits;
mod packs;
mod people;
mod remembered;
mod runs;
mod schedules;
mod secret;
mod ssh;
mod tenants;
mod tokens;
mod tools;
mod valid;
mod workflows;

fn main() -> std::io::Result<()> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "vectors".to_owned());
    let dir = std::path::Path::new(&dir);
    std::fs::create_dir_all(dir)?;
    for case in case::all() {
        std::fs::write(dir.join(case.file_name()), case.to_bytes())?;
    }
    Ok(())
}
