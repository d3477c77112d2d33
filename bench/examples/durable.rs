//! Durable receipts with asynchronous callers, for a profiler: `durable [SECONDS [CALLERS]]`.

use std::io::Write as _;
use std::time::Duration;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().map_or(Ok(5), |word| word.parse())?;
    let callers = words.next().map_or(Ok(256), |word| word.parse())?;
    let stage = tempfile::tempdir()?;
    let rate = cascade_bench::durable(stage.path(), callers, Duration::from_secs(seconds))?;
    writeln!(std::io::stdout(), "{rate:.0} receipts a second")?;
    Ok(())
}
