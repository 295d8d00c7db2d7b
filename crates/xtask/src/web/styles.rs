//! One stylesheet instead of many: a browser opens six connections to a server of the old kind, and what waits for a
//! seventh comes a round trip later. It does not change what the styles say, nor their order.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::embed::integrity;
use super::start_script::fnv1a;

/// Joins the stylesheets that the page of `dist` names, in their order, and answers the page with the one link.
///
/// # Errors
/// When a file cannot be read, written or removed.
pub(crate) fn join(dist: &Path, html: &str) -> Result<String> {
    let links = links(html);
    let [first, _, ..] = links.as_slice() else {
        return Ok(html.to_owned());
    };
    let mut styles = String::new();
    for link in &links {
        let file = dist.join(link.name);
        styles += &fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        styles.push('\n');
        fs::remove_file(file)?;
    }
    let name = format!("style-{:016x}.css", fnv1a(styles.as_bytes()));
    let integrity = integrity(styles.as_bytes());
    fs::write(dist.join(&name), styles)?;
    let mut joined = html[..first.start].to_owned();
    joined += &format!(r#"<link rel="stylesheet" href="/{name}" integrity="{integrity}">"#);
    let mut end = first.end;
    for link in &links[1..] {
        // The blanks between two links go with them.
        joined += html[end..link.start].trim();
        end = link.end;
    }
    Ok(joined + &html[end..])
}

/// A link to a stylesheet of ours.
struct Link<'a> {
    start: usize,
    name: &'a str,
    end: usize,
}

fn links(html: &str) -> Vec<Link<'_>> {
    html.match_indices("<link ")
        .filter_map(|(start, _)| {
            let end = start + html[start..].find('>')? + 1;
            let tag = &html[start..end];
            let name = tag.split_once("href=\"/")?.1.split_once('"')?.0;
            tag.contains("rel=\"stylesheet\"")
                .then_some(Link { start, name, end })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::folder;

    #[test]
    fn many_stylesheets_become_one_in_their_order_and_nothing_else_changes() {
        let dist = tempfile::tempdir().unwrap();
        for (name, text) in [("a-1.css", "a{}"), ("b-2.css", "b{}"), ("c-3.css", "c{}")] {
            fs::write(dist.path().join(name), text).unwrap();
        }
        let page = r#"<head><link rel="icon" href="/i.svg"/>
<link rel="stylesheet" href="/b-2.css" integrity="sha384-x"/>
<link rel="stylesheet" href="/a-1.css" integrity="sha384-y"/>
<link rel="preload" href="/app.wasm" as="fetch">
<link rel="stylesheet" href="/c-3.css"/></head>"#;
        let joined = join(dist.path(), page).unwrap();
        let left = folder::files(dist.path()).unwrap();
        let [file] = left.as_slice() else {
            panic!("{left:?}");
        };
        let styles = fs::read_to_string(file).unwrap();
        assert_eq!(styles, "b{}\na{}\nc{}\n");
        let name = file.file_name().unwrap().to_str().unwrap();
        let expected = format!(
            "<head><link rel=\"icon\" href=\"/i.svg\"/>\n<link rel=\"stylesheet\" href=\"/{name}\" integrity=\"{}\"><link rel=\"preload\" href=\"/app.wasm\" as=\"fetch\"></head>",
            integrity(styles.as_bytes())
        );
        assert_eq!(joined, expected);
    }

    #[test]
    fn a_page_with_one_stylesheet_or_none_stays_as_it_is() {
        let dist = tempfile::tempdir().unwrap();
        for page in ["<head></head>", r#"<link rel="stylesheet" href="/a.css">"#] {
            assert_eq!(join(dist.path(), page).unwrap(), page);
        }
    }

    #[test]
    fn a_stylesheet_that_is_not_there_is_an_error() {
        let dist = tempfile::tempdir().unwrap();
        let page = r#"<link rel="stylesheet" href="/a.css"><link rel="stylesheet" href="/b.css">"#;
        assert!(join(dist.path(), page).unwrap_err().to_string().contains("a.css"));
    }
}
