//! All that the log asks of the world: a few files, their names and their durability. The contract: a write is not durable
//! until `sync_data` returns, a name (created, renamed, removed) not until its directory's `sync_dir` returns; rename is atomic;
//! after a failed sync nothing is known about the file and its log directory must not be used any more.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::limits::COPY_STEP_BYTES;

mod real;

pub use real::{OpenFilePool, RealDisk};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; only read.
    Read,
    /// Must exist; read and written.
    Write,
    /// Created when missing; read and written, contents kept.
    Create,
    /// Created when missing, emptied when there.
    Truncate,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Its name in the directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// The size of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What this process may still use.
    pub usable: u64,
}

/// A place for files.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Opens a file. The handle stays good for reading and writing while the disk may close and reopen the descriptor behind it.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// The entries of a directory, sorted by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Creates a directory and those above it.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Gives a file or directory a new name, replacing a file that has it. Handles of files keep working when told by [`DiskFile::moved`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Whether something has this name.
    fn exists(&self, path: &Path) -> bool;
    /// Length of a file, without opening it.
    fn file_size(&self, path: &Path) -> io::Result<u64>;
    /// Milliseconds since the epoch at which the file was last written.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;
    /// How large the file system of a directory is; none where nobody knows.
    fn space(&self, _dir: &Path) -> Option<Space> {
        None
    }
    /// Says that the file was last written then: compaction leaves the age of what it rewrites.
    fn set_modified_ms(&self, path: &Path, ms: i64) -> io::Result<()>;
    /// Takes the lock file as Java's `FileChannel.tryLock` does (`fcntl` F_SETLK, exclusive); None when another process holds it.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn DirLock>>>;
}

/// Copies the files of a directory into a new one, durably but for the new one's own name.
pub fn copy_dir(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.create_dir_all(to)?;
    let mut buffer = vec![0; COPY_STEP_BYTES];
    for entry in disk.list(from)?.into_iter().filter(|entry| !entry.is_dir) {
        let source = disk.open(&from.join(&entry.name), OpenMode::Read)?;
        let target = disk.open(&to.join(&entry.name), OpenMode::Truncate)?;
        let mut at = 0;
        loop {
            let read = source.read_at(&mut buffer, at)?;
            if read == 0 {
                break;
            }
            target.write_at(&[IoSlice::new(buffer.get(..read).unwrap_or_default())], at)?;
            at += read as u64;
        }
        target.sync_data()?;
        source.close();
        target.close();
    }
    disk.sync_dir(to)
}

/// Held as long as the lock is to be held.
pub trait DirLock: Send + Sync + std::fmt::Debug {}

/// An open file. All methods take the position: handles are shared.
pub trait DiskFile: Send + Sync + std::fmt::Debug {
    /// Reads up to `buf.len()` bytes at `at`; fewer at the end of the file.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all parts one after the other at `at`.
    fn write_at(&self, parts: &[IoSlice<'_>], at: u64) -> io::Result<()>;
    /// Makes what was written durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The file was renamed: a descriptor that must be reopened is reopened there.
    fn moved(&self, to: &Path);
    /// Lets go of the descriptor, if any, until the next use.
    fn close(&self);
    /// The descriptor behind the handle, for sendfile, where the disk has one. It stays open while it is held.
    fn lend(&self) -> io::Result<Option<Arc<File>>>;

    /// Reads exactly `buf.len()` bytes at `at`.
    fn read_exact_at(&self, mut buf: &mut [u8], mut at: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buf = &mut buf[n..];
                    at += n as u64;
                }
            }
        }
        Ok(())
    }
}

/// A stretch of a file: what a read gives back instead of bytes.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// First byte.
    pub position: u64,
    /// How many bytes.
    pub len: usize,
}

impl FileRange {
    /// Appends the bytes to `out`, for those who cannot send from the file.
    pub fn read_into(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.resize(start + self.len, 0);
        self.file.read_exact_at(&mut out[start..], self.position)
    }
}

/// Reads a whole small file (a checkpoint, a properties file); None when it does not exist.
pub fn read_small(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let len = file.size()?;
    if len > crate::limits::TEXT_FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is larger than {} bytes", path.display(), crate::limits::TEXT_FILE_BYTES_MAX),
        ));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

/// Replaces a small file whole, durably: written beside it as `.tmp`, synced, renamed, the directory synced.
pub fn replace_small(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let tmp = Path::new(&name);
    let file = disk.open(tmp, OpenMode::Truncate)?;
    file.write_at(&[IoSlice::new(bytes)], 0)?;
    file.sync_data()?;
    file.close();
    disk.rename(tmp, path)?;
    match path.parent() {
        Some(dir) => disk.sync_dir(dir),
        None => Ok(()),
    }
}
