//! The choice of a route: offers, delays and a span of layers in, the cheapest stages out.
//! It knows no sessions and no time: what is slow, far or forbidden is told by the costs.

use std::collections::{BTreeMap, HashMap};

use protocol::{LayerRange, PeerId};

/// Exits of a boundary that are looked at before all of them are: more than a worker has links.
const SHORT_LIST: usize = 32;

/// A peer that would compute.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub peer: PeerId,
    /// Which layers.
    pub layers: LayerRange,
    /// All of them or none; else any contiguous part.
    pub whole: bool,
    /// One token through one layer.
    pub us_per_layer: u64,
    /// Decides between routes of the same cost: less is better.
    pub distrust: u32,
}

/// What is known of the ways between peers, in microseconds one way.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    /// From each peer to a common middle (the requester): the way between two peers that nobody
    /// measured is taken to lead over it.
    pub to_middle: BTreeMap<PeerId, u64>,
    /// For peers that are not in `to_middle`.
    pub unknown: u64,
    /// Measured between two peers, either order; `None`: they cannot connect.
    pub links: BTreeMap<(PeerId, PeerId), Option<u64>>,
}

/// One stage of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Who.
    pub peer: PeerId,
    /// Which layers.
    pub layers: LayerRange,
}

/// Time, then trust, then the number of stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Computing and travelling.
    pub us: u64,
    /// Summed over the stages.
    pub distrust: u32,
    /// Stages.
    pub stages: u32,
}

impl Delays {
    /// From one peer to another; `None`: not at all.
    pub fn between(&self, a: &PeerId, b: &PeerId) -> Option<u64> {
        if a == b {
            return Some(0);
        }
        let key = if a <= b {
            (a.clone(), b.clone())
        } else {
            (b.clone(), a.clone())
        };
        match self.links.get(&key) {
            Some(known) => *known,
            None => Some(self.half(a).saturating_add(self.half(b))),
        }
    }

    /// Notes a way; the slower of two reports counts, and that there is none counts most.
    pub fn set(&mut self, a: &PeerId, b: &PeerId, us: Option<u64>) {
        let key = if a <= b {
            (a.clone(), b.clone())
        } else {
            (b.clone(), a.clone())
        };
        let slower = match (self.links.get(&key), us) {
            (Some(None), _) | (_, None) => None,
            (Some(Some(old)), Some(new)) => Some(new.max(*old)),
            (None, Some(new)) => Some(new),
        };
        self.links.insert(key, slower);
    }

    fn half(&self, peer: &PeerId) -> u64 {
        self.to_middle.get(peer).copied().unwrap_or(self.unknown)
    }
}

impl Cost {
    fn plus(self, us: u64) -> Cost {
        Cost {
            us: self.us.saturating_add(us),
            ..self
        }
    }
}

/// The cheapest way for one token from `from` through all layers of `span` to `to`. The same peer
/// may serve two stages that do not touch. `None` where the offers leave a layer open.
pub fn route(
    candidates: &[Candidate],
    delays: &Delays,
    span: LayerRange,
    from: &PeerId,
    to: &PeerId,
) -> Option<(Vec<Leg>, Cost)> {
    let search = Search::new(candidates, delays, span, from);
    search.run(to)
}

/// How a candidate came to be at a boundary.
#[derive(Clone, Copy, Debug)]
struct Mark {
    cost: Cost,
    /// Where its stage began, and after whom (`None`: after `from`).
    begun: u32,
    after: Option<u32>,
}

struct Search<'a> {
    candidates: &'a [Candidate],
    delays: &'a Delays,
    span: LayerRange,
    from: &'a PeerId,
    /// For each candidate: the others to whom the way is known, and how far.
    links: Vec<Vec<(usize, Option<u64>)>>,
    half: Vec<u64>,
    /// For each boundary after the first, for each candidate: how it may hand over there.
    exits: Vec<Vec<Option<Mark>>>,
}

impl<'a> Search<'a> {
    fn new(
        candidates: &'a [Candidate],
        delays: &'a Delays,
        span: LayerRange,
        from: &'a PeerId,
    ) -> Search<'a> {
        let index: HashMap<&PeerId, usize> =
            candidates.iter().enumerate().map(|(i, c)| (&c.peer, i)).collect();
        let mut links = vec![Vec::new(); candidates.len()];
        for ((a, b), us) in &delays.links {
            if let (Some(a), Some(b)) = (index.get(a), index.get(b)) {
                links[*a].push((*b, *us));
                links[*b].push((*a, *us));
            }
        }
        let half = candidates.iter().map(|c| delays.half(&c.peer)).collect();
        let exits = vec![vec![None; candidates.len()]; boundaries(span)];
        Search {
            candidates,
            delays,
            span,
            from,
            links,
            half,
            exits,
        }
    }

    fn run(mut self, to: &PeerId) -> Option<(Vec<Leg>, Cost)> {
        let mut under_way: Vec<Option<Mark>> = vec![None; self.candidates.len()];
        for layer in self.span.first()..self.span.end() {
            let sorted = self.sorted_exits(layer);
            for (i, candidate) in self.candidates.iter().enumerate() {
                let covers = candidate.layers.first() <= layer && layer < candidate.layers.end();
                if !covers {
                    under_way[i] = None;
                    continue;
                }
                if candidate.whole {
                    let fits = candidate.layers.first() == layer && candidate.layers.end() <= self.span.end();
                    if let Some(mark) = fits.then(|| self.enter(i, layer, &sorted)).flatten() {
                        let layers = u64::from(candidate.layers.end() - layer);
                        let cost = mark.cost.plus(candidate.us_per_layer.saturating_mul(layers));
                        self.exit(i, candidate.layers.end(), Mark { cost, ..mark });
                    }
                    continue;
                }
                let entered = self.enter(i, layer, &sorted);
                let best = [under_way[i], entered]
                    .into_iter()
                    .flatten()
                    .min_by_key(|mark| mark.cost);
                under_way[i] = best.map(|mark| Mark {
                    cost: mark.cost.plus(candidate.us_per_layer),
                    ..mark
                });
                if let Some(mark) = under_way[i] {
                    self.exit(i, layer + 1, mark);
                }
            }
        }
        let last = self.exits.last()?;
        let arrive = |(i, mark): (usize, &Option<Mark>)| {
            let way = self.delays.between(&self.candidates[i].peer, to)?;
            Some((mark.as_ref()?.cost.plus(way), i))
        };
        let (cost, last) = last.iter().enumerate().filter_map(arrive).min()?;
        Some((self.legs(last), cost))
    }

    fn exit(&mut self, candidate: usize, boundary: u32, mark: Mark) {
        let at = (boundary - self.span.first()) as usize;
        let known = &mut self.exits[at][candidate];
        if known.is_none_or(|known| mark.cost < known.cost) {
            *known = Some(mark);
        }
    }

    /// Who hands over at a boundary, nearest to the middle first.
    fn sorted_exits(&self, boundary: u32) -> Vec<(Cost, usize)> {
        let at = (boundary - self.span.first()) as usize;
        let marks = self.exits[at].iter().enumerate();
        let mut exits: Vec<(Cost, usize)> = marks
            .filter_map(|(i, mark)| Some((mark.as_ref()?.cost.plus(self.half[i]), i)))
            .collect();
        if exits.len() > SHORT_LIST {
            exits.select_nth_unstable(SHORT_LIST);
            exits[..SHORT_LIST].sort_unstable();
        } else {
            exits.sort_unstable();
        }
        exits
    }

    /// The cheapest way into a candidate at a layer.
    fn enter(&self, i: usize, layer: u32, sorted: &[(Cost, usize)]) -> Option<Mark> {
        let candidate = &self.candidates[i];
        let stage = |cost: Cost| Cost {
            distrust: cost.distrust.saturating_add(candidate.distrust),
            stages: cost.stages + 1,
            ..cost
        };
        if layer == self.span.first() {
            let way = self.delays.between(self.from, &candidate.peer)?;
            let cost = stage(Cost::default().plus(way));
            return Some(Mark {
                cost,
                begun: layer,
                after: None,
            });
        }
        let links = &self.links[i];
        let unmeasured = |other: usize| other != i && !links.iter().any(|(known, _)| *known == other);
        let short = sorted.len().min(SHORT_LIST);
        let over_middle = sorted[..short]
            .iter()
            .find(|(_, other)| unmeasured(*other))
            .or_else(|| {
                sorted[short..]
                    .iter()
                    .filter(|(_, other)| unmeasured(*other))
                    .min()
            })
            .map(|(cost, other)| (cost.plus(self.half[i]), *other));
        let at = (layer - self.span.first()) as usize;
        let measured = links.iter().filter_map(|(other, us)| {
            let mark = self.exits[at][*other].as_ref()?;
            Some((mark.cost.plus((*us)?), *other))
        });
        let (cost, after) = measured.chain(over_middle).min()?;
        Some(Mark {
            cost: stage(cost),
            begun: layer,
            after: u32::try_from(after).ok(),
        })
    }

    fn legs(&self, last: usize) -> Vec<Leg> {
        let (mut legs, mut end, mut who) = (Vec::new(), self.span.end(), Some(last));
        while let Some(i) = who {
            let mark = self.exits[(end - self.span.first()) as usize][i];
            let layers = mark.and_then(|mark| LayerRange::new(mark.begun, end).ok());
            let (Some(mark), Some(layers)) = (mark, layers) else {
                break;
            };
            legs.push(Leg {
                peer: self.candidates[i].peer.clone(),
                layers,
            });
            (end, who) = (mark.begun, mark.after.map(|after| after as usize));
        }
        legs.reverse();
        legs
    }
}

fn boundaries(span: LayerRange) -> usize {
    (span.end() - span.first()) as usize + 1
}
