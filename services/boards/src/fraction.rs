//! Scores: fractions of integers, compared exactly.

use std::cmp::Ordering;

/// Up to here every integer is a double: 2^53.
const DOUBLE_EXACT_MAX: u128 = 1 << f64::MANTISSA_DIGITS;

/// An integer fraction. The denominator is not 0.
#[derive(Clone, Copy, Debug)]
pub struct Fraction {
    numerator: i128,
    denominator: u128,
}

impl Fraction {
    /// The fraction; nothing where the denominator is 0.
    pub const fn new(numerator: i128, denominator: u128) -> Option<Self> {
        if denominator == 0 { None } else { Some(Self { numerator, denominator }) }
    }

    /// An integer.
    pub const fn integer(value: i128) -> Self {
        Self { numerator: value, denominator: 1 }
    }

    /// Whether it is 0.
    pub const fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// As a number for people: to within the precision of a double.
    pub fn to_number(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// Whether [`Fraction::to_number`] rounds once only: both its integers are doubles exactly.
    pub(crate) const fn is_quotient_of_doubles(self) -> bool {
        self.numerator.unsigned_abs() <= DOUBLE_EXACT_MAX && self.denominator <= DOUBLE_EXACT_MAX
    }

    /// The integer that it is; nothing where it has a fractional part.
    pub const fn to_integer(self) -> Option<i128> {
        if self.denominator == 1 { Some(self.numerator) } else { None }
    }

    /// How far `above` lies beyond it, as a number for people. Exact integers stay exact up to 2^53.
    pub fn distance_to(self, above: Fraction) -> f64 {
        match (above.to_integer(), self.to_integer()) {
            (Some(above), Some(own)) => above.saturating_sub(own) as f64,
            _ => above.to_number() - self.to_number(),
        }
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fraction {}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.denominator == other.denominator {
            return self.numerator.cmp(&other.numerator);
        }
        match (self.numerator < 0, other.numerator < 0) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => compare(self.parts(), other.parts()),
            (true, true) => compare(other.parts(), self.parts()),
        }
    }
}

impl Fraction {
    const fn parts(self) -> (u128, u128) {
        (self.numerator.unsigned_abs(), self.denominator)
    }
}

/// Compares two fractions that are not negative without multiplying, which 128 bits would not hold:
/// by their continued fractions, digit for digit.
const fn compare(left: (u128, u128), right: (u128, u128)) -> Ordering {
    let ((mut a, mut b), (mut c, mut d)) = (left, right);
    let mut is_turned = false;
    loop {
        let (left_whole, right_whole) = (a / b, c / d);
        let (left_rest, right_rest) = (a % b, c % d);
        let order = if left_whole != right_whole {
            if left_whole < right_whole { Ordering::Less } else { Ordering::Greater }
        } else if left_rest == 0 || right_rest == 0 {
            match (left_rest == 0, right_rest == 0) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Less,
                _ => Ordering::Greater,
            }
        } else {
            // a/b < c/d where b/rest > d/rest.
            (a, b, c, d) = (b, left_rest, d, right_rest);
            is_turned = !is_turned;
            continue;
        };
        return if is_turned { order.reverse() } else { order };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn small_fractions_compare_as_their_cross_products(
            a in -5_000_i128..5_000, b in 1_u128..5_000, c in -5_000_i128..5_000, d in 1_u128..5_000,
        ) {
            let (left, right) = (Fraction::new(a, b).expect("not 0"), Fraction::new(c, d).expect("not 0"));
            prop_assert_eq!(left.cmp(&right), (a * d as i128).cmp(&(c * b as i128)));
        }

        #[test]
        fn the_widest_fractions_compare_as_they_should(n in 1_i128..i128::MAX, d in 2_u128..u128::MAX) {
            let one = Fraction::new(n, d).expect("not 0");
            prop_assert_eq!(one.cmp(&one), Ordering::Equal);
            // A denominator one less makes it greater, one more smaller.
            prop_assert!(Fraction::new(n, d - 1).expect("not 0") > one);
            prop_assert!(Fraction::new(n, d + 1).expect("not 0") < one);
            prop_assert!(Fraction::new(-n, d - 1).expect("not 0") < Fraction::new(-n, d).expect("not 0"));
        }
    }

    #[test]
    fn equal_fractions_in_other_terms_are_equal() {
        assert_eq!(Fraction::new(2, 4), Fraction::new(1, 2));
        assert_eq!(Fraction::integer(3), Fraction::new(9, 3).expect("not 0"));
        assert_eq!(Fraction::new(1, 0), None);
    }
}
