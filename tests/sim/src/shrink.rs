//! Reduces a run that breaks a promise to a short run that breaks the same promise.

use crate::{op::Op, run::run};

/// Removes ops as long as the run still breaks the same promise. Returns `ops` unchanged if no promise breaks.
#[must_use]
pub fn shrink(ops: &[Op]) -> Vec<Op> {
    let Err(failed) = run(ops) else {
        return ops.to_vec();
    };
    let promise = failed.broken.promise;
    let breaks = |ops: &[Op]| run(ops).is_err_and(|failed| failed.broken.promise == promise);
    let mut ops_left = ops[..failed.at].to_vec();
    if !breaks(&ops_left) {
        ops_left = ops.to_vec();
    }
    let mut size = ops_left.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let before = ops_left.len();
        while at < ops_left.len() {
            let mut fewer = ops_left.clone();
            fewer.drain(at..(at + size).min(ops_left.len()));
            if breaks(&fewer) {
                ops_left = fewer;
            } else {
                at += size;
            }
        }
        if size == 1 && ops_left.len() == before {
            return ops_left;
        }
        size = (size / 2).max(1);
    }
}
