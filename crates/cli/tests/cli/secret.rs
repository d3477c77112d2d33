//! Brokered credentials: who gets them, who does not, what comes out, what lies on the disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::site::{Done, Site, finish, kinds, script};
use crate::tty::Seat;
use crate::verifiers;

const VALUE: &str = "tok_zq7-unmistakable/93x+A=";

/// A site with the program `tool`, for which `TOKEN` is set; it prints its credential in every way it is asked for.
fn site() -> Site {
    let site = Site::new();
    let text = r#"#!/bin/sh
case "$2" in
raw) echo "have <$TOKEN>" ;;
stderr) echo "have <$TOKEN>" >&2 ;;
slow) printf '%.7s' "$TOKEN"; sleep 0.5; printf '%s\n' "$TOKEN" | cut -c 8-12 | tr -d '\n'; sleep 0.5; printf '%s\n' "$TOKEN" | cut -c 13- ;;
half) printf '%.20s' "$TOKEN" ;;
base64) printf 'user:%s' "$TOKEN" | base64 ;;
length) echo "${#TOKEN}" ;;
shown) echo "$TOKEN" >> seen ;;
env) env ;;
ask) printf 'go on? '; read -r answer; echo "$answer $TOKEN" ;;
stay) touch up; sleep 600 ;;
esac
"#;
    for name in ["tool", "other"] {
        script(&site.work(name), text);
    }
    site.run(&["init"]).expect(0);
    set(&site, VALUE).expect(0);
    site
}

fn set(site: &Site, value: &str) -> Done {
    finish(site.cascade(&["secret", "set", "TOKEN", "--for", "./tool push"]), value.as_bytes())
}

fn push(site: &Site, how: &str) -> Done {
    site.run(&["run", "--", "./tool", "push", how])
}

fn agent(site: &Site, args: &[&str]) -> Command {
    let mut command = site.cascade(args);
    command.env("CLAUDECODE", "1");
    command
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Which files of the home, and of what lies around it, hold these bytes.
fn holding(site: &Site, needle: &[u8]) -> Vec<PathBuf> {
    assert!(!needle.is_empty());
    let dirs = ["home", "home-recovery", "user"].map(|name| site.path(name));
    let holds = |path: &PathBuf| {
        std::fs::read(path).unwrap_or_default().windows(needle.len()).any(|part| part == needle)
    };
    dirs.iter().flat_map(|dir| files(dir)).filter(holds).collect()
}

/// The ciphertexts that are kept.
fn sealed(site: &Site) -> Vec<Vec<u8>> {
    let code = "import sqlite3, sys\nfor (b,) in sqlite3.connect(sys.argv[1]).execute('select sealed from sealed_secrets where hex(sealed) glob \"*[^0]*\"'): print(b.hex())";
    let vault = site.home().join("tenants/default/vault.db");
    let text = site.set("python3", &["-c", code, vault.to_str().unwrap()]).stdout;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

#[test]
fn the_program_it_is_for_gets_it_and_its_output_does_not_show_it() {
    let site = site();
    assert_eq!(push(&site, "length").expect(0).stdout, format!("{}\n", VALUE.len()));
    assert_eq!(push(&site, "raw").expect(0).stdout, "have <[redacted:TOKEN]>\n");
    assert_eq!(push(&site, "stderr").expect(0).stderr, "have <[redacted:TOKEN]>\n");
    // In pieces that leave in segments of their own, and cut off by the end.
    assert_eq!(push(&site, "slow").expect(0).stdout, "[redacted:TOKEN]\n");
    assert_eq!(push(&site, "half").expect(0).stdout, "[redacted:TOKEN]");
    let encoded = push(&site, "base64").expect(0).stdout;
    assert!(encoded.contains("[redacted:TOKEN]") && encoded.len() < 32, "{encoded}");
    let document = site.run(&["--json", "run", "--", "./tool", "push", "raw"]).expect(0);
    assert_eq!(document.json()["stdout"], "have <[redacted:TOKEN]>\n");
    let shown = site.run(&["--json", "show", site.last().reference("intent").unwrap()]).expect(0).json();
    let env = shown["private"]["action"]["env"].as_array().unwrap();
    let named = env.iter().find(|one| one["name"] == "TOKEN").unwrap();
    assert_eq!(named["value"], "brokered:TOKEN");
    let mut seat = Seat::take(&site, &["run", "--", "./tool", "push", "ask"]);
    seat.until("go on? ");
    seat.keys("yes\r");
    let (code, text) = seat.leave();
    assert_eq!(code, Some(0));
    assert!(text.contains("yes [redacted:TOKEN]") && !text.contains(VALUE), "{text}");
    assert_eq!(holding(&site, VALUE.as_bytes()), [] as [PathBuf; 0]);
    site.assert_sound();
}

#[test]
fn what_is_hashed_is_what_was_released() {
    let site = site();
    let document = site.run(&["--json", "run", "--", "./tool", "push", "raw"]).expect(0).json();
    let closer = site.last();
    let text = document["stdout"].as_str().unwrap();
    let code = "import sqlite3, sys, hashlib
(n,), = sqlite3.connect(sys.argv[1]).execute(\"select bytes from items where field = 'output_nonce'\")
t = sys.argv[2].encode()
print(hashlib.sha256(n + b'\\x01' + len(t).to_bytes(4, 'big') + t).hexdigest())";
    let vault = site.home().join("tenants/default/vault.db");
    let hash = site.set("python3", &["-c", code, vault.to_str().unwrap(), text]).stdout;
    assert_eq!(hash.trim(), closer.content("output_hash").as_str().unwrap());
}

#[test]
fn nobody_else_gets_it() {
    let site = site();
    let nothing = |done: Done| assert_eq!(done.expect(0).stdout, "0\n");
    nothing(site.run(&["run", "--", "./tool", "pull", "length"]));
    nothing(site.run(&["run", "--", "./other", "push", "length"]));
    // Not by way of another program, nor as another file of that name.
    nothing(site.run(&["run", "--", "sh", "-c", "./tool push length"]));
    nothing(site.run(&["run", "--", "env", "./tool", "push", "length"]));
    std::fs::create_dir(site.work("mine")).unwrap();
    std::fs::copy(site.work("tool"), site.work("mine/tool")).unwrap();
    nothing(site.run(&["run", "--", "mine/tool", "push", "length"]));
    std::os::unix::fs::symlink(site.work("other"), site.work("mine/link")).unwrap();
    nothing(site.run(&["run", "--", "mine/link", "push", "length"]));
    // The caller's own value is replaced, and what would steer the program is gone.
    let mut caller = site.cascade(&["run", "--", "./tool", "push", "env"]);
    caller.env("TOKEN", "mine").env("PYTHONPATH", "/nowhere").env("BASH_ENV", "/nowhere").env("KEPT", "yes");
    let env = finish(caller, b"").expect(0).stdout;
    assert!(env.contains("TOKEN=[redacted:TOKEN]") && env.contains("KEPT=yes"), "{env}");
    assert!(!env.contains("mine") && !env.contains("/nowhere"), "{env}");
    // Where nothing is handed out, the caller's environment is its own.
    let mut caller = site.cascade(&["run", "--", "./tool", "pull", "length"]);
    caller.env("TOKEN", "mine");
    assert_eq!(finish(caller, b"").expect(0).stdout, "4\n");
    assert_eq!(site.run(&["run", "--", "sh", "-c", "echo \"<$TOKEN>\""]).expect(0).stdout, "<>\n");
    site.assert_sound();
}

#[test]
fn only_an_admitted_action_gets_it() {
    let site = site();
    let dry = site.run(&["--json", "run", "--dry-run", "--", "./tool", "push", "shown"]).expect(0).json();
    let asked =
        finish(agent(&site, &["--json", "run", "--", "./tool", "push", "shown"]), b"").expect(5).json();
    site.run(&["halt"]).expect(0);
    push(&site, "shown").expect(3);
    site.run(&["resume"]).expect(0);
    assert!(!site.work("seen").exists());
    // The approval is of an action that names the credential, and once approved it is handed over.
    for id in [&dry["receipt_id"], &asked["receipt_id"]] {
        let shown = site.run(&["--json", "show", id.as_str().unwrap()]).expect(0).json();
        assert!(shown.to_string().contains("brokered:TOKEN") && !shown.to_string().contains(VALUE));
    }
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    finish(agent(&site, &["run", "--approval", id]), b"").expect(0);
    assert_eq!(std::fs::read_to_string(site.work("seen")).unwrap(), format!("{VALUE}\n"));
    // Without the credential it is another action.
    let asked =
        finish(agent(&site, &["--json", "run", "--", "./tool", "push", "shown"]), b"").expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    site.run(&["secret", "remove", "TOKEN"]).expect(0);
    finish(agent(&site, &["run", "--approval", id]), b"").expect(3);
    assert_eq!(std::fs::read_to_string(site.work("seen")).unwrap().lines().count(), 1);
    site.assert_sound();
}

#[test]
fn people_who_are_not_named_do_not_get_it() {
    let site = site();
    let args = ["secret", "set", "TOKEN", "--for", "./tool push", "--principal", "agent:claude-code"];
    finish(site.cascade(&args), VALUE.as_bytes()).expect(0);
    assert_eq!(push(&site, "length").expect(0).stdout, "0\n");
    let asked =
        finish(agent(&site, &["--json", "run", "--", "./tool", "push", "length"]), b"").expect(5).json();
    let id = asked["receipt_id"].as_str().unwrap();
    site.run(&["approve", id]).expect(0);
    let ran = finish(agent(&site, &["run", "--approval", id]), b"").expect(0);
    assert_eq!(ran.stdout, format!("{}\n", VALUE.len()));
}

#[test]
fn removing_it_ends_runs_that_hold_it_and_leaves_no_byte() {
    let site = site();
    let kept = sealed(&site).pop().unwrap();
    assert!(!holding(&site, &kept[..16]).is_empty(), "the search finds what is there");
    // Set anew, the old value is gone as well.
    set(&site, "another-value-of-the-same").expect(0);
    assert_eq!(holding(&site, &kept[..16]), [] as [PathBuf; 0]);
    let kept = sealed(&site).pop().unwrap();
    let mut command = site.cascade(&["run", "--", "./tool", "push", "stay"]);
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let started = std::time::Instant::now();
    while !site.work("up").exists() {
        assert!(started.elapsed() < crate::site::PATIENCE);
        std::thread::yield_now();
    }
    let removed = site.run(&["--json", "secret", "remove", "TOKEN"]).expect(0).json();
    assert_eq!((&removed["change"], &removed["wiped"]), (&"removed".into(), &true.into()));
    let told = crate::site::ended(child, b"").expect(3);
    assert!(told.stderr.contains("a credential that it was handed was removed"), "{}", told.stderr);
    assert_eq!(site.last().reasons(), ["revoked.credential"]);
    assert_eq!(sealed(&site), [] as [Vec<u8>; 0]);
    for needle in [&kept[..16], &kept[kept.len() - 16..], VALUE.as_bytes(), b"another-value-of"] {
        assert_eq!(holding(&site, needle), [] as [PathBuf; 0]);
    }
    assert_eq!(push(&site, "length").expect(0).stdout, "0\n");
    site.run(&["secret", "remove", "TOKEN"]).expect_failure(1, "no credential `TOKEN`");
    let receipts = site.receipts();
    assert_eq!(kinds(&receipts).iter().filter(|kind| **kind == "secret_changed").count(), 3);
    assert!(!receipts.iter().any(|one| one.0.to_string().contains("TOKEN")), "names are private");
    site.assert_sound();
}

#[test]
fn only_an_administrator_sets_and_removes() {
    let site = site();
    let set = ["secret", "set", "NEW", "--for", "./tool push"];
    for args in [&set[..], &["secret", "remove", "TOKEN"]] {
        finish(agent(&site, args), VALUE.as_bytes()).expect_failure(3, "an agent cannot answer for people");
        let mut beneath = site.cascade(args);
        beneath.env("CASCADE_RUN", "r_0000000000000000");
        finish(beneath, VALUE.as_bytes()).expect_failure(3, "from outside a governed run");
        let line = format!("cascade {}", args.join(" ").replace("./tool push", "'./tool push'"));
        finish(agent(&site, &["shell-check", "--", &line]), b"").expect(3);
    }
    finish(agent(&site, &["secret", "list"]), b"").expect(0);
    let listed = site.run(&["--json", "secret", "list"]).expect(0).stdout;
    assert!(listed.contains("TOKEN") && !listed.contains("NEW") && !listed.contains("tok_"), "{listed}");
}

#[test]
fn what_is_refused_tells_nothing_of_the_value() {
    let site = site();
    let tried = |args: &[&str], value: &str, code: i32, words: &str| {
        let done = finish(site.cascade(&[&["secret", "set"], args].concat()), value.as_bytes());
        let done = done.expect_failure(code, words);
        assert!(!done.stderr.contains(value.trim_end()), "{}", done.stderr);
    };
    let long = "v".repeat(16 * 1024 + 1);
    tried(&["N", "--for", "./tool"], "seven77\n", 2, "8 to 16384 bytes");
    tried(&["N", "--for", "./tool"], &long, 2, "8 to 16384 bytes");
    tried(&["a b", "--for", "./tool"], VALUE, 2, "no name of a credential");
    tried(&["N", "--for", "./tool", "--env", "LD_PRELOAD"], VALUE, 2, "no variable");
    tried(&["N", "--for", "./missing"], VALUE, 1, "no program");
    tried(&["N", "--for", "bash"], VALUE, 2, "runs whatever it is told to");
    finish(site.cascade(&["secret", "set", "N", "--for", "./tool"]), b"eight888\n").expect(0);
    finish(site.cascade(&["secret", "set", "N", "--for", "./tool"]), &long.as_bytes()[1..]).expect(0);
    site.run(&["secret", "remove", "N"]).expect(0);
}

#[test]
fn there_are_as_many_as_the_limit_says() {
    let site = site();
    for number in 1..64 {
        let name = format!("N{number}");
        finish(site.cascade(&["secret", "set", &name, "--for", "./tool x"]), VALUE.as_bytes()).expect(0);
    }
    let more = ["secret", "set", "MORE", "--for", "./tool x"];
    finish(site.cascade(&more), VALUE.as_bytes()).expect_failure(1, "may be no more");
    set(&site, "set anew is no new one").expect(0);
    site.run(&["secret", "remove", "N1"]).expect(0);
    finish(site.cascade(&more), VALUE.as_bytes()).expect(0);
}

/// Whoever can edit the database but has no key cannot make a credential one of another program.
#[test]
fn a_credential_cannot_be_moved_to_another_program() {
    let site = site();
    let code = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(\"update sealed_secrets set declaration = cast(replace(cast(declaration as text), '/tool', '/other') as blob)\")\nc.commit()";
    site.set("python3", &["-c", code, site.home().join("tenants/default/vault.db").to_str().unwrap()]);
    site.run(&["run", "--", "./other", "push", "length"]).expect(1);
    let last = site.last();
    assert_eq!((last.kind(), last.reasons()), ("task_failed", vec!["start.no_credential"]));
}

#[test]
fn a_passphrase_protects_values_and_a_new_key_keeps_them() {
    for protected in [true, false] {
        let site = Site::new();
        script(&site.work("tool"), "#!/bin/sh\necho \"${#TOKEN}\"\n");
        let file = site.path("passphrase");
        std::fs::write(&file, "correct horse").unwrap();
        let with = |args: &[&str], input: &[u8]| {
            let mut command = site.cascade(args);
            if protected {
                command.env("CASCADE_PASSPHRASE_FILE", &file);
            }
            finish(command, input)
        };
        let length = |site: &Site| {
            assert_eq!(with(&["run", "--", "./tool"], b"").expect(0).stdout, format!("{}\n", VALUE.len()));
            let keys = files(&site.home().join("tenants/default/keys"));
            let kept: Vec<_> =
                keys.iter().filter(|path| path.to_str().unwrap().ends_with(".secrets.key")).collect();
            assert_eq!(kept.len(), 1, "one file, of the key of the home: {keys:?}");
            let size = if protected { 60 } else { 32 };
            assert_eq!(std::fs::metadata(kept[0]).unwrap().len(), size);
            std::fs::read(kept[0]).unwrap()
        };
        with(if protected { &["init", "--passphrase"] } else { &["init"] }, b"").expect(0);
        with(&["secret", "set", "TOKEN", "--for", "./tool"], VALUE.as_bytes()).expect(0);
        let first = length(&site);
        let rotated = with(&["key", "rotate"], b"").expect(0).stdout.trim().to_owned();
        let second = length(&site);
        assert_eq!(first == second, !protected, "sealed under the new key");
        let recovery = site.path("home-recovery/default/recovery.pem");
        let since = ["--since", "2026-01-01T00:00:00.000Z", "--recovery-key", recovery.to_str().unwrap()];
        with(&[&["key", "revoke", rotated.as_str()], &since[..]].concat(), b"").expect(0);
        length(&site);
        if protected {
            std::fs::write(&file, "wrong").unwrap();
            with(&["run", "--", "./tool"], b"").expect_failure(1, "wrong passphrase");
        } else {
            let (ledger, key) = site.hand_over();
            verifiers::agreed(&ledger, Some(&key), None);
        }
        assert_eq!(holding(&site, VALUE.as_bytes()), [] as [PathBuf; 0]);
    }
}

/// The key of a language model is for an endpoint, and whoever may run a program does not get it.
#[test]
fn the_key_of_a_language_model_is_no_commands() {
    let site = site();
    let set = |args: &[&str]| finish(site.cascade(&[&["secret", "set"], args].concat()), VALUE.as_bytes());
    set(&["TOKEN", "--for-model", "anthropic", "--for-model", "https://LLM.example.com:8443/"]).expect(0);
    assert_eq!(push(&site, "length").expect(0).stdout, "0\n");
    let listed = site.run(&["--json", "secret", "list"]).expect(0).json();
    let endpoints = serde_json::json!(["https://api.anthropic.com", "https://llm.example.com:8443"]);
    assert_eq!(
        (&listed["secrets"][0]["models"], &listed["secrets"][0]["env"]),
        (&endpoints, &serde_json::Value::Null)
    );
    let listed = site.run(&["secret", "list"]).expect(0).stdout;
    assert!(listed.contains("  for  language models at https://llm.example.com:8443\n"), "{listed}");
    for (args, words) in [
        (&["N", "--for-model", "http://llm.example.com"] as &[&str], "has no TLS"),
        (&["N", "--for-model", "https://llm.example.com/v1"], "is no endpoint"),
        (&["N", "--for-model", "openai_compatible"], "is no endpoint"),
    ] {
        set(args).expect_failure(2, words);
    }
    for args in [&["--for", "./tool"] as &[&str], &["--env", "TOKEN"]] {
        let done = set(&[&["N", "--for-model", "openai"], args].concat()).expect(2);
        assert!(done.stderr.contains("cannot be used with"), "{}", done.stderr);
    }
    assert!(set(&["N"]).expect(2).stderr.contains("--for"));
    set(&["LOCAL", "--for-model", "http://127.0.0.1:8080", "--group", "ml"]).expect(0);
    assert_eq!(holding(&site, VALUE.as_bytes()), [] as [PathBuf; 0]);
    let (ledger, key) = site.hand_over();
    verifiers::agreed(&ledger, Some(&key), None);
    site.assert_sound();
}
