//! A real Mosquitto on a port of its own, as a test configures it.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use greenpark_tests_load::ports;
use tempfile::TempDir;

/// Where Debian puts it is not on everybody's path.
const PROGRAMS: [&str; 2] = ["mosquitto", "/usr/sbin/mosquitto"];
/// Another process may take a port between the look for a free one and the start.
const ATTEMPTS: u32 = 5;
/// It answers within a second; a busy machine gets more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Held from the look for a free port until the broker has it: two tests would find the same one.
static STARTING: Mutex<()> = Mutex::new(());

/// A broker, ended when it is dropped.
pub(crate) struct Mosquitto {
    process: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Mosquitto {
    /// Starts one with these lines in its configuration, in which `DIR` is its folder; `None`, said aloud,
    /// where there is none.
    pub(crate) fn start(lines: &str, files: &[(&str, &str)]) -> Option<Self> {
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ATTEMPTS {
            let [free] = ports::free();
            let port = free.port();
            let folder = tempfile::tempdir().expect("a folder");
            let place = folder.path().to_str().expect("text");
            for (name, text) in files {
                fs::write(folder.path().join(name), text).expect("written");
            }
            // Started by root it would become a user that cannot read its folder.
            let user = if cfg!(unix) { "user root\n" } else { "" };
            let lines = lines.replace("DIR", place);
            let config = format!("listener {port} 127.0.0.1\n{user}log_dest stderr\n{lines}\n");
            let file = folder.path().join("mosquitto.conf");
            fs::write(&file, config).expect("written");
            let mut spawned = PROGRAMS.iter().filter_map(|program| {
                let mut command = Command::new(program);
                command.arg("-c").arg(&file);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                command.spawn().ok()
            });
            let Some(process) = spawned.next() else {
                eprintln!("left out: no mosquitto on this machine");
                return None;
            };
            let mut broker = Self {
                process,
                port,
                _folder: folder,
            };
            if broker.answers() {
                return Some(broker);
            }
        }
        panic!("mosquitto ended {ATTEMPTS} times before it answered");
    }

    fn answers(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.process.try_wait().expect("its state").is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::yield_now();
        }
        false
    }
}
