//! An `RTCPeerConnection` as a libp2p connection: a muxer whose streams are data channels.
//! How it gets connected is `upgrade`'s business, whether it still lives is `watch`'s.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::channel::mpsc;
use futures_timer::Delay;
use libp2p_core::muxing::{StreamMuxer, StreamMuxerEvent};
use send_wrapper::SendWrapper;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::{
    Event, RtcConfiguration, RtcDataChannel, RtcDataChannelEvent, RtcIceServer, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState,
};

use super::channel::Channel;
use super::stream::Stream;
use super::{js, watch};
use crate::refusals::Refusal;
use crate::stream::HELD_MS;
use crate::{Config, Error, IceServer};

/// The label of the channel that only makes the browser negotiate data channels at all.
pub(crate) const INIT_LABEL: &str = "init";
/// Streams that the peer opened and nobody has accepted yet. Beyond it new ones are refused:
/// the swarm takes over as many as it wants to negotiate, so more means a flood.
const MAX_WAITING_STREAMS: usize = 64;
/// Open streams of one connection, both directions. A browser has room for 65,535 channels,
/// its memory has not.
const MAX_STREAMS: usize = 1_024;
/// A peer that had so many streams refused and still opens more is flooding us; each costs the
/// browser some work, so the connection ends.
const MAX_REFUSED_STREAMS: usize = 1_000;
/// How long a closing connection waits for its streams to say goodbye: closing the
/// `RTCPeerConnection` throws away whatever is queued.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// A direct connection to one peer.
pub struct Connection {
    inner: SendWrapper<Rc<Inner>>,
    closing: Option<Delay>,
}

/// What the browser's events reach.
pub(crate) struct Inner {
    pub(crate) pc: RtcPeerConnection,
    /// Received bytes of all streams that nobody has read.
    pub(crate) unread_bytes: Cell<usize>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    channels: HashMap<u32, Rc<Channel>>,
    /// The ids that our channels had lately, and when they closed; `None` until the browser tells, which is later than
    /// the id is free.
    ids: HashMap<u16, Option<u64>>,
    next_key: u32,
    waiting: VecDeque<Stream>,
    refused: usize,
    failure: Option<Error>,
    /// Whoever waits for a change: the swarm, or the upgrade.
    waker: Option<Waker>,
    handlers: Option<Handlers>,
    association: Option<Closure<dyn FnMut(Event)>>,
}

struct Handlers {
    _data_channel: Closure<dyn FnMut(RtcDataChannelEvent)>,
    _state_change: Closure<dyn FnMut(Event)>,
    _candidate: Closure<dyn FnMut(RtcPeerConnectionIceEvent)>,
}

impl Inner {
    /// A fresh `RTCPeerConnection`. Its candidates go to `candidates` as JSON; channels that
    /// the peer opens are kept from this moment on.
    pub(crate) fn new(config: &Config, candidates: mpsc::Sender<String>) -> Result<Rc<Inner>, Error> {
        let pc = RtcPeerConnection::new_with_configuration(&rtc_configuration(&config.ice_servers))
            .map_err(|thrown| js::error("create a peer connection", &thrown))?;
        let inner = Rc::new(Inner {
            pc,
            unread_bytes: Cell::new(0),
            state: RefCell::new(State::default()),
        });
        inner.attach(candidates);
        Ok(inner)
    }

    /// Ready once connected, or failed for good.
    pub(crate) fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.state.borrow_mut();
        if let Some(error) = &state.failure {
            return Poll::Ready(Err(error.clone()));
        }
        if self.pc.connection_state() == RtcPeerConnectionState::Connected {
            return Poll::Ready(Ok(()));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Connected: from now on the peer must stay alive.
    pub(crate) fn into_connection(self: Rc<Inner>) -> Connection {
        self.pc.set_onicecandidate(None);
        let weak = Rc::downgrade(&self);
        let association = Closure::<dyn FnMut(Event)>::new(move |_| {
            if let Some(inner) = weak.upgrade() {
                inner.check_association();
            }
        });
        js::on_association_change(&self.pc, association.as_ref());
        self.state.borrow_mut().association = Some(association);
        watch::start(&self);
        Connection {
            inner: SendWrapper::new(self),
            closing: None,
        }
    }

    /// The end, with its reason: everybody who waits is told, and the browser may forget us.
    pub(crate) fn fail(&self, error: Error) {
        let (channels, waiting, handlers, association, waker) = {
            let mut state = self.state.borrow_mut();
            if state.failure.is_some() {
                return;
            }
            tracing::debug!(%error, "connection ends");
            state.failure = Some(error);
            let state = &mut *state;
            (
                std::mem::take(&mut state.channels),
                std::mem::take(&mut state.waiting),
                state.handlers.take(),
                state.association.take(),
                state.waker.take(),
            )
        };
        self.pc.set_ondatachannel(None);
        self.pc.set_onconnectionstatechange(None);
        self.pc.set_onicecandidate(None);
        js::on_association_change(&self.pc, &JsValue::NULL);
        for channel in channels.values() {
            channel.connection_closed();
        }
        self.pc.close();
        drop((waiting, channels, handlers, association));
        waker.into_iter().for_each(Waker::wake);
    }

    /// Whether the connection has ended.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.borrow().failure.is_some()
    }

    /// All channels, for the regular sweep.
    pub(crate) fn channels(&self) -> Vec<Rc<Channel>> {
        self.state.borrow().channels.values().cloned().collect()
    }

    /// A channel has closed; the browser reuses its id.
    pub(crate) fn channel_gone(&self, key: u32) {
        let (channel, waker) = {
            let mut state = self.state.borrow_mut();
            (state.channels.remove(&key), state.waker.clone())
        };
        drop(channel);
        waker.into_iter().for_each(Waker::wake);
    }

    /// A channel of ours got this id; answers whether the peer may still hold it for one before.
    pub(crate) fn note_taken(&self, id: u16) -> bool {
        let now_ms = js::now_ms();
        let before = self.state.borrow_mut().ids.insert(id, None);
        before
            .is_some_and(|freed_ms| freed_ms.is_none_or(|freed_ms| now_ms.saturating_sub(freed_ms) < HELD_MS))
    }

    /// A channel of ours with this id has closed, or is about to.
    pub(crate) fn note_freed(&self, id: Option<u16>) {
        let now_ms = js::now_ms();
        let ids = &mut self.state.borrow_mut().ids;
        ids.retain(|_, freed_ms| freed_ms.is_none_or(|freed_ms| now_ms.saturating_sub(freed_ms) < HELD_MS));
        ids.extend(id.map(|id| (id, Some(now_ms))));
    }

    /// A peer that closes its `RTCPeerConnection` ends the association at once, long before
    /// `connectionState` tells.
    pub(crate) fn check_association(&self) {
        if js::association_closed(&self.pc) {
            self.fail(Error::Lost("the peer closed the connection"));
        }
    }

    fn on_data_channel(self: &Rc<Inner>, dc: RtcDataChannel) {
        if dc.label() == INIT_LABEL {
            return; // Whoever opened it closes it.
        }
        if !self.admits_stream() {
            dc.close();
            let mut state = self.state.borrow_mut();
            state.refused += 1;
            let flooded = state.refused > MAX_REFUSED_STREAMS;
            Refusal::TooManyStreams.happened();
            drop(state);
            if flooded {
                Refusal::StreamFlood.happened();
                self.fail(Error::Lost("the peer floods us with streams"));
            }
            return;
        }
        let key = self.next_key();
        let stream = self.keep(key, Channel::adopt(dc, key, self));
        let mut state = self.state.borrow_mut();
        state.waiting.push_back(stream);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn admits_stream(&self) -> bool {
        let state = self.state.borrow();
        state.failure.is_none()
            && state.waiting.len() < MAX_WAITING_STREAMS
            && state.channels.len() < MAX_STREAMS
    }

    fn on_state_change(&self) {
        match self.pc.connection_state() {
            RtcPeerConnectionState::Failed => self.fail(Error::Lost("no path to the peer works")),
            RtcPeerConnectionState::Closed => self.fail(Error::Closed),
            _ => {
                let waker = self.state.borrow_mut().waker.take();
                waker.into_iter().for_each(Waker::wake);
            }
        }
    }

    fn open_stream(self: &Rc<Inner>) -> Result<Stream, Error> {
        if self.state.borrow().channels.len() >= MAX_STREAMS {
            return Err(Error::TooMany { max: MAX_STREAMS });
        }
        let key = self.next_key();
        Ok(self.keep(key, Channel::open(self, key)?))
    }

    fn keep(&self, key: u32, channel: Rc<Channel>) -> Stream {
        self.state.borrow_mut().channels.insert(key, channel.clone());
        Stream::new(channel)
    }

    fn next_key(&self) -> u32 {
        let mut state = self.state.borrow_mut();
        let key = state.next_key;
        state.next_key = key.wrapping_add(1);
        key
    }

    fn attach(self: &Rc<Inner>, mut candidates: mpsc::Sender<String>) {
        let weak = Rc::downgrade(self);
        let data_channel =
            Closure::<dyn FnMut(RtcDataChannelEvent)>::new(move |event: RtcDataChannelEvent| {
                if let Some(inner) = weak.upgrade() {
                    inner.on_data_channel(event.channel());
                }
            });
        let weak = Rc::downgrade(self);
        let state_change = Closure::<dyn FnMut(Event)>::new(move |_| {
            if let Some(inner) = weak.upgrade() {
                inner.on_state_change();
            }
        });
        let candidate =
            Closure::<dyn FnMut(RtcPeerConnectionIceEvent)>::new(move |event: RtcPeerConnectionIceEvent| {
                let json = event
                    .candidate()
                    .filter(|candidate| !candidate.candidate().is_empty());
                let json = json.and_then(|candidate| js_sys::JSON::stringify(&candidate.to_json()).ok());
                if let Some(json) = json {
                    // Full means that nobody sends them any more.
                    let _ = candidates.try_send(String::from(json));
                }
            });
        self.pc
            .set_ondatachannel(Some(data_channel.as_ref().unchecked_ref()));
        self.pc
            .set_onconnectionstatechange(Some(state_change.as_ref().unchecked_ref()));
        self.pc
            .set_onicecandidate(Some(candidate.as_ref().unchecked_ref()));
        self.state.borrow_mut().handlers = Some(Handlers {
            _data_channel: data_channel,
            _state_change: state_change,
            _candidate: candidate,
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.fail(Error::Closed);
    }
}

impl StreamMuxer for Connection {
    type Substream = Stream;
    type Error = Error;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, Error>> {
        let mut state = self.inner.state.borrow_mut();
        if let Some(stream) = state.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        if let Some(error) = &state.failure {
            return Poll::Ready(Err(error.clone()));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Stream, Error>> {
        let failure = self.inner.state.borrow().failure.clone();
        Poll::Ready(match failure {
            Some(error) => Err(error),
            None => self.inner.open_stream(),
        })
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.closing.is_none() {
            let waiting = std::mem::take(&mut self.inner.state.borrow_mut().waiting);
            drop(waiting);
            for channel in self.inner.channels() {
                channel.abandon();
            }
            self.closing = Some(Delay::new(CLOSE_GRACE));
        }
        let late = self
            .closing
            .as_mut()
            .is_none_or(|grace| grace.poll_unpin(cx).is_ready());
        let mut state = self.inner.state.borrow_mut();
        if !late && state.channels.values().any(|channel| channel.has_undelivered()) {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        self.inner.fail(Error::Closed);
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Error>> {
        let mut state = self.inner.state.borrow_mut();
        if let Some(error) = &state.failure {
            return Poll::Ready(Err(error.clone()));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.inner.fail(Error::Closed);
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

fn rtc_configuration(servers: &[IceServer]) -> RtcConfiguration {
    let list = js_sys::Array::new();
    for server in servers {
        let entry = RtcIceServer::new();
        let urls: js_sys::Array = server.urls.iter().map(|url| JsValue::from_str(url)).collect();
        entry.set_urls(&urls);
        if let Some(username) = &server.username {
            entry.set_username(username);
        }
        if let Some(credential) = &server.credential {
            entry.set_credential(credential);
        }
        list.push(&entry);
    }
    let configuration = RtcConfiguration::new();
    configuration.set_ice_servers(&list);
    configuration
}
