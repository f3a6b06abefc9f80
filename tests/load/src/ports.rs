//! Free ports for processes that are told theirs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Free ports of this machine, all different. Another process may take one before it is used.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn free<const N: usize>() -> [SocketAddr; N] {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // All are held until all are known, so that they differ.
    let held = [(); N].map(|()| TcpListener::bind(any).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("bound"))
}
