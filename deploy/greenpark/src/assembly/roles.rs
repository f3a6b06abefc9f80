//! The roles of a process: the services that it runs.

/// Which services a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// Every one.
    All,
    /// Ingest alone.
    Ingest,
    /// The processor alone.
    Processor,
    /// The query service alone.
    Query,
}

impl Roles {
    pub(super) fn ingests(self) -> bool {
        matches!(self, Self::All | Self::Ingest)
    }

    pub(super) fn processes(self) -> bool {
        matches!(self, Self::All | Self::Processor)
    }

    pub(super) fn answers(self) -> bool {
        matches!(self, Self::All | Self::Query)
    }
}
