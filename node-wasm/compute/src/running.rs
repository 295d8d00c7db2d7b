//! Downloads under way, by what they are of: each can be stopped where it is, however long its network is silent.
//! What has come stays; going on is a new question.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;

use futures::channel::oneshot;
use futures::future::{Either, select};
use jobs::Failure;

use crate::failure::failure;

/// Everything that can be stopped.
#[derive(Debug, Default)]
pub(crate) struct Running {
    stops: RefCell<HashMap<String, (u64, oneshot::Sender<()>)>>,
    last: Cell<u64>,
}

impl Running {
    /// Does `work` until it ends or is stopped; nothing is done twice at once.
    pub(crate) async fn run<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let (stop, stopped) = oneshot::channel();
        if self.stops.borrow().contains_key(what) {
            return Err(failure("bad_request", format!("{what} is being fetched already")));
        }
        let number = self.last.get() + 1;
        self.last.set(number);
        self.stops.borrow_mut().insert(what.to_owned(), (number, stop));
        let end = match select(pin!(work), stopped).await {
            Either::Left((end, _)) => end,
            Either::Right(_) => Err(failure("aborted", format!("{what} was stopped"))),
        };
        // What was stopped and begun again in the meantime is another one.
        let mut stops = self.stops.borrow_mut();
        if stops.get(what).is_some_and(|(running, _)| *running == number) {
            stops.remove(what);
        }
        end
    }

    /// Stops it, if it runs.
    pub(crate) fn stop(&self, what: &str) {
        if let Some((_, stop)) = self.stops.borrow_mut().remove(what) {
            // It may have ended in this moment.
            let _ = stop.send(());
        }
    }
}
