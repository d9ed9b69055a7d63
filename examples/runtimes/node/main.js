// Throws every error once and prints each as an event; the second run in another order, from another bundle.
import { inspect } from "node:util";

const run = process.argv[2];
const start = run === "1" ? 10_000 : 900_000;
const shop = await import("./shop.js");

const name = (site) =>
  (site.isAsync() ? "async " : "") +
  (site.getMethodName() ? `${site.getTypeName()}.` : "") +
  (site.getFunctionName() ?? "<anonymous>");

/** Frames as an error tracker's client takes them from V8. The innermost first. */
function structured(body) {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (error, sites) =>
    sites.map((site) => ({
      function: name(site),
      file: (site.getFileName() ?? site.getEvalOrigin() ?? "<anonymous>").replace(/^file:\/\//, ""),
      line: site.getLineNumber() ?? undefined,
    }));
  return Promise.resolve()
    .then(body)
    .then(
      () => undefined,
      (error) => ({ error, frames: error.stack }),
    )
    .finally(() => (Error.prepareStackTrace = before));
}

async function emit([name, body, how]) {
  const event = { category: "Runtime", module: "shop", environment: "prod" };
  let caught;
  if (how === "frames") {
    const thrown = await structured(body);
    caught = thrown?.error;
    if (caught) {
      event.exception = { type: caught.name, value: caught.message, frames: thrown.frames };
    }
  } else {
    caught = await Promise.resolve().then(body).catch((error) => error);
    if (how === "first-line") {
      event.location = caught.stack.split("\n").find((line) => line.startsWith("    at ")).trim();
    } else {
      event.stacktrace = how === "inspected" ? inspect(caught) : caught.stack;
    }
  }
  if (!(caught instanceof Error)) {
    throw new Error(`${name} did not fail`);
  }
  event.detail = caught.message;
  console.log(JSON.stringify({ id: `${name}/${run}`, event }));
}

const order = new shop.Order(start + 1);
const errors = [
  ["private-method", () => order.pay("PG-4011"), "first-line"],
  ["private-method-other-code", () => order.pay("PG-5003"), "first-line"],
  ["arrow", () => shop.total([{}]), "first-line"],
  ["closure", shop.counter(start + 2), "first-line"],
  ["anonymous", () => shop.handlers["order.placed"](), "first-line"],
  ["async-computed", () => shop.handlers["order.paid"](), "first-line"],
  ["no-name", () => order.name, "first-line"],
  ["no-city", () => order.city, "first-line"],
  ["new-function", () => shop.rule(start + 3), "first-line"],
  ["evaluated", () => shop.evaluated(start + 4), "first-line"],
  ["emitter", () => shop.emitted(start + 5), "frames"],
  ["async-frames", () => shop.Order.load(start + 6), "frames"],
  ["private-frames", () => order.pay("PG-6000"), "frames"],
  ["new-function-frames", () => shop.rule(start + 7), "frames"],
  ["is-folder-frames", () => shop.billFolder(), "frames"],
  ["is-folder-frames-elsewhere", () => shop.billImage(), "frames"],
  ["private-frames as text", () => order.pay("PG-6000"), "text"],
  ["no-file", () => shop.bill(start + 8), "text"],
  ["is-folder", () => shop.billFolder(), "text"],
  ["refused", () => shop.connect(), "text"],
  ["json", () => shop.parse(start + 9), "text"],
  ["closure as text", () => shop.later(start + 10), "text"],
  ["text-evaluated", () => shop.evaluated(start + 11), "text"],
  ["text-cause", () => shop.checkout(start + 12), "inspected"],
  ["text-other-cause", () => shop.refund(start + 13), "inspected"],
  ["text-refused", shop.charge, "inspected"],
  ["text-refused-elsewhere", shop.chargeBack, "inspected"],
  ["text-any", () => shop.anyOf(start + 14), "inspected"],
];
for (const one of run === "1" ? errors : errors.reverse()) {
  await emit(one);
}
