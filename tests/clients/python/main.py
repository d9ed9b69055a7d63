"""A small service as teams run it: Flask, with sentry-sdk set up from the environment, as its documentation says."""

import os

import sentry_sdk
from flask import Flask
from werkzeug.serving import make_server

from orders import payments

# The DSN comes from SENTRY_DSN. Brotli is what the SDK chooses by itself where it finds it.
compression = os.environ.get("COMPRESSION")
sentry_sdk.init(
    release="order-api@1.4.2",
    environment="staging",
    _experiments={"transport_compression_algo": compression} if compression else {},
)

app = Flask("order-api")


@app.post("/orders/<order_id>/pay")
def pay(order_id):
    payments.charge(order_id)
    return "", 204


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
