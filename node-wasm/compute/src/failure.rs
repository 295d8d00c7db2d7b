//! Why a question could not be answered: a code of the contract and a sentence.
//! Every error of the engine, of a file and of the network ends here.

use jobs::Failure;

/// A failure with one of the contract's codes.
pub(crate) fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure {
        code: code.to_owned(),
        message: message.into(),
    }
}

/// The file is not what its manifest promises, or not a model that we compute.
pub(crate) fn rejected(message: impl Into<String>) -> Failure {
    failure("model_rejected", message)
}
