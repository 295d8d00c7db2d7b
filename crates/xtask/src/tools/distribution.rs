//! Debian's own newer Rust as a wasm toolchain: its packages, a standard library built once, a name for rustup.
//! It does not touch rustup's toolchains beyond that one link.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::wasm_target::TARGET;
use crate::context::{Context, LINKED_TOOLCHAIN};
use crate::system;

/// The packages with compiler, library source (it must match the compiler exactly), clippy and formatter.
const PACKAGES: [&str; 5] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-clippy",
    "rustfmt-web",
];

/// The sysroot these packages install into.
const SYSROOT: &str = "/usr";

/// Installs the packages, builds std for wasm, puts it where the compiler looks, and links the toolchain.
///
/// # Errors
/// When any of that fails; the message holds the command to run where root is needed.
pub(crate) fn install(context: &Context) -> Result<()> {
    if !Path::new("/usr/lib/rustlib/src/rust/library").is_dir()
        || !Path::new("/usr/bin/cargo-clippy").is_file()
    {
        println!("set-up:   apt-get install {}", PACKAGES.join(" "));
        system::apt_install(context, &PACKAGES)?;
    }
    let built = build_std(context)?;
    place(context, &built)?;
    context
        .command("rustup")
        .args(["toolchain", "link", LINKED_TOOLCHAIN, SYSROOT])
        .output()?;
    Ok(())
}

fn build_folder(context: &Context) -> PathBuf {
    context.cache.join("wasm-std")
}

/// An empty library for wasm makes cargo build std; its rlibs are what we are after.
fn build_std(context: &Context) -> Result<PathBuf> {
    println!("set-up:   building std for {TARGET} (about a minute)");
    let folder = build_folder(context);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"std-for-wasm\"\nedition = \"2021\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n[workspace]\n",
    )?;
    fs::write(folder.join("src/lib.rs"), "")?;
    ensure_linker(context)?;
    let target = folder.join("target");
    context
        .command("/usr/bin/cargo")
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "-Z",
            "build-std=std,panic_abort",
        ])
        .folder(&folder)
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTC", "/usr/bin/rustc")
        // -Z build-std on a stable compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without it `lto = true` fails later: "failed to get bitcode from object file".
        .env("RUSTFLAGS", "-C embed-bitcode=yes")
        .env_remove("RUSTUP_TOOLCHAIN")
        .output()?;
    Ok(target.join(TARGET).join("release/deps"))
}

/// rustc looks for `rust-lld` in its sysroot; these packages bring none.
fn ensure_linker(context: &Context) -> Result<()> {
    let host = host_triple(context)?;
    let folder = Path::new(SYSROOT).join("lib/rustlib").join(&host).join("bin");
    let wanted = folder.join("rust-lld");
    if wanted.exists() {
        return Ok(());
    }
    let found = match rustup_linker(context, &host) {
        Some(found) => found,
        None => {
            system::apt_install(context, &["lld-22"])?;
            PathBuf::from("/usr/bin/lld-22")
        }
    };
    let link = [
        "ln",
        "-s",
        &found.display().to_string(),
        &wanted.display().to_string(),
    ]
    .join(" ");
    if !system::is_root(context) {
        bail!(
            "this needs root; run: sudo mkdir -p {} && sudo {link}",
            folder.display()
        );
    }
    fs::create_dir_all(&folder)?;
    std::os::unix::fs::symlink(&found, &wanted).with_context(|| format!("cannot {link}"))
}

/// The linker that comes with rustup's own toolchain.
fn rustup_linker(context: &Context, host: &str) -> Option<PathBuf> {
    let sysroot = context
        .command("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let linker = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host)
        .join("bin/rust-lld");
    linker.is_file().then_some(linker)
}

fn host_triple(context: &Context) -> Result<String> {
    let version = context.command("/usr/bin/rustc").arg("-vV").output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// Copies the rlibs into the sysroot, in place of those an older compiler left there.
fn place(context: &Context, built: &Path) -> Result<()> {
    let folder = Path::new(SYSROOT).join("lib/rustlib").join(TARGET).join("lib");
    if !system::is_root(context) {
        bail!(
            "this needs root; run: sudo install -D -m 644 -t {} {}/*.rlib && rustup toolchain link {LINKED_TOOLCHAIN} {SYSROOT}",
            folder.display(),
            built.display()
        );
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut copied = 0;
    for entry in fs::read_dir(built)? {
        let path = entry?.path();
        let (Some(name), true) = (
            path.file_name(),
            path.extension().is_some_and(|end| end == "rlib"),
        ) else {
            continue;
        };
        fs::copy(&path, folder.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        copied += 1;
    }
    if copied == 0 {
        bail!("building std left no library in {}", built.display());
    }
    Ok(())
}
