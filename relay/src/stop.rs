//! The word to stop, heard by every task.
//! It does not stop anything by itself.

use tokio::sync::watch;

/// Says it.
pub struct Stopper(watch::Sender<bool>);

/// Hears it.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A pair.
pub fn channel() -> (Stopper, Stop) {
    let (say, hear) = watch::channel(false);
    (Stopper(say), Stop(hear))
}

impl Stopper {
    /// Tells everybody.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Returns once somebody said stop, or nobody is left who could.
    pub async fn wait(&mut self) {
        // The guard inside the result must not live across another await.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
