"""The shop's own code: decorators, lambdas, coroutines, objects without a repr of their own."""

import asyncio
import functools
import json
import os
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import threading


class Owner:
    pass


@dataclass
class Parcel:
    number: int
    owner: Owner


def traced(function):
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


class Order:
    def __init__(self, number):
        self.number = number
        self.customer = None

    @traced
    def pay(self, code):
        raise RuntimeError(f"{code}: card refused for order {self.number}")

    def ship(self):
        raise ValueError(f"cannot ship {Parcel(self.number, Owner())}")

    def name(self):
        return self.customer.name

    def city(self):
        return self.customer.city


def maker(number):
    class Draft:
        def send(self):
            raise LookupError(f"no address for draft {number}")

    def check(price):
        return [price / part for part in (1, 0)]

    return Draft(), check


# second: other = [lambda: 1, lambda: 2]
double = lambda price: price["amount"] * 2  # noqa: E731


async def fetch(number):
    # second: await asyncio.sleep(0)
    await asyncio.sleep(0)
    raise ConnectionResetError(104, f"order {number}: connection reset by peer")


async def waiting(number):
    task = asyncio.create_task(asyncio.sleep(60, number))
    await asyncio.sleep(0)
    try:
        raise TimeoutError(f"gave up on {task!r}")
    finally:
        task.cancel()


async def both(number):
    async with asyncio.TaskGroup() as group:
        group.create_task(fetch(number))
        group.create_task(fetch(number + 1))


def rule(number):
    source = "def rule(price):\n    return price / 0\n"
    names = {}
    exec(compile(source, f"<rule-{number}>", "exec"), names)
    return names["rule"](number)


def in_pool(number):
    def work():
        raise RuntimeError(f"order {number} failed in {threading.current_thread().name}")

    with ThreadPoolExecutor() as pool:
        pool.submit(work).result()


def bill(number):
    return open(os.path.join(tempfile.mkdtemp(), f"bill-{number}.pdf")).read()


def bill_folder(number):
    return open(tempfile.mkdtemp()).read()


def store(number, status):
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE orders (number TEXT UNIQUE, status TEXT NOT NULL)")
        for _ in range(2):
            database.execute("INSERT INTO orders VALUES (?, ?)", (str(number), status))


def parse(number):
    return json.loads('{"number": %d, "price": }' % number)


def parse_price(number):
    return json.loads('{"number": %d, "price": }' % number)["price"]


def checkout(number):
    try:
        Order(number).name()
    except AttributeError as missing:
        raise RuntimeError(f"checkout of {number} failed") from missing


def checkout_again(number):
    try:
        Order(number).city()
    except AttributeError:
        raise RuntimeError(f"checkout of {number} failed")


def dispatch(number):
    later = functools.partial(Order.ship, Order(number))
    raise NotImplementedError(f"no queue for {later}")
