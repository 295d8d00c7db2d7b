// Where a packet is lost, libdatachannel opens a channel with an id that the other side still holds and does not hear.
// js-libp2p does not get over it, so in Node.js each id of a connection is used once.
import { RTCPeerConnection } from 'node-datachannel/polyfill';

const create = RTCPeerConnection.prototype.createDataChannel;
/** By connection: the id after the highest that it used. Until it is connected it has none. */
const next = new WeakMap();

RTCPeerConnection.prototype.createDataChannel = function (label, options) {
  const channel = create.call(this, label, { ...options, ...(next.has(this) && { id: next.get(this) }) });
  if (Number.isInteger(channel.id)) next.set(this, channel.id + 2);
  return channel;
};
