//! webrtc-p2p
