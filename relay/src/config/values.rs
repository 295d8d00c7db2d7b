//! Settings that are more than text or a number: a port or `off`, `NAME=NUMBER`.
//! It does not know what they are for.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A port, `0` for any free one, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub Option<u16>);

/// The address of the metrics page, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsAddr(pub Option<SocketAddr>);

/// `NAME=NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitArg {
    pub name: String,
    pub value: u64,
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Port(None));
        }
        match text.parse() {
            Ok(port) => Ok(Port(Some(port))),
            Err(_) => Err(format!("`{text}` is neither a port nor `off`")),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(port) => port.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl FromStr for MetricsAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(MetricsAddr(None)),
            // A bare port stays on this machine.
            _ => match text.parse::<u16>() {
                Ok(port) => Ok(MetricsAddr(Some((Ipv4Addr::LOCALHOST, port).into()))),
                Err(_) => text
                    .parse()
                    .map(|addr| MetricsAddr(Some(addr)))
                    .map_err(|_| format!("`{text}` is neither ADDR:PORT nor `off`")),
            },
        }
    }
}

impl fmt::Display for MetricsAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(addr) => addr.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl FromStr for LimitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not NAME=NUMBER"))?;
        match value.parse() {
            Ok(value) => Ok(LimitArg {
                name: name.to_owned(),
                value,
            }),
            Err(_) => Err(format!("`{value}` is not a number")),
        }
    }
}

/// In TOML both `port = 4001` and `port = "off"` read naturally.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u16),
    Text(String),
}

macro_rules! number_or_text {
    ($($type:ty),+) => { $(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                match NumberOrText::deserialize(input)? {
                    NumberOrText::Number(number) => number.to_string(),
                    NumberOrText::Text(text) => text,
                }
                .parse()
                .map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
                output.collect_str(self)
            }
        }
    )+ };
}

number_or_text!(Port, MetricsAddr);
