//! How much speaks for a program: a grade from named evidence, as data.
//!
//! The points were set by looking at programs found for the 164 problems of `HumanEval` and at nothing else; what the
//! grades were worth there and on tasks that nothing was tuned on is in `docs/synthesis.md`. A grade is no proof:
//! examples alone never verify.

mod evidence;

pub use evidence::Evidence;

/// The least grade of a program that may be answered with; below, the verdict is to try the next layer.
pub const ADMIT_MIN: u8 = 60;

/// What a decision tree costs: it is built to fit.
const TREE_POINTS: i8 = -20;
/// What a parameter costs that is not looked at: signatures are written for a reason.
const IGNORED_POINTS: i8 = -40;

/// What holding examples out says about a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Examples that were held out, one at a time.
    pub examples: usize,
    /// How often the program was found all the same.
    pub kept: usize,
    /// How many examples are enough to find it, each chosen because what was found before gets it wrong.
    pub needed: usize,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is about.
    pub name: &'static str,
    /// What it gives; less than nothing where it speaks against the program.
    pub points: i8,
    /// What it gives at most.
    pub of: u8,
    /// Why so many.
    pub why: String,
}

/// What a grade says about the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The program may be answered with, as checked and no more.
    Admit,
    /// Too little speaks for it: the next layer is to be tried.
    Retry,
}

/// A grade from 0 to 100 with what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grade {
    /// The sum of the parts, kept between 0 and 100.
    pub total: u8,
    /// The evidence, always in the same order.
    pub parts: Vec<Part>,
}

impl Grade {
    /// Admitted from [`ADMIT_MIN`] on.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.total >= ADMIT_MIN { Verdict::Admit } else { Verdict::Retry }
    }
}

/// Adds up what speaks for a program and what speaks against it.
#[must_use]
pub fn grade(evidence: &Evidence) -> Grade {
    let parts = vec![
        held_out(evidence),
        predicted(evidence),
        rivals(evidence),
        luck(evidence),
        size(evidence),
        words(evidence),
        overlap(evidence),
        inputs_nearby(evidence),
        parameters(evidence),
        decision_tree(evidence),
    ];
    let sum: i32 = parts.iter().map(|part| i32::from(part.points)).sum();
    Grade { total: u8::try_from(sum.clamp(0, 100)).unwrap_or(0), parts }
}

/// The points beside the first bound that the value does not pass.
fn up_to<T: PartialOrd + Copy>(value: T, steps: &[(T, i8)]) -> i8 {
    steps.iter().find(|(bound, _)| value <= *bound).map_or(0, |(_, points)| *points)
}

/// The points beside the first bound that the value reaches.
fn from<T: PartialOrd + Copy>(value: T, steps: &[(T, i8)]) -> i8 {
    steps.iter().find(|(bound, _)| value >= *bound).map_or(0, |(_, points)| *points)
}

fn held_out(evidence: &Evidence) -> Part {
    let (points, why) = match evidence.held {
        Some(held) if held.examples > 1 => (
            i8::try_from(25 * held.kept / held.examples).unwrap_or(0),
            format!("found again without {} of {} examples", held.kept, held.examples),
        ),
        Some(_) => (0, "one example cannot be left out".to_owned()),
        None => (0, "cannot be told".to_owned()),
    };
    Part { name: "examples held out", points, of: 25, why }
}

fn predicted(evidence: &Evidence) -> Part {
    let predicted = evidence.held.map_or(0, |held| held.examples - held.needed);
    let why = match evidence.held {
        Some(held) => format!("{} examples lead to it, {predicted} others agree", held.needed),
        None => "cannot be told".to_owned(),
    };
    Part { name: "examples predicted", points: from(predicted, &[(3, 15), (2, 11), (1, 7)]), of: 15, why }
}

fn rivals(evidence: &Evidence) -> Part {
    let (distance, why) = match evidence.gap {
        Some(gap) => (gap, format!("the next program that differs costs {gap} more")),
        None => (evidence.beyond + 1, format!("none within {} more", evidence.beyond)),
    };
    Part { name: "rivals", points: from(distance, &[(3, 15), (2, 8), (1, 4)]), of: 15, why }
}

fn luck(evidence: &Evidence) -> Part {
    let points = up_to(evidence.luck, &[(1e-3, 10), (0.1, 8), (0.6, 5), (1.5, 3)]);
    let why = format!("{:.2e} programs as cheap are expected to fit by chance", evidence.luck);
    Part { name: "luck", points, of: 10, why }
}

fn size(evidence: &Evidence) -> Part {
    let points = up_to(evidence.cost, &[(4, 10), (7, 8), (10, 5), (14, 3)]);
    let why = format!("{} nodes at a cost of {}", evidence.nodes, evidence.cost);
    Part { name: "size", points, of: 10, why }
}

fn words(evidence: &Evidence) -> Part {
    let against = 5 * evidence.unspoken + 4 * evidence.strange;
    let base = if evidence.spoken > 0 { 10_usize } else { 2 };
    let points = i8::try_from(base.saturating_sub(against)).unwrap_or(0);
    let why = format!(
        "the description speaks for {} operators, not for {}; {} constants come from nowhere",
        evidence.spoken, evidence.unspoken, evidence.strange
    );
    Part { name: "words", points, of: 10, why }
}

fn overlap(evidence: &Evidence) -> Part {
    let points = from(evidence.overlap, &[(0.40, 5), (0.25, 3), (0.15, 2)]);
    let why = format!("{:.0} of 100 words of the description come up", evidence.overlap * 100.0);
    Part { name: "overlap", points, of: 5, why }
}

fn inputs_nearby(evidence: &Evidence) -> Part {
    let total = evidence.valued == evidence.probes;
    let alike = evidence.agreeing * 2 >= evidence.probes;
    let why = format!(
        "a value for {} of {} inputs near the examples, as the next program on {}",
        evidence.valued, evidence.probes, evidence.agreeing
    );
    Part { name: "inputs nearby", points: 2 * i8::from(total) + 3 * i8::from(alike), of: 5, why }
}

fn parameters(evidence: &Evidence) -> Part {
    let points = if evidence.ignored == 0 { 5 } else { IGNORED_POINTS };
    Part { name: "parameters", points, of: 5, why: format!("{} are not looked at", evidence.ignored) }
}

fn decision_tree(evidence: &Evidence) -> Part {
    let (points, why) = if evidence.decision_tree {
        (TREE_POINTS, "cases were split until the examples fitted")
    } else {
        (0, "no case was split to fit the examples")
    };
    Part { name: "decision tree", points, of: 0, why: why.to_owned() }
}

#[cfg(test)]
mod tests;
