//! The weights of a stage on their way to the engine, part by part: what the engine has is not kept here.
//! Does not fetch or check chunks: the source does.

use engine::{Brought, EngineError, WeightSource, load_order};
use futures::StreamExt as _;
use futures::stream::LocalBoxStream;
use gguf::{Assembly, Stage, TensorInfo};
use jobs::Failure;

use crate::failure::{failure, rejected};
use crate::library::Book;
use crate::port::Reply;

/// See the file's head.
pub(crate) struct Weights<'a> {
    assembly: Assembly,
    /// The stage's chunks in the order in which they are needed, some of them on their way at once.
    arriving: LocalBoxStream<'static, Result<(u32, Vec<u8>), Failure>>,
    reply: &'a Reply,
    loaded_bytes: u64,
    total_bytes: u64,
    failure: Option<Failure>,
}

impl<'a> Weights<'a> {
    /// The weights of a stage, of which nothing is fetched before the engine asks; told of as they arrive.
    pub(crate) fn of(book: &Book, stage: &Stage, reply: &'a Reply) -> Weights<'a> {
        let assembly = Assembly::new(book.source.manifest(), &load_order(&book.header, stage));
        let order = assembly.order();
        let total_bytes = order.iter().map(|index| book.source.chunk_bytes(*index)).sum();
        reply.loading(0, total_bytes);
        Weights {
            arriving: book.source.chunks(order.to_vec()).boxed_local(),
            assembly,
            reply,
            loaded_bytes: 0,
            total_bytes,
            failure: None,
        }
    }

    /// Why weights could not be had, where that is why loading failed.
    pub(crate) fn failure(self) -> Option<Failure> {
        self.failure
    }

    async fn fetch(&mut self, tensors: &[&TensorInfo]) -> Result<(), Failure> {
        let begun = self.assembly.begin(tensors);
        begun.map_err(|error| failure("wont_fit", format!("a part of the weights: {error}")))?;
        while self.assembly.advance().is_some() {
            let next = self.arriving.next().await;
            let (index, chunk) = next.ok_or_else(|| rejected("a part of the weights came to an end"))??;
            self.loaded_bytes += chunk.len() as u64;
            self.reply.loading(self.loaded_bytes, self.total_bytes);
            self.assembly.put(index, chunk);
        }
        Ok(())
    }
}

impl WeightSource for Weights<'_> {
    fn bring<'b>(&'b mut self, tensors: &'b [&'b TensorInfo]) -> Brought<'b> {
        Box::pin(async move {
            let Err(failure) = self.fetch(tensors).await else {
                return Ok(());
            };
            let reason = failure.message.clone();
            self.failure = Some(failure);
            let name = tensors.first().map(|info| info.name.clone()).unwrap_or_default();
            Err(EngineError::Weights { name, reason })
        })
    }

    fn tensor(&mut self, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        self.assembly.take(info).ok_or_else(|| EngineError::Weights {
            name: info.name.clone(),
            reason: "it was not brought".to_owned(),
        })
    }
}
