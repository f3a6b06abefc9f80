//! Tables of an archive's snapshot for DataFusion: exactly the snapshot's files, with partition values from
//! their names.
//!
//! `readings` has the columns of the files and two from their names: `day`, and `file`, the file's position in
//! the order of the log (sealed before hot, hot by offset). Filters on `day`, `enterprise` and `file` drop files
//! before any is opened; filters on other columns are pushed down into the Parquet reader.
//!
//! Rows of a file are sorted by enterprise and meter, then by the code of the quantity and not by its text. So the
//! table declares only the first two as its order, and only if each scanned group is a single file.

use std::{collections::HashSet, fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, StringArray, UInt32Array, UInt64Array},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{
        Column, DFSchema, ScalarValue, Statistics, project_schema, pruning::PruningStatistics,
        stats::Precision,
    },
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    error::Result,
    logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction},
    physical_expr::{LexOrdering, PhysicalSortExpr, expressions::col},
    physical_optimizer::pruning::PruningPredicateBuilder,
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use greenpark_archive::{file::ReadingsFile, snapshot::Snapshot};
use greenpark_model::day::CivilDay;

use crate::lake::parquet_files::{LakeFiles, store_url};

/// The column with the position of a row's file.
pub(crate) const FILE_COLUMN: &str = "file";

/// One file of a table.
#[derive(Debug, Clone)]
struct TableFile {
    /// The path within the lake.
    path: String,
    size: u64,
    rows: u64,
    /// The day and position of a readings file.
    place: Option<(CivilDay, u32)>,
    /// The enterprise of all rows, if the file name has it.
    enterprise: Option<String>,
}

/// The files of one table of a snapshot.
#[derive(Debug)]
pub(crate) struct LakeTable {
    schema: TableSchema,
    files: Vec<TableFile>,
    /// Columns that every file is sorted by.
    sorted_by: &'static [&'static str],
}

fn text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn register() -> DataType {
    DataType::Decimal128(18, 6)
}

/// The columns of a readings file. Few files have the last three; in others they read as null.
pub(crate) fn readings_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("enterprise", text(), false),
        Field::new("meter", text(), false),
        Field::new("quantity", text(), false),
        Field::new("kind", text(), false),
        Field::new("instant", instant(), false),
        Field::new("value", register(), false),
        Field::new("flag", text(), false),
        Field::new("superseded", DataType::Boolean, false),
        Field::new("ticket", text(), true),
        Field::new("late_received", instant(), true),
        Field::new("late_gateway", text(), true),
    ]))
}

/// The counts of a totals row, in decoding order.
pub(crate) const TOTALS_COUNTS: [&str; 9] = [
    "rollovers",
    "replacements",
    "resets",
    "jumps",
    "glitches",
    "invalid",
    "manual",
    "duplicates",
    "conflicts",
];

impl LakeTable {
    /// The table as a statement takes it.
    pub(crate) fn provider(self) -> Arc<dyn TableProvider> {
        Arc::new(self)
    }

    /// The readings of `files`, given in the order of the log. A row's `file` is the index of its file.
    pub(crate) fn readings<'a>(
        files: impl IntoIterator<Item = (&'a Snapshot, &'a ReadingsFile)>,
    ) -> Self {
        let files = files
            .into_iter()
            .zip(0u32..)
            .map(|((snapshot, file), place)| TableFile {
                path: format!("{}/{}", snapshot.readings_root(), file.path),
                size: file.size,
                rows: file.rows,
                place: Some((file.day, place)),
                enterprise: file.sealed().map(|(enterprise, _)| enterprise.to_string()),
            })
            .collect();
        let partitions = vec![
            Arc::new(Field::new("day", DataType::Date32, false)),
            Arc::new(Field::new(FILE_COLUMN, DataType::UInt32, false)),
        ];
        let schema = TableSchema::builder(readings_schema())
            .with_table_partition_cols(partitions)
            .build();
        Self {
            schema,
            files,
            sorted_by: &["enterprise", "meter"],
        }
    }

    /// The totals of `snapshot` from seals after number `after`.
    pub(crate) fn totals(snapshot: &Snapshot, after: i64) -> Self {
        let files = snapshot.totals_files.iter();
        let files = files.filter(|file| file.seal > after);
        Self::of(
            greenpark_archive::totals::schema(),
            &snapshot.totals_root(),
            files.map(|file| (file.path.as_str(), file.size, file.rows)),
        )
    }

    /// The rollups of `snapshot`.
    pub(crate) fn rollups(snapshot: &Snapshot) -> Self {
        let files = snapshot.rollups_files.iter();
        Self::of(
            greenpark_archive::rollups::schema(),
            &snapshot.rollups_root(),
            files.map(|file| (file.path.as_str(), file.size, file.rows)),
        )
    }

    /// A table of files below `root`, given as path, size and rows, without partition values.
    fn of<'a>(
        schema: SchemaRef,
        root: &str,
        files: impl Iterator<Item = (&'a str, u64, u64)>,
    ) -> Self {
        let files = files.map(|(path, size, rows)| TableFile {
            path: format!("{root}/{path}"),
            size,
            rows,
            place: None,
            enterprise: None,
        });
        Self {
            schema: TableSchema::from(schema),
            files: files.collect(),
            sorted_by: &[],
        }
    }

    /// The files that may hold rows that pass `filters`.
    fn pruned(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&TableFile>> {
        let all = || self.files.iter().collect();
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(all());
        };
        let schema = self.schema.table_schema();
        let logical = DFSchema::try_from(schema.as_ref().clone())?;
        let Ok(predicate) = state
            .create_physical_expr(filter, &logical)
            .and_then(|physical| {
                PruningPredicateBuilder::new()
                    .with_file_schema(Arc::clone(schema))
                    .try_build(physical)
            })
        else {
            return Ok(all());
        };
        let kept = predicate.prune(&FileStatistics(&self.files))?;
        Ok(self
            .files
            .iter()
            .zip(kept)
            .filter(|(_, kept)| *kept)
            .map(|(file, _)| file)
            .collect())
    }

    /// Splits `files`, in order, into at most `threads` groups.
    fn groups(&self, files: &[&TableFile], threads: usize) -> Vec<FileGroup> {
        let each = files.len().div_ceil(threads.max(1)).max(1);
        files
            .chunks(each)
            .map(|files| FileGroup::new(files.iter().map(|file| self.partitioned(file)).collect()))
            .collect()
    }

    fn partitioned(&self, file: &TableFile) -> PartitionedFile {
        let values = match file.place {
            Some((day, place)) => vec![
                ScalarValue::Date32(Some(day.epoch_days())),
                ScalarValue::UInt32(Some(place)),
            ],
            None => Vec::new(),
        };
        // The footer of each file names its columns: not every file has every column.
        PartitionedFile::new(file.path.clone(), file.size).with_partition_values(values)
    }

    fn ordering(&self) -> Result<Vec<LexOrdering>> {
        let schema = self.schema.table_schema();
        let columns = self
            .sorted_by
            .iter()
            .map(|name| Ok(PhysicalSortExpr::new_default(col(name, schema)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(LexOrdering::new(columns).into_iter().collect())
    }

    fn statistics_of(&self, files: &[&TableFile]) -> Statistics {
        let sum = |count: fn(&TableFile) -> u64| {
            let total = files.iter().map(|file| count(file)).sum::<u64>();
            usize::try_from(total).unwrap_or(usize::MAX)
        };
        Statistics::new_unknown(self.schema.table_schema())
            .with_num_rows(Precision::Exact(sum(|file| file.rows)))
            .with_total_byte_size(Precision::Inexact(sum(|file| file.size)))
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // The filter stays above the scan until the physical optimizer moves it into the reader.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics_of(&self.files.iter().collect::<Vec<_>>()))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.pruned(state, filters)?;
        if files.is_empty() {
            // A scan without files has no partition, and a sort above it needs one.
            let schema = project_schema(self.schema.table_schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let groups = self.groups(&files, state.config().target_partitions());
        let single = groups.iter().all(|group| group.len() == 1);
        let store = state.runtime_env().object_store(store_url())?;
        let source = ParquetSource::new(self.schema.clone())
            .with_parquet_file_reader_factory(Arc::new(LakeFiles(store)))
            .with_pushdown_filters(true);
        let mut config = FileScanConfigBuilder::new(store_url(), Arc::new(source))
            .with_statistics(self.statistics_of(&files))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit);
        if single && !self.sorted_by.is_empty() {
            config = config.with_output_ordering(self.ordering()?);
        }
        Ok(DataSourceExec::from_data_source(config.build()))
    }
}

/// Statistics from file names, for pruning.
struct FileStatistics<'a>(&'a [TableFile]);

impl FileStatistics<'_> {
    fn values(&self, column: &Column) -> Option<ArrayRef> {
        match column.name.as_str() {
            "day" => {
                let days = self
                    .0
                    .iter()
                    .map(|f| f.place.map(|(day, _)| day.epoch_days()));
                Some(Arc::new(days.collect::<Date32Array>()))
            }
            FILE_COLUMN => {
                let places = self.0.iter().map(|f| f.place.map(|(_, place)| place));
                Some(Arc::new(places.collect::<UInt32Array>()))
            }
            "enterprise" => {
                let names = self.0.iter().map(|f| f.enterprise.as_deref());
                Some(Arc::new(names.collect::<StringArray>()))
            }
            _ => None,
        }
    }
}

impl PruningStatistics for FileStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        Some(Arc::new(
            self.0.iter().map(|_| Some(0)).collect::<UInt64Array>(),
        ))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(
            self.0
                .iter()
                .map(|file| Some(file.rows))
                .collect::<UInt64Array>(),
        ))
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if column.name != "enterprise" {
            return None;
        }
        let holds = |enterprise: &str| {
            values
                .iter()
                .any(|value| value.try_as_str().flatten() == Some(enterprise))
        };
        // A sealed file has one enterprise, so either all of its rows match or none.
        Some(
            self.0
                .iter()
                .map(|file| file.enterprise.as_deref().map(holds))
                .collect(),
        )
    }
}

impl fmt::Debug for FileStatistics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files", self.0.len())
    }
}
