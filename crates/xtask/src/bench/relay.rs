//! What a peer costs the relay, and whether peers that come and go leave anything behind, on loopback.
//! The relay's own example makes the load; this only runs it.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Cell, Measured, Table};
use crate::context::Context;
use crate::relay::{self, Build};

pub(super) fn measure(context: &Context) -> Result<Measured> {
    if !cfg!(target_os = "linux") {
        return Ok(Measured::LeftOut("a program's memory is read from /proc"));
    }
    let load = relay::example(context, "manyhands-relay", "load", Build::Release)?;
    let said = context.command(&load).output()?;
    let figures: Value = said
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .with_context(|| format!("the load measured nothing: {said}"))?;
    let number = |key: &str| {
        figures[key]
            .as_f64()
            .with_context(|| format!("the load does not say {key}"))
    };
    let (peers, cycles) = (number("peers")?, number("cycles")?);
    let mut table = Table::new(&["what", "figure"]);
    for (what, key, decimals) in [
        (
            format!("KiB per idle peer with a reservation, of {peers}"),
            "bytes_per_idle_peer",
            1,
        ),
        (
            "peers connected and reserved per second".to_owned(),
            "connections_per_s",
            0,
        ),
        (
            format!("bytes kept per connect and disconnect, of {cycles}"),
            "bytes_per_cycle",
            1,
        ),
        (
            "connects and disconnects per second".to_owned(),
            "cycles_per_s",
            0,
        ),
    ] {
        let unit = if key == "bytes_per_idle_peer" { 1024.0 } else { 1.0 };
        table.row([what.into(), Cell::Number(number(key)? / unit, decimals)]);
    }
    table.note(
        "Relay and peers on one machine, over WebSocket; memory is what the relay's program holds resident.",
    );
    Ok(Measured::Here(table))
}
