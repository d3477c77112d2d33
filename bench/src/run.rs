//! `cascade run -- true` against `true`, in turns.

use std::path::Path;
use std::time::{Duration, Instant};

use cascade_runtime::rehearsal::Stage;

use crate::percentile;

/// What governing a command adds.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// `true` alone, microseconds, median.
    pub plain_us_p50: f64,
    /// `cascade run -- true`, microseconds, median.
    pub governed_us_p50: f64,
    /// `cascade --version`: the part that is starting a program of this size three times over.
    pub start_us_p50: f64,
}

/// Times `runs` runs of each.
pub(crate) fn times(dir: &Path, runs: usize) -> anyhow::Result<Run> {
    let place = dir.join("run");
    std::fs::create_dir(&place)?;
    let stage = Stage::new(&place)?;
    let made = stage.cascade(&place, &["init"])?;
    anyhow::ensure!(made.code == 0, "couldn't make a home: {}", made.text);
    let (mut plain, mut governed, mut start) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        plain.push(timed(|| stage.program(&place, "true", &[]))?);
        governed.push(timed(|| stage.cascade(&place, &["run", "--", "true"]))?);
        start.push(timed(|| stage.cascade(&place, &["--version"]))?);
    }
    for times in [&mut plain, &mut governed, &mut start] {
        times.sort_by(f64::total_cmp);
    }
    Ok(Run {
        plain_us_p50: percentile(&plain, 50),
        governed_us_p50: percentile(&governed, 50),
        start_us_p50: percentile(&start, 50),
    })
}

fn timed(run: impl FnOnce() -> std::io::Result<cascade_runtime::rehearsal::Scene>) -> anyhow::Result<f64> {
    let started = Instant::now();
    let scene = run()?;
    let took: Duration = started.elapsed();
    anyhow::ensure!(scene.code == 0, "a run ended with exit {}: {}", scene.code, scene.text);
    Ok(took.as_secs_f64() * 1e6)
}
