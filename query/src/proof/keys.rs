//! The file with the keys of the transparency log: it is made at the first start, and only its owner reads it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use greenpark_proof::{
    key::{KeyError, SignerKey},
    policy::{Policy, PolicyError},
};

/// The head of a new file.
const HEAD: &str = "# Keys that sign the transparency log. Keep them secret, and keep a copy apart from the lake.\n";

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// The file cannot be read or written.
    #[error("'{}' cannot be used for the keys of the transparency log", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Others may read the file.
    #[error("'{}' may be read by others (mode {mode:03o}): its keys sign for you; chmod 600 it", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line is no key.
    #[error("'{}', line {line}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The cause.
        #[source]
        source: KeyError,
    },
    /// The keys do not make a policy.
    #[error("'{}' {source}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: PolicyError,
    },
    /// No key can be made.
    #[error("a key of the transparency log cannot be made")]
    Make(#[from] KeyError),
}

/// The keys of a log and the policy that verifies with them.
#[derive(Debug)]
pub(crate) struct LogKeys {
    pub(crate) signers: Vec<SignerKey>,
    pub(crate) policy: Policy,
}

impl LogKeys {
    /// Reads the keys of the file at `path`, which is made with new keys if it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, KeyFileError> {
        let file = |source| KeyFileError::File {
            path: path.to_owned(),
            source,
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path).map_err(file)?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    let path = path.to_owned();
                    return Err(KeyFileError::Mode { path, mode });
                }
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = SignerKey::generate_log()?;
                let lines: Vec<String> = keys.iter().map(|key| key.secret_text() + "\n").collect();
                let text = HEAD.to_owned() + &lines.concat();
                create(path, &text).map_err(file)?;
                text
            }
            Err(error) => return Err(file(error)),
        };
        Self::read(path, &text)
    }

    fn read(path: &Path, text: &str) -> Result<Self, KeyFileError> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
        let keys = lines.map(|(line, text)| {
            text.parse().map_err(|source| KeyFileError::Key {
                path: path.to_owned(),
                line,
                source,
            })
        });
        let signers: Vec<SignerKey> = keys.collect::<Result<_, _>>()?;
        let public = signers.iter().map(|key| key.verifier().clone());
        let policy = Policy::new(public.collect()).map_err(|source| KeyFileError::Policy {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { signers, policy })
    }
}

/// Writes a new file durably, for its owner alone.
fn create(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    File::open(folder_of(path))?.sync_all()
}

/// The folder that holds the file at `path`.
pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys/proof.key");
        let made = LogKeys::open(&path).expect("made");
        let read = LogKeys::open(&path).expect("read");
        assert_eq!(made.policy, read.policy);
        assert_eq!(made.policy.keys().len(), 2);
        assert!(made.policy.origin().starts_with("greenpark/"));
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn a_file_that_others_read_or_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("proof.key");
        LogKeys::open(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
        let error = LogKeys::open(&path)
            .expect_err("others read it")
            .to_string();
        assert!(
            error.contains("(mode 640)") && error.contains("chmod 600"),
            "{error}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        fs::write(&path, "# nothing\n\nPRIVATE+KEY+x\n").expect("written");
        let error = LogKeys::open(&path).expect_err("no key").to_string();
        assert!(error.contains("proof.key', line 3: is no key"), "{error}");
        fs::write(&path, "").expect("written");
        let error = LogKeys::open(&path).expect_err("no key").to_string();
        assert!(error.contains("one line `log KEY`"), "{error}");
    }
}
