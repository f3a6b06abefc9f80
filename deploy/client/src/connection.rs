//! The connection to the query service, and its errors as text.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use greenpark_console::output::OutputFormat;
use greenpark_proto::query::v1::{
    access_client::AccessClient, dead_letters_client::DeadLettersClient,
    indicators_client::IndicatorsClient, proofs_client::ProofsClient,
    quality_client::QualityClient, readings_client::ReadingsClient,
    registry_client::RegistryClient,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_types::StatusExt;

use crate::sign_in::SignIn;

/// Where a client asks and how it prints.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientArgs {
    /// A sign-in file, which says where the service is and who asks, instead of the variable GREENPARK_AS. The arguments
    /// below precede it.
    #[arg(long = "as", value_name = "FILE")]
    pub sign_in: Option<PathBuf>,
    /// The query service [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDR")]
    pub grpc: Option<String>,
    /// PEM file of the authority that signed the service's certificate; the connection then has TLS.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// PEM file of our own certificate, which proves our name.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// A file with our token or JSON web token, instead of the variable GREENPARK_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
}

/// Where a client asks if nothing says it.
const GRPC_DEFAULT: &str = "127.0.0.1:50051";
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest accepted answer: a page of a thousand figures with their components is about 2 MiB.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The variable with a sign-in file.
const SIGN_IN_VARIABLE: &str = "GREENPARK_AS";
/// The variable with the caller's token, if the service grants by token.
const TOKEN_VARIABLE: &str = "GREENPARK_TOKEN";

/// A channel that sends the caller's token.
pub type AuthenticatedChannel = InterceptedService<Channel, Bearer>;

/// Adds the caller's token, if there is one.
#[derive(Debug, Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

/// The query service.
#[derive(Debug, Clone)]
pub struct QueryConnection {
    wire: AuthenticatedChannel,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl ClientArgs {
    /// Arguments that sign in with `file`.
    #[must_use]
    pub fn signed_in(file: PathBuf) -> Self {
        Self {
            sign_in: Some(file),
            ..Self::default()
        }
    }

    /// What the arguments and the sign-in file say together. A credential of the arguments replaces the file's.
    fn resolve(&self) -> anyhow::Result<SignIn> {
        let variable = || std::env::var_os(SIGN_IN_VARIABLE).map(PathBuf::from);
        let file = self.sign_in.clone().or_else(variable);
        let mut resolved = match file {
            Some(file) => SignIn::read(&file)?,
            None => SignIn::default(),
        };
        if self.certificate.is_some() || self.token_file.is_some() {
            resolved.certificate.clone_from(&self.certificate);
            resolved.key.clone_from(&self.key);
            resolved.token_file.clone_from(&self.token_file);
        }
        resolved.grpc = self.grpc.clone().or(resolved.grpc);
        resolved.ca = self.ca.clone().or(resolved.ca);
        if resolved.certificate.is_some() && resolved.ca.is_none() {
            bail!("--certificate needs --ca, the authority that signed the service's certificate");
        }
        Ok(resolved)
    }
}

/// The TLS of the connection; `None` for a plain one.
fn tls(sign_in: &SignIn) -> anyhow::Result<Option<ClientTlsConfig>> {
    let Some(ca) = &sign_in.ca else {
        return Ok(None);
    };
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
    Ok(Some(match (&sign_in.certificate, &sign_in.key) {
        (Some(certificate), Some(key)) => {
            tls.identity(Identity::from_pem(read(certificate)?, read(key)?))
        }
        _ => tls,
    }))
}

/// The value of the header `authorization`, if there is a token.
fn bearer(sign_in: &SignIn) -> anyhow::Result<Option<MetadataValue<Ascii>>> {
    let (token, source) = match &sign_in.token_file {
        Some(path) => (read(path)?, path.display().to_string()),
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(token) => (token, TOKEN_VARIABLE.to_owned()),
            Err(_) => return Ok(None),
        },
    };
    let value = format!("Bearer {}", token.trim()).parse();
    let value = value.with_context(|| format!("{source} has characters that no token has"))?;
    Ok(Some(value))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

impl QueryConnection {
    /// Connects as `args` say; the address is `host:port` or a URL.
    ///
    /// # Errors
    /// A file cannot be read, or no service answers.
    pub async fn open(args: &ClientArgs) -> anyhow::Result<Self> {
        let sign_in = args.resolve()?;
        let address = sign_in.grpc.as_deref().unwrap_or(GRPC_DEFAULT);
        let url = match (address.contains("://"), &sign_in.ca) {
            (true, _) => address.to_owned(),
            (false, None) => format!("http://{address}"),
            (false, Some(_)) => format!("https://{address}"),
        };
        let endpoint = Endpoint::from_shared(url).with_context(|| {
            format!("--grpc {address} is no address; write one like 127.0.0.1:50051")
        })?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        let endpoint = match tls(&sign_in)? {
            Some(tls) => endpoint.tls_config(tls).context("set up TLS")?,
            None => endpoint,
        };
        let channel = endpoint.connect().await.with_context(|| {
            format!("no query service answers at {address}; start one or name another with --grpc")
        })?;
        Ok(Self {
            wire: InterceptedService::new(channel, Bearer(bearer(&sign_in)?)),
        })
    }

    /// Returns the client for figures and progress.
    #[must_use]
    pub fn indicators(&self) -> IndicatorsClient<AuthenticatedChannel> {
        IndicatorsClient::new(self.wire.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Returns the client for enterprises, meters and declarations.
    #[must_use]
    pub fn registry(&self) -> RegistryClient<AuthenticatedChannel> {
        RegistryClient::new(self.wire.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Returns the client for data quality.
    #[must_use]
    pub fn quality(&self) -> QualityClient<AuthenticatedChannel> {
        QualityClient::new(self.wire.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Returns the client for dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLettersClient<AuthenticatedChannel> {
        DeadLettersClient::new(self.wire.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Returns the client for callers and grants.
    #[must_use]
    pub fn access(&self) -> AccessClient<AuthenticatedChannel> {
        AccessClient::new(self.wire.clone())
    }

    /// Returns the client for checkpoints and extract folders.
    #[must_use]
    pub fn proofs(&self) -> ProofsClient<AuthenticatedChannel> {
        ProofsClient::new(self.wire.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Returns the client for readings and extracts.
    #[must_use]
    pub fn readings(&self) -> ReadingsClient<AuthenticatedChannel> {
        ReadingsClient::new(self.wire.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}

/// Formats the service's refusal with the fields that it named.
#[must_use]
pub fn refusal(status: Status) -> anyhow::Error {
    let details = status.get_error_details();
    let mut text = format!("{}: {}", code(&status), status.message());
    // A status of the service has no source; that of a connection has one.
    if std::error::Error::source(&status).is_some() {
        text = format!(
            "the service closed the connection ({}); where it has TLS, sign in with --as, or with --ca and \
             --certificate or a token",
            status.message()
        );
    }
    if let Some(request) = details.bad_request() {
        for violation in &request.field_violations {
            text.push_str(&format!(
                "\n  {}: {}",
                violation.field, violation.description
            ));
        }
    }
    anyhow::anyhow!(text)
}

fn code(status: &Status) -> &'static str {
    match status.code() {
        tonic::Code::InvalidArgument => "the question cannot be answered",
        tonic::Code::NotFound => "not found",
        tonic::Code::PermissionDenied => "not allowed",
        tonic::Code::Unauthenticated => {
            "a credential is needed (--as, --certificate, --token-file or GREENPARK_TOKEN)"
        }
        tonic::Code::DeadlineExceeded => "no answer in time",
        tonic::Code::Unavailable => "the service is not available",
        tonic::Code::FailedPrecondition => "not possible now",
        _ => "the service failed",
    }
}
