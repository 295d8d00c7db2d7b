//! How many tests begin, and what they ask a world afterwards.
//! It shows nothing by itself: what must hold is said in the tests.

use node::io::{Event, FinishReason, RequestId};
use node::{RouteSheet, Snapshot};

use super::{Distance, NEAR, Speed, World};

impl World {
    /// One who asks, and after it whoever lends these layers of a model; the asker's number. Nothing has happened yet.
    pub fn of_lenders(speed: Speed, lent: &[(u32, u32)], layers: u32, distance: Distance) -> (World, usize) {
        let mut world = World::new(1);
        world.network.everywhere = Some(distance);
        let asker = world.host(speed);
        for (first, end) in lent {
            let worker = world.host(speed);
            world.lend(worker, *first, *end, layers);
        }
        (world, asker)
    }

    /// One who asks and one beside it who lends all layers: their numbers. Nothing has happened yet.
    pub fn of_two(speed: Speed, layers: u32) -> (World, usize, usize) {
        let (world, asker) = World::of_lenders(speed, &[(0, layers)], layers, NEAR);
        (world, asker, asker + 1)
    }

    /// What a host's screen shows. Panics where its tab is closed.
    pub fn snapshot(&self, host: usize) -> Snapshot {
        let node = self.hosts[host].node.as_ref();
        node.expect("the tab is open").snapshot()
    }

    /// What a host's user was told last. Panics where that is nothing.
    pub fn last(&self, host: usize) -> &Event {
        let (_, _, event) = self.hosts[host].events.last().expect("something was said");
        event
    }

    /// The same about one request.
    pub fn last_of(&self, host: usize, request: RequestId) -> &Event {
        let mut events = self.hosts[host].events.iter().rev();
        let (_, _, event) = events
            .find(|(_, of, _)| *of == request)
            .expect("something was said about it");
        event
    }

    /// The sheet of an answer that ended with its last token. Panics where it did not.
    pub fn sheet(&self, host: usize, request: RequestId) -> RouteSheet {
        match self.last_of(host, request) {
            Event::Finished {
                reason: FinishReason::Length,
                route,
            } => route.clone(),
            other => panic!("{other:?}"),
        }
    }
}
