//! Durable receipts for a profiler: `durable [SECONDS [CALLERS]]` with asynchronous callers; with 0 of them lone
//! appends.

use std::io::Write as _;
use std::time::Duration;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().map_or(Ok(5), |word| word.parse())?;
    let callers = words.next().map_or(Ok(256), |word| word.parse())?;
    let (stage, each) = (tempfile::tempdir()?, Duration::from_secs(seconds));
    if callers == 0 {
        let (p50, p99) = cascade_bench::lone_us(stage.path(), each)?;
        writeln!(std::io::stdout(), "{p50:.0} us p50, {p99:.0} us p99")?;
        return Ok(());
    }
    let rate = cascade_bench::durable(stage.path(), callers, each)?;
    writeln!(std::io::stdout(), "{rate:.0} receipts a second")?;
    Ok(())
}
