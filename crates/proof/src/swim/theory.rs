//! What the paper proves of SWIM: sections 3.1 and 4.1.

use std::f64::consts::E;

/// The chance that a given member is pinged by somebody in one protocol period, when each of `members` picks one of all, itself
/// included, and a share `healthy` of them works (3.1).
#[must_use]
pub fn pinged_in_a_period(members: f64, healthy: f64) -> f64 {
    1.0 - (1.0 - healthy / members).powf(members - 1.0)
}

/// The expected time until a failed member is first detected, in protocol periods (3.1). For many members all of whom work:
/// e/(e−1).
#[must_use]
pub fn first_detection(members: f64, healthy: f64) -> f64 {
    1.0 / pinged_in_a_period(members, healthy)
}

/// How often a given healthy member is detected as failed in one expected detection time, where a packet arrives in time with
/// probability `arrives`, and `helpers` members are asked to ping in turn (3.1).
///
/// The paper's PM(T) is a probability for the time T in which a failure is detected, which is e/(e−1) periods and not one, and
/// is linear in its small terms: so for large values it is an expected number.
#[must_use]
pub fn false_detections(healthy: f64, arrives: f64, helpers: u32) -> f64 {
    let direct = 1.0 - arrives.powi(2);
    let indirect = 1.0 - healthy * arrives.powi(4);
    healthy * direct * indirect.powi(helpers.cast_signed()) * detection_time(healthy)
}

/// The expected detection time among very many members, in protocol periods: e^q/(e^q−1).
#[must_use]
pub fn detection_time(healthy: f64) -> f64 {
    E.powf(healthy) / (E.powf(healthy) - 1.0)
}

/// How many of `members` have heard after `periods`, when one had at first (4.1).
#[must_use]
pub fn infected(members: f64, periods: f64) -> f64 {
    members / (1.0 + (members - 1.0) * (-(2.0 - 1.0 / members) * periods).exp())
}

/// How many of `members` have heard when each piece of news is passed on for λ·ln n periods (4.1).
#[must_use]
pub fn reached(members: f64, lambda: f64) -> f64 {
    members - members.powf(-((2.0 - 1.0 / members) * lambda - 2.0))
}

/// The expected time until `count` of `members` have heard, in periods, when each member meets a random other once in a
/// period, at random moments, and either hears from the other: the stochastic epidemic of which 4.1 takes the mean (Bailey
/// 1975).
///
/// While j have heard, the next does after (n−1)/(2 j (n−j)) periods on average.
#[must_use]
pub fn until_infected(count: u32, members: u32) -> f64 {
    let n = f64::from(members);
    (1..count).map(f64::from).map(|j| (n - 1.0) / (2.0 * j * (n - j))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, wanted: f64, share: f64) -> bool {
        (got - wanted).abs() <= share * wanted
    }

    #[test]
    fn first_detection_approaches_its_limit() {
        for (members, wanted) in
            [(8.0, 1.6466), (16.0, 1.6124), (32.0, 1.5968), (128.0, 1.5856), (1000.0, 1.5824), (1e6, 1.5820)]
        {
            assert!(close(first_detection(members, 1.0), wanted, 1e-4), "{members}");
        }
        assert!(close(detection_time(1.0), E / (E - 1.0), 1e-12));
    }

    #[test]
    fn false_detections_are_those_of_the_table() {
        for (loss, helpers, wanted) in [
            (0.01, 0, 3.15e-2),
            (0.01, 3, 1.93e-6),
            (0.02, 5, 1.77e-7),
            (0.05, 2, 5.31e-3),
            (0.1, 1, 1.03e-1),
            (0.2, 4, 6.92e-2),
            (0.3, 0, 8.07e-1),
            (0.3, 5, 2.04e-1),
        ] {
            assert!(close(false_detections(1.0, 1.0 - loss, helpers), wanted, 5e-3), "{loss} {helpers}");
        }
    }

    #[test]
    fn an_epidemic_takes_the_logarithm() {
        let n = 1000.0_f64;
        assert!(close(infected(n, n.ln() / 2.0), n / 2.0, 0.01));
        assert!(close(reached(n, 1.0), n - 1.0, 0.001));
        assert!(close(until_infected(1000, 1000), n.ln() + 0.5772, 0.002));
    }
}
