//! Reads one TOML file with environment overrides and reports every mistake at once.
//!
//! A [`Document`] is read section by section. Every key of a section is checked separately, so one mistake does not hide
//! the next; a section's type therefore has a default for each field (`#[serde(default, deny_unknown_fields)]`). A
//! variable `GREENPARK__LISTEN__LINGER=2ms` overrides `linger` of `[listen]`; its text is a TOML value, or else a string.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The prefix of environment variables that override a setting.
pub const ENVIRONMENT_PREFIX: &str = "GREENPARK__";

/// Settings while they are read.
#[derive(Debug)]
pub struct Document {
    origin: String,
    sections: Table,
    overrides: BTreeMap<Vec<String>, Override>,
    known: BTreeSet<String>,
    problems: Vec<String>,
}

#[derive(Debug)]
struct Override {
    variable: String,
    text: String,
}

/// Everything that is wrong with the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Mistakes(pub Vec<String>);

impl Document {
    /// Reads `file`, if there is one, and the overrides in `environment`. Mistakes are kept for [`Document::finish`].
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut document = Self {
            origin: file.map_or("settings".to_owned(), |f| f.display().to_string()),
            sections: Table::new(),
            overrides: BTreeMap::new(),
            known: BTreeSet::new(),
            problems: Vec::new(),
        };
        if let Some(file) = file {
            document.read(file);
        }
        for (variable, text) in environment {
            let Some(path) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            let path: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
            if path.len() < 2 || path.iter().any(String::is_empty) {
                let expected = format!("write {ENVIRONMENT_PREFIX}SECTION__KEY");
                document
                    .problems
                    .push(format!("{variable}: names no setting; {expected}"));
                continue;
            }
            document.overrides.insert(path, Override { variable, text });
        }
        document
    }

    fn read(&mut self, file: &Path) {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                self.problems
                    .push(format!("{}: cannot be read: {error}", self.origin));
                return;
            }
        };
        match text.parse::<Table>() {
            Ok(sections) => self.sections = sections,
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                let line = 1 + text.bytes().take(start).filter(|&b| b == b'\n').count();
                let reason = error.message();
                self.problems
                    .push(format!("{}: line {line}: {reason}", self.origin));
            }
        }
    }

    /// Reads the section `[name]`; missing keys have their defaults. Wrong keys are left out and become problems.
    pub fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.known.insert(name.to_owned());
        let mut good = Table::new();
        match self.sections.remove(name) {
            None => {}
            Some(Value::Table(table)) => {
                for (path, value) in leaves(table) {
                    match check::<T>(&path, value.clone()) {
                        Ok(()) => insert(&mut good, &path, value),
                        Err(reason) => {
                            let key = path.join(".");
                            self.problems
                                .push(format!("{}: {name}.{key}: {reason}", self.origin));
                        }
                    }
                }
            }
            Some(other) => {
                let found = other.type_str();
                let problem = format!(
                    "{}: {name}: is a {found}, not a section [{name}]",
                    self.origin
                );
                self.problems.push(problem);
            }
        }
        self.override_section::<T>(name, &mut good);
        match Value::Table(good).try_into() {
            Ok(section) => section,
            Err(error) => {
                self.problems
                    .push(format!("{}: [{name}]: {}", self.origin, error.message()));
                T::default()
            }
        }
    }

    fn override_section<T: DeserializeOwned>(&mut self, name: &str, good: &mut Table) {
        let mine = |path: &Vec<String>, _: &mut Override| path[0] == name;
        for (path, set) in self.overrides.extract_if(.., mine) {
            let key = &path[1..];
            let mut reason = String::new();
            let readings = [parse(&set.text), Some(Value::String(set.text.clone()))];
            let taken = readings.into_iter().flatten().find(|value| {
                check::<T>(key, value.clone())
                    .map_err(|why| reason = why)
                    .is_ok()
            });
            match taken {
                Some(value) => insert(good, key, value),
                None => self.problems.push(format!("{}: {reason}", set.variable)),
            }
        }
    }

    /// Returns true if the file or the environment has anything of `[name]`; call it before the section is read.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        self.sections.contains_key(name) || self.overrides.keys().any(|path| path[0] == name)
    }

    /// Returns the list to which checks of values add their problems.
    pub fn problems(&mut self) -> &mut Vec<String> {
        &mut self.problems
    }

    /// Finishes reading.
    ///
    /// # Errors
    /// [`Mistakes`] lists everything that was wrong, including unknown sections.
    pub fn finish(mut self) -> Result<(), Mistakes> {
        let known = self
            .known
            .iter()
            .map(|name| format!("[{name}]"))
            .collect::<Vec<_>>()
            .join(", ");
        for name in self.sections.keys() {
            let problem = format!(
                "{}: {name}: unknown section; known are {known}",
                self.origin
            );
            self.problems.push(problem);
        }
        for set in self.overrides.values() {
            self.problems.push(format!(
                "{}: unknown section; known are {known}",
                set.variable
            ));
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Mistakes(self.problems))
        }
    }
}

/// Lists every key of `table` that is not itself a table, with its path.
fn leaves(table: Table) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                for (mut path, value) in leaves(inner) {
                    path.insert(0, key.clone());
                    found.push((path, value));
                }
            }
            value => found.push((vec![key], value)),
        }
    }
    found
}

/// Checks `value` at `path` against a section of type `T`.
fn check<T: DeserializeOwned>(path: &[String], value: Value) -> Result<(), String> {
    let mut alone = Table::new();
    insert(&mut alone, path, value);
    Value::Table(alone)
        .try_into::<T>()
        .map(drop)
        .map_err(|error| error.message().to_owned())
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return;
    }
    let inner = table
        .entry(key.clone())
        .or_insert_with(|| Value::Table(Table::new()));
    if !inner.is_table() {
        *inner = Value::Table(Table::new());
    }
    if let Some(inner) = inner.as_table_mut() {
        insert(inner, rest, value);
    }
}

/// Parses `text` as a TOML value, if it is one.
fn parse(text: &str) -> Option<Value> {
    format!("value = {text}")
        .parse::<Table>()
        .ok()?
        .remove("value")
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::SocketAddr};

    use serde::Deserialize;

    use super::*;
    use greenpark_settings::{size::Size, span::Span};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Listen {
        address: SocketAddr,
        linger: Span,
        window: Size,
        name: String,
        limits: Limits,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Limits {
        connections: u32,
    }

    impl Default for Listen {
        fn default() -> Self {
            Self {
                address: SocketAddr::from(([127, 0, 0, 1], 1883)),
                linger: Span::default(),
                window: Size(1),
                name: String::new(),
                limits: Limits::default(),
            }
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("room on the disk");
        file
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let file = file(
            "[listen]\naddress = \"nowhere\"\nlingr = \"1s\"\nwindow = \"1MB\"\n\
             limits = { connections = -1 }\n[lisen]\nx = 1\n",
        );
        let environment = [
            ("GREENPARK__LISTEN__LINGER".to_owned(), "soon".to_owned()),
            ("GREENPARK__NOTHING__X".to_owned(), "1".to_owned()),
            ("GREENPARK__LISTEN".to_owned(), "1".to_owned()),
            ("PATH".to_owned(), "/bin".to_owned()),
        ];
        let mut document = Document::load(Some(file.path()), environment);
        let listen: Listen = document.section("listen");
        document.problems().push("listen.name: is empty".to_owned());
        assert_eq!(listen, Listen::default());
        let mistakes = document.finish().expect_err("nine mistakes").0;
        let named = [
            "GREENPARK__LISTEN: names no setting",
            "listen.address: ",
            "listen.lingr: unknown field",
            "listen.window: '1MB' is no size",
            "listen.limits.connections: ",
            "GREENPARK__LISTEN__LINGER: 'soon' is no duration",
            "listen.name: is empty",
            "lisen: unknown section; known are [listen]",
            "GREENPARK__NOTHING__X: unknown section",
        ];
        assert_eq!(mistakes.len(), named.len(), "{mistakes:#?}");
        for name in named {
            assert!(
                mistakes.iter().any(|m| m.contains(name)),
                "{name} is not in {mistakes:#?}"
            );
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let file = file("[listen]\nlinger = \"1s\"\nwindow = \"64KiB\"\n");
        let environment = [
            ("GREENPARK__LISTEN__LINGER", "2ms"),
            ("GREENPARK__LISTEN__LIMITS__CONNECTIONS", "7"),
            ("GREENPARK__LISTEN__NAME", "12"),
        ];
        let environment = environment.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut document = Document::load(Some(file.path()), environment);
        let listen: Listen = document.section("listen");
        document.finish().expect("no mistakes");
        assert_eq!(listen.linger.to_string(), "2ms");
        assert_eq!(listen.window, Size(64 << 10));
        assert_eq!(listen.limits.connections, 7);
        assert_eq!(listen.name, "12");
    }

    #[test]
    fn a_file_that_is_no_toml_is_told_with_its_line() {
        let broken = file("[listen]\nlinger = \n");
        let mut document = Document::load(Some(broken.path()), []);
        let _: Listen = document.section("listen");
        let mistakes = document.finish().expect_err("a syntax error").0;
        assert!(mistakes[0].contains("line 2"), "{mistakes:?}");
        let document = Document::load(Some(Path::new("/nonexistent/greenpark.toml")), []);
        assert!(document.finish().is_err());
    }
}
