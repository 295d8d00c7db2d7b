// Where a packet is lost, libdatachannel opens a channel with an id that the other side still holds and does not hear.
// js-libp2p does not get over it, so in Node.js each id of a connection is used once.
import { RTCPeerConnection } from 'node-datachannel/polyfill';

const create = RTCPeerConnection.prototype.createDataChannel;
/** What a channel says before it has an id. */
const NONE_YET = 65_535;
/** By connection: the id after the highest that it used. */
const next = new WeakMap();

RTCPeerConnection.prototype.createDataChannel = function (label, options) {
  const channel = create.call(this, label, { ...options, ...(next.has(this) && { id: next.get(this) }) });
  // Whoever offers is the server of DTLS, whose ids are odd, and 1 is that of its first channel.
  if (label === 'init') next.set(this, 3);
  else if (channel.id !== NONE_YET) next.set(this, channel.id + 2);
  return channel;
};
