//! A matrix of weights on the GPU, cut by rows where it is larger than one binding may be.
//! Does not read files: it takes rows as they lie in one.

use crate::formats::ITEM;
use crate::{Format, Gpu, GpuError};

/// Bytes that are divided and handed to the driver at a time: more would only be held twice.
const UPLOAD_BYTES: usize = 4 << 20;

/// Rows of a part are a multiple of this, so that every part but the last is full.
const ROW_GROUP: usize = 128;

/// `rows` × `cols` weights of one format.
pub struct Weights {
    pub(crate) format: Format,
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    /// Runs of 32 weights in a row.
    pub(crate) items: u32,
    pub(crate) parts: Vec<Part>,
}

/// Consecutive rows in one buffer.
pub(crate) struct Part {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    /// The word at which the second region begins.
    pub(crate) second: u32,
}

impl Weights {
    /// Bytes of a row of `cols` weights in a file.
    ///
    /// # Errors
    /// [`GpuError::Unsupported`] when the row is no whole number of blocks.
    pub fn row_bytes(format: Format, cols: usize) -> Result<usize, GpuError> {
        let plain = match format {
            Format::F32 => Some(4),
            Format::F16 | Format::BF16 => Some(2),
            _ => None,
        };
        match plain {
            Some(bytes) => Ok(bytes * cols),
            None if cols.is_multiple_of(format.block_weights()) => {
                Ok(cols / format.block_weights() * format.block_bytes())
            }
            None => Err(GpuError::Unsupported(format!(
                "rows of {cols} weights of {}",
                format.name()
            ))),
        }
    }

    /// Uploads a matrix. Each row is the concatenation of one piece from each of `sources`, which hold
    /// `rows` rows each in turn: interleaving them row by row is what fused kernels read best.
    /// With one source, the matrix is that source.
    ///
    /// # Errors
    /// Rows that are no whole blocks, bytes that are not these rows, no memory.
    pub fn interleaved(
        gpu: &Gpu,
        what: &'static str,
        format: Format,
        cols: usize,
        sources: &[&[u8]],
    ) -> Result<Weights, GpuError> {
        let row_bytes = Weights::row_bytes(format, cols)?;
        let most = sources.iter().map(|bytes| bytes.len()).max().unwrap_or(0);
        let rows_each = most / row_bytes.max(1);
        let rows = rows_each * sources.len();
        if rows == 0 || sources.iter().any(|bytes| bytes.len() != rows_each * row_bytes) {
            return Err(GpuError::Unsupported(format!(
                "{what}: {most} bytes in rows of {row_bytes}"
            )));
        }
        let row = |index: usize| {
            let at = index / sources.len() * row_bytes;
            &sources[index % sources.len()][at..at + row_bytes]
        };
        upload(gpu, what, format, cols, rows, row)
    }

    /// Uploads a matrix whose rows are those of `sources`, one source after the other.
    ///
    /// # Errors
    /// As [`Weights::interleaved`].
    pub fn stacked(
        gpu: &Gpu,
        what: &'static str,
        format: Format,
        cols: usize,
        sources: &[&[u8]],
    ) -> Result<Weights, GpuError> {
        let row_bytes = Weights::row_bytes(format, cols)?;
        let bytes: usize = sources.iter().map(|bytes| bytes.len()).sum();
        let whole = sources.iter().all(|s| s.len().is_multiple_of(row_bytes.max(1)));
        if bytes == 0 || row_bytes == 0 || !whole {
            return Err(GpuError::Unsupported(format!(
                "{what}: {bytes} bytes in rows of {row_bytes}"
            )));
        }
        let row = |index: usize| {
            let mut at = index * row_bytes;
            for source in sources {
                if at < source.len() {
                    return &source[at..at + row_bytes];
                }
                at -= source.len();
            }
            &[]
        };
        upload(gpu, what, format, cols, bytes / row_bytes, row)
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Its format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes on the GPU.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.buffer.size()).sum()
    }

    /// Buffers that it is cut into.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }
}

fn upload<'a>(
    gpu: &Gpu,
    what: &'static str,
    format: Format,
    cols: usize,
    rows: usize,
    row: impl Fn(usize) -> &'a [u8],
) -> Result<Weights, GpuError> {
    let padded = padded_row_bytes(format, cols);
    let blocks = padded / format.block_bytes();
    let gpu_row_bytes = (blocks * (format.first_bytes() + format.second_bytes())) as u64;
    let too_large = || GpuError::OutOfMemory {
        what,
        bytes: gpu_row_bytes * rows as u64,
    };
    // 64 bytes for what the ends of regions are rounded up by.
    let fit = gpu.most_bytes().saturating_sub(64) / gpu_row_bytes.max(1);
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    let rows_per_part = if fit >= rows {
        rows
    } else {
        fit / ROW_GROUP * ROW_GROUP
    };
    if rows_per_part == 0 {
        return Err(too_large());
    }
    let mut parts = Vec::new();
    let (mut raw, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
    for start in (0..rows).step_by(rows_per_part) {
        let end = rows.min(start + rows_per_part);
        let count = (end - start) * blocks;
        let first_end = (count * format.first_bytes()) as u64;
        let second_bytes = (count * format.second_bytes()) as u64;
        let buffer = gpu.storage(what, first_end + second_bytes.next_multiple_of(4))?;
        // An even number of rows at a time keeps the second region's writes aligned to words.
        let at_once = (UPLOAD_BYTES / padded.max(1)).max(2) / 2 * 2;
        for from in (start..end).step_by(at_once) {
            raw.clear();
            for index in from..end.min(from + at_once) {
                raw.extend_from_slice(row(index));
                let whole = (index - from + 1) * padded;
                raw.resize(whole, 0);
            }
            format.divide(&raw, &mut first, &mut second);
            second.resize(second.len().next_multiple_of(4), 0);
            let done = ((from - start) * blocks) as u64;
            gpu.write(&buffer, done * format.first_bytes() as u64, &first);
            gpu.write(&buffer, first_end + done * format.second_bytes() as u64, &second);
        }
        parts.push(Part {
            buffer,
            first_row: start as u32,
            rows: (end - start) as u32,
            second: (first_end / 4) as u32,
        });
    }
    Ok(Weights {
        format,
        rows: rows as u32,
        cols: cols as u32,
        items: cols.div_ceil(ITEM) as u32,
        parts,
    })
}

/// Bytes of a row once the plain types are filled up to whole items.
fn padded_row_bytes(format: Format, cols: usize) -> usize {
    cols.div_ceil(format.block_weights()) * format.block_bytes()
}
