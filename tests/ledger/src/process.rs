//! A process under test: started, killed at a moment or at a system call, stopped and continued.

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

use crate::{schedule::Point, wait};

/// How long a process may take until it answers; under strace everything is slower.
const START: Duration = Duration::from_secs(60);

/// What is done to a process from outside, by `strace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wound {
    /// Nothing.
    None,
    /// It dies at its `nth` call of the point, counted by thread.
    DieAt(Point, u64),
    /// Its every sync takes this many milliseconds longer.
    SlowSync(u64),
}

/// A program, its arguments and where it answers.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    output: PathBuf,
    answers: Vec<SocketAddr>,
    child: Option<Child>,
    /// How often it ended by itself.
    pub ended: u32,
    /// How often it was started.
    pub started: u32,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SIGKILL at the system call.
    AtPoint,
    /// It ended by itself.
    ByItself,
}

impl Process {
    /// A process that is not running yet.
    #[must_use]
    pub fn new(
        name: &'static str,
        program: &Path,
        arguments: Vec<String>,
        folder: &Path,
        answers: Vec<SocketAddr>,
    ) -> Self {
        Self {
            name,
            program: program.to_owned(),
            arguments,
            output: folder.join(format!("{name}.log")),
            answers,
            child: None,
            ended: 0,
            started: 0,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Starts it with `wound`.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn start(&mut self, wound: Wound) -> anyhow::Result<()> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(&self.output)?;
        let mut command = match inject(wound) {
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

    /// All that it has said so far.
    ///
    /// # Errors
    /// Its output cannot be read.
    pub fn said(&self) -> io::Result<String> {
        let said = fs::read(&self.output)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Starts it, if it does not run.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.end();
        match self.is_up() {
            true => Ok(()),
            false => self.start(Wound::None),
        }
    }

    /// Whether it runs; notes it if it has ended.
    pub fn end(&mut self) -> Option<End> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(match status.signal() {
            Some(9) => End::AtPoint,
            _ => {
                self.ended += 1;
                End::ByItself
            }
        })
    }

    /// Whether there is a life that has not been seen to end.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Runs it unharmed, if it does not run, and returns when it answers. What ends by itself meanwhile
    /// is started again, as a service manager does.
    ///
    /// # Errors
    /// It does not answer within a minute.
    pub fn ensure(&mut self) -> anyhow::Result<()> {
        let mut failed = None;
        let up = wait::until(START, || {
            failed = self.start_again().err();
            (failed.is_some() || self.is_answering()).then_some(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let log = self.output.display();
        ensure!(up.is_some(), "{} does not answer; see {log}", self.name);
        Ok(())
    }

    fn is_answering(&self) -> bool {
        let answer = |address| TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok();
        self.answers.iter().all(answer)
    }

    /// Kills it, if it runs. Whether it did.
    pub fn kill(&mut self) -> bool {
        self.end();
        let Some(mut child) = self.child.take() else {
            return false;
        };
        // One that has just ended cannot be killed.
        let _ = child.kill();
        let _ = child.wait();
        true
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// It does not end within a minute.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if self.end().is_some() || !self.is_up() {
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

    /// Sends a signal, if it runs.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().map(Child::id);
        if let Some(pid) = id.and_then(|id| Pid::from_raw(id.cast_signed())) {
            // A child that was not waited for keeps its id, so this meets nobody else.
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

/// The options of `strace` that make a wound.
fn inject(wound: Wound) -> Option<Vec<String>> {
    match wound {
        Wound::None => None,
        Wound::DieAt(point, nth) => {
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
        Wound::SlowSync(ms) => {
            let calls = Point::Sync.calls();
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

/// Whether `strace` is there and may kill what it starts.
#[must_use]
pub fn can_inject() -> bool {
    let tried = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=write"])
        .args(["-e", "inject=write:signal=SIGKILL:when=1", "echo"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // strace ends as what it traced did: killed, or with 128 and the signal.
    tried.is_ok_and(|status| !status.success())
        && Command::new("strace")
            .arg("-V")
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}
