//! Every limit of the relay, by name: one table with its safe value, its value in the `open`
//! profile and its reason.
//! It does not enforce anything; the parts that do read their own fields.

macro_rules! limits {
    ($( $(#[doc = $doc:literal])+ $name:ident: $default:literal, $open:literal; )+) => {
        /// The limits in force. All are plain numbers whose unit is in the name.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $doc])+ pub $name: u64, )+
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $( $name: $default, )+ }
            }
        }

        impl Limits {
            /// Wide limits for tests and benchmarks on loopback; not for a public relay.
            pub fn open() -> Self {
                Limits { $( $name: $open, )+ }
            }

            /// Sets the limit called `name`.
            ///
            /// # Errors
            /// When there is no such limit.
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), UnknownLimit> {
                match name {
                    $( stringify!($name) => self.$name = value, )+
                    _ => return Err(UnknownLimit(name.to_owned())),
                }
                Ok(())
            }

            /// Every limit with its name, in the order of the table.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
                [ $( (stringify!($name), self.$name), )+ ].into_iter()
            }
        }
    };
}

limits! {
    /// Connections that have not finished their handshake: negotiating is the cheap attack.
    max_pending_incoming: 256, 4096;
    /// Established connections that peers opened.
    max_established_incoming: 4096, 65536;
    /// Established connections in all; above the incoming ones, so that a flood of inbound
    /// connections leaves room for the ones that we choose (eclipse).
    max_established: 5461, 87381;
    /// Connections of one peer: one, and its successor while it reconnects.
    max_established_per_peer: 2, 16;
    /// New libp2p connections a second from one /24 or /48.
    connections_per_subnet_per_s: 10, 100000;
    /// How many of them may come at once.
    connections_per_subnet_burst: 30, 100000;
    /// Process memory above which no connection is accepted.
    max_memory_bytes: 1073741824, 8589934592;
    /// Yamux streams of one connection.
    max_streams_per_connection: 32, 1024;
    /// A handshake that takes longer is dropped.
    handshake_timeout_s: 10, 30;
    /// A connection on which nothing holds an interest is closed after this.
    idle_connection_s: 120, 600;
    /// Peers that may keep a reservation.
    max_reservations: 4096, 65536;
    /// Reservations of one peer.
    max_reservations_per_peer: 4, 64;
    /// How long a reservation holds before it must be renewed.
    reservation_s: 3600, 3600;
    /// Reservation requests of one peer in a minute, and at once.
    reservations_per_peer_per_min: 30, 1000000;
    /// Reservation requests from one address in a minute, and at once. Many people share one
    /// address behind a NAT.
    reservations_per_ip_per_min: 600, 1000000;
    /// Circuits open at once. Signalling needs one for a second or two.
    max_circuits: 4096, 65536;
    /// Circuits of one peer.
    max_circuits_per_peer: 16, 1024;
    /// Life of a circuit: long enough for ICE, too short for work.
    circuit_s: 60, 600;
    /// Bytes a circuit carries: signalling takes a few KiB, tensors must not pass.
    circuit_bytes: 65536, 65536;
    /// Circuit requests of one peer in a minute, and at once.
    circuits_per_peer_per_min: 120, 1000000;
    /// Circuit requests from one address in a minute, and at once.
    circuits_per_ip_per_min: 1200, 1000000;
    /// A gossip message.
    max_gossip_bytes: 65536, 65536;
    /// Gossip messages a second that one peer may publish.
    gossip_per_peer_per_s: 10, 100000;
    /// Offers kept for `/api/v1/peers`.
    max_offers: 4096, 65536;
    /// Swarms of people's own whose members hear each other through this relay.
    max_swarms: 4096, 65536;
    /// Such swarms of one peer: as many as a tab follows.
    max_swarms_per_peer: 64, 1024;
    /// Entries that the DHT keeps here: each costs a signature to forge and lives 72 hours at most.
    max_records: 16384, 65536;
    /// Entries of one owner: an index, and a few registries of 64 pages.
    max_records_per_owner: 256, 65536;
    /// Bytes of all entries together.
    max_record_bytes: 67108864, 268435456;
    /// How long a credential for the operator's TURN server is good for.
    turn_credential_s: 21600, 86400;
    /// HTTP connections open at once; a WebSocket counts as a libp2p connection from its upgrade on.
    max_http_connections: 8192, 65536;
    /// Time that a client has for sending the head of a request (slow-loris).
    http_header_timeout_s: 10, 60;
    /// Invites that are valid at once.
    max_invites: 1024, 65536;
    /// Invites asked for, exchanged and taken up in a minute, and at once, from one /24 or /48. A whole class may sit
    /// behind one address.
    invites_per_subnet_per_min: 240, 1000000;
    /// Sites whose statements are kept.
    max_sites: 4096, 65536;
    /// Statements of sites and reports of their visitors in a minute, and at once, from one /24 or /48.
    site_writes_per_subnet_per_min: 120, 1000000;
}

/// There is no limit of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown limit `{0}`; --print-config lists them all")]
pub struct UnknownLimit(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_by_its_name() {
        let mut limits = Limits::default();
        let names: Vec<_> = limits.iter().map(|(name, _)| name).collect();
        for name in &names {
            assert_eq!(limits.set(name, 7), Ok(()));
        }
        assert!(limits.iter().all(|(_, value)| value == 7));
        assert!(limits.set("max_nothing", 1).is_err());
    }

    #[test]
    fn the_open_profile_is_nowhere_narrower() {
        let (default, open) = (Limits::default(), Limits::open());
        for ((name, safe), (_, wide)) in default.iter().zip(open.iter()) {
            assert!(wide >= safe, "{name}: {wide} < {safe}");
        }
    }

    #[test]
    fn inbound_connections_leave_room_for_our_own() {
        let limits = Limits::default();
        assert!(limits.max_established_incoming * 4 <= limits.max_established * 3 + 4);
    }
}
