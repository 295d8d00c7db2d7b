//! Where a model can be had outside: an address, or `hf:owner/repo/file.gguf` as people write it.
//! Fetches nothing.

/// Longer addresses are refused: a manifest keeps no longer ones.
pub const MAX_ADDRESS_BYTES: usize = 2_048;

/// A model file somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub url: String,
    pub file_name: String,
}

/// Why a text is no address of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// Neither an address nor `hf:`.
    Unreadable,
    /// Without encryption anybody on the way could put another file in its place.
    NotHttps,
    /// `hf:` wants an owner, a repository and a file.
    HuggingFace,
    /// Not the one format that is read.
    NotGguf,
}

impl Source {
    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Source, SourceError> {
        let text = text.trim();
        if text.is_empty()
            || text.len() > MAX_ADDRESS_BYTES
            || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(SourceError::Unreadable);
        }
        if let Some(place) = text.strip_prefix("hf:") {
            return hugging_face(place);
        }
        let (scheme, rest) = text.split_once("://").ok_or(SourceError::Unreadable)?;
        if !scheme.eq_ignore_ascii_case("https") {
            let web = scheme.eq_ignore_ascii_case("http");
            return Err(if web {
                SourceError::NotHttps
            } else {
                SourceError::Unreadable
            });
        }
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = path.split_once('/').ok_or(SourceError::NotGguf)?;
        if host.is_empty() || host.contains('@') {
            return Err(SourceError::Unreadable);
        }
        // Our own relays name a model's file by its id alone.
        let file_name = path.rsplit('/').next().unwrap_or_default();
        let by_id = file_name.len() == 64 && file_name.bytes().all(|b| b.is_ascii_hexdigit());
        if !by_id && !is_gguf(file_name) {
            return Err(SourceError::NotGguf);
        }
        let without_fragment = rest.split('#').next().unwrap_or_default();
        Ok(Source {
            url: format!("https://{without_fragment}"),
            file_name: file_name.to_owned(),
        })
    }
}

fn hugging_face(place: &str) -> Result<Source, SourceError> {
    let parts: Vec<&str> = place.split('/').collect();
    let [owner, repository, path @ ..] = parts.as_slice() else {
        return Err(SourceError::HuggingFace);
    };
    let Some(file_name) = path.last().filter(|_| parts.iter().all(|part| plain(part))) else {
        return Err(SourceError::HuggingFace);
    };
    if !is_gguf(file_name) {
        return Err(SourceError::NotGguf);
    }
    Ok(Source {
        url: format!(
            "https://huggingface.co/{owner}/{repository}/resolve/main/{}",
            path.join("/")
        ),
        file_name: (*file_name).to_owned(),
    })
}

/// What owners, repositories and files are called; it can neither climb nor end the path.
fn plain(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && part != ".."
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_gguf(name: &str) -> bool {
    name.len() > 5 && name.to_ascii_lowercase().ends_with(".gguf")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, SourceError> {
        Source::parse(text).map(|source| source.url)
    }

    #[test]
    fn addresses_and_hugging_face_places_are_read() {
        let check = |text, expect: &str| assert_eq!(url(text).as_deref(), Ok(expect), "{text}");
        check("https://a.example/m.gguf", "https://a.example/m.gguf");
        check(
            " https://a.example/m.GGUF?x=1#top ",
            "https://a.example/m.GGUF?x=1",
        );
        check(
            "hf:owner/repo/model-q4.gguf",
            "https://huggingface.co/owner/repo/resolve/main/model-q4.gguf",
        );
        check(
            "hf:o/r/sub/m.gguf",
            "https://huggingface.co/o/r/resolve/main/sub/m.gguf",
        );
        let by_id = format!("https://relay.example/models/{}", "a".repeat(64));
        check(&by_id, &by_id);
        let file = Source::parse("https://a.example/x/m.gguf?y").map(|s| s.file_name);
        assert_eq!(file.as_deref(), Ok("m.gguf"));
    }

    #[test]
    fn what_is_no_model_address_is_refused_with_its_fault() {
        let check = |text: &str, expect| assert_eq!(url(text), Err(expect), "{text}");
        check("", SourceError::Unreadable);
        check("model.gguf", SourceError::Unreadable);
        check("javascript://a/m.gguf", SourceError::Unreadable);
        check("file:///m.gguf", SourceError::Unreadable);
        check("https://user:word@a.example/m.gguf", SourceError::Unreadable);
        check("https://a.example/m .gguf", SourceError::Unreadable);
        check("http://a.example/m.gguf", SourceError::NotHttps);
        check("https://a.example/m.safetensors", SourceError::NotGguf);
        check("https://a.example", SourceError::NotGguf);
        check("hf:owner/m.gguf", SourceError::HuggingFace);
        check("hf:owner/../m.gguf", SourceError::HuggingFace);
        check("hf:o/r/m.gguf?x", SourceError::HuggingFace);
        check("hf:o/r/readme.md", SourceError::NotGguf);
        check(
            &format!("https://a.example/{}.gguf", "a".repeat(MAX_ADDRESS_BYTES)),
            SourceError::Unreadable,
        );
    }
}
