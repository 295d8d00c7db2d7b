//! The program: reads the command line, carries the command out, and turns an error into one
//! line and an exit code (1: could not do it, 2: was asked for something impossible).
//! It holds no logic of its own.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Parser;
use manyhands_relay::{
    cli::{Cli, Command, Key, Model, Serve, Swarm},
    config::{Config, ConfigError, LogForm, Settings},
    keys, serve,
    store::Store,
    swarm_state::SwarmState,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "manyhands-relay: {error:#}");
            match error.downcast_ref::<ConfigError>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<()> {
    let data = Settings {
        data: cli.data,
        ..Settings::default()
    };
    let settings = |flags: Settings| -> Result<Config, ConfigError> {
        let file = match &cli.config {
            Some(path) => Settings::from_file(Path::new(path))?,
            None => Settings::default(),
        };
        data.clone().or(flags).or(file).resolve()
    };
    let mut out = io::stdout();
    match cli.command {
        Command::Serve(arguments) => {
            let Serve {
                settings: flags,
                print_config,
                check_config,
            } = *arguments;
            let config = settings(flags)?;
            if print_config {
                write!(out, "{}", config.to_toml())?;
            }
            if print_config || check_config {
                return Ok(());
            }
            start_log(&config)?;
            tokio::runtime::Runtime::new()?.block_on(serve::run(config, out))?;
        }
        Command::Key(Key::Show) => {
            let store = Store::open(&settings(Settings::default())?.data)?;
            writeln!(out, "{}", keys::open(&store)?.public().to_peer_id())?;
        }
        Command::Swarm(Swarm::Init | Swarm::Show) => {
            let config = settings(Settings::default())?;
            let state = SwarmState::open(&Store::open(&config.data)?, &config.swarm_name)?;
            writeln!(out, "{} {}", state.id, state.name)?;
        }
        Command::Model(Model::List | Model::Add { .. } | Model::Remove { .. }) | Command::Invite(_) => {}
    }
    Ok(())
}

/// Logs go to standard error; standard output belongs to the ready line.
fn start_log(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|error| ConfigError::LogFilter(config.log_filter.clone(), error.to_string()))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match config.log {
        LogForm::Text => log.with_ansi(false).init(),
        LogForm::Json => log.json().init(),
    }
    Ok(())
}
