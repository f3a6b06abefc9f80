//! Reads the entries of a TOML file and reports all of its mistakes at once.
//!
//! People write data files, and they prefer to learn of five mistakes at once. So an entry is read field by field: a
//! field that is missing, of another type, unreadable or unknown is noted with its entry, and reading continues. Only
//! a text that is not TOML ends the reading.

use std::{fmt, path::Path};

use greenpark_model::day::CivilDay;
use rust_decimal::Decimal;
use toml::{Table, Value};

/// One mistake in a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The entry, such as `target 2`; empty for the head of the file.
    pub entry: String,
    /// The name of the field.
    pub field: String,
    /// The problem with the field.
    pub problem: String,
}

/// All mistakes of one file, at least one, in the order of the file's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMistakes(Vec<Mistake>);

/// A file while it is read.
pub(crate) struct Document {
    root: Table,
    mistakes: Vec<Mistake>,
}

/// A table of the file while its fields are read and removed.
pub(crate) struct Entry<'a> {
    label: &'a str,
    table: &'a mut Table,
    mistakes: &'a mut Vec<Mistake>,
}

/// The first and the last day on which an entry is valid; no last day if it is still valid.
pub(crate) type Validity = (CivilDay, Option<CivilDay>);

impl FileMistakes {
    /// All mistakes.
    #[must_use]
    pub fn all(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.entry.is_empty() {
            write!(f, "{}, ", self.entry)?;
        }
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl fmt::Display for FileMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl Document {
    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        Ok(Self {
            root: toml::from_str(text)?,
            mistakes: Vec::new(),
        })
    }

    /// The head of the file: the fields before the first list.
    pub(crate) fn head(&mut self) -> Entry<'_> {
        Entry {
            label: "",
            table: &mut self.root,
            mistakes: &mut self.mistakes,
        }
    }

    /// Reads the entries `[[name]]` with `read` and numbers them from 1. Unreadable entries are left out, and a file
    /// may have no entries.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        read: impl Fn(&mut Entry<'_>) -> Option<T>,
    ) -> Vec<(usize, T)> {
        let entries = match self.root.remove(name) {
            None => return Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(_) => {
                self.note("", name, format!("is no list; write [[{name}]]"));
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for (number, entry) in (1..).zip(entries) {
            let label = format!("{name} {number}");
            let Value::Table(mut table) = entry else {
                self.note("", name, format!("entry {number} is no table"));
                continue;
            };
            let read = read(&mut Entry {
                label: &label,
                table: &mut table,
                mistakes: &mut self.mistakes,
            });
            for field in table.keys() {
                self.note(&label, field, "is unknown".to_owned());
            }
            found.extend(read.map(|entry| (number, entry)));
        }
        found
    }

    pub(crate) fn note(&mut self, entry: &str, field: &str, problem: String) {
        self.mistakes.push(Mistake {
            entry: entry.to_owned(),
            field: field.to_owned(),
            problem,
        });
    }

    /// Returns `read` if the whole file has no mistake. Call it after reading every field.
    pub(crate) fn finish<T>(mut self, read: Option<T>) -> Result<T, FileMistakes> {
        let unknown: Vec<String> = self.root.keys().cloned().collect();
        for field in unknown {
            self.note("", &field, "is unknown".to_owned());
        }
        match read {
            Some(read) if self.mistakes.is_empty() => Ok(read),
            _ => Err(FileMistakes(self.mistakes)),
        }
    }
}

/// A data file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("'{path}' cannot be read")]
    Read {
        /// The file.
        path: String,
        /// The underlying error.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("'{path}' is no file of {what}")]
    Parse {
        /// The content that the file should have.
        what: &'static str,
        /// The file.
        path: String,
        /// The underlying error.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file has mistakes.
    #[error("'{path}': {mistakes}")]
    Wrong {
        /// The file.
        path: String,
        /// Every mistake of the file.
        mistakes: FileMistakes,
    },
    /// No file has the requested set.
    #[error("there is no set '{id}'; there are {known}")]
    Unknown {
        /// The requested id.
        id: String,
        /// The known ids.
        known: String,
    },
}

impl FileError {
    /// Reads the text of `file`.
    pub(crate) fn read(file: &Path) -> Result<String, Self> {
        std::fs::read_to_string(file).map_err(|source| Self::Read {
            path: file.display().to_string(),
            source,
        })
    }

    pub(crate) fn parse(what: &'static str, path: &str) -> impl FnOnce(toml::de::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Parse {
            what,
            path,
            source: Box::new(source),
        }
    }

    pub(crate) fn wrong(path: &str) -> impl FnOnce(FileMistakes) -> Self {
        let path = path.to_owned();
        move |mistakes| Self::Wrong { path, mistakes }
    }
}

impl Entry<'_> {
    pub(crate) fn wrong(&mut self, field: &str, problem: String) {
        self.mistakes.push(Mistake {
            entry: self.label.to_owned(),
            field: field.to_owned(),
            problem,
        });
    }

    /// The text fields that were not read yet.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.table.iter();
        all.filter_map(|(field, value)| Some((field.as_str(), value.as_str()?)))
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.table.contains_key(field)
    }

    /// Parses the text of the field; `None` if it is missing or wrong.
    pub(crate) fn optional<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match self.table.remove(field)? {
            Value::String(text) => parse(text.trim()),
            other => Err(format!("is of type {}, not a text", other.type_str())),
        };
        parsed.map_err(|problem| self.wrong(field, problem)).ok()
    }

    /// Like [`Entry::optional`], but a missing field is a mistake.
    pub(crate) fn required<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(field) {
            self.wrong(field, "is missing".to_owned());
        }
        self.optional(field, parse)
    }

    /// Reads a text that is not empty.
    pub(crate) fn text(&mut self, field: &str) -> Option<String> {
        self.required(field, |text| {
            if text.is_empty() {
                return Err("is empty".to_owned());
            }
            Ok(text.to_owned())
        })
    }

    /// Reads a year as a whole number.
    pub(crate) fn year(&mut self, field: &str) -> Option<i16> {
        let year = match self.table.remove(field) {
            None => Err("is missing".to_owned()),
            Some(Value::Integer(year)) => i16::try_from(year)
                .ok()
                .filter(|year| crate::limits::YEARS.contains(year))
                .ok_or_else(|| format!("{year} is no year from 2000 to 2199")),
            Some(other) => Err(format!(
                "is of type {}, not a whole number",
                other.type_str()
            )),
        };
        year.map_err(|problem| self.wrong(field, problem)).ok()
    }

    /// Reads `valid_from` and `valid_to`.
    pub(crate) fn validity(&mut self) -> Option<Validity> {
        let first = self.required("valid_from", day);
        let has_last = self.has("valid_to");
        let last = self.optional("valid_to", day);
        let first = first?;
        if has_last && last? < first {
            self.wrong("valid_to", format!("is before valid_from, {first}"));
            return None;
        }
        Some((first, last))
    }

    /// Reads `status` and `source` as the one text that results carry.
    pub(crate) fn source(&mut self) -> Option<String> {
        let (status, source) = (self.text("status"), self.text("source"));
        Some(format!("[{}] {}", status?, source?))
    }
}

/// Parses a civil day.
pub(crate) fn day(text: &str) -> Result<CivilDay, String> {
    text.parse()
        .map_err(|error: greenpark_model::day::TimeError| error.to_string())
}

/// Parses a decimal above zero.
pub(crate) fn positive(text: &str) -> Result<Decimal, String> {
    text.parse()
        .ok()
        .filter(|value| *value > Decimal::ZERO)
        .ok_or_else(|| format!("'{text}' is no decimal above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_with_its_entry_and_field() {
        let text = "id = 3\nspare = 1\n[[factor]]\nvalue = \"-1\"\nvalid_from = \"2024-02-01\"\n\
                    valid_to = \"2024-01-01\"\nodd = true\n[[factor]]\nvalue = \"2\"\n\
                    valid_from = \"yesterday\"\n";
        let mut document = Document::parse(text).expect("TOML");
        let id = document.head().text("id");
        let read = document.list("factor", |entry| {
            let value = entry.required("value", positive);
            let days = entry.validity();
            let source = entry.source();
            Some((value?, days?, source?))
        });
        assert!(id.is_none() && read.is_empty());
        let mistakes = document.finish(Some(())).expect_err("wrong");
        let texts: Vec<String> = mistakes.all().iter().map(Mistake::to_string).collect();
        assert_eq!(
            texts,
            [
                "id: is of type integer, not a text",
                "factor 1, value: '-1' is no decimal above 0",
                "factor 1, valid_to: is before valid_from, 2024-02-01",
                "factor 1, status: is missing",
                "factor 1, source: is missing",
                "factor 1, odd: is unknown",
                "factor 2, valid_from: 'yesterday' is no day; write 2026-11-23",
                "factor 2, status: is missing",
                "factor 2, source: is missing",
                "spare: is unknown",
            ]
        );
    }

    #[test]
    fn a_list_of_another_type_is_a_mistake_and_a_missing_one_is_empty() {
        let mut document = Document::parse("factor = 1\n").expect("TOML");
        assert!(document.list("other", |_| Some(())).is_empty());
        assert!(document.list("factor", |_| Some(())).is_empty());
        let mistakes = document.finish(Some(())).expect_err("wrong").to_string();
        assert_eq!(mistakes, "factor: is no list; write [[factor]]");
    }
}
