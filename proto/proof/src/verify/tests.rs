//! Paths prove what is in a tree, and nothing else.

use proptest::prelude::*;

use super::*;
use crate::tree::{self, Node, Range};

/// The root of RFC 6962's definition, by recursion.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_nothing(),
        [leaf] => *leaf,
        more => {
            let middle = (1..).map(|n| 1usize << n).find(|n| n * 2 >= more.len());
            let middle = if more.len() == 2 {
                1
            } else {
                middle.expect("a power of two")
            };
            let (left, right) = more.split_at(middle);
            Hash::of_node(tree_hash(left), tree_hash(right))
        }
    }
}

fn leaves(many: u64) -> Vec<Hash> {
    (0..many).map(|n| Hash::of_leaf(&n.to_le_bytes())).collect()
}

fn hash_of(leaves: &[Hash], range: &Range) -> Hash {
    let of_node = |node: &Node| {
        let first = usize::try_from(node.index << node.level).expect("small");
        tree_hash(&leaves[first..first + (1 << node.level)])
    };
    Hash::of_range(range.iter().map(of_node)).expect("a range is not empty")
}

fn path(leaves: &[Hash], ranges: &[Range]) -> Vec<Hash> {
    ranges.iter().map(|range| hash_of(leaves, range)).collect()
}

#[test]
fn the_vectors_of_rfc_6962_implementations_hold() {
    // The eight leaves of the reference implementation of certificate transparency, and its roots.
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let leaves: Vec<Hash> = inputs.iter().map(|input| Hash::of_leaf(input)).collect();
    let hex = |hash: Hash| {
        hash.0
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    for (size, root) in [
        (
            0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            1,
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            2,
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        ),
        (
            3,
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ),
        (
            7,
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        ),
        (
            8,
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ] {
        assert_eq!(hex(tree_hash(&leaves[..size])), root, "{size}");
    }
}

proptest! {
    #[test]
    fn every_leaf_is_proved_and_no_other(size in 1u64..200, index in 0u64..200, wrong in any::<u8>()) {
        let index = index % size;
        let all = leaves(size);
        let root = tree_hash(&all);
        let place = usize::try_from(index).expect("small");
        let ranges = tree::inclusion(index, size).expect("it is there");
        let mut path = path(&all, &ranges);
        prop_assert_eq!(hash_of(&all, &tree::root(size)), root);
        prop_assert_eq!(inclusion((index, all[place]), &path, (size, root)), Ok(()));
        let other = Hash::of_leaf(b"another");
        prop_assert!(inclusion((index, other), &path, (size, root)).is_err());
        if size > 1 {
            let next = (index + 1) % size;
            prop_assert!(inclusion((next, all[place]), &path, (size, root)).is_err());
            let at = usize::from(wrong) % path.len();
            path[at].0[0] ^= 1;
            prop_assert!(inclusion((index, all[place]), &path, (size, root)).is_err());
            path.pop();
            prop_assert!(inclusion((index, all[place]), &path, (size, root)).is_err());
        }
    }

    #[test]
    fn a_tree_begins_with_its_own_past_and_no_other(size in 1u64..200, older in 1u64..200, wrong in any::<u8>()) {
        let older = 1 + older % size;
        let all = leaves(size);
        let root = tree_hash(&all);
        let past = tree_hash(&all[..usize::try_from(older).expect("small")]);
        let ranges = tree::consistency(older, size).expect("it grew");
        let mut path = path(&all, &ranges);
        prop_assert_eq!(consistency((older, past), &path, (size, root)), Ok(()));
        let mut forked = all.clone();
        forked[usize::from(wrong) % usize::try_from(older).expect("small")] = Hash::of_leaf(b"another");
        let fork = tree_hash(&forked[..usize::try_from(older).expect("small")]);
        prop_assert!(consistency((older, fork), &path, (size, root)).is_err());
        prop_assert!(consistency((older, past), &path, (size, tree_hash(&forked))).is_err());
        prop_assert!(consistency((size + 1, past), &path, (size, root)).is_err());
        if !path.is_empty() {
            let at = usize::from(wrong) % path.len();
            path[at].0[0] ^= 1;
            prop_assert!(consistency((older, past), &path, (size, root)).is_err());
        }
    }
}

#[test]
fn the_empty_tree_is_the_beginning_of_every_tree() {
    let root = tree_hash(&leaves(5));
    assert_eq!(consistency((0, Hash::of_nothing()), &[], (5, root)), Ok(()));
    assert!(consistency((0, root), &[], (5, root)).is_err());
    assert!(tree::consistency(0, 5).is_none() && tree::inclusion(5, 5).is_none());
}
