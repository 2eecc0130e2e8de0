//! The wire between one spoke and the hub: a TCP proxy on loopback that can delay, stall and cut.
//!
//! It forwards bytes and knows nothing of what they are. A delay holds every piece back for its
//! time, so messages of different spokes overtake each other; within one connection TCP's order
//! stays, as on any real wire.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use runtime::supervise::Supervisor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Clear,
    Delayed(Duration),
    /// Connections stay open and nothing passes.
    Stalled,
    /// Connections are closed, and new ones at once.
    Cut,
}

/// One spoke's way to the hub. Dropping it cuts the wire.
pub struct Link {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    /// Counts up to close what is open.
    epoch: watch::Sender<u64>,
    pieces: Arc<AtomicU64>,
}

impl Link {
    /// Listens on a port of its own and forwards to `hub`.
    pub async fn open(hub: SocketAddr, supervisor: &Supervisor) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("no port for a wire")?;
        let address = listener.local_addr()?;
        let (wire, wire_rx) = watch::channel(Wire::Clear);
        let (epoch, epoch_rx) = watch::channel(0);
        let pieces = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&pieces);
        let tasks = supervisor.clone();
        supervisor.spawn("wire", async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut epoch = epoch_rx.clone();
                epoch.borrow_and_update();
                let passage = Passage { wire: wire_rx.clone(), pieces: Arc::clone(&counter) };
                tasks.spawn("connection", async move {
                    // Cancel-safe: whichever ends first, both connections are dropped.
                    tokio::select! {
                        _ = epoch.changed() => {}
                        () = passage.carry(near, hub) => {}
                    }
                });
            }
        });
        Ok(Self { address, wire, epoch, pieces })
    }

    /// Where the spoke dials.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn wire(&self) -> Wire {
        *self.wire.borrow()
    }

    pub fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
        if wire == Wire::Cut {
            self.hang_up();
        }
    }

    /// Closes what is open; new connections are as the wire is.
    pub fn hang_up(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// How many pieces of data have passed in both directions.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }
}

struct Passage {
    wire: watch::Receiver<Wire>,
    pieces: Arc<AtomicU64>,
}

impl Passage {
    async fn carry(&self, near: TcpStream, hub: SocketAddr) {
        if *self.wire.borrow() == Wire::Cut {
            return;
        }
        let Ok(far) = TcpStream::connect(hub).await else { return };
        if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
            return;
        }
        let ((near_read, near_write), (far_read, far_write)) =
            (near.into_split(), far.into_split());
        // Cancel-safe: when one direction ends, both connections are dropped.
        tokio::select! {
            () = self.pump(near_read, far_write) => {}
            () = self.pump(far_read, near_write) => {}
        }
    }

    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut wire = self.wire.clone();
        let mut piece = vec![0; 16 << 10];
        loop {
            let read = from.read(&mut piece).await.unwrap_or(0);
            if read == 0 {
                return;
            }
            let Ok(now) = wire.wait_for(|wire| *wire != Wire::Stalled).await.map(|wire| *wire)
            else {
                return;
            };
            if let Wire::Delayed(by) = now {
                tokio::time::sleep(by).await;
            }
            self.pieces.fetch_add(1, Ordering::Relaxed);
            if to.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let supervisor = Supervisor::new(CancellationToken::new());
        supervisor.clone().spawn("echo", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                supervisor.spawn("one", async move {
                    let (mut read, mut write) = stream.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream) -> usize {
        let mut answer = [0; 2];
        if stream.write_all(b"ab").await.is_err() {
            return 0;
        }
        stream.read(&mut answer).await.unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wire_delays_stalls_and_cuts() {
        let supervisor = Supervisor::new(CancellationToken::new());
        let link = Link::open(echo().await, &supervisor).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(say(&mut stream).await, 2);
        assert_eq!(link.pieces(), 2);
        link.set(Wire::Delayed(Duration::from_secs(2)));
        let began = tokio::time::Instant::now();
        assert_eq!(say(&mut stream).await, 2);
        assert!(began.elapsed() >= Duration::from_secs(4));
        link.set(Wire::Stalled);
        let silent = tokio::time::timeout(Duration::from_secs(600), say(&mut stream)).await;
        assert!(silent.is_err());
        link.set(Wire::Cut);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
        link.set(Wire::Clear);
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(say(&mut stream).await, 2);
    }
}
