//! A model file of which only the tensors can be had that were brought last, and each of them once.
//! Does not wait for anything.

use engine::{Brought, EngineError, WeightSource};
use gguf::TensorInfo;

/// See the file's head.
pub(crate) struct PartByPart<'a> {
    file: &'a [u8],
    here: Vec<String>,
}

impl<'a> PartByPart<'a> {
    pub(crate) fn of(file: &'a [u8]) -> PartByPart<'a> {
        PartByPart {
            file,
            here: Vec::new(),
        }
    }
}

impl WeightSource for PartByPart<'_> {
    fn bring<'b>(&'b mut self, tensors: &'b [&'b TensorInfo]) -> Brought<'b> {
        assert!(self.here.is_empty(), "brought for nothing: {:?}", self.here);
        self.here = tensors.iter().map(|info| info.name.clone()).collect();
        Box::pin(async { Ok(()) })
    }

    fn tensor(&mut self, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        let at = self.here.iter().position(|name| *name == info.name);
        let at = at.unwrap_or_else(|| panic!("{} was not brought, or twice asked for", info.name));
        self.here.swap_remove(at);
        self.file.tensor(info)
    }
}
