//! Durable receipts with 256 asynchronous callers, for a profiler: `durable [SECONDS]`.

use std::io::Write as _;
use std::time::Duration;

fn main() -> anyhow::Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(5), |word| word.parse())?;
    let stage = tempfile::tempdir()?;
    let rate = cascade_bench::durable(stage.path(), 256, Duration::from_secs(seconds))?;
    writeln!(std::io::stdout(), "{rate:.0} receipts a second")?;
    Ok(())
}
