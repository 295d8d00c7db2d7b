//! What chat templates that mean harm cost in memory before they are stopped.
//! Has one test, since a process has one allocator and whoever else allocates would be counted.
#![allow(clippy::unwrap_used, clippy::print_stderr)]
#![allow(unsafe_code)] // an allocator that counts can only be written so

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{ChatTemplate, Message};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is handed to the system's allocator, with the layouts that came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The budget of 16 MiB, what moves while a string grows, and what half a million instructions leave behind.
const MOST: usize = 96 << 20;

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
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let template = ChatTemplate::new(source.clone(), String::new(), String::new()).unwrap();
        let error = template.render(&messages, true, 0).unwrap_err();
        let found = PEAK.load(Ordering::Relaxed) - before;
        eprintln!("{} MiB: {source:.90}: {error:.90}", found >> 20);
        assert!(found <= MOST, "{source}: {found} bytes");
    }
}
