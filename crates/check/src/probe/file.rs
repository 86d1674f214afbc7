//! `FILE_CHECK`: what the number in a tracked file means for a server.

use crate::config::FileWeight;

/// A product at or below this is down.
const DOWN: i64 = i32::MIN as i64;

/// What a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The server is down.
    Down,
    /// It is up, with so much more (or less) weight.
    Up(i64),
}

/// What a value means under a weight.
pub fn standing(value: i32, weight: FileWeight) -> Standing {
    if weight.factor == 0 {
        let down = (value != 0) != weight.reverse;
        return if down { Standing::Down } else { Standing::Up(0) };
    }
    let product = i64::from(value) * i64::from(weight.factor);
    let product = if weight.reverse { -product } else { product };
    if product <= DOWN {
        Standing::Down
    } else {
        Standing::Up(product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn weight(factor: i32, reverse: bool) -> FileWeight {
        FileWeight { factor, reverse }
    }

    #[test]
    fn without_a_factor_a_value_is_up_or_down() {
        assert_eq!(standing(0, weight(0, false)), Standing::Up(0));
        assert_eq!(standing(3, weight(0, false)), Standing::Down);
        assert_eq!(standing(0, weight(0, true)), Standing::Down);
        assert_eq!(standing(-1, weight(0, true)), Standing::Up(0));
    }

    #[test]
    fn a_factor_makes_a_weight_of_it_and_the_very_lowest_is_down() {
        assert_eq!(standing(3, weight(-4, false)), Standing::Up(-12));
        assert_eq!(standing(3, weight(-4, true)), Standing::Up(12));
        assert_eq!(standing(i32::MIN, weight(1, false)), Standing::Down);
        assert_eq!(standing(i32::MIN, weight(1, true)), Standing::Up(1 << 31));
        assert_eq!(
            standing(i32::MIN + 1, weight(1, false)),
            Standing::Up(i64::from(i32::MIN + 1))
        );
    }
}
