//! What chat templates that mean harm cost in memory before they are stopped.
//! Has one test, since a process has one allocator and whoever else allocates would be counted.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../../gguf/tests/counting/mod.rs"]
mod counting;

use counting::Since;
use engine::{ChatTemplate, Message};

/// The budget of 16 MiB, what moves while a string grows, and what half a million instructions leave behind.
const MOST: u64 = 96 << 20;

#[test]
fn no_template_takes_a_hundred_mebibytes() {
    let messages = [Message {
        role: "user".into(),
        content: "x".repeat(1 << 20),
    }];
    let in_a_loop = |step: &str| {
        format!(
            "{{% set n = namespace(x=[], y='') %}}{{% for i in range(99999) %}}{step}{{% endfor %}}{{{{ messages }}}}"
        )
    };
    for source in [
        in_a_loop("{% set n.y = n.y ~ messages[0].content %}"),
        in_a_loop("{% set n.y = n.y + n.y + 'abc' %}"),
        in_a_loop("{% set n.x = n.x + [messages[0].content.upper()] %}"),
        in_a_loop("{% set n.x = n.x + [messages[0].content[1:]] %}"),
        in_a_loop("{% set n.x = n.x + [i, i, i, i] %}"),
        in_a_loop("{% set n.x = n.x + n.x + [1] %}"),
        in_a_loop("{% set n.y %}{{ n.y }}{{ messages[0].content }}{% endset %}"),
        in_a_loop("{% set n.y = messages|tojson %}{% set n.x = n.x + [n.y] %}"),
        in_a_loop("{% set n.y = messages[0].content.split('x') %}"),
        in_a_loop("{% set n.y = messages[0].content|list %}"),
        in_a_loop("{% set n.y = messages[0].content|replace('x', messages[0].content) %}"),
        in_a_loop("{{ messages[0].content }}"),
        "{% macro m(x, n) %}{% if n %}{{ m(x ~ x, n - 1) }}{% endif %}{% endmacro %}{{ m(messages[0].content, 40) }}".into(),
    ] {
        let since = Since::now();
        let template = ChatTemplate::new(source.clone(), String::new(), String::new()).unwrap();
        let error = template.render(&messages, true, 0).unwrap_err();
        let found = since.most();
        eprintln!("{} MiB: {source:.90}: {error:.90}", found >> 20);
        assert!(found <= MOST, "{source}: {found} bytes");
    }
}
