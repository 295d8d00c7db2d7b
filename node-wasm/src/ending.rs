//! A word to all who wait for what has just been ended: they need not wait any more.
//! It ends nothing itself.

use std::cell::RefCell;

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::Shared;

/// Resolves at the end that comes next.
pub(crate) type Ended = Shared<oneshot::Receiver<()>>;

/// Something that is ended, and may begin anew.
pub(crate) struct Ending {
    /// Dropping the sender is the word.
    next: RefCell<(Option<oneshot::Sender<()>>, Ended)>,
}

impl Default for Ending {
    fn default() -> Ending {
        Ending {
            next: RefCell::new(pair()),
        }
    }
}

impl Ending {
    /// Who waits from now on hears of the next end, and of none before.
    pub(crate) fn next(&self) -> Ended {
        self.next.borrow().1.clone()
    }

    /// Tells everybody who waits.
    pub(crate) fn tell(&self) {
        drop(self.next.replace(pair()));
    }

    /// Tells everybody who waits, and everybody who comes later.
    pub(crate) fn tell_for_good(&self) {
        drop(self.next.borrow_mut().0.take());
    }
}

/// Whether it has been ended since.
pub(crate) fn is_over(ended: &Ended) -> bool {
    ended.clone().now_or_never().is_some()
}

fn pair() -> (Option<oneshot::Sender<()>>, Ended) {
    let (sender, receiver) = oneshot::channel();
    (Some(sender), receiver.shared())
}
