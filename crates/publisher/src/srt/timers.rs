//! When connections are to be looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Times, soonest first. That a time has moved to later is found out when it has come: what a connection waits for is
/// confirmed again and again, and its time moves with each.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Duration, u32)>>,
}

impl Timers {
    /// Has `socket` looked at then. `set` is what was so set before and has not come yet.
    pub(super) fn set(&mut self, socket: u32, at: Duration, set: &mut Option<Duration>) {
        if set.is_none_or(|set| at < set) {
            *set = Some(at);
            self.heap.push(Reverse((at, socket)));
        }
    }

    /// The next whose time has come. Of one that was set again to a sooner time, the later comes as well; and of one that is
    /// gone.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, u32)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_moves_to_later_is_not_kept_twice() {
        let (mut timers, mut set) = (Timers::default(), None);
        let ms = Duration::from_millis;
        timers.set(7, ms(20), &mut set);
        timers.set(7, ms(30), &mut set);
        assert_eq!((timers.heap.len(), set, timers.next()), (1, Some(ms(20)), Some(ms(20))));
        timers.set(7, ms(10), &mut set);
        assert_eq!(timers.pop(ms(9)), None);
        assert_eq!(timers.pop(ms(25)), Some((ms(10), 7)));
        assert_eq!(timers.pop(ms(25)), Some((ms(20), 7)));
        assert_eq!(timers.pop(ms(25)), None);
    }
}
