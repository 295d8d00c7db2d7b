//! What builds home routers out of network namespaces, for the tests of connections across NATs.
//! These tests need root, so that without it nothing is installed: they are left out and say so.

use anyhow::Result;

use super::Tool;
use crate::context::Context;
use crate::system;

const PROGRAMS: [&str; 3] = ["nft", "ip", "sysctl"];

/// nftables, iproute2 and sysctl.
pub(crate) struct Routers;

impl Tool for Routers {
    fn name(&self) -> &'static str {
        "routers"
    }

    fn plan(&self) -> String {
        "apt-get install nftables iproute2 procps".to_owned()
    }

    fn check(&self, context: &Context) -> Result<Option<String>> {
        let missing = PROGRAMS
            .into_iter()
            .find(|name| system::which(context, &[name]).is_none());
        let can_be_used = cfg!(target_os = "linux") && system::is_root(context);
        let can_be_installed = can_be_used && system::which(context, &["apt-get"]).is_some();
        Ok(match missing {
            None => Some(PROGRAMS.join(", ")),
            Some(_) if can_be_installed => None,
            Some(name) => Some(format!("no {name}: the tests across NATs are left out")),
        })
    }

    fn install(&self, context: &Context) -> Result<()> {
        system::apt_install(context, &["nftables", "iproute2", "procps"])
    }
}
