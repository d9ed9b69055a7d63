// Loaded before everything else, as the SDK's documentation says. The DSN comes from SENTRY_DSN.
const Sentry = require("@sentry/node");

Sentry.init({
  environment: "staging",
  initialScope: { tags: { service: "cart-web" } },
});
