//! Free ports for processes under test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Returns free ports of this machine, all different. Another process may take one before it is used.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn free<const N: usize>() -> [SocketAddr; N] {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // All listeners are kept open until all ports are known, so that the ports differ.
    let listeners = [(); N].map(|()| TcpListener::bind(any).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound"))
}
