//! The connection to the query service, and its errors as text.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
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

/// Where a client asks and how it prints.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// A connection to the query service.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    pub grpc: String,
    /// PEM file of the authority that signed the service's certificate; the connection then has TLS.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// PEM file of our own certificate, which proves our name.
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca"])]
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

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest accepted answer: a page of a thousand figures with their components is about 2 MiB.
const ANSWER_BYTES_MAX: usize = 64 << 20;
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
    /// The TLS of the connection; `None` for a plain one.
    fn tls(&self) -> anyhow::Result<Option<ClientTlsConfig>> {
        let Some(ca) = &self.ca else {
            return Ok(None);
        };
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Some(Identity::from_pem(read(certificate)?, read(key)?))
            }
            _ => None,
        };
        Ok(Some(match identity {
            Some(identity) => tls.identity(identity),
            None => tls,
        }))
    }

    /// The value of the header `authorization`, if there is a token.
    fn bearer(&self) -> anyhow::Result<Option<MetadataValue<Ascii>>> {
        let (token, source) = match &self.token_file {
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
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

impl QueryConnection {
    /// Connects to `address`, `host:port` or a URL, with the token of the variable GREENPARK_TOKEN if there is one.
    ///
    /// # Errors
    /// No service answers there.
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        Self::open(&ClientArgs {
            grpc: address.to_owned(),
            ca: None,
            certificate: None,
            key: None,
            token_file: None,
            format: OutputFormat::Table,
        })
        .await
    }

    /// Connects as `args` say.
    ///
    /// # Errors
    /// A file cannot be read, or no service answers.
    pub async fn open(args: &ClientArgs) -> anyhow::Result<Self> {
        let address = &args.grpc;
        let url = match (address.contains("://"), &args.ca) {
            (true, _) => address.clone(),
            (false, None) => format!("http://{address}"),
            (false, Some(_)) => format!("https://{address}"),
        };
        let endpoint = Endpoint::from_shared(url).with_context(|| {
            format!("--grpc {address} is no address; write one like 127.0.0.1:50051")
        })?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        let endpoint = match args.tls()? {
            Some(tls) => endpoint.tls_config(tls).context("set up TLS")?,
            None => endpoint,
        };
        let channel = endpoint.connect().await.with_context(|| {
            format!("no query service answers at {address}; start one or name another with --grpc")
        })?;
        Ok(Self {
            wire: InterceptedService::new(channel, Bearer(args.bearer()?)),
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
            "a credential is needed (GREENPARK_TOKEN, --token-file or --certificate)"
        }
        tonic::Code::DeadlineExceeded => "no answer in time",
        tonic::Code::Unavailable => "the service is not available",
        tonic::Code::FailedPrecondition => "not possible now",
        _ => "the service failed",
    }
}
