//! Why other devices' terms say no, as a word that a screen has a sentence for.
//! What they say is text that anybody may write: it only ever chooses among these words.

use registry::WorkKind;
use registry::policy::{Privacy, Reason};

/// The word for a refusal in words; none where it is none of the registry's.
pub(crate) fn word(message: &str) -> Option<&'static str> {
    let said = without_figures(message);
    reasons()
        .into_iter()
        .find(|(reason, _)| said.ends_with(&without_figures(&reason.to_string())))
        .map(|(_, word)| word)
}

fn reasons() -> Vec<(Reason, &'static str)> {
    let mut reasons = vec![
        (Reason::Halted, "barred_halted"),
        (Reason::Blocked, "barred_blocked"),
        (Reason::NotForYou("members"), "barred_members"),
        (Reason::NotForYou("listed keys"), "barred_members"),
        (Reason::Kind(WorkKind::INFERENCE), "barred_kind"),
        (Reason::Model, "barred_kind"),
        (Reason::Budget { asked: 0, left: 0 }, "barred_budget"),
    ];
    let all = [Privacy::Mine, Privacy::Members, Privacy::Strangers];
    for (asked, accepts) in all
        .into_iter()
        .flat_map(|asked| all.map(|accepts| (asked, accepts)))
    {
        reasons.push((Reason::TooPrivate { asked, accepts }, "barred_privacy"));
    }
    reasons
}

fn without_figures(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}
