// A small service as teams run it: Express, with @sentry/node as its documentation says.
require("./instrument.js");

const Sentry = require("@sentry/node");
const express = require("express");
const payments = require("./payments.js");

const app = express();

app.post("/orders/:id/pay", (request, response) => {
  payments.charge(request.params.id);
  response.sendStatus(204);
});

Sentry.setupExpressErrorHandler(app);

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
