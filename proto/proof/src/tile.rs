//! The files of a tree (C2SP `tlog-tiles`): 256 hashes or 256 leaves to a file.
//!
//! `tile/L/N` holds the hashes of 256 complete subtrees of 2^(8 L) leaves; `tile/entries/N` holds 256 leaves, each after
//! its length in two bytes. The last file of a level is not full; its name ends with `.p/W`, the number that it holds.

use crate::{
    hash::{HASH_BYTES, Hash},
    tree::Node,
};

/// The hashes or leaves of a full tile.
pub const TILE_WIDTH: u64 = 256;
/// The levels of the tree that one level of tiles spans.
pub const TILE_LEVELS: u8 = 8;
/// The most bytes of a leaf: its length is stored in two bytes.
pub const LEAF_BYTES_MAX: usize = u16::MAX as usize;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// The leaves themselves.
    Entries,
    /// Hashes of subtrees of 2^(8 times this) leaves.
    Hashes(u8),
}

/// The name of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// What it holds.
    pub kind: TileKind,
    /// Its place among the tiles of its kind.
    pub index: u64,
    /// How many hashes or leaves it holds, from 1 to [`TILE_WIDTH`].
    pub width: u64,
}

impl Tile {
    /// The tile of `kind` at `index` in a tree of `size` leaves; `None` if the tree does not reach it.
    #[must_use]
    pub fn of(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let level = match kind {
            TileKind::Entries => 0,
            TileKind::Hashes(level) => level,
        };
        let there = size
            .checked_shr(u32::from(level) * u32::from(TILE_LEVELS))
            .unwrap_or(0);
        let width = there.saturating_sub(index * TILE_WIDTH).min(TILE_WIDTH);
        (width > 0).then_some(Self { kind, index, width })
    }

    /// The tile that holds the hashes from which that of `node` is made, and the first and number of these hashes.
    #[must_use]
    pub fn holding(node: Node, size: u64) -> Option<(Self, usize, usize)> {
        let (level, above) = (node.level / TILE_LEVELS, node.level % TILE_LEVELS);
        let first = node.index << above;
        let tile = Self::of(TileKind::Hashes(level), first / TILE_WIDTH, size)?;
        let (first, many) = (first % TILE_WIDTH, 1u64 << above);
        let fits = first + many <= tile.width;
        let to_usize = |n: u64| usize::try_from(n).ok();
        fits.then_some((tile, to_usize(first)?, to_usize(many)?))
    }

    /// The path of its file: `tile/0/x001/234`, `tile/1/000.p/17`, `tile/entries/000`.
    #[must_use]
    pub fn path(&self) -> String {
        let kind = match self.kind {
            TileKind::Entries => "entries".to_owned(),
            TileKind::Hashes(level) => level.to_string(),
        };
        let mut number = format!("{:03}", self.index % 1_000);
        let mut rest = self.index / 1_000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1_000);
            rest /= 1_000;
        }
        match self.width {
            TILE_WIDTH => format!("tile/{kind}/{number}"),
            width => format!("tile/{kind}/{number}.p/{width}"),
        }
    }
}

/// The bytes of a tile of hashes.
#[must_use]
pub fn hashes_to_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile; `None` if the bytes are not those of `width` hashes.
#[must_use]
pub fn hashes_from_bytes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    let fits = rest.is_empty() && hashes.len() as u64 == width;
    fits.then(|| hashes.iter().copied().map(Hash).collect())
}

/// The bytes of a tile of leaves; `None` if a leaf is longer than [`LEAF_BYTES_MAX`].
#[must_use]
pub fn leaves_to_bytes<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        bytes.extend(u16::try_from(leaf.len()).ok()?.to_be_bytes());
        bytes.extend(leaf);
    }
    Some(bytes)
}

/// The leaves of a tile; `None` if the bytes are not those of `width` leaves.
#[must_use]
pub fn leaves_from_bytes(mut bytes: &[u8], width: u64) -> Option<Vec<&[u8]>> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (leaf, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        leaves.push(leaf);
        bytes = rest;
    }
    (bytes.is_empty() && leaves.len() as u64 == width).then_some(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_format() {
        let tile = |kind, index, width| Tile { kind, index, width }.path();
        assert_eq!(tile(TileKind::Hashes(0), 0, 256), "tile/0/000");
        assert_eq!(tile(TileKind::Hashes(1), 7, 3), "tile/1/007.p/3");
        assert_eq!(
            tile(TileKind::Entries, 1_234_067, 256),
            "tile/entries/x001/x234/067"
        );
    }

    #[test]
    fn a_node_is_made_of_hashes_of_one_tile() {
        let node = |level, index| Node { level, index };
        let of = |node| {
            Tile::holding(node, 70_000).map(|(tile, first, many)| (tile.path(), first, many))
        };
        assert_eq!(of(node(0, 300)), Some(("tile/0/001".to_owned(), 44, 1)));
        assert_eq!(of(node(7, 3)), Some(("tile/0/001".to_owned(), 128, 128)));
        assert_eq!(of(node(8, 3)), Some(("tile/1/000".to_owned(), 3, 1)));
        assert_eq!(of(node(16, 0)), Some(("tile/2/000.p/1".to_owned(), 0, 1)));
        assert_eq!(of(node(16, 1)), None);
        assert_eq!(of(node(0, 70_000)), None);
    }

    #[test]
    fn leaves_are_read_back_and_cut_ones_refused() {
        let leaves: [&[u8]; 3] = [b"one", b"", b"three"];
        let bytes = leaves_to_bytes(leaves).expect("short leaves");
        assert_eq!(leaves_from_bytes(&bytes, 3).as_deref(), Some(&leaves[..]));
        assert_eq!(leaves_from_bytes(&bytes, 2), None);
        assert_eq!(leaves_from_bytes(&bytes[..bytes.len() - 1], 3), None);
        assert_eq!(
            leaves_to_bytes([vec![0; LEAF_BYTES_MAX + 1].as_slice()]),
            None
        );
        let hashes = [Hash::of_leaf(b"a"), Hash::of_leaf(b"b")];
        let bytes = hashes_to_bytes(&hashes);
        assert_eq!(hashes_from_bytes(&bytes, 2).as_deref(), Some(&hashes[..]));
        assert_eq!(hashes_from_bytes(&bytes[1..], 2), None);
    }
}
