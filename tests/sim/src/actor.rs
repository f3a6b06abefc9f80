//! Futures that the simulation polls itself, one turn at a time.
//!
//! Nothing is spawned. A turn is one poll. Between two turns anything else may happen, and dropping an actor
//! between two turns is a kill at an await point.

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

/// Whether an actor was woken since its last turn.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A future that runs turn by turn.
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

/// The outcome of a turn.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// The future is done.
    Done(T),
    /// The future was woken and can continue.
    Going,
    /// The future waits for another actor or for time.
    Asleep,
}

impl<T> Actor<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            future: Box::pin(future),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        }
    }

    /// Polls the future once if it was woken. `barrier` waits for its blocking threads, so that their wakes
    /// come at a deterministic point.
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

/// Ends the turn of the actor that awaits it.
pub(crate) fn next_turn() -> NextTurn {
    NextTurn(false)
}

/// The future of [`next_turn`].
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
