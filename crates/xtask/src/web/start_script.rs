//! Moves inline scripts of a page into files named by their hash: `script-src 'self'` forbids inline code.
//! It does not parse HTML in general: it handles what trunk writes and refuses nothing.

/// A page without inline scripts, and the files it now refers to.
pub(crate) struct Split {
    pub(crate) html: String,
    /// File name and content.
    pub(crate) scripts: Vec<(String, String)>,
}

/// Takes every script without `src` out of `html`.
pub(crate) fn split(html: &str) -> Split {
    let mut split = Split {
        html: String::with_capacity(html.len()),
        scripts: Vec::new(),
    };
    let mut rest = html;
    while let Some(script) = next_script(rest) {
        let Script {
            start,
            attributes,
            body,
            end,
        } = script;
        split.html.push_str(&rest[..start]);
        if is_inline_code(attributes, body) {
            let name = format!("start-{:016x}.js", fnv1a(body.as_bytes()));
            split
                .html
                .push_str(&format!("<script{attributes} src=\"/{name}\"></script>"));
            split.scripts.push((name, body.trim().to_owned() + "\n"));
        } else {
            split.html.push_str(&rest[start..end]);
        }
        rest = &rest[end..];
    }
    split.html.push_str(rest);
    split
}

struct Script<'a> {
    start: usize,
    attributes: &'a str,
    body: &'a str,
    end: usize,
}

fn next_script(html: &str) -> Option<Script<'_>> {
    const CLOSE: &str = "</script>";
    let start = html.find("<script")?;
    let open = start + "<script".len();
    let body = open + html[open..].find('>')? + 1;
    let close = body + html[body..].find(CLOSE)?;
    Some(Script {
        start,
        attributes: &html[open..body - 1],
        body: &html[body..close],
        end: close + CLOSE.len(),
    })
}

/// Data blocks (`type="application/json"` and the like) do not run, so no policy forbids them.
fn is_inline_code(attributes: &str, body: &str) -> bool {
    let runs =
        !attributes.contains("type=") || attributes.contains("module") || attributes.contains("javascript");
    runs && !attributes.contains("src=") && !body.trim().is_empty()
}

/// A name for the content, so that a cached copy of another build is never taken for it. Not a checksum.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_module_becomes_a_file_and_keeps_its_attributes() {
        let split = split("<body>\n<script type=\"module\">\nimport init from '/app.js';\n</script></body>");
        let (name, script) = &split.scripts[0];
        assert_eq!(script, "import init from '/app.js';\n");
        assert_eq!(
            split.html,
            format!("<body>\n<script type=\"module\" src=\"/{name}\"></script></body>")
        );
    }

    #[test]
    fn a_script_with_a_source_and_a_data_block_stay_as_they_are() {
        for html in [
            "<script src=\"/a.js\"></script>",
            "<script type=\"application/json\">{\"a\":1}</script>",
            "<p>no script</p>",
            "<script>never closed",
        ] {
            let split = split(html);
            assert_eq!(split.html, html);
            assert!(split.scripts.is_empty());
        }
    }

    #[test]
    fn another_content_gets_another_name() {
        let name = |body: &str| split(&format!("<script>{body}</script>")).scripts[0].0.clone();
        assert_ne!(name("a()"), name("b()"));
        assert_eq!(name("a()"), name("a()"));
    }

    #[test]
    fn every_inline_script_is_moved() {
        let split = split("<script>a()</script><script src=\"/x.js\"></script><script>b()</script>");
        assert_eq!(split.scripts.len(), 2);
        assert!(!split.html.contains("a()") && !split.html.contains("b()"));
    }
}
