//! A disk that loses power: what had been made durable stays, of everything else any part may.
//!
//! Harsher than the file systems that Cascade runs on. Of the writes to a file since it was last synced, any may
//! be lost and any torn between two sectors, whatever came later. Of the changes to the names in a directory since
//! that was synced, a beginning is kept: their order is what POSIX leaves out and every journal has.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use crate::random::Random;
use crate::trace::Event;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

type Id = usize;

#[derive(Clone, Debug)]
enum Node {
    File(File),
    Dir(Dir),
}

#[derive(Clone, Default, Debug)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
    len: u64,
    /// Where a write without an offset goes.
    position: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

#[derive(Clone, Default, Debug)]
struct Dir {
    durable: BTreeMap<OsString, Id>,
    names: BTreeMap<OsString, Id>,
    pending: Vec<Vec<(OsString, Option<Id>)>>,
}

/// Everything below one directory.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
}

impl Disk {
    /// `root` exists, with these durable and empty directories in it.
    pub(crate) fn new(root: &Path, dirs: &[&str]) -> Self {
        let mut disk = Self { root: root.to_owned(), nodes: vec![Node::Dir(Dir::default())] };
        for dir in dirs {
            disk.apply(&Event::MadeDir(root.join(dir)));
        }
        disk.apply(&Event::Synced(root.to_owned()));
        disk
    }

    /// Follows a program.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Opened { path, at, truncate } => {
                let Some((dir, name)) = self.place(path) else { return };
                let id = match self.dir(dir).names.get(&name) {
                    Some(id) => *id,
                    None => self.add(dir, name, Node::File(File::default())),
                };
                let Node::File(file) = &mut self.nodes[id] else { return };
                if *truncate {
                    file.change(Change::Resize(0));
                }
                file.position = at.unwrap_or(file.len);
            }
            Event::Wrote { path, at, bytes } => {
                let Some(file) = self.file(path) else { return };
                let offset = at.unwrap_or(file.position);
                if at.is_none() {
                    file.position += bytes.len() as u64;
                }
                file.change(Change::Write { at: usize::try_from(offset).unwrap(), bytes: bytes.clone() });
            }
            Event::Resized { path, len } => {
                let Some(file) = self.file(path) else { return };
                file.change(Change::Resize(usize::try_from(*len).unwrap()));
            }
            Event::Synced(path) => self.sync(path),
            Event::MadeDir(path) => {
                let Some((dir, name)) = self.place(path) else { return };
                self.add(dir, name, Node::Dir(Dir::default()));
            }
            Event::Renamed { from, to } => self.rename(from, to),
            Event::Removed(path) => {
                let Some((dir, name)) = self.place(path) else { return };
                self.dir_mut(dir).change(vec![(name, None)]);
            }
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let (Some((dir, old)), Some((target, new))) = (self.place(from), self.place(to)) else { return };
        assert_eq!(dir, target, "no model of a rename from one directory to another: {from:?} {to:?}");
        let id = self.dir(dir).names[&old];
        self.dir_mut(dir).change(vec![(old, None), (new, Some(id))]);
    }

    fn sync(&mut self, path: &Path) {
        let Some(id) = self.find(path) else { return };
        match &mut self.nodes[id] {
            Node::File(file) => {
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.durable);
                }
            }
            Node::Dir(dir) => {
                dir.durable.clone_from(&dir.names);
                dir.pending.clear();
            }
        }
    }

    /// What may be on the disk when the power fails now, written below `target`. Modes are those that Cascade
    /// gives everything it makes.
    pub(crate) fn after_power_cut(&self, random: &mut Random, target: &Path) {
        self.write_dir(0, random, target);
    }

    fn write_dir(&self, id: Id, random: &mut Random, target: &Path) {
        let dir = self.dir(id);
        let mut names = dir.durable.clone();
        for change in &dir.pending[..random.below(dir.pending.len() + 1)] {
            set(&mut names, change);
        }
        for (name, id) in names {
            let path = target.join(name);
            match &self.nodes[id] {
                Node::File(file) => {
                    let mut options = OpenOptions::new();
                    let mut made = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
                    made.write_all(&file.after_power_cut(random)).unwrap();
                }
                Node::Dir(_) => {
                    DirBuilder::new().mode(0o700).create(&path).unwrap();
                    self.write_dir(id, random, &path);
                }
            }
        }
    }

    fn add(&mut self, dir: Id, name: OsString, node: Node) -> Id {
        self.nodes.push(node);
        let id = self.nodes.len() - 1;
        self.dir_mut(dir).change(vec![(name, Some(id))]);
        id
    }

    /// The directory that a path is in, and its name there; `None` for what is elsewhere.
    fn place(&self, path: &Path) -> Option<(Id, OsString)> {
        path.strip_prefix(&self.root).ok()?;
        let dir = self.find(path.parent()?)?;
        Some((dir, path.file_name()?.to_owned()))
    }

    fn find(&self, path: &Path) -> Option<Id> {
        let mut id = 0;
        for part in path.strip_prefix(&self.root).ok()?.components() {
            let Component::Normal(name) = part else { continue };
            id = self.child(id, name)?;
        }
        Some(id)
    }

    fn child(&self, id: Id, name: &OsStr) -> Option<Id> {
        match &self.nodes[id] {
            Node::Dir(dir) => dir.names.get(name).copied(),
            Node::File(_) => None,
        }
    }

    fn file(&mut self, path: &Path) -> Option<&mut File> {
        let id = self.find(path)?;
        match &mut self.nodes[id] {
            Node::File(file) => Some(file),
            Node::Dir(_) => None,
        }
    }

    fn dir(&self, id: Id) -> &Dir {
        match &self.nodes[id] {
            Node::Dir(dir) => dir,
            Node::File(_) => panic!("a file in the place of a directory"),
        }
    }

    fn dir_mut(&mut self, id: Id) -> &mut Dir {
        match &mut self.nodes[id] {
            Node::Dir(dir) => dir,
            Node::File(_) => panic!("a file in the place of a directory"),
        }
    }
}

impl Dir {
    fn change(&mut self, change: Vec<(OsString, Option<Id>)>) {
        set(&mut self.names, &change);
        self.pending.push(change);
    }
}

fn set(names: &mut BTreeMap<OsString, Id>, change: &[(OsString, Option<Id>)]) {
    for (name, id) in change {
        match id {
            Some(id) => drop(names.insert(name.clone(), *id)),
            None => drop(names.remove(name)),
        }
    }
}

impl File {
    fn change(&mut self, change: Change) {
        self.len = match &change {
            Change::Write { at, bytes } => self.len.max((at + bytes.len()) as u64),
            Change::Resize(len) => *len as u64,
        };
        self.pending.push(change);
    }

    fn after_power_cut(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        // Mostly all or nothing of it is there; the rest is what nobody would think of.
        let lost = match random.below(4) {
            0 => 0.0,
            1 => 1.0,
            _ => random.fraction(),
        };
        for change in &self.pending {
            match change {
                Change::Resize(len) => {
                    if random.fraction() >= lost {
                        bytes.resize(*len, 0);
                    }
                }
                Change::Write { at, bytes: written } => {
                    let mut done = 0;
                    while done < written.len() {
                        let sector = (SECTOR - (at + done) % SECTOR).min(written.len() - done);
                        if random.fraction() >= lost {
                            write(&mut bytes, at + done, &written[done..done + sector]);
                        }
                        done += sector;
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(self, file: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => file.resize(len, 0),
            Self::Write { at, bytes } => write(file, at, &bytes),
        }
    }
}

fn write(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}
