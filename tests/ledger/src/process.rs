//! A process under test: it can be started, killed at a moment or at a system call, stopped and continued.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{schedule::FailPoint, wait};

/// How long a process may take to answer; under strace everything is slower.
const START: Duration = Duration::from_secs(60);

/// What `strace` does to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// Nothing.
    None,
    /// Kills it at the nth call of the fail point, counted per thread.
    DieAt(FailPoint, u64),
    /// Delays each of its syncs by this many milliseconds.
    SlowSync(u64),
}

/// A program, its arguments and the addresses on which it listens.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    log_file: PathBuf,
    listens_on: Vec<SocketAddr>,
    child: Option<Child>,
    /// Number of times that it ended by itself.
    pub ended: u32,
    /// Number of times that it was started.
    pub started: u32,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEnd {
    /// By SIGKILL at a system call.
    Killed,
    /// By itself.
    Exited,
}

impl Process {
    /// A process that is not yet started.
    #[must_use]
    pub fn new(
        name: &'static str,
        program: &Path,
        arguments: Vec<String>,
        folder: &Path,
        listens_on: Vec<SocketAddr>,
    ) -> Self {
        Self {
            name,
            program: program.to_owned(),
            arguments,
            log_file: folder.join(format!("{name}.log")),
            listens_on,
            child: None,
            ended: 0,
            started: 0,
        }
    }

    /// The name of the process.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Starts the process with `injection`.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn start(&mut self, injection: Injection) -> anyhow::Result<()> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(&self.log_file)?;
        let mut command = match strace_options(injection) {
            None => Command::new(&self.program),
            Some(options) => {
                let mut strace = Command::new("strace");
                // The tracer is a grandchild, so that the process itself is our child.
                strace
                    .args(["-D", "-f", "-qq", "-o", "/dev/null"])
                    .args(options);
                strace.arg(&self.program);
                strace
            }
        };
        command
            .args(&self.arguments)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let started = command.spawn();
        self.child = Some(started.with_context(|| format!("start {}", self.name))?);
        self.started += 1;
        Ok(())
    }

    /// Everything that it has written to standard output and error so far.
    ///
    /// # Errors
    /// Its output cannot be read.
    pub fn output(&self) -> io::Result<String> {
        let output = fs::read(&self.log_file)?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Starts the process if it does not run.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn ensure_started(&mut self) -> anyhow::Result<()> {
        self.poll_end();
        match self.is_running() {
            true => Ok(()),
            false => self.start(Injection::None),
        }
    }

    /// Returns how the process has ended, once after each end.
    pub fn poll_end(&mut self) -> Option<ProcessEnd> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(match status.signal() {
            Some(9) => ProcessEnd::Killed,
            _ => {
                self.ended += 1;
                ProcessEnd::Exited
            }
        })
    }

    /// Returns true if the process was started and its end was not yet seen.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Starts the process without injection if it does not run, and returns when it answers. If it ends by
    /// itself meanwhile, it is started again, as a service manager does.
    ///
    /// # Errors
    /// It does not answer within a minute.
    pub fn ensure(&mut self) -> anyhow::Result<()> {
        let mut failed = None;
        let up = wait::until(START, || {
            failed = self.ensure_started().err();
            (failed.is_some() || self.is_answering()).then_some(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let log = self.log_file.display();
        ensure!(up.is_some(), "{} does not answer; see {log}", self.name);
        Ok(())
    }

    fn is_answering(&self) -> bool {
        let answer = |address| TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok();
        self.listens_on.iter().all(answer)
    }

    /// Kills the process if it runs. Returns true if it did.
    pub fn kill(&mut self) -> bool {
        self.poll_end();
        let Some(mut child) = self.child.take() else {
            return false;
        };
        // Both fail if the process has just ended.
        let _ = child.kill();
        let _ = child.wait();
        true
    }

    /// Sends SIGTERM and waits until the process ends.
    ///
    /// # Errors
    /// It does not end within a minute.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if self.poll_end().is_some() || !self.is_running() {
            return Ok(());
        }
        self.signal(Signal::TERM);
        let ended = wait::until(START, || {
            let child = self.child.as_mut()?;
            child.try_wait().ok().flatten()
        });
        ensure!(
            ended.is_some(),
            "{} does not end when it is asked to",
            self.name
        );
        self.child = None;
        Ok(())
    }

    /// Sends a signal if the process runs.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().map(Child::id);
        if let Some(pid) = id.and_then(|id| Pid::from_raw(id.cast_signed())) {
            // A child that was not waited for keeps its id, so the signal reaches no other process.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.kill();
    }
}

/// The options of `strace` for an injection.
fn strace_options(injection: Injection) -> Option<Vec<String>> {
    match injection {
        Injection::None => None,
        Injection::DieAt(point, nth) => {
            // strace 6.1 delivers no signal together with --seccomp-bpf, so every call is traced.
            let calls = point.calls();
            let inject = format!("inject={calls}:signal=SIGKILL:when={nth}");
            Some(vec![
                "-e".into(),
                format!("trace={calls}"),
                "-e".into(),
                inject,
            ])
        }
        Injection::SlowSync(ms) => {
            let calls = FailPoint::Sync.calls();
            let inject = format!("inject={calls}:delay_enter={ms}ms");
            let trace = format!("trace={calls}");
            Some(vec![
                "--seccomp-bpf".into(),
                "-e".into(),
                trace,
                "-e".into(),
                inject,
            ])
        }
    }
}

/// Returns true if `strace` is installed and may kill the processes that it starts.
#[must_use]
pub fn can_inject() -> bool {
    let trial = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=write"])
        .args(["-e", "inject=write:signal=SIGKILL:when=1", "echo"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // strace ends like the process that it traced: killed, or with 128 plus the signal.
    trial.is_ok_and(|status| !status.success())
        && Command::new("strace")
            .arg("-V")
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}
