//! How often one network may ask for what costs a signature or a write.
//! It knows nothing of what is asked.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use axum::extract::ConnectInfo;

use super::error::ApiError;
use crate::rate::{Buckets, subnet};

/// Where a request came from, if the server says.
pub type From = Option<axum::Extension<ConnectInfo<SocketAddr>>>;

/// One door.
pub struct Gate(Mutex<Buckets<IpAddr>>);

impl Gate {
    /// Lets so many in a minute, and at once, from one /24 or /48.
    pub fn new(per_min: u64) -> Gate {
        Gate(Mutex::new(Buckets::new(per_min as f64 / 60.0, per_min)))
    }

    /// Lets a request pass, or says to come back.
    ///
    /// # Errors
    /// When too many came from this network, or nobody knows from where.
    pub fn let_pass(&self, from: From) -> Result<(), ApiError> {
        let Some(axum::Extension(ConnectInfo(from))) = from else {
            return Err(ApiError::internal());
        };
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.allow(subnet(from.ip()), Instant::now()) {
            Ok(())
        } else {
            Err(ApiError::unavailable(
                "too many requests from this network; try again in a minute",
            ))
        }
    }
}
