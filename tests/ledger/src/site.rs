//! An installation: folder, ports, brokers, proxies and the processes under test.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use greenpark_tests_load::ports;

use crate::{
    args::Log,
    broker,
    process::Process,
    proxy::Proxy,
    schedule::{Broker, Link, Part},
    wait,
};

/// Size of the disk that can be filled.
const DISK: &str = "size=2g";
/// How long the first subscription may take.
const SUBSCRIBE: Duration = Duration::from_secs(60);
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
        let [listener, grpc] = ports::free();
        let mut site = Self {
            parts: BTreeMap::new(),
            second: None,
            links: BTreeMap::new(),
            brokers: BTreeMap::new(),
            mqtt: listener,
            grpc,
            kafka: None,
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
        let arguments = self.arguments("up", folder, mqtt, "")?;
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
        let [for_ingest, for_processor, health, other] = ports::free();
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
        let common =
            "[processor]\nquiet = \"1s\"\nflush_interval = \"1s\"\nmessages_interval = \"5s\"\n";
        fs::write(&file, format!("{settings}{common}"))?;
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
        "[log]\nkind = \"kafka\"\n[kafka]\nbrokers = \"{brokers}\"\npartitions = 4\n\
         session_timeout = \"6s\"\ndelivery_timeout = \"20s\"\n"
    )
}

fn with_health(settings: &str, health: SocketAddr) -> String {
    format!("[process]\nhealth = \"{health}\"\n{settings}")
}
