//! A sign-in file: where a service answers and who asks, so that a command needs one argument instead of four.
//!
//! ```toml
//! grpc = "127.0.0.1:50051"
//! ca = "ca.pem"              # relative to the folder of this file
//! certificate = "operator.pem"
//! key = "operator.key"       # or token_file = "token"
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What a sign-in file says. Each part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignIn {
    /// The address of the query service.
    pub grpc: Option<String>,
    /// PEM file of the authority that signed the service's certificate.
    pub ca: Option<PathBuf>,
    /// PEM file of our own certificate.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// A file with our token or JSON web token.
    pub token_file: Option<PathBuf>,
}

impl SignIn {
    /// Reads `path`. The files that it names are relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or says something else or half of it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
        let mut read: Self =
            toml::from_str(&text).with_context(|| format!("{shown} is no sign-in file"))?;
        if read.certificate.is_some() != read.key.is_some() {
            anyhow::bail!("{shown}: certificate and key are given together or not at all");
        }
        if read.certificate.is_some() && read.ca.is_none() {
            anyhow::bail!("{shown}: a certificate needs ca, the authority of the service");
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = [
            &mut read.ca,
            &mut read.certificate,
            &mut read.key,
            &mut read.token_file,
        ];
        for file in files.into_iter().flatten() {
            *file = folder.join(&*file);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<SignIn> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("li.toml");
        fs::write(&path, text).expect("written");
        let read = SignIn::read(&path)?;
        let outside = |file: &Option<PathBuf>| {
            file.as_ref()
                .map(|file| file.strip_prefix(folder.path()).unwrap_or(file).to_owned())
        };
        Ok(SignIn {
            ca: outside(&read.ca),
            certificate: outside(&read.certificate),
            key: outside(&read.key),
            token_file: outside(&read.token_file),
            grpc: read.grpc,
        })
    }

    #[test]
    fn files_are_relative_to_the_folder_of_the_sign_in_file() {
        let text = "grpc = 'park:1'\nca = 'ca.pem'\ncertificate = '/etc/li.pem'\nkey = 'li.key'\n";
        let expected = SignIn {
            grpc: Some("park:1".to_owned()),
            ca: Some("ca.pem".into()),
            certificate: Some("/etc/li.pem".into()),
            key: Some("li.key".into()),
            token_file: None,
        };
        assert_eq!(read(text).expect("right"), expected);
    }

    #[test]
    fn a_mistake_is_named_with_the_file() {
        for (text, said) in [
            ("grcp = 'park:1'", "grcp"),
            ("certificate = 'a.pem'", "together"),
            ("certificate = 'a.pem'\nkey = 'a.key'", "needs ca"),
            ("ca = 1", "li.toml"),
        ] {
            let error = format!("{:#}", read(text).expect_err(text));
            assert!(error.contains(said) && error.contains("li.toml"), "{error}");
        }
    }
}
