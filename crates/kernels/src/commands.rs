//! One list of commands: dispatches and copies, handed over with one submit.
//! Does not wait for them.

use crate::{Gpu, Pipeline};

/// Commands in the order in which they will run.
pub struct Commands<'a> {
    gpu: &'a Gpu,
    encoder: wgpu::CommandEncoder,
    pass: Option<wgpu::ComputePass<'static>>,
    dispatches: u32,
}

impl Gpu {
    /// Starts a list.
    pub fn commands(&self) -> Commands<'_> {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("step") };
        Commands {
            gpu: self,
            encoder: self.device.create_command_encoder(&descriptor),
            pass: None,
            dispatches: 0,
        }
    }
}

impl Commands<'_> {
    /// Runs a kernel over `groups` workgroups; over none, nothing happens.
    pub fn dispatch(&mut self, pipeline: &Pipeline, bindings: &wgpu::BindGroup, groups: [u32; 3]) {
        if groups.contains(&0) {
            return;
        }
        let encoder = &mut self.encoder;
        let pass = self.pass.get_or_insert_with(|| {
            encoder
                .begin_compute_pass(&wgpu::ComputePassDescriptor::default())
                .forget_lifetime()
        });
        pass.set_pipeline(pipeline.get());
        pass.set_bind_group(0, bindings, &[]);
        pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
        self.dispatches += 1;
    }

    /// Copies between buffers.
    pub fn copy(&mut self, from: &wgpu::Buffer, from_at: u64, to: &wgpu::Buffer, to_at: u64, bytes: u64) {
        self.pass = None;
        self.encoder
            .copy_buffer_to_buffer(from, from_at, to, to_at, bytes);
    }

    /// Dispatches so far.
    pub fn dispatches(&self) -> u32 {
        self.dispatches
    }

    /// Hands all of it over.
    pub fn submit(mut self) {
        self.pass = None;
        self.gpu.queue.submit([self.encoder.finish()]);
    }
}
