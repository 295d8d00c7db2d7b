//! `cargo xtask serve`: set-up, web build, relay build, then the relay itself.
//! It does not serve anything; the relay does, and prints what people need to know.

use std::os::unix::process::CommandExt as _;
use std::process::Child;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::command::Cmd;
use crate::context::Context;
use crate::web::{self, Profile};
use crate::{relay, setup};

/// What every address of this machine listens on, with a certificate of its own.
const LAN: [&str; 4] = ["--listen", "0.0.0.0:8787", "--tls", "self-signed"];

#[derive(Args)]
pub(crate) struct Options {
    /// For phones: listen on all addresses, with TLS, and print a QR code that a phone can use.
    #[arg(long)]
    lan: bool,
    /// A debug build that is rebuilt when a file changes; reload the page to see it.
    #[arg(long)]
    dev: bool,
    /// Options of the relay; see `manyhands-relay serve --help`.
    #[arg(last = true)]
    relay: Vec<String>,
}

/// Builds everything and becomes the relay.
///
/// # Errors
/// When a build fails or the relay does not start.
pub(crate) fn run(context: &Context, options: Options) -> Result<()> {
    setup::run(context)?;
    web::build(context, Profile::from_dev_flag(options.dev))?;
    let program = relay::build(
        context,
        if options.dev {
            relay::Build::Debug
        } else {
            relay::Build::Release
        },
    )?;
    let mut relay = context.command(program);
    relay.arg("serve");
    if options.lan {
        relay.args(LAN);
    }
    relay.args(&options.relay);
    if options.dev {
        beside_trunk(context, &mut relay)
    } else {
        replace(&mut relay)
    }
}

/// This process becomes the relay, so that signals and the exit code are the relay's own.
fn replace(relay: &mut Cmd) -> Result<()> {
    let name = relay.to_string();
    Err(relay.inner().exec()).with_context(|| format!("cannot start {name}"))
}

fn beside_trunk(context: &Context, relay: &mut Cmd) -> Result<()> {
    let watch = web::trunk(context, "watch", Profile::Dev)?.spawn()?;
    let _ends_with_the_relay = Watch(watch);
    relay
        .env("MANYHANDS_RELAY_APP_DIR", context.root.join("dist"))
        .run()
}

struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        // It may be gone already: then there is nothing left to end.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
