//! The connection to the query service, and its errors as text.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use greenpark_console::output::OutputFormat;
use greenpark_proto::query::v1::{
    dead_letters_client::DeadLettersClient, indicators_client::IndicatorsClient,
    quality_client::QualityClient, readings_client::ReadingsClient,
    registry_client::RegistryClient,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

/// Where a client asks and how it prints.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// A connection to the query service.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    pub grpc: String,
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

impl QueryConnection {
    /// Connects to `address`, `host:port` or a URL.
    ///
    /// # Errors
    /// No service answers there.
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let url = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        let endpoint = Endpoint::from_shared(url).with_context(|| {
            format!("--grpc {address} is no address; write one like 127.0.0.1:50051")
        })?;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .connect()
            .await;
        let channel = channel.with_context(|| {
            format!("no query service answers at {address}; start one or name another with --grpc")
        })?;
        let token = match std::env::var(TOKEN_VARIABLE) {
            Ok(token) => {
                let value = format!("Bearer {token}").parse();
                Some(value.with_context(|| {
                    format!("{TOKEN_VARIABLE} has characters that no token has")
                })?)
            }
            Err(_) => None,
        };
        Ok(Self {
            wire: InterceptedService::new(channel, Bearer(token)),
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
        tonic::Code::Unauthenticated => "a token is needed (GREENPARK_TOKEN)",
        tonic::Code::DeadlineExceeded => "no answer in time",
        tonic::Code::Unavailable => "the service is not available",
        tonic::Code::FailedPrecondition => "not possible now",
        _ => "the service failed",
    }
}
