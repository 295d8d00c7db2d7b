// A js-libp2p circuit relay over WebSocket, for the checks: it introduces and does nothing else.
import { circuitRelayServer } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';

export async function startRelay() {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000, maxConnections: 1_000 },
    services: {
      identify: identify(),
      ping: ping(),
      relay: circuitRelayServer({ hopTimeout: 30_000, reservations: { maxReservations: 1_000 }, maxInboundHopStreams: 1_000, maxOutboundHopStreams: 1_000, maxOutboundStopStreams: 1_000 }),
    },
  });
  const address = node.getMultiaddrs().map(String).find((a) => a.includes('/ws'));
  return { node, address };
}
