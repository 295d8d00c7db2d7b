//! What a page asks of its compute worker, and what the worker answers.
//! No engine, no browser: plain messages, so that neither side needs the other's libraries.
//!
//! Both ends come from the same build, so there is no version to negotiate. The page still
//! treats an answer as data: ids that it does not know are dropped.

mod answer;
mod ask;

pub use answer::{Answer, Failure, Kept, KeptModel, ModelFacts, StepOutput, Told, Update};
pub use ask::{
    Ask, Backend, ChatMessage, FileEnd, ImportAbout, MAX_CODE_SIDE, Prompt, Request, Sampling, Sought,
    StageKey, StepInput, StepWant, Wire,
};
