//! The address to show to another device: one that it can reach, and what speaks against it; and the reading of one.
//! It asks no network; it only reads names.

/// Longer than any address that we make; what holds signatures is the longest.
const MAX_ADDRESS: usize = 2_000;

/// A scanned text, where it is an invitation as some relay's page makes it: to lend, with or without a secret, or into
/// somebody's swarm. Nothing else passes, whatever it looks like.
pub fn read(text: &str) -> Option<&str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let (host, place) = rest.split_once('/')?;
    let (place, secret) = match place.split_once('#') {
        Some((place, secret)) => (place, Some(secret)),
        None => (place, None),
    };
    let is_secret = |mark: &str| {
        let secret = secret.and_then(|secret| secret.strip_prefix(mark));
        secret.is_some_and(|secret| {
            !secret.is_empty()
                && secret
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
    };
    let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && host
            .bytes()
            // No name before an `@`, and none that looks like another.
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    let is_ours = match place {
        "join" => secret.is_none() || is_secret("v1."),
        "keys" => is_secret("s1."),
        _ => false,
    };
    (text.len() <= MAX_ADDRESS && is_host && is_ours).then_some(text)
}

/// What keeps an address from being of use to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It means this computer alone.
    Local,
    /// Browsers keep keys and graphics processors from pages without HTTPS.
    Insecure,
}

/// The best of the page's own origin and those that the relay names, and its trouble.
pub fn best(own: &str, reachable: &[String]) -> (String, Option<Trouble>) {
    if trouble(own).is_none() {
        return (own.to_owned(), None);
    }
    let named = reachable.iter().find(|origin| trouble(origin).is_none());
    // An insecure address is still better for a phone than one that it cannot open.
    let insecure = || {
        reachable
            .iter()
            .find(|origin| trouble(origin) == Some(Trouble::Insecure) && trouble(own) == Some(Trouble::Local))
    };
    let best = named.or_else(insecure).map_or(own, String::as_str);
    (best.to_owned(), trouble(best))
}

fn trouble(origin: &str) -> Option<Trouble> {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("", origin));
    let host = match rest.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => rest,
    };
    if host == "localhost" || host == "[::1]" || host.starts_with("127.") {
        Some(Trouble::Local)
    } else if scheme == "https" {
        None
    } else {
        Some(Trouble::Insecure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_read_from_any_relay() {
        for text in [
            "https://hands.example/join",
            "https://hands.example:8787/join#v1.AAECAwQFBgcICQoLDA0ODw",
            "http://192.168.1.5:8787/join",
            "http://[2001:db8::1]:8787/join",
            "https://hands.example/keys#s1.abc-DEF_012",
        ] {
            assert_eq!(read(text), Some(text));
        }
    }

    #[test]
    fn what_is_no_invitation_is_not_read() {
        let long = format!("https://hands.example/keys#s1.{}", "a".repeat(MAX_ADDRESS));
        for text in [
            "",
            "WIFI:S:home;P:secret;;",
            "javascript:alert(1)//join",
            "https://hands.example",
            "https://hands.example/",
            "https://hands.example/lend",
            "https://hands.example/join/",
            "https://hands.example/join?layers=0-5",
            "https://hands.example/joined",
            "https://hands.example//join",
            "https:///join",
            "https://:8787/join",
            "https://good.example@evil.example/join",
            "https://good.example\\@evil.example/join",
            "https://hаnds.example/join",
            "https://hands.example/join#",
            "https://hands.example/join#v1.",
            "https://hands.example/join#v2.AAAA",
            "https://hands.example/join#v1.AA AA",
            "https://hands.example/join#v1.<script>",
            "https://hands.example/keys",
            "https://hands.example/keys#v1.AAAA",
            " https://hands.example/join",
            "https://hands.example/join\n",
            "HTTPS://hands.example/join",
            "ftp://hands.example/join",
            &long,
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_phone_is_shown_an_address_that_it_can_reach() {
        let check = |own: &str, named: &[&str], expect: &str, why: Option<Trouble>| {
            let named: Vec<String> = named.iter().map(|origin| (*origin).to_owned()).collect();
            assert_eq!(best(own, &named), (expect.to_owned(), why), "{own} {named:?}");
        };
        let lan = "https://192.168.1.5:8787";
        check("https://hands.example", &[lan], "https://hands.example", None);
        check(
            "http://localhost:8787",
            &[],
            "http://localhost:8787",
            Some(Trouble::Local),
        );
        check("https://localhost:8787", &[lan], lan, None);
        check("http://127.0.0.1:8787", &["http://10.0.0.2:1", lan], lan, None);
        check(
            "http://[::1]:8787",
            &["http://10.0.0.2:1"],
            "http://10.0.0.2:1",
            Some(Trouble::Insecure),
        );
        check(
            "http://10.0.0.2:1",
            &["http://10.0.0.3:1"],
            "http://10.0.0.2:1",
            Some(Trouble::Insecure),
        );
        check("http://10.0.0.2:1", &[lan], lan, None);
        check(
            "http://[2001:db8::1]",
            &[],
            "http://[2001:db8::1]",
            Some(Trouble::Insecure),
        );
    }
}
