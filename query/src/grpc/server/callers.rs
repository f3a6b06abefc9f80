//! Makes the caller of every request before a message of it is decoded: a few kilobytes can inflate to hundreds of
//! megabytes, and a stranger must not make the service do that.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower_layer::Layer;
use tower_service::Service;

use super::{Shared, accept::Peer, answers::code_name};
use crate::{
    access::{
        caller::{Caller, HeldGrant, Identity},
        entry::Entry,
        grants::Grants,
        log::Refusal,
        methods::{self, Method},
        role::Right,
        scope::Scope,
    },
    error::QueryError,
};

/// How often a running stream looks whether its caller may still read.
pub(super) const GRANT_LOOK: Duration = Duration::from_secs(15);

/// A caller that may call a method, and the names for which it may.
#[derive(Debug, Clone)]
pub(crate) struct Permitted {
    pub(crate) caller: Caller,
    pub(crate) right: Right,
    pub(crate) scope: Scope,
    /// The request in the access log.
    pub(crate) entry: Arc<Entry>,
}

/// Puts a [`Permitted`] into the extensions of every request, or answers with the refusal.
#[derive(Clone)]
pub(super) struct CallersLayer(pub(super) Arc<Shared>);

/// The service below a [`CallersLayer`].
#[derive(Clone)]
pub(super) struct Callers<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> Layer<S> for CallersLayer {
    type Service = Callers<S>;

    fn layer(&self, inner: S) -> Callers<S> {
        Callers {
            shared: Arc::clone(&self.0),
            inner,
        }
    }
}

impl<S> Service<Request<Body>> for Callers<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        Box::pin(async move {
            let path = request.uri().path();
            if methods::is_public(path) {
                return inner.call(request).await;
            }
            let Some(method) = methods::at(path) else {
                return Ok(Status::unimplemented("there is no such method").into_http());
            };
            let identity = shared.identify(&request);
            let source = source_of(&request);
            let caller = name_of(&identity);
            match shared.permit(identity, method, Arc::clone(&source)).await {
                Ok(permitted) => {
                    request.extensions_mut().insert(permitted);
                    inner.call(request).await
                }
                Err(error) => Ok(shared.refuse(method, (caller, source), error).into_http()),
            }
        })
    }
}

impl Shared {
    /// The identity that a request proves; `None` at an open service.
    fn identify(&self, request: &Request<Body>) -> Result<Option<Identity>, QueryError> {
        if !self.gate.is_closed() {
            return Ok(None);
        }
        let peer = request.extensions().get::<Peer>();
        let certificate = peer.and_then(|peer| peer.certificate.as_ref());
        let identity = self
            .gate
            .identify(request.headers(), certificate, self.now());
        identity.map(Some)
    }

    /// The caller with this identity, if it may call `method`.
    async fn permit(
        &self,
        identity: Result<Option<Identity>, QueryError>,
        method: Method,
        source: Arc<str>,
    ) -> Result<Permitted, QueryError> {
        let (caller, version) = match identity? {
            Some(identity) => {
                let grants = self.grants().await?;
                (self.holding(identity, &grants), Some(grants.version))
            }
            None => (Caller::anyone(), None),
        };
        let scope = caller.scope(method.right)?;
        let log = self.access_log.as_ref();
        let entry = Entry::new(log, method, (&caller, source), version);
        Ok(Permitted {
            caller,
            right: method.right,
            scope,
            entry: Arc::new(entry),
        })
    }

    /// Counts a refusal, and gives its status.
    fn refuse(
        &self,
        method: Method,
        (caller, source): (Arc<str>, Arc<str>),
        error: QueryError,
    ) -> Status {
        let status = error.status();
        if let Some(log) = &self.access_log {
            log.refused(Refusal {
                caller,
                source,
                method: method.name,
                decision: code_name(status.code()),
            });
        }
        self.count(method.name, status.code(), tokio::time::Instant::now());
        status
    }

    /// The caller with this identity, and those of `grants` that hold today.
    fn holding(&self, identity: Identity, grants: &Grants) -> Caller {
        let recorded = grants.held(&identity.caller, self.now().day());
        let recorded = recorded.map(|grant| grant.held());
        let held: Vec<HeldGrant> = identity.fixed.iter().cloned().chain(recorded).collect();
        Caller {
            identity,
            grants: Some(held.into()),
        }
    }

    /// The recorded grants, read again when the reference table has moved on.
    pub(in crate::grpc) async fn grants(&self) -> Result<Arc<Grants>, QueryError> {
        let entries = self.books.lake.reference().entries().await?;
        let known = Arc::clone(&self.grants.lock().unwrap_or_else(PoisonError::into_inner));
        if known.version == entries.version {
            return Ok(known);
        }
        let read = Arc::new(Grants::read(entries.version, &entries.entries)?);
        *self.grants.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
        Ok(read)
    }

    /// Ends when the grants no longer permit what they permitted when a stream began; looks every `look`. An unreadable
    /// reference table ends nothing.
    pub(super) async fn grant_ended(&self, permitted: &Permitted, look: Duration) {
        if permitted.caller.grants.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(look).await;
            let Ok(grants) = self.grants().await else {
                continue;
            };
            let now = self.holding(permitted.caller.identity.clone(), &grants);
            if !now
                .scope(permitted.right)
                .is_ok_and(|scope| scope.covers(&permitted.scope))
            {
                return;
            }
        }
    }
}

/// The network address that a request came from.
fn source_of(request: &Request<Body>) -> Arc<str> {
    let peer = request.extensions().get::<Peer>();
    peer.map_or_else(|| "".into(), |peer| Arc::clone(&peer.source))
}

/// The name that an identity proves; empty without one.
fn name_of(identity: &Result<Option<Identity>, QueryError>) -> Arc<str> {
    match identity {
        Ok(Some(identity)) => Arc::clone(&identity.caller),
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use greenpark_archive::lake::Lake;
    use greenpark_model::{clock::Clock, day::Instant};

    use super::*;
    use crate::{
        QueryService, QuerySettings,
        access::{caller::Credential, grants::RecordedGrant, role::Role},
        register::name::Name,
        settings::Token,
    };

    #[tokio::test]
    async fn a_stream_ends_when_its_grant_is_revoked_and_not_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Instant::from_millis(1_790_000_000_000);
        let clock = Clock::new(move || now);
        let root = folder.path().to_str().expect("UTF-8");
        let lake = Lake::open(root, clock.clone()).await.expect("a lake");
        let settings = QuerySettings {
            tokens: vec![Token {
                name: "ana".to_owned(),
                sha256: "00".repeat(32),
            }],
            ..QuerySettings::default()
        };
        let service = QueryService::new(lake.clone(), settings, clock);
        let shared = service.share().expect("valid settings");
        let grant = RecordedGrant {
            caller: "token:ana".to_owned(),
            role: Role::Auditor,
            on: Name::Parks,
            from: "2026-01-01".parse().expect("a day"),
            to: None,
            why: "a test".to_owned(),
            granted_by: "token:chief".to_owned(),
            recorded_at: now,
        };
        let reference = lake.reference();
        reference
            .append(vec![grant.entry(false)])
            .await
            .expect("recorded");
        let identity = Identity {
            credential: Credential::Token,
            caller: "token:ana".into(),
            issuer: "".into(),
            id: "".into(),
            fixed: Vec::new(),
        };
        let method = methods::at("/park.query.v1.Readings/StreamReadings").expect("a method");
        let permitted = shared
            .permit(Ok(Some(identity)), method, "".into())
            .await
            .expect("permitted");
        let look = Duration::from_millis(1);
        let while_granted = shared.grant_ended(&permitted, look);
        let still = tokio::time::timeout(50 * look, while_granted).await;
        assert!(still.is_err(), "it ended before it was revoked");
        reference
            .append(vec![grant.entry(true)])
            .await
            .expect("recorded");
        // Ends, or the test does not.
        shared.grant_ended(&permitted, look).await;
    }
}
