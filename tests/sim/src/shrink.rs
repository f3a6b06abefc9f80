//! From a run that breaks a promise to one of few ops that breaks the same.

use crate::{op::Op, run::run};

/// Leaves out whatever can be left out while the same promise is broken; `ops` themselves if none is.
#[must_use]
pub fn shrink(ops: &[Op]) -> Vec<Op> {
    let Err(broken) = run(ops) else {
        return ops.to_vec();
    };
    let promise = broken.violation.promise;
    let breaks = |ops: &[Op]| run(ops).is_err_and(|broken| broken.violation.promise == promise);
    let mut left = ops[..broken.at].to_vec();
    if !breaks(&left) {
        left = ops.to_vec();
    }
    let mut size = left.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let before = left.len();
        while at < left.len() {
            let mut fewer = left.clone();
            fewer.drain(at..(at + size).min(left.len()));
            if breaks(&fewer) {
                left = fewer;
            } else {
                at += size;
            }
        }
        if size == 1 && left.len() == before {
            return left;
        }
        size = (size / 2).max(1);
    }
}
