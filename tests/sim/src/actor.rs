//! Who runs when: futures that the simulation polls itself, one turn at a time.
//!
//! Nothing is spawned. A turn is one poll; between two turns anything else may happen, and dropping an
//! actor between two of them is a kill at an await point.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::future::BoxFuture;

/// Whether somebody was woken since its last turn.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A future with its turn.
pub(crate) struct Actor<T> {
    future: BoxFuture<'static, T>,
    woken: Arc<Woken>,
}

impl<T> fmt::Debug for Actor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("woken", &self.woken)
            .finish_non_exhaustive()
    }
}

/// What a turn came to.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// It is over.
    Done(T),
    /// It has more to do.
    Going,
    /// It waits for somebody else, or for time.
    Asleep,
}

impl<T> Actor<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            future: Box::pin(future),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        }
    }

    /// Gives it a turn if it was woken. `barrier` waits for the threads that work for it, so that their
    /// wakes are never a matter of chance.
    pub(crate) fn turn(&mut self, barrier: impl FnOnce()) -> Turn<T> {
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return Turn::Asleep;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        if let Poll::Ready(done) = self.future.as_mut().poll(&mut context) {
            return Turn::Done(done);
        }
        if !self.woken.0.load(Ordering::SeqCst) {
            barrier();
        }
        match self.woken.0.load(Ordering::SeqCst) {
            true => Turn::Going,
            false => Turn::Asleep,
        }
    }
}

/// Ends the turn of whoever awaits it.
pub(crate) fn next_turn() -> NextTurn {
    NextTurn(false)
}

/// See [`next_turn`].
#[derive(Debug)]
pub(crate) struct NextTurn(bool);

impl Future for NextTurn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
