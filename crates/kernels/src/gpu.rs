//! An adapter, its device and its limits.
//! Does not choose between the GPU and the CPU: it says what there is.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::LocalBoxFuture;

use crate::pipeline::Pipeline;
use crate::{GpuError, Variants};

/// Which adapter to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The fastest, were it software.
    #[default]
    Any,
    /// Real hardware or none. Browsers hide which it is: there the caller looks first.
    Hardware,
}

/// What computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// As the driver calls it; may be empty in a browser.
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `webgpu`.
    pub api: &'static str,
    /// Whether a processor plays the GPU.
    pub software: bool,
}

/// The device's word on what was made.
pub type Verdict = LocalBoxFuture<'static, Result<(), GpuError>>;

/// A device with its queue and the pipelines compiled on it. Stages of one tab share it.
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    adapter: Adapter,
    most_bytes: u64,
    most_groups: u32,
    /// What the device last complained of: lost, or a command refused outside any check.
    trouble: Arc<Mutex<Option<GpuError>>>,
    /// Threads that exchange values, as the driver says; 0 for none.
    subgroup: u32,
    /// Whether it was opened with half precision.
    pub(crate) half: bool,
    pub(crate) variants: Cell<Variants>,
    pub(crate) pipelines: RefCell<HashMap<String, Rc<Pipeline>>>,
}

impl Gpu {
    /// Opens a device on the adapter of choice.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`], [`GpuError::NoDevice`].
    pub async fn open(choice: Choice) -> Result<Gpu, GpuError> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(descriptor);
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let found = instance.request_adapter(&options).await;
        let found = found.map_err(|error| GpuError::NoAdapter(error.to_string()))?;
        let info = found.get_info();
        let adapter = describe(&info);
        if adapter.software && choice == Choice::Hardware {
            return Err(GpuError::NoAdapter(format!("{} is software", adapter.name)));
        }
        // More than the defaults only where it saves cutting tensors into rows.
        let most = found.limits();
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: most.max_storage_buffer_binding_size,
            max_buffer_size: most.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let beyond = found.features() & (wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16);
        let has_subgroups = beyond.contains(wgpu::Features::SUBGROUP);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("manyhands"),
            required_features: beyond,
            required_limits: limits,
            ..Default::default()
        };
        let opened = found.request_device(&descriptor).await;
        let (device, queue) = opened.map_err(|error| GpuError::NoDevice(error.to_string()))?;
        let trouble = Arc::new(Mutex::new(None));
        let told = Arc::clone(&trouble);
        device.set_device_lost_callback(move |_, message| {
            *lock(&told) = Some(GpuError::Lost(message));
        });
        let told = Arc::clone(&trouble);
        device.on_uncaptured_error(Arc::new(move |error| {
            lock(&told).get_or_insert(GpuError::Refused(error.to_string()));
        }));
        let limits = device.limits();
        let binding = limits.max_storage_buffer_binding_size;
        let gpu = Gpu {
            // Bytes are counted in 32 bits inside the kernels' address arithmetic.
            most_bytes: binding.min(limits.max_buffer_size).min(1 << 31),
            most_groups: limits.max_compute_workgroups_per_dimension,
            device,
            queue,
            adapter,
            trouble,
            subgroup: if has_subgroups { info.subgroup_min_size } else { 0 },
            half: beyond.contains(wgpu::Features::SHADER_F16),
            variants: Cell::default(),
            pipelines: RefCell::default(),
        };
        // A processor that plays a GPU exchanges nothing faster, and takes long to compile that it does.
        if !gpu.adapter.software {
            gpu.use_subgroups(gpu.subgroup).await;
            gpu.use_half().await;
        }
        Ok(gpu)
    }

    /// What computes.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Names the adapter where its driver hides behind a browser that tells more in other ways.
    pub fn rename(&mut self, name: String, software: bool) {
        self.adapter.name = name;
        self.adapter.software = software;
    }

    /// The fewest threads of a subgroup, as the driver says; 0 where the device was opened without them.
    pub fn subgroup(&self) -> u32 {
        self.subgroup
    }

    /// The most bytes that one binding may have.
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// Takes no larger bindings than this, whatever the device allows: larger tensors are cut.
    pub fn cap(&mut self, most_bytes: u64) {
        self.most_bytes = self.most_bytes.min(most_bytes);
    }

    /// The most workgroups in one direction.
    pub(crate) fn most_groups(&self) -> u32 {
        self.most_groups
    }

    /// Whether the device still does what it is asked.
    ///
    /// # Errors
    /// [`GpuError::Lost`], [`GpuError::Refused`].
    pub fn check(&self) -> Result<(), GpuError> {
        lock(&self.trouble).clone().map_or(Ok(()), Err)
    }

    /// Gives the device up, as a driver's reset would: what is asked of it from now on fails.
    pub fn destroy(&self) {
        self.device.destroy();
        lock(&self.trouble).get_or_insert(GpuError::Lost("it was given up".into()));
    }

    /// Runs `make` and returns, beside what it made, the device's word on it: a browser tells of refused
    /// memory only later.
    pub fn guarded<T>(&self, what: &'static str, bytes: u64, make: impl FnOnce() -> T) -> (T, Verdict) {
        let refused = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = make();
        let memory = memory.pop();
        let refused = refused.pop();
        let trouble = Arc::clone(&self.trouble);
        let verdict = async move {
            if memory.await.is_some() {
                return Err(GpuError::OutOfMemory { what, bytes });
            }
            if let Some(error) = refused.await {
                return Err(GpuError::Refused(error.to_string()));
            }
            lock(&trouble).clone().map_or(Ok(()), Err)
        };
        (made, Box::pin(verdict))
    }
}

fn describe(info: &wgpu::AdapterInfo) -> Adapter {
    let api = match info.backend {
        wgpu::Backend::Vulkan => "vulkan",
        wgpu::Backend::Metal => "metal",
        wgpu::Backend::Dx12 => "dx12",
        wgpu::Backend::BrowserWebGpu => "webgpu",
        _ => "other",
    };
    Adapter {
        name: info.name.clone(),
        api,
        software: info.device_type == wgpu::DeviceType::Cpu,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
