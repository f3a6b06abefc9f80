//! The transparency log (透明日志): an append-only list of what was published, whose head is signed.
//!
//! Each entry of the log is a [`Leaf`](leaf::Leaf): the name and digest of one published thing. Leaves form a hash tree
//! (RFC 6962), and a [`Checkpoint`](checkpoint::Checkpoint) is the tree's signed head. An auditor who kept a checkpoint
//! can check that the tree only grew. An auditor who holds a published thing can check that the tree has it. Neither needs
//! the log, nor trust in its operator.
//!
//! This crate computes, signs and verifies. It reads no file and keeps nothing: the archive stores the tree, and the
//! query service appends to it. Formats are those of C2SP: [`note`] is `signed-note`, [`checkpoint`] `tlog-checkpoint`,
//! [`tile`] `tlog-tiles`, [`inclusion`] `tlog-proof`, and [`policy`] `tlog-policy`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`hash`] | hashes of leaves and nodes |
//! | [`tree`] | which nodes make a root, an inclusion path or a consistency path |
//! | [`verify`] | checks such paths |
//! | [`edge`] | the right edge of a tree, to which leaves are appended |
//! | [`tile`] | the files that the nodes of a tree are stored in |
//! | [`key`], [`note`], [`checkpoint`] | keys, signed notes, signed heads |
//! | [`inclusion`], [`policy`] | the files beside an extract |
//! | [`leaf`] | what is published |

pub mod checkpoint;
pub mod edge;
pub mod hash;
pub mod inclusion;
pub mod key;
pub mod leaf;
pub mod note;
pub mod policy;
pub mod tile;
pub mod tree;
pub mod verify;
