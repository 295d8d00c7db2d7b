//! From a signalling stream to a direct connection.
//! The order of messages is `signaling`'s; here the browser is asked for what they carry.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{self, Either};
use futures::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use futures_timer::Delay;
use js_sys::Reflect;
use libp2p_swarm::Stream;
use wasm_bindgen::JsCast as _;
use web_sys::{
    RtcDataChannelState, RtcIceCandidateInit, RtcPeerConnection, RtcSdpType, RtcSessionDescriptionInit,
};

use super::connection::{Connection, INIT_LABEL, Inner};
use super::js;
use crate::signaling::{Event, MAX_CANDIDATES, Role, Session};
use crate::{Config, Error};

/// How long the peer may take to close its half of the signalling stream after we did: until
/// then it may still need the relayed connection.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often to look whether the `init` channel has opened: two or three times in all.
const INIT_TICK: Duration = Duration::from_millis(10);

/// Negotiates a direct connection over `stream`, within the time that the settings give.
pub(crate) async fn upgrade(
    role: Role,
    mut stream: Stream,
    config: Config,
) -> Result<(Connection, Stream), Error> {
    let limit = config.upgrade_timeout;
    let negotiation = Box::pin(negotiate(role, &mut stream, &config));
    let outcome = match future::select(negotiation, Delay::new(limit)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::Timeout {
            seconds: limit.as_secs(),
        }),
    };
    outcome.map(|connection| (connection, stream))
}

/// Closes our half of the signalling stream and waits until the peer has closed its own.
pub(crate) async fn farewell(mut stream: Stream) {
    let goodbye = Box::pin(async move {
        let _ = stream.close().await;
        let mut rest = [0; 256];
        while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
    });
    future::select(goodbye, Delay::new(FAREWELL)).await;
}

async fn negotiate(role: Role, stream: &mut Stream, config: &Config) -> Result<Connection, Error> {
    let (candidates_in, mut candidates) = mpsc::channel(MAX_CANDIDATES);
    let inner = Inner::new(config, candidates_in)?;
    let mut session = Session::new(role);
    let mut init = None;
    if role == Role::Initiator {
        // Without a channel the browser would have nothing to negotiate.
        init = Some(js::create_data_channel(&inner.pc, INIT_LABEL)?);
        let offer = create_description("create an offer", inner.pc.create_offer()).await?;
        describe_us(&inner.pc, RtcSdpType::Offer, offer, &mut session, stream).await?;
    }
    let mut buffer = [0; 4_096];
    let mut open = true;
    loop {
        match next_step(&inner, &mut candidates, stream, open, &mut buffer).await? {
            Step::Connected => break,
            Step::Candidate(json) => {
                session.send_candidate(json);
                // A stream that broke is no harm once the descriptions are exchanged.
                open &= send(&mut session, stream).await.is_ok();
            }
            Step::Received(count) => session.receive(&buffer[..count])?,
            Step::Ended => {
                session.stream_ended()?;
                open = false;
            }
        }
        while let Some(event) = session.next_event() {
            match event {
                Event::RemoteDescription(sdp) if role == Role::Initiator => {
                    set_remote(&inner.pc, RtcSdpType::Answer, &sdp).await?;
                }
                Event::RemoteDescription(sdp) => {
                    set_remote(&inner.pc, RtcSdpType::Offer, &sdp).await?;
                    let answer = create_description("create an answer", inner.pc.create_answer()).await?;
                    describe_us(&inner.pc, RtcSdpType::Answer, answer, &mut session, stream).await?;
                }
                Event::RemoteCandidate(json) => add_candidate(&inner.pc, &json).await,
            }
        }
    }
    session.connected();
    if let Some(init) = init {
        // The association is up when this channel is; its id is free again when it is closed.
        while init.ready_state() == RtcDataChannelState::Connecting && !inner.has_failed() {
            Delay::new(INIT_TICK).await;
        }
        init.close();
        inner.note_freed(init.id());
    }
    Ok(inner.into_connection())
}

/// What happens next while connecting.
enum Step {
    Connected,
    Candidate(String),
    Received(usize),
    Ended,
}

async fn next_step(
    inner: &Rc<Inner>,
    candidates: &mut mpsc::Receiver<String>,
    stream: &mut Stream,
    open: bool,
    buffer: &mut [u8],
) -> Result<Step, Error> {
    future::poll_fn(|cx: &mut Context<'_>| {
        if let Poll::Ready(outcome) = inner.poll_connected(cx) {
            return Poll::Ready(outcome.map(|()| Step::Connected));
        }
        if let Poll::Ready(Some(json)) = candidates.poll_next_unpin(cx) {
            return Poll::Ready(Ok(Step::Candidate(json)));
        }
        if !open {
            return Poll::Pending;
        }
        Pin::new(&mut *stream).poll_read(cx, buffer).map(|read| {
            Ok(match read {
                Ok(count) if count > 0 => Step::Received(count),
                _ => Step::Ended,
            })
        })
    })
    .await
}

/// Sends our description before setting it, so that no candidate precedes it.
async fn describe_us(
    pc: &RtcPeerConnection,
    ty: RtcSdpType,
    sdp: String,
    session: &mut Session,
    stream: &mut Stream,
) -> Result<(), Error> {
    let description = RtcSessionDescriptionInit::new(ty);
    description.set_sdp(&sdp);
    session.send_description(sdp);
    send(session, stream).await?;
    js::settled("set our description", pc.set_local_description(&description)).await?;
    Ok(())
}

async fn set_remote(pc: &RtcPeerConnection, ty: RtcSdpType, sdp: &str) -> Result<(), Error> {
    let description = RtcSessionDescriptionInit::new(ty);
    description.set_sdp(sdp);
    js::settled(
        "set the peer's description",
        pc.set_remote_description(&description),
    )
    .await?;
    Ok(())
}

/// A candidate that the browser does not like is only one way less.
async fn add_candidate(pc: &RtcPeerConnection, json: &str) {
    let Ok(candidate) = js_sys::JSON::parse(json) else {
        tracing::debug!("candidate of the peer is not JSON");
        return;
    };
    if !candidate.is_object() {
        return;
    }
    let candidate = candidate.unchecked_into::<RtcIceCandidateInit>();
    let added = pc.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&candidate));
    if let Err(error) = js::settled("add a candidate", added).await {
        tracing::debug!(%error, "candidate of the peer refused");
    }
}

async fn create_description(step: &'static str, promise: js_sys::Promise) -> Result<String, Error> {
    let description = js::settled(step, promise).await?;
    Reflect::get(&description, &"sdp".into())
        .ok()
        .and_then(|sdp| sdp.as_string())
        .ok_or_else(|| Error::Browser {
            step,
            reason: "it has no sdp".into(),
        })
}

async fn send(session: &mut Session, stream: &mut Stream) -> Result<(), Error> {
    let bytes = session.take_output();
    if bytes.is_empty() {
        return Ok(());
    }
    let lost = |error: std::io::Error| Error::NoSignalingStream(error.to_string());
    stream.write_all(&bytes).await.map_err(lost)?;
    stream.flush().await.map_err(lost)
}
