//! Conditions: a name, an operator, and a name, a number or a text in quotes.

use std::cmp::Ordering;

use super::names::Source;
use crate::table::Value;

/// Compares two values.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) left: Operand,
    pub(super) operator: Operator,
    pub(super) right: Operand,
}

#[derive(Debug, Clone)]
pub(super) enum Operand {
    Name(Source),
    Literal(Value<'static>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// Splits `left OPERATOR right`. `None` if there is no operator with something on both sides.
    pub(super) fn split(text: &str) -> Option<(&str, Self, &str)> {
        let position = text.find(['=', '!', '<', '>'])?;
        let (left, rest) = text.split_at(position);
        let (_, operator, right) = [
            ("==", Self::Equal),
            ("!=", Self::NotEqual),
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            ("<", Self::Less),
            (">", Self::Greater),
        ]
        .into_iter()
        .find_map(|(symbol, operator)| Some((symbol, operator, rest.strip_prefix(symbol)?)))?;
        let (left, right) = (left.trim(), right.trim());
        (!left.is_empty() && !right.is_empty()).then_some((left, operator, right))
    }
}

impl Condition {
    /// The values that it needs.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        [&self.left, &self.right].into_iter().filter_map(|operand| match operand {
            Operand::Name(source) => Some(*source),
            Operand::Literal(_) => None,
        })
    }

    /// Whether it holds. `None` if one of the values is not there.
    pub(super) fn holds<'v>(&'v self, get: impl Fn(Source) -> &'v Value<'v>) -> Option<bool> {
        let value = |operand: &'v Operand| match operand {
            Operand::Name(source) => get(*source),
            Operand::Literal(literal) => literal,
        };
        let order = compare(value(&self.left), value(&self.right))?;
        Some(match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        })
    }
}

/// The order of two values of the same type. `None` if one is not there.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        // There is no NaN, and -0 is 0.
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// An order of all values of the same type: what is not there comes first.
pub(super) fn order(left: &Value, right: &Value) -> Ordering {
    let is_there = |value: &Value| *value != Value::Null;
    compare(left, right).unwrap_or_else(|| is_there(left).cmp(&is_there(right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_has_an_operator_between_two_operands() {
        assert_eq!(Operator::split("a <= b"), Some(("a", Operator::LessOrEqual, "b")));
        assert_eq!(Operator::split("a=='x < y'"), Some(("a", Operator::Equal, "'x < y'")));
        for none in ["a", "a =", "== b", "a = b", ""] {
            assert_eq!(Operator::split(none), None, "{none}");
        }
    }
}
