//! The life of a destination: which state it is in, when the next attempt is due, when to give up. Without a clock and
//! without chance: both are arguments.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use super::reason::{Fault, Reason};
use super::snapshot::{ErrorEntry, PushStatus};
use crate::back_off::BackOff;
use crate::config::Push;

/// Errors that are kept.
const ERRORS: usize = 5;

/// How a connection, or the try to make one, ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// It failed.
    Failed(Fault),
    /// There was no media to send; by us, or by a peer that did not want to wait for it. The next attempt waits for media.
    Idle(Option<Fault>),
    /// The peer wants us elsewhere.
    Moved,
}

/// One destination between its start and its end.
#[derive(Clone, Debug)]
pub(super) struct Life {
    limit: u32,
    status: PushStatus,
    attempt: u32,
    back_off: BackOff,
    due: Option<Duration>,
    errors: VecDeque<ErrorEntry>,
    reason: Option<Reason>,
}

impl Ending {
    /// What went wrong, if anything did.
    pub(super) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Failed(fault) | Self::Idle(Some(fault)) => Some(fault),
            _ => None,
        }
    }
}

impl Life {
    pub(super) fn new(config: &Push) -> Self {
        Self {
            limit: config.limit,
            status: PushStatus::Starting,
            attempt: 0,
            back_off: BackOff::new(config.retry_timeout, Push::MAX_DELAY),
            due: None,
            errors: VecDeque::new(),
            reason: None,
        }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
        self.due = None;
    }

    /// The peer takes what it is sent.
    pub(super) fn activate(&mut self, now: Duration) {
        self.status = PushStatus::Active;
        self.back_off.works(now);
        self.reason = None;
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Duration) {
        self.back_off.tick(now);
    }

    /// The attempt ended. `jitter` is a random number from 0 to 1.
    pub(super) fn end(&mut self, now: Duration, wall: SystemTime, ending: Ending, jitter: f64) {
        match ending {
            Ending::Moved => {
                self.back_off.ends(now);
                (self.status, self.due) = (PushStatus::Reconnecting, Some(now));
            }
            Ending::Idle(fault) => {
                self.back_off.ends(now);
                (self.status, self.due) = (PushStatus::Starting, None);
                if let Some(fault) = fault {
                    self.note(wall, fault);
                }
            }
            Ending::Failed(fault) => {
                self.note(wall, fault);
                self.back_off.fails(now);
                if self.limit > 0 && self.back_off.failures() >= self.limit {
                    (self.status, self.due) = (PushStatus::Failed, None);
                } else {
                    let due = now.saturating_add(self.back_off.delay(jitter));
                    (self.status, self.due) = (PushStatus::Reconnecting, Some(due));
                }
            }
        }
    }

    /// No attempt can ever succeed.
    pub(super) fn give_up(&mut self, wall: SystemTime, fault: Fault) {
        self.note(wall, fault);
        (self.status, self.due) = (PushStatus::Failed, None);
    }

    fn note(&mut self, wall: SystemTime, fault: Fault) {
        self.reason = Some(fault.reason);
        if self.errors.len() == ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(ErrorEntry { message: fault.message, at: wall });
    }

    pub(super) fn status(&self) -> PushStatus {
        self.status
    }

    /// The attempt under way or last made; 0 before the first.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the next attempt is due; none where media is waited for, or one is under way, or there will be none.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The last errors, oldest first.
    pub(super) fn errors(&self) -> impl Iterator<Item = &ErrorEntry> {
        self.errors.iter()
    }

    /// Of the last error; none once it is active.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = BackOff::HEALTHY;

    fn life(limit: u32) -> Life {
        Life::new(&Push { limit, ..Push::new("rtmp://host/live/key") })
    }

    fn fault(number: u64) -> Ending {
        Ending::Failed(Fault::new(Reason::Connect, format!("error {number}")))
    }

    fn wall(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Fails `count` times without having been active, without jitter; the delays after each.
    fn fail(life: &mut Life, now: &mut Duration, count: u64) -> Vec<u64> {
        let delays = (0..count).map(|number| {
            life.begin();
            life.end(*now, wall(number), fault(number), 1.0);
            let due = life.due().unwrap_or(*now);
            let delay = due - *now;
            *now = due;
            delay.as_secs()
        });
        delays.collect()
    }

    #[test]
    fn it_starts_is_active_and_reconnects() {
        let mut life = life(0);
        assert_eq!((life.status(), life.attempt(), life.due()), (PushStatus::Starting, 0, None));
        life.begin();
        assert_eq!((life.status(), life.attempt()), (PushStatus::Starting, 1));
        life.activate(secs(1));
        assert_eq!(life.status(), PushStatus::Active);
        life.end(secs(2), wall(2), fault(0), 1.0);
        assert_eq!((life.status(), life.due()), (PushStatus::Reconnecting, Some(secs(7))));
        life.begin();
        assert_eq!((life.status(), life.attempt(), life.due()), (PushStatus::Reconnecting, 2, None));
        life.activate(secs(8));
        assert_eq!((life.status(), life.reason()), (PushStatus::Active, None));
    }

    #[test]
    fn back_off_doubles_from_the_first_delay_to_a_minute() {
        let (mut life, mut now) = (life(0), secs(0));
        assert_eq!(fail(&mut life, &mut now, 7), [5, 10, 20, 40, 60, 60, 60]);
    }

    #[test]
    fn the_limit_counts_attempts_that_fail_one_after_another() {
        let (mut life, mut now) = (life(3), secs(0));
        fail(&mut life, &mut now, 2);
        assert_eq!(life.status(), PushStatus::Reconnecting);
        fail(&mut life, &mut now, 1);
        assert_eq!((life.status(), life.due(), life.attempt()), (PushStatus::Failed, None, 3));
    }

    #[test]
    fn without_a_limit_it_never_gives_up() {
        let (mut life, mut now) = (life(0), secs(0));
        fail(&mut life, &mut now, 10_000);
        assert_eq!((life.status(), life.attempt()), (PushStatus::Reconnecting, 10_000));
    }

    #[test]
    fn only_a_healthy_minute_sets_limit_and_back_off_back_together() {
        let (mut life, mut now) = (life(3), secs(0));
        fail(&mut life, &mut now, 2);
        life.begin();
        life.activate(now);
        now += MINUTE - secs(1);
        life.tick(now);
        assert_eq!(life.back_off.failures(), 2, "being active alone does not");
        now += secs(1);
        life.tick(now);
        assert_eq!(life.back_off.failures(), 0);
        life.end(now, wall(0), fault(0), 1.0);
        assert_eq!((life.status(), life.due()), (PushStatus::Reconnecting, Some(now + secs(5))));
        assert_eq!(fail(&mut life, &mut now, 2), [5, 10], "and it may fail as often as at first");
        assert_eq!(life.status(), PushStatus::Reconnecting);
    }

    #[test]
    fn one_that_drops_once_a_day_is_never_given_up() {
        let (mut life, mut now) = (life(1), secs(0));
        for day in 0..30 {
            life.begin();
            life.activate(now);
            now += secs(86_400);
            life.end(now, wall(0), fault(day), 1.0);
            assert_eq!(life.status(), PushStatus::Reconnecting);
        }
    }

    #[test]
    fn one_that_flaps_is_given_up_though_it_is_active_each_time() {
        let mut life = life(2);
        for second in [0, 10] {
            life.begin();
            life.activate(secs(second));
            life.end(secs(second + 1), wall(0), fault(second), 1.0);
        }
        assert_eq!(life.status(), PushStatus::Failed);
    }

    #[test]
    fn an_end_for_want_of_media_is_back_to_starting_and_is_not_counted() {
        let (mut life, mut now) = (life(2), secs(0));
        fail(&mut life, &mut now, 1);
        life.begin();
        life.activate(now);
        life.end(now + secs(30), wall(0), Ending::Idle(None), 1.0);
        assert_eq!((life.status(), life.due(), life.back_off.failures()), (PushStatus::Starting, None, 1));
        let fault = Fault::new(Reason::Closed, "closed");
        life.end(now + secs(31), wall(0), Ending::Idle(Some(fault)), 1.0);
        assert_eq!(
            (life.status(), life.back_off.failures(), life.errors().count()),
            (PushStatus::Starting, 1, 2)
        );
    }

    #[test]
    fn a_move_is_followed_at_once_and_is_not_counted() {
        let mut life = life(1);
        life.begin();
        life.activate(secs(1));
        life.end(secs(2), wall(0), Ending::Moved, 1.0);
        assert_eq!((life.status(), life.due()), (PushStatus::Reconnecting, Some(secs(2))));
    }

    #[test]
    fn the_last_five_errors_stay_with_their_times() {
        let (mut life, mut now) = (life(0), secs(0));
        fail(&mut life, &mut now, 7);
        life.begin();
        life.activate(now);
        let errors: Vec<_> = life.errors().map(|error| (error.message.clone(), error.at)).collect();
        let expected: Vec<_> = (2..7).map(|number| (format!("error {number}"), wall(number))).collect();
        assert_eq!(errors, expected, "being active wipes none of them");
    }

    #[test]
    fn what_can_never_succeed_has_failed_at_once() {
        let mut life = life(0);
        life.give_up(wall(0), Fault::new(Reason::Url, "no"));
        assert_eq!((life.status(), life.due(), life.attempt()), (PushStatus::Failed, None, 0));
        assert_eq!((life.reason(), life.errors().count()), (Some(Reason::Url), 1));
    }
}
