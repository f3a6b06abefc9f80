//! The transparency log of a lake: its leaves, its tree and its checkpoints.
//!
//! # The `transparency` folder
//! - `appends/<start>.json`: what one append added to the first `start` leaves: its leaves, the signed checkpoint, and
//!   [how far](Published) the lake is published. It is created once, so of two writers one is refused.
//! - `tile/…`: the tree and the leaves, as C2SP `tlog-tiles` lays them out. They are made of the appends, and after a
//!   crash they are made again.
//! - `checkpoint`: the newest checkpoint, for readers.
//!
//! An append is durable when its file is. Only then its tiles and the checkpoint are written, so a checkpoint that
//! anybody saw is never taken back.

pub mod published;

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Range as Places,
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use greenpark_proof::{
    checkpoint::{Checkpoint, CheckpointError},
    edge::{Edge, subtree_root},
    hash::Hash,
    leaf::Leaf,
    note::Note,
    tile::{self, TILE_WIDTH, Tile, TileKind},
    tree::{self, Node},
};
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use serde::{Deserialize, Serialize};

pub use self::published::Published;
use crate::{
    error::LakeReadError,
    lake::{Lake, inventory::CHECKPOINT},
    store::Storage,
};

/// The log's folder in the lake.
pub(crate) const ROOT: &str = "transparency";
/// Appends that are kept beyond the newest, so that a writer that stood still for long is refused.
const APPENDS_KEPT: usize = 4_096;

/// Why leaves were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another writer appended first: read what is published, and append what is missing.
    #[error("another writer has appended to the transparency log; try again")]
    Moved,
    /// A leaf is longer than a tile can hold.
    #[error("'{0}' has too long a name for the transparency log")]
    Long(String),
    /// The checkpoint was not signed.
    #[error("the checkpoint cannot be signed")]
    Sign(#[from] CheckpointError),
    /// The append cannot be written.
    #[error("'{path}' cannot be written; check the disk")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
    /// The log cannot be read.
    #[error("the transparency log cannot be read")]
    Read(#[from] LakeReadError),
}

/// What one append added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Append {
    start: u64,
    leaves: Vec<String>,
    checkpoint: String,
    published: Published,
}

impl Append {
    fn end(&self) -> u64 {
        self.start + self.leaves.len() as u64
    }

    fn hashes(&self) -> Vec<Hash> {
        let leaves = self.leaves.iter();
        leaves.map(|leaf| Hash::of_leaf(leaf.as_bytes())).collect()
    }
}

/// The transparency log, at the state that was read or written last.
#[derive(Debug)]
pub struct TransparencyLog {
    storage: Storage,
    edge: Edge,
    /// The leaves of the last tile, if it is not full.
    last_leaves: Vec<String>,
    checkpoint: Option<Note>,
    published: Published,
    /// The starts of the appends that exist.
    appends: Vec<u64>,
}

impl Lake {
    /// Opens the transparency log, and writes what a crash left out.
    ///
    /// # Errors
    /// [`AppendError`] if it cannot be read or written.
    pub async fn transparency(&self) -> Result<TransparencyLog, AppendError> {
        TransparencyLog::open(self.storage()).await
    }
}

impl TransparencyLog {
    async fn open(storage: &Storage) -> Result<Self, AppendError> {
        let mut log = Self {
            storage: storage.clone(),
            edge: Edge::default(),
            last_leaves: Vec::new(),
            checkpoint: None,
            published: Published::default(),
            appends: appends(storage).await?,
        };
        // A copy may lack the tiles of several appends: they are made again from the last state that is whole.
        let mut first = log.appends.len();
        while first > 0 {
            first -= 1;
            let Some((edge, leaves)) = log.state_at(log.appends[first]).await? else {
                continue;
            };
            (log.edge, log.last_leaves) = (edge, leaves);
            break;
        }
        for start in log.appends.split_off(first) {
            let append = log.read_append(start).await?;
            if start != log.size() {
                return Err(log.broken(&append_path(start), "does not follow the append before it"));
            }
            log.apply(append).await?;
        }
        Ok(log)
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The newest checkpoint; `None` before the first append.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Note> {
        self.checkpoint.as_ref()
    }

    /// How far the lake is published.
    #[must_use]
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// Appends leaves durably, with the state that they reach, under a checkpoint of `origin` that `sign` signs.
    /// Returns the places of the leaves.
    ///
    /// # Errors
    /// [`AppendError`]: after [`Moved`](AppendError::Moved) the log is at the other writer's state.
    pub async fn append(
        &mut self,
        leaves: &[Leaf],
        published: Published,
        origin: &str,
        sign: impl Fn(&Checkpoint) -> Result<Note, CheckpointError>,
    ) -> Result<Places<u64>, AppendError> {
        let lines: Vec<String> = leaves.iter().map(Leaf::line).collect();
        if let Some(long) = lines.iter().position(|l| l.len() > tile::LEAF_BYTES_MAX) {
            return Err(AppendError::Long(
                leaves[long].name.chars().take(64).collect(),
            ));
        }
        let mut append = Append {
            start: self.size(),
            leaves: lines,
            checkpoint: String::new(),
            published,
        };
        let mut edge = self.edge.clone();
        edge.append(&append.hashes());
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: edge.size(),
            root: edge.root(),
        };
        append.checkpoint = sign(&checkpoint)?.to_string();
        let path = append_path(append.start);
        let body = serde_json::to_vec(&append).expect("texts and numbers are JSON");
        let options = PutOptions::from(PutMode::Create);
        let place = Path::from(path.as_str());
        match self
            .storage
            .store()
            .put_opts(&place, body.into(), options)
            .await
        {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. }) => {
                *self = Self::open(&self.storage).await?;
                return Err(AppendError::Moved);
            }
            Err(source) => return Err(AppendError::Write { path, source }),
        }
        let places = append.start..append.end();
        self.apply(append).await?;
        Ok(places)
    }

    /// Makes the tiles of an append durable, then the checkpoint, and moves on to its state.
    async fn apply(&mut self, append: Append) -> Result<(), AppendError> {
        let checkpoint = Note::read(&append.checkpoint).map_err(CheckpointError::from)?;
        let mut files: Vec<(Path, Bytes)> = Vec::new();
        let mut edge = self.edge.clone();
        for (tile, hashes) in edge.append(&append.hashes()) {
            files.push((place(&tile), tile::hashes_to_bytes(&hashes).into()));
        }
        let head = Checkpoint::read_unverified(&checkpoint)?;
        if (head.size, head.root) != (edge.size(), edge.root()) {
            return Err(self.broken(
                &append_path(append.start),
                "does not lead to its checkpoint",
            ));
        }
        let mut leaves = std::mem::take(&mut self.last_leaves);
        leaves.extend(append.leaves.iter().cloned());
        let first = append.start / TILE_WIDTH;
        let width = usize::try_from(TILE_WIDTH).unwrap_or(usize::MAX);
        for (index, leaves) in (first..).zip(leaves.chunks(width)) {
            let tile = Tile {
                kind: TileKind::Entries,
                index,
                width: leaves.len() as u64,
            };
            let bytes = tile::leaves_to_bytes(leaves.iter().map(String::as_bytes));
            let long = || AppendError::Long(String::new());
            files.push((place(&tile), bytes.ok_or_else(long)?.into()));
        }
        for (path, bytes) in files {
            self.put(&path, bytes).await?;
        }
        self.put(&Path::from(CHECKPOINT), append.checkpoint.into())
            .await?;
        self.edge = edge;
        self.last_leaves = leaves.split_off(leaves.len() / width * width);
        self.checkpoint = Some(checkpoint);
        self.published = append.published;
        self.appends.push(append.start);
        if self.appends.len() > 2 * APPENDS_KEPT {
            let old = self.appends.drain(..APPENDS_KEPT);
            let old = old.map(|start| Path::from(append_path(start))).collect();
            self.storage.delete(old).await;
        }
        Ok(())
    }

    async fn put(&self, path: &Path, bytes: Bytes) -> Result<(), AppendError> {
        match self.storage.store().put(path, bytes.into()).await {
            Ok(_) => Ok(()),
            Err(source) => Err(AppendError::Write {
                path: path.to_string(),
                source,
            }),
        }
    }

    /// The path that proves the leaf `index`; `None` if there is no such leaf.
    ///
    /// # Errors
    /// [`LakeReadError`] if a tile cannot be read.
    pub async fn inclusion(&self, index: u64) -> Result<Option<Vec<Hash>>, LakeReadError> {
        match tree::inclusion(index, self.size()) {
            Some(ranges) => Ok(Some(self.hashes_of(&ranges).await?)),
            None => Ok(None),
        }
    }

    /// The path that proves that the tree begins with its first `older` leaves; `None` if it has not so many.
    ///
    /// # Errors
    /// [`LakeReadError`] if a tile cannot be read.
    pub async fn consistency(&self, older: u64) -> Result<Option<Vec<Hash>>, LakeReadError> {
        if older == 0 && self.size() > 0 {
            return Ok(Some(Vec::new()));
        }
        match tree::consistency(older, self.size()) {
            Some(ranges) => Ok(Some(self.hashes_of(&ranges).await?)),
            None => Ok(None),
        }
    }

    /// The root of the tree of the first `size` leaves; `None` if there are not so many.
    ///
    /// # Errors
    /// [`LakeReadError`] if a tile cannot be read.
    pub async fn root_at(&self, size: u64) -> Result<Option<Hash>, LakeReadError> {
        if size == 0 {
            return Ok(Some(Hash::of_nothing()));
        }
        if size > self.size() {
            return Ok(None);
        }
        let hashes = self.hashes_of(&[tree::root(size)]).await?;
        Ok(hashes.first().copied())
    }

    /// The leaf at `index`; `None` if the log is shorter.
    ///
    /// # Errors
    /// [`LakeReadError`] if a tile cannot be read.
    pub async fn leaf(&self, index: u64) -> Result<Option<Leaf>, LakeReadError> {
        let tile = Tile::of(TileKind::Entries, index / TILE_WIDTH, self.size());
        let Some(tile) = tile.filter(|tile| index % TILE_WIDTH < tile.width) else {
            return Ok(None);
        };
        let bytes = self.read(&tile).await?;
        let leaves = tile::leaves_from_bytes(&bytes, tile.width);
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let leaf = leaves.and_then(|leaves| Leaf::read(leaves.get(place)?));
        leaf.map(Some).ok_or_else(|| torn(&tile))
    }

    async fn hashes_of(&self, ranges: &[tree::Range]) -> Result<Vec<Hash>, LakeReadError> {
        let mut tiles: HashMap<Tile, Vec<Hash>> = HashMap::new();
        let mut hashes = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut subtrees = Vec::with_capacity(range.len());
            for node in range {
                subtrees.push(self.hash_of(*node, &mut tiles).await?);
            }
            hashes.extend(Hash::of_range(subtrees.into_iter()));
        }
        Ok(hashes)
    }

    async fn hash_of(
        &self,
        node: Node,
        tiles: &mut HashMap<Tile, Vec<Hash>>,
    ) -> Result<Hash, LakeReadError> {
        let (tile, first, many) =
            Tile::holding(node, self.size()).ok_or_else(|| LakeReadError::Log {
                table: ROOT.to_owned(),
                source: format!("no tile holds {node:?}").into(),
            })?;
        let hashes = match tiles.entry(tile) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(missing) => missing.insert(self.hashes(&tile).await?),
        };
        let hashes = hashes.get(first..first + many);
        hashes.map(subtree_root).ok_or_else(|| torn(&tile))
    }

    async fn hashes(&self, tile: &Tile) -> Result<Vec<Hash>, LakeReadError> {
        let bytes = self.read(tile).await?;
        tile::hashes_from_bytes(&bytes, tile.width).ok_or_else(|| torn(tile))
    }

    async fn read(&self, tile: &Tile) -> Result<Bytes, LakeReadError> {
        let place = place(tile);
        let read = self.storage.read(&place).await;
        read.map_err(|source| LakeReadError::Store {
            path: place.to_string(),
            source,
        })
    }

    /// The edge and the last leaves of the tree of `size` leaves; `None` if a tile of it is not there.
    async fn state_at(&self, size: u64) -> Result<Option<(Edge, Vec<String>)>, AppendError> {
        let is_gone = |error: &LakeReadError| {
            matches!(
                error,
                LakeReadError::Store {
                    source: object_store::Error::NotFound { .. },
                    ..
                }
            )
        };
        let mut tiles = Vec::new();
        for tile in Edge::tiles(size) {
            match self.hashes(&tile).await {
                Ok(hashes) => tiles.push((tile, hashes)),
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let entries = Tile::of(TileKind::Entries, size / TILE_WIDTH, size);
        let mut last_leaves = Vec::new();
        if let Some(tile) = entries {
            let bytes = match self.read(&tile).await {
                Ok(bytes) => bytes,
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let leaves = tile::leaves_from_bytes(&bytes, tile.width).ok_or_else(|| torn(&tile))?;
            let text = |leaf: &[u8]| String::from_utf8(leaf.to_vec());
            let leaves: Result<Vec<String>, _> = leaves.into_iter().map(text).collect();
            last_leaves = leaves.map_err(|_| torn(&tile))?;
        }
        Ok(Some((Edge::read(size, tiles), last_leaves)))
    }

    async fn read_append(&self, start: u64) -> Result<Append, AppendError> {
        let path = append_path(start);
        let bytes = match self.storage.read(&Path::from(path.as_str())).await {
            Ok(bytes) => bytes,
            Err(source) => return Err(LakeReadError::Store { path, source }.into()),
        };
        let append: Result<Append, _> = serde_json::from_slice(&bytes);
        match append {
            Ok(append) if append.start == start => Ok(append),
            Ok(_) => Err(self.broken(&path, "has another start than its name")),
            Err(error) => Err(self.broken(&path, &error.to_string())),
        }
    }

    fn broken(&self, path: &str, why: &str) -> AppendError {
        AppendError::Read(LakeReadError::Log {
            table: ROOT.to_owned(),
            source: format!("'{path}' {why}; restore it from a copy").into(),
        })
    }
}

/// The starts of the appends, in order.
async fn appends(storage: &Storage) -> Result<Vec<u64>, LakeReadError> {
    let path = format!("{ROOT}/appends");
    let listed = storage.store().list(Some(&Path::from(path.as_str())));
    let listed: Result<Vec<_>, _> = listed.try_collect().await;
    let listed = listed.map_err(|source| LakeReadError::Store { path, source })?;
    let start = |location: &Path| location.filename()?.strip_suffix(".json")?.parse().ok();
    let mut starts: Vec<u64> = listed.iter().filter_map(|of| start(&of.location)).collect();
    starts.sort_unstable();
    Ok(starts)
}

fn append_path(start: u64) -> String {
    format!("{ROOT}/appends/{start:020}.json")
}

fn place(tile: &Tile) -> Path {
    Path::from(format!("{ROOT}/{}", tile.path()))
}

fn torn(tile: &Tile) -> LakeReadError {
    LakeReadError::Log {
        table: ROOT.to_owned(),
        source: format!(
            "'{ROOT}/{}' is damaged; restore it from a copy",
            tile.path()
        )
        .into(),
    }
}

#[cfg(test)]
mod tests;
