//! Buffers: making them, filling them, reading them back.
//! Does not know what they hold.

use futures::channel::oneshot;

use crate::{Gpu, GpuError};

const USAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_DST)
    .union(wgpu::BufferUsages::COPY_SRC);

impl Gpu {
    /// A buffer of zeros that kernels read and write.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`] when it is more than one binding may have.
    pub fn storage(&self, what: &'static str, bytes: u64) -> Result<wgpu::Buffer, GpuError> {
        let bytes = bytes.max(16).next_multiple_of(16);
        if bytes > self.most_bytes() {
            return Err(GpuError::OutOfMemory { what, bytes });
        }
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes,
            usage: USAGE,
            mapped_at_creation: false,
        }))
    }

    /// The same, filled.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub fn storage_with<T: bytemuck::NoUninit>(
        &self,
        what: &'static str,
        values: &[T],
    ) -> Result<wgpu::Buffer, GpuError> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let buffer = self.storage(what, bytes.len() as u64)?;
        self.write(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// Values in the precision in which caches hold them.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub fn cache_with(&self, what: &'static str, values: &[f32]) -> Result<wgpu::Buffer, GpuError> {
        if self.variants().half {
            let halves: Vec<u16> = values.iter().map(|x| half::f16::from_f32(*x).to_bits()).collect();
            self.storage_with(what, &halves)
        } else {
            self.storage_with(what, values)
        }
    }

    /// A small buffer of numbers that stay the same during a dispatch.
    pub fn uniform(&self, what: &'static str, words: &[u32]) -> wgpu::Buffer {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: (4 * words.len() as u64).next_multiple_of(16),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.write(&buffer, 0, bytemuck::cast_slice(words));
        buffer
    }

    /// Writes into a buffer before whatever is submitted next. Offset and length are multiples of 4.
    pub fn write(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.queue.write_buffer(buffer, offset, bytes);
        }
    }

    /// A buffer that the CPU can read after a copy into it.
    pub fn staging(&self, bytes: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: bytes.max(16).next_multiple_of(16),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Waits for what was submitted and takes the first `bytes` of a staging buffer.
    ///
    /// # Errors
    /// [`GpuError::Lost`] when the device went away, [`GpuError::Refused`] for anything else.
    pub async fn read_back(&self, staging: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>, GpuError> {
        self.check()?;
        let range = 0..bytes.next_multiple_of(4);
        let (done, mapped) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, range.clone(), move |result| {
            // Nobody listens any more when the step was dropped.
            let _ = done.send(result);
        });
        // Natively this waits and calls back; a browser calls back by itself.
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        if let Err(error) = polled {
            self.check()?;
            return Err(GpuError::Refused(error.to_string()));
        }
        match mapped.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.check()?;
                return Err(GpuError::Refused(error.to_string()));
            }
            Err(_) => return Err(GpuError::Lost("it never answered".into())),
        }
        let mut taken = staging.get_mapped_range(range).to_vec();
        staging.unmap();
        taken.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.check()?;
        Ok(taken)
    }

    /// Copies the first `bytes` of a buffer out, waiting for them.
    ///
    /// # Errors
    /// As [`Gpu::read_back`].
    pub async fn take(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>, GpuError> {
        let staging = self.staging(bytes);
        let mut commands = self.commands();
        commands.copy(buffer, 0, &staging, 0, bytes.next_multiple_of(4));
        commands.submit();
        self.read_back(&staging, bytes).await
    }
}

/// Bytes of a buffer as f32.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

/// Bytes of a buffer as u32.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|b| u32::from_le_bytes(*b))
        .collect()
}
