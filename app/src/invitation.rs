//! The address to show to another device: one that it can reach, and what speaks against it.
//! It asks no network; it only reads names.

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
