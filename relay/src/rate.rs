//! A token bucket per key, in a table of bounded size.
//! It has no clock: the caller says what time it is.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Keys remembered at once. A full table first forgets the keys whose bucket is full again, then
/// refuses new ones: an attacker with many addresses must not get memory or a fresh start.
const MAX_KEYS: usize = 65_536;

/// Buckets that hold `burst` tokens and gain `per_s` tokens a second.
pub struct Buckets<K> {
    per_s: f64,
    burst: f64,
    keys: HashMap<K, Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets for `per_s` events a second and `burst` at once.
    pub fn new(per_s: f64, burst: u64) -> Self {
        Buckets {
            per_s,
            burst: burst as f64,
            keys: HashMap::new(),
        }
    }

    /// Takes one token of `key`, or answers `false` when there is none.
    pub fn allow(&mut self, key: K, now: Instant) -> bool {
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&key) {
            self.forget_full(now);
            if self.keys.len() >= MAX_KEYS {
                return false;
            }
        }
        let (per_s, burst) = (self.per_s, self.burst);
        let bucket = self.keys.entry(key).or_insert(Bucket {
            tokens: burst,
            at: now,
        });
        bucket.tokens = refilled(bucket, now, per_s, burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn forget_full(&mut self, now: Instant) {
        let (per_s, burst) = (self.per_s, self.burst);
        self.keys
            .retain(|_, bucket| refilled(bucket, now, per_s, burst) < burst);
    }
}

fn refilled(bucket: &Bucket, now: Instant, per_s: f64, burst: f64) -> f64 {
    let elapsed: Duration = now.saturating_duration_since(bucket.at);
    (bucket.tokens + elapsed.as_secs_f64() * per_s).min(burst)
}

/// The network a client counts as: its /24 or /48. IPv4 inside IPv6 counts as IPv4.
pub fn subnet(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut buckets = Buckets::new(2.0, 3);
        let start = Instant::now();
        let passed = (0..10).filter(|_| buckets.allow("a", start)).count();
        assert_eq!(passed, 3);
        assert!(buckets.allow("b", start), "another key is another bucket");
        let later = start + Duration::from_secs(1);
        let passed = (0..10).filter(|_| buckets.allow("a", later)).count();
        assert_eq!(passed, 2);
    }

    #[test]
    fn a_full_table_refuses_new_keys_until_old_ones_have_recovered() {
        let mut buckets = Buckets::new(1.0, 1);
        let start = Instant::now();
        for key in 0..MAX_KEYS {
            assert!(buckets.allow(key, start));
        }
        assert!(!buckets.allow(MAX_KEYS, start));
        assert!(buckets.allow(MAX_KEYS, start + Duration::from_secs(2)));
        assert_eq!(buckets.keys.len(), 1);
    }

    #[test]
    fn neighbours_share_a_subnet_and_mapped_addresses_are_unmapped() {
        let check = |ip: &str, expect: &str| {
            let (Ok(ip), Ok(expect)) = (ip.parse::<IpAddr>(), expect.parse::<IpAddr>()) else {
                panic!("not an address: {ip} or {expect}");
            };
            assert_eq!(subnet(ip), expect);
        };
        check("203.0.113.77", "203.0.113.0");
        check("::ffff:203.0.113.77", "203.0.113.0");
        check("2001:db8:1:2:3::4", "2001:db8:1::");
    }
}
