//! What a person may set, as it is kept in this browser.
//! Does not read or write storage (see `browser::kept`).

use serde::{Deserialize, Serialize};

use crate::i18n::Language;
use crate::schedule::Schedule;
use crate::view::Mode;

/// Longest text that is told to every model first.
pub const MAX_SYSTEM_BYTES: usize = 16 * 1024;
/// Longest answer that can be asked for.
pub const MAX_ANSWER_TOKENS: u32 = 8192;

/// What the power can be set to, in percent.
pub const POWERS: [u8; 4] = [25, 50, 75, 100];

/// Fields that a stored record lacks, or that cannot be read, take their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `light`, `dark`, or empty for what the system says.
    pub theme: String,
    /// A language tag, or empty for what the browser says.
    pub language: String,
    pub mode: String,
    pub model: Option<String>,
    /// The swarm of one's own that is in use; none: the relay's.
    pub swarm: Option<String>,
    pub system: String,
    pub temperature: f32,
    pub top_p: f32,
    pub max_tokens: u32,
    pub only_charging: bool,
    pub not_metered: bool,
    pub keep_awake: bool,
    /// Share of the time that goes into lent work, in percent: one of [`POWERS`].
    pub power: u8,
    pub only_idle: bool,
    /// Less lent work while the device is slower than it was, as it is when it is warm.
    pub cool: bool,
    pub schedule: Schedule,
    /// A tone that nobody hears keeps a hidden page at work.
    pub tone: bool,
    /// The offer of a home screen and a backup was put away.
    pub keeping_put_away: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: String::new(),
            language: String::new(),
            mode: Mode::Auto.word().to_owned(),
            model: None,
            swarm: None,
            system: String::new(),
            temperature: 0.7,
            top_p: 0.95,
            max_tokens: 1024,
            only_charging: false,
            not_metered: false,
            keep_awake: true,
            power: 100,
            only_idle: false,
            cool: true,
            schedule: Schedule::default(),
            tone: false,
            keeping_put_away: false,
        }
    }
}

impl Settings {
    /// From storage; whatever is there, the result is usable.
    pub fn read(json: &str) -> Self {
        serde_json::from_str::<Self>(json).unwrap_or_default().sound()
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Every value within its bounds.
    pub fn sound(mut self) -> Self {
        let fallback = Self::default();
        if !matches!(self.theme.as_str(), "" | "light" | "dark") {
            self.theme = String::new();
        }
        if Language::from_tag(&self.language).is_none() {
            self.language = String::new();
        }
        if Mode::from_word(&self.mode).is_none() {
            self.mode = fallback.mode;
        }
        let is_id = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        self.swarm = self.swarm.filter(is_id);
        if !(0.0..=2.0).contains(&self.temperature) {
            self.temperature = fallback.temperature;
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            self.top_p = fallback.top_p;
        }
        if !POWERS.contains(&self.power) {
            self.power = fallback.power;
        }
        self.schedule = self.schedule.sound();
        self.max_tokens = self.max_tokens.clamp(1, MAX_ANSWER_TOKENS);
        let mut end = self.system.len().min(MAX_SYSTEM_BYTES);
        while !self.system.is_char_boundary(end) {
            end -= 1;
        }
        self.system.truncate(end);
        self
    }

    pub fn mode(&self) -> Mode {
        Mode::from_word(&self.mode).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_as_written() {
        let settings = Settings {
            theme: "dark".into(),
            language: "ar".into(),
            temperature: 0.0,
            ..Settings::default()
        };
        assert_eq!(Settings::read(&settings.write()), settings);
    }

    #[test]
    fn whatever_is_stored_the_result_is_usable() {
        let check = |json: &str| assert_eq!(Settings::read(json), Settings::default(), "{json}");
        check("");
        check("null");
        check("{\"temperature\":\"hot\"}");
        check("{\"temperature\":99,\"top_p\":0,\"theme\":\"<script>\",\"language\":\"xx\",\"mode\":\"all\"}");
        check("{\"unknown\":true,\"power\":33}");
        assert_eq!(Settings::read("{\"max_tokens\":0}").max_tokens, 1);
        assert_eq!(
            Settings::read("{\"max_tokens\":99999999}").max_tokens,
            MAX_ANSWER_TOKENS
        );
    }

    #[test]
    fn a_system_prompt_is_cut_at_its_limit_between_characters() {
        let settings = Settings {
            system: "é".repeat(MAX_SYSTEM_BYTES),
            ..Settings::default()
        }
        .sound();
        assert_eq!(settings.system.len(), MAX_SYSTEM_BYTES);
        let odd = Settings {
            system: format!("x{}", "é".repeat(MAX_SYSTEM_BYTES)),
            ..Settings::default()
        }
        .sound();
        assert_eq!(odd.system.len(), MAX_SYSTEM_BYTES - 1);
    }
}
