//! Which nodes of a hash tree make its root, the path that proves a leaf, and the path that proves a smaller tree.
//!
//! A tree of `size` leaves is split at the largest power of two below `size`, and so on (RFC 6962, section 2.1). Every
//! hash that a proof needs is that of a range of leaves, and every range consists of complete subtrees, whose hashes
//! never change once they exist. So a store only keeps the hashes of complete subtrees.

/// A complete subtree: the `index`-th one of 2^`level` leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Its height; a leaf has 0.
    pub level: u8,
    /// Its place among the subtrees of this height.
    pub index: u64,
}

/// The hash of a range of leaves: that of its complete subtrees, from left to right.
pub type Range = Vec<Node>;

/// The largest power of two below `size`, which is at least 2.
pub(crate) fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The complete subtrees of the leaves from `first` to before `end`. `first` must be a multiple of the largest.
fn range(mut first: u64, end: u64) -> Range {
    let mut nodes = Vec::new();
    while first < end {
        let level = (u64::BITS - 1 - (end - first).leading_zeros()) as u8;
        nodes.push(Node {
            level,
            index: first >> level,
        });
        first += 1 << level;
    }
    nodes
}

/// The subtrees whose hashes make the root of a tree of `size` leaves; none if it is empty.
#[must_use]
pub fn root(size: u64) -> Range {
    range(0, size)
}

/// The path that proves the leaf `index` in a tree of `size` leaves, from the leaf's sibling to the root's child; `None`
/// if the tree has no such leaf.
#[must_use]
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Range>> {
    let mut path = Vec::new();
    let (mut first, mut end) = (0, size);
    if index >= size {
        return None;
    }
    while end - first > 1 {
        let middle = first + split(end - first);
        if index < middle {
            path.push(range(middle, end));
            end = middle;
        } else {
            path.push(range(first, middle));
            first = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// The path that proves that a tree of `size` leaves begins with the tree of its first `older` leaves; `None` if there
/// is no such tree, or the older is empty.
#[must_use]
pub fn consistency(older: u64, size: u64) -> Option<Vec<Range>> {
    if older == 0 || older > size {
        return None;
    }
    let mut path = Vec::new();
    let (mut first, mut end) = (0, size);
    // True while the older tree, as far as it lies in the range, is the whole older tree.
    let mut is_whole = true;
    while older != end {
        let middle = first + split(end - first);
        if older <= middle {
            path.push(range(middle, end));
            end = middle;
        } else {
            path.push(range(first, middle));
            first = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        path.push(range(first, end));
    }
    path.reverse();
    Some(path)
}
