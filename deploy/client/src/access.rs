//! `whoami`, `grant`, `revoke`, `grants` and `access-log`: who may do what, and who did.

use clap::{Args, Subcommand, ValueEnum};
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_proto::query::v1 as api;
use serde_json::{Value, json};

use crate::{
    answer_parts::{stamp, stamp_json},
    connection::{ClientArgs, QueryConnection, refusal},
    name::period,
    question::as_of,
};

/// Grants of one page.
const PAGE_SIZE: i32 = 1_000;

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Publishes readings of an enterprise.
    Gateway,
    /// Reads the figures of an enterprise and declares its statistics.
    Enterprise,
    /// Reads, declares, registers and corrects in a park.
    Operator,
    /// Reads and extracts, and writes nothing.
    Auditor,
    /// Records and revokes grants, and reads no data.
    Administrator,
}

/// A command about callers and grants.
#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    /// Show the caller's own name and grants.
    Whoami(WhoAmIArgs),
    /// Grant a caller a role on a park or an enterprise.
    Grant(GrantArgs),
    /// Revoke a grant at once.
    Revoke(RevokeArgs),
    /// List grants in force or to come, by caller.
    Grants(GrantsArgs),
    /// Show who asked what, and what came of it.
    AccessLog(AccessLogArgs),
}

/// Runs a command about callers and grants.
///
/// # Errors
/// The service refuses or does not answer; an argument cannot be read.
pub async fn run(command: &AccessCommand) -> anyhow::Result<()> {
    match command {
        AccessCommand::Whoami(args) => whoami(args).await,
        AccessCommand::Grant(args) => grant(args).await,
        AccessCommand::Revoke(args) => revoke(args).await,
        AccessCommand::Grants(args) => grants(args).await,
        AccessCommand::AccessLog(args) => access_log(args).await,
    }
}

/// Arguments of `whoami`.
#[derive(Debug, Clone, Args)]
pub struct WhoAmIArgs {
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// A grant on the command line.
#[derive(Debug, Clone, Args)]
pub struct GrantName {
    /// The caller: certificate:COMMON-NAME, token:NAME or jwt:SUBJECT.
    pub caller: String,
    /// The role.
    #[arg(long, value_enum)]
    pub role: Role,
    /// What it is on: parks/-, parks/P or parks/P/enterprises/E.
    #[arg(long, value_name = "NAME")]
    pub on: String,
    /// The reason, such as the number of an engagement letter.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}

/// Arguments of `grant`.
#[derive(Debug, Clone, Args)]
pub struct GrantArgs {
    /// The grant.
    #[command(flatten)]
    pub grant: GrantName,
    /// The first day on which it holds [default: today].
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// The last day on which it holds [default: without end].
    #[arg(long, value_name = "DAY")]
    pub to: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `revoke`.
#[derive(Debug, Clone, Args)]
pub struct RevokeArgs {
    /// The grant.
    #[command(flatten)]
    pub grant: GrantName,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `grants`.
#[derive(Debug, Clone, Args)]
pub struct GrantsArgs {
    /// parks/-, parks/P or parks/P/enterprises/E: grants on it and below it.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// As they were known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `access-log`.
#[derive(Debug, Clone, Args)]
pub struct AccessLogArgs {
    /// parks/- for everything, or parks/P for requests about that park.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// The days: 2026-11-30, 2026-11, 2026-Q4, 2026 or 2026-11-01..2026-11-15 [default: today].
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    pub period: Option<api::Period>,
    /// Only of this caller, such as certificate:scada.
    #[arg(long, value_name = "CALLER")]
    pub caller: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Prints the caller's own name and grants.
async fn whoami(args: &WhoAmIArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let answer = service.access().who_am_i(api::WhoAmIRequest {}).await;
    let answer = answer.map_err(refusal)?.into_inner();
    line(&match answer.open {
        true => {
            "the service is open: everyone who reaches it may read and declare everything".into()
        }
        false => format!("{}, by {}", answer.caller, answer.credential),
    });
    let whole = json!({
        "caller": answer.caller,
        "credential": answer.credential,
        "issuer": answer.issuer,
        "credential_id": answer.credential_id,
        "open": answer.open,
        "grants": answer.grants.iter().map(grant_json).collect::<Vec<_>>(),
    });
    grant_sheet(&answer.grants, whole).print(args.client.format)
}

/// Records a grant.
async fn grant(args: &GrantArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let grant = api::Grant {
        caller: args.grant.caller.clone(),
        role: args.grant.role_name(),
        name: args.grant.on.clone(),
        valid_from: args.from.clone().unwrap_or_default(),
        valid_to: args.to.clone().unwrap_or_default(),
        why: args.grant.why.clone(),
        ..api::Grant::default()
    };
    let request = api::RecordGrantRequest { grant: Some(grant) };
    let recorded = service.access().record_grant(request).await;
    print_one(&recorded.map_err(refusal)?.into_inner(), &args.client)
}

/// Revokes a grant.
async fn revoke(args: &RevokeArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let request = api::RevokeGrantRequest {
        caller: args.grant.caller.clone(),
        role: args.grant.role_name(),
        name: args.grant.on.clone(),
        why: args.grant.why.clone(),
    };
    let revoked = service.access().revoke_grant(request).await;
    let revoked = revoked.map_err(refusal)?.into_inner();
    line("revoked at once; running streams of the caller end within half a minute");
    print_one(&revoked, &args.client)
}

/// Lists grants.
async fn grants(args: &GrantsArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let mut access = service.access();
    let mut request = api::ListGrantsRequest {
        parent: args.name.clone(),
        page_size: PAGE_SIZE,
        page_token: String::new(),
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let mut all = Vec::new();
    loop {
        let page = access.list_grants(request.clone()).await;
        let page = page.map_err(refusal)?.into_inner();
        all.extend(page.grants);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let whole = json!({ "grants": all.iter().map(grant_json).collect::<Vec<_>>() });
    grant_sheet(&all, whole).print(args.client.format)
}

/// Prints records of the access log.
async fn access_log(args: &AccessLogArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let request = api::StreamAccessLogRequest {
        parent: args.name.clone(),
        period: args.period.clone(),
        caller: args.caller.clone().unwrap_or_default(),
    };
    let records = service.access().stream_access_log(request).await;
    let mut records = records.map_err(refusal)?.into_inner();
    let mut all = Vec::new();
    while let Some(record) = records.message().await.map_err(refusal)? {
        all.push(record);
    }
    access_log_sheet(&all).print(args.client.format)
}

/// Formats records of the access log with a row each.
#[must_use]
pub fn access_log_sheet(records: &[api::AccessLogRecord]) -> Sheet {
    let header = [
        "at", "event", "caller", "source", "method", "asked", "decision", "by", "requests", "rows",
        "bytes", "sha256",
    ];
    let whole = json!({ "records": records.iter().map(record_json).collect::<Vec<_>>() });
    let mut sheet = Sheet::new(&header, &[8, 9, 10], whole);
    let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    for of in records {
        sheet.push(vec![
            stamp(of.at.as_ref()),
            of.event.clone(),
            of.caller.clone(),
            of.source.clone(),
            of.method.clone(),
            of.scope_asked.clone(),
            of.decision.clone(),
            of.determined_by.clone(),
            of.requests.to_string(),
            number(of.rows),
            number(of.bytes),
            of.extract_sha256.clone(),
        ]);
    }
    sheet
}

fn record_json(of: &api::AccessLogRecord) -> Value {
    json!({
        "at": stamp_json(of.at.as_ref()),
        "event": of.event,
        "request_id": of.request_id,
        "caller": of.caller,
        "source": of.source,
        "method": of.method,
        "scope_asked": of.scope_asked,
        "decision": of.decision,
        "determined_by": of.determined_by,
        "requests": of.requests,
        "rows": of.rows,
        "bytes": of.bytes,
        "extract_sha256": of.extract_sha256,
        "versions": of.versions,
    })
}

impl GrantName {
    fn role_name(&self) -> String {
        let value = self.role.to_possible_value();
        value.map(|v| v.get_name().to_owned()).unwrap_or_default()
    }
}

fn print_one(grant: &api::Grant, client: &ClientArgs) -> anyhow::Result<()> {
    let whole = grant_json(grant);
    grant_sheet(std::slice::from_ref(grant), whole).print(client.format)
}

/// Formats grants with a row each.
#[must_use]
pub fn grant_sheet(grants: &[api::Grant], whole: Value) -> Sheet {
    let header = ["caller", "role", "on", "from", "to", "granted by", "why"];
    let mut sheet = Sheet::new(&header, &[], whole);
    for of in grants {
        sheet.push(vec![
            of.caller.clone(),
            of.role.clone(),
            of.name.clone(),
            of.valid_from.clone(),
            of.valid_to.clone(),
            of.granted_by.clone(),
            of.why.clone(),
        ]);
    }
    sheet
}

fn grant_json(of: &api::Grant) -> Value {
    json!({
        "caller": of.caller,
        "role": of.role,
        "name": of.name,
        "valid_from": of.valid_from,
        "valid_to": of.valid_to,
        "why": of.why,
        "granted_by": of.granted_by,
        "recorded_at": stamp_json(of.recorded_at.as_ref()),
    })
}
