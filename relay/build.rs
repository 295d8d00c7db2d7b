//! Lists the built app for a release binary: every file below `dist/`, or below the folder in
//! `MANYHANDS_DIST`, but the models: the welcome model is in the binary already.
//! It does not build the app (`cargo xtask serve` does); where that was not done, and in debug
//! builds, the list is empty, so that the relay builds and tests on its own.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=MANYHANDS_DIST");
    let mut files = Vec::new();
    if let Some(dist) = dist() {
        println!("cargo:rerun-if-changed={}", dist.display());
        if dist.join("index.html").is_file() {
            let dist = fs::canonicalize(&dist)?;
            collect(&dist, &dist, &mut files)?;
        }
    }
    // The relay finds files by binary search.
    files.sort();
    let mut table = String::from("static EMBEDDED: &[(&str, &[u8])] = &[\n");
    for (name, path) in &files {
        table.push_str(&format!("    ({name:?}, include_bytes!({path:?})),\n"));
    }
    table.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or(io::Error::other("OUT_DIR is not set"))?;
    fs::write(PathBuf::from(out).join("embedded.rs"), table)
}

fn dist() -> Option<PathBuf> {
    if let Some(named) = env::var_os("MANYHANDS_DIST").filter(|dist| !dist.is_empty()) {
        return Some(named.into());
    }
    let release = env::var_os("PROFILE").is_some_and(|profile| profile == "release");
    let here = env::var_os("CARGO_MANIFEST_DIR").filter(|_| release)?;
    Some(Path::new(&here).join("../dist"))
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path == root.join("models") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            files.push((name.to_string_lossy().replace('\\', "/"), path));
        }
    }
    Ok(())
}
