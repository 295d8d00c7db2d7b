//! All conversations as one file, and back.
//! A file is taken whole or not at all; where it is kept is `browser::history`'s business.

use serde::{Deserialize, Serialize};

use crate::conversation::{Conversation, ConversationError};

/// A file larger than this is not read.
pub const MAX_ARCHIVE_BYTES: usize = 256 * 1024 * 1024;
/// Conversations of one browser.
pub const MAX_CONVERSATIONS: usize = 20_000;

const FORMAT: &str = "manyhands-conversations";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    format: String,
    version: u32,
    conversations: Vec<Conversation>,
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the file has {0} bytes, more than {MAX_ARCHIVE_BYTES}")]
    TooLarge(usize),
    #[error("it is not a file of conversations: {0}")]
    NotOurs(#[from] serde_json::Error),
    #[error("its format is {0:?} {1}, expected {FORMAT:?} {VERSION}")]
    OtherFormat(String, u32),
    #[error("it holds more than {MAX_CONVERSATIONS} conversations")]
    TooMany,
    #[error("conversation {0:?} appears twice")]
    Twice(String),
    #[error(transparent)]
    Damaged(#[from] ConversationError),
}

/// The file: the same conversations always give the same bytes, whatever order they come in.
pub fn write(mut conversations: Vec<Conversation>) -> String {
    conversations.sort_by(|a, b| {
        a.created_ms
            .total_cmp(&b.created_ms)
            .then_with(|| a.id.cmp(&b.id))
    });
    let archive = Archive {
        format: FORMAT.to_owned(),
        version: VERSION,
        conversations,
    };
    serde_json::to_string_pretty(&archive).unwrap_or_default()
}

/// Reads a file back.
pub fn read(json: &str) -> Result<Vec<Conversation>, ArchiveError> {
    if json.len() > MAX_ARCHIVE_BYTES {
        return Err(ArchiveError::TooLarge(json.len()));
    }
    let archive: Archive = serde_json::from_str(json)?;
    if archive.format != FORMAT || archive.version != VERSION {
        return Err(ArchiveError::OtherFormat(archive.format, archive.version));
    }
    if archive.conversations.len() > MAX_CONVERSATIONS {
        return Err(ArchiveError::TooMany);
    }
    let mut seen = std::collections::HashSet::new();
    for conversation in &archive.conversations {
        conversation.check()?;
        if !seen.insert(conversation.id.as_str()) {
            return Err(ArchiveError::Twice(conversation.id.clone()));
        }
    }
    Ok(archive.conversations)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::conversation::Role;
    use crate::view::{Hop, Route};

    fn two() -> Vec<Conversation> {
        let mut first = Conversation::new("b", 1.5);
        let question = first.add(None, Role::User, "Hi \"<b>\" \u{202e} \\ \n ü", 1.5);
        let answer = first.add(Some(question), Role::Assistant, "yes", 2.25);
        let message = first.message_mut(answer).unwrap();
        message.model = Some("stories".into());
        message.route = Some(Route {
            hops: vec![Hop {
                peer: "12D3".into(),
                first: 0,
                end: 3,
                backend: "cpu".into(),
                adapter: String::new(),
                ms: 0.1,
                lost: false,
            }],
            replays: 1,
            bytes: u64::MAX,
            ..Route::default()
        });
        vec![Conversation::new("a", 3.0), first]
    }

    #[test]
    fn what_was_exported_comes_back_byte_for_byte() {
        let file = write(two());
        assert_eq!(write(read(&file).unwrap()), file);
        let mut turned = two();
        turned.reverse();
        assert_eq!(write(turned), file);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_fault() {
        let check = |json: &str, words: &str| {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        check("", "not a file of conversations");
        check("[]", "not a file of conversations");
        check(&write(two())[..200], "not a file of conversations");
        check("{\"format\":\"x\",\"version\":1,\"conversations\":[]}", "format");
        check(
            "{\"format\":\"manyhands-conversations\",\"version\":2,\"conversations\":[]}",
            "format",
        );
        check(
            "{\"format\":\"manyhands-conversations\",\"version\":1,\"conversations\":[],\"x\":1}",
            "unknown field",
        );
        let mut twice = two();
        twice.push(twice[0].clone());
        check(&write(twice), "twice");
        let mut damaged = two();
        damaged[1].leaf = Some(77);
        check(&write(damaged), "77");
    }

    #[test]
    fn more_conversations_than_the_limit_are_refused() {
        let many = (0..=MAX_CONVERSATIONS)
            .map(|n| Conversation::new(n.to_string(), 0.0))
            .collect();
        assert!(matches!(read(&write(many)), Err(ArchiveError::TooMany)));
    }
}
