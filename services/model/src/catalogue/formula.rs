//! Formulas: how a computed metric follows from stored ones; as values that can be compared, and as text
//! that people write.

use std::fmt;
use std::str::FromStr;

use super::{STORED, Stored, Unit, Value};
use crate::row::Values;

/// Longest formula as text, in characters.
pub const FORMULA_CHARS_MAX: usize = 300;
/// Highest constant factor.
const FACTOR_MAX: u64 = 1_000_000;

/// A set of stored metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns(u64);

const _: () = assert!(STORED <= u64::BITS as usize, "a set of columns is a word");

impl Columns {
    const fn of(stored: &[Stored]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < stored.len() {
            bits |= 1 << stored[index] as u32;
            index += 1;
        }
        Self(bits)
    }

    /// Adds one; false where it was there.
    const fn add(&mut self, stored: Stored) -> bool {
        let bit = 1 << stored as u32;
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn iter(self) -> impl Iterator<Item = Stored> {
        Stored::ALL.iter().copied().filter(move |stored| self.0 >> *stored as u32 & 1 == 1)
    }

    fn sum(self, values: &Values) -> i128 {
        let (mut rest, mut sum) = (self.0, 0);
        while rest != 0 {
            sum += i128::from(values[rest.trailing_zeros() as usize]);
            rest &= rest - 1;
        }
        sum
    }
}

/// How a computed metric follows from stored ones: a constant times a sum of some minus a sum of others,
/// divided by a third sum or by nothing.
///
/// As text: `gmv_fen-refund_fen`, `1000·gmv_fen/views`, `late_events/(events+late_events)`,
/// `max(deposits-balances, 0)`. `*` is understood for `·`, and blanks may stand anywhere between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formula {
    factor: u64,
    plus: Columns,
    minus: Columns,
    /// None in it: the formula is no quotient.
    divisor: Columns,
    /// What would be negative is 0.
    is_floored: bool,
}

impl Formula {
    /// `factor` · `numerator` / the sum of `divisor`.
    pub const fn ratio(factor: u64, numerator: Stored, divisor: &[Stored]) -> Self {
        let (plus, divisor) = (Columns::of(&[numerator]), Columns::of(divisor));
        Self { factor, plus, minus: Columns(0), divisor, is_floored: false }
    }

    /// The first minus the second; may be negative.
    pub const fn difference(first: Stored, second: Stored) -> Self {
        let (plus, minus) = (Columns::of(&[first]), Columns::of(&[second]));
        Self { factor: 1, plus, minus, divisor: Columns(0), is_floored: false }
    }

    /// The first minus the second, not below 0.
    pub const fn excess(first: Stored, second: Stored) -> Self {
        Self { is_floored: true, ..Self::difference(first, second) }
    }

    /// Whether it divides: its values are fractions, and undefined where the divisor is 0.
    pub const fn is_quotient(&self) -> bool {
        !self.divisor.is_empty()
    }

    /// Whether its value for several rows is the sum of its values for each, as far as its inputs add up.
    pub const fn adds_up(&self) -> bool {
        !self.is_quotient() && !self.is_floored
    }

    /// The stored metrics it needs, in the order of the catalogue.
    pub fn inputs(&self) -> impl Iterator<Item = Stored> {
        Columns(self.plus.0 | self.minus.0 | self.divisor.0).iter()
    }

    /// Whether it has values per bucket of time, not only of totals.
    pub fn has_trend(&self) -> bool {
        self.inputs().all(Stored::has_trend)
    }

    /// The unit of its values.
    ///
    /// # Errors
    ///
    /// Which stored metrics can't be added up, since they are of different units.
    pub fn unit(&self) -> Result<Unit, String> {
        let numerator = one_unit(Columns(self.plus.0 | self.minus.0))?;
        match one_unit(self.divisor)? {
            None => Ok(numerator.unwrap_or(Unit::Count)),
            Some(divisor) => Ok(match numerator {
                // Money or time per something else is money or time.
                Some(unit @ (Unit::Fen | Unit::Milliseconds)) if unit != divisor => unit,
                _ => Unit::Ratio,
            }),
        }
    }

    /// Its value.
    pub fn value(&self, values: &Values) -> Value {
        let sum = i128::from(self.factor) * (self.plus.sum(values) - self.minus.sum(values));
        if self.is_quotient() {
            return match self.divisor.sum(values) {
                0 => Value::Null,
                divisor => Value::Fraction(sum as f64 / divisor as f64),
            };
        }
        Value::Integer(if self.is_floored { sum.max(0) } else { sum })
    }
}

/// The unit that some metrics share; none of none.
fn one_unit(columns: Columns) -> Result<Option<Unit>, String> {
    let mut stored = columns.iter();
    let Some(first) = stored.next() else { return Ok(None) };
    match stored.find(|other| other.unit() != first.unit()) {
        None => Ok(Some(first.unit())),
        Some(other) => Err(format!(
            "{} ({}) and {} ({}) can't be added up",
            first.id(),
            first.unit().name(),
            other.id(),
            other.unit().name()
        )),
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |plus: Columns, minus: Columns, is_alone: bool| {
            let plus: Vec<_> = plus.iter().map(Stored::id).collect();
            let minus: String = minus.iter().map(|stored| format!("-{}", stored.id())).collect();
            let is_one = plus.len() == 1 && minus.is_empty();
            let sum = format!("{}{minus}", plus.join("+"));
            if is_one || is_alone { sum } else { format!("({sum})") }
        };
        let has_factor = self.factor != 1;
        let numerator = sum(self.plus, self.minus, !has_factor && !self.is_quotient());
        let numerator = if has_factor { format!("{}·{numerator}", self.factor) } else { numerator };
        match (self.is_floored, self.is_quotient()) {
            (true, _) => write!(formatter, "max({numerator}, 0)"),
            (false, true) => write!(formatter, "{numerator}/{}", sum(self.divisor, Columns(0), false)),
            (false, false) => formatter.write_str(&numerator),
        }
    }
}

impl FromStr for Formula {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.chars().count() > FORMULA_CHARS_MAX {
            return Err(format!("a formula has at most {FORMULA_CHARS_MAX} characters"));
        }
        let text: String = text.chars().filter(|char| !char.is_whitespace()).collect();
        let inner = text.strip_prefix("max(").and_then(|rest| rest.strip_suffix(",0)"));
        let is_floored = inner.is_some();
        let text = inner.unwrap_or(&text);
        let (numerator, divisor) = match text.split_once('/') {
            Some(_) if is_floored => {
                return Err("a quotient is never below 0 by itself: leave out max".to_owned());
            }
            Some((numerator, divisor)) => (numerator, Some(divisor)),
            None => (text, None),
        };
        let (factor, numerator) = match numerator.split_once(['·', '*']) {
            Some((factor, rest)) => (read_factor(factor)?, rest),
            None => (1, numerator),
        };
        let (plus, minus) = read_sum(numerator)?;
        if plus.is_empty() {
            return Err("a formula begins with what is counted, not with what is taken off".to_owned());
        }
        let divisor = divisor.map(read_sum).transpose()?;
        if divisor.is_some_and(|(_, minus)| !minus.is_empty()) {
            return Err("a divisor is a sum: nothing is taken off it".to_owned());
        }
        let divisor = divisor.unwrap_or_default().0;
        Ok(Self { factor, plus, minus, divisor, is_floored })
    }
}

fn read_factor(text: &str) -> Result<u64, String> {
    let factor = text.parse().ok().filter(|factor| (1..=FACTOR_MAX).contains(factor));
    factor.ok_or_else(|| format!("`{text}` is no factor: whole, from 1 to {FACTOR_MAX}"))
}

/// What is added, and what is taken off.
fn read_sum(text: &str) -> Result<(Columns, Columns), String> {
    let text = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    let (mut plus, mut minus) = (Columns::default(), Columns::default());
    let (mut is_added, mut rest) = (true, text);
    loop {
        let end = rest.find(['+', '-']).unwrap_or(rest.len());
        let (id, after) = rest.split_at(end);
        let stored = Stored::from_id(id).ok_or_else(|| {
            format!("`{id}` is no stored metric: formulas are of those, with + - / and a factor")
        })?;
        let is_new = !plus.iter().chain(minus.iter()).any(|known| known == stored);
        let columns = if is_added { &mut plus } else { &mut minus };
        if !columns.add(stored) || !is_new {
            return Err(format!("`{id}` stands in one sum twice"));
        }
        let mut signs = after.chars();
        match signs.next() {
            None => return Ok((plus, minus)),
            Some(sign) => (is_added, rest) = (sign == '+', signs.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::COMPUTED;
    use super::*;

    #[test]
    fn what_is_declared_is_read_as_it_is_written() {
        for computed in COMPUTED {
            let text = computed.formula.to_string();
            assert_eq!(text.parse(), Ok(computed.formula), "{text}");
            assert_eq!(computed.formula.unit(), Ok(computed.unit), "{text}");
        }
    }

    #[test]
    fn formulas_have_one_form() {
        let same = [
            (" 1000 * gmv_fen / views ", "1000·gmv_fen/views"),
            ("gmv_fen-refund_fen", "gmv_fen-refund_fen"),
            ("(gmv_fen - refund_fen)/ buyers", "(gmv_fen-refund_fen)/buyers"),
            ("gmv_fen-refund_fen/buyers", "(gmv_fen-refund_fen)/buyers"),
            ("(buyers)/(viewers)", "buyers/viewers"),
            ("balance_fen+deposit_fen+gmv_fen", "gmv_fen+deposit_fen+balance_fen"),
            ("2·(likes+shares)", "2·(likes+shares)"),
            ("max( deposits - balances , 0 )", "max(deposits-balances, 0)"),
            ("likes/(shares+comments)", "likes/(comments+shares)"),
        ];
        for (text, expected) in same {
            let formula: Formula = text.parse().expect(text);
            assert_eq!(formula.to_string(), expected);
            assert_eq!(expected.parse(), Ok(formula));
        }
    }

    #[test]
    fn what_is_no_formula_is_refused_with_a_reason() {
        let refused = [
            ("", "`` is no stored metric"),
            ("aov_fen", "`aov_fen` is no stored metric"),
            ("gmv_fen/", "`` is no stored metric"),
            ("gmv_fen//orders", "`/orders` is no stored metric"),
            ("gmv_fen/orders/2", "`orders/2` is no stored metric"),
            ("-refund_fen", "`` is no stored metric"),
            ("gmv_fen+gmv_fen", "twice"),
            ("gmv_fen-gmv_fen", "twice"),
            ("gmv_fen/(orders-refunds)", "a divisor is a sum"),
            ("max(gmv_fen/orders, 0)", "leave out max"),
            ("0·gmv_fen", "`0` is no factor"),
            ("1.5·gmv_fen", "`1.5` is no factor"),
            ("1000001*gmv_fen", "is no factor"),
        ];
        for (text, reason) in refused {
            let error = text.parse::<Formula>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!("views+".repeat(100).parse::<Formula>().expect_err("long").contains("300 characters"));
        let mixed: Formula = "gmv_fen+orders".parse().expect("a formula");
        assert_eq!(mixed.unit(), Err("orders (count) and gmv_fen (fen) can't be added up".to_owned()));
    }

    #[test]
    fn units_follow() {
        let unit = |text: &str| text.parse::<Formula>().expect(text).unit();
        assert_eq!(unit("(gmv_fen-refund_fen)/buyers"), Ok(Unit::Fen));
        assert_eq!(unit("refund_fen/gmv_fen"), Ok(Unit::Ratio));
        assert_eq!(unit("watch_ms/views"), Ok(Unit::Milliseconds));
        assert_eq!(unit("buyers/views"), Ok(Unit::Ratio));
        assert_eq!(unit("likes+shares"), Ok(Unit::Count));
    }

    #[test]
    fn values_are_exact() {
        let mut values = [0; STORED];
        values[Stored::GmvFen as usize] = 10;
        values[Stored::RefundFen as usize] = 25;
        values[Stored::Orders as usize] = 4;
        let value = |text: &str| text.parse::<Formula>().expect(text).value(&values);
        assert_eq!(value("gmv_fen-refund_fen"), Value::Integer(-15));
        assert_eq!(value("3·(gmv_fen-refund_fen)"), Value::Integer(-45));
        assert_eq!(value("max(gmv_fen-refund_fen, 0)"), Value::Integer(0));
        assert_eq!(value("(gmv_fen-refund_fen)/orders"), Value::Fraction(-3.75));
        assert_eq!(value("gmv_fen/views"), Value::Null);
    }
}
