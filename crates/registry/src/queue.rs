//! Who is next when a worker is busy: weighted fair queueing, with a share reserved for those without standing.
//! It does not decide who may wait (see `policy`) and keeps no time.
//!
//! Self-clocked fair queueing (Golestani 1994), twice: between the two classes by the reserved share, and within a
//! class between the askers by their weight. An idle share goes to the other class; nobody saves up by waiting.
//! *Stops*: a thousand fresh keys from one host share one reserve, and cannot slow those who have earned a place.

use std::collections::BTreeMap;

use identity::NodeId;

/// Most asks that wait at one worker: an answer in the far future helps nobody.
pub const MAX_QUEUED: usize = 1024;
/// Most asks of one asker that wait at one worker.
const MAX_QUEUED_PER_ASKER: usize = 16;
/// Virtual time per unit of cost at weight 1: fine enough for weights up to a million.
const SCALE: u64 = 1 << 20;

/// One ask that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued<T> {
    pub who: NodeId,
    /// What it costs to serve, in positions.
    pub cost: u32,
    pub item: T,
}

/// The queue of one worker.
#[derive(Clone, Debug)]
pub struct FairQueue<T> {
    /// Those without standing, and those with.
    classes: [Class<T>; 2],
    /// Their shares in percent.
    shares: [u64; 2],
    clock: u64,
    arrivals: u64,
}

#[derive(Clone, Debug)]
struct Class<T> {
    /// By finish time, then arrival.
    waiting: BTreeMap<(u64, u64), Queued<T>>,
    /// When the last ask of each asker will be done, and how many of theirs wait.
    askers: BTreeMap<NodeId, (u64, usize)>,
    clock: u64,
    /// From when this class is owed its share, on the clock between the classes: when it last was served, or when it
    /// woke. It stands still while the other is served, else this one would never be due.
    start: u64,
}

impl<T> FairQueue<T> {
    /// An empty queue; `reserved_percent` goes to those without standing
    /// (see [`SwarmPolicy::reserved_share`](crate::policy::SwarmPolicy::reserved_share)).
    pub fn new(reserved_percent: u8) -> Self {
        let class = || Class {
            waiting: BTreeMap::new(),
            askers: BTreeMap::new(),
            clock: 0,
            start: 0,
        };
        Self {
            classes: [class(), class()],
            shares: shares(reserved_percent),
            clock: 0,
            arrivals: 0,
        }
    }

    /// Another share for those without standing, whoever waits already.
    pub fn reserve(&mut self, reserved_percent: u8) {
        self.shares = shares(reserved_percent);
    }

    /// Lets somebody wait; gives the item back where there is no room. Weight 0 is without standing.
    /// Each class has room for half of [`MAX_QUEUED`], so that newcomers cannot keep the others out.
    pub fn push(&mut self, who: NodeId, weight: u32, cost: u32, item: T) -> Result<(), T> {
        let class = &mut self.classes[usize::from(weight > 0)];
        let (finish, count) = class.askers.get(&who).copied().unwrap_or_default();
        if class.waiting.len() >= MAX_QUEUED / 2 || count >= MAX_QUEUED_PER_ASKER {
            return Err(item);
        }
        if class.waiting.is_empty() {
            class.start = class.start.max(self.clock);
        }
        let span = u64::from(cost.max(1)) * SCALE / u64::from(weight.max(1));
        let finish = finish.max(class.clock).saturating_add(span.max(1));
        class.askers.insert(who, (finish, count + 1));
        class
            .waiting
            .insert((finish, self.arrivals), Queued { who, cost, item });
        self.arrivals += 1;
        Ok(())
    }

    /// Who is next, while they still wait.
    pub fn peek(&self) -> Option<&Queued<T>> {
        let (_, i) = self.due()?;
        self.classes[i].waiting.values().next()
    }

    /// Who is next.
    pub fn pop(&mut self) -> Option<Queued<T>> {
        let (finish, i) = self.due()?;
        self.clock = finish;
        let class = &mut self.classes[i];
        class.start = finish;
        let ((finish, _), queued) = class.waiting.pop_first()?;
        class.clock = finish;
        if let Some((last, count)) = class.askers.get_mut(&queued.who) {
            *count -= 1;
            // Whose last ask is done owes nothing: forgotten, so that the table stays as small as the queue.
            if *count == 0 && *last <= finish {
                class.askers.remove(&queued.who);
            }
        }
        Some(queued)
    }

    /// Which class is next, and when it will be done on the clock between the classes.
    fn due(&self) -> Option<(u64, usize)> {
        let due = |i: usize| {
            let class = &self.classes[i];
            let cost = class.waiting.values().next()?.cost.max(1);
            let span = u64::from(cost) * SCALE / self.shares[i];
            Some((class.start.saturating_add(span), i))
        };
        due(0).into_iter().chain(due(1)).min()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.classes.iter().map(|class| class.waiting.len()).sum()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out whatever no longer applies: the asker left, or gave up.
    pub fn retain(&mut self, mut keep: impl FnMut(&Queued<T>) -> bool) {
        for class in &mut self.classes {
            let askers = &mut class.askers;
            class.waiting.retain(|_, queued| {
                let kept = keep(queued);
                if !kept && let Some((_, count)) = askers.get_mut(&queued.who) {
                    *count -= 1;
                }
                kept
            });
            askers.retain(|_, (_, count)| *count > 0);
        }
    }
}

fn shares(reserved_percent: u8) -> [u64; 2] {
    let reserved = u64::from(reserved_percent.clamp(1, 99));
    [reserved, 100 - reserved]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(n: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        NodeId::from_bytes(bytes)
    }

    /// Serves `rounds` asks while everybody in `askers` (id, weight, cost) always has one waiting, and returns the
    /// cost served per asker.
    fn serve(reserved: u8, askers: &[(u16, u32, u32)], rounds: usize) -> BTreeMap<u16, u64> {
        let mut queue = FairQueue::new(reserved);
        let mut served = BTreeMap::new();
        for &(n, weight, cost) in askers {
            assert!(queue.push(who(n), weight, cost, (n, weight)).is_ok());
        }
        for _ in 0..rounds {
            let next = queue.peek().map(|queued| queued.item);
            let Some(Queued {
                cost,
                item: (n, weight),
                ..
            }) = queue.pop()
            else {
                panic!("ran empty")
            };
            assert_eq!(next, Some((n, weight)), "what is seen is what is taken");
            *served.entry(n).or_insert(0) += u64::from(cost);
            assert!(queue.push(who(n), weight, cost, (n, weight)).is_ok());
        }
        served
    }

    fn check_shares(reserved: u8, askers: &[(u16, u32, u32)], expect: &[(u16, f64)]) {
        let served = serve(reserved, askers, 20_000);
        let all: u64 = served.values().sum();
        for (n, share) in expect {
            let got = served.get(n).copied().unwrap_or(0) as f64 / all as f64;
            assert!(
                (got - share).abs() < 0.01,
                "{n} got {got:.3}, expected {share}: {askers:?}"
            );
        }
    }

    #[test]
    fn time_is_shared_by_weight_whatever_a_single_ask_costs() {
        check_shares(20, &[(1, 1, 100), (2, 1, 100)], &[(1, 0.5), (2, 0.5)]);
        check_shares(20, &[(1, 3, 100), (2, 1, 100)], &[(1, 0.75), (2, 0.25)]);
        check_shares(20, &[(1, 1, 1000), (2, 1, 10)], &[(1, 0.5), (2, 0.5)]);
    }

    #[test]
    fn newcomers_have_their_reserve_and_no_number_of_them_has_more() {
        check_shares(20, &[(1, 5, 100), (2, 0, 100)], &[(1, 0.8), (2, 0.2)]);
        check_shares(5, &[(1, 1_000_000, 100), (2, 0, 100)], &[(2, 0.05)]);
        let mut crowd: Vec<_> = (2..402).map(|n| (n, 0, 100)).collect();
        crowd.push((1, 1, 100));
        check_shares(20, &crowd, &[(1, 0.8)]);
    }

    #[test]
    fn an_idle_share_goes_to_whoever_is_there() {
        check_shares(20, &[(1, 0, 100)], &[(1, 1.0)]);
        check_shares(20, &[(1, 7, 100)], &[(1, 1.0)]);
    }

    #[test]
    fn another_share_holds_for_whoever_waits_already() {
        let mut queue = FairQueue::new(5);
        for _ in 0..10 {
            assert!(queue.push(who(1), 1, 100, 1).is_ok());
            assert!(queue.push(who(2), 0, 100, 2).is_ok());
        }
        queue.reserve(50);
        let first: Vec<_> = (0..8).filter_map(|_| queue.pop()).map(|q| q.item).collect();
        assert_eq!(first.iter().filter(|n| **n == 2).count(), 4, "{first:?}");
    }

    #[test]
    fn waiting_saves_nothing_up() {
        let mut queue = FairQueue::new(20);
        for _ in 0..1000 {
            assert!(queue.push(who(1), 1, 100, 1).is_ok());
            assert_eq!(queue.pop().map(|q| q.item), Some(1));
        }
        // Who comes late shares from now on, and is not served alone until they have caught up.
        for _ in 0..10 {
            assert!(queue.push(who(1), 1, 100, 1).is_ok());
            assert!(queue.push(who(2), 1, 100, 2).is_ok());
        }
        let first: Vec<_> = (0..6).filter_map(|_| queue.pop()).map(|q| q.item).collect();
        assert_eq!(first.iter().filter(|n| **n == 1).count(), 3, "{first:?}");
    }

    #[test]
    fn a_class_that_slept_saves_nothing_up_either() {
        for (early, late, at_most) in [(1, 0, 4), (0, 1, 16)] {
            let mut queue = FairQueue::new(20);
            for _ in 0..1000 {
                assert!(queue.push(who(1), early, 100, 1).is_ok());
                assert_eq!(queue.pop().map(|q| q.item), Some(1));
            }
            for _ in 0..16 {
                assert!(queue.push(who(1), early, 100, 1).is_ok());
                assert!(queue.push(who(2), late, 100, 2).is_ok());
            }
            let first: Vec<_> = (0..18).filter_map(|_| queue.pop()).map(|q| q.item).collect();
            let latecomer = first.iter().filter(|n| **n == 2).count();
            assert!((2..=at_most).contains(&latecomer), "{latecomer} of 18: {first:?}");
        }
    }

    #[test]
    fn the_queue_is_bounded_in_all_and_per_asker_and_forgets_who_left() {
        let mut queue = FairQueue::new(20);
        for _ in 0..MAX_QUEUED_PER_ASKER {
            assert!(queue.push(who(1), 1, 1, ()).is_ok());
        }
        assert!(queue.push(who(1), 1, 1, ()).is_err());
        for n in 0..MAX_QUEUED as u16 / 2 {
            assert!(queue.push(who(1000 + n), 0, u32::MAX, ()).is_ok());
        }
        assert!(
            queue.push(who(9), 0, 1, ()).is_err(),
            "newcomers fill their half only"
        );
        assert!(queue.push(who(9), 1, 1, ()).is_ok());
        queue.retain(|queued| queued.who == who(9));
        assert_eq!(queue.len(), 1);
        assert!(queue.push(who(1), 1, 1, ()).is_ok());
        assert_eq!(
            (
                queue.pop().is_some(),
                queue.pop().is_some(),
                queue.pop().is_none()
            ),
            (true, true, true)
        );
        assert!(queue.is_empty());
        assert!(queue.classes.iter().all(|class| class.askers.is_empty()));
    }
}
