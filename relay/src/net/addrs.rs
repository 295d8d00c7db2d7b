//! Under which addresses the relay can be reached: what it listens on, and what it tells others.
//! It does not open sockets, ask anybody outside or guess what a router maps.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libp2p::{Multiaddr, multiaddr::Protocol};

use super::gate::ip_of;

/// Addresses we tell others. Identify messages are at most 4 KiB, and a reservation repeats them.
pub const MAX_ADVERTISED: usize = 16;

/// The address under which the outside world sees the web server: scheme, host and port only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    https: bool,
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

/// Not an `http(s)://host[:port]` URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form https://host[:port]")]
pub struct NotAPublicUrl(String);

impl std::str::FromStr for PublicUrl {
    type Err = NotAPublicUrl;

    fn from_str(text: &str) -> Result<Self, NotAPublicUrl> {
        let refuse = || NotAPublicUrl(text.to_owned());
        let uri: axum::http::Uri = text.parse().map_err(|_| refuse())?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refuse()),
        };
        let authority = uri.authority().ok_or_else(refuse)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains(['@', '#']) {
            return Err(refuse());
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(refuse());
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        Ok(PublicUrl {
            https,
            host: match bare.parse() {
                Ok(ip) => Host::Ip(ip),
                Err(_) => Host::Name(host.to_ascii_lowercase()),
            },
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
        })
    }
}

impl std::fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.https { "https://" } else { "http://" })?;
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Ip(ip) => write!(f, "{ip}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

impl PublicUrl {
    /// The URL of a web server that listens on `http`; of a wildcard address, the one by which
    /// another device of the local network reaches it.
    pub fn of_listener(http: SocketAddr, https: bool, interfaces: &[IpAddr]) -> PublicUrl {
        let ip = http.ip();
        let host = if ip.is_unspecified() {
            interfaces
                .iter()
                .copied()
                .find(|ip| ip.is_ipv4() && !ip.is_loopback())
                .or_else(|| interfaces.first().copied())
                .map_or_else(|| Host::Name("localhost".to_owned()), Host::Ip)
        } else if ip.is_loopback() {
            // Browsers treat the name and the address alike, people prefer the name.
            Host::Name("localhost".to_owned())
        } else {
            Host::Ip(ip)
        };
        PublicUrl {
            https,
            host,
            port: http.port(),
        }
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host without port, as certificates and STUN URLs name it.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        }
    }

    fn host_protocol(&self) -> Protocol<'static> {
        match &self.host {
            Host::Ip(ip) => Protocol::from(*ip),
            Host::Name(name) => Protocol::Dns4(name.clone().into()),
        }
    }

    /// The WebSocket address of this URL: `/dns4/host/tcp/443/tls/ws`.
    pub fn ws_addr(&self) -> Multiaddr {
        let mut addr = Multiaddr::empty();
        addr.push(self.host_protocol());
        addr.push(Protocol::Tcp(self.port));
        if self.https {
            addr.push(Protocol::Tls);
        }
        addr.push(Protocol::Ws("/".into()));
        addr
    }
}

/// The addresses of this machine; none where the system does not say. Loopback comes last: another
/// device that tries it first makes its browser ask for local network access.
pub fn interfaces() -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_link_local())
        .map(|interface| interface.ip())
        .collect();
    all.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6(), *ip));
    all.dedup();
    all
}

/// The `/ws` addresses on which the web server at `http` answers.
pub fn ws_listen_addrs(http: SocketAddr, tls: bool, interfaces: &[IpAddr]) -> Vec<Multiaddr> {
    let ips = if http.ip().is_unspecified() {
        let mut ips: Vec<IpAddr> = interfaces
            .iter()
            .copied()
            .filter(|ip| ip.is_ipv4() == http.is_ipv4())
            .collect();
        if ips.is_empty() {
            ips.push(Ipv4Addr::LOCALHOST.into());
        }
        ips
    } else {
        vec![http.ip()]
    };
    ips.into_iter()
        .take(MAX_ADVERTISED)
        .map(|ip| {
            let mut addr = Multiaddr::from(ip);
            addr.push(Protocol::Tcp(http.port()));
            if tls {
                addr.push(Protocol::Tls);
            }
            addr.push(Protocol::Ws("/".into()));
            addr
        })
        .collect()
}

/// How `listen`, an address that a transport reported, is told to others.
///
/// With a public URL, WebSocket addresses are replaced by the URL's (told once, by the caller) and
/// the host of others by the URL's host: a page of a public site that dials a loopback or private
/// address makes the browser ask for local network access.
pub fn advertised(listen: &Multiaddr, public: Option<&PublicUrl>) -> Option<Multiaddr> {
    let ip = ip_of(listen)?;
    if ip.is_unspecified() {
        return None;
    }
    let Some(public) = public else {
        return Some(listen.clone());
    };
    if listen.iter().any(|p| matches!(p, Protocol::Ws(_))) {
        return None;
    }
    listen.replace(0, |_| Some(public.host_protocol()))
}

/// Places `page` may connect to beyond its own origin, for the content security policy: the
/// `ws:` and `wss:` origins among `addrs`.
pub fn ws_origins(addrs: &[Multiaddr]) -> Vec<String> {
    addrs.iter().filter_map(ws_origin).collect()
}

fn ws_origin(addr: &Multiaddr) -> Option<String> {
    let mut host = None;
    let mut port = None;
    let mut tls = false;
    let mut ws = false;
    for protocol in addr {
        match protocol {
            Protocol::Ip4(ip) => host = Some(ip.to_string()),
            Protocol::Ip6(ip) => host = Some(format!("[{ip}]")),
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => {
                host = Some(name.into_owned());
            }
            Protocol::Tcp(number) => port = Some(number),
            Protocol::Tls => tls = true,
            Protocol::Ws(_) => ws = true,
            _ => {}
        }
    }
    let scheme = if tls { "wss" } else { "ws" };
    ws.then_some(format!("{scheme}://{}:{}", host?, port?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_public_url_is_scheme_host_and_port_and_nothing_else() {
        let check = |text: &str, ws: &str| {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!(url.ws_addr().to_string(), ws, "{text}");
        };
        check("https://relay.example", "/dns4/relay.example/tcp/443/tls/ws");
        check(
            "https://Relay.Example:8443/",
            "/dns4/relay.example/tcp/8443/tls/ws",
        );
        check("http://192.168.1.5:8787", "/ip4/192.168.1.5/tcp/8787/ws");
        check("https://[2001:db8::1]", "/ip6/2001:db8::1/tcp/443/tls/ws");
        for bad in [
            "relay.example",
            "ftp://relay.example",
            "https://relay.example/path",
            "https://user@relay.example",
            "https://relay.example?x",
            "https://",
            "",
        ] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_public_url_prints_as_it_is_typed() {
        for text in [
            "https://relay.example",
            "http://localhost:8787",
            "https://[2001:db8::1]:8443",
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wildcard_listener_is_named_by_the_local_network() {
        let interfaces = ["127.0.0.1", "192.168.1.5", "::1"].map(|ip| ip.parse().unwrap());
        let url = |http: &str| PublicUrl::of_listener(http.parse().unwrap(), false, &interfaces).to_string();
        assert_eq!(url("0.0.0.0:8787"), "http://192.168.1.5:8787");
        assert_eq!(url("127.0.0.1:8787"), "http://localhost:8787");
        assert_eq!(url("10.0.0.7:80"), "http://10.0.0.7");
        let listen = ws_listen_addrs("0.0.0.0:8787".parse().unwrap(), true, &interfaces);
        let listen: Vec<_> = listen.iter().map(Multiaddr::to_string).collect();
        assert_eq!(
            listen,
            [
                "/ip4/127.0.0.1/tcp/8787/tls/ws",
                "/ip4/192.168.1.5/tcp/8787/tls/ws"
            ]
        );
    }

    #[test]
    fn with_a_public_url_no_private_address_is_told() {
        let public: PublicUrl = "https://relay.example".parse().unwrap();
        let check = |listen: &str, expect: Option<&str>| {
            let told = advertised(&listen.parse().unwrap(), Some(&public));
            assert_eq!(told.map(|a| a.to_string()).as_deref(), expect, "{listen}");
        };
        check("/ip4/127.0.0.1/tcp/8787/ws", None);
        check("/ip4/10.0.0.7/tcp/4001", Some("/dns4/relay.example/tcp/4001"));
        check("/ip4/0.0.0.0/tcp/4001", None);
    }

    #[test]
    fn the_origins_of_websocket_addresses_are_those_a_browser_would_use() {
        let addrs: Vec<Multiaddr> = [
            "/ip4/127.0.0.1/tcp/8787/ws",
            "/dns4/relay.example/tcp/443/tls/ws",
            "/ip6/::1/tcp/1/ws",
            "/ip4/127.0.0.1/tcp/4001",
        ]
        .iter()
        .map(|a| a.parse().unwrap())
        .collect();
        assert_eq!(
            ws_origins(&addrs),
            ["ws://127.0.0.1:8787", "wss://relay.example:443", "ws://[::1]:1"]
        );
    }
}
