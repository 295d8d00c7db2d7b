//! Chat templates against the prompts that Jinja2 makes of them, and against templates that mean harm.
//! Does not need a model.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may look at the clock

use std::path::Path;

use cpu_time::ThreadTime;
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
    let folder = Path::new("tests/templates");
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

/// A template that must be stopped within a second of work, whatever else the machine does meanwhile (100 ms is the
/// promise for the code as it ships).
fn check_stopped(source: &str, complaint: &str) {
    let started = ThreadTime::now();
    let source = format!("{source}{{{{ messages|length }}}}");
    let error = template(&source)
        .and_then(|t| t.render(&user("hi"), true, 0))
        .unwrap_err();
    assert!(error.to_string().contains(complaint), "{source:.80}: {error}");
    let took = started.elapsed();
    assert!(took.as_millis() < 1_000, "{source:.80} took {took:?}");
}

/// Each class of templates that mean harm, over five seeds, and over a hundred with `--ignored`.
macro_rules! classes {
    ($($name:ident: $complaint:literal, |$seed:ident| $source:expr;)+) => {
        mod forged {
            $(#[test]
            fn $name() {
                (0..5).for_each(|$seed: usize| super::check_stopped(&$source, $complaint));
            })+

            mod long {
                $(#[test]
                #[ignore = "a hundred seeds of every class take a while: run with --ignored"]
                fn $name() {
                    (0..100).for_each(|$seed: usize| super::super::check_stopped(&$source, $complaint));
                })+
            }
        }
    };
}

const MORE: &str = "the template makes more than";

classes! {
    loop_without_end: "fuel", |seed| format!(
        "{{% for a in range({0}) %}}{{% for b in range({0}) %}}{{% endfor %}}{{% endfor %}}", 99_999 - seed);
    range_of_a_billion: "range", |seed| format!("{{% for a in range({}) %}}x{{% endfor %}}", 1_000_000_000 + seed);
    recursion_64_deep: "recursion", |seed| format!(
        "{{% macro m(n) %}}{{% if n %}}{{{{ m(n - 1) }}}}{{% endif %}}{{% endmacro %}}{{{{ m({}) }}}}", 64 + seed);
    attribute_walking: "", |seed| format!(
        "{{{{ {}.__class__.__mro__[1].__subclasses__() }}}}", ["''", "messages", "[]", "namespace", "bos_token"][seed % 5]);
    output_of_a_gibibyte: "the template makes more than", |seed| format!(
        "{{% for a in range({}) %}}{}{{% endfor %}}", 1_100 + seed, "x".repeat(1_000_000 / (1 + seed % 5)));
    a_string_that_doubles: "the template makes more than", |seed| format!(
        "{{% set n = namespace(x='{}') %}}{{% for i in range(99) %}}{{% set n.x = n.x {} n.x %}}{{% endfor %}}",
        "a".repeat(1 + seed), ["~", "+"][seed % 2]);
    a_list_that_doubles: "a list of more than", |seed| format!(
        "{{% set n = namespace(x=['{}']) %}}{{% for i in range(99) %}}{{% set n.x = n.x + n.x %}}{{% endfor %}}",
        "a".repeat(seed));
}

#[test]
fn a_template_that_never_looks_at_the_messages_is_refused() {
    for seed in 0..5 {
        let refused = template(&"Answer me. ".repeat(seed + 1)).map(drop).unwrap_err();
        assert!(
            refused.to_string().contains("never looks at the messages"),
            "{refused}"
        );
    }
    assert!(template("{{ messages[0].content }}").is_ok());
}

#[test]
fn templates_without_end_are_stopped() {
    check_stopped("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion");
    check_stopped(
        &format!(
            "{}x{}",
            "{% if true %}".repeat(2_000),
            "{% endif %}".repeat(2_000)
        ),
        "",
    );
    check_stopped("{% set n = 1000000000000 %}{{ 'x' * n }}", MORE);
    check_stopped(
        "{% set n = 100 %}{% for a in range(9000) %}{{ 'xxxxxxxxxx' * n }}{% endfor %}",
        MORE,
    );
    let long = "x".repeat(500_000);
    check_stopped(
        &format!("{{{{ 'aaaaaaaaaa'.replace('', '{long}').replace('', '{long}') }}}}"),
        "too l",
    );
}

/// What grows by doubling grows past any memory in forty steps, which no count of instructions sees.
#[test]
fn templates_that_grow_are_stopped_whatever_they_grow_by() {
    let doubled = |step: &str| {
        format!(
            "{{% set n = namespace(x='aaaaaaaaaaaaaaaa') %}}{{% for i in range(200) %}}{step}{{% endfor %}}"
        )
    };
    for step in [
        "{% set n.x = n.x ~ n.x %}",
        "{% set n.x = n.x + n.x %}",
        "{% set n.x = n.x * 2 %}",
        "{% set n.x = [n.x, n.x]|join %}",
        "{% set n.x = [n.x, n.x]|join(n.x) %}",
        "{% set n.x = n.x.join([n.x, n.x]) %}",
        "{% set n.x = n.x.replace('a', 'aa') %}",
        "{% set n.x = n.x|replace('a', 'aa') %}",
        "{% set n.x = n.x|indent(n.x|length, true) %}",
        "{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}",
        "{% set n.x %}{{ n.x }}{% filter upper %}{{ n.x }}{% endfilter %}{% endset %}",
        "{% set n.x = [n.x, n.x]|tojson %}",
        "{% set n.x = {'a': n.x, 'b': n.x}|string %}",
        "{% set n.x = (n.x ~ n.x)[:] %}",
    ] {
        check_stopped(&doubled(step), MORE);
    }
    check_stopped(
        &format!("{{% set x = 'aaaa' %}}{}", "{% set x = x ~ x %}".repeat(60)),
        MORE,
    );
    check_stopped(
        // A string that is long at once: macros inside macros are over after a dozen.
        "{% macro m(x, n) %}{% if n %}{{ m(x ~ x, n - 1) }}{% endif %}{% endmacro %}\
         {{ m('x' * messages|length * 4096 * 100, 40) }}",
        MORE,
    );
    let nested = |open: &str| {
        format!(
            "{{% set x = 'aaaa' %}}{}{}",
            open.repeat(30),
            "{% endwith %}".repeat(30)
        )
    };
    check_stopped(&nested("{% with x = x ~ x %}"), MORE);
    // Copies that are kept: none is long, together they are.
    check_stopped(
        "{% set n = namespace(x=[]) %}{% set long = 'x' * messages|length * 4096 * 100 %}\
         {% for i in range(9999) %}{% set n.x = n.x + [long[1:]] %}{% endfor %}",
        MORE,
    );
}

/// Values that are small in memory and without end to whoever writes, compares or drops them.
#[test]
fn values_in_values_are_stopped() {
    let grown = |step: &str, end: &str| {
        format!("{{% set n = namespace(x='a') %}}{{% for i in range(9999) %}}{step}{{% endfor %}}{end}")
    };
    check_stopped(&grown("{% set n.x = [n.x] %}", ""), "nested deeper than");
    check_stopped(&grown("{% set n.x = {'a': n.x} %}", ""), "nested deeper than");
    check_stopped(&grown("{% set n.x = dict(a=n.x) %}", ""), "nested deeper than");
    check_stopped(&grown("{% set n.x = [n.x, n.x] %}", "{{ n.x }}"), MORE);
    check_stopped(
        &grown("{% set n.x = [n.x, n.x, n.x, n.x] %}", "{{ n.x == n.x }}"),
        MORE,
    );
    // Promises on promises, each of which would take its part of the stack to keep.
    for step in ["{% set n.x = n.x[0:] %}", "{% set n.x = n.x|reverse %}"] {
        let source =
            format!("{{% set n = namespace(x=[1]) %}}{{% for i in range(99999) %}}{step}{{% endfor %}}");
        check_stopped(&source, "");
    }
    // A string of 400 KiB that is looked at again and again.
    let long = "{% set n = namespace(x='x' * messages|length * 4096 * 100) %}";
    for looked in [
        "n.x == n.x ~ ''",
        "n.x is eq(n.x)",
        "n.x is lower",
        "n.x < n.x < n.x",
        "n.x[-1:]",
        "n.x[-1]",
        "range(99999)[0]",
        "range(99999)[-1:]",
        "[n.x] != [n.x]",
    ] {
        check_stopped(
            &format!("{long}{{% for i in range(99999) %}}{{% if {looked} %}}{{% endif %}}{{% endfor %}}"),
            MORE,
        );
    }
    check_stopped(
        "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
        "a namespace cannot be stored",
    );
    check_stopped(
        "{% set n = namespace() %}{% set n.n = [[n]] %}{{ n == n }}",
        "a namespace cannot be stored",
    );
    check_stopped(
        "{% for i in range(99999) %}{{ range(99999)|list|length }}{% endfor %}",
        MORE,
    );
    check_stopped(
        "{% for i in range(99999) %}{{ 7 in range(99999) }}{% endfor %}",
        MORE,
    );
}

/// What is harmful before it runs.
#[test]
fn templates_that_are_harmful_to_compile_are_refused() {
    let operators = |count: usize| format!("{{{{ messages{} }}}}", " ~ 'a'".repeat(count));
    assert!(template(&operators(500)).is_ok());
    check_stopped(&operators(100_000), "more than 1024 tokens in one tag");
    check_stopped(
        &format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(50_000)),
        "more than",
    );
    check_stopped(&"{{ a }}".repeat(100_000), "more than 4096 tags");
    check_stopped("{{ 'x' * 99999999 }}", "a product needs a variable");
    check_stopped("{{ ('x') * 99999999 }}", "a product needs a variable");
    check_stopped("{{ 99999999 * ['x'] }}", "a product needs a variable");
    check_stopped("{{ m(*messages) }}", "cannot be spread");
    check_stopped("{{ m(1, **messages) }}", "cannot be spread");
    check_stopped(
        "{% set n = 3 %}{{ undefined_name * n + 2 * 3 }}",
        "unsupported types",
    );
}

/// What the compiler is given at most does not exhaust the stack of a browser's worker, which has one mebibyte.
#[test]
fn the_deepest_template_compiles_on_a_small_stack() {
    let deepest = [
        format!("{{{{ messages{} }}}}", " ~ 'a'".repeat(505)),
        format!("{{{{ messages{} }}}}", ".a".repeat(505)),
        format!("{{{{ messages{} }}}}", "|a".repeat(505)),
        format!("{{{{ {}messages }}}}", "not ".repeat(1_000)),
        format!("{{{{ {}messages{} }}}}", "(".repeat(500), ")".repeat(500)),
        format!("{{{{ {}messages{} }}}}", "[".repeat(500), "]".repeat(500)),
        format!("{{% if messages %}}{}{{% endif %}}", "{% elif a %}".repeat(256)),
        format!(
            "{}{{{{ messages }}}}{}",
            "{% if true %}".repeat(2_000),
            "{% endif %}".repeat(2_000)
        ),
        format!(
            "{}{{{{ messages }}}}{}",
            "{% for a in b %}".repeat(2_000),
            "{% endfor %}".repeat(2_000)
        ),
    ];
    #[allow(clippy::disallowed_methods)] // a test may start a thread: only there a stack has a size
    let small = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        for source in deepest {
            let _ = template(&source).map(|template| template.render(&user("hi"), true, 0));
        }
    });
    small.unwrap().join().unwrap();
}

#[test]
fn templates_reach_nothing_outside_themselves() {
    check_stopped("{{ messages.__class__() }}", "");
    check_stopped("{% include '/etc/passwd' %}", "there are no other templates");
    check_stopped("{% import 'os' as os %}", "there are no other templates");
    check_stopped("{% block a %}{% endblock %}", "there are no other templates");
    check_stopped("{{ raise_exception('not today') }}", "not today");
    check_stopped("{{ debug() }}", "debug is unknown");
    check_stopped("{{ 'x'|nothing }}", "filter nothing is unknown");
}

#[test]
fn arithmetic_is_as_without_a_budget() {
    let check = |source: &str, expect: &str| {
        let template = template(&format!("{{% set m = messages %}}{source}")).unwrap();
        assert_eq!(template.render(&user("hi"), true, 0).unwrap(), expect, "{source}");
    };
    check(
        "{{ m|length + 2 }} {{ 1.5 + m|length }} {{ m|length * 3 }} {{ 2 * 3 }} {{ m|length * 0.5 }}",
        "3 2.5 3 6 0.5",
    );
    check("{{ 'a' + 'b' ~ 1 ~ none ~ 2.5 ~ true }}", "ab1None2.5True");
    check(
        "{% set n = 3 %}{{ 'ab' * n }}{{ n * 'c' }}{{ ([1] * n)|length }}{{ ([1] + [2, 3])|join('-') }}",
        "abababccc31-2-3",
    );
    check(
        "{{ 'i' in m[0].content }} {{ 4 in [1, 2] }} {{ 1 not in [1, 2] }}",
        "True False False",
    );
    check(
        "{{ 'hello'[1:3] }}{{ m[0].content[::-1] }}{{ ' x '|trim }}{{ 'a,b'.split(',')|join(' ') }}",
        "elihxa b",
    );
    check(
        "{% for a in m recursive %}{{ a.role }}{% endfor %}{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}",
        "usera1",
    );
    check(
        "{% macro m(x, y=2) %}{{ x + y }}{% endmacro %}{{ m(1) }}{{ m(1, y=5) }}\
         {% macro c(x) %}{{ x }}{{ caller() }}{% endmacro %}{% call c(5) %}!{% endcall %}",
        "365!",
    );
    check(
        "{% set ns = namespace(a=1) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
        "4",
    );
    check("{{ 9223372036854775807 + m|length }}", "9223372036854775808");
}

#[test]
fn broken_and_huge_templates_are_refused_when_they_are_loaded() {
    assert!(template("{% for %}").is_err());
    let long = |len: usize| format!("{{{{ messages }}}}{}", "x".repeat(len - 14));
    assert!(template(&long(MAX_TEMPLATE_BYTES)).is_ok());
    assert!(template(&long(MAX_TEMPLATE_BYTES + 1)).is_err());
}

/// A prompt at its limit is made, one beyond it is not, though the budget would do.
#[test]
fn prompts_are_bounded() {
    let echo = template("{{ messages[0].content }}").unwrap();
    let most = engine::MAX_PROMPT_BYTES;
    assert_eq!(
        echo.render(&user(&"x".repeat(most)), true, 0).unwrap().len(),
        most
    );
    let error = echo.render(&user(&"x".repeat(most + 1)), true, 0).unwrap_err();
    assert!(error.to_string().contains("the prompt is longer than"), "{error}");
}

#[test]
fn a_thousand_messages_are_no_endless_loop() {
    let folder = Path::new("tests/templates");
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
    // A list that is put together message by message.
    let gathered =
        "{% set n = namespace(x=[]) %}{% for m in messages %}{% set n.x = n.x + [m] %}{% endfor %}";
    let gathered = template(&format!("{gathered}{{{{ n.x|length }}}}")).unwrap();
    assert_eq!(gathered.render(&conversation, true, 0).unwrap(), "1000");
}
