//! The tree as C2SP tlog-tiles beside the chain: `tiles/tile/<L>/<N>`, 256 hashes each.
//!
//! They follow from the log and may be lost or wrong at any time: a tree made from them is used only
//! if its root is the one that was kept in the transaction of the last append, and otherwise they
//! are made again. So nothing here is synced.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use cascade_receipt::digest::Digest;
use cascade_receipt::merkle;

use crate::fault::{At as _, Fault};
use crate::files;

/// Hashes in a full tile.
pub(crate) const TILE_WIDTH: u64 = 256;
/// Levels of the tree in a tile.
const TILE_HEIGHT: u32 = 8;

/// The directory of tiles.
#[derive(Debug)]
pub(crate) struct Tiles {
    dir: PathBuf,
    read: HashMap<(u32, u64), Rows>,
}

/// A tile, and what its hashes come to: row n + 1 has the parents of complete pairs of row n.
#[derive(Debug)]
struct Rows(Vec<Vec<Digest>>);

impl Rows {
    fn over(hashes: Vec<Digest>) -> Self {
        let mut rows = vec![hashes];
        while let Some(pairs) =
            rows.last().map(|row| row.as_chunks::<2>().0).filter(|pairs| !pairs.is_empty())
        {
            rows.push(pairs.iter().map(|[left, right]| merkle::node(left, right)).collect());
        }
        Self(rows)
    }

    fn node(&self, above: u32, index: u64) -> Option<Digest> {
        self.0.get(usize::try_from(above).ok()?)?.get(usize::try_from(index).ok()?).copied()
    }
}

/// Tiles that are kept in memory: 16 KiB each.
const TILES_KEPT_MAX: usize = 1024;

impl Tiles {
    pub(crate) fn at(tenant_dir: &Path) -> Self {
        Self { dir: tenant_dir.join("tiles"), read: HashMap::new() }
    }

    /// How many full tiles of leaves there are. They are written in order.
    pub(crate) fn full(&self, most: u64) -> u64 {
        let (mut there, mut missing) = (0, most + 1);
        while missing - there > 1 {
            let middle = there + (missing - there) / 2;
            if self.path(0, middle - 1, TILE_WIDTH).exists() {
                there = middle;
            } else {
                missing = middle;
            }
        }
        there
    }

    /// The node `above` the hashes of a level, at `index` of its row, if a tile has all of what is below it.
    pub(crate) fn node(&mut self, level: u32, above: u32, index: u64) -> Option<Digest> {
        let width = TILE_WIDTH >> above;
        let (tile, at) = (index / width, index % width);
        if let Some(known) = self.read.get(&(level, tile)).and_then(|rows| rows.node(above, at)) {
            return Some(known);
        }
        let rows = Rows::over(self.load(level, tile)?);
        let found = rows.node(above, at);
        if self.read.len() >= TILES_KEPT_MAX {
            self.read.clear();
        }
        self.read.insert((level, tile), rows);
        found
    }

    /// The full tile, or the widest part of it that is there.
    fn load(&self, level: u32, tile: u64) -> Option<Vec<Digest>> {
        if let Some(full) = read(&self.path(level, tile, TILE_WIDTH)) {
            return (full.len() as u64 == TILE_WIDTH).then_some(full);
        }
        let parts = std::fs::read_dir(self.path(level, tile, 1).parent()?).ok()?;
        let widths = parts.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
        let width = widths.filter(|width| *width < TILE_WIDTH).max()?;
        read(&self.path(level, tile, width)).filter(|hashes| hashes.len() as u64 == width)
    }

    /// Keeps the next full tile of leaves, and what it adds to the levels above.
    pub(crate) fn add(&mut self, tile: u64, leaves: &[Digest]) -> Result<(), Fault> {
        self.write(0, tile, leaves)?;
        let mut hash = root(leaves);
        let mut index = tile;
        for level in 1.. {
            let (above, at) = (index / TILE_WIDTH, index % TILE_WIDTH);
            let mut hashes = if at == 0 { Vec::new() } else { self.load(level, above).unwrap_or_default() };
            if hashes.len() as u64 != at {
                // The part before was lost; the levels below still have it.
                return Ok(());
            }
            hashes.push(hash);
            self.write(level, above, &hashes)?;
            if at > 0 {
                let old = self.path(level, above, at);
                if let Err(error) = std::fs::remove_file(&old)
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(Fault::io(&old, &error));
                }
            }
            if at + 1 < TILE_WIDTH {
                return Ok(());
            }
            hash = root(&hashes);
            index = above;
        }
        Ok(())
    }

    fn write(&mut self, level: u32, tile: u64, hashes: &[Digest]) -> Result<(), Fault> {
        let path = self.path(level, tile, hashes.len() as u64);
        let parent = path.parent().unwrap_or(&self.dir);
        files::make_dirs(parent)?;
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        let fresh = parent.join(format!(".{}.{level}.{tile}", std::process::id()));
        std::fs::write(&fresh, bytes).at(&fresh)?;
        std::fs::rename(&fresh, &path).at(&path)?;
        self.read.remove(&(level, tile));
        Ok(())
    }

    /// Throws all tiles away.
    pub(crate) fn clear(&mut self) -> Result<(), Fault> {
        self.read.clear();
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Fault::io(&self.dir, &error)),
            _ => Ok(()),
        }
    }

    /// `tile/<L>/<N>`, for part of a tile with `.p/<W>`; N as x001/x234/067.
    fn path(&self, level: u32, tile: u64, width: u64) -> PathBuf {
        let mut name = format!("{:03}", tile % 1000);
        let mut rest = tile / 1000;
        while rest > 0 {
            name = format!("x{:03}/{name}", rest % 1000);
            rest /= 1000;
        }
        if width < TILE_WIDTH {
            name = format!("{name}.p/{width}");
        }
        self.dir.join(format!("tile/{level}/{name}"))
    }
}

fn read(path: &Path) -> Option<Vec<Digest>> {
    let bytes = std::fs::read(path).ok()?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.iter().copied().map(Digest).collect())
}

/// Root over a full tile.
fn root(hashes: &[Digest]) -> Digest {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| merkle::node(left, right)).collect();
    }
    level.first().copied().unwrap_or(Digest([0; 32]))
}

/// The tree at one size, from tiles and the leaves that are in none yet.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) tiles: Tiles,
    /// How many full tiles of leaves count.
    pub(crate) full: u64,
    /// Leaf hashes after those.
    pub(crate) rest: Vec<Digest>,
}

impl Source {
    /// Hash of a complete subtree, as [`merkle::range`] asks for it.
    pub(crate) fn complete(&mut self, height: u32, index: u64) -> Result<Digest, Missing> {
        let (level, above) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        self.fold(level, above, index)
    }

    fn fold(&mut self, level: u32, above: u32, index: u64) -> Result<Digest, Missing> {
        if (level > 0 || self.is_in_tiles(above, index))
            && above < TILE_HEIGHT
            && let Some(hash) = self.tiles.node(level, above, index)
        {
            return Ok(hash);
        }
        if above > 0 {
            let left = self.fold(level, above - 1, index * 2)?;
            return Ok(merkle::node(&left, &self.fold(level, above - 1, index * 2 + 1)?));
        }
        if level > 0 {
            // A tile higher up may be missing or narrower; the tiles below it make up for that.
            return self.fold(level - 1, TILE_HEIGHT, index);
        }
        let at = index.checked_sub(self.full * TILE_WIDTH).ok_or(Missing)?;
        usize::try_from(at).ok().and_then(|at| self.rest.get(at).copied()).ok_or(Missing)
    }

    /// Whether all leaves below a node are in tiles that count.
    const fn is_in_tiles(&self, above: u32, index: u64) -> bool {
        (index + 1) << above <= self.full * TILE_WIDTH
    }
}

/// A tile is not there or not whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_tlog_tiles() {
        let tiles = Tiles::at(Path::new("/t"));
        for (tile, width, name) in [
            (0, 256, "/t/tiles/tile/0/000"),
            (1_234_067, 256, "/t/tiles/tile/0/x001/x234/067"),
            (1_000, 3, "/t/tiles/tile/0/x001/000.p/3"),
        ] {
            assert_eq!(tiles.path(0, tile, width), Path::new(name));
        }
    }

    #[test]
    fn tiles_give_the_tree_also_when_some_are_lost() {
        let dir = tempfile::tempdir().unwrap();
        let entries: Vec<Digest> = (0..70_000_u64).map(|n| Digest::of(&n.to_be_bytes())).collect();
        let leaves: Vec<Digest> = entries.iter().map(merkle::leaf).collect();
        let mut tree = merkle::Tree::default();
        entries.iter().for_each(|entry| tree.push(entry));
        let mut tiles = Tiles::at(dir.path());
        let full = leaves.len() as u64 / TILE_WIDTH;
        for (tile, leaves) in (0..full).zip(leaves.chunks(256)) {
            tiles.add(tile, leaves).unwrap();
        }
        assert_eq!(tiles.full(1000), full);
        let rest = leaves[usize::try_from(full * TILE_WIDTH).unwrap()..].to_vec();
        let check = |lost: &[&str]| {
            for name in lost {
                let path = dir.path().join("tiles/tile").join(name);
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                    .unwrap();
            }
            let tiles = Tiles::at(dir.path());
            let mut source = Source { tiles, full, rest: rest.clone() };
            for size in [1, 255, 256, 257, 65_535, 65_536, 65_537, 69_999, 70_000] {
                let root = merkle::range(0, size, &mut |height, at| source.complete(height, at)).unwrap();
                assert_eq!(Some(root), tree.root(size), "{size}");
                let path = merkle::inclusion(size - 1, size, &mut |height, at| source.complete(height, at));
                assert_eq!(path.ok(), tree.inclusion(size - 1, size));
            }
        };
        check(&[]);
        check(&["2", "1/001.p", "1/000"]);
        std::fs::write(dir.path().join("tiles/tile/0/007"), [0; 100]).unwrap();
        let mut source = Source { tiles: Tiles::at(dir.path()), full, rest };
        assert!(merkle::range(0, 70_000, &mut |height, at| source.complete(height, at)).is_err());
    }
}
