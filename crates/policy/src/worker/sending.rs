//! Files of this machine, and what other commands wrote, that a call sends to another one.

use cascade_receipt::decision::RiskTier;

use super::call::{Argument, Call, Given, Value};
use super::judge::Judgement;
use super::manifest::{Emits, Kind};
use super::scene::{Feed, Scene};
use super::word::Word;

/// Adds what it means that something leaves. What stands in the line itself can be read before it is approved.
pub(super) fn weigh(call: &Call<'_>, scene: &Scene<'_>, judgement: &mut Judgement) {
    let leaves = match call.worker.name() {
        "http" => sends_item(call, scene) && !is_local_request(call, scene),
        "openssl" => talks(call, scene),
        "scp" | "rsync" => copies_away(call) || (call.worker.name() == "scp" && is_fed(scene)),
        _ if call.node.emits == Emits::Network => {
            call.given.iter().any(|given| gives_file(given, scene)) && !stays(call, scene)
        }
        _ => stores(call),
    };
    if leaves {
        let text = "sends a file, or what another command writes, to another machine";
        judgement.find("file.sent", RiskTier::High, text);
    }
}

/// What is known of a word from its start on.
fn start(word: &Word) -> &str {
    match word {
        Word::Known(text) | Word::Glob(text) | Word::Around(text) => text,
        Word::One { before, .. } => before,
        Word::Unknown => "",
    }
}

fn value<'g>(given: &Given<'g>) -> &'g str {
    match given.value {
        Value::Attached(text) => text,
        Value::Word(word) => start(word),
        Value::None | Value::Words(_) => "",
    }
}

/// Standard input is neither the terminal's nor a text of the line.
fn is_fed(scene: &Scene<'_>) -> bool {
    !matches!(scene.input, Feed::Inherited | Feed::Text(_)) && !is_nothing(&scene.input)
}

fn is_nothing(input: &Feed) -> bool {
    matches!(input, Feed::File(files) if !files.is_empty() && files.iter().all(|file| file == "/dev/null"))
}

/// `-` and `.` stand for standard input.
fn is_file(name: &str, scene: &Scene<'_>) -> bool {
    let input = matches!(name.split(';').next(), Some("-" | "."));
    !input || !(matches!(scene.input, Feed::Text(_)) || is_nothing(&scene.input))
}

/// Options of curl in which `@FILE` stands for the contents of the file.
const TAKES_FILES: &[&str] = &[
    "-d",
    "--data",
    "--data-ascii",
    "--data-binary",
    "--json",
    "-H",
    "--header",
    "--data-urlencode",
    "--url-query",
];
const TAKES_FORMS: &[&str] = &["-F", "--form"];
const TAKES_NAMED: &[&str] = &["--data-urlencode", "--url-query"];

fn gives_file(given: &Given<'_>, scene: &Scene<'_>) -> bool {
    let named = |list: &[&str]| given.names.iter().any(|name| list.contains(name));
    let text = value(given);
    let file = if given.kind == Kind::Send {
        Some(text)
    } else if given.kind != Kind::Upload {
        None
    } else if named(TAKES_FORMS) {
        text.split_once('=').and_then(|(_, part)| part.strip_prefix(['@', '<']))
    } else if named(TAKES_NAMED) {
        text.split_once('@').filter(|(name, _)| !name.contains('=')).map(|(_, file)| file)
    } else if named(TAKES_FILES) {
        text.strip_prefix('@')
    } else {
        None
    };
    file.is_some_and(|file| is_file(file, scene))
}

/// `field@FILE`, `field=@FILE`, `field:=@FILE` or a body by standard input.
fn sends_item(call: &Call<'_>, scene: &Scene<'_>) -> bool {
    let item = |text: &str| {
        text.find([':', '=', '@']).and_then(|at| text.get(at..)).is_some_and(|rest| {
            !rest.starts_with("://") && ["@", "=@", ":=@", ":@"].iter().any(|mark| rest.starts_with(mark))
        })
    };
    let body = is_fed(scene) && !call.gives_name("--ignore-stdin") && !call.gives_name("-I");
    body || call.arguments.iter().any(|argument| item(start(argument.word)))
}

/// Options that lead a request elsewhere than its address says.
const DETOURS: &[&str] = &[
    "-x",
    "--proxy",
    "--preproxy",
    "--connect-to",
    "--resolve",
    "--socks4",
    "--socks4a",
    "--socks5",
    "--socks5-hostname",
    "--proxy1.0",
    "--variable",
    "--expand-url",
    "-K",
    "--config",
    "-e",
    "--execute",
    "-i",
    "--input-file",
];

fn detours(call: &Call<'_>, scene: &Scene<'_>) -> bool {
    let proxy = |name: &str| name.to_ascii_lowercase().ends_with("_proxy");
    DETOURS.iter().any(|name| call.gives_name(name))
        || scene.env.iter().any(|variable| !variable.ambient && proxy(&variable.name))
}

/// Does every address lead to this machine?
fn stays(call: &Call<'_>, scene: &Scene<'_>) -> bool {
    let named = call.given.iter().filter(|given| given.names.contains(&"--url"));
    let named: Vec<bool> = named.map(|given| given.value.known().is_some_and(is_local)).collect();
    let local = |argument: &Argument<'_>| is_local_word(argument.word);
    (!named.is_empty() || !call.arguments.is_empty())
        && named.into_iter().all(|local| local)
        && call.arguments.iter().all(local)
        && !detours(call, scene)
}

/// The address is the first word that is no method; `:8080/x` is one of this machine.
fn is_local_request(call: &Call<'_>, scene: &Scene<'_>) -> bool {
    let method = |word: &Word| {
        word.known().is_some_and(|text| text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    let mut words = call.arguments.iter().map(|argument| argument.word).skip_while(|word| method(word));
    let short = |text: &str| {
        text.strip_prefix(':').is_some_and(|rest| {
            rest.chars().next().is_none_or(|c| c == '/') || rest.split('/').next().is_some_and(is_port)
        })
    };
    !detours(call, scene)
        && words.next().is_some_and(|word| is_local_word(word) || word.known().is_some_and(short))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_local_word(word: &Word) -> bool {
    word.known().is_some_and(is_local)
}

/// Is the host of this address the machine itself? Not where a name for the login could hide another one.
fn is_local(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => {
            authority.split_once(':').map_or((authority.as_str(), None), |(host, port)| (host, Some(port)))
        }
    };
    let own = matches!(host, "localhost" | "127.0.0.1" | "::1") || host.ends_with(".localhost");
    own && port.is_none_or(is_port)
}

/// `openssl s_client` sends what is fed to it; an empty line or `Q` only ends it.
fn talks(call: &Call<'_>, scene: &Scene<'_>) -> bool {
    let client = call.path.first() == Some(&"s_client");
    let says = match &scene.input {
        Feed::Text(text) => !matches!(text.trim(), "" | "Q"),
        _ => is_fed(scene),
    };
    client && says && !call.arguments.iter().any(|argument| argument.word.known().is_some_and(is_local))
}

/// The last word names a place on another machine.
fn copies_away(call: &Call<'_>) -> bool {
    let [.., target] = call.arguments.as_slice() else { return false };
    let text = start(target.word);
    call.arguments.len() > 1
        && text.split_once(':').is_some_and(|(host, _)| {
            let host = host.rsplit('@').next().unwrap_or(host);
            !host.is_empty() && !host.contains('/') && !is_local(host)
        })
}

/// Verbs that copy between this machine and a storage elsewhere.
const COPYING: &[&str] = &[
    "cp", "mv", "put", "sync", "rsync", "mirror", "copy", "copyto", "move", "moveto", "rcat", "pipe",
    "bisync",
];

fn stores(call: &Call<'_>) -> bool {
    let [sources @ .., target] = call.arguments.as_slice() else { return false };
    let rclone = call.worker.name() == "rclone";
    let remote = |word: &Word| {
        let text = start(word);
        let bucket = text.split_once("://").is_some_and(|(scheme, _)| scheme != "file");
        bucket || (rclone && text.split_once(':').is_some_and(|(name, _)| !name.contains('/')))
    };
    let here =
        call.given.iter().any(|given| given.names.contains(&"--endpoint-url") && is_local(value(given)));
    call.path.iter().any(|verb| COPYING.contains(verb))
        && remote(target.word)
        && !here
        && (sources.is_empty() || !sources.iter().all(|source| remote(source.word)))
}
