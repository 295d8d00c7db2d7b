//! Tiny stories about people who help each other.
//! Does not repeat anybody's: the parts are put together anew each time.

use gguf::synthetic::SplitMix;

use super::grammar::{expand, pick};

const ASKED: &[&str] = &[
    "{tell|tell me|write|write me|give me|invent|make up|read me} {a|a short|a tiny|a little|another|a nice|one|a bedtime|a small|a very short} {story|tale|fairy tale}{ please| about friends| about people who help| about helping|}",
    "{can|could} you {tell|write|tell me|write me} {a|a short|a little|another} {story|tale}",
    "{i want|i would like|i'd like} {a|to hear a|a short|a little} {story|tale}",
    "{story|a story|once upon a time|a story please|do you know a story|do you know stories|story time|short story}",
    "tell me a {story|tale} about {a baker|a boat|a garden|a bridge|a friend|neighbours|children|an old woman|a farmer|a fisherman|many hands|a storm|a village|people|a dog|a cat}",
];
const NAMES: &[&str] = &[
    "Mina", "Tom", "Ada", "Omar", "Lea", "Ben", "Rosa", "Ivo", "Nora", "Sam",
];
/// Who has what to do, and what it is like when it is done.
const TASKS: &[(&str, &str, &str)] = &[
    (
        "had to carry a heavy stone up the hill",
        "carried it",
        "The stone was at the top before noon",
    ),
    (
        "wanted to mend an old boat",
        "brought nails, wood and rope",
        "The boat was on the water by evening",
    ),
    (
        "had a large garden to water",
        "came with cans and buckets",
        "The garden was green again",
    ),
    (
        "had to bake bread for the whole village",
        "kneaded the dough",
        "The bread was ready at sunrise",
    ),
    (
        "wanted to build a bridge over the stream",
        "laid the planks",
        "The bridge stood before the rain came",
    ),
    (
        "had to bring in the apples before the storm",
        "climbed into the trees",
        "The baskets were full before the first drop",
    ),
    (
        "had lost a small ring in the meadow",
        "searched step by step",
        "The ring was found under a clover leaf",
    ),
    (
        "had to paint a long fence",
        "took a brush",
        "The fence shone white in the sun",
    ),
];
const FEELINGS: &[&str] = &[
    "It was too much for one.",
    "One pair of hands was not enough.",
    "Alone it would have taken a week.",
];
const ENDS: &[&str] = &[
    "Many hands make light work.",
    "They ate soup together and laughed.",
    "Since then they help each other every day.",
];

/// A request for a story, and one.
pub(super) fn exchange(random: &mut SplitMix) -> (String, String) {
    let asked = expand(pick(ASKED, random), random);
    let name = pick(NAMES, random);
    let mut friend = pick(NAMES, random);
    while friend == name {
        friend = pick(NAMES, random);
    }
    let (task, help, done) = TASKS[random.below(TASKS.len() as u64) as usize];
    let (feeling, end) = (pick(FEELINGS, random), pick(ENDS, random));
    let story = format!(
        "{name} {task}. {feeling} {friend} saw it, called the neighbours, and all {help}. {done}. {end}"
    );
    (asked, story)
}
