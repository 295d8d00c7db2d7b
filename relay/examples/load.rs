//! Load on a relay of its own, on loopback: what an idle peer costs, and whether connecting leaves anything behind.
//! It is a measurement, not a test: it states figures and judges none. `cargo run --release -p manyhands-relay
//! --example load`, after `cargo build --release -p manyhands-relay`; both numbers below can be given as arguments.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, stream};
use libp2p::{
    Multiaddr, Swarm, SwarmBuilder, Transport as _,
    core::{
        Endpoint,
        transport::{DialOpts, PortUse},
        upgrade::Version,
    },
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise, ping, relay,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use serde_json::Value;
use tokio::task::JoinSet;

/// Peers that stay.
const PEERS: usize = 2_000;
/// Peers that come and go.
const CYCLES: usize = 10_000;
/// Most of either: a machine has 65,536 ports.
const MAX_PEERS: usize = 20_000;
const MAX_CYCLES: usize = 1_000_000;
/// Handshakes under way at once.
const AT_ONCE: usize = 32;
/// Memory is looked at this often while peers come and go.
const SAMPLES: usize = 10;

/// What a tab has beside its sessions.
#[derive(NetworkBehaviour)]
struct Behaviour {
    circuit: relay::client::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it prints figures")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize, max: usize| -> Result<usize> {
        let given = arguments.next().map(|text| text.parse()).transpose()?;
        Ok(given.unwrap_or(default).min(max))
    };
    let (peers, cycles) = (number(PEERS, MAX_PEERS)?, number(CYCLES, MAX_CYCLES)?);
    let relay = Relay::start()?;
    // The first connections fill caches and pools that are kept.
    come_and_go(&relay.addr, 200).await?;
    settle().await;

    let before = relay.memory_bytes()?;
    let start = Instant::now();
    let swarms: Vec<Swarm<Behaviour>> = stream::iter(0..peers)
        .map(|_| reserved(relay.addr.clone()))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<Result<_>>()?;
    let took = start.elapsed();
    let mut tasks = JoinSet::new();
    for mut swarm in swarms {
        tasks.spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
    }
    settle().await;
    let idle = relay.memory_bytes()?;
    let connections_per_s = peers as f64 / took.as_secs_f64();
    let bytes_per_peer = idle.saturating_sub(before) / peers.max(1) as u64;
    drop(tasks);
    settle().await;
    let after = relay.memory_bytes()?;

    let mut samples = Vec::new();
    let start = Instant::now();
    for sample in 0..=SAMPLES {
        samples.push((sample * cycles / SAMPLES, relay.memory_bytes()?));
        if sample < SAMPLES {
            come_and_go(&relay.addr, cycles / SAMPLES).await?;
        }
    }
    let took = start.elapsed();
    let figures = serde_json::json!({
        "peers": peers,
        "bytes_before": before,
        "bytes_with_peers": idle,
        "bytes_per_idle_peer": bytes_per_peer,
        "bytes_after_they_left": after,
        "connections_per_s": connections_per_s,
        "cycles": cycles,
        "cycles_per_s": cycles as f64 / took.as_secs_f64(),
        // The first samples are of pools that fill.
        "bytes_per_cycle": slope(&samples[SAMPLES / 2..]),
        "bytes_by_cycle": samples,
    });
    println!("{figures}");
    Ok(())
}

/// A relay with wide limits on free ports.
struct Relay {
    child: Child,
    addr: Multiaddr,
    _data: tempfile::TempDir,
}

impl Relay {
    fn start() -> Result<Relay> {
        let here = std::env::current_exe()?;
        let folder = here
            .parent()
            .and_then(|examples| examples.parent())
            .context("no build folder")?;
        let program = folder.join("manyhands-relay");
        let data = tempfile::tempdir()?;
        let mut child = Command::new(&program)
            .args(["--data".as_ref(), data.path().as_os_str()])
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics",
                "off",
                "--limits",
                "open",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} is not built", program.display()))?;
        let mut line = String::new();
        let out = child.stdout.take().context("no standard output")?;
        BufReader::new(out).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the relay did not start")?;
        let addr = ready["ready"]["p2p"][0].as_str().context("no address")?.parse()?;
        Ok(Relay {
            child,
            addr,
            _data: data,
        })
    }

    /// What of the program is in memory now.
    fn memory_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line
            .and_then(|line| line.trim().strip_suffix("kB"))
            .context("no VmRSS")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer that holds a reservation.
async fn reserved(relay: Multiaddr) -> Result<Swarm<Behaviour>> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_other_transport(transport)?
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key, circuit| Behaviour {
            circuit,
            identify: identify::Behaviour::new(identify::Config::new("/load/1".to_owned(), key.public())),
            ping: ping::Behaviour::default(),
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build();
    swarm.listen_on(relay.with(Protocol::P2pCircuit))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { .. } => return Ok(swarm),
            SwarmEvent::ListenerClosed { reason, .. } => bail!("no reservation: {reason:?}"),
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.into()),
            _ => {}
        }
    }
}

type Ws = libp2p::core::transport::Boxed<(libp2p::PeerId, libp2p::core::muxing::StreamMuxerBox)>;

fn transport(key: &Keypair) -> Result<Ws, Box<dyn std::error::Error + Send + Sync>> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    Ok(libp2p_websocket::Config::new(tcp)
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(key)?)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, libp2p::core::muxing::StreamMuxerBox::new(muxer)))
        .boxed())
}

/// Connects as `count` new peers, each of which leaves at once.
async fn come_and_go(relay: &Multiaddr, count: usize) -> Result<()> {
    let mut gone = stream::iter(0..count)
        .map(|_| async {
            let key = Keypair::generate_ed25519();
            let mut transport = transport(&key).map_err(|error| anyhow::anyhow!(error))?;
            let opts = DialOpts {
                role: Endpoint::Dialer,
                port_use: PortUse::New,
            };
            let connection = transport.dial(relay.clone(), opts)?.await?;
            drop(connection);
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE);
    while let Some(done) = gone.next().await {
        done?;
    }
    Ok(())
}

/// Until what was begun is over.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// Bytes per cycle, by least squares.
fn slope(samples: &[(usize, u64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |value: fn(&(usize, u64)) -> f64| samples.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|s| s.0 as f64), mean(|s| s.1 as f64));
    let (mut above, mut below) = (0.0, 0.0);
    for (cycle, bytes) in samples {
        above += (*cycle as f64 - x) * (*bytes as f64 - y);
        below += (*cycle as f64 - x).powi(2);
    }
    above / below.max(f64::EPSILON)
}
