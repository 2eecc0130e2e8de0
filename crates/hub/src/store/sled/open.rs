//! Opens the database so that neither an interrupted open nor a damaged file takes the hub down
//! without a word. It never deletes anything but sled's half-written snapshots.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ::sled::Db;

use super::super::StoreError;
use super::SledOptions;
use super::sweep::{Meta, SweepReport, sweep};

/// sled's lock outlives a closed database until its threads have let go of the file; ours proves
/// that nobody else can hold it.
const LOCK_RETRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) meta: Meta,
    pub(super) report: SweepReport,
}

/// Takes the store for this process, or says who has it.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The name only helps the reader of the message.
            let _read = file.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                holder => holder.to_owned(),
            };
            return Err(StoreError::Locked { path: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
    }
    file.set_len(0).map_err(StoreError::io("write", &path))?;
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let holder = format!("process {} ({})\n", std::process::id(), program.unwrap_or_default());
    file.write_all(holder.as_bytes()).map_err(StoreError::io("write", &path))?;
    Ok(file)
}

/// Opens the database in `dir`, making it when there is none, and sweeps it.
pub(super) fn open(dir: &Path, options: &SledOptions) -> Result<Opened, StoreError> {
    let database = dir.join("sled");
    let (path, cache) = (dir.to_owned(), options.cache_bytes);
    let on_damage = options.on_damage;
    in_own_thread(dir, move || {
        if !database.exists() {
            create(&path, |_| Ok(Meta::default()))?;
        }
        remove_unfinished_snapshots(&database)?;
        let db = open_database(&database, cache)?;
        let (meta, report) = sweep(&path, &db, on_damage)?;
        Ok(Opened { db, meta, report })
    })
}

/// Makes a database beside its place and moves it there when it is whole: a half-made one is never
/// taken for a damaged one. `fill` puts in what it begins with.
pub(super) fn create(
    dir: &Path,
    fill: impl FnOnce(&Db) -> Result<Meta, StoreError>,
) -> Result<(), StoreError> {
    let (new, place) = (dir.join("sled.new"), dir.join("sled"));
    if new.exists() {
        fs::remove_dir_all(&new).map_err(StoreError::io("remove", &new))?;
    }
    let db = open_database(&new, SledOptions::default().cache_bytes)?;
    let meta = fill(&db)?;
    db.insert(super::META_KEY, meta.encode()).map_err(|error| read_error(&new, error))?;
    db.flush().map_err(|error| read_error(&new, error))?;
    drop(db);
    // The second open writes the first snapshot, with which damage is found more often.
    drop(open_database(&new, SledOptions::default().cache_bytes)?);
    sync_all(&new).map_err(StoreError::io("sync", &new))?;
    fs::rename(&new, &place).map_err(StoreError::io("move into place", &new))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync", dir))
}

fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// The file that holds the records, to be synced by us.
pub(super) fn data_file(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("sled").join("db");
    File::options().read(true).write(true).open(&path).map_err(StoreError::io("open", &path))
}

/// sled writes a snapshot at each open, under this name first, and takes one that a kill left
/// behind for the newest good one.
fn remove_unfinished_snapshots(database: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(database).map_err(StoreError::io("list", database))?;
    for entry in entries {
        let path = entry.map_err(StoreError::io("list", database))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(path = %path.display(), "removing what an interrupted start left");
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn open_database(path: &Path, cache_bytes: u64) -> Result<Db, StoreError> {
    // Our writer syncs each batch; a second flusher would only compete with it.
    let config = ::sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .mode(::sled::Mode::HighThroughput)
        .flush_every_ms(None);
    let mut retries = 0;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(::sled::Error::Io(error)) if is_lock(&error) && retries < LOCK_RETRIES => {
                retries += 1;
                thread::sleep(LOCK_PAUSE);
            }
            Err(error) => return Err(read_error(path, error)),
        }
    }
}

fn is_lock(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("could not acquire lock")
}

/// A panic while opening or sweeping is damage, not the end of the hub.
fn in_own_thread<T: Send + 'static>(
    dir: &Path,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let thread = thread::Builder::new()
        .name("store-open".to_owned())
        .spawn(move || std::panic::catch_unwind(AssertUnwindSafe(work)))
        .map_err(StoreError::io("open", dir))?;
    match thread.join() {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) | Err(panic) => Err(corrupt(dir, panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("reading it failed with {:?}", text.unwrap_or("a panic"))
}

pub(super) fn corrupt(path: &Path, detail: String) -> StoreError {
    StoreError::Corrupt { path: path.to_owned(), detail }
}

/// What an error of sled means when nothing was being written.
pub(super) fn read_error(path: &Path, error: ::sled::Error) -> StoreError {
    match error {
        ::sled::Error::Io(source) => match source.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                corrupt(path, source.to_string())
            }
            _ => {
                let (path, source) = (PathBuf::from(path), Arc::new(source));
                StoreError::Io { action: "read", path, source }
            }
        },
        other => corrupt(path, other.to_string()),
    }
}
