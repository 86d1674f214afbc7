//! Rules that must hold in every scenario, judged from the adverts that were seen. Pure: a list in, a verdict out.
//!
//! A router is known to be master from one advert to the next. So two routers were masters at once for as long as the
//! spans overlap in which each of them kept advertising; a last advert that crosses another's first is no overlap.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// An advert as the oracle needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When it was sent.
    pub at: Duration,
    /// By whom.
    pub host: String,
    /// Zero: the sender resigned.
    pub priority: u8,
}

/// A stretch of time in which a router kept claiming to be master: first and last advert of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first advert.
    pub from: Duration,
    /// The last advert.
    pub to: Duration,
    /// Whose.
    pub host: String,
}

/// Two masters at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoMasters {
    /// One.
    pub one: String,
    /// The other.
    pub other: String,
    /// From when.
    pub from: Duration,
    /// Until when.
    pub to: Duration,
}

impl fmt::Display for TwoMasters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.as_secs_f64(), self.to.as_secs_f64());
        write!(
            f,
            "{} and {} were masters at once from {from:.3} s to {to:.3} s",
            self.one, self.other
        )
    }
}

/// The stretches in which each router kept claiming; adverts further apart than `gap` belong to different ones.
pub fn spans(claims: &[Claim], gap: Duration) -> Vec<Span> {
    let mut done = Vec::new();
    let mut open: BTreeMap<&str, Span> = BTreeMap::new();
    for claim in claims {
        let span = open.remove(claim.host.as_str());
        let continued = span.filter(|span| {
            let continues = claim.priority > 0 && claim.at.saturating_sub(span.to) <= gap;
            if !continues {
                done.push(span.clone());
            }
            continues
        });
        if claim.priority > 0 {
            let from = continued.map_or(claim.at, |span| span.from);
            open.insert(
                &claim.host,
                Span {
                    from,
                    to: claim.at,
                    host: claim.host.clone(),
                },
            );
        }
    }
    done.extend(open.into_values());
    done
}

/// Where two routers were masters at once for longer than `limit` inside the quiet times.
///
/// `disturbed` lists times in which the segment was partitioned or lossy, when two masters are nobody's fault.
pub fn two_masters(spans: &[Span], limit: Duration, disturbed: &[(Duration, Duration)]) -> Vec<TwoMasters> {
    let mut found = Vec::new();
    for (nth, one) in spans.iter().enumerate() {
        for other in spans.iter().skip(nth + 1).filter(|other| other.host != one.host) {
            let (from, to) = (one.from.max(other.from), one.to.min(other.to));
            if from >= to {
                continue;
            }
            for (from, to) in quiet(from, to, disturbed) {
                if to - from > limit {
                    found.push(TwoMasters {
                        one: one.host.clone(),
                        other: other.host.clone(),
                        from,
                        to,
                    });
                }
            }
        }
    }
    found
}

/// The longest time without an advert inside one stretch of mastership of `host`, and when it began.
pub fn longest_gap(claims: &[Claim], host: &str) -> Option<(Duration, Duration)> {
    let at: Vec<Duration> = claims
        .iter()
        .filter(|claim| claim.host == host)
        .map(|claim| claim.at)
        .collect();
    at.iter()
        .zip(at.iter().skip(1))
        .map(|(a, b)| (b.saturating_sub(*a), *a))
        .max()
}

/// What is left of a stretch when the disturbed times are cut out.
fn quiet(from: Duration, to: Duration, disturbed: &[(Duration, Duration)]) -> Vec<(Duration, Duration)> {
    let mut left = vec![(from, to)];
    for (begin, end) in disturbed {
        left = left
            .into_iter()
            .flat_map(|(from, to)| [(from, to.min(*begin)), (from.max(*end), to)])
            .filter(|(from, to)| from < to)
            .collect();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_routers_that_advertise_side_by_side_are_two_masters() {
        let claims = [
            claim(1, "a", 9),
            claim(2, "b", 9),
            claim(3, "a", 9),
            claim(4, "b", 9),
            claim(5, "a", 9),
        ];
        let found = two_masters(&spans(&claims, secs(2)), secs(1), &[]);
        let expected = TwoMasters {
            one: "a".into(),
            other: "b".into(),
            from: secs(2),
            to: secs(4),
        };
        assert_eq!(found, [expected]);
        assert_eq!(two_masters(&spans(&claims, secs(2)), secs(2), &[]), []);
    }

    #[test]
    fn a_take_over_after_silence_is_one_master_at_a_time() {
        let claims = [
            claim(1, "a", 9),
            claim(2, "a", 9),
            claim(6, "b", 9),
            claim(7, "b", 9),
            claim(8, "a", 9),
        ];
        assert_eq!(two_masters(&spans(&claims, secs(2)), Duration::ZERO, &[]), []);
    }

    #[test]
    fn a_router_that_resigned_is_no_master_until_it_claims_again() {
        let claims = [claim(1, "a", 9), claim(2, "a", 0), claim(3, "a", 9)];
        let expected = [(1, 1), (3, 3)].map(|(from, to)| Span {
            from: secs(from),
            to: secs(to),
            host: "a".into(),
        });
        assert_eq!(spans(&claims, secs(2)), expected);
    }

    #[test]
    fn two_masters_during_a_partition_are_nobodys_fault_but_after_it_they_are() {
        let claims: Vec<Claim> = (1..20).flat_map(|at| [claim(at, "a", 9), claim(at, "b", 9)]).collect();
        let spans = spans(&claims, secs(2));
        assert_eq!(two_masters(&spans, secs(2), &[(secs(0), secs(18))]), []);
        let found = two_masters(&spans, secs(2), &[(secs(0), secs(10))]);
        assert_eq!(
            found.iter().map(|two| (two.from, two.to)).collect::<Vec<_>>(),
            [(secs(10), secs(19))]
        );
    }

    #[test]
    fn the_longest_gap_is_found_with_its_place() {
        let claims = [
            claim(1, "a", 9),
            claim(2, "b", 9),
            claim(3, "a", 9),
            claim(7, "a", 9),
            claim(8, "a", 9),
        ];
        assert_eq!(longest_gap(&claims, "a"), Some((secs(4), secs(3))));
        assert_eq!(longest_gap(&claims, "b"), None);
    }

    fn claim(at: u64, host: &str, priority: u8) -> Claim {
        Claim {
            at: secs(at),
            host: host.into(),
            priority,
        }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }
}
