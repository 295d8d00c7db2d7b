//! Reads what the relay prints, passes it on, and adds in plain words where people find it once it is ready.
//! It does not start or stop the relay: it is a filter behind it, and ends with it.

use std::io::{BufRead, Write};

use anyhow::{Context as _, Result};
use fast_qr::{ECL, QRBuilder};
use serde_json::Value;

/// Modules of white around a QR code that the standard asks for.
const QUIET_ZONE: usize = 4;

/// Copies `relay` to `terminal`, and after the ready line says what to open. `invite` makes the link for phones.
///
/// # Errors
/// When the terminal is gone, there is no link, or it does not fit into a QR code.
pub(crate) fn run(
    relay: impl BufRead,
    mut terminal: impl Write,
    invite: Option<&dyn Fn() -> Result<String>>,
) -> Result<()> {
    for line in relay.lines() {
        let line = line.context("cannot read from the relay")?;
        writeln!(terminal, "{line}")?;
        if let Some(ready) = Ready::parse(&line) {
            write!(terminal, "{}", ready.words(invite)?)?;
        }
        terminal.flush()?;
    }
    Ok(())
}

/// What the ready line holds for people.
struct Ready {
    url: String,
}

impl Ready {
    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let url = value.get("ready")?.get("url")?.as_str()?;
        Some(Self {
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    fn words(&self, invite: Option<&dyn Fn() -> Result<String>>) -> Result<String> {
        let Self { url } = self;
        let mut text =
            format!("\n  Manyhands is here: {url}\n  chat {url}/   lend {url}/lend   swarm {url}/swarm\n\n");
        if let Some(invite) = invite {
            let link = invite()?;
            text.push_str(&format!("{}\n  for phones: {link}\n\n", qr(&link)?));
        } else {
            text.push_str("  for phones in this network: cargo xtask serve --lan\n\n");
        }
        Ok(text)
    }
}

/// A QR code of half blocks, black on white whatever the terminal's colours are.
fn qr(link: &str) -> Result<String> {
    let code = QRBuilder::new(link)
        .ecl(ECL::M)
        .build()
        .context("the link is too long for a QR code")?;
    let side = code.size + 2 * QUIET_ZONE;
    let dark = |row: usize, column: usize| {
        let inside = QUIET_ZONE..QUIET_ZONE + code.size;
        inside.contains(&row)
            && inside.contains(&column)
            && code[row - QUIET_ZONE][column - QUIET_ZONE].value()
    };
    let mut text = String::new();
    for row in (0..side).step_by(2) {
        text.push_str("\u{1b}[30;107m");
        text.extend(
            (0..side).map(|column| match (dark(row, column), dark(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }),
        );
        text.push_str("\u{1b}[0m\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use anyhow::bail;

    use super::*;

    fn announced(relay: &str, invite: Option<&dyn Fn() -> Result<String>>) -> String {
        let mut terminal = Vec::new();
        run(relay.as_bytes(), &mut terminal, invite).unwrap();
        String::from_utf8(terminal).unwrap()
    }

    const READY: &str = r#"{"ready":{"url":"http://localhost:8787/","p2p":[],"metrics":null,"stun":null}}"#;

    #[test]
    fn the_ready_line_is_passed_on_and_explained() {
        let text = announced(&format!("starting\n{READY}\n"), None);
        assert!(text.starts_with(&format!("starting\n{READY}\n")), "{text}");
        assert!(
            text.contains("http://localhost:8787/lend") && text.contains("serve --lan"),
            "{text}"
        );
    }

    #[test]
    fn other_lines_are_passed_on_and_not_explained() {
        assert_eq!(
            announced("one\n{\"two\":2}\n", Some(&|| bail!("not asked for"))),
            "one\n{\"two\":2}\n"
        );
    }

    #[test]
    fn on_the_local_network_the_link_comes_as_a_qr_code_with_its_quiet_zone() {
        let link = "https://192.168.1.20:8787/join#v1.AAAAAAAAAAAAAAAAAAAAAA";
        let text = announced(READY, Some(&|| Ok(link.to_owned())));
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("107m")).collect();
        // 56 bytes fit version 4 at level M: 33 modules and 8 of white, two rows a line.
        assert_eq!(rows.len(), (33 + 8_usize).div_ceil(2));
        assert!(text.contains(link), "{text}");
        for row in [rows[0], rows[1], rows[rows.len() - 1]] {
            assert!(!row.contains(['█', '▀', '▄']), "{row:?}");
        }
    }
}
