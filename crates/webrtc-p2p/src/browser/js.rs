//! The few things of JavaScript that web-sys does not bind safely.
//! It decides nothing: every call that may throw answers a `Result`.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{RtcDataChannel, RtcPeerConnection};

use crate::Error;

/// A value that JavaScript threw, as an error of ours.
pub(crate) fn error(step: &'static str, thrown: &JsValue) -> Error {
    let reason = Reflect::get(thrown, &"message".into())
        .ok()
        .and_then(|message| message.as_string())
        .or_else(|| thrown.as_string())
        .unwrap_or_else(|| "no reason given".into());
    Error::Browser { step, reason }
}

/// Awaits a promise.
pub(crate) async fn settled(step: &'static str, promise: Promise) -> Result<JsValue, Error> {
    JsFuture::from(promise)
        .await
        .map_err(|thrown| error(step, &thrown))
}

/// `pc.createDataChannel(label)`. The binding of web-sys lets a thrown error unwind through
/// WebAssembly, which nothing survives.
pub(crate) fn create_data_channel(pc: &RtcPeerConnection, label: &str) -> Result<RtcDataChannel, Error> {
    const STEP: &str = "create a data channel";
    Reflect::get(pc, &"createDataChannel".into())
        .and_then(|method| method.dyn_into::<Function>())
        .and_then(|method| method.call1(pc, &label.into()))
        .and_then(|channel| channel.dyn_into::<RtcDataChannel>())
        .map_err(|thrown| error(STEP, &thrown))
}

/// Whether the SCTP association has ended. web-sys has no `RTCSctpTransport`.
pub(crate) fn association_closed(pc: &RtcPeerConnection) -> bool {
    association(pc)
        .and_then(|sctp| Reflect::get(&sctp, &"state".into()).ok())
        .is_some_and(|state| state.as_string().as_deref() == Some("closed"))
}

/// Sets (or with `null` unsets) what is called when the association changes its state.
pub(crate) fn on_association_change(pc: &RtcPeerConnection, call: &JsValue) {
    if let Some(sctp) = association(pc) {
        // A browser without that event is looked at regularly instead.
        let _ = Reflect::set(&sctp, &"onstatechange".into(), call);
    }
}

fn association(pc: &RtcPeerConnection) -> Option<JsValue> {
    Reflect::get(pc, &"sctp".into()).ok().filter(JsValue::is_object)
}

/// The sum of the packets that the statistics say were received, of data and of ICE checks.
pub(crate) fn received_packets(stats: &JsValue) -> u64 {
    const COUNTERS: [&str; 3] = ["packetsReceived", "responsesReceived", "requestsReceived"];
    let mut sum = 0.0;
    if let Some(report) = stats.dyn_ref::<js_sys::Object>() {
        report.unchecked_ref::<js_sys::Map>().for_each(&mut |entry, _| {
            let field = |name: &str| Reflect::get(&entry, &name.into()).unwrap_or(JsValue::UNDEFINED);
            if field("type").as_string().as_deref() == Some("candidate-pair") {
                sum += COUNTERS
                    .iter()
                    .filter_map(|name| field(name).as_f64())
                    .sum::<f64>();
            }
        });
    }
    sum as u64
}

/// Milliseconds of a clock that only goes forward, also in a page without `performance`.
pub(crate) fn now_ms() -> u64 {
    Reflect::get(&js_sys::global(), &"performance".into())
        .and_then(|performance| {
            let now = Reflect::get(&performance, &"now".into())?;
            now.dyn_into::<Function>()?.call0(&performance)
        })
        .ok()
        .and_then(|now| now.as_f64())
        .unwrap_or_else(js_sys::Date::now) as u64
}
