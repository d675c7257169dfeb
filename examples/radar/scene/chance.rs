//! What chance decides.

use std::ops::Range;

use fastrand::Rng;

/// True once in so many times.
pub fn one_in(times: u32, random: &mut Rng) -> bool {
    random.u32(..times) == 0
}

/// Any number in the range, each as likely as the others.
pub fn between(range: Range<f64>, random: &mut Rng) -> f64 {
    range.start + (range.end - range.start) * random.f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_keeps_to_its_bounds() {
        let mut random = Rng::with_seed(1);
        let hits = (0..10_000).filter(|_| one_in(40, &mut random)).count();
        assert!((150..350).contains(&hits), "{hits}");
        let numbers: Vec<_> = (0..10_000).map(|_| between(-3.0..5.0, &mut random)).collect();
        assert!(numbers.iter().all(|number| (-3.0..5.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < -2.9) && numbers.iter().any(|number| *number > 4.9));
    }
}
