//! The steps of a spec as a graph, for Mermaid and for Graphviz. Titles are anybody's texts: nothing in them may become
//! part of the graph's own language.

use cascade_kernel::csl::{Spec, Step, Work};
use clap::ValueEnum;

use crate::output;

/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 80;

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(super) enum Format {
    Mermaid,
    Dot,
}

/// The whole graph; what a step needs points to it.
pub(super) fn draw(spec: &Spec, format: Format) -> String {
    let mut out = match format {
        Format::Mermaid => "flowchart TD\n".to_owned(),
        Format::Dot => format!("digraph \"{}\" {{\n", dot_text(&spec.name)),
    };
    for (at, step) in spec.steps.iter().enumerate() {
        out.push_str(&match format {
            Format::Mermaid => mermaid_node(at, step),
            Format::Dot => dot_node(at, step),
        });
    }
    let at = |id: &str| spec.steps.iter().position(|step| step.id == id);
    for (user, step) in spec.steps.iter().enumerate() {
        for need in step.needs.iter().filter_map(|(id, _)| at(id)) {
            out.push_str(&match format {
                Format::Mermaid => format!("  s{need} --> s{user}\n"),
                Format::Dot => format!("  s{need} -> s{user};\n"),
            });
        }
    }
    if matches!(format, Format::Dot) {
        out.push_str("}\n");
    }
    out
}

/// A title or id, and beneath it what kind of step it is.
fn label(step: &Step) -> (String, String) {
    let title = step.title.as_deref().unwrap_or(&step.id);
    let marks = [("foreach", step.foreach.is_some()), ("when", step.when.is_some())];
    let marks = marks.into_iter().filter(|(_, has)| *has).map(|(mark, _)| mark);
    let kind = [step.work.as_str()].into_iter().chain(marks).collect::<Vec<_>>().join(", ");
    (output::shortened(title, LABEL_CHARS_MAX), kind)
}

fn mermaid_node(at: usize, step: &Step) -> String {
    let (open, close) = match step.work {
        Work::Approval(_) => ("{{", "}}"),
        Work::Wait(_) => ("([", "])"),
        _ => ("[", "]"),
    };
    let (title, kind) = label(step);
    format!("  s{at}{open}\"{}<br/>{kind}\"{close}\n", mermaid_text(&title))
}

/// Whatever could mean something to Mermaid or to the HTML it makes stands as its number.
fn mermaid_text(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '-' | '_' | '?' | '!');
    text.chars().map(|c| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

fn dot_node(at: usize, step: &Step) -> String {
    let shape = match step.work {
        Work::Approval(_) => "hexagon",
        Work::Wait(_) => "ellipse",
        _ => "box",
    };
    let (title, kind) = label(step);
    format!("  s{at} [shape={shape}, label=\"{}\\n{kind}\"];\n", dot_text(&title))
}

fn dot_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
