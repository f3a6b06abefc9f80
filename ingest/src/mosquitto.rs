//! Runs a real Mosquitto for tests, on a port of its own. Without Mosquitto on this machine the
//! test prints that it is skipped, and ends.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tempfile::TempDir;
use tokio::{net::TcpStream, time};

/// The topic of its messages.
pub(crate) const TOPIC: &str = "park/p1/e1/g1/up/readings";

/// Attempts to start it before a test fails: another process may take the port in between.
const ATTEMPTS: usize = 20;

const PROGRAMS: [&str; 3] = [
    "mosquitto",
    "/usr/sbin/mosquitto",
    "/usr/local/sbin/mosquitto",
];

/// A broker process, killed when it is dropped.
pub(crate) struct Broker {
    process: Child,
    pub(crate) port: u16,
    folder: TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Broker {
    /// Starts Mosquitto; `None`, with a printed notice, if it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// Starts Mosquitto with additional lines in its configuration.
    pub(crate) async fn start_with(lines: &str) -> Option<Self> {
        Self::start_as(|port, _| {
            format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n\
                 max_queued_messages 0\nlog_dest none\n{lines}\n"
            )
        })
        .await
    }

    /// Starts Mosquitto with the configuration that `config` writes for a port and a folder.
    pub(crate) async fn start_as(config: impl Fn(u16, &Path) -> String) -> Option<Self> {
        for _ in 0..ATTEMPTS {
            let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            let port = free.local_addr().expect("bound").port();
            drop(free);
            let folder = TempDir::new().expect("a temporary folder");
            let config = config(port, folder.path());
            fs::write(folder.path().join("mosquitto.conf"), config).expect("written");
            let mut broker = Self {
                process: spawn(&folder)?,
                port,
                folder,
            };
            if broker.answers().await {
                return Some(broker);
            }
        }
        panic!("mosquitto ended {ATTEMPTS} times before it answered");
    }

    /// Waits until it answers; false if it ends before, because another process has its port.
    async fn answers(&mut self) -> bool {
        let answering = async {
            loop {
                let connected = TcpStream::connect(("127.0.0.1", self.port)).await.is_ok();
                if self.process.try_wait().expect("its state").is_some() {
                    return false;
                }
                if connected {
                    return true;
                }
                tokio::task::yield_now().await;
            }
        };
        within(answering).await
    }

    /// Kills it, with all its state.
    pub(crate) fn kill(&mut self) {
        // A process that has ended by itself cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Kills it and starts it on the same port, which earlier connections may occupy for a moment.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        for _ in 0..ATTEMPTS {
            self.process = spawn(&self.folder).expect("it was there before");
            if self.answers().await {
                return;
            }
        }
        panic!("mosquitto ended {ATTEMPTS} times before it answered");
    }

    /// Publishes the payloads on [`TOPIC`], and returns when the broker has acknowledged them.
    pub(crate) async fn publish(&self, payloads: impl IntoIterator<Item = Vec<u8>>) {
        let mut options = MqttOptions::new("publisher", "127.0.0.1", self.port);
        options
            .set_inflight(1000)
            .set_max_packet_size(4 << 20, 4 << 20);
        let (client, mut events) = AsyncClient::new(options, 10);
        let payloads: Vec<_> = payloads.into_iter().collect();
        let mut left = payloads.len();
        let sender = tokio::spawn(async move {
            for payload in payloads {
                let sent = client.publish(TOPIC, QoS::AtLeastOnce, false, payload);
                sent.await.expect("queued");
            }
            client
        });
        within(async {
            while left > 0 {
                let event = events.poll().await.expect("the broker stays");
                left -= usize::from(matches!(event, Event::Incoming(Packet::PubAck(_))));
            }
        })
        .await;
        drop(within(sender).await.expect("all were queued"));
    }
}

fn spawn(folder: &TempDir) -> Option<Child> {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Ok(process) = command.spawn() {
            return Some(process);
        }
    }
    eprintln!("skipped: no mosquitto on this machine");
    None
}

async fn within<F: Future>(future: F) -> F::Output {
    time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it happens in time")
}
