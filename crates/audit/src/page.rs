//! Pages for people: one file, no scripts, nothing loaded, readable in print. Whatever comes from a chain or a pack is
//! escaped.

use std::fmt::Write as _;

/// How pages look.
const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111}\
table{border-collapse:collapse;width:100%;margin:1rem 0}\
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
code{font-family:ui-monospace,monospace;font-size:.9em;word-break:break-all}a{color:inherit}\
section{break-inside:avoid}h1{margin-bottom:0}.dim{color:#555}svg{width:100%;height:auto}\
.outcome{font-weight:bold;white-space:nowrap}.violated,.failed{color:#a00}.satisfied{color:#060}.not_provable{color:#850}\
@media print{body{margin:0;max-width:none}}";

/// A page in the making.
pub(crate) struct Page(String);

impl Page {
    /// A page with this title.
    pub(crate) fn new(title: &str) -> Self {
        let mut page = Self(String::new());
        page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
        page.raw(&format!("<title>{}</title><style>{STYLE}</style></head><body>", escaped(title)));
        page
    }

    /// Markup, as it is.
    pub(crate) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A row of a table of two columns. `label` is markup.
    pub(crate) fn row(&mut self, label: &str, value: &str) {
        self.raw(&format!("<tr><th>{label}</th><td>{}</td></tr>", escaped(value)));
    }

    /// A table; its cells are markup. Columns whose head ends in `#` hold numbers.
    pub(crate) fn table(&mut self, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let class = |head: &str| if head.ends_with('#') { " class=\"n\"" } else { "" };
        let cells: String = heads
            .iter()
            .map(|head| format!("<th{}>{}</th>", class(head), escaped(head.trim_end_matches('#'))))
            .collect();
        self.raw(&format!("<table><thead><tr>{cells}</tr></thead><tbody>"));
        for row in rows {
            let cells: String = heads
                .iter()
                .zip(&row)
                .map(|(head, cell)| format!("<td{}>{cell}</td>", class(head)))
                .collect();
            self.raw(&format!("<tr>{cells}</tr>"));
        }
        self.raw("</tbody></table>");
    }

    /// The whole page.
    pub(crate) fn finish(mut self) -> String {
        self.raw("</body></html>");
        self.0
    }
}

/// What could be markup stands as text; what moves a cursor or turns the direction of writing is shown as its code.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                // Writing to a string cannot fail.
                _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
