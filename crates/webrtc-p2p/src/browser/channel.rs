//! One data channel and the stream on it: events in, frames out.
//! It does not know libp2p's traits; `stream` does.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use super::connection::Inner;
use super::js;
use crate::Error;
use crate::stream::{Flag, MAX_RECEIVE_BYTES, Opening, StreamError, Substream, encode};

/// Above this many queued bytes of a channel a writer waits. Chromium's SCTP throws packets away when it has more to send than
/// the 64 KiB that its network process takes at once, and recovers slowly: with 1 MiB queued, 16 MiB there and
/// back took 9 to 15 s on one machine, with 128 KiB 1.4 to 10 s, with 64 KiB always 1.3 to 1.6 s. What is on its
/// way is not counted here, so a long line stays full.
const SEND_HIGH_BYTES: u32 = 64 * 1024;
/// At this many queued bytes it goes on.
const SEND_LOW_BYTES: u32 = 32 * 1024;

/// What all streams of a connection may leave unread together: a few bursts of
/// `MAX_RECEIVE_BYTES`, so that many streams are no way around the cap of one.
const MAX_CONNECTION_UNREAD_BYTES: usize = 4 * MAX_RECEIVE_BYTES;

/// A data channel that belongs to a connection.
pub(crate) struct Channel {
    dc: RefCell<RtcDataChannel>,
    key: u32,
    /// Opened by us, not by the peer.
    ours: bool,
    connection: Weak<Inner>,
    /// What the connection counts as unread here.
    counted_bytes: Cell<usize>,
    state: RefCell<State>,
}

struct State {
    substream: Substream,
    reader: Option<Waker>,
    writer: Option<Waker>,
    handlers: Option<Handlers>,
    /// When the peer's time is up, and what for: the limit that was set.
    deadline: Option<Deadline>,
    /// While the peer may not have heard of the channel.
    opening: Option<Opening>,
}

#[derive(Clone, Copy)]
struct Deadline {
    patience_ms: u64,
    at_ms: u64,
}

/// The closures that the browser calls. They must outlive their registration.
struct Handlers {
    _open: Closure<dyn FnMut(Event)>,
    _low: Closure<dyn FnMut(Event)>,
    _close: Closure<dyn FnMut(Event)>,
    _message: Closure<dyn FnMut(MessageEvent)>,
}

impl Channel {
    /// Opens one.
    pub(crate) fn open(connection: &Rc<Inner>, key: u32) -> Result<Rc<Channel>, Error> {
        let dc = js::create_data_channel(&connection.pc, "")?;
        let maybe_held = dc.id().is_some_and(|id| connection.note_taken(id));
        let channel = Channel::new(dc, key, true, connection);
        channel.state.borrow_mut().opening = maybe_held.then(Opening::default);
        Ok(channel)
    }

    /// Takes over one that the peer opened.
    pub(crate) fn adopt(dc: RtcDataChannel, key: u32, connection: &Rc<Inner>) -> Rc<Channel> {
        Channel::new(dc, key, false, connection)
    }

    /// Listens to it from now on, so that nothing it says is lost.
    fn new(dc: RtcDataChannel, key: u32, ours: bool, connection: &Rc<Inner>) -> Rc<Channel> {
        let state = State {
            substream: Substream::new(MAX_RECEIVE_BYTES),
            reader: None,
            writer: None,
            handlers: None,
            deadline: None,
            opening: None,
        };
        let channel = Rc::new(Channel {
            dc: RefCell::new(dc),
            key,
            ours,
            connection: Rc::downgrade(connection),
            counted_bytes: Cell::new(0),
            state: RefCell::new(state),
        });
        channel.attach();
        channel
    }

    /// Reads received bytes.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<Result<usize, StreamError>> {
        let mut state = self.state.borrow_mut();
        match state.substream.read(into) {
            Ok(Some(count)) => {
                drop(state);
                self.account();
                Poll::Ready(Ok(count))
            }
            Ok(None) => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Sends up to one frame.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, StreamError>> {
        let mut state = self.state.borrow_mut();
        state.substream.check_writable()?;
        let dc = self.dc.borrow();
        match dc.ready_state() {
            RtcDataChannelState::Open if dc.buffered_amount() < SEND_HIGH_BYTES => {}
            RtcDataChannelState::Open | RtcDataChannelState::Connecting => {
                state.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            _ => return Poll::Ready(Err(StreamError::ChannelClosed)),
        }
        let count = state.substream.write(bytes)?;
        drop((state, dc));
        self.pump();
        Poll::Ready(Ok(count))
    }

    /// Everything written has been given to the data channel.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let mut state = self.state.borrow_mut();
        if state.substream.has_frames() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Closes the writing half and waits for the peer's acknowledgement.
    pub(crate) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.state.borrow_mut().substream.close_write();
        self.pump();
        let mut state = self.state.borrow_mut();
        match state.substream.write_closed() {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// The holder of the stream is gone.
    pub(crate) fn abandon(&self) {
        self.change(Substream::abandon);
    }

    /// Whether the connection must wait for this channel before it closes.
    pub(crate) fn has_undelivered(&self) -> bool {
        self.state.borrow().substream.has_undelivered()
    }

    /// Ends the patience with a peer that had its time, and with a channel that nobody answers.
    pub(crate) fn sweep(self: &Rc<Channel>, now_ms: u64) {
        let late = self
            .state
            .borrow()
            .deadline
            .is_some_and(|deadline| now_ms >= deadline.at_ms);
        if late {
            self.change(Substream::time_is_up);
        }
        if self.is_unheard(now_ms) {
            self.move_on();
        }
    }

    /// The connection is gone: whoever waits is told, and the browser calls us no more.
    pub(crate) fn connection_closed(&self) {
        self.detach();
        self.state.borrow_mut().substream.channel_closed();
        self.wake();
    }

    fn is_unheard(&self, now_ms: u64) -> bool {
        let state = &mut *self.state.borrow_mut();
        let lives = !state.substream.is_over() && self.dc.borrow().ready_state() == RtcDataChannelState::Open;
        let opening = state.opening.as_mut().filter(|_| lives);
        opening.is_some_and(|opening| opening.is_unheard(now_ms))
    }

    /// Moves the stream to another channel, where what it has said is said again. The silent one is closed afterwards, so
    /// that its id is not taken again; a peer that was only slow learns that it is over.
    fn move_on(self: &Rc<Channel>) {
        let opening = self.state.borrow_mut().opening.take();
        let (Some(opening), Some(connection)) = (opening, self.connection.upgrade()) else {
            return;
        };
        let dc = match js::create_data_channel(&connection.pc, "") {
            Ok(dc) => dc,
            Err(error) => {
                return tracing::debug!(%error, "nobody answers a stream, and there is no other channel");
            }
        };
        tracing::debug!("nobody answers a stream: it moves to another channel");
        if let Some(id) = dc.id() {
            connection.note_taken(id);
        }
        self.detach();
        let silent = self.dc.replace(dc);
        self.attach();
        // Refused or not, the channel is closed.
        let _ = silent.send_with_u8_array(&encode(Some(Flag::ResetStream), &[]));
        silent.close();
        connection.note_freed(silent.id());
        self.change(|substream| substream.say_again(opening.into_said()));
    }

    fn on_message(&self, event: &MessageEvent) {
        self.state.borrow_mut().opening = None;
        match event.data().dyn_into::<js_sys::ArrayBuffer>() {
            Ok(buffer) => {
                let bytes = js_sys::Uint8Array::new(&buffer).to_vec();
                self.state.borrow_mut().substream.receive(&bytes);
            }
            Err(_) => self.state.borrow_mut().substream.receive_text(),
        }
        if !self.account() {
            let max = MAX_CONNECTION_UNREAD_BYTES;
            self.change(|substream| substream.refuse(StreamError::ReceiveBufferFull { max }));
        }
        self.pump();
        self.wake();
    }

    fn on_close(&self) {
        self.detach();
        self.state.borrow_mut().substream.channel_closed();
        self.wake();
        if let Some(connection) = self.connection.upgrade() {
            if self.ours {
                connection.note_freed(self.dc.borrow().id());
            }
            connection.channel_gone(self.key);
        }
    }

    /// Changes the state, then sends what follows from it.
    fn change(&self, change: impl FnOnce(&mut Substream)) {
        change(&mut self.state.borrow_mut().substream);
        self.pump();
        self.wake();
    }

    /// Sends what waits. What a stream drops as it ends is unread no more.
    fn pump(&self) {
        self.send_waiting();
        self.account();
    }

    /// Gives waiting frames to the data channel, each as one message, and closes the channel
    /// when it has served.
    fn send_waiting(&self) {
        let state = &mut *self.state.borrow_mut();
        let dc = self.dc.borrow();
        if dc.ready_state() == RtcDataChannelState::Connecting {
            // A stream that is over before it was open has nothing to tell anybody.
            if state.substream.wants_channel_closed() {
                dc.close();
            }
            return;
        }
        while let Some(frame) = state.substream.next_frame() {
            if dc.ready_state() != RtcDataChannelState::Open {
                continue; // Closing: nothing gets through any more, `onclose` follows.
            }
            if let Err(thrown) = dc.send_with_u8_array(&frame) {
                let error = js::error("send", &thrown);
                tracing::debug!(%error, "data channel refused a frame");
                state.substream.refuse(StreamError::Send(error.to_string()));
            }
            if let Some(opening) = &mut state.opening
                && !opening.said(&frame, js::now_ms())
            {
                state.opening = None;
            }
        }
        state.deadline = state
            .substream
            .patience_ms()
            .map(|patience_ms| match state.deadline {
                Some(running) if running.patience_ms == patience_ms => running,
                _ => Deadline {
                    patience_ms,
                    at_ms: js::now_ms() + patience_ms,
                },
            });
        if state.substream.wants_channel_closed() {
            dc.close();
        }
    }

    /// Tells the connection what is unread here now; `false` when that has become too much of all its streams.
    fn account(&self) -> bool {
        let Some(connection) = self.connection.upgrade() else {
            return true;
        };
        let unread = self.state.borrow().substream.unread_bytes();
        let before = self.counted_bytes.replace(unread);
        let all = (connection.unread_bytes.get() + unread).saturating_sub(before);
        connection.unread_bytes.set(all);
        unread <= before || all <= MAX_CONNECTION_UNREAD_BYTES
    }

    fn wake(&self) {
        let (reader, writer) = {
            let mut state = self.state.borrow_mut();
            (state.reader.take(), state.writer.take())
        };
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }

    fn attach(self: &Rc<Channel>) {
        let on = |act: fn(&Channel)| {
            let channel = Rc::downgrade(self);
            Closure::<dyn FnMut(Event)>::new(move |_| {
                if let Some(channel) = channel.upgrade() {
                    act(&channel);
                }
            })
        };
        let sendable = |channel: &Channel| {
            channel.pump();
            channel.wake();
        };
        let open = on(sendable);
        let low = on(|channel| channel.wake());
        let close = on(Channel::on_close);
        let weak = Rc::downgrade(self);
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(channel) = weak.upgrade() {
                channel.on_message(&event);
            }
        });
        let dc = self.dc.borrow();
        dc.set_binary_type(RtcDataChannelType::Arraybuffer);
        dc.set_buffered_amount_low_threshold(SEND_LOW_BYTES);
        dc.set_onopen(Some(open.as_ref().unchecked_ref()));
        dc.set_onbufferedamountlow(Some(low.as_ref().unchecked_ref()));
        dc.set_onclose(Some(close.as_ref().unchecked_ref()));
        dc.set_onmessage(Some(message.as_ref().unchecked_ref()));
        let handlers = Handlers {
            _open: open,
            _low: low,
            _close: close,
            _message: message,
        };
        self.state.borrow_mut().handlers = Some(handlers);
    }

    /// Unset first, then drop: the browser must never call a closure that is gone.
    fn detach(&self) {
        let dc = self.dc.borrow();
        dc.set_onopen(None);
        dc.set_onbufferedamountlow(None);
        dc.set_onclose(None);
        dc.set_onmessage(None);
        let handlers = self.state.borrow_mut().handlers.take();
        drop(handlers);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.detach();
    }
}
