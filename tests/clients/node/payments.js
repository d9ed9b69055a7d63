// Payments, of which none succeeds.

class PaymentFailed extends Error {
  name = "PaymentFailed";
}

class Gateway {
  ask(orderId) {
    throw new RangeError(`no answer from the payment gateway for order ${orderId}`);
  }
}

function charge(orderId) {
  try {
    new Gateway().ask(orderId);
  } catch (error) {
    throw new PaymentFailed(`order ${orderId} was not paid`, { cause: error });
  }
}

module.exports = { charge };
