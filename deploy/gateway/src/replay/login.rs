//! The server of a publisher, its login there, and the advice after a refusal.

use std::{
    error::Error as _,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use greenpark_runtime::settings::Mistakes;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason};
use tokio_rustls::rustls::Error as TlsError;

use crate::{
    publisher::{
        self, GatewayError,
        login::{Login, Pair, Tls, User, tls_error},
    },
    replay::ReplayArgs,
};

/// How a publisher logs in. A password is never an argument: others on the machine see those.
#[derive(Debug, Clone, Default, Args)]
pub struct LoginArgs {
    /// User name, where the server asks for one; its password is in --password-file or GREENPARK_PASSWORD.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// File that holds the password and nothing else [default: the variable GREENPARK_PASSWORD].
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate; with it TLS is spoken.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// PEM file of a certificate of one's own, where the server asks for one.
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca"])]
    pub cert: Option<PathBuf>,
    /// PEM file of its private key.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Client id, where the server binds it to the user; for a single connection.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
}

/// The variable that holds the password if no file does.
pub const PASSWORD: &str = "GREENPARK_PASSWORD";

/// A publisher's arguments about the server and its own login there.
#[derive(Debug, Clone, Copy)]
pub struct ServerArgs<'a> {
    /// The address, with or without its scheme.
    pub mqtt: &'a str,
    /// How the publisher logs in.
    pub login: &'a LoginArgs,
    /// Connections of the publisher.
    pub connections: u16,
    /// Messages in flight on each connection.
    pub inflight: u16,
    /// Seconds to go on trying when the server does not answer.
    pub patience: u64,
}

impl<'a> ServerArgs<'a> {
    pub(super) fn of(args: &'a ReplayArgs) -> Self {
        Self {
            mqtt: &args.mqtt,
            login: &args.login,
            connections: args.connections,
            inflight: args.inflight,
            patience: args.patience,
        }
    }
}

/// Returns the settings of the publisher; `password` is the value of the variable. The client id stays empty without
/// `--client-id`.
pub fn server(
    args: &ServerArgs<'_>,
    password: Option<String>,
) -> Result<publisher::PublisherSettings, Mistakes> {
    let mut problems = Vec::new();
    let login = args.login;
    let (address, encrypted) = address(args.mqtt);
    if address.starts_with(':') || !address.contains(':') {
        problems.push(format!(
            "--mqtt {}: write HOST:PORT or mqtts://HOST:PORT",
            args.mqtt
        ));
    }
    if encrypted == Some(false) && login.ca.is_some() {
        problems.push("--ca: is for TLS; write mqtts:// in place of mqtt://".to_owned());
    }
    if encrypted == Some(true) && login.ca.is_none() {
        problems.push(
            "--mqtt: TLS needs --ca FILE, the authority that signed the server's certificate; public ones are \
             often in /etc/ssl/certs/ca-certificates.crt"
                .to_owned(),
        );
    }
    if login.client_id.is_some() && args.connections > 1 {
        problems.push(
            "--client-id: is for --connections 1, since a server keeps one connection of an id"
                .to_owned(),
        );
    }
    let user = user(login, password, &mut problems);
    let tls = tls(login, address, &mut problems);
    match problems.is_empty() {
        true => Ok(publisher::PublisherSettings {
            address: address.to_owned(),
            client_id: login.client_id.clone().unwrap_or_default(),
            inflight_max: args.inflight,
            login: Login { user, tls },
            patience: Duration::from_secs(args.patience),
            replays: true,
            ..publisher::PublisherSettings::default()
        }),
        false => Err(Mistakes(problems)),
    }
}

/// Returns a warning if a password would leave this machine unencrypted.
#[must_use]
pub fn warning(server: &publisher::PublisherSettings) -> Option<String> {
    let user = server.login.user.as_ref()?;
    let in_clear = server.login.tls.is_none() && !user.password.is_empty();
    let host = host(&server.address);
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    (in_clear && !here).then(|| {
        format!(
            "warning: the password of {} goes to {} unencrypted; with TLS it does not: \
             --mqtt mqtts://HOST:PORT --ca FILE",
            user.name, server.address
        )
    })
}

/// Splits an address into `host:port` and whether its scheme requires TLS.
fn address(text: &str) -> (&str, Option<bool>) {
    match (text.strip_prefix("mqtts://"), text.strip_prefix("mqtt://")) {
        (Some(rest), _) => (rest, Some(true)),
        (_, Some(rest)) => (rest, Some(false)),
        (None, None) => (text, None),
    }
}

fn user(args: &LoginArgs, variable: Option<String>, problems: &mut Vec<String>) -> Option<User> {
    let name = args.user.clone()?;
    let password = match &args.password_file {
        Some(path) => match fs::read_to_string(path) {
            Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
            Err(error) => {
                problems.push(format!("--password-file {}: {error}", path.display()));
                return None;
            }
        },
        None => variable.unwrap_or_default(),
    };
    // With a certificate a name needs no password.
    if password.is_empty() && args.cert.is_none() {
        problems.push(format!(
            "--user {name}: has no password; give it in --password-file FILE or in {PASSWORD}"
        ));
    }
    Some(User { name, password })
}

fn tls(args: &LoginArgs, address: &str, problems: &mut Vec<String>) -> Option<Tls> {
    let ca = args.ca.as_deref()?;
    let files = args.cert.as_deref().zip(args.key.as_deref());
    let own = files.map(|(certificate, key): (&Path, &Path)| Pair { certificate, key });
    let made = Tls::new(host(address), ca, own);
    made.map_err(|error| {
        let cause = error.source().map_or(String::new(), |c| format!(": {c}"));
        problems.push(format!("TLS: {error}{cause}"));
    })
    .ok()
}

/// Returns the host of HOST:PORT.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Returns advice for a failure of the login.
#[must_use]
pub fn advice(failure: &GatewayError, login: &Login) -> Option<&'static str> {
    use ConnectReturnCode::{
        BadClientId, BadUserNamePassword, ClientIdentifierNotValid, NotAuthorized,
    };
    let named = login.user.is_some();
    match failure {
        GatewayError::Refused { code, .. } => match code {
            BadUserNamePassword | NotAuthorized if !named => Some(
                "log in: --user NAME with the password in --password-file FILE or GREENPARK_PASSWORD, and where \
                 the server asks for a certificate --ca, --cert and --key",
            ),
            BadUserNamePassword | NotAuthorized => Some(
                "the user is not known there, the password is another, or a certificate has another name: look at \
                 --user, at --password-file or GREENPARK_PASSWORD, and at --cert",
            ),
            BadClientId | ClientIdentifierNotValid => Some(
                "the server binds client ids to users: give the user's with --client-id ID and --connections 1",
            ),
            _ => None,
        },
        GatewayError::Message {
            reason: PubAckReason::NotAuthorized,
            ..
        } => Some(
            "this user may not publish for the park, enterprise and gateway of the mapping: look at the mapping, \
             at --user, and at the server's access list",
        ),
        GatewayError::Tls { cause, .. } => Some(match tls_error(cause) {
            Some(TlsError::AlertReceived(_)) => {
                "the server does not take what it was shown: give --cert FILE and --key FILE of a certificate that \
                 its authority signed and that holds today"
            }
            _ => {
                "the server's certificate is not taken here: --ca must hold the authority that signed it, and it \
                 must name the host of --mqtt"
            }
        }),
        GatewayError::Encrypted { .. } => {
            Some("write mqtts:// in --mqtt and give --ca FILE, the authority of its certificate")
        }
        GatewayError::Message { .. } | GatewayError::Unreachable { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The command line, as far as this command is concerned.
    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: ReplayArgs,
    }

    fn settings_of(
        more: &[&str],
        password: Option<&str>,
    ) -> Result<publisher::PublisherSettings, String> {
        let replay = ["replay", "f.csv", "--map", "m.toml"];
        let words = replay.iter().chain(more);
        let line = CommandLine::try_parse_from(words).map_err(|error| error.to_string())?;
        let args = line.args;
        server(&ServerArgs::of(&args), password.map(str::to_owned))
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_password_that_leaves_this_machine_in_clear_is_warned_of() {
        let warned = |more: &[&str], password: Option<&str>| {
            let text = warning(&settings_of(more, password).expect("right"))?;
            assert!(!text.contains("secret"), "{text}");
            Some(text)
        };
        let away = ["--mqtt", "10.1.1.1:1883", "--user", "gw1"];
        let text = warned(&away, Some("secret")).expect("a warning");
        assert!(
            text.contains("gw1") && text.contains("10.1.1.1:1883"),
            "{text}"
        );
        for here in ["127.0.0.1:1883", "localhost:1883", "[::1]:1883"] {
            assert_eq!(
                warned(&["--mqtt", here, "--user", "gw1"], Some("secret")),
                None
            );
        }
        assert_eq!(warned(&["--mqtt", "10.1.1.1:1883"], None), None);
    }

    #[test]
    fn a_password_comes_from_the_variable_and_is_not_shown() {
        let server = settings_of(&["--user", "gw1"], Some("secret")).expect("right");
        let user = server.login.user.as_ref().expect("a user");
        assert_eq!((&*user.name, &*user.password), ("gw1", "secret"));
        assert!(!format!("{server:?}").contains("secret"));
    }

    #[test]
    fn every_mistake_says_what_to_give() {
        for (more, word) in [
            (&["--user", "gw1"][..], "GREENPARK_PASSWORD"),
            (&["--user", "gw1", "--password-file", "/none"], "/none"),
            (&["--password-file", "p"], "--user"),
            (&["--mqtt", "mqtts://park.example:8883"], "--ca FILE"),
            (&["--mqtt", "park.example"], "HOST:PORT"),
            (&["--mqtt", "mqtt://h:1", "--ca", "/none"], "mqtts://"),
            (&["--mqtt", "h:1", "--ca", "/none"], "/none"),
            (&["--cert", "c.pem"], "--key"),
            (
                &["--client-id", "gw1", "--connections", "2"],
                "--connections 1",
            ),
        ] {
            let text = settings_of(more, None).expect_err("wrong");
            assert!(text.contains(word), "'{word}' is not in: {text}");
        }
    }

    #[test]
    fn a_scheme_is_no_part_of_the_address() {
        assert_eq!(address("mqtts://[::1]:8883"), ("[::1]:8883", Some(true)));
        assert_eq!(address("mqtt://park.example:1883").1, Some(false));
        assert_eq!(address("park.example:1883"), ("park.example:1883", None));
    }
}
