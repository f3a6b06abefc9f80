//! The client behind a connection, as far as it is known.

/// The client behind a connection. The default is an unknown client behind a broker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender {
    user: Option<String>,
    client: Option<String>,
    is_direct: bool,
    replays: bool,
}

impl Sender {
    /// Creates the sender of a client of our own endpoint: the user name that it proved, or gave if
    /// no client has to prove one, and the client id that it chose.
    pub(crate) fn new(user: Option<&str>, client: Option<&str>) -> Self {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            user: given(user),
            client: given(client),
            is_direct: true,
            replays: false,
        }
    }

    /// Marks it as a replaying sender if its name is one of `users`.
    pub(crate) fn replaying(mut self, users: &[String]) -> Self {
        self.replays = self.user.as_ref().is_some_and(|user| users.contains(user));
        self
    }

    /// Returns true if it deliberately sends old readings again.
    pub(crate) fn replays(&self) -> bool {
        self.replays
    }

    /// Returns true if the client is known: behind a broker it is not.
    pub(crate) fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Returns the user name, for `{user}`.
    pub(crate) fn user(&self) -> Result<&str, String> {
        self.named(self.user.as_deref(), "{user}", "gave no user name")
    }

    /// Returns the client id, for `{client}`.
    pub(crate) fn client(&self) -> Result<&str, String> {
        self.named(self.client.as_deref(), "{client}", "chose no client id")
    }

    fn named<'a>(
        &self,
        name: Option<&'a str>,
        place: &str,
        lacks: &str,
    ) -> Result<&'a str, String> {
        name.ok_or_else(|| match self.is_direct {
            true => format!("the rule names the sender by {place}, and the client {lacks}"),
            false => format!(
                "the rule names the sender by {place}, and a broker does not say who published: have gateways \
                 connect to ingest itself, or name the sender by a level of the topic"
            ),
        })
    }

    /// Returns true if both have the same user name, or, without user names, the same client id.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (&self.user, &other.user) {
            (None, None) => self.client == other.client,
            (one, other) => one == other,
        }
    }

    /// Returns true if it is the same client, reconnected.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.user == other.user && self.client.is_some() && self.client == other.client
    }

    /// Returns its names, for a refusal's text.
    pub(crate) fn display_name(&self) -> String {
        let clip = |text: &str| {
            text.chars()
                .take(48)
                .collect::<String>()
                .escape_debug()
                .to_string()
        };
        match (&self.client, &self.user) {
            (Some(client), Some(user)) => {
                format!("client '{}' of user '{}'", clip(client), clip(user))
            }
            (Some(client), None) => format!("client '{}'", clip(client)),
            (None, Some(user)) => format!("user '{}'", clip(user)),
            (None, None) => "a client without a name".to_owned(),
        }
    }
}
