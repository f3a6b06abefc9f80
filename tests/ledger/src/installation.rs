//! An installation of Greenpark: its folder, ports, brokers, proxies and processes.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use greenpark_log::Topic;
use greenpark_tests_load::ports;

use crate::{
    args::Log,
    broker, dead_letters,
    process::Process,
    proxy::Proxy,
    restore::remove,
    schedule::{Broker, Link, Role},
    wait,
};

/// Size of the disk that can be filled.
const DISK: &str = "size=2g";
/// The settings of every processor, at the end of its file. Table logs are truncated all the time.
const PROCESSOR: &str = "[lake]\nkept_entries = 16\nkept_age = \"0s\"\n[processor]\nquiet = \"1s\"\n\
    flush_interval = \"1s\"\nmessages_interval = \"5s\"\n";
/// Timeout of a readiness request.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the first subscription may take.
const SUBSCRIBE_WAIT: Duration = Duration::from_secs(60);
/// Number of partitions of a log in Kafka.
pub const PARTITIONS: u32 = 4;
/// The initial consumer group of the processors: the default of their settings.
const GROUP: &str = "greenpark-processor";
/// Bytes written at once to fill the disk.
const BALLAST: usize = 1 << 20;

/// The options of an installation.
#[derive(Debug, Clone, Copy)]
pub struct InstallationOptions<'a> {
    /// The binary under test.
    pub greenpark: &'a Path,
    /// The source tree, which has the brokers' scripts.
    pub sources: &'a Path,
    /// The log.
    pub log: Log,
    /// Whether gateways connect to a Mosquitto.
    pub mosquitto: bool,
    /// Whether the data is on a disk that can be filled.
    pub disk: bool,
}

/// A running installation.
#[derive(Debug)]
pub struct TestInstallation {
    /// The processes by role.
    pub processes: BTreeMap<Role, Process>,
    /// A second processor of the same group, if each service has its own process.
    pub second: Option<Process>,
    /// The connections that can be held or cut.
    pub links: BTreeMap<Link, Proxy>,
    /// The brokers.
    pub brokers: BTreeMap<Broker, broker::RunningBroker>,
    /// Address that gateways connect to.
    pub mqtt: SocketAddr,
    /// Address of the query service.
    pub grpc: SocketAddr,
    /// Address of Kafka itself, without a proxy.
    pub kafka: Option<SocketAddr>,
    /// Health address of the process that reads the log.
    health: SocketAddr,
    greenpark: PathBuf,
    sources: PathBuf,
    folder: PathBuf,
    group: String,
    data: PathBuf,
    // Unmounted last, when the processes are gone.
    disk: Option<Disk>,
}

/// A small disk, mounted for the run.
#[derive(Debug)]
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK, "greenpark-ledger"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(folder.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // If this fails, the disk stays in the list of mounts.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Returns true if this user may mount a disk.
#[must_use]
pub fn can_mount() -> bool {
    tempfile::tempdir().is_ok_and(|folder| Disk::mount(folder.path()).is_some())
}

impl TestInstallation {
    /// Starts brokers and proxies in `folder`. It does not start the processes.
    ///
    /// # Errors
    /// A broker or proxy cannot be started.
    pub fn new(folder: &Path, options: InstallationOptions<'_>) -> anyhow::Result<Self> {
        let data = folder.join("data");
        fs::create_dir_all(&data)?;
        let disk = options.disk.then(|| Disk::mount(&data)).flatten();
        let [listener, grpc, health] = ports::free();
        let mut installation = Self {
            processes: BTreeMap::new(),
            second: None,
            links: BTreeMap::new(),
            brokers: BTreeMap::new(),
            mqtt: listener,
            grpc,
            kafka: None,
            health,
            greenpark: options.greenpark.to_owned(),
            sources: options.sources.to_owned(),
            folder: folder.to_owned(),
            group: GROUP.to_owned(),
            data,
            disk,
        };
        match options.log {
            Log::Embedded => installation.add_embedded(folder, options, listener)?,
            Log::Kafka => installation.add_services(folder, options, listener)?,
        }
        let gateways = Proxy::start(installation.mqtt)?;
        installation.mqtt = gateways.address;
        installation.links.insert(Link::Gateways, gateways);
        Ok(installation)
    }

    fn add_embedded(
        &mut self,
        folder: &Path,
        options: InstallationOptions<'_>,
        mqtt: SocketAddr,
    ) -> anyhow::Result<()> {
        let settings = with_health("", self.health);
        let arguments = self.arguments("up", folder, mqtt, &settings)?;
        let up = Process::new(
            "up",
            options.greenpark,
            arguments,
            folder,
            vec![mqtt, self.grpc],
        );
        self.processes.insert(Role::Up, up);
        Ok(())
    }

    fn add_services(
        &mut self,
        folder: &Path,
        options: InstallationOptions<'_>,
        mqtt: SocketAddr,
    ) -> anyhow::Result<()> {
        let [kafka, controller, mosquitto] = ports::free();
        let [for_ingest, for_processor, other] = ports::free();
        let health = self.health;
        let producer = Proxy::start(for_ingest)?;
        let consumer = Proxy::start(for_processor)?;
        let through = [
            (for_ingest.port(), producer.address),
            (for_processor.port(), consumer.address),
        ];
        // The controller of Kafka uses the port that was reserved for it.
        let ports = (kafka.port(), controller.port());
        let running = broker::RunningBroker::start_kafka(options.sources, folder, ports, &through)?;
        self.brokers.insert(Broker::Kafka, running);
        self.kafka = Some(kafka);
        let mut ingest = kafka_settings(producer.address);
        if options.mosquitto {
            let running =
                broker::RunningBroker::start_mosquitto(options.sources, folder, mosquitto.port())?;
            self.brokers.insert(Broker::Mosquitto, running);
            let subscriber = Proxy::start(mosquitto)?;
            ingest += &format!(
                "[subscribe]\nbroker = \"{}\"\nclient_id = \"greenpark-ingest\"\nreceive_maximum = 256\n\
                 filters = [\"park/+/+/+/up/#\"]\nbackoff_max = \"2s\"\n",
                subscriber.address
            );
            self.links.insert(Link::Subscriber, subscriber);
            self.mqtt = mosquitto;
        }
        let processor = kafka_settings(consumer.address);
        self.links.insert(Link::Producer, producer);
        self.links.insert(Link::Consumer, consumer);
        for (role, name, settings, listens_on) in [
            (Role::Ingest, "ingest", ingest, mqtt),
            (
                Role::Processor,
                "processor",
                with_health(&processor, health),
                health,
            ),
            (Role::Query, "query", String::new(), self.grpc),
        ] {
            let arguments = self.arguments(name, folder, mqtt, &settings)?;
            let process =
                Process::new(name, options.greenpark, arguments, folder, vec![listens_on]);
            self.processes.insert(role, process);
        }
        let settings = with_health(&processor, other);
        let arguments = self.arguments("processor", &folder.join("second"), mqtt, &settings)?;
        let name = "second-processor";
        self.second = Some(Process::new(
            name,
            options.greenpark,
            arguments,
            folder,
            vec![other],
        ));
        Ok(())
    }

    fn arguments(
        &self,
        role: &str,
        folder: &Path,
        mqtt: SocketAddr,
        settings: &str,
    ) -> anyhow::Result<Vec<String>> {
        fs::create_dir_all(folder)?;
        let file = folder.join(format!("{role}.toml"));
        fs::write(&file, format!("{settings}{PROCESSOR}"))?;
        let text = |path: &Path| path.display().to_string();
        Ok(vec![
            role.to_owned(),
            "--config".to_owned(),
            text(&file),
            "--data".to_owned(),
            text(&self.data),
            "--mqtt".to_owned(),
            mqtt.to_string(),
            "--grpc".to_owned(),
            self.grpc.to_string(),
        ])
    }

    /// Ensures that every process but `except` runs without injection and answers.
    ///
    /// # Errors
    /// A process does not answer.
    pub fn ensure(&mut self, except: Option<Role>) -> anyhow::Result<()> {
        for (role, process) in &mut self.processes {
            if Some(*role) != except {
                process.ensure()?;
            }
        }
        Ok(())
    }

    /// Starts every process. Returns when ingest is subscribed, so that the broker keeps messages for it.
    ///
    /// # Errors
    /// A process does not answer, or ingest does not subscribe within a minute.
    pub fn open(&mut self) -> anyhow::Result<()> {
        self.ensure(None)?;
        if self.brokers.contains_key(&Broker::Mosquitto) {
            let subscribed = || {
                broker::has_subscriber(self.mqtt)
                    .ok()
                    .filter(|&subscribed| subscribed)
            };
            wait::until(SUBSCRIBE_WAIT, subscribed).context("ingest does not subscribe")?;
        }
        Ok(())
    }

    /// The process with this role.
    ///
    /// # Errors
    /// The installation has no such process.
    pub fn process(&mut self, role: Role) -> anyhow::Result<&mut Process> {
        self.processes
            .get_mut(&role)
            .with_context(|| format!("there is no {role}"))
    }

    /// The folder for copies, beside the data.
    #[must_use]
    pub fn copies(&self) -> PathBuf {
        self.folder.join("copies")
    }

    /// The folder of the lake.
    #[must_use]
    pub fn lake_folder(&self) -> PathBuf {
        self.data.join("lake")
    }

    /// The role of the process that reads the log.
    #[must_use]
    pub fn log_reader(&self) -> Role {
        match self.kafka {
            None => Role::Up,
            Some(_) => Role::Processor,
        }
    }

    /// How long the log reader may take to get its partitions, and so to know its log.
    #[must_use]
    pub fn assignment_wait(&self) -> Duration {
        Duration::from_secs(if self.kafka.is_some() { 12 } else { 4 })
    }

    /// Stops all processes. It kills them, except for a processor on Kafka, which must leave its group.
    ///
    /// # Errors
    /// The processor does not end.
    pub fn halt(&mut self) -> anyhow::Result<()> {
        for (role, process) in &mut self.processes {
            match role {
                Role::Processor => process.stop()?,
                Role::Up | Role::Ingest | Role::Query => drop(process.kill()),
            }
        }
        Ok(())
    }

    /// Starts every process that does not run, without waiting until it answers.
    ///
    /// # Errors
    /// A program cannot be run.
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        let mut processes = self.processes.values_mut();
        processes.try_for_each(Process::ensure_started)
    }

    /// Runs a command of the binary on the lake and the log of the installation.
    ///
    /// # Errors
    /// The command fails.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let config = self.folder.join(format!("{}.toml", self.log_reader()));
        let run = Command::new(&self.greenpark)
            .args(arguments)
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(&self.data)
            .stdin(Stdio::null())
            .output()?;
        let errors = String::from_utf8_lossy(&run.stderr);
        ensure!(run.status.success(), "greenpark {arguments:?}: {errors}");
        Ok(())
    }

    /// Runs `work` on the folder of the log while no process has it open.
    ///
    /// # Errors
    /// The work fails, or a broker does not stop and start.
    pub fn with_log_at_rest(
        &mut self,
        work: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.brokers.get_mut(&Broker::Kafka) {
            Some(kafka) => kafka.at_rest(work),
            None => work(&self.log()),
        }
    }

    /// Removes the log: its folder, or the topic in Kafka, which is created again later.
    ///
    /// # Errors
    /// The log cannot be removed.
    pub fn lose_log(&mut self) -> anyhow::Result<()> {
        let Some(kafka) = self.kafka else {
            return remove(&self.log());
        };
        let tool = "org.apache.kafka.tools.TopicCommand";
        let removed = Command::new("java")
            .args(["-cp", &dead_letters::jars(&self.sources)?, tool])
            .args(["--bootstrap-server", &kafka.to_string()])
            .args(["--delete", "--topic", Topic::Readings.as_str()])
            .output()?;
        let errors = String::from_utf8_lossy(&removed.stderr);
        ensure!(
            removed.status.success(),
            "the topic is not removed: {errors}"
        );
        Ok(())
    }

    /// Sets the consumer group of the processor from its next start on, and forgets the former group.
    ///
    /// # Errors
    /// The settings cannot be written, or the log cannot forget the group.
    pub fn set_group(&mut self, group: &str) -> anyhow::Result<()> {
        for path in ["up.toml", "processor.toml", "second/processor.toml"] {
            let path = self.folder.join(path);
            let Ok(settings) = fs::read_to_string(&path) else {
                continue;
            };
            let (before, _) = settings.split_once(PROCESSOR).context("a processor")?;
            fs::write(&path, format!("{before}{PROCESSOR}group = \"{group}\"\n"))?;
        }
        let former = std::mem::replace(&mut self.group, group.to_owned());
        match self.kafka {
            None => match self.command(&["log", "forget", &former]) {
                // The group never read this log, which replaced a lost one.
                Err(error) if error.to_string().contains("knows no group") => Ok(()),
                forgotten => forgotten,
            },
            Some(_) => Ok(()),
        }
    }

    /// The readiness report of the log reader. Returns `None` while it does not answer.
    #[must_use]
    pub fn readiness(&self) -> Option<String> {
        let request = || -> io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.health, READINESS_TIMEOUT)?;
            stream.set_read_timeout(Some(READINESS_TIMEOUT))?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        request().ok()
    }

    /// Returns true if the log reader is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let report = self.readiness();
        report.is_some_and(|report| report.starts_with("HTTP/1.1 200"))
    }

    /// The root of the lake.
    #[must_use]
    pub fn lake(&self) -> String {
        self.data.join("lake").display().to_string()
    }

    /// The folder of the embedded log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.data.join("log")
    }

    /// Fills the disk for `span`.
    ///
    /// # Errors
    /// The disk cannot be filled.
    pub fn fill_disk(&self, span: Duration) -> anyhow::Result<()> {
        if self.disk.is_none() {
            return Ok(());
        }
        let path = self.data.join("ballast");
        let mut ballast = fs::File::create(&path)?;
        // Writes until nothing more fits; small pieces fill the space that a large one leaves.
        for size in [BALLAST, 4_096] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
        wait::pause(span);
        fs::remove_file(path)?;
        Ok(())
    }
}

fn kafka_settings(brokers: SocketAddr) -> String {
    format!(
        "[log]\nkind = \"kafka\"\n[kafka]\nbrokers = \"{brokers}\"\npartitions = {PARTITIONS}\n\
         session_timeout = \"6s\"\ndelivery_timeout = \"20s\"\n"
    )
}

fn with_health(settings: &str, health: SocketAddr) -> String {
    format!("[process]\nhealth = \"{health}\"\n{settings}")
}
