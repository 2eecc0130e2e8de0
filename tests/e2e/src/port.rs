//! Free loopback ports for servers that take a number and not a socket.

use anyhow::{Context, Result};
use rand::RngExt;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

/// Below the kernel's ephemeral range, so that no client socket takes the port before the server does.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 1_000;
/// Keeps what [`free`] chose from every other harness on this machine.
const TWIN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

static RESERVED: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());

/// A port on 127.0.0.1 that nothing listens on.
///
/// The same port on 127.0.0.2 stays taken as long as this process lives, so that two harnesses never choose the same one, and a
/// server that is restarted finds its port free.
pub fn free() -> Result<u16> {
    let mut random = rand::rng();
    for _ in 0..ATTEMPTS {
        let port = random.random_range(RANGE);
        let Ok(twin) = TcpListener::bind((TWIN, port)) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            RESERVED.lock().ok().context("a thread panicked while it reserved a port")?.push(twin);
            return Ok(port);
        }
    }
    anyhow::bail!("no free port between {} and {} on 127.0.0.1", RANGE.start, RANGE.end)
}
