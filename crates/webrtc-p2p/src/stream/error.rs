//! Why a frame or a stream failed.
//! It does not say what to do about it: the caller sees an `io::Error` of the fitting kind.

use std::io;

/// Bytes that are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length prefix does not end, or is larger than a frame may be.
    #[error("frame length is larger than the {max} bytes that a frame may have")]
    TooLong {
        /// The largest body that is accepted.
        max: usize,
    },
    /// The body is not a protobuf message.
    #[error("frame is not a protobuf message")]
    Malformed,
    /// A text message where only binary ones belong.
    #[error("message on the data channel is text, not binary")]
    NotBinary,
}

/// Why a stream can no longer be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The peer sent RESET_STREAM.
    #[error("the peer reset the stream")]
    ResetByPeer,
    /// We reset it, or it was given up.
    #[error("the stream was reset")]
    Reset,
    /// The peer sent STOP_SENDING.
    #[error("the peer stopped reading")]
    StoppedByPeer,
    /// Writing after the own half was closed.
    #[error("the stream is closed for writing")]
    WriteClosed,
    /// The data channel went away before both halves were finished.
    #[error("the data channel closed before the stream was finished")]
    ChannelClosed,
    /// The peer never acknowledged our FIN.
    #[error("the peer did not acknowledge the end of the stream")]
    FinAckTimeout,
    /// The peer sent faster than we read, beyond the hard cap.
    #[error("the peer sent more than {max} bytes that nobody has read")]
    ReceiveBufferFull {
        /// The cap that was reached.
        max: usize,
    },
    /// The peer sent bytes that are no frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The data channel refused a message.
    #[error("the data channel refused a message: {0}")]
    Send(String),
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> io::Error {
        let kind = match &error {
            StreamError::ResetByPeer => io::ErrorKind::ConnectionReset,
            StreamError::StoppedByPeer | StreamError::WriteClosed => io::ErrorKind::BrokenPipe,
            StreamError::FinAckTimeout => io::ErrorKind::TimedOut,
            StreamError::Frame(_) => io::ErrorKind::InvalidData,
            StreamError::Reset
            | StreamError::ChannelClosed
            | StreamError::ReceiveBufferFull { .. }
            | StreamError::Send(_) => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}
