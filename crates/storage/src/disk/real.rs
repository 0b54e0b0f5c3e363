//! The machine's own files. Descriptors live in a pool with a limit: a handle reopens its file when the pool had closed it.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use rustix::fs::FlockOperation;

use super::{DirEntry, DirLock, Disk, DiskFile, OpenMode, Space};
use crate::limits::OPEN_FILES_MAX;

/// Parts handed to one `pwritev`; Linux takes 1,024.
const PARTS_MAX: usize = 1_024;

/// The machine's file system.
#[derive(Clone, Debug)]
pub struct RealDisk {
    pool: Arc<OpenFilePool>,
}

impl RealDisk {
    /// A disk whose pool holds up to [`OPEN_FILES_MAX`] descriptors.
    pub fn new() -> Self {
        Self::with_open_files_max(OPEN_FILES_MAX)
    }

    /// A disk whose pool holds up to `max` descriptors.
    pub fn with_open_files_max(max: usize) -> Self {
        RealDisk {
            pool: Arc::new(OpenFilePool { max: max.max(1), clock: AtomicU64::new(0), open: Mutex::new(Vec::new()) }),
        }
    }

    /// Descriptors open now.
    pub fn open_files(&self) -> usize {
        self.pool.open.lock().iter().filter(|f| f.upgrade().is_some_and(|f| f.state.lock().file.is_some())).count()
    }
}

impl Default for RealDisk {
    fn default() -> Self {
        Self::new()
    }
}

/// The descriptors open now, and when each was last used. Descriptors lent out for sending stay open beyond it while they are held.
#[derive(Debug)]
pub struct OpenFilePool {
    max: usize,
    clock: AtomicU64,
    open: Mutex<Vec<Weak<PooledFile>>>,
}

impl OpenFilePool {
    /// Takes a newly opened file in; closes those unused for longest when there are too many.
    fn admit(&self, file: &Arc<PooledFile>) {
        let mut open = self.open.lock();
        if open.len() >= self.max {
            open.retain(|f| f.upgrade().is_some_and(|f| f.state.lock().file.is_some()));
        }
        if open.len() >= self.max {
            // A sixteenth at a time, so that the search is paid rarely.
            let mut by_age: Vec<(u64, Arc<PooledFile>)> =
                open.iter().filter_map(|f| f.upgrade().map(|f| (f.used.load(Ordering::Relaxed), f))).collect();
            by_age.sort_unstable_by_key(|(used, _)| *used);
            for (_, old) in by_age.iter().take(self.max / 16 + 1).filter(|(_, f)| !Arc::ptr_eq(f, file)) {
                old.state.lock().file = None;
            }
            open.retain(|f| f.upgrade().is_some_and(|f| f.state.lock().file.is_some()));
        }
        open.push(Arc::downgrade(file));
    }
}

#[derive(Debug)]
struct PooledFile {
    pool: Arc<OpenFilePool>,
    used: AtomicU64,
    writable: bool,
    me: Weak<PooledFile>,
    state: Mutex<FileState>,
}

#[derive(Debug)]
struct FileState {
    path: PathBuf,
    file: Option<Arc<File>>,
}

impl PooledFile {
    fn file(&self) -> io::Result<Arc<File>> {
        self.used.store(self.pool.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let mut state = self.state.lock();
        if let Some(file) = &state.file {
            return Ok(file.clone());
        }
        let file = Arc::new(OpenOptions::new().read(true).write(self.writable).open(&state.path)?);
        state.file = Some(file.clone());
        drop(state);
        if let Some(me) = self.me.upgrade() {
            self.pool.admit(&me);
        }
        Ok(file)
    }
}

impl DiskFile for PooledFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            match self.file()?.read_at(buf, at) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_at(&self, parts: &[IoSlice<'_>], mut at: u64) -> io::Result<()> {
        let file = self.file()?;
        for parts in parts.chunks(PARTS_MAX) {
            let whole: usize = parts.iter().map(|p| p.len()).sum();
            let mut written = 0;
            while written == 0 && whole > 0 {
                match rustix::io::pwritev(&*file, parts, at) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => written = n,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            // A short write (a nearly full disk): the rest part by part.
            if written < whole {
                let mut skip = written;
                let mut place = at + written as u64;
                for part in parts {
                    let part: &[u8] = part;
                    if skip >= part.len() {
                        skip -= part.len();
                        continue;
                    }
                    file.write_all_at(&part[skip..], place)?;
                    place += (part.len() - skip) as u64;
                    skip = 0;
                }
            }
            at += whole as u64;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file()?.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file()?.set_len(len)
    }

    fn moved(&self, to: &Path) {
        self.state.lock().path = to.to_path_buf();
    }

    fn close(&self) {
        self.state.lock().file = None;
    }

    fn lend(&self) -> io::Result<Option<Arc<File>>> {
        self.file().map(Some)
    }
}

/// Lock files held by this process. The system's locks are between processes: one process would get the same one twice, and
/// closing either descriptor would give it up.
static HELD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct HeldLock {
    path: PathBuf,
    _file: File,
}

impl DirLock for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        HELD.lock().retain(|held| *held != self.path);
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => _ = options.write(true),
            OpenMode::Create => _ = options.write(true).create(true).truncate(false),
            OpenMode::Truncate => _ = options.write(true).create(true).truncate(true),
        }
        let file = Arc::new(options.open(path)?);
        let pooled = Arc::new_cyclic(|me| PooledFile {
            pool: self.pool.clone(),
            used: AtomicU64::new(self.pool.clock.fetch_add(1, Ordering::Relaxed)),
            writable: mode != OpenMode::Read,
            me: me.clone(),
            state: Mutex::new(FileState { path: path.to_path_buf(), file: Some(file) }),
        });
        self.pool.admit(&pooled);
        Ok(pooled)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            // Names that are no text are none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirEntry { name, is_dir: entry.file_type()?.is_dir() });
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn space(&self, dir: &Path) -> Option<Space> {
        let found = rustix::fs::statvfs(dir).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Space { total: bytes(found.f_blocks), usable: bytes(found.f_bavail) })
    }

    fn file_size(&self, path: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let modified = std::fs::metadata(path)?.modified()?;
        Ok(modified.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis().min(i64::MAX as u128) as i64))
    }

    fn set_modified_ms(&self, path: &Path, ms: i64) -> io::Result<()> {
        let modified = UNIX_EPOCH + Duration::from_millis(ms.max(0).unsigned_abs());
        OpenOptions::new().write(true).open(path)?.set_modified(modified)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn DirLock>>> {
        let path = std::path::absolute(path)?;
        let mut held = HELD.lock();
        if held.contains(&path) {
            return Ok(None);
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                held.push(path.clone());
                Ok(Some(Box::new(HeldLock { path, _file: file })))
            }
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}
