//! A chart as SVG, told apart by hatching and not by colour, so that it can be printed in black.

use std::fmt::Write as _;

use crate::control::when;
use crate::page::escaped;

use super::figures::Counts;

/// Size of the drawing, in its own units.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 50.0;
const BOTTOM: f64 = 30.0;

/// What is stacked in a bar, from below, and how it is filled.
const PARTS: [(&str, &str); 3] = [("ran", "#ddd"), ("asked people", "url(#hatch)"), ("stopped", "#111")];

/// Bars of what ran, waited and was stopped.
pub(super) fn bars(bars: &[(i64, Counts)], days: i64) -> String {
    let parts = |counts: &Counts| [counts.ran, counts.waited, counts.stopped];
    let most = bars.iter().map(|(_, counts)| parts(counts).iter().sum::<u64>()).max().unwrap_or_default();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"actions by time\">\
         <defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect width=\"5\" height=\"5\" fill=\"#fff\"/><rect width=\"2\" height=\"5\" fill=\"#111\"/></pattern></defs>",
        HEIGHT + BOTTOM
    );
    let each = (WIDTH - LEFT) / real(bars.len().max(1) as u64);
    for (at, (begins, counts)) in bars.iter().enumerate() {
        let left = LEFT + each * real(at as u64);
        let mut top = HEIGHT;
        for ((name, fill), count) in PARTS.into_iter().zip(parts(counts)).filter(|(_, count)| *count > 0) {
            let high = HEIGHT * 0.9 * real(count) / real(most.max(1));
            top -= high;
            let title = format!("{}: {count} {name}", day(*begins));
            // Writing to a string cannot fail.
            _ = write!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{high:.1}\" fill=\"{fill}\" stroke=\"#111\" stroke-width=\".5\"><title>{}</title></rect>",
                (each * 0.8).max(1.0),
                escaped(&title)
            );
        }
    }
    let ends = [bars.first(), bars.last()];
    for (place, anchor, begins) in
        [(LEFT, "start", ends[0]), (WIDTH, "end", ends[1].filter(|_| bars.len() > 1))]
    {
        if let Some((begins, _)) = begins {
            _ = write!(
                svg,
                "<text x=\"{place}\" y=\"{}\" font-size=\"13\" text-anchor=\"{anchor}\">{}</text>",
                HEIGHT + 18.0,
                day(*begins)
            );
        }
    }
    _ = write!(
        svg,
        "<line x1=\"{LEFT}\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\" stroke=\"#111\"/><text x=\"{}\" y=\"{:.1}\" font-size=\"13\" text-anchor=\"end\">{most}</text></svg>",
        LEFT - 6.0,
        HEIGHT * 0.1 + 4.0
    );
    let per = if days == 1 { "a bar is a day".to_owned() } else { format!("a bar is {days} days") };
    format!("{svg}<p class=\"dim\">Grey ran, hatched asked people first, black was stopped; {per}, UTC.</p>")
}

/// The day of a moment.
fn day(ms: i64) -> String {
    when(ms).chars().take(10).collect()
}

/// A count as a length.
fn real(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
