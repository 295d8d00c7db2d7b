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
    invites, keys,
    models::{self, Published, add, download},
    owner::Ownership,
    serve,
    store::Store,
    swarm_state::SwarmState,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "manyhands-relay: {error}");
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
            start_log(&config.log, &config.log_filter)?;
            tokio::runtime::Runtime::new()?.block_on(serve::run(config, out))?;
        }
        Command::Key(Key::Show) => {
            let store = Store::open(&settings(Settings::default())?.data)?;
            writeln!(out, "{}", keys::open(&store)?.public().to_peer_id())?;
        }
        Command::Model(command) => {
            start_log(&LogForm::Text, "warn")?;
            model(
                &Store::open(&settings(Settings::default())?.data)?,
                command,
                &mut out,
            )?;
        }
        Command::Invite(wish) => {
            let config = settings(Settings {
                public_url: wish.public_url,
                ..Settings::default()
            })?;
            let store = Store::open(&config.data)?;
            let url = match config.public_url {
                Some(url) => url.to_string(),
                None => serve::last_url(&store)?.unwrap_or_else(|| "http://localhost:8787".to_owned()),
            };
            let is_owned = Ownership::open(&store)?.owner()?.is_some();
            let secret = invites::make(&store, wish.role, is_owned, config.limits.max_invites)?;
            writeln!(out, "{}", secret.link(&url))?;
        }
        Command::Swarm(Swarm::Init | Swarm::Show) => {
            let config = settings(Settings::default())?;
            let store = Store::open(&config.data)?;
            let state = SwarmState::open(&store, &config.swarm_name)?;
            writeln!(out, "{} {}", state.id, state.name)?;
            match Ownership::open(&store)?.owner()? {
                Some(owner) => writeln!(out, "owner {owner}")?,
                None => writeln!(out, "no owner yet: `serve` prints the claim link")?,
            }
        }
    }
    Ok(())
}

fn model(store: &Store, command: Model, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Model::Add { source } => {
            let added = if source.starts_with("http://") || source.starts_with("https://") {
                download::from_url(store, &source)?
            } else {
                add::from_file(store, Path::new(&source))?
            };
            writeln!(out, "{}", line(&added))?;
        }
        Model::List => {
            for model in models::of_folder(store)? {
                writeln!(out, "{}", line(&model))?;
            }
        }
        Model::Remove { id } => {
            let path = models::remove(store, &id)?;
            writeln!(out, "removed {}", path.display())?;
        }
    }
    Ok(())
}

/// A model in one line: its id first, because that is what is copied.
fn line(model: &Published) -> String {
    let Published {
        id,
        name,
        architecture,
        layers,
        bytes,
        ..
    } = model;
    format!("{id}  {bytes} bytes  {architecture}  {layers} layers  {name}")
}

/// Logs go to standard error; standard output belongs to the ready line.
fn start_log(form: &LogForm, filter: &str) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| ConfigError::LogFilter(filter.to_owned(), error.to_string()))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match form {
        LogForm::Text => log.with_ansi(false).init(),
        LogForm::Json => log.json().init(),
    }
    Ok(())
}
