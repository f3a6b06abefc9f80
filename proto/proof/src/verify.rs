//! Checks the paths of [`tree`](crate::tree) against roots. It holds no more than a hash a step.

use crate::{hash::Hash, tree::split};

/// Why a path proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The tree is too small.
    #[error("the tree of {size} leaves has none at {index}")]
    NoLeaf {
        /// The place that was asked for.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A tree only grows.
    #[error("the tree has {size} leaves and cannot begin with one of {older}")]
    Shrunk {
        /// The size of the older tree.
        older: u64,
        /// The size of the newer tree.
        size: u64,
    },
    /// The path has too many or too few hashes.
    #[error("the path has {found} hashes and needs {needed}")]
    Length {
        /// The hashes there are.
        found: usize,
        /// The hashes there must be.
        needed: usize,
    },
    /// The hashes lead to another root.
    #[error("the path does not lead to the root of the tree of {size} leaves")]
    Root {
        /// The size of the tree whose root was not reached.
        size: u64,
    },
}

/// The steps from the root down: true where the sought part lies on the left. Ends when `end` is reached.
fn steps(
    size: u64,
    is_left: impl Fn(u64) -> bool,
    is_there: impl Fn(u64, u64) -> bool,
) -> Vec<bool> {
    let (mut first, mut end) = (0, size);
    let mut steps = Vec::new();
    while !is_there(first, end) {
        let middle = first + split(end - first);
        let left = is_left(middle);
        steps.push(left);
        if left {
            end = middle;
        } else {
            first = middle;
        }
    }
    steps
}

fn check_length(path: &[Hash], needed: usize) -> Result<(), PathError> {
    if path.len() == needed {
        return Ok(());
    }
    Err(PathError::Length {
        found: path.len(),
        needed,
    })
}

/// Checks that `leaf` is the leaf `index` of the tree of `size` leaves with this `root`.
///
/// # Errors
/// [`PathError`] if `path` does not prove it.
pub fn inclusion(
    (index, leaf): (u64, Hash),
    path: &[Hash],
    (size, root): (u64, Hash),
) -> Result<(), PathError> {
    if index >= size {
        return Err(PathError::NoLeaf { index, size });
    }
    let steps = steps(size, |middle| index < middle, |first, end| end - first <= 1);
    check_length(path, steps.len())?;
    let up = steps.iter().rev().zip(path);
    let found = up.fold(leaf, |hash, (is_left, other)| match is_left {
        true => Hash::of_node(hash, *other),
        false => Hash::of_node(*other, hash),
    });
    if found == root {
        return Ok(());
    }
    Err(PathError::Root { size })
}

/// Checks that the tree of `size` leaves with this `root` begins with the older tree. A tree begins with the empty
/// one and with itself.
///
/// # Errors
/// [`PathError`] if `path` does not prove it.
pub fn consistency(
    (older, older_root): (u64, Hash),
    path: &[Hash],
    (size, root): (u64, Hash),
) -> Result<(), PathError> {
    if older > size {
        return Err(PathError::Shrunk { older, size });
    }
    if older == 0 || older == size {
        check_length(path, 0)?;
        let expected = if older == 0 { Hash::of_nothing() } else { root };
        return match older_root == expected {
            true => Ok(()),
            false => Err(PathError::Root { size: older }),
        };
    }
    let steps = steps(size, |middle| older <= middle, |_, end| end == older);
    let is_whole = steps.iter().all(|is_left| *is_left);
    check_length(path, steps.len() + usize::from(!is_whole))?;
    let (start, rest) = match path.split_first() {
        Some((start, rest)) if !is_whole => (*start, rest),
        _ => (older_root, path),
    };
    let (mut of_older, mut of_newer) = (start, start);
    for (is_left, other) in steps.iter().rev().zip(rest) {
        if *is_left {
            // What is right of the older tree belongs to the newer one only.
            of_newer = Hash::of_node(of_newer, *other);
        } else {
            of_older = Hash::of_node(*other, of_older);
            of_newer = Hash::of_node(*other, of_newer);
        }
    }
    match (of_older == older_root, of_newer == root) {
        (true, true) => Ok(()),
        (false, _) => Err(PathError::Root { size: older }),
        (true, false) => Err(PathError::Root { size }),
    }
}

#[cfg(test)]
mod tests;
