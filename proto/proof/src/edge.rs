//! The right edge of a tree: the hashes of the last tile of each level, to which leaves are appended.

use crate::{
    hash::Hash,
    tile::{TILE_LEVELS, TILE_WIDTH, Tile, TileKind},
};

/// The right edge of a tree, from which its root and its next tiles are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// By level of tiles: the hashes of the tile that is not full.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The tiles that hold the edge of a tree of `size` leaves, from the lowest level.
    #[must_use]
    pub fn tiles(size: u64) -> Vec<Tile> {
        let mut tiles = Vec::new();
        let (mut there, mut level) = (size, 0);
        while there > 0 {
            let width = there % TILE_WIDTH;
            if width > 0 {
                let (kind, index) = (TileKind::Hashes(level), there / TILE_WIDTH);
                tiles.push(Tile { kind, index, width });
            }
            there >>= TILE_LEVELS;
            level += 1;
        }
        tiles
    }

    /// The edge of a tree of `size` leaves, from the hashes of its [`tiles`](Self::tiles).
    #[must_use]
    pub fn read(size: u64, hashes: impl IntoIterator<Item = (Tile, Vec<Hash>)>) -> Self {
        let mut levels = Vec::new();
        for (tile, hashes) in hashes {
            if let TileKind::Hashes(level) = tile.kind {
                levels.resize(usize::from(level) + 1, Vec::new());
                levels[usize::from(level)] = hashes;
            }
        }
        Self { size, levels }
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let subtrees = self.levels.iter().rev().flat_map(|level| complete(level));
        let subtrees: Vec<Hash> = subtrees.collect();
        Hash::of_range(subtrees.into_iter()).unwrap_or_else(Hash::of_nothing)
    }

    /// Appends leaves, and returns the tiles of hashes that are full now or have changed.
    pub fn append(&mut self, leaves: &[Hash]) -> Vec<(Tile, Vec<Hash>)> {
        let mut full = Vec::new();
        for leaf in leaves {
            self.size += 1;
            let mut carried = Some(*leaf);
            let mut level = 0;
            while let Some(hash) = carried.take() {
                if self.levels.len() == level {
                    self.levels.push(Vec::new());
                }
                self.levels[level].push(hash);
                if self.levels[level].len() as u64 == TILE_WIDTH {
                    let hashes = std::mem::take(&mut self.levels[level]);
                    carried = Hash::of_range(complete(&hashes).into_iter());
                    full.push((self.full_tile(level), hashes));
                }
                level += 1;
            }
        }
        let partial = Self::tiles(self.size)
            .into_iter()
            .map(|tile| match tile.kind {
                TileKind::Hashes(level) => (tile, self.levels[usize::from(level)].clone()),
                TileKind::Entries => (tile, Vec::new()),
            });
        full.extend(partial);
        full
    }

    /// The tile of `level` that the last leaf has filled.
    fn full_tile(&self, level: usize) -> Tile {
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let tiles = self.size >> (u32::from(level + 1) * u32::from(TILE_LEVELS));
        Tile {
            kind: TileKind::Hashes(level),
            index: tiles.saturating_sub(1),
            width: TILE_WIDTH,
        }
    }
}

/// The hashes of the complete subtrees of `hashes`, from left to right.
fn complete(hashes: &[Hash]) -> Vec<Hash> {
    let mut found = Vec::new();
    let mut rest = hashes;
    while !rest.is_empty() {
        let (subtree, after) = rest.split_at(1 << rest.len().ilog2());
        found.push(subtree_root(subtree));
        rest = after;
    }
    found
}

/// The root of a complete subtree of `hashes`, whose number is a power of two.
#[must_use]
pub fn subtree_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::of_nothing(),
        [hash] => *hash,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Hash::of_node(subtree_root(left), subtree_root(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{tree, verify};

    /// The hash of a range, from the tiles that were written for a tree of `size` leaves.
    fn hash_of(tiles: &BTreeMap<String, Vec<Hash>>, range: &[tree::Node], size: u64) -> Hash {
        let of_node = |node: &tree::Node| {
            let (tile, first, many) = Tile::holding(*node, size).expect("within the tree");
            subtree_root(&tiles[&tile.path()][first..first + many])
        };
        Hash::of_range(range.iter().map(of_node)).expect("a range is not empty")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn tiles_prove_what_was_appended(batches in prop::collection::vec(1usize..900, 1..6), pick in any::<u64>()) {
            let mut edge = Edge::default();
            let mut tiles: BTreeMap<String, Vec<Hash>> = BTreeMap::new();
            let mut heads = vec![(0, Hash::of_nothing())];
            let mut all = Vec::new();
            for many in batches {
                let first = edge.size();
                let leaves: Vec<Hash> =
                    (first..first + many as u64).map(|n| Hash::of_leaf(&n.to_le_bytes())).collect();
                tiles.extend(edge.append(&leaves).into_iter().map(|(tile, hashes)| (tile.path(), hashes)));
                all.extend(leaves);
                heads.push((edge.size(), edge.root()));
                let size = edge.size();
                let read = Edge::tiles(size).into_iter().map(|tile| (tile, tiles[&tile.path()].clone()));
                let again = Edge::read(size, read);
                prop_assert_eq!(again.root(), edge.root());
                edge = again;
            }
            let head = (edge.size(), edge.root());
            let paths = |ranges: Vec<tree::Range>| -> Vec<Hash> {
                ranges.iter().map(|range| hash_of(&tiles, range, head.0)).collect()
            };
            prop_assert_eq!(hash_of(&tiles, &tree::root(head.0), head.0), head.1);
            let index = pick % head.0;
            let path = paths(tree::inclusion(index, head.0).expect("it is there"));
            let leaf = all[usize::try_from(index).expect("small")];
            prop_assert_eq!(verify::inclusion((index, leaf), &path, head), Ok(()));
            for older in heads.into_iter().skip(1) {
                let path = paths(tree::consistency(older.0, head.0).expect("it grew"));
                prop_assert_eq!(verify::consistency(older, &path, head), Ok(()));
            }
        }
    }
}
