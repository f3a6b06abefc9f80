//! Real brokers, started and stopped by the scripts in `deploy`.

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

/// How long a killed broker may take to close its port; also the timeout of a connection.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// A running broker and its folder.
#[derive(Debug)]
pub struct RunningBroker {
    scripts: PathBuf,
    folder: PathBuf,
    kind: Broker,
    arguments: Vec<String>,
    /// Number of times that it was stopped in order, and that it was killed.
    pub restarts: (u32, u32),
}

impl RunningBroker {
    /// Starts a Kafka on the ports of the node and the controller; `through` has the port and the advertised
    /// address of each further listener.
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
        running.run_start_script()?;
        Ok(running)
    }

    fn run_start_script(&self) -> anyhow::Result<()> {
        let mut script = Command::new(self.scripts.join("start.sh"));
        self.run_script(script.args(&self.arguments))
    }

    fn run_script(&self, script: &mut Command) -> anyhow::Result<()> {
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

    fn run_stop_script(&self) -> anyhow::Result<()> {
        self.run_script(&mut Command::new(self.scripts.join("stop.sh")))
    }

    /// Runs `work` on the data of a Kafka while it is stopped.
    ///
    /// # Errors
    /// The broker does not stop or start, or the work fails.
    pub fn at_rest(
        &mut self,
        work: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.restarts.0 += 1;
        self.run_stop_script()?;
        work(&self.folder.join("data"))?;
        self.run_start_script()
    }

    /// Stops the broker and starts it again on its folder.
    ///
    /// # Errors
    /// The broker does not stop or start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.restarts.0 += 1;
        self.run_stop_script()?;
        self.run_start_script()
    }

    /// Kills the broker and starts it again on its folder.
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
        // The process may vanish from the process table before its files are closed, so wait for the port.
        let port: u16 = self.arguments[1].parse()?;
        let gone = wait::until(TIMEOUT, || TcpStream::connect(("127.0.0.1", port)).err());
        ensure!(gone.is_some(), "{:?} is not gone after SIGKILL", self.kind);
        fs::remove_file(file)?;
        self.run_start_script()
    }
}

/// Returns true if the broker has a subscriber to the topics of gateways. Without one a broker acknowledges
/// messages but keeps none. The PUBACK of MQTT 5 has a reason code for that.
///
/// # Errors
/// The broker does not answer.
pub fn has_subscriber(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
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

impl Drop for RunningBroker {
    fn drop(&mut self) {
        // The script reports a broker that does not stop.
        let _ = self.run_stop_script();
    }
}
