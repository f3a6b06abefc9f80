//! Starts services in order, notices when one ends, and stops them in reverse within a grace period.

use std::{future::Future, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

/// Services of one process, at most; far more than any of ours has.
const SERVICES_MAX: usize = 64;

/// The services of this process, in the order of their start.
#[derive(Debug)]
pub struct Services {
    running: Vec<Running>,
    grace: Duration,
    ended: mpsc::Receiver<&'static str>,
    ends: mpsc::Sender<&'static str>,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// Services that did not end well.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct StopError(pub Vec<String>);

impl Services {
    /// Creates an empty set; a stop takes at most `grace`.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        let (ends, ended) = mpsc::channel(SERVICES_MAX);
        Self {
            running: Vec::new(),
            grace,
            ended,
            ends,
        }
    }

    /// Starts a service that runs until its token is cancelled.
    pub fn start<F>(&mut self, name: &'static str, service: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let run = service(shutdown.clone());
        // Drop sends it, so a panic is noticed like any other end.
        let end = End {
            name,
            ends: self.ends.clone(),
        };
        let task = tokio::spawn(async move {
            let _end = end;
            run.await
        });
        self.running.push(Running {
            name,
            shutdown,
            task,
        });
        debug!(service = name, "service started");
    }

    /// Waits until a service ends by itself, which none should, and returns its name.
    pub async fn any_end(&mut self) -> &'static str {
        match self.ended.recv().await {
            Some(name) => name,
            // OK because `self.ends` keeps the channel open.
            None => std::future::pending().await,
        }
    }

    /// Stops every service in reverse order of start, each after the previous one has drained.
    ///
    /// # Errors
    /// [`StopError`] lists the services that failed, panicked or outlasted the grace period.
    pub async fn stop(self) -> Result<(), StopError> {
        let deadline = Instant::now() + self.grace;
        let mut failures = Vec::new();
        for service in self.running.into_iter().rev() {
            service.shutdown.cancel();
            let name = service.name;
            let abort = service.task.abort_handle();
            let failure = match tokio::time::timeout_at(deadline, service.task).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(error))) => format!("{name}: {error:#}"),
                Ok(Err(panic)) => format!("{name}: {panic}"),
                Err(_) => {
                    abort.abort();
                    format!("{name}: did not drain within {:?}", self.grace)
                }
            };
            error!(service = name, reason = %failure, "service did not end well");
            failures.push(failure);
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(StopError(failures))
        }
    }
}

/// Sends the end of a service when dropped.
struct End {
    name: &'static str,
    ends: mpsc::Sender<&'static str>,
}

impl Drop for End {
    fn drop(&mut self) {
        // A full channel already holds an end, and one is enough.
        let _ = self.ends.try_send(self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn services_stop_in_reverse_order() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut services = Services::new(Duration::from_secs(10));
        for name in ["log", "processor", "ingest"] {
            let order = Arc::clone(&order);
            services.start(name, |shutdown| async move {
                shutdown.cancelled().await;
                order.lock().expect("not poisoned").push(name);
                Ok(())
            });
        }
        services.stop().await.expect("all end well");
        assert_eq!(
            *order.lock().expect("not poisoned"),
            ["ingest", "processor", "log"]
        );
    }

    #[tokio::test]
    async fn a_service_that_fails_is_noticed_and_named() {
        let mut services = Services::new(Duration::from_secs(10));
        services.start("query", |shutdown| async move {
            shutdown.cancelled().await;
            Ok(())
        });
        services.start("processor", |_| async { anyhow::bail!("disk full") });
        assert_eq!(services.any_end().await, "processor");
        let error = services.stop().await.expect_err("one failed");
        assert_eq!(error.to_string(), "processor: disk full");
    }

    #[tokio::test]
    async fn a_service_that_does_not_drain_is_left_behind() {
        let mut services = Services::new(Duration::from_millis(10));
        services.start("stuck", |_| std::future::pending());
        let error = services.stop().await.expect_err("it never ends");
        assert_eq!(error.to_string(), "stuck: did not drain within 10ms");
    }
}
