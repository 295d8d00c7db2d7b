//! A stage for tests: keys by number, a clock, and records signed by whoever is named.
//! It does not soften any rule.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use identity::{Authority, CoSigned, LocalKey, NodeId, SigningKey as _, Timestamp};

use crate::{
    Action, Genesis, Outcome, Parent, Record, Refusal, Registry, Role, Said, Standing, Statement, Terms,
};

pub(crate) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Each is made once: a test may ask for one ten thousand times, and making it takes longer than what it is for.
pub(crate) fn key(n: u8) -> LocalKey {
    static KEYS: [OnceLock<LocalKey>; 256] = [const { OnceLock::new() }; 256];
    KEYS[usize::from(n)]
        .get_or_init(|| LocalKey::es256(&[n; 32]).unwrap())
        .clone()
}

pub(crate) fn auth(n: u8) -> Authority {
    Authority::Key(key(n).public_key())
}

pub(crate) fn id(n: u8) -> NodeId {
    auth(n).id()
}

pub(crate) fn at(minutes: u64) -> Timestamp {
    START.plus(core::time::Duration::from_secs(60 * minutes))
}

pub(crate) fn genesis_record(owner: Authority, parent: Option<Parent>) -> Record {
    Record {
        swarm: None,
        sequence: 0,
        previous: None,
        author: owner.id(),
        issued_at: START,
        action: Action::Genesis(Genesis {
            name: "test".to_owned(),
            owner,
            parent,
            salt: [7; 16],
        }),
    }
}

pub(crate) fn sign(record: &Record, by: &[u8]) -> CoSigned<Record> {
    let keys: Vec<LocalKey> = by.iter().map(|&n| key(n)).collect();
    let keys: Vec<_> = keys.iter().map(|k| k as &dyn identity::SigningKey).collect();
    CoSigned::sign(record, &keys).unwrap()
}

pub(crate) fn grant(n: u8, role: Role) -> Action {
    Action::Grant {
        holder: auth(n),
        terms: Terms::plain(role),
    }
}

/// One registry and a clock that goes a minute further with each record.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) registry: Registry,
    pub(crate) minutes: u64,
}

impl Stage {
    /// Founded by key 1.
    pub(crate) fn new() -> Self {
        let registry = Registry::found(sign(&genesis_record(auth(1), None), &[1])).unwrap();
        Self { registry, minutes: 1 }
    }

    pub(crate) fn now(&self) -> Timestamp {
        at(self.minutes)
    }

    /// The next record by key `n`, signed.
    pub(crate) fn signed(&self, n: u8, action: Action) -> CoSigned<Record> {
        sign(&self.registry.next(id(n), self.now(), action), &[n])
    }

    /// Key `n` does something.
    pub(crate) fn act(&mut self, n: u8, action: Action) -> Result<Outcome, Refusal> {
        let signed = self.signed(n, action);
        let result = self.registry.apply(signed, self.now());
        assert_eq!(self.registry.state().broken_invariant(), None);
        self.minutes += 1;
        result
    }

    pub(crate) fn ok(&mut self, n: u8, action: Action) -> &mut Self {
        assert_eq!(
            self.act(n, action.clone()),
            Ok(Outcome::Extended),
            "{n}: {action:?}"
        );
        self
    }

    /// Key `by` gives key `n` a role, and `n` accepts it.
    pub(crate) fn seat(&mut self, by: u8, n: u8, role: Role) -> &mut Self {
        self.ok(by, grant(n, role));
        let offer = self.registry.head().hash;
        if role == Role::Worker {
            self.registry.hear(self.says(n, Said::Accept)).unwrap();
        } else {
            self.ok(n, Action::Accept { offer });
        }
        self
    }

    /// Key `n`'s word about the head's grant.
    pub(crate) fn says(&self, n: u8, said: Said) -> CoSigned<Statement> {
        let grant = self.registry.head().hash;
        let statement = Statement {
            swarm: self.registry.id(),
            grant,
            holder: auth(n),
            said,
        };
        CoSigned::sign(&statement, &[&key(n)]).unwrap()
    }

    pub(crate) fn standing(&self, n: u8) -> Standing {
        self.registry.standing(id(n), self.now())
    }

    pub(crate) fn role(&self, n: u8) -> Option<Role> {
        self.standing(n).role
    }
}
