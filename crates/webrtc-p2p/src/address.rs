//! The addresses of `/webrtc`: which are relayed, which ask for an upgrade, which we advertise.
//! It dials nothing.

use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_identity::PeerId;

/// Whether a connection over this address runs through a relay. An address with `/webrtc`
/// behind the circuit does not: the relay only introduced the two ends.
pub fn is_relayed(address: &Multiaddr) -> bool {
    let circuit = address.iter().any(|p| p == Protocol::P2pCircuit);
    circuit && !address.iter().any(|p| p == Protocol::WebRTC)
}

/// What a `/webrtc` address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `/webrtc/p2p/B`: the connection to B that has just been negotiated.
    Ready(PeerId),
    /// `<relay>/p2p-circuit/webrtc/p2p/B`: reach B over the circuit, then upgrade.
    Circuit {
        /// The peer to reach.
        peer: PeerId,
        /// The same address without `/webrtc`: a plain circuit.
        circuit: Multiaddr,
    },
}

impl Target {
    /// Reads a dialled address; `None` where it is not ours.
    pub fn parse(address: &Multiaddr) -> Option<Target> {
        let parts: Vec<Protocol<'_>> = address.iter().collect();
        let [before @ .., Protocol::WebRTC, Protocol::P2p(peer)] = parts.as_slice() else {
            return None;
        };
        match before {
            [] => Some(Target::Ready(*peer)),
            [.., Protocol::P2pCircuit] => {
                let circuit = before
                    .iter()
                    .cloned()
                    .collect::<Multiaddr>()
                    .with(Protocol::P2p(*peer));
                Some(Target::Circuit { peer: *peer, circuit })
            }
            _ => None,
        }
    }
}

/// `/webrtc/p2p/B`, the name of a negotiated connection to `peer`.
pub fn direct(peer: PeerId) -> Multiaddr {
    Multiaddr::empty()
        .with(Protocol::WebRTC)
        .with(Protocol::P2p(peer))
}

/// The plain circuit of an address that may carry `/webrtc`.
pub fn without_webrtc(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|p| *p != Protocol::WebRTC).collect()
}

/// From the circuit address that we listen on, `<relay>/p2p-circuit[/p2p/B]`, the address
/// under which browsers reach us, `<relay>/p2p-circuit/webrtc/p2p/B`, and B, who we are.
pub fn advertised(listen: &Multiaddr) -> Option<(Multiaddr, PeerId)> {
    let parts: Vec<Protocol<'_>> = listen.iter().collect();
    match parts.as_slice() {
        [before @ .., Protocol::P2pCircuit, Protocol::P2p(me)] => {
            let address: Multiaddr = before.iter().cloned().collect();
            let address = address
                .with(Protocol::P2pCircuit)
                .with(Protocol::WebRTC)
                .with(Protocol::P2p(*me));
            Some((address, *me))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const RELAY: &str = "/ip4/127.0.0.1/tcp/9001/ws/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    const B: &str = "12D3KooWNJHb1ShJsJ4MyYTSEVfWnAvZmWtJGmVnDqkvFtq1X4Zk";

    fn address(text: &str) -> Multiaddr {
        text.replace("RELAY", RELAY).replace("PEER", B).parse().unwrap()
    }

    fn peer() -> PeerId {
        match address("/p2p/PEER").iter().next() {
            Some(Protocol::P2p(peer)) => peer,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn only_a_circuit_without_webrtc_is_relayed() {
        let check = |text: &str, expect: bool| assert_eq!(is_relayed(&address(text)), expect, "{text}");
        check("RELAY/p2p-circuit/p2p/PEER", true);
        check("RELAY/p2p-circuit", true);
        check("RELAY/p2p-circuit/webrtc/p2p/PEER", false);
        check("/webrtc/p2p/PEER", false);
        check("RELAY", false);
    }

    #[test]
    fn dialled_addresses_are_told_apart() {
        let check =
            |text: &str, expect: Option<Target>| assert_eq!(Target::parse(&address(text)), expect, "{text}");
        let circuit = address("RELAY/p2p-circuit/p2p/PEER");
        check("/webrtc/p2p/PEER", Some(Target::Ready(peer())));
        check(
            "RELAY/p2p-circuit/webrtc/p2p/PEER",
            Some(Target::Circuit {
                peer: peer(),
                circuit,
            }),
        );
        check("RELAY/p2p-circuit/p2p/PEER", None);
        check("RELAY/p2p-circuit/webrtc", None);
        check("RELAY/webrtc/p2p/PEER", None);
        check("/webrtc", None);
        check("RELAY", None);
    }

    #[test]
    fn the_advertised_address_has_webrtc_behind_the_circuit() {
        let (advertised_address, me) = advertised(&address("RELAY/p2p-circuit/p2p/PEER")).unwrap();
        assert_eq!(advertised_address, address("RELAY/p2p-circuit/webrtc/p2p/PEER"));
        assert_eq!(me, peer());
        assert_eq!(
            without_webrtc(&advertised_address),
            address("RELAY/p2p-circuit/p2p/PEER")
        );
        for other in [
            "RELAY/p2p-circuit/webrtc/p2p/PEER",
            "RELAY/p2p-circuit",
            "RELAY",
            "/webrtc",
        ] {
            assert_eq!(advertised(&address(other)), None, "{other}");
        }
    }

    #[test]
    fn the_short_address_leads_back_to_the_peer() {
        assert_eq!(Target::parse(&direct(peer())), Some(Target::Ready(peer())));
    }
}
