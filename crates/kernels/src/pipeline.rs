//! Compiled kernels, each by the name of its variant.
//! Does not write WGSL.

use std::rc::Rc;

use crate::Gpu;

/// What a binding is to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Uniform,
}

/// A compiled kernel with the layout of its bindings.
pub struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    pub(crate) fn get(&self) -> &wgpu::ComputePipeline {
        &self.pipeline
    }
}

impl Gpu {
    /// The kernel `name`, compiled from what `source` writes if it is not there yet.
    pub(crate) fn pipeline(
        &self,
        name: &str,
        kinds: &[(u32, Kind)],
        source: impl FnOnce() -> String,
    ) -> Rc<Pipeline> {
        if let Some(pipeline) = self.pipelines.borrow().get(name) {
            return Rc::clone(pipeline);
        }
        let entries: Vec<wgpu::BindGroupLayoutEntry> =
            kinds.iter().map(|(at, kind)| entry(*at, *kind)).collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(name),
                entries: &entries,
            });
        let pipeline_layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(source().into()),
        });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every kernel writes shared memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            });
        let pipeline = Rc::new(Pipeline { pipeline, layout });
        self.pipelines
            .borrow_mut()
            .insert(name.to_owned(), Rc::clone(&pipeline));
        pipeline
    }

    /// Binds buffers to a kernel's numbers.
    pub(crate) fn bind(&self, pipeline: &Pipeline, buffers: &[(u32, &wgpu::Buffer)]) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = buffers
            .iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        })
    }

    /// Names of all kernels compiled so far.
    pub fn compiled(&self) -> Vec<String> {
        let mut names: Vec<String> = self.pipelines.borrow().keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

fn entry(binding: u32, kind: Kind) -> wgpu::BindGroupLayoutEntry {
    let ty = match kind {
        Kind::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Kind::Write => wgpu::BufferBindingType::Storage { read_only: false },
        Kind::Uniform => wgpu::BufferBindingType::Uniform,
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}
