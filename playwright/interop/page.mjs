// Bundled for the browser: the js-libp2p peer as a page has it.
import './shim.mjs';
import { JsPeer } from './js-peer.mjs';

globalThis.JsPeer = JsPeer;
