//! A small TCP proxy that can hold everything back, or close everything and accept nothing.

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

/// How often a copier that has nothing to copy looks at the state.
const LOOK: Duration = Duration::from_millis(20);

const OPEN: u8 = 0;
const HELD: u8 = 1;
const CUT: u8 = 2;

/// A proxy, for as long as the process runs.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
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
    /// A proxy on a free port, before `target`.
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

    /// Nothing passes for `span`; afterwards connections go on as if nothing had been.
    pub fn hold(&self, span: Duration) {
        self.shared.state.store(HELD, Ordering::SeqCst);
        wait::pause(span);
        self.shared.state.store(OPEN, Ordering::SeqCst);
    }

    /// Every connection is closed, and none made for `span`.
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
            // One that is closed already is as it should be.
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
        // Without the delay of small packets, as the parts themselves have it.
        let _ = to.set_nodelay(true);
        while let Ok(got) = from.read(&mut buffer) {
            while self.state() == HELD {
                wait::pause(LOOK);
            }
            if got == 0 || to.write_all(&buffer[..got]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}
