//! The hours of the week in which a device lends.
//! It has no clock: whoever asks says what day and minute it is.

use serde::{Deserialize, Serialize};

/// Minutes of a day.
pub const DAY: u16 = 24 * 60;

/// Some days of the week, from one minute of the day to another; to an earlier one: past midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    pub on: bool,
    /// Bit 0: Monday.
    pub days: u8,
    pub from: u16,
    pub to: u16,
}

impl Default for Schedule {
    /// Every night.
    fn default() -> Self {
        Self {
            on: false,
            days: 0b111_1111,
            from: 22 * 60,
            to: 7 * 60,
        }
    }
}

impl Schedule {
    /// Whether it is time. `weekday` 0 is Monday.
    pub fn is_time(&self, weekday: u8, minute: u16) -> bool {
        let day = |weekday: u8| self.days >> (weekday % 7) & 1 == 1;
        if !self.on {
            return true;
        }
        if self.from < self.to {
            return day(weekday) && (self.from..self.to).contains(&minute);
        }
        // The hours after midnight belong to the evening before.
        day(weekday) && minute >= self.from || day(weekday + 6) && minute < self.to
    }

    /// Every value within its bounds.
    pub fn sound(mut self) -> Self {
        self.days &= 0b111_1111;
        self.from %= DAY;
        self.to %= DAY;
        self
    }
}

/// `07:05`, as a time field writes it.
pub fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60 % 24, minute % 60)
}

/// The minute of `07:05`.
pub fn minute(clock: &str) -> Option<u16> {
    let (hours, minutes) = clock.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.get(..2)?.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_time_on_the_days_and_in_the_hours_that_were_set() {
        let week = |days, from, to| Schedule {
            on: true,
            days,
            from,
            to,
        };
        let check = |schedule: Schedule, weekday, minute, expect| {
            assert_eq!(
                schedule.is_time(weekday, minute),
                expect,
                "{schedule:?} {weekday} {minute}"
            );
        };
        let noon = week(0b000_0001, 720, 780);
        check(noon, 0, 720, true);
        check(noon, 0, 779, true);
        check(noon, 0, 780, false);
        check(noon, 1, 730, false);
        // Sunday night goes on into Monday.
        let night = week(0b100_0000, 1320, 420);
        check(night, 6, 1330, true);
        check(night, 0, 419, true);
        check(night, 0, 420, false);
        check(night, 6, 100, false);
        check(night, 0, 1330, false);
        // The same minute twice is a whole day.
        let always = week(0b111_1111, 0, 0);
        check(always, 3, 0, true);
        check(always, 3, 1439, true);
        check(Schedule { on: false, ..noon }, 4, 0, true);
    }

    #[test]
    fn a_clock_reads_back_and_nonsense_is_no_time() {
        for at in [0, 1, 425, DAY - 1] {
            assert_eq!(minute(&clock(at)), Some(at));
        }
        for bad in ["", "7", "24:00", "07:60", "x:y", "-1:00", "07:"] {
            assert_eq!(minute(bad), None, "{bad}");
        }
        let wild = Schedule {
            on: true,
            days: 255,
            from: 60_000,
            to: 60_000,
        };
        let sound = wild.sound();
        assert!(sound.days < 128 && sound.from < DAY && sound.to < DAY);
    }
}
