//! The events of an answer as they are drawn: text that comes sooner than the eye needs it is joined to one piece.
//! It loses nothing and delays nothing but text, and that by less than two frames.

use std::pin::pin;

use futures::future::{Either, select};
use futures::stream::{Stream, StreamExt as _};

use crate::view::ChatEvent;

/// Thirty times a second is at once for a reader. Drawing takes the processor that computes the next token.
const DRAW_EVERY_MS: f64 = 33.0;

/// Moments and pauses.
pub(super) trait Clock {
    fn now_ms(&self) -> f64;
    fn sleep(&self, ms: f64) -> impl Future<Output = ()>;
}

/// Takes events from a stream; a call of [`Drawn::next`] that is given up loses none.
pub(super) struct Drawn<S, C> {
    events: S,
    clock: C,
    /// Came too soon after what was drawn last.
    text: String,
    /// Came behind that text.
    held: Option<ChatEvent>,
    drawn_ms: f64,
}

impl<S: Stream<Item = ChatEvent> + Unpin, C: Clock> Drawn<S, C> {
    pub(super) fn new(events: S, clock: C) -> Self {
        Self {
            events,
            clock,
            text: String::new(),
            held: None,
            drawn_ms: f64::NEG_INFINITY,
        }
    }

    /// The next event; none at the end.
    pub(super) async fn next(&mut self) -> Option<ChatEvent> {
        if self.text.is_empty() {
            let event = match self.held.take() {
                Some(event) => Some(event),
                None => self.events.next().await,
            };
            match event {
                Some(ChatEvent::Text(text)) => self.text = text,
                other => return other,
            }
        }
        let wait_ms = self.drawn_ms + DRAW_EVERY_MS - self.clock.now_ms();
        if wait_ms > 0.0 && self.held.is_none() {
            self.collect(wait_ms).await;
        }
        self.rest()
    }

    /// The text that was not given out yet.
    pub(super) fn rest(&mut self) -> Option<ChatEvent> {
        self.drawn_ms = self.clock.now_ms();
        let text = std::mem::take(&mut self.text);
        (!text.is_empty()).then_some(ChatEvent::Text(text))
    }

    /// Joins text until the time is over or something else comes.
    async fn collect(&mut self, wait_ms: f64) {
        let mut over = pin!(self.clock.sleep(wait_ms));
        while let Either::Left((event, _)) = select(self.events.next(), &mut over).await {
            match event {
                Some(ChatEvent::Text(more)) => self.text.push_str(&more),
                other => {
                    self.held = other;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;
    use std::rc::Rc;

    use futures::FutureExt as _;
    use futures::channel::mpsc;

    use super::*;

    /// A sleep ends when the test says that the time is over.
    #[derive(Clone, Default)]
    struct ByHand(Rc<Cell<f64>>);

    impl Clock for ByHand {
        fn now_ms(&self) -> f64 {
            self.0.get()
        }

        fn sleep(&self, ms: f64) -> impl Future<Output = ()> {
            let (now, until) = (self.0.clone(), self.0.get() + ms);
            std::future::poll_fn(move |_| {
                if now.get() >= until {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
        }
    }

    fn text(text: &str) -> ChatEvent {
        ChatEvent::Text(text.to_owned())
    }

    #[test]
    fn the_first_text_comes_at_once_and_what_follows_too_soon_comes_together() {
        let (mut send, events) = mpsc::channel(9);
        let clock = ByHand::default();
        let mut drawn = Drawn::new(events, clock.clone());
        send.try_send(text("a")).unwrap();
        assert_eq!(drawn.next().now_or_never(), Some(Some(text("a"))));
        send.try_send(text("b")).unwrap();
        assert_eq!(drawn.next().now_or_never(), None, "too soon");
        send.try_send(text("c")).unwrap();
        clock.0.set(DRAW_EVERY_MS);
        assert_eq!(drawn.next().now_or_never(), Some(Some(text("b"))));
        clock.0.set(DRAW_EVERY_MS * 2.0);
        assert_eq!(drawn.next().now_or_never(), Some(Some(text("c"))));
    }

    #[test]
    fn whatever_is_no_text_comes_at_once_and_in_its_order() {
        let (mut send, events) = mpsc::channel(9);
        let mut drawn = Drawn::new(events, ByHand::default());
        for event in [text("a"), text("b"), text("c"), ChatEvent::Resumed] {
            send.try_send(event).unwrap();
        }
        drop(send);
        let mut seen = Vec::new();
        while let Some(Some(event)) = drawn.next().now_or_never() {
            seen.push(event);
        }
        assert_eq!(seen, [text("a"), text("bc"), ChatEvent::Resumed]);
    }

    #[test]
    fn what_was_collected_when_somebody_stops_is_not_lost() {
        let (mut send, events) = mpsc::channel(9);
        let mut drawn = Drawn::new(events, ByHand::default());
        send.try_send(text("a")).unwrap();
        assert_eq!(drawn.next().now_or_never(), Some(Some(text("a"))));
        send.try_send(text("b")).unwrap();
        assert_eq!(drawn.next().now_or_never(), None);
        assert_eq!(drawn.rest(), Some(text("b")));
        assert_eq!(drawn.rest(), None);
    }
}
