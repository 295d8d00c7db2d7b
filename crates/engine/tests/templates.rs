//! Chat templates against the prompts that Jinja2 makes of them, and against templates that mean harm.
//! Does not need a model.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may look at the clock

use std::path::Path;
use std::time::Instant;

use engine::{ChatTemplate, EngineError, MAX_TEMPLATE_BYTES, Message};
use serde_json::Value;

fn template(source: &str) -> Result<ChatTemplate, EngineError> {
    ChatTemplate::new(source.into(), "<s>".into(), "</s>".into())
}

fn messages(list: &Value) -> Vec<Message> {
    let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
    let message = |m: &Value| Message {
        role: text(m, "role"),
        content: text(m, "content"),
    };
    list.as_array().unwrap().iter().map(message).collect()
}

fn user(content: &str) -> Vec<Message> {
    vec![Message {
        role: "user".into(),
        content: content.into(),
    }]
}

#[test]
fn every_family_renders_as_jinja2_renders_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let now_s = expected["now_s"].as_u64().unwrap();
    let mut families = std::collections::BTreeSet::new();
    for case in expected["cases"].as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let template = template(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        let open = case["add_generation_prompt"].as_bool().unwrap();
        let found = template.render(&messages(&case["messages"]), open, now_s);
        let conversation = &case["conversation"];
        match (found, case["expect"].as_str(), case["error"].as_str()) {
            (Ok(prompt), Some(expect), _) => assert_eq!(prompt, expect, "{name}, {conversation}, {open}"),
            (Err(error), _, Some(expect)) => assert!(error.to_string().contains(expect), "{name}: {error}"),
            (found, expect, error) => {
                panic!("{name}, {conversation}: {found:?} instead of {expect:?} {error:?}")
            }
        }
        families.insert(name.to_owned());
    }
    let files = std::fs::read_dir(folder).unwrap().filter(|f| {
        f.as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|e| e == "jinja")
    });
    assert_eq!(
        families.len(),
        files.count(),
        "every template has its expectations"
    );
}

/// A template that must be stopped within a second (100 ms is the promise for an idle machine).
fn check_stopped(source: &str, complaint: &str) {
    let started = Instant::now();
    let error = template(source)
        .and_then(|t| t.render(&user("hi"), true, 0))
        .unwrap_err();
    assert!(error.to_string().contains(complaint), "{source:.60}: {error}");
    assert!(
        started.elapsed().as_millis() < 1_000,
        "{source:.60} took {:?}",
        started.elapsed()
    );
}

#[test]
fn templates_without_end_are_stopped() {
    check_stopped(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "fuel",
    );
    check_stopped("{% for a in range(1000000000) %}x{% endfor %}", "range");
    check_stopped("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion");
    check_stopped(
        &format!(
            "{}x{}",
            "{% if true %}".repeat(2_000),
            "{% endif %}".repeat(2_000)
        ),
        "",
    );
    check_stopped("{{ 'x' * 1000000000000 }}", "too large");
    check_stopped(
        "{% for a in range(9000) %}{{ 'xxxxxxxxxx' * 100 }}{% endfor %}",
        "longer than",
    );
    check_stopped(
        "{{ 'aaaaaaaaaa'.replace('', 'x' * 999999).replace('', 'x' * 999999) }}",
        "too l",
    );
}

#[test]
fn templates_reach_nothing_outside_themselves() {
    check_stopped("{{ ''.__class__.__mro__ }}", "");
    check_stopped("{{ messages.__class__() }}", "");
    check_stopped("{% include '/etc/passwd' %}", "");
    check_stopped("{% import 'os' as os %}", "");
    check_stopped("{{ raise_exception('not today') }}", "not today");
}

#[test]
fn broken_and_huge_templates_are_refused_when_they_are_loaded() {
    assert!(template("{% for %}").is_err());
    assert!(template(&"x".repeat(MAX_TEMPLATE_BYTES)).is_ok());
    assert!(template(&"x".repeat(MAX_TEMPLATE_BYTES + 1)).is_err());
}

#[test]
fn a_thousand_messages_are_no_endless_loop() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let conversation: Vec<Message> = (0..1_000)
        .map(|i| Message {
            role: if i % 2 == 0 { "user" } else { "assistant" }.into(),
            content: "text".into(),
        })
        .collect();
    for file in std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "jinja"))
    {
        let template = template(&std::fs::read_to_string(&file).unwrap()).unwrap();
        template
            .render(&conversation, true, 0)
            .unwrap_or_else(|error| panic!("{file:?}: {error}"));
    }
}
