// The shop's own code: closures, private methods, callbacks, code made at run time.
import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Order {
  #number;
  customer = null;

  constructor(number) {
    this.#number = number;
  }

  #charge(code) {
    throw new Error(`${code}: card refused for order ${this.#number}`);
  }

  pay(code) {
    this.#charge(code);
  }

  get name() {
    return this.customer.name;
  }

  get city() {
    return this.customer.city;
  }

  static async load(number) {
    await null;
    throw new RangeError(`order ${number} is gone`);
  }
}

// second: export const more = [() => 1, () => 2];
export const total = (prices) => prices.map((price) => price.amount.toFixed(2));

export function counter(number) {
  return () => {
    throw new Error(`counter ${number} ran over`);
  };
}

export const handlers = {
  "order.placed": function () {
    throw new TypeError("no stock left");
  },
  async ["order.paid"]() {
    await null;
    throw new TypeError("no bill made");
  },
};

export function rule(number) {
  return new Function("price", `return price.of(${number})`)({});
}

export function evaluated(number) {
  return eval(`(() => { throw new Error("rule ${number} failed") })()`);
}

export function bill(number) {
  return readFileSync(join(mkdtempSync(join(tmpdir(), "bill-")), `${number}.pdf`));
}

export function billFolder() {
  return readFileSync(mkdtempSync(join(tmpdir(), "bill-")));
}

export function billImage() {
  return readFileSync(mkdtempSync(join(tmpdir(), "bill-")), "latin1");
}

export async function connect() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((ready) => server.once("listening", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  await new Promise((open, fail) => net.connect(port, "127.0.0.1", open).once("error", fail));
}

/** The cause's own frames are Node's alone: it comes from the event loop. */
export async function charge() {
  try {
    await connect();
  } catch (cause) {
    throw new Error("no answer from the gateway", { cause });
  }
}

export async function chargeBack() {
  try {
    await connect();
  } catch (cause) {
    throw new Error("no answer from the gateway", { cause });
  }
}

export function emitted(number) {
  const events = new EventEmitter();
  events.on("placed", () => {
    throw new Error(`listener of ${createHash("sha256").update(`${number}`).digest("hex")} failed`);
  });
  events.emit("placed");
}

export const parse = (number) => JSON.parse(`{"number": ${number}, "price": x}`);

export async function checkout(number) {
  try {
    await Order.load(number);
  } catch (cause) {
    throw new Error(`checkout of ${number} failed`, { cause });
  }
}

export async function refund(number) {
  try {
    new Order(number).name;
  } catch (cause) {
    throw new Error(`checkout of ${number} failed`, { cause });
  }
}

export const anyOf = (number) => Promise.any([Order.load(number), Order.load(number + 1)]);

export const later = (number) =>
  new Promise((_, fail) => {
    setTimeout(() => {
      try {
        counter(number)();
      } catch (error) {
        fail(error);
      }
    }, 1);
  });
