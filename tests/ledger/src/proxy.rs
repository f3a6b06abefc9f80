//! A small TCP proxy that can hold back all bytes, or close all connections and accept none.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use crate::wait;

/// The pause between two checks of the state while bytes are held back.
const POLL: Duration = Duration::from_millis(20);

// The states of a proxy.
const OPEN: u8 = 0;
const HELD: u8 = 1;
const CUT: u8 = 2;

/// A proxy that runs until the process ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Address on which it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    target: SocketAddr,
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Starts a proxy to `target` on a free port.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let shared = Arc::new(Shared {
            state: AtomicU8::new(OPEN),
            target,
            streams: Mutex::default(),
        });
        let proxy = Self {
            address: listener.local_addr()?,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                shared.connect(stream);
            }
        });
        Ok(proxy)
    }

    /// Holds back all bytes for `span`; afterwards the connections continue.
    pub fn hold(&self, span: Duration) {
        self.shared.state.store(HELD, Ordering::SeqCst);
        wait::pause(span);
        self.shared.state.store(OPEN, Ordering::SeqCst);
    }

    /// Closes every connection, and accepts none for `span`.
    pub fn cut(&self, span: Duration) {
        self.shared.state.store(CUT, Ordering::SeqCst);
        self.shared.close();
        wait::pause(span);
        self.shared.state.store(OPEN, Ordering::SeqCst);
    }
}

impl Shared {
    fn state(&self) -> u8 {
        self.state.load(Ordering::SeqCst)
    }

    fn close(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.drain(..) {
            // A stream that is already closed needs nothing.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn connect(self: &Arc<Self>, near: TcpStream) {
        if self.state() == CUT {
            return;
        }
        let Ok(far) = TcpStream::connect_timeout(&self.target, Duration::from_secs(1)) else {
            return;
        };
        let clones = [
            near.try_clone(),
            far.try_clone(),
            near.try_clone(),
            far.try_clone(),
        ];
        let [Ok(a), Ok(b), Ok(c), Ok(d)] = clones else {
            return;
        };
        self.streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend([near, far]);
        for (from, to) in [(a, b), (d, c)] {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.copy(from, to));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        // Without delay of small packets, as on the connections of the processes themselves.
        let _ = to.set_nodelay(true);
        while let Ok(got) = from.read(&mut buffer) {
            while self.state() == HELD {
                wait::pause(POLL);
            }
            if got == 0 || to.write_all(&buffer[..got]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}
