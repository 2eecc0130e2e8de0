//! The hub of a fleet: the real one, started, stopped and killed in one process, on a store that
//! the simulator keeps, loses and restores.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hub::config::Config;
use hub::init::{InitOptions, init};
use hub::store::Store as _;
use hub::store::memory::MemoryStore;
use runtime::clock::Clock;
use runtime::supervise::{Supervisor, TaskHandle, blocking};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long the hub may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// What tells a saved store from another: in which life of the hub it was saved.
struct Backup {
    store: Arc<MemoryStore>,
    life: u64,
}

struct Running {
    supervisor: Supervisor,
    task: TaskHandle,
}

pub struct Hub {
    folder: PathBuf,
    address: SocketAddr,
    settings: Vec<String>,
    store: Arc<MemoryStore>,
    backup: Option<Backup>,
    /// Counts the starts on this store, as the hub's epoch does.
    life: u64,
    running: Option<Running>,
}

impl Hub {
    /// Makes a fleet in `folder`. Nothing listens yet.
    pub async fn create(folder: &Path, settings: Vec<String>) -> Result<Self> {
        let address = free_address()?;
        let dir = folder.join("hub");
        let options = InitOptions {
            dir: dir.clone(),
            fleet: "sim".to_owned(),
            address: address.to_string(),
            names: Vec::new(),
        };
        blocking("init", move || init(&options, &Clock::system())).await??;
        Ok(Self {
            folder: dir,
            address,
            settings,
            store: Arc::new(MemoryStore::new()),
            backup: None,
            life: 0,
            running: None,
        })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn context_file(&self) -> PathBuf {
        self.folder.join("admin.yaml")
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The revision of its store: it does not move when nothing happens (law L9).
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.store.state().revision.0
    }

    /// Starts it on the same port, and waits until it listens.
    pub async fn start(&mut self, parent: &Supervisor) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let mut config = Config::load(None, &self.settings)?;
        config.listen = self.address;
        let supervisor = Supervisor::new(CancellationToken::new());
        let (store, dir, own) = (self.store.clone(), self.folder.clone(), supervisor.clone());
        let task = parent.spawn("hub", async move {
            let clock = Clock::system();
            if let Err(error) = hub::run::run_on(store, &dir, config, clock, own).await {
                tracing::error!("the hub ended: {error:#}");
            }
        });
        self.life += 1;
        self.running = Some(Running { supervisor, task });
        let listening = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(START_LIMIT, listening).await.is_err() {
            bail!("the hub does not listen on {}", self.address);
        }
        Ok(())
    }

    /// As by SIGTERM: it says good-bye.
    pub async fn stop(&mut self) {
        if let Some(Running { supervisor, task }) = self.running.take() {
            supervisor.token().cancel();
            task.finished().await;
        }
    }

    /// As by SIGKILL: its tasks end wherever they are. Whoever calls this also closes the wires,
    /// since here nobody closes the sockets of a dead process.
    pub async fn kill(&mut self) {
        if let Some(Running { supervisor, task }) = self.running.take() {
            task.abort();
            task.finished().await;
            supervisor.join(Duration::ZERO).await;
        }
    }

    /// The disk of the store is lost; the keys are not. Only while it is down.
    pub fn lose_store(&mut self) {
        self.store = Arc::new(MemoryStore::new());
        self.backup = None;
        self.life = 0;
    }

    pub fn back_up(&mut self) {
        self.backup = Some(Backup { store: Arc::new(self.store.backup()), life: self.life });
    }

    /// The store is as it was when it was saved; false when it never was. Only while it is down.
    pub fn restore(&mut self) -> bool {
        let Some(backup) = &self.backup else { return false };
        self.store = Arc::new(backup.store.backup());
        self.life = backup.life;
        true
    }

    /// How often it was started on this store: the counter of its epoch.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.life
    }
}

/// A port that stays free while the hub is down. The kernel gives the ports above 32768 to whoever
/// connects anywhere; a hub that comes back would now and then find its own taken.
pub(crate) fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(37);
    for _ in 0..1_000 {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let port = 10_000 + u16::try_from(number).expect("below 20,000");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port between 10000 and 30000 is free on 127.0.0.1")
}

/// What `admin.yaml` says, as the client needs it.
pub(crate) fn read_context(path: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(model::yaml::read_one(&text, 1 << 20)?)
}
