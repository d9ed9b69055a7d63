"""Payments, of which none succeeds."""


class PaymentFailed(Exception):
    pass


class Gateway:
    def ask(self, order_id):
        raise TimeoutError(f"no answer from the payment gateway for order {order_id}")


def charge(order_id):
    try:
        Gateway().ask(order_id)
    except TimeoutError as error:
        raise PaymentFailed(f"order {order_id} was not paid") from error
