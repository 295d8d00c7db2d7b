//! The roles of a swarm and who stands above whom.
//! It does not know who holds which.

use minicbor::{Decode, Encode};

/// Owner ⊃ Admin ⊃ Coordinator; a Worker lends a device and rules over nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Lends a device.
    #[n(0)]
    Worker,
    /// Invites and removes Workers.
    #[n(1)]
    Coordinator,
    /// Also Coordinators; signs model manifests.
    #[n(2)]
    Admin,
    /// Everything, other Owners included.
    #[n(3)]
    Owner,
}

impl Role {
    /// In lower case, as links and screens carry it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Coordinator => "coordinator",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of that word, in whatever case.
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Worker, Self::Coordinator, Self::Admin, Self::Owner];
        all.into_iter()
            .find(|role| role.word().eq_ignore_ascii_case(word))
    }

    /// Whether a holder of this role may give, change or take `other`. Strictly downwards, except for Owners: so
    /// nobody can make an equal that outlives them, and nobody can raise themselves through a friend.
    pub fn rules(self, other: Self) -> bool {
        self == Self::Owner || self > other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_by_its_word() {
        for role in [Role::Worker, Role::Coordinator, Role::Admin, Role::Owner] {
            assert_eq!(Role::of_word(role.word()), Some(role));
        }
        assert_eq!(Role::of_word("Worker"), Some(Role::Worker));
        assert_eq!(Role::of_word("work"), None);
    }

    #[test]
    fn only_owners_rule_their_equals() {
        use Role::*;
        let all = [Worker, Coordinator, Admin, Owner];
        for (i, role) in all.into_iter().enumerate() {
            for (j, other) in all.into_iter().enumerate() {
                assert_eq!(
                    role.rules(other),
                    i > j || role == Owner,
                    "{role:?} over {other:?}"
                );
            }
        }
    }
}
