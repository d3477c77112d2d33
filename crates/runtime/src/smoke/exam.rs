//! A job as it goes to a worker, and what comes back.

use super::frame::Fields;
use super::limits::{CALL_BYTES_MAX, CALLS_MAX, SOURCE_BYTES_MAX, TESTS_BYTES_MAX};
use super::source::Fault;
use super::{Called, Job, Tested, Worth};

/// Tests that pass without asking anything prove nothing.
pub(super) const UNCALLED: &str = "the tests never call what the source defines; where they define check(candidate), say which function that is";

/// What a worker is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) source: String,
    pub(super) calls: Vec<String>,
    pub(super) tests: Option<String>,
    pub(super) entry: Option<String>,
    pub(super) limit_us: u64,
    /// The texts are read and checked, nothing is run.
    pub(super) reads_only: bool,
    /// The entry, when the tests define `check`; a worker finds that out.
    pub(super) checks: Option<String>,
}

/// What a whole examination came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) called: Vec<Called>,
    pub(super) tested: Option<Tested>,
    /// Of tests that passed.
    pub(super) worth: Option<Worth>,
    /// An exception that may be the interpreter's fault.
    pub(super) doubt: Option<String>,
}

/// Why an examination has no answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    TimedOut,
    MemoryExceeded,
    OutputExceeded,
    Refused(String),
    Unsyntactic(String),
    /// The process that held the source ended.
    Crashed,
    /// This interpreter cannot; another may.
    Unsupported(String),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(reason) => Self::Refused(reason),
            Fault::Unsyntactic(reason) => Self::Unsyntactic(reason),
        }
    }
}

impl Sheet {
    pub(super) fn of(job: &Job) -> Self {
        let (source, calls) = (job.source.clone(), job.calls.clone());
        Self { source, calls, tests: job.tests.clone(), entry: job.entry.clone(), ..Self::default() }
    }

    /// Which part of a job is larger than it may be.
    pub(super) fn too_large(&self) -> Option<String> {
        let over = |what: &str, bytes: usize, most: usize| {
            (bytes > most).then(|| format!("{what} has {bytes} bytes, at most {most}; send less"))
        };
        let tests = self.tests.as_ref().map_or(0, String::len);
        let calls = self.calls.iter().map(String::len).max().unwrap_or(0);
        over("the source", self.source.len(), SOURCE_BYTES_MAX)
            .or_else(|| over("the test text", tests, TESTS_BYTES_MAX))
            .or_else(|| over("a call", calls, CALL_BYTES_MAX))
            .or_else(|| {
                let calls = self.calls.len();
                (calls > CALLS_MAX).then(|| format!("{calls} calls, at most {CALLS_MAX}; send fewer at once"))
            })
    }

    pub(super) fn encode(&self) -> Fields {
        let optional = |text: &Option<String>| match text {
            None => Vec::new(),
            Some(text) => [b"+", text.as_bytes()].concat(),
        };
        let mut fields = vec![
            format!("{}{}", if self.reads_only { "?" } else { "" }, self.limit_us).into_bytes(),
            self.source.clone().into_bytes(),
            optional(&self.tests),
            optional(&self.entry),
        ];
        fields.extend(self.calls.iter().map(|call| call.clone().into_bytes()));
        fields
    }

    pub(super) fn decode(fields: Fields) -> Option<Self> {
        let mut texts = fields.into_iter().map(String::from_utf8);
        let mut next = || texts.next()?.ok();
        let limit = next()?;
        let reads_only = limit.starts_with('?');
        let limit_us = limit.trim_start_matches('?').parse().ok()?;
        let source = next()?;
        let tests = next()?.strip_prefix('+').map(str::to_owned);
        let entry = next()?.strip_prefix('+').map(str::to_owned);
        let calls = texts.collect::<Result<_, _>>().ok()?;
        Some(Self { source, calls, tests, entry, limit_us, reads_only, checks: None })
    }
}

/// A reply: its kind, a detail, the outcome of the tests, then one field for each call.
pub(super) fn encode(reply: &Result<Answers, Stop>) -> Fields {
    let tagged = |tag: &str, text: &str| format!("{tag}{text}").into_bytes();
    match reply {
        Ok(answers) => {
            let tested = match &answers.tested {
                None => tagged("-", ""),
                Some(Tested::Passed) => tagged("+", &worth_text(answers.worth)),
                Some(Tested::Failed(why)) => tagged("!", why),
            };
            let doubt = answers.doubt.clone().unwrap_or_default().into_bytes();
            let called = answers.called.iter().map(|answer| match answer {
                Called::Value(text) => tagged("=", text),
                Called::Raised(text) => tagged("!", text),
            });
            [b"done".to_vec(), doubt, tested].into_iter().chain(called).collect()
        }
        Err(stop) => {
            let (kind, detail) = match stop {
                Stop::TimedOut => ("time", ""),
                Stop::MemoryExceeded => ("memory", ""),
                Stop::OutputExceeded => ("output", ""),
                Stop::Crashed => ("crashed", ""),
                Stop::Refused(reason) => ("refused", reason.as_str()),
                Stop::Unsyntactic(reason) => ("unsyntactic", reason.as_str()),
                Stop::Unsupported(reason) => ("unsupported", reason.as_str()),
            };
            vec![kind.into(), detail.into()]
        }
    }
}

/// Reads a reply to a job with so many calls. `None` for anything else.
pub(super) fn decode(fields: Fields, sheet: &Sheet) -> Option<Result<Answers, Stop>> {
    let mut texts = Vec::new();
    for field in fields {
        texts.push(String::from_utf8(field).ok()?);
    }
    let mut texts = texts.into_iter();
    let (kind, detail) = (texts.next()?, texts.next()?);
    let stop = match kind.as_str() {
        "done" => return answers(detail, texts, sheet).map(Ok),
        "time" => Stop::TimedOut,
        "memory" => Stop::MemoryExceeded,
        "output" => Stop::OutputExceeded,
        "crashed" => Stop::Crashed,
        "refused" => Stop::Refused(detail),
        "unsyntactic" => Stop::Unsyntactic(detail),
        "unsupported" => Stop::Unsupported(detail),
        _ => return None,
    };
    texts.next().is_none().then_some(Err(stop))
}

fn answers(doubt: String, mut texts: impl Iterator<Item = String>, sheet: &Sheet) -> Option<Answers> {
    let (tested, worth) = match tag(texts.next()?)? {
        ('-', _) => (None, None),
        ('+', worth) => (Some(Tested::Passed), Some(worth_of(&worth)?)),
        ('!', why) => (Some(Tested::Failed(why)), None),
        _ => return None,
    };
    let mut called = Vec::new();
    for text in texts {
        called.push(match tag(text)? {
            ('=', value) => Called::Value(value),
            ('!', raised) => Called::Raised(raised),
            _ => return None,
        });
    }
    let complete = called.len() == sheet.calls.len() && tested.is_some() == sheet.tests.is_some();
    complete.then_some(Answers { called, tested, worth, doubt: (!doubt.is_empty()).then_some(doubt) })
}

/// `3=`: so many inputs, and a constant passes; `3`: none does.
fn worth_text(worth: Option<Worth>) -> String {
    worth.map_or_else(String::new, |worth| {
        format!("{}{}", worth.inputs, if worth.constant { "=" } else { "" })
    })
}

fn worth_of(text: &str) -> Option<Worth> {
    let inputs = text.trim_end_matches('=').parse().ok()?;
    Some(Worth { inputs, constant: text.ends_with('=') })
}

fn tag(mut text: String) -> Option<(char, String)> {
    let tag = text.chars().next()?;
    text.remove(0);
    Some((tag, text))
}

/// At most so many bytes, with a mark where something was left off.
pub(super) fn capped(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let job = Job {
            source: "s".to_owned(),
            calls: vec!["f()".to_owned()],
            tests: Some(String::new()),
            entry: None,
        };
        Sheet { limit_us: 7, reads_only: true, ..Sheet::of(&job) }
    }

    #[test]
    fn sheets_come_back_as_they_were() {
        let with_entry = Sheet { tests: None, entry: Some("f".to_owned()), ..sheet() };
        for sheet in [sheet(), with_entry] {
            assert_eq!(Sheet::decode(sheet.encode()), Some(sheet));
        }
        assert_eq!(Sheet::decode(vec![b"x".to_vec()]), None);
        assert_eq!(Sheet::decode(vec![vec![0xff]; 4]), None);
    }

    #[test]
    fn answers_come_back_as_they_were_and_fit_their_questions() {
        let called = vec![Called::Value("1".to_owned())];
        let answers = Answers {
            called,
            tested: Some(Tested::Failed("no".to_owned())),
            worth: None,
            doubt: Some("?".to_owned()),
        };
        let stops = [Stop::TimedOut, Stop::MemoryExceeded, Stop::OutputExceeded, Stop::Crashed];
        let told = [
            Stop::Refused("r".to_owned()),
            Stop::Unsyntactic("u".to_owned()),
            Stop::Unsupported("s".to_owned()),
        ];
        let passed = [true, false].map(|constant| {
            let worth = Some(Worth { inputs: 3, constant });
            Ok(Answers { tested: Some(Tested::Passed), worth, ..answers.clone() })
        });
        let replies = stops.into_iter().chain(told).map(Err).chain([Ok(answers.clone())]).chain(passed);
        for reply in replies {
            assert_eq!(decode(encode(&reply), &sheet()), Some(reply));
        }
        // One that claims to have passed tests that were never set, or leaves out a call, or the tests.
        let fewer = Answers { called: Vec::new(), ..answers.clone() };
        let untested = Answers { tested: None, ..answers };
        for lie in [fewer, untested] {
            assert_eq!(decode(encode(&Ok(lie)), &sheet()), None);
        }
        for lie in
            [&["done"][..], &["done", ""], &["passed", ""], &["time", "", "x"], &["done", "", "+", "=1"], &[]]
        {
            let fields = lie.iter().map(|text| text.as_bytes().to_vec()).collect();
            assert_eq!(decode(fields, &sheet()), None, "{lie:?}");
        }
    }

    #[test]
    fn what_is_capped_stays_text() {
        assert_eq!(capped("aü", 2), "a…");
        assert_eq!(capped("aü", 3), "aü");
    }
}
