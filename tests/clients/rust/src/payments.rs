//! Payments, of which none succeeds.

use std::error::Error;
use std::fmt;

#[derive(Debug)]
pub struct PaymentFailed {
    order: String,
    cause: GatewayTimeout,
}

#[derive(Debug)]
pub struct GatewayTimeout {
    order: String,
}

impl fmt::Display for PaymentFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} was not paid", self.order)
    }
}

impl fmt::Display for GatewayTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from the payment gateway for order {}", self.order)
    }
}

impl Error for PaymentFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl Error for GatewayTimeout {}

/// Panics.
pub fn charge(order: &str) {
    Gateway.ask(order);
}

/// Fails with a cause.
pub fn refund(order: &str) -> Result<(), PaymentFailed> {
    Err(PaymentFailed { order: order.to_owned(), cause: GatewayTimeout { order: order.to_owned() } })
}

struct Gateway;

impl Gateway {
    fn ask(&self, order: &str) {
        panic!("no answer from the payment gateway for order {order}");
    }
}
