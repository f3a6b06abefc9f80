//! `park.query.v1.Access`: who the caller is, and grants.

mod log;

use greenpark_model::day::Instant;
use greenpark_proto::query::v1::{self as pb, access_server::Access};
use tonic::{Request, Response, Status};

use crate::{
    access::{
        caller::{Credential, HeldGrant},
        grants::{Grants, RecordedGrant, caller_problem, name_problem},
        role::{Right, Role},
        scope::Scope,
    },
    error::QueryError,
    figures::convert::timestamp,
    grpc::{
        AccessRpc,
        paging::Page,
        registry::declare::Checks,
        server::{Permitted, Shared, stream::Responses},
    },
    register::{name::Name, registry::known_at},
};

#[tonic::async_trait]
impl Access for AccessRpc {
    type StreamAccessLogStream = Responses<pb::AccessLogRecord>;

    async fn who_am_i(
        &self,
        request: Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let permitted = request.extensions().get::<Permitted>();
        let work = |_| self.0.who_am_i(permitted);
        self.0.answer("WhoAmI", &request, work).await
    }

    async fn list_grants(
        &self,
        request: Request<pb::ListGrantsRequest>,
    ) -> Result<Response<pb::ListGrantsResponse>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.list_grants(scope, message);
        shared.answer("ListGrants", &request, work).await
    }

    async fn record_grant(
        &self,
        request: Request<pb::RecordGrantRequest>,
    ) -> Result<Response<pb::Grant>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.record_grant(scope, message);
        shared.answer("RecordGrant", &request, work).await
    }

    async fn revoke_grant(
        &self,
        request: Request<pb::RevokeGrantRequest>,
    ) -> Result<Response<pb::Grant>, Status> {
        let (shared, message) = (&self.0, request.get_ref());
        let work = |scope| shared.revoke_grant(scope, message);
        shared.answer("RevokeGrant", &request, work).await
    }

    async fn stream_access_log(
        &self,
        request: Request<pb::StreamAccessLogRequest>,
    ) -> Result<Response<Self::StreamAccessLogStream>, Status> {
        let response = self.0.stream("StreamAccessLog", request, log::records);
        let response = response.await?;
        Ok(response.map(|stream| Box::pin(stream) as Responses<pb::AccessLogRecord>))
    }
}

impl Shared {
    async fn who_am_i(
        &self,
        permitted: Option<&Permitted>,
    ) -> Result<pb::WhoAmIResponse, QueryError> {
        let caller = &permitted.ok_or(QueryError::Unauthenticated)?.caller;
        let identity = &caller.identity;
        let (recorded, today) = (self.grants().await?, self.now().day());
        let of_settings = identity.fixed.iter();
        let of_settings = of_settings.map(|held| of_settings_to(&identity.caller, held));
        let recorded = recorded.held(&identity.caller, today).map(message_of);
        Ok(pb::WhoAmIResponse {
            caller: identity.caller.to_string(),
            credential: match identity.credential {
                Credential::None => "none",
                Credential::Certificate => "certificate",
                Credential::Token => "token",
                Credential::Jwt => "jwt",
            }
            .to_owned(),
            issuer: identity.issuer.to_string(),
            credential_id: identity.id.to_string(),
            grants: of_settings.chain(recorded).collect(),
            open: caller.grants.is_none(),
        })
    }

    async fn list_grants(
        &self,
        scope: Scope,
        request: &pb::ListGrantsRequest,
    ) -> Result<pb::ListGrantsResponse, QueryError> {
        let parent = granted_name("parent", &request.parent)?;
        let question = format!("grants {parent}");
        let page = Page::parse(request.page_size, &request.page_token, &question)?;
        scope.check(&parent)?;
        let at = self.past_moment(request.as_of.as_ref())?;
        let today = at.unwrap_or_else(|| self.now()).day();
        let grants = match at {
            None => self.grants().await?,
            Some(at) => {
                let entries = self.books.lake.reference().entries().await?;
                Grants::read(entries.version, known_at(&entries, at))?.into()
            }
        };
        let below = |on: &Name| match &parent {
            Name::Parks => true,
            Name::Park(park) => on.park() == Some(park),
            other => on == other,
        };
        let key = |g: &RecordedGrant| format!("{} {} {} {}", g.caller, g.role, g.on, g.from);
        let mut listed: Vec<RecordedGrant> = grants
            .all()
            .filter(|grant| grant.to.is_none_or(|to| today <= to))
            .filter(|grant| below(&grant.on) && scope.check_whole(&grant.on).is_ok())
            .cloned()
            .collect();
        listed.sort_by_key(key);
        let (listed, next_page_token) = page.cut(listed, key);
        Ok(pb::ListGrantsResponse {
            grants: listed.iter().map(message_of).collect(),
            next_page_token,
        })
    }

    async fn record_grant(
        &self,
        scope: Scope,
        request: &pb::RecordGrantRequest,
    ) -> Result<pb::Grant, QueryError> {
        self.refuse_if_open()?;
        let request = request.grant.clone().unwrap_or_default();
        let (grant, mut checks) = self.read_grant(&request, "grant.");
        checks.needed("grant.why", &request.why);
        let today = self.now().day().to_string();
        let from = match request.valid_from.as_str() {
            "" => today.as_str(),
            given => given,
        };
        let (from, to) = checks.validity("grant", from, &request.valid_to);
        let grant = checks.done(grant.zip(from).map(|(grant, from)| RecordedGrant {
            from,
            to,
            ..grant
        }))?;
        may_grant(&scope, &grant)?;
        let grant = self.append_grant(&scope, grant, false).await?;
        Ok(message_of(&grant))
    }

    async fn revoke_grant(
        &self,
        scope: Scope,
        request: &pb::RevokeGrantRequest,
    ) -> Result<pb::Grant, QueryError> {
        self.refuse_if_open()?;
        let named = pb::Grant {
            caller: request.caller.clone(),
            role: request.role.clone(),
            name: request.name.clone(),
            why: request.why.clone(),
            ..pb::Grant::default()
        };
        let (grant, mut checks) = self.read_grant(&named, "");
        checks.needed("why", &request.why);
        let grant = checks.done(grant)?;
        may_grant(&scope, &grant)?;
        let grant = self.append_grant(&scope, grant, true).await?;
        Ok(message_of(&grant))
    }

    /// Refuses to change grants at an open service: nobody proved who changes them.
    fn refuse_if_open(&self) -> Result<(), QueryError> {
        match self.gate.is_closed() {
            true => Ok(()),
            false => Err(QueryError::Precondition(
                "OPEN_SERVICE",
                "grants need a service at which callers prove who they are: set query.administrators, and \
                 query.tls.client_ca, query.tokens or query.jwt"
                    .to_owned(),
            )),
        }
    }

    /// Reads the caller, role and name of a grant. Its days are today's; `prefix` is that of its fields.
    fn read_grant(&self, request: &pb::Grant, prefix: &str) -> (Option<RecordedGrant>, Checks) {
        let mut checks = Checks::default();
        let field = |name: &str| format!("{prefix}{name}");
        if let Some(problem) = caller_problem(&request.caller) {
            checks.wrong(&field("caller"), problem);
        }
        let role = request.role.parse::<Role>();
        let role = role.map_err(|error| checks.wrong(&field("role"), error.to_string()));
        let on = checks.take(granted_name(&field("name"), &request.name));
        if let (Ok(role), Some(on)) = (&role, &on)
            && let Some(problem) = name_problem(*role, on)
        {
            checks.wrong(&field("name"), format!("{problem} for the role {role}"));
        }
        let now = self.now();
        let grant = role.ok().zip(on).map(|(role, on)| RecordedGrant {
            caller: request.caller.clone(),
            role,
            on,
            from: now.day(),
            to: None,
            why: request.why.clone(),
            granted_by: String::new(),
            recorded_at: now,
        });
        (grant, checks)
    }

    /// Appends a grant or its revocation, if it fits the grants at that moment.
    async fn append_grant(
        &self,
        scope: &Scope,
        grant: RecordedGrant,
        revoked: bool,
    ) -> Result<RecordedGrant, QueryError> {
        let grant = RecordedGrant {
            granted_by: scope.writer().to_owned(),
            ..grant
        };
        let make = |snapshot: &greenpark_archive::reference::ReferenceSnapshot| {
            let known = Grants::read(snapshot.version, &snapshot.entries)?;
            if revoked && known.of_kind(&grant).is_empty() {
                return Err(missing(&grant));
            }
            if !revoked && let Some(other) = known.overlapping(&grant) {
                return Err(overlaps(other));
            }
            Ok(vec![grant.entry(revoked)])
        };
        let reference = self.books.lake.reference();
        let (version, _) = reference.append_checked::<QueryError>(make).await?;
        self.metrics.entries_recorded.inc();
        tracing::info!(
            caller = grant.caller,
            role = grant.role.as_str(),
            on = %grant.on,
            by = grant.granted_by,
            revoked,
            version,
            "a grant changed"
        );
        Ok(grant)
    }

    /// The instant `as_of` of a request.
    fn past_moment(
        &self,
        as_of: Option<&prost_types::Timestamp>,
    ) -> Result<Option<Instant>, QueryError> {
        let now = self.now();
        as_of
            .map(|at| super::server::past_instant("as_of", at, now))
            .transpose()
    }
}

/// Parses a name that a grant can be on.
fn granted_name(field: &str, text: &str) -> Result<Name, QueryError> {
    match Name::parse(field, text)? {
        name @ (Name::Parks | Name::Park(_) | Name::Enterprise(..)) => Ok(name),
        other => Err(other.unfit(field, "parks/-, parks/P or parks/P/enterprises/E")),
    }
}

/// Refuses a grant outside the administrator's own, and an administrator of one park who would make others.
fn may_grant(scope: &Scope, grant: &RecordedGrant) -> Result<(), QueryError> {
    scope.check_whole(&grant.on)?;
    if grant.role == Role::Administrator && scope.check_whole(&Name::Parks).is_err() {
        return Err(QueryError::NoRight(format!(
            "{} administrators",
            Right::Administer
        )));
    }
    Ok(())
}

fn missing(grant: &RecordedGrant) -> QueryError {
    let RecordedGrant {
        caller, role, on, ..
    } = grant;
    QueryError::Precondition(
        "NO_SUCH_GRANT",
        format!(
            "{caller} has no recorded grant of {role} on {on}; `greenpark grants` lists those that there are"
        ),
    )
}

fn overlaps(known: &RecordedGrant) -> QueryError {
    let RecordedGrant {
        caller, role, on, ..
    } = known;
    let to = known
        .to
        .map_or("without end".to_owned(), |to| format!("to {to}"));
    QueryError::Precondition(
        "GRANT_OVERLAPS",
        format!(
            "{caller} has the role {role} on {on} already, from {} {to}; revoke that grant first, or name other days",
            known.from
        ),
    )
}

fn message_of(grant: &RecordedGrant) -> pb::Grant {
    pb::Grant {
        caller: grant.caller.clone(),
        role: grant.role.to_string(),
        name: grant.on.to_string(),
        valid_from: grant.from.to_string(),
        valid_to: grant.to.map(|to| to.to_string()).unwrap_or_default(),
        why: grant.why.clone(),
        granted_by: grant.granted_by.clone(),
        recorded_at: Some(timestamp(grant.recorded_at)),
    }
}

fn of_settings_to(caller: &str, held: &HeldGrant) -> pb::Grant {
    pb::Grant {
        caller: caller.to_owned(),
        role: held.role.to_string(),
        name: held.on.to_string(),
        granted_by: "settings".to_owned(),
        ..pb::Grant::default()
    }
}
