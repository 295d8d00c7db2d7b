//! The query parameters of the contract, read once when the page opens.
//! Does not start anything: a parameter only changes what a later click means.

use crate::view::{Backend, Mode};

/// Longest query that is read: far beyond every real one, so that a link cannot make us work.
pub const MAX_QUERY_BYTES: usize = 4096;

/// What the address asked for; what is absent or unreadable is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    pub model: Option<String>,
    /// Layers `first..end` to lend.
    pub layers: Option<(u32, u32)>,
    pub backend: Option<Backend>,
    /// `true`: keep nothing after the page is closed.
    pub memory_only: bool,
    pub mode: Option<Mode>,
    pub temperature: Option<f32>,
    pub seed: Option<u64>,
    pub max_tokens: Option<u32>,
    pub net: Option<String>,
    pub pace_ms: Option<u32>,
    pub wire: Option<String>,
    pub speculate: Option<bool>,
    pub shadow: Option<bool>,
}

impl Query {
    /// Reads `?key=value&…`; of a repeated key the first counts.
    pub fn parse(search: &str) -> Self {
        let mut query = Self::default();
        if search.len() > MAX_QUERY_BYTES {
            return query;
        }
        let pairs: Vec<(String, String)> = search
            .trim_start_matches('?')
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (decode(key), decode(value)))
            .collect();
        let get = |key: &str| {
            pairs
                .iter()
                .find(|(found, _)| found == key)
                .map(|(_, value)| value.as_str())
                .filter(|v| !v.is_empty())
        };
        query.model = get("model").map(str::to_owned);
        query.layers = get("layers").and_then(layers);
        query.backend = get("backend").and_then(Backend::from_word);
        query.memory_only = get("storage") == Some("memory");
        query.mode = get("mode").and_then(Mode::from_word);
        query.temperature = get("temperature")
            .and_then(|v| v.parse().ok())
            .filter(|t: &f32| (0.0..=10.0).contains(t));
        query.seed = get("seed").and_then(|v| v.parse().ok());
        query.max_tokens = get("max_tokens")
            .and_then(|v| v.parse().ok())
            .filter(|&n: &u32| n > 0);
        query.net = get("net").map(str::to_owned);
        query.pace_ms = get("pace_ms").and_then(|v| v.parse().ok());
        query.wire = get("wire")
            .filter(|v| matches!(*v, "f32" | "f16" | "q8"))
            .map(str::to_owned);
        query.speculate = get("speculate").and_then(flag);
        query.shadow = get("shadow").and_then(flag);
        query
    }
}

/// `a-b`: the layers from a up to, not including, b.
fn layers(value: &str) -> Option<(u32, u32)> {
    let (first, end) = value.split_once('-')?;
    let range = (first.parse().ok()?, end.parse().ok()?);
    (range.0 < range.1).then_some(range)
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// Percent-decoding; what is no valid escape stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_the_contract_is_read() {
        let query = Query::parse(
            "?model=abc&layers=0-3&backend=cpu&storage=memory&mode=swarm&temperature=0&seed=7&max_tokens=24\
             &net=delay%3A20,loss:0.01&pace_ms=5&wire=f16&speculate=0&shadow=1",
        );
        assert_eq!(
            query,
            Query {
                model: Some("abc".into()),
                layers: Some((0, 3)),
                backend: Some(Backend::Cpu),
                memory_only: true,
                mode: Some(Mode::Swarm),
                temperature: Some(0.0),
                seed: Some(7),
                max_tokens: Some(24),
                net: Some("delay:20,loss:0.01".into()),
                pace_ms: Some(5),
                wire: Some("f16".into()),
                speculate: Some(false),
                shadow: Some(true),
            }
        );
    }

    #[test]
    fn what_cannot_be_read_is_as_if_absent() {
        let check = |search: &str| assert_eq!(Query::parse(search), Query::default(), "{search}");
        check("");
        check("?");
        check("?layers=3-3");
        check("?layers=4-2");
        check("?layers=-1-2");
        check("?layers=99999999999-3");
        check("?mode=SWARM&backend=&temperature=NaN&seed=-1&max_tokens=0");
        check("?temperature=inf");
        check("?wire=f8&speculate=yes");
        check("?&&==&%%%=%zz");
    }

    #[test]
    fn escapes_are_decoded_and_broken_ones_left_alone() {
        let check = |value: &str, expect: &str| assert_eq!(decode(value), expect);
        check("a+b%20c", "a b c");
        check("100%", "100%");
        check("%4", "%4");
        check("%C3%A9", "é");
        check("%ff", "\u{fffd}");
    }

    #[test]
    fn a_query_longer_than_the_limit_is_ignored() {
        let long = format!("?mode=swarm&model={}", "a".repeat(MAX_QUERY_BYTES));
        assert_eq!(Query::parse(&long), Query::default());
    }
}
