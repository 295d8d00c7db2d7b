//! Every class of forged files, each a test of its own name, over five seeds; over a hundred with `--ignored`.
//! Does not measure memory: `memory` does, in a process of its own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may look at the clock

mod forged;

use std::time::Duration;

use cpu_time::ThreadTime;
use forged::draft::Draft;
use forged::{CLASSES, Case, Class, Expect};
use gguf::Header;
use gguf::synthetic::SplitMix;

/// How long a device may be kept busy by a file that it refuses.
const MOST_TIME: Duration = Duration::from_millis(50);

fn check(class: &str, seeds: std::ops::Range<u64>) {
    let class = Class::named(class).unwrap();
    for seed in seeds {
        let given = class.given(seed);
        assert!(!given.cases.is_empty(), "{} {seed}: nothing was made", class.name);
        for (index, case) in given.cases.iter().enumerate() {
            let result = case.judge();
            let what = format!("{}, seed {seed}, file {index}", class.name);
            match (given.expect, &result) {
                (Expect::Refused(error), Err(refusal)) => {
                    assert!(refusal.to_string().contains(error), "{what}: {refusal}");
                }
                (Expect::Accepted, Ok(())) => {}
                (_, result) => panic!("{what}: {result:?}"),
            }
            assert!(fastest(case) <= MOST_TIME, "{what} took {:?}", fastest(case));
        }
    }
}

/// The time of a case is that of its fastest run: the others measure what else the machine does.
fn fastest(case: &Case) -> Duration {
    let run = |_| {
        let start = ThreadTime::now();
        let _ = case.judge();
        start.elapsed()
    };
    let mut runs = (0..20).map(run);
    runs.find(|time| *time <= MOST_TIME).unwrap_or(Duration::MAX)
}

macro_rules! named_tests {
    ($($module:ident { $($name:ident)+ })+) => {
        $(mod $module {
            $(#[test]
            fn $name() {
                super::check(concat!(stringify!($module), "::", stringify!($name)), 0..5);
            })+

            mod long {
                $(#[test]
                #[ignore = "a hundred seeds of every class take a while: run with --ignored"]
                fn $name() {
                    super::super::check(concat!(stringify!($module), "::", stringify!($name)), 0..100);
                })+
            }
        })+
    };
}
for_each_class!(named_tests);

/// Were the draft itself refused, every class would be, whatever its change.
#[test]
fn what_the_classes_change_is_sound_before() {
    for seed in 0..1_000 {
        let file = Draft::sound(&mut SplitMix::new(seed)).file();
        Header::read(file.reader(), file.file_bytes).unwrap_or_else(|error| panic!("{seed}: {error}"));
    }
}

#[test]
fn there_is_a_class_for_every_way_to_forge_a_file() {
    let count = |module: &str| {
        CLASSES
            .iter()
            .filter(|class| class.name.starts_with(module))
            .count()
    };
    let groups = [
        "header::",
        "keys::",
        "hyperparameters::",
        "vocabulary::",
        "tensors::",
        "data::",
    ];
    assert_eq!(groups.map(count), [16, 37, 22, 10, 31, 9]);
}
