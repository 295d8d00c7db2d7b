//! The regular look at a connection: streams that wait too long, a peer that is gone.
//! What gone means is decided in `liveness`.

use std::rc::{Rc, Weak};
use std::time::Duration;

use futures_timer::Delay;
use wasm_bindgen_futures::spawn_local;
use web_sys::RtcPeerConnectionState;

use super::connection::Inner;
use super::js;
use crate::Error;
use crate::liveness::Liveness;

/// A browser that says `disconnected` has heard nothing for about five seconds already; this
/// much longer it may recover.
const DISCONNECTED_GRACE_MS: u64 = 1_500;

/// Watches a connection until it ends or is dropped.
pub(crate) fn start(inner: &Rc<Inner>) {
    spawn_local(watch(Rc::downgrade(inner)));
}

async fn watch(connection: Weak<Inner>) {
    let mut liveness = Liveness::new(js::now_ms());
    let mut disconnected_since_ms = None;
    loop {
        Delay::new(Duration::from_millis(liveness.next_look_ms(js::now_ms()))).await;
        let Some(inner) = connection.upgrade().filter(|inner| !inner.has_failed()) else {
            return;
        };
        let now_ms = js::now_ms();
        for channel in inner.channels() {
            channel.sweep(now_ms);
        }
        inner.check_association();
        disconnected_since_ms = match inner.pc.connection_state() {
            RtcPeerConnectionState::Disconnected => disconnected_since_ms.or(Some(now_ms)),
            _ => None,
        };
        if disconnected_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= DISCONNECTED_GRACE_MS) {
            return inner.fail(Error::Lost("the path to the peer broke"));
        }
        let statistics = inner.pc.get_stats();
        drop(inner); // Statistics take their time; the connection may go meanwhile.
        let Ok(statistics) = js::settled("read statistics", statistics).await else {
            continue;
        };
        let Some(inner) = connection.upgrade() else { return };
        if liveness.is_gone(js::now_ms(), js::received_packets(&statistics)) {
            return inner.fail(Error::Lost("the peer has vanished"));
        }
    }
}
