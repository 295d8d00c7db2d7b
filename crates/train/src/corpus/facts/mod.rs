//! What the guide knows: facts about Manyhands, each with the ways to ask for it and the ways to say it.
//! Does not hold greetings, sums or stories.

mod about;
mod keys;
mod lend;
mod privacy;
mod run;
mod words;

/// One thing to know. Each pattern is one of [`super::grammar`].
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// For messages.
    pub name: &'static str,
    /// Things whose meaning is asked for: "what is …".
    pub terms: &'static [&'static str],
    /// Things to do: "how do I …".
    pub deeds: &'static [&'static str],
    /// Whole questions.
    pub questions: &'static [&'static str],
    /// What is said.
    pub answers: &'static [&'static str],
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Fact> + Clone {
    [
        about::FACTS,
        words::FACTS,
        lend::FACTS,
        keys::FACTS,
        privacy::FACTS,
        run::FACTS,
    ]
    .into_iter()
    .flatten()
}
