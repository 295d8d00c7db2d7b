//! A step on the GPU: rows in, layers, and what was wanted out, in one submit where one is enough.
//! Does not check positions or ids: the shard did.

use kernels::ops::{Argmax, Attention, TopK, argmax, stride, topk};
use kernels::{Buffer, Commands, GpuError, floats, words};

use super::head::HEAD_ROWS;
use super::{CHUNK_ROWS, GpuCost, GpuSession, GpuStage};
use crate::collected::Collected;
use crate::shard::{Input, Want};
use crate::{EngineError, WireType};

/// What is read back of rows that go through the head.
#[derive(Clone, Copy, PartialEq)]
enum Read {
    Logits,
    Likeliest,
    /// As many of the likeliest.
    Some(u32),
}

impl GpuStage {
    /// Computes `rows` rows from position `first` on and collects what was wanted of them.
    pub(crate) async fn step(
        &mut self,
        session: &mut GpuSession,
        first: u32,
        input: Input<'_>,
        rows: usize,
        want: Want<'_>,
    ) -> Result<Collected, EngineError> {
        if let Some(verdict) = session.verdict.take() {
            verdict.await?;
        }
        self.cost = GpuCost::default();
        let mut collected = Collected::default();
        let at_once = match self.row_by_row {
            true => 1,
            false => CHUNK_ROWS.min(Attention::rows_at_once(session.capacity)) as usize,
        };
        for start in (0..rows).step_by(at_once) {
            let chunk = start..rows.min(start + at_once);
            let n = (chunk.end - chunk.start) as u32;
            let position = first + start as u32;
            self.put_in(input, &chunk)?;
            self.rows.set(&self.gpu, n, position);
            let gpu = std::rc::Rc::clone(&self.gpu);
            let mut commands = gpu.commands();
            if let (Some(embed), Input::Tokens(_)) = (&self.embed, input) {
                embed.run(&mut commands, n);
            }
            let before = commands.dispatches();
            for (layer, session) in self.layers.iter().zip(&session.layers) {
                layer.run(&mut commands, session, n, position);
            }
            self.cost.layer_dispatches += commands.dispatches() - before;
            match want {
                Want::Nothing => self.submit(commands),
                Want::Hidden(wire) => self.take_hidden(commands, n, wire, &mut collected).await?,
                Want::Logits(wanted) => {
                    self.take_rows(commands, &chunk, first, wanted, Read::Logits, &mut collected)
                        .await?;
                }
                Want::Sample {
                    rows: wanted,
                    sampling,
                    ..
                } => {
                    let read = match sampling.candidates() {
                        Some(_) if sampling.is_greedy() => Read::Likeliest,
                        Some(k) if k <= topk::MAX_K => Read::Some(k),
                        _ => Read::Logits,
                    };
                    self.take_rows(commands, &chunk, first, wanted, read, &mut collected)
                        .await?;
                }
            }
        }
        self.gpu.check()?;
        Ok(collected)
    }

    fn put_in(&self, input: Input<'_>, chunk: &std::ops::Range<usize>) -> Result<(), EngineError> {
        match input {
            Input::Tokens(tokens) => {
                let tokens = tokens.get(chunk.clone()).unwrap_or_default();
                self.gpu
                    .write(&self.scratch.tokens, 0, bytemuck::cast_slice(tokens));
            }
            Input::Hidden { wire, bytes } => {
                let d_model = self.config.d_model as usize;
                let row = wire.row_bytes(d_model);
                let bytes = bytes.get(chunk.start * row..chunk.end * row).unwrap_or_default();
                let mut hidden = Vec::new();
                wire.decode(bytes, d_model, &mut hidden);
                let hidden = spread(&hidden, d_model);
                self.gpu
                    .write(&self.scratch.hidden, 0, bytemuck::cast_slice(&hidden));
            }
        }
        Ok(())
    }

    async fn take_hidden(
        &mut self,
        mut commands: Commands<'_>,
        n: u32,
        wire: WireType,
        collected: &mut Collected,
    ) -> Result<(), EngineError> {
        let d_model = self.config.d_model;
        let bytes = 4 * u64::from(n) * u64::from(stride(d_model));
        let staging = self.staging(bytes);
        commands.copy(&self.scratch.hidden, 0, &staging, 0, bytes);
        self.submit(commands);
        let hidden = floats(&self.gpu.read_back(&staging, bytes).await?);
        self.scratch.staging = Some(staging);
        for row in hidden.chunks_exact(stride(d_model) as usize) {
            collected.hidden(wire, &row[..d_model as usize]);
        }
        Ok(())
    }

    /// Runs the head on those of the `wanted` rows that are in the chunk, a few at a time, the first of
    /// them in the submit of the layers.
    async fn take_rows(
        &mut self,
        commands: Commands<'_>,
        chunk: &std::ops::Range<usize>,
        first: u32,
        wanted: &[u32],
        read: Read,
        collected: &mut Collected,
    ) -> Result<(), EngineError> {
        let mut mine: Vec<u32> = wanted.to_vec();
        mine.retain(|row| chunk.contains(&(*row as usize)));
        mine.sort_unstable();
        mine.dedup();
        if mine.is_empty() {
            self.submit(commands);
            return Ok(());
        }
        let gpu = std::rc::Rc::clone(&self.gpu);
        let mut next = Some(commands);
        for some in mine.chunks(HEAD_ROWS as usize) {
            let commands = next.take().unwrap_or_else(|| gpu.commands());
            self.run_head(commands, chunk.start, first, some, read, collected)
                .await?;
        }
        Ok(())
    }

    async fn run_head(
        &mut self,
        mut commands: Commands<'_>,
        chunk_start: usize,
        first: u32,
        rows: &[u32],
        read: Read,
        collected: &mut Collected,
    ) -> Result<(), EngineError> {
        let n = rows.len() as u32;
        let vocab = self.config.vocab;
        let row_bytes = 4 * u64::from(stride(self.config.d_model));
        let each = match read {
            Read::Logits => 4 * u64::from(stride(vocab)),
            Read::Likeliest => argmax::RESULT_BYTES,
            Read::Some(_) => topk::RESULT_BYTES,
        };
        let staging = self.staging(u64::from(n) * each);
        let head = self.head.as_ref().ok_or(EngineError::WrongStage("give logits"))?;
        head.rows.set(&self.gpu, n, 0);
        for (to, row) in (0..).zip(rows) {
            let from = u64::from(*row) - chunk_start as u64;
            commands.copy(
                &self.scratch.hidden,
                from * row_bytes,
                &head.chosen,
                to * row_bytes,
                row_bytes,
            );
        }
        head.run(&mut commands, n);
        let mut count = 0;
        let result = match read {
            Read::Logits => &head.logits,
            Read::Likeliest => {
                head.choose(&mut commands, n);
                &head.likeliest
            }
            Read::Some(k) => {
                count = head.choose_some(&self.gpu, &mut commands, n, k) as usize;
                &head.some
            }
        };
        commands.copy(result, 0, &staging, 0, u64::from(n) * each);
        self.submit(commands);
        let bytes = self.gpu.read_back(&staging, u64::from(n) * each).await?;
        self.scratch.staging = Some(staging);
        match read {
            Read::Logits => {
                let logits = floats(&bytes);
                for (row, logits) in rows.iter().zip(logits.chunks_exact(stride(vocab) as usize)) {
                    collected.logits(*row, logits[..vocab as usize].to_vec());
                }
            }
            Read::Some(_) => {
                let each = 2 * topk::MAX_K as usize;
                for (row, results) in rows.iter().zip(words(&bytes).chunks_exact(each)) {
                    let some = results.as_chunks().0.iter().take(count);
                    collected.some(*row, some.map(|pair| TopK::token(*pair)).collect());
                }
            }
            Read::Likeliest => {
                for (row, result) in rows.iter().zip(words(&bytes).as_chunks().0) {
                    let position = first + row + 1;
                    let token = Argmax::token(*result).ok_or(EngineError::NotFinite { position })?;
                    if token >= vocab {
                        return Err(GpuError::Refused(format!("token {token} of {vocab}")).into());
                    }
                    collected.token(*row, token);
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self, commands: Commands<'_>) {
        self.cost.dispatches += commands.dispatches();
        self.cost.submits += 1;
        commands.submit();
    }

    /// The staging buffer, large enough. It is put back once it was read: a step that was given up in
    /// between leaves it to the driver.
    fn staging(&mut self, bytes: u64) -> Buffer {
        let held = self.scratch.staging.take();
        held.filter(|buffer| buffer.size() >= bytes)
            .unwrap_or_else(|| self.gpu.staging(bytes))
    }
}

/// Rows of `width` values, each filled up with zeros to its stride.
fn spread(values: &[f32], width: usize) -> Vec<f32> {
    let stride = stride(width as u32) as usize;
    let mut out = Vec::with_capacity(values.len() / width.max(1) * stride);
    for row in values.chunks_exact(width) {
        out.extend_from_slice(row);
        out.resize(out.len() + stride - width, 0.0);
    }
    out
}
