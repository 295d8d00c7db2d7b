//! What the relay counts, and its Prometheus text.
//! It does not measure by itself; the parts increase what is theirs. No label holds a peer id or
//! an address.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::limits::Limits;

/// One label whose values come from this crate, never from a peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitName {
    name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpStatus {
    status: u16,
}

/// All metrics of one relay.
pub struct Metrics {
    registry: Registry,
    /// Bytes that circuits carried, both directions, counted on their STOP streams.
    pub circuit_bytes: Counter,
    /// Circuits that were opened.
    pub circuits: Counter,
    /// Circuits open now.
    pub circuits_open: Gauge,
    /// Peers that hold a reservation now.
    pub reservations_open: Gauge,
    /// Reservations that were accepted, renewals not counted.
    pub reservations: Counter,
    /// libp2p connections open now.
    pub connections_open: Gauge,
    /// libp2p connections that were established.
    pub connections: Counter,
    /// Peers refused, by the limit or rule that refused them.
    pub denials: Family<Reason, Counter>,
    /// Offers kept now.
    pub offers: Gauge,
    /// Gossip messages, by what became of them.
    pub gossip: Family<Reason, Counter>,
    /// DHT entries kept now.
    pub records: Gauge,
    /// DHT entries refused, by what was wrong with them.
    pub records_refused: Family<Reason, Counter>,
    /// STUN binding requests answered.
    pub stun_answers: Counter,
    /// HTTP connections open now.
    pub http_connections_open: Gauge,
    /// Bytes of models sent.
    pub model_bytes: Counter,
    http_answers: Family<HttpStatus, Counter>,
}

impl Metrics {
    /// All at zero; the limits in force are exported beside them.
    pub fn new(limits: &Limits) -> Self {
        let mut registry = Registry::with_prefix("manyhands");
        let limit_gauges = Family::<LimitName, Gauge<u64, AtomicU64>>::default();
        for (name, value) in limits.iter() {
            limit_gauges.get_or_create(&LimitName { name }).set(value);
        }
        let metrics = Metrics {
            circuit_bytes: Counter::default(),
            circuits: Counter::default(),
            circuits_open: Gauge::default(),
            reservations_open: Gauge::default(),
            reservations: Counter::default(),
            connections_open: Gauge::default(),
            connections: Counter::default(),
            denials: Family::default(),
            offers: Gauge::default(),
            gossip: Family::default(),
            records: Gauge::default(),
            records_refused: Family::default(),
            stun_answers: Counter::default(),
            http_connections_open: Gauge::default(),
            model_bytes: Counter::default(),
            http_answers: Family::default(),
            registry: Registry::default(),
        };
        // Each line: name (the encoder adds `_total` to counters), help, the metric itself.
        let r = &mut registry;
        r.register(
            "circuit_bytes",
            "bytes carried by circuits, both directions",
            metrics.circuit_bytes.clone(),
        );
        r.register("circuits", "circuits opened", metrics.circuits.clone());
        r.register(
            "circuits_open",
            "circuits open now",
            metrics.circuits_open.clone(),
        );
        r.register(
            "reservations",
            "reservations accepted",
            metrics.reservations.clone(),
        );
        r.register(
            "reservations_open",
            "peers that hold a reservation",
            metrics.reservations_open.clone(),
        );
        r.register(
            "connections",
            "libp2p connections established",
            metrics.connections.clone(),
        );
        r.register(
            "connections_open",
            "libp2p connections open now",
            metrics.connections_open.clone(),
        );
        r.register("denials", "refusals, by limit or rule", metrics.denials.clone());
        r.register("offers", "offers of workers kept now", metrics.offers.clone());
        r.register(
            "gossip_messages",
            "gossip messages, by verdict",
            metrics.gossip.clone(),
        );
        r.register("records", "DHT entries kept now", metrics.records.clone());
        r.register(
            "records_refused",
            "DHT entries refused, by reason",
            metrics.records_refused.clone(),
        );
        r.register(
            "stun_answers",
            "STUN binding requests answered",
            metrics.stun_answers.clone(),
        );
        r.register(
            "http_connections_open",
            "HTTP connections open now",
            metrics.http_connections_open.clone(),
        );
        r.register(
            "http_answers",
            "HTTP answers, by status",
            metrics.http_answers.clone(),
        );
        r.register("model_bytes", "bytes of models sent", metrics.model_bytes.clone());
        r.register("limit", "the limits in force", limit_gauges);
        Metrics { registry, ..metrics }
    }

    /// Counts a refusal.
    pub fn deny(&self, reason: &'static str) {
        self.denials.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a gossip message with its verdict.
    pub fn gossip(&self, reason: &'static str) {
        self.gossip.get_or_create(&Reason { reason }).inc();
    }

    /// Counts an HTTP answer.
    pub fn http_answer(&self, status: u16) {
        self.http_answers.get_or_create(&HttpStatus { status }).inc();
    }

    /// The Prometheus text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_limits_appear_under_their_names() {
        let metrics = Metrics::new(&Limits::default());
        metrics.circuit_bytes.inc_by(42);
        metrics.deny("too_fast");
        metrics.http_answer(416);
        let text = metrics.text();
        for line in [
            "manyhands_circuit_bytes_total 42",
            "manyhands_denials_total{reason=\"too_fast\"} 1",
            "manyhands_http_answers_total{status=\"416\"} 1",
            "manyhands_limit{name=\"circuit_bytes\"} 65536",
            "manyhands_circuits_open 0",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
