//! A software Vulkan driver, so that GPU kernels are tested on machines without a GPU.
//! It does not choose the adapter; the tests do.

use std::fs;

use anyhow::Result;

use super::Tool;
use crate::context::Context;
use crate::system;

const DRIVER_FOLDERS: [&str; 2] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

/// lavapipe, Mesa's software driver, and the loader.
pub(crate) struct Vulkan;

impl Tool for Vulkan {
    fn name(&self) -> &'static str {
        "vulkan"
    }

    fn plan(&self) -> String {
        "apt-get install mesa-vulkan-drivers libvulkan1".to_owned()
    }

    fn check(&self, context: &Context) -> Result<Option<String>> {
        if !cfg!(target_os = "linux") {
            return Ok(Some("not needed on this system".to_owned()));
        }
        let files = DRIVER_FOLDERS
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let driver = files
            .map(|file| file.file_name())
            .any(|name| name.to_string_lossy().starts_with("lvp_icd"));
        // Asked of the linker, not the file system: browsers bring a loader of their own that nobody else finds.
        let libraries = context
            .command("/sbin/ldconfig")
            .arg("-p")
            .output()
            .unwrap_or_default();
        let loader = libraries.contains("libvulkan.so.1");
        Ok((driver && loader).then(|| "lavapipe".to_owned()))
    }

    fn install(&self, context: &Context) -> Result<()> {
        system::apt_install(context, &["mesa-vulkan-drivers", "libvulkan1"])
    }
}
