"""Throws every error once and prints each as an event; the second run in another order, with other objects before."""

import asyncio
import json
import sys
import traceback

run = sys.argv[1]
start = 10_000 if run == "1" else 900_000
kept = [object() for _ in range(0 if run == "1" else 5000)]

import shop  # noqa: E402


def frames(error):
    """The innermost first."""
    return [
        {
            "module": frame.f_globals.get("__name__", ""),
            "function": frame.f_code.co_qualname,
            "file": frame.f_code.co_filename,
            "line": line,
        }
        for frame, line in reversed(list(traceback.walk_tb(error.__traceback__)))
    ]


def exception(error):
    kind = type(error)
    told = {
        "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "value": str(error),
        "frames": frames(error),
    }
    cause = error.__cause__ or error.__context__
    return told | {"cause": exception(cause)} if cause else told


def frame(error):
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    return f"{innermost.filename}:{innermost.lineno} in {innermost.name}"


def emit(name, call, location=frame, text=False):
    if run == "2":
        asyncio.run(asyncio.sleep(0))
    try:
        result = call()
        if asyncio.iscoroutine(result):
            asyncio.run(result)
    except Exception as error:
        event = {"category": "Runtime", "module": "shop", "environment": "prod", "detail": str(error)}
        if text:
            event["stacktrace"] = "".join(traceback.format_exception(error))
        else:
            if location:
                event["location"] = location(error) if callable(location) else location
            event["exception"] = exception(error)
        print(json.dumps({"id": f"{name}/{run}", "event": event}))
        return
    raise SystemExit(f"{name} did not fail")


def errors():
    order = shop.Order(start + 1)
    draft, check = shop.maker(start + 2)
    yield "bound-method", lambda: order.ship(), repr(order.ship)
    yield "decorated-code", lambda: order.pay("PG-4011"), f"{order.pay.__module__}.{order.pay.__qualname__}"
    yield "decorated-other-code", lambda: order.pay("PG-5003"), f"{order.pay.__module__}.{order.pay.__qualname__}"
    yield "lambda-repr", lambda: shop.double({}), repr(shop.double)
    yield "lambda-frame", lambda: shop.double({})
    yield "local-class", draft.send, repr(draft)
    yield "local-function", lambda: check(3), repr(check)
    yield "comprehension", lambda: check(4)
    yield "coroutine", lambda: shop.fetch(start + 3)
    yield "task-repr", lambda: shop.waiting(start + 4)
    yield "executed-code", lambda: shop.rule(start + 5)
    yield "pool-thread", lambda: shop.in_pool(start + 6)
    yield "no-file", lambda: shop.bill(start + 7)
    yield "is-folder", lambda: shop.bill_folder(start + 8)
    yield "unique-key", lambda: shop.store(start + 9, "open")
    yield "not-null", lambda: shop.store(start + 10, None)
    yield "json", lambda: shop.parse(start + 11)
    yield "json-frames", lambda: shop.parse(start + 11), None
    yield "json-frames-elsewhere", lambda: shop.parse_price(start + 11), None
    yield "partial", lambda: shop.dispatch(start + 12)
    yield "no-name", order.name
    yield "no-city", order.city
    yield "coroutine as text", lambda: shop.fetch(start + 3), None, True
    yield "text-cause", lambda: shop.checkout(start + 13), None, True
    yield "text-context", lambda: shop.checkout_again(start + 14), None, True
    yield "text-group", lambda: shop.both(start + 15), None, True
    yield "executed-code as text", lambda: shop.rule(start + 16), None, True


every = list(errors())
for one in every if run == "1" else reversed(every):
    emit(*one)
