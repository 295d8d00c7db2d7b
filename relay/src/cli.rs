//! The commands (contract, "Relay").
//! It only says what may be typed; `main` carries it out.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Settings;

/// The Manyhands relay: introduces browsers to each other and serves the app.
#[derive(Debug, Parser)]
#[command(name = "manyhands-relay", version, about)]
pub struct Cli {
    /// Folder of key, models and swarm state [the user's data folder]
    #[arg(long, env = "MANYHANDS_RELAY_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// TOML file with settings; flags and environment win over it
    #[arg(long, env = "MANYHANDS_RELAY_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the app, the models and the mesh
    Serve(Box<Serve>),
    /// Manage the models in the data folder
    #[command(subcommand)]
    Model(Model),
    /// The relay's own swarm
    #[command(subcommand)]
    Swarm(Swarm),
    /// The relay's own key
    #[command(subcommand)]
    Key(Key),
    /// Print a link that lets somebody join the swarm
    Invite(Invite),
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub settings: Settings,
    /// Print the settings in force as TOML and exit
    #[arg(long)]
    pub print_config: bool,
    /// Check the settings and exit
    #[arg(long)]
    pub check_config: bool,
}

#[derive(Debug, Subcommand)]
pub enum Model {
    /// Copy or download a GGUF into the data folder
    Add {
        /// A file, or an http(s) URL
        source: String,
    },
    /// List the models of the data folder
    List,
    /// Remove a model from the data folder
    Remove {
        /// Its manifest id, as `model list` prints it
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Swarm {
    /// Make the swarm's state now rather than at the first start
    Init,
    /// Print id and owner
    Show,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Print the peer id
    Show,
}

#[derive(Debug, Args)]
pub struct Invite {
    /// Role that whoever takes it up first has: worker, coordinator or admin; until the swarm is claimed
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// How the outside world reaches the relay [http://localhost:8787]
    #[arg(long, env = "MANYHANDS_RELAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
}
