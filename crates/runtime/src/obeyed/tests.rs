use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use cascade_policy::facts::Found;
use cascade_receipt::digest::Digest;

use super::{FILE_BYTES_MAX, FILES_BYTES_MAX, found, home_of};

fn look(path: &Path) -> Found {
    found(None, path, &mut FILES_BYTES_MAX.clone())
}

#[test]
fn each_kind_of_file_has_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("x.sh"), "true\n").unwrap();
    symlink("x.sh", at("link")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let bytes = Found::Bytes(Digest::of(b"true\n"));
    assert_eq!((look(&at("x.sh")), look(&at("link"))), (bytes.clone(), bytes));
    for name in ["missing", "x.sh/below", "dangling"] {
        assert_eq!(look(&at(name)), Found::Absent, "{name}");
    }
    assert_eq!(look(dir.path()), Found::Directory);
    // Nobody writes to this pipe: opening it would wait for ever.
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RUSR).unwrap();
    assert!(fs::metadata(at("fifo")).unwrap().file_type().is_fifo());
    for path in [at("fifo").as_path(), Path::new("/dev/null"), Path::new("/dev/tty")] {
        assert_eq!(look(path), Found::Special, "{}", path.display());
    }
}

#[test]
fn what_only_looks_like_a_file_of_bytes_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.sh");
    fs::write(&file, "true\n").unwrap();
    let open = fs::File::open(&file).unwrap();
    let descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
    symlink(&descriptor, dir.path().join("link")).unwrap();
    // Their length is said to be 0; a descriptor is another file in the process that will run.
    for path in [Path::new("/proc/self/status"), Path::new(&descriptor), &dir.path().join("link")] {
        assert_eq!(look(path), Found::Special, "{}", path.display());
    }
}

#[test]
fn a_file_past_the_limit_is_told_by_its_stamp() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let of_budget = |mut budget| found(None, &path, &mut budget);
    fs::write(&path, [7; 10]).unwrap();
    assert_eq!(of_budget(10), Found::Bytes(Digest::of(&[7; 10])));
    let Found::TooLarge(first) = of_budget(9) else { panic!("{:?}", of_budget(9)) };
    fs::File::options().write(true).open(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    let Found::TooLarge(second) = look(&path) else { panic!("{:?}", look(&path)) };
    assert_ne!(first, second);

    // What one file takes is not there for the next.
    fs::write(&path, [7; 10]).unwrap();
    let mut budget = 15;
    assert!(matches!(found(None, &path, &mut budget), Found::Bytes(_)));
    assert!(matches!(found(None, &path, &mut budget), Found::TooLarge(_)));
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_stamp() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, "one").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let found = look(&path);
    // Root reads it all the same.
    let root = rustix::process::geteuid().is_root();
    assert!(if root { matches!(found, Found::Bytes(_)) } else { matches!(found, Found::Unreadable(_)) });
}

#[test]
fn a_home_is_found_by_the_name_of_its_user() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
    assert_eq!(home_of(passwd, "ann").as_deref(), Some(Path::new("/home/ann")));
    assert_eq!(home_of(passwd, "bob"), None);
}
