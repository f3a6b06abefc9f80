//! Real brokers, started and stopped by the scripts of `deploy`.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{schedule::Broker, wait};

/// How long a killed broker may take to be gone.
const GONE: std::time::Duration = std::time::Duration::from_secs(10);

/// A broker in a folder.
#[derive(Debug)]
pub struct Running {
    scripts: PathBuf,
    folder: PathBuf,
    kind: Broker,
    arguments: Vec<String>,
    /// How often it was stopped in order, and killed.
    pub restarts: (u32, u32),
}

impl Running {
    /// Starts a Kafka on the ports of node and controller; `through` is port and advertised address of its
    /// further listeners.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_kafka(
        sources: &Path,
        folder: &Path,
        ports: (u16, u16),
        through: &[(u16, SocketAddr)],
    ) -> anyhow::Result<Self> {
        let mut arguments = vec!["--port".to_owned(), ports.0.to_string()];
        arguments.extend(["--controller-port".to_owned(), ports.1.to_string()]);
        for (listener, advertised) in through {
            arguments.push("--through".to_owned());
            arguments.push(format!("{listener}:{}", advertised.port()));
        }
        Self::start(Broker::Kafka, sources, folder, arguments)
    }

    /// Starts a Mosquitto on `port`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_mosquitto(sources: &Path, folder: &Path, port: u16) -> anyhow::Result<Self> {
        let arguments = vec!["--port".to_owned(), port.to_string()];
        Self::start(Broker::Mosquitto, sources, folder, arguments)
    }

    fn start(
        kind: Broker,
        sources: &Path,
        folder: &Path,
        arguments: Vec<String>,
    ) -> anyhow::Result<Self> {
        let name = match kind {
            Broker::Mosquitto => "mosquitto",
            Broker::Kafka => "kafka",
        };
        let running = Self {
            scripts: sources.join("deploy").join(name),
            folder: folder.join(name),
            kind,
            arguments,
            restarts: (0, 0),
        };
        running.up()?;
        Ok(running)
    }

    fn up(&self) -> anyhow::Result<()> {
        let mut script = Command::new(self.scripts.join("start.sh"));
        self.run(script.args(&self.arguments))
    }

    fn run(&self, script: &mut Command) -> anyhow::Result<()> {
        let status = script
            .arg("--dir")
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("run a script of deploy")?;
        ensure!(status.success(), "{:?} does not start or stop", self.kind);
        Ok(())
    }

    fn down(&self) -> anyhow::Result<()> {
        self.run(&mut Command::new(self.scripts.join("stop.sh")))
    }

    /// Does `work` on the data of a Kafka that stands still.
    ///
    /// # Errors
    /// It does not stop or start, or the work fails.
    pub fn at_rest(
        &mut self,
        work: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.restarts.0 += 1;
        self.down()?;
        work(&self.folder.join("data"))?;
        self.up()
    }

    /// Stops it and starts it on its folder.
    ///
    /// # Errors
    /// It does not.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.restarts.0 += 1;
        self.down()?;
        self.up()
    }

    /// Kills it and starts it on its folder.
    ///
    /// # Errors
    /// It does not start.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.restarts.1 += 1;
        let name = match self.kind {
            Broker::Mosquitto => "mosquitto.pid",
            Broker::Kafka => "kafka.pid",
        };
        let file = self.folder.join(name);
        let id: i32 = fs::read_to_string(&file)?.trim().parse()?;
        let pid = Pid::from_raw(id).context("a process id")?;
        kill_process(pid, Signal::KILL)?;
        // Its files are closed after it is no more to be seen, so the port tells.
        let port: u16 = self.arguments[1].parse()?;
        let gone = wait::until(GONE, || TcpStream::connect(("127.0.0.1", port)).err());
        ensure!(gone.is_some(), "{:?} is not gone after SIGKILL", self.kind);
        fs::remove_file(file)?;
        self.up()
    }
}

/// Whether somebody is subscribed at the broker to what gateways publish: before the first subscription
/// a broker holds nothing for anybody, and acknowledges all the same. Version 5 tells it.
///
/// # Errors
/// The broker does not answer.
pub fn has_subscriber(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, GONE)?;
    stream.set_read_timeout(Some(GONE))?;
    stream.write_all(b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0")?;
    packet(&mut stream)?;
    let topic = b"park/ledger-probe/e/g/up/readings";
    // OK because topic and payload are short.
    let mut publish = vec![0x32, (2 + topic.len() + 3 + 1) as u8, 0, topic.len() as u8];
    publish.extend_from_slice(topic);
    publish.extend_from_slice(b"\0\x01\0?");
    stream.write_all(&publish)?;
    let answer = packet(&mut stream)?;
    Ok(answer.get(2).copied().unwrap_or(0) == 0)
}

/// The body of the next packet.
fn packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut body = vec![0; usize::from(head[1])];
    stream.read_exact(&mut body)?;
    Ok(body)
}

impl Drop for Running {
    fn drop(&mut self) {
        // What does not stop was told by the script.
        let _ = self.down();
    }
}
