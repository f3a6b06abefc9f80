//! An installation: folder, ports, brokers, proxies and the processes under test.

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
    broker, letters,
    process::Process,
    proxy::Proxy,
    restore::remove,
    schedule::{Broker, Link, Part},
    wait,
};

/// Size of the disk that can be filled.
const DISK: &str = "size=2g";
/// What every processor is set to, and the end of its settings: logs of tables are packed all the time.
const PROCESSOR: &str = "[lake]\nkept_entries = 16\nkept_age = \"0s\"\n[processor]\nquiet = \"1s\"\n\
    flush_interval = \"1s\"\nmessages_interval = \"5s\"\n";
/// How long a part may take to say how it is.
const ANSWERS: Duration = Duration::from_secs(2);
/// How long the first subscription may take.
const SUBSCRIBE: Duration = Duration::from_secs(60);
/// Partitions of a log in Kafka.
pub const PARTITIONS: u32 = 4;
/// The group of processors, as the settings have it before it is changed.
const GROUP: &str = "greenpark-processor";
/// Bytes written at once to fill it.
const BALLAST: usize = 1 << 20;

/// What an installation is made of.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// The binary under test.
    pub greenpark: &'a Path,
    /// The sources, for the brokers' scripts.
    pub sources: &'a Path,
    /// The log.
    pub log: Log,
    /// Whether a Mosquitto stands before it.
    pub mosquitto: bool,
    /// Whether its data lie on a disk that can be filled.
    pub disk: bool,
}

/// A running installation.
#[derive(Debug)]
pub struct Site {
    /// The processes.
    pub parts: BTreeMap<Part, Process>,
    /// A second processor of the same group, where there are several processes.
    pub second: Option<Process>,
    /// The connections that can be held or cut.
    pub links: BTreeMap<Link, Proxy>,
    /// The brokers.
    pub brokers: BTreeMap<Broker, broker::Running>,
    /// Where gateways connect.
    pub mqtt: SocketAddr,
    /// Where the query service listens.
    pub grpc: SocketAddr,
    /// Kafka, past every proxy.
    pub kafka: Option<SocketAddr>,
    /// Where the part that reads the log tells how it is.
    health: SocketAddr,
    greenpark: PathBuf,
    sources: PathBuf,
    folder: PathBuf,
    group: String,
    data: PathBuf,
    // Unmounted last, when the processes are gone.
    disk: Option<Disk>,
}

/// A small disk of our own.
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
        // A disk that is not unmounted stays visible in the list of mounts.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Whether this user may mount a disk to fill.
#[must_use]
pub fn can_mount() -> bool {
    tempfile::tempdir().is_ok_and(|folder| Disk::mount(folder.path()).is_some())
}

impl Site {
    /// Starts brokers and proxies in `folder`; processes are started by who needs them.
    ///
    /// # Errors
    /// A part cannot be made.
    pub fn new(folder: &Path, form: Form<'_>) -> anyhow::Result<Self> {
        let data = folder.join("data");
        fs::create_dir_all(&data)?;
        let disk = form.disk.then(|| Disk::mount(&data)).flatten();
        let [listener, grpc, health] = ports::free();
        let mut site = Self {
            parts: BTreeMap::new(),
            second: None,
            links: BTreeMap::new(),
            brokers: BTreeMap::new(),
            mqtt: listener,
            grpc,
            kafka: None,
            health,
            greenpark: form.greenpark.to_owned(),
            sources: form.sources.to_owned(),
            folder: folder.to_owned(),
            group: GROUP.to_owned(),
            data,
            disk,
        };
        match form.log {
            Log::Embedded => site.embedded(folder, form, listener)?,
            Log::Kafka => site.services(folder, form, listener)?,
        }
        let gateways = Proxy::start(site.mqtt)?;
        site.mqtt = gateways.address;
        site.links.insert(Link::Gateways, gateways);
        Ok(site)
    }

    fn embedded(&mut self, folder: &Path, form: Form<'_>, mqtt: SocketAddr) -> anyhow::Result<()> {
        let settings = with_health("", self.health);
        let arguments = self.arguments("up", folder, mqtt, &settings)?;
        let up = Process::new(
            "up",
            form.greenpark,
            arguments,
            folder,
            vec![mqtt, self.grpc],
        );
        self.parts.insert(Part::Up, up);
        Ok(())
    }

    fn services(&mut self, folder: &Path, form: Form<'_>, mqtt: SocketAddr) -> anyhow::Result<()> {
        let [kafka, controller, mosquitto] = ports::free();
        let [for_ingest, for_processor, other] = ports::free();
        let health = self.health;
        let producer = Proxy::start(for_ingest)?;
        let consumer = Proxy::start(for_processor)?;
        let through = [
            (for_ingest.port(), producer.address),
            (for_processor.port(), consumer.address),
        ];
        // Kafka's controller takes the port that was kept free for it.
        let ports = (kafka.port(), controller.port());
        let running = broker::Running::start_kafka(form.sources, folder, ports, &through)?;
        self.brokers.insert(Broker::Kafka, running);
        self.kafka = Some(kafka);
        let mut ingest = kafka_settings(producer.address);
        if form.mosquitto {
            let running = broker::Running::start_mosquitto(form.sources, folder, mosquitto.port())?;
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
        for (part, name, settings, answers) in [
            (Part::Ingest, "ingest", ingest, mqtt),
            (
                Part::Processor,
                "processor",
                with_health(&processor, health),
                health,
            ),
            (Part::Query, "query", String::new(), self.grpc),
        ] {
            let arguments = self.arguments(name, folder, mqtt, &settings)?;
            let process = Process::new(name, form.greenpark, arguments, folder, vec![answers]);
            self.parts.insert(part, process);
        }
        let settings = with_health(&processor, other);
        let arguments = self.arguments("processor", &folder.join("second"), mqtt, &settings)?;
        let name = "second-processor";
        self.second = Some(Process::new(
            name,
            form.greenpark,
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

    /// Runs every part unharmed but `except`.
    ///
    /// # Errors
    /// One does not answer.
    pub fn ensure(&mut self, except: Option<Part>) -> anyhow::Result<()> {
        for (part, process) in &mut self.parts {
            if Some(*part) != except {
                process.ensure()?;
            }
        }
        Ok(())
    }

    /// Runs every part, and returns when what gateways send is held for somebody.
    ///
    /// # Errors
    /// A part does not answer, or ingest does not subscribe within a minute.
    pub fn open(&mut self) -> anyhow::Result<()> {
        self.ensure(None)?;
        if self.brokers.contains_key(&Broker::Mosquitto) {
            let there = || {
                broker::has_subscriber(self.mqtt)
                    .ok()
                    .filter(|&there| there)
            };
            wait::until(SUBSCRIBE, there).context("ingest does not subscribe")?;
        }
        Ok(())
    }

    /// A part.
    ///
    /// # Errors
    /// This installation has no such part.
    pub fn part(&mut self, part: Part) -> anyhow::Result<&mut Process> {
        self.parts
            .get_mut(&part)
            .with_context(|| format!("there is no {part}"))
    }

    /// Where copies are kept, beside the data.
    #[must_use]
    pub fn copies(&self) -> PathBuf {
        self.folder.join("copies")
    }

    /// The folder of the lake.
    #[must_use]
    pub fn lake_folder(&self) -> PathBuf {
        self.data.join("lake")
    }

    /// Which part reads the log.
    #[must_use]
    pub fn reads_log(&self) -> Part {
        match self.kafka {
            None => Part::Up,
            Some(_) => Part::Processor,
        }
    }

    /// How long it may take to have its partitions, and so to know its log.
    #[must_use]
    pub fn begins_within(&self) -> Duration {
        Duration::from_secs(if self.kafka.is_some() { 12 } else { 4 })
    }

    /// Stops everything that acknowledges or writes: killed, but for a processor in Kafka's group, which leaves it.
    ///
    /// # Errors
    /// The processor does not end.
    pub fn halt(&mut self) -> anyhow::Result<()> {
        for (part, process) in &mut self.parts {
            match part {
                Part::Processor => process.stop()?,
                Part::Up | Part::Ingest | Part::Query => drop(process.kill()),
            }
        }
        Ok(())
    }

    /// Starts every part that does not run, whether it answers or not.
    ///
    /// # Errors
    /// A program cannot be run.
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        let mut parts = self.parts.values_mut();
        parts.try_for_each(Process::start_again)
    }

    /// Runs a command of the binary on the lake and the log of this installation.
    ///
    /// # Errors
    /// It fails.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let config = self.folder.join(format!("{}.toml", self.reads_log()));
        let run = Command::new(&self.greenpark)
            .args(arguments)
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(&self.data)
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&run.stderr);
        ensure!(run.status.success(), "greenpark {arguments:?}: {said}");
        Ok(())
    }

    /// Does `work` on the log's folder while nothing has it open.
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

    /// Loses the log: its folder, or Kafka's topic, which is made anew.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn lose_log(&mut self) -> anyhow::Result<()> {
        let Some(kafka) = self.kafka else {
            return remove(&self.log());
        };
        let tool = "org.apache.kafka.tools.TopicCommand";
        let removed = Command::new("java")
            .args(["-cp", &letters::jars(&self.sources)?, tool])
            .args(["--bootstrap-server", &kafka.to_string()])
            .args(["--delete", "--topic", Topic::Readings.as_str()])
            .output()?;
        let said = String::from_utf8_lossy(&removed.stderr);
        ensure!(removed.status.success(), "the topic is not removed: {said}");
        Ok(())
    }

    /// Gives the processor another group from its next start on, and lets go of the one before.
    ///
    /// # Errors
    /// The settings cannot be written, or the log does not forget.
    pub fn set_group(&mut self, group: &str) -> anyhow::Result<()> {
        for place in ["up.toml", "processor.toml", "second/processor.toml"] {
            let place = self.folder.join(place);
            let Ok(settings) = fs::read_to_string(&place) else {
                continue;
            };
            let (before, _) = settings.split_once(PROCESSOR).context("a processor")?;
            fs::write(&place, format!("{before}{PROCESSOR}group = \"{group}\"\n"))?;
        }
        let former = std::mem::replace(&mut self.group, group.to_owned());
        match self.kafka {
            None => match self.command(&["log", "forget", &former]) {
                // It never read this log, which came in the place of a lost one.
                Err(error) if error.to_string().contains("knows no group") => Ok(()),
                forgotten => forgotten,
            },
            Some(_) => Ok(()),
        }
    }

    /// What the part that reads the log says of how it is; `None` while it does not answer.
    #[must_use]
    pub fn readiness(&self) -> Option<String> {
        let ask = || -> io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.health, ANSWERS)?;
            stream.set_read_timeout(Some(ANSWERS))?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().ok()
    }

    /// Whether it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let said = self.readiness();
        said.is_some_and(|said| said.starts_with("HTTP/1.1 200"))
    }

    /// The lake.
    #[must_use]
    pub fn lake(&self) -> String {
        self.data.join("lake").display().to_string()
    }

    /// The embedded log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.data.join("log")
    }

    /// Leaves no room on the disk for `span`.
    ///
    /// # Errors
    /// It cannot be filled.
    pub fn fill_disk(&self, span: Duration) -> anyhow::Result<()> {
        if self.disk.is_none() {
            return Ok(());
        }
        let place = self.data.join("ballast");
        let mut ballast = fs::File::create(&place)?;
        // Ends when nothing more fits; small pieces fill what a large one leaves.
        for size in [BALLAST, 4_096] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
        wait::pause(span);
        fs::remove_file(place)?;
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
