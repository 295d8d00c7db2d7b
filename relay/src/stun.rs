//! A STUN server: tells a browser under which address it is seen (RFC 8489, Binding).
//! It relays nothing and allocates nothing: every other request is dropped. Messages are read and
//! written by the `stun` crate.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use stun::{
    fingerprint::FINGERPRINT,
    message::{BINDING_REQUEST, BINDING_SUCCESS, Message},
    xoraddr::XorMappedAddress,
};
use tokio::net::UdpSocket;

use crate::{
    metrics::Metrics,
    rate::{Buckets, subnet},
    stop::Stop,
};

/// A binding request has no reason to be larger.
const MAX_REQUEST_BYTES: usize = 548;
/// An answer is twice as large as a request, and UDP senders can lie about who they are: so few
/// answers go to one subnet that we are of no use as a reflector.
const ANSWERS_PER_SUBNET_PER_S: f64 = 20.0;
const ANSWERS_PER_SUBNET_BURST: u64 = 200;

/// Answers on `socket` until told to stop.
pub async fn run(socket: UdpSocket, metrics: Arc<Metrics>, mut stop: Stop) {
    let mut rate = Buckets::new(ANSWERS_PER_SUBNET_PER_S, ANSWERS_PER_SUBNET_BURST);
    let mut buffer = [0; MAX_REQUEST_BYTES];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = stop.wait() => return,
        };
        let (len, from) = match received {
            Ok(received) => received,
            Err(error) => {
                // On some systems an earlier answer's ICMP error arrives here.
                tracing::debug!(%error, "stun receive");
                continue;
            }
        };
        let Some(answer) = answer(&buffer[..len], from) else {
            continue;
        };
        if !rate.allow(subnet(from.ip()), Instant::now()) {
            metrics.deny("stun_rate");
            continue;
        }
        // Counted before it leaves: who has the answer and asks for the figure finds it counted.
        metrics.stun_answers.inc();
        if let Err(error) = socket.send_to(&answer, from).await {
            tracing::debug!(%error, "stun send");
        }
    }
}

/// The answer to a binding request, `None` for anything else.
fn answer(request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let mut message = Message {
        raw: request.to_vec(),
        ..Message::default()
    };
    message.decode().ok()?;
    if message.typ != BINDING_REQUEST {
        return None;
    }
    let mut reply = Message::new();
    reply
        .build(&[
            Box::new(message.transaction_id),
            Box::new(BINDING_SUCCESS),
            Box::new(XorMappedAddress {
                ip: from.ip().to_canonical(),
                port: from.port(),
            }),
            Box::new(FINGERPRINT),
        ])
        .ok()?;
    Some(reply.raw)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use stun::{agent::TransactionId, message::Getter};

    #[test]
    fn a_binding_request_is_answered_with_the_address_it_came_from() {
        let mut request = Message::new();
        request
            .build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)])
            .unwrap();
        for from in ["203.0.113.9:4000", "[2001:db8::1]:4000"] {
            let from: SocketAddr = from.parse().unwrap();
            let mut reply = Message {
                raw: answer(&request.raw, from).unwrap(),
                ..Message::default()
            };
            reply.decode().unwrap();
            let mut seen = XorMappedAddress::default();
            seen.get_from(&reply).unwrap();
            assert_eq!((seen.ip, seen.port), (from.ip(), from.port()));
            assert_eq!(reply.transaction_id, request.transaction_id);
        }
    }

    #[test]
    fn everything_else_is_silence() {
        let from = "203.0.113.9:4000".parse().unwrap();
        let mut allocate = Message::new();
        allocate
            .build(&[
                Box::new(TransactionId::new()),
                Box::new(stun::message::MessageType::new(
                    stun::message::METHOD_ALLOCATE,
                    stun::message::CLASS_REQUEST,
                )),
            ])
            .unwrap();
        assert_eq!(answer(&allocate.raw, from), None);
        for garbage in [&b""[..], b"GET / HTTP/1.1", &[0; 20], &[255; 548]] {
            assert_eq!(answer(garbage, from), None);
        }
    }
}
