//! `--out` writes to what stands there: a file is replaced whole, anything else stays what it is.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use crate::site::Site;

/// Every verb with an `--out` for one file, and the beginning of what it writes.
const VERBS: &[(&[&str], &str)] = &[
    (&["export"], "{\"content\":"),
    (&["key", "export", "--public"], "-----BEGIN PUBLIC KEY-----"),
    (&["bundle", "create", "--range", "0..1"], "{\"payload"),
    (&["checkpoint"], "\n\u{2014} "),
];

fn begin() -> Site {
    let site = Site::new();
    site.run(&["run", "--", "true"]).expect(0);
    site
}

fn to<'a>(verb: &[&'a str], path: &'a Path) -> Vec<&'a str> {
    [verb, &["--out", path.to_str().unwrap()]].concat()
}

#[test]
fn a_device_stays_a_device() {
    let site = begin();
    let (null, full) = (device(&site, "null", "3"), device(&site, "full", "7"));
    for (verb, _) in VERBS {
        let done = site.run(&to(verb, &full)).expect(1);
        assert!(done.stderr.contains("couldn't write"), "{verb:?}: {}", done.stderr);
        site.run(&to(verb, &null)).expect(0);
        for device in [&null, &full] {
            assert!(std::fs::metadata(device).unwrap().file_type().is_char_device(), "{verb:?}");
        }
    }
}

/// A memory device of the site's own, so that a failure of this test spoils nobody else's. Who may not make one may not
/// replace the machine's either.
fn device(site: &Site, name: &str, minor: &str) -> PathBuf {
    let node = site.path(name);
    let made = site.program("mknod").arg(&node).args(["c", "1", minor]).stderr(Stdio::null()).status();
    let usable = made.unwrap().success() && std::fs::File::options().write(true).open(&node).is_ok();
    if usable { node } else { Path::new("/dev").join(name) }
}

#[test]
fn a_fifo_is_written_to() {
    let site = begin();
    let fifo = site.path("fifo");
    site.set("mkfifo", &[fifo.to_str().unwrap()]);
    for (verb, start) in VERBS {
        let reader = thread::spawn({
            let fifo = fifo.clone();
            move || std::fs::read_to_string(fifo).unwrap()
        });
        site.run(&to(verb, &fifo)).expect(0);
        let text = reader.join().unwrap();
        assert!(text.contains(start), "{verb:?}: {text}");
        assert!(std::fs::metadata(&fifo).unwrap().file_type().is_fifo(), "{verb:?}");
    }
}

#[test]
fn a_link_leads_to_the_file() {
    let site = begin();
    for (verb, start) in VERBS {
        for there in [true, false] {
            let (link, file) = (site.path("link"), site.path("file"));
            symlink("file", &link).unwrap();
            if there {
                std::fs::write(&file, "old").unwrap();
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
            }
            site.run(&to(verb, &link)).expect(0);
            assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink(), "{verb:?}");
            assert!(std::fs::read_to_string(&file).unwrap().contains(start), "{verb:?}");
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert!(!there || mode & 0o777 == 0o640, "{verb:?}: {mode:o}");
            std::fs::remove_file(link).unwrap();
            std::fs::remove_file(file).unwrap();
        }
    }
    let knot = site.path("knot");
    symlink("knot", &knot).unwrap();
    site.run(&to(&["export"], &knot)).expect(1);
}

/// Where it went is one document, whether that is stdout or a file.
#[test]
fn what_was_written_is_one_document() {
    let site = begin();
    let (file, key) = (site.path("file"), site.path("key"));
    let exported = site.run(&[&["--json"], &to(&["export"], &file)[..]].concat()).expect(0).json();
    assert_eq!((exported["path"].as_str(), exported["receipts"].as_u64()), (file.to_str(), Some(3)));
    let shown = site.run(&["--json", "key", "export", "--public"]).expect(0).json();
    let written =
        site.run(&[&["--json"], &to(&["key", "export", "--public"], &key)[..]].concat()).expect(0).json();
    assert_eq!(shown["public_key_pem"], std::fs::read_to_string(&key).unwrap());
    assert_eq!(written["path"].as_str(), key.to_str());
    let listed = site.run(&["--json", "key", "list"]).expect(0).stdout;
    assert!(listed.contains(shown["key_id"].as_str().unwrap()), "{shown}");
    let log = site.run(&["--json", "key", "export", "--log"]).expect(0).json();
    assert!(log["vkey"].as_str().unwrap().contains('+'));
}
