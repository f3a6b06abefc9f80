//! Every run that ever broke a promise, as small as it could be made, kept so that it never does again.

use crate::op::Op;

/// A run by name: what went wrong in it.
#[derive(Debug)]
pub struct Reproduction {
    /// What was broken.
    pub name: &'static str,
    /// What happens.
    pub ops: &'static [Op],
}

/// All of them, oldest first.
pub const ALL: &[Reproduction] = &[];
