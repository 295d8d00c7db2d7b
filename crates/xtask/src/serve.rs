//! `cargo xtask serve`: set-up, web build, relay build, then the relay itself.
//! It does not serve anything; the relay does, and prints what people need to know.

use std::env;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::beside::Beside;
use crate::command::Cmd;
use crate::context::Context;
use crate::relay::Build;
use crate::tools::Purpose;
use crate::web::{self, Profile};
use crate::{announce, relay, setup};

/// For phones: every address of this machine, and a certificate of its own; unless the relay's options say otherwise.
const LAN: [[&str; 2]; 2] = [["--listen", "0.0.0.0:8787"], ["--tls", "self-signed"]];

#[derive(Args)]
pub(crate) struct Options {
    /// For phones: listen on all addresses, with TLS, and print a QR code that a phone can use.
    #[arg(long)]
    lan: bool,
    /// A debug build that is rebuilt when a file changes; open pages reload themselves.
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
    setup::run(context, Purpose::Building)?;
    let program = if options.dev {
        web::build(context, Profile::Dev)?;
        relay::build(context, Build::Debug)?
    } else {
        // The web build ends in a long link on one core. What the relay is made of is compiled meanwhile; then only
        // the relay itself is left, which has the app inside.
        let meanwhile = || Beside::task(context, "build-relay-parts");
        if let Some(parts) = web::build_beside(context, Profile::Release, meanwhile)? {
            parts.wait()?;
        }
        relay::build(context, Build::Release)?
    };
    crate::built(context);
    let mut relay = context.command(&program);
    relay.arg("serve");
    if options.lan {
        relay.args(lan(&options.relay));
    }
    relay.args(&options.relay);
    // Where phones can reach it: here by `--lan`, elsewhere because somebody said under which address.
    let invite = if options.lan || said(&options.relay, "--public-url") {
        invite_command(&program, &options.relay)
    } else {
        Vec::new()
    };
    announced(context, &mut relay, &invite)?;
    if options.dev {
        beside_trunk(context, &mut relay)
    } else {
        replace(&mut relay)
    }
}

/// What `--lan` adds to these options.
fn lan(options: &[String]) -> Vec<&'static str> {
    LAN.iter()
        .filter(|[name, _]| !said(options, name))
        .flatten()
        .copied()
        .collect()
}

/// Whether the relay's options have that one.
fn said(options: &[String], name: &str) -> bool {
    options
        .iter()
        .any(|option| option == name || option.starts_with(&format!("{name}=")))
}

/// What the relay prints goes through this program once more, which adds plain words and the QR code. The relay
/// itself replaces this process: the filter must not stand between it and the terminal's signals.
fn announced(context: &Context, relay: &mut Cmd, invite: &[String]) -> Result<()> {
    let mut filter = context.command(env::current_exe().context("the path of this program")?);
    filter.args(["announce", "--"]).args(invite);
    filter.inner().stdin(Stdio::piped());
    let input = filter
        .spawn()?
        .stdin
        .take()
        .context("the filter behind the relay has no input")?;
    relay.inner().stdout(Stdio::from(input));
    Ok(())
}

/// The filter: `invite` is the command that prints a link for phones, or empty.
///
/// # Errors
/// Those of [`announce::run`].
pub(crate) fn announce(context: &Context, invite: &[String]) -> Result<()> {
    let link = || -> Result<String> {
        let (program, arguments) = invite.split_first().context("no command that makes an invite")?;
        Ok(context
            .command(program)
            .args(arguments)
            .output()?
            .trim()
            .to_owned())
    };
    let phones: Option<&dyn Fn() -> Result<String>> = if invite.is_empty() { None } else { Some(&link) };
    announce::run(io::stdin().lock(), io::stdout().lock(), phones)
}

/// The command that makes an invite of the relay that is started with these options.
fn invite_command(program: &Path, options: &[String]) -> Vec<String> {
    let mut command = vec![program.display().to_string(), "invite".to_owned()];
    for (at, option) in options.iter().enumerate() {
        match option.as_str() {
            "--data" | "--config" => command.extend(options[at..].iter().take(2).cloned()),
            set if set.starts_with("--data=") || set.starts_with("--config=") => command.push(option.clone()),
            _ => {}
        }
    }
    command
}

/// This process becomes the relay, so that signals and the exit code are the relay's own.
fn replace(relay: &mut Cmd) -> Result<()> {
    let name = relay.to_string();
    Err(relay.inner().exec()).with_context(|| format!("cannot start {name}"))
}

fn beside_trunk(context: &Context, relay: &mut Cmd) -> Result<()> {
    let watch = web::watch(context)?.spawn()?;
    let _ends_with_the_relay = Watch(watch);
    relay.env("MANYHANDS_RELAY_APP", context.root.join("dist")).run()
}

struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        // It may be gone already: then there is nothing left to end.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_get_an_address_and_a_certificate_unless_the_options_name_others() {
        let with = |options: &[&str]| {
            lan(&options
                .iter()
                .map(|&option| option.to_owned())
                .collect::<Vec<_>>())
        };
        assert_eq!(with(&["--model", "x"]), LAN.concat());
        assert_eq!(with(&["--listen", "0.0.0.0:9000"]), LAN[1]);
        assert_eq!(with(&["--tls=files", "--listen=[::]:1"]), [""; 0]);
    }

    #[test]
    fn the_invite_is_made_in_the_data_folder_of_the_relay_that_runs() {
        let check = |options: &[&str], expect: &[&str]| {
            let options: Vec<String> = options.iter().map(ToString::to_string).collect();
            assert_eq!(invite_command(Path::new("relay"), &options), expect);
        };
        check(&[], &["relay", "invite"]);
        check(
            &["--listen", "0.0.0.0:1", "--data", "/d"],
            &["relay", "invite", "--data", "/d"],
        );
        check(&["--data=/d", "--model", "m"], &["relay", "invite", "--data=/d"]);
        check(
            &["--config", "c.toml"],
            &["relay", "invite", "--config", "c.toml"],
        );
    }
}
