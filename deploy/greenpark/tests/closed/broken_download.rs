//! The download of an extract folder breaks in the middle, and the same command goes on from there.
//!
//! Method: a relay between the client and the service of the demonstration park closes after some bytes, and counts them.

use std::{
    io::{Read, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use greenpark_tests_load::ports;

use crate::site::{greenpark, refused, within, works};

/// A relay to the service.
struct Relay {
    address: SocketAddr,
    /// The bytes from the service that it has passed on.
    passed: Arc<AtomicU64>,
}

impl Relay {
    /// Starts one that closes a connection after `bytes_max` bytes from the service.
    fn start(service: SocketAddr, bytes_max: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let passed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&passed);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(service).expect("the service listens");
                let (mut up, mut from) = (
                    server.try_clone().expect("a socket"),
                    client.try_clone().expect("a socket"),
                );
                thread::spawn(move || std::io::copy(&mut from, &mut up));
                let count = Arc::clone(&count);
                thread::spawn(move || pass(server, client, &count, bytes_max));
            }
        });
        Self { address, passed }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64, bytes_max: u64) {
    let mut buffer = [0; 16 << 10];
    while count.load(Ordering::Relaxed) < bytes_max {
        match from.read(&mut buffer) {
            Ok(got) if got > 0 && to.write_all(&buffer[..got]).is_ok() => {
                count.fetch_add(got as u64, Ordering::Relaxed);
            }
            _ => break,
        }
    }
    // The other side may be gone.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// A service that ends with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_broken_download_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let [mqtt, grpc] = ports::free();
    let place = |command: &[&str]| {
        let mut run = greenpark();
        run.args(command).arg("--data").arg(folder.path());
        run.args(["--mqtt", &mqtt.to_string(), "--grpc", &grpc.to_string()]);
        run
    };
    let demo = place(&["demo", "--until-verdict"]).output();
    works(&demo.expect("the binary runs"));
    let mut up = place(&["up"]);
    up.stdout(Stdio::null()).stderr(Stdio::null());
    let _service = Service(up.spawn().expect("the binary starts"));
    let extract = |through: SocketAddr, name: &str| -> Output {
        let mut run = greenpark();
        run.args([
            "extract",
            "--park",
            "demo",
            "--enterprise",
            "jiangbei-steel",
        ]);
        run.args(["--from", "2024-01-01", "--to", "2024-12-31"]);
        run.args(["--grpc", &through.to_string(), "-o"])
            .arg(path(name));
        run.output().expect("the binary runs")
    };
    within(|| {
        let mut run = greenpark();
        run.args(["whoami", "--grpc", &grpc.to_string()]);
        run.output().expect("the binary runs").status.success()
    });
    let whole = Relay::start(grpc, u64::MAX);
    works(&extract(whole.address, "whole"));
    let bytes = whole.passed.load(Ordering::Relaxed);

    let broken = extract(Relay::start(grpc, bytes / 2).address, "steel");
    refused(&broken, "ask the same again to go on");
    let again = extract(Relay::start(grpc, bytes / 8).address, "steel");
    refused(&again, "ask the same again to go on");
    let rest = Relay::start(grpc, u64::MAX);
    works(&extract(rest.address, "steel"));
    let rest = rest.passed.load(Ordering::Relaxed);
    assert!(rest < bytes / 2, "{rest} of {bytes} bytes came at last");

    let mut verify = greenpark();
    works(
        &verify
            .arg("verify")
            .arg(path("steel"))
            .output()
            .expect("the binary runs"),
    );
    let left = std::fs::read_dir(folder.path()).expect("readable");
    let left = left.map(|entry| entry.expect("readable").file_name());
    let left = left.filter(|name| name.to_string_lossy().contains("part"));
    assert_eq!(left.count(), 0, "nothing is left beside the folder");
}
