//! A disk in memory that can lose power. What it promises is what `andiron_storage::disk` asks and nothing more: a write that was
//! not synced may be there after a power loss, or not, or some of its sectors; a name whose directory was not synced may be the old
//! or the new one. The choice is drawn from a seed. Every changing operation is counted, and power can be cut at any of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use andiron_storage::{DirEntry, DirLock, Disk, DiskFile, OpenMode};

/// What is written at once: a torn write is torn between such pieces. Hardware's are 512 bytes and more; smaller ones tear the
/// small batches of a test as large ones are torn.
const SECTOR_BYTES: usize = 64;

/// What is lost when everything stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The process was killed: the system keeps all it was given.
    Process,
    /// Power went: only what was synced is sure.
    Power,
}

/// The disk. Clones share it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    nodes: Vec<Node>,
    random: u64,
    operations: u64,
    tally: Tally,
    crash_at: Option<u64>,
    crashed: bool,
    locked: Vec<std::path::PathBuf>,
    fail_next_sync: bool,
}

#[derive(Clone, Debug)]
enum Node {
    File { durable: Vec<u8>, current: Vec<u8>, pending: Vec<Change> },
    Dir { durable: BTreeMap<String, usize>, current: BTreeMap<String, usize>, pending: Vec<NameChange> },
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(at, part) => write_into(bytes, *at, part),
            Change::Len(len) => set_len(bytes, *len),
        }
    }
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, usize),
    Remove(String),
    Rename(String, String),
}

/// A changing operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A file or a directory comes.
    Create,
    /// A file is opened and emptied.
    Empty,
    /// Bytes are written.
    Write,
    /// A file is cut or extended.
    SetLen,
    /// What was written to a file is made durable.
    Sync,
    /// A name changes.
    Rename,
    /// A file goes.
    Remove,
    /// A directory goes with all in it.
    RemoveDir,
    /// The names of a directory are made durable.
    SyncDir,
}

/// How often each operation happened in each phase, in the order in which the phases began.
pub type Tally = Vec<(&'static str, BTreeMap<Operation, u64>)>;

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Set(name, node) => _ = names.insert(name.clone(), *node),
        NameChange::Remove(name) => _ = names.remove(name),
        NameChange::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
    }
}

/// As `Vec::resize` with zeroes; those of a large file, an index say, come from the system.
fn set_len(bytes: &mut Vec<u8>, len: usize) {
    if len > bytes.capacity() {
        let mut longer = vec![0; len];
        longer[..bytes.len()].copy_from_slice(bytes);
        *bytes = longer;
    } else {
        bytes.resize(len, 0);
    }
}

fn write_into(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    if bytes.len() < at + part.len() {
        bytes.resize(at + part.len(), 0);
    }
    bytes[at..at + part.len()].copy_from_slice(part);
}

fn power_lost() -> io::Error {
    io::Error::other("the power is lost")
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

impl Inner {
    /// The next number of the seed's sequence (splitmix64).
    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(power_lost()) } else { Ok(()) }
    }

    /// Counts a changing operation; the one at which power is cut does not happen.
    fn count(&mut self, operation: Operation) -> io::Result<()> {
        self.alive()?;
        self.operations += 1;
        if let Some((_, phase)) = self.tally.last_mut() {
            *phase.entry(operation).or_default() += 1;
        }
        self.crashed = self.crash_at.is_some_and(|at| self.operations >= at);
        self.alive()
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let mut at = 0;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let Node::Dir { current, .. } = &self.nodes[at] else { return None };
            at = *current.get(name.to_str()?)?;
        }
        Some(at)
    }

    fn split<'p>(&self, path: &'p Path) -> io::Result<(usize, &'p str)> {
        let parent = path.parent().and_then(|p| self.find(p)).ok_or_else(|| not_found(path))?;
        let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| not_found(path))?;
        Ok((parent, name))
    }

    fn change_name(&mut self, dir: usize, change: NameChange) {
        if let Node::Dir { current, pending, .. } = &mut self.nodes[dir] {
            apply_name(current, &change);
            pending.push(change);
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// What is left of a node after a loss of power.
    fn settle(&mut self, node: usize) -> Node {
        match self.nodes[node].clone() {
            Node::Dir { mut durable, pending, .. } => {
                // A journal keeps the changes of a directory in order.
                let keep = self.draw(pending.len() as u64 + 1) as usize;
                pending.iter().take(keep).for_each(|change| apply_name(&mut durable, change));
                Node::Dir { current: durable.clone(), durable, pending: Vec::new() }
            }
            Node::File { mut durable, current, pending } => {
                let mode = self.draw(4);
                match mode {
                    0 => {}
                    1 => durable = current,
                    2 => {
                        // Some first changes, the last of them torn.
                        let keep = self.draw(pending.len() as u64 + 1) as usize;
                        for (at, change) in pending.iter().take(keep).enumerate() {
                            match change {
                                Change::Write(place, bytes) if at + 1 == keep => {
                                    let torn = self.draw(bytes.len() as u64 + 1) as usize;
                                    write_into(&mut durable, *place, &bytes[..torn]);
                                }
                                whole => whole.apply(&mut durable),
                            }
                        }
                    }
                    _ => {
                        // Any sectors in any order; the file's length is the new one or was never written.
                        for change in &pending {
                            match change {
                                Change::Write(place, bytes) => {
                                    let mut from = 0;
                                    while from < bytes.len() {
                                        let sector_end = ((place + from) / SECTOR_BYTES + 1) * SECTOR_BYTES - place;
                                        let to = sector_end.min(bytes.len());
                                        if self.draw(2) == 0 {
                                            write_into(&mut durable, place + from, &bytes[from..to]);
                                        }
                                        from = to;
                                    }
                                }
                                Change::Len(len) if self.draw(2) == 0 => set_len(&mut durable, *len),
                                Change::Len(_) => {}
                            }
                        }
                        if self.draw(2) == 0 && durable.len() < current.len() {
                            set_len(&mut durable, current.len());
                        }
                    }
                }
                Node::File { current: durable.clone(), durable, pending: Vec::new() }
            }
        }
    }
}

impl SimDisk {
    /// An empty disk whose losses are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        let root = Node::Dir { durable: BTreeMap::new(), current: BTreeMap::new(), pending: Vec::new() };
        SimDisk {
            inner: Arc::new(Mutex::new(Inner {
                nodes: vec![root],
                random: seed,
                operations: 0,
                tally: Vec::new(),
                crash_at: None,
                crashed: false,
                locked: Vec::new(),
                fail_next_sync: false,
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changing operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// What happens from here on is counted under this name.
    pub fn begin_phase(&self, name: &'static str) {
        let mut inner = self.lock();
        let at = inner.tally.iter().position(|(known, _)| *known == name);
        let phase = at.map_or((name, BTreeMap::new()), |at| inner.tally.remove(at));
        inner.tally.push(phase);
    }

    /// What was counted in each phase.
    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// Everything stops at the `operation`th changing operation from the disk's beginning: it and all behind it fail.
    pub fn crash_at(&self, operation: u64) {
        self.lock().crash_at = Some(operation);
    }

    /// Whether that has happened.
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// The next sync of a file fails, once.
    pub fn fail_next_sync(&self) {
        self.lock().fail_next_sync = true;
    }

    fn remove(&self, path: &Path, operation: Operation) -> io::Result<()> {
        let mut inner = self.lock();
        inner.alive()?;
        inner.find(path).ok_or_else(|| not_found(path))?;
        let (dir, name) = inner.split(path)?;
        inner.count(operation)?;
        inner.change_name(dir, NameChange::Remove(name.to_owned()));
        Ok(())
    }

    /// The disk that is found when everything is started again. Handles of the old one are dead.
    pub fn restart(&self, loss: Loss) -> SimDisk {
        let mut old = self.lock();
        old.crashed = true;
        let nodes = match loss {
            Loss::Process => old.nodes.clone(),
            Loss::Power => (0..old.nodes.len()).map(|node| old.settle(node)).collect(),
        };
        let random = old.draw(u64::MAX);
        SimDisk {
            inner: Arc::new(Mutex::new(Inner {
                nodes,
                random,
                operations: 0,
                tally: Vec::new(),
                crash_at: None,
                crashed: false,
                locked: Vec::new(),
                fail_next_sync: false,
            })),
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    node: usize,
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let inner = self.disk.lock();
        inner.alive()?;
        let Node::File { current, .. } = &inner.nodes[self.node] else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let from = (at as usize).min(current.len());
        let n = buf.len().min(current.len() - from);
        buf[..n].copy_from_slice(&current[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|p| p.iter().copied()).collect();
        let mut inner = self.disk.lock();
        let counted = inner.count(Operation::Write);
        // A write that is cut off may have got somewhere.
        let written = match &counted {
            Ok(()) => bytes.len(),
            Err(_) if inner.crash_at == Some(inner.operations) => inner.draw(bytes.len() as u64 + 1) as usize,
            Err(_) => 0,
        };
        if let Node::File { current, pending, .. } = &mut inner.nodes[self.node]
            && written > 0
        {
            write_into(current, at as usize, &bytes[..written]);
            pending.push(Change::Write(at as usize, bytes[..written].to_vec()));
        }
        counted
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.disk.lock();
        inner.count(Operation::Sync)?;
        if std::mem::take(&mut inner.fail_next_sync) {
            return Err(io::Error::other("the disk cannot write"));
        }
        if let Node::File { durable, pending, .. } = &mut inner.nodes[self.node] {
            pending.drain(..).for_each(|change| change.apply(durable));
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let inner = self.disk.lock();
        inner.alive()?;
        match &inner.nodes[self.node] {
            Node::File { current, .. } => Ok(current.len() as u64),
            Node::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.disk.lock();
        inner.count(Operation::SetLen)?;
        if let Node::File { current, pending, .. } = &mut inner.nodes[self.node] {
            set_len(current, len as usize);
            pending.push(Change::Len(len as usize));
        }
        Ok(())
    }

    fn moved(&self, _to: &Path) {}

    fn close(&self) {}

    fn lend(&self) -> io::Result<Option<Arc<File>>> {
        Ok(None)
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: std::path::PathBuf,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock().locked.retain(|path| *path != self.path);
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.lock();
        inner.alive()?;
        let node = match inner.find(path) {
            Some(node) if matches!(inner.nodes[node], Node::Dir { .. }) => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Some(node) => {
                if mode == OpenMode::Truncate {
                    inner.count(Operation::Empty)?;
                    if let Node::File { current, pending, .. } = &mut inner.nodes[node] {
                        current.clear();
                        pending.push(Change::Len(0));
                    }
                }
                node
            }
            None if matches!(mode, OpenMode::Read | OpenMode::Write) => return Err(not_found(path)),
            None => {
                let (dir, name) = inner.split(path)?;
                inner.count(Operation::Create)?;
                let node = inner.add(Node::File { durable: Vec::new(), current: Vec::new(), pending: Vec::new() });
                inner.change_name(dir, NameChange::Set(name.to_owned(), node));
                node
            }
        };
        Ok(Arc::new(SimFile { disk: self.clone(), node }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let inner = self.lock();
        inner.alive()?;
        let node = inner.find(dir).ok_or_else(|| not_found(dir))?;
        let Node::Dir { current, .. } = &inner.nodes[node] else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let entry = |(name, node): (&String, &usize)| DirEntry {
            name: name.clone(),
            is_dir: matches!(inner.nodes[*node], Node::Dir { .. }),
        };
        Ok(current.iter().map(entry).collect())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.alive()?;
        let mut at = 0;
        for part in dir.components() {
            let Component::Normal(name) = part else { continue };
            let name = name.to_string_lossy().into_owned();
            let found = match &inner.nodes[at] {
                Node::Dir { current, .. } => current.get(&name).copied(),
                Node::File { .. } => return Err(io::ErrorKind::NotADirectory.into()),
            };
            at = match found {
                Some(node) => node,
                None => {
                    inner.count(Operation::Create)?;
                    let empty = Node::Dir { durable: BTreeMap::new(), current: BTreeMap::new(), pending: Vec::new() };
                    let node = inner.add(empty);
                    inner.change_name(at, NameChange::Set(name, node));
                    node
                }
            };
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.alive()?;
        inner.find(from).ok_or_else(|| not_found(from))?;
        let (dir, old) = inner.split(from)?;
        let (to_dir, new) = inner.split(to)?;
        if dir != to_dir {
            return Err(io::Error::new(io::ErrorKind::CrossesDevices, "a rename stays within its directory"));
        }
        inner.count(Operation::Rename)?;
        inner.change_name(dir, NameChange::Rename(old.to_owned(), new.to_owned()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.remove(path, Operation::Remove)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.remove(path, Operation::RemoveDir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        let node = inner.find(dir).ok_or_else(|| not_found(dir))?;
        inner.count(Operation::SyncDir)?;
        if let Node::Dir { durable, current, pending } = &mut inner.nodes[node] {
            durable.clone_from(current);
            pending.clear();
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.lock().find(path).is_some()
    }

    fn file_size(&self, path: &Path) -> io::Result<u64> {
        self.open(path, OpenMode::Read)?.size()
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        // No clock here: a file without timestamps in it is as old as can be.
        self.file_size(path).map(|_| 0)
    }

    fn set_modified_ms(&self, path: &Path, _ms: i64) -> io::Result<()> {
        self.file_size(path).map(|_| ())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn DirLock>>> {
        self.open(path, OpenMode::Create)?;
        let mut inner = self.lock();
        if inner.locked.iter().any(|held| held == path) {
            return Ok(None);
        }
        inner.locked.push(path.to_path_buf());
        Ok(Some(Box::new(SimLock { disk: self.clone(), path: path.to_path_buf() })))
    }
}
