//! A conversation as a tree: every edit and every second answer is a branch, and nothing is overwritten.
//! Does not store itself (see `browser::history`) and asks no model (see `chat`).

use serde::{Deserialize, Serialize};

use crate::format;
use crate::view::Route;

/// Messages of one conversation, branches included.
pub const MAX_MESSAGES: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
}

impl Role {
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// How far a message is, in the contract's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Streaming,
    Waiting,
    Done,
    Stopped,
    Error,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }

    pub fn is_running(self) -> bool {
        matches!(self, Self::Streaming | Self::Waiting)
    }
}

/// What stands as an answer's `mode` where it was left to the members of a swarm of one's own.
pub const MEMBERS: &str = "members";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub id: u32,
    /// The message it follows; none for a first one.
    pub parent: Option<u32>,
    pub role: Role,
    pub text: String,
    pub state: State,
    pub at_ms: f64,
    /// The model's name, kept with each answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why it waits (a reason word), or the code and words of what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why exactly it went wrong, as a word that has a sentence of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(default)]
    pub tokens: u32,
    #[serde(default)]
    pub ms: f64,
}

impl Message {
    pub fn new(id: u32, parent: Option<u32>, role: Role, text: impl Into<String>, at_ms: f64) -> Self {
        Self {
            id,
            parent,
            role,
            text: text.into(),
            state: State::Done,
            at_ms,
            model: None,
            reason: None,
            detail: None,
            why: None,
            route: None,
            mode: None,
            tokens: 0,
            ms: 0.0,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    pub id: String,
    pub title: String,
    pub created_ms: f64,
    pub updated_ms: f64,
    /// In order of creation: a parent always comes before its children.
    pub messages: Vec<Message>,
    /// The last message of the branch on the screen.
    pub leaf: Option<u32>,
}

/// Why a conversation from outside was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConversationError {
    #[error("conversation {0:?} has more than {MAX_MESSAGES} messages")]
    TooMany(String),
    #[error("conversation {0:?} has no id, or one longer than 64 letters")]
    BadId(String),
    #[error("message {0} appears twice")]
    Twice(u32),
    #[error("message {0} follows one that is not there")]
    NoParent(u32),
    #[error("the shown branch ends at message {0}, which is not there")]
    NoLeaf(u32),
}

impl Conversation {
    pub fn new(id: impl Into<String>, now_ms: f64) -> Self {
        Self {
            id: id.into(),
            created_ms: now_ms,
            updated_ms: now_ms,
            ..Self::default()
        }
    }

    pub fn message(&self, id: u32) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }

    pub fn message_mut(&mut self, id: u32) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.id == id)
    }

    /// The ids of the branch on the screen, oldest first.
    pub fn path(&self) -> Vec<u32> {
        self.path_to(self.leaf)
    }

    /// The ids from the first message to `end`.
    pub fn path_to(&self, end: Option<u32>) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = end;
        while let Some(message) = at.and_then(|id| self.message(id)) {
            path.push(message.id);
            // A parent is always older, so this ends even on a damaged record.
            at = message.parent.filter(|&parent| parent < message.id);
        }
        path.reverse();
        path
    }

    /// Adds a message behind `parent` and shows its branch.
    pub fn add(&mut self, parent: Option<u32>, role: Role, text: impl Into<String>, now_ms: f64) -> u32 {
        let id = self
            .messages
            .iter()
            .map(|message| message.id)
            .max()
            .map_or(0, |id| id.saturating_add(1));
        self.messages.push(Message::new(id, parent, role, text, now_ms));
        self.leaf = Some(id);
        self.updated_ms = now_ms;
        if self.title.is_empty() && role == Role::User {
            self.title = self
                .message(id)
                .map(|message| format::title(&message.text))
                .unwrap_or_default();
        }
        id
    }

    /// The versions of a message: what follows the same parent, in order, itself included.
    pub fn versions(&self, id: u32) -> Vec<u32> {
        let Some(message) = self.message(id) else {
            return Vec::new();
        };
        self.messages
            .iter()
            .filter(|other| other.parent == message.parent)
            .map(|other| other.id)
            .collect()
    }

    /// Shows the branch that runs through `id`, down to its newest end.
    pub fn show(&mut self, id: u32) {
        let mut at = id;
        while let Some(next) = self
            .messages
            .iter()
            .rev()
            .find(|message| message.parent == Some(at))
        {
            if next.id <= at {
                break;
            }
            at = next.id;
        }
        self.leaf = Some(at);
    }

    /// What no page is working at any more, after one was closed in the middle of an answer.
    pub fn settle(&mut self) {
        for message in &mut self.messages {
            if message.state.is_running() {
                message.state = State::Stopped;
                message.reason = Some("closed".to_owned());
            }
        }
    }

    /// `needle` must be lower case.
    pub fn contains(&self, needle: &str) -> bool {
        holds(&self.title, needle) || self.messages.iter().any(|message| holds(&message.text, needle))
    }

    /// Checks what a file or a storage claims to be a conversation.
    pub fn check(&self) -> Result<(), ConversationError> {
        if self.id.is_empty() || self.id.len() > 64 {
            return Err(ConversationError::BadId(self.id.chars().take(80).collect()));
        }
        if self.messages.len() > MAX_MESSAGES {
            return Err(ConversationError::TooMany(self.id.clone()));
        }
        let mut seen = std::collections::HashSet::new();
        for message in &self.messages {
            if message
                .parent
                .is_some_and(|parent| parent >= message.id || !seen.contains(&parent))
            {
                return Err(ConversationError::NoParent(message.id));
            }
            if !seen.insert(message.id) {
                return Err(ConversationError::Twice(message.id));
            }
        }
        match self.leaf {
            Some(leaf) if !seen.contains(&leaf) => Err(ConversationError::NoLeaf(leaf)),
            _ => Ok(()),
        }
    }
}

/// Whether `needle`, which is lower case, occurs in `text` in any case. Plain text, the most of what is searched, is read
/// where it lies: a copy of each message for each letter that is typed would be felt.
fn holds(text: &str, needle: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(needle);
    }
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else {
        return true;
    };
    text.windows(needle.len()).any(|part| {
        part.first()
            .is_some_and(|byte| byte.to_ascii_lowercase() == *first)
            && part.eq_ignore_ascii_case(needle)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn talk() -> Conversation {
        let mut talk = Conversation::new("c", 1.0);
        let question = talk.add(None, Role::User, "Hello there", 1.0);
        talk.add(Some(question), Role::Assistant, "Hi", 2.0);
        talk
    }

    #[test]
    fn the_first_question_names_the_conversation() {
        assert_eq!(talk().title, "Hello there");
    }

    #[test]
    fn answering_again_keeps_the_old_answer() {
        let mut talk = talk();
        let second = talk.add(Some(0), Role::Assistant, "Hello!", 3.0);
        assert_eq!(talk.path(), [0, second]);
        assert_eq!(talk.versions(second), [1, second]);
        talk.show(1);
        assert_eq!(talk.path(), [0, 1]);
        assert_eq!(talk.message(second).unwrap().text, "Hello!");
    }

    #[test]
    fn an_edited_question_begins_a_branch_and_the_old_one_can_be_shown_whole() {
        let mut talk = talk();
        let follow = talk.add(Some(1), Role::User, "And?", 3.0);
        let edited = talk.add(None, Role::User, "Good day", 4.0);
        assert_eq!(talk.path(), [edited]);
        assert_eq!(talk.versions(edited), [0, edited]);
        talk.show(0);
        assert_eq!(talk.path(), [0, 1, follow]);
    }

    #[test]
    fn a_page_that_was_closed_leaves_nothing_running() {
        let mut talk = talk();
        talk.message_mut(1).unwrap().state = State::Waiting;
        talk.settle();
        assert_eq!(talk.message(1).unwrap().state, State::Stopped);
    }

    #[test]
    fn damaged_records_are_refused_and_never_loop() {
        let check = |break_it: fn(&mut Conversation), expect| {
            let mut talk = talk();
            break_it(&mut talk);
            assert_eq!(talk.check(), Err(expect));
            let _ = (talk.path(), talk.show(0));
        };
        check(|talk| talk.id.clear(), ConversationError::BadId(String::new()));
        check(|talk| talk.messages[1].id = 0, ConversationError::NoParent(0));
        check(
            |talk| talk.messages[0].parent = Some(1),
            ConversationError::NoParent(0),
        );
        check(
            |talk| talk.messages[1].parent = Some(7),
            ConversationError::NoParent(1),
        );
        check(|talk| talk.leaf = Some(9), ConversationError::NoLeaf(9));
        check(
            |talk| {
                talk.messages = (0..=MAX_MESSAGES as u32)
                    .map(|id| Message::new(id, None, Role::User, "", 0.0))
                    .collect()
            },
            ConversationError::TooMany("c".into()),
        );
        check(
            |talk| {
                talk.messages[1].parent = None;
                talk.messages.push(Message::new(1, None, Role::User, "", 0.0));
            },
            ConversationError::Twice(1),
        );
    }

    #[test]
    fn search_looks_at_titles_and_every_branch() {
        let mut talk = talk();
        talk.add(None, Role::User, "Grüße", 4.0);
        assert!(talk.contains("hello") && talk.contains("grüße") && !talk.contains("bye"));
    }

    #[test]
    fn plain_text_is_found_as_other_text_is() {
        for (text, needle, expect) in [
            ("Hello THERE", "there", true),
            ("Hello there", "there!", false),
            ("aAab", "aab", true),
            ("Grüße", "grü", true),
            ("plain", "ü", false),
            ("", "x", false),
            ("x", "", true),
            ("[\\]", "{|}", false),
        ] {
            assert_eq!(holds(text, needle), expect, "{text:?} {needle:?}");
        }
    }
}
