#!/usr/bin/env python3
"""Prints 500 different errors as native events, one a line: what the store of an older version is filled with.

Always the same ones: kinds of error with values that vary, in five services. Each has an environment of its own, but for
those that rule set 1 tells apart by what is a value.
"""
import json
import random

random.seed(8505)

KINDS = [
    ("Open API", "POST", "/v1/payments/{n}", "shop.pay.PgClient.charge(PgClient.java:{n})", "PG timeout after {n}ms for order {uuid}"),
    ("Open API", "GET", "/v1/orders/{uuid}", "shop.order.OrderApi.find(OrderApi.java:{n})", "order {uuid} not found"),
    ("Biz", "POST", "/v1/coupons", "shop.coupon.CouponService$$SpringCGLIB$${d}.issue(<generated>)", "COUPON-{code}: 이미 발급된 쿠폰입니다 (회원 {n})"),
    ("Biz", "POST", "/v1/support", "kr.cs.TicketService.assign(TicketService.kt:{n})", "{name}님의 문의가 처리되지 않았습니다 (접수번호: {date}-{n})"),
    ("Runtime", "GET", "/v1/files/{hex}", "shop.file.S3Reader.read(S3Reader.java:{n})", "The specified key does not exist. (Service: Amazon S3; Status Code: 404; Request ID: {HEX})"),
    ("Runtime", "PUT", "/v1/stock/{n}", "shop.stock.StockDao.decrease(StockDao.java:{n})", "Duplicate entry '{n}-{word}' for key 'stock.uk_sku'"),
    ("Runtime", "GET", "/v1/search?q={word}", "shop.search.Query.parse(Query.java:{n})", "Unexpected token '{word}' at line {d}, column {n}"),
    ("Runtime", "POST", "/v1/import", "shop.batch.CsvJob.run(CsvJob.java:{n})", "Parsing error at line: {n} in resource=[file [/data/in/{date}/part-{n}.csv]], input=[{word},{n},{word}]"),
    ("Runtime", "GET", "/v1/users/{n}", "app/services/user_service.py:{n} in load", "could not connect to server: Connection refused (10.0.{d}.{d}:5432)"),
    ("Runtime", "GET", "/v1/feed", "at loadFeed (/srv/app/dist/feed-{hash}.js:{n}:{d})", "Cannot read properties of undefined (reading '{field}')"),
    ("Runtime", "POST", "/v1/mail", "github.com/acme/mail.Send (send.go:{n})", "dial tcp 10.1.{d}.{d}:587: i/o timeout"),
    ("Runtime", "POST", "/v1/jobs", "shop::job::Runner::run", "lock poisoned at 0x{hex} after {n} ms"),
]
SERVICES = ["order-api", "pay-api", "cs-api", "stock-api", "search-api"]
NAMES = [family + given for family in "김이박최정강조" for given in ("민수", "서연", "도현", "지우", "하윤", "수빈", "예준")]
WORDS = ["mango", "harbor", "ember", "lagoon", "quartz", "walnut", "saffron"]
# Of KINDS: what rule set 1 takes for different errors.
TOLD_APART = [3, 7]
FIELDS = ["price", "user", "items", "total"]


def filled(text, nth):
    """The text with a value for each mark; names and words are another for each `nth` of one kind."""
    words = iter([WORDS[nth % 7], WORDS[nth // 7 % 7]])
    for key, value in {
        "{n}": lambda: str(random.randint(100, 99_999)),
        "{d}": lambda: str(random.randint(1, 9)),
        "{uuid}": lambda: "%08x-%04x-4%03x-a%03x-%012x" % tuple(random.getrandbits(b) for b in (32, 16, 12, 12, 48)),
        "{hex}": lambda: "%032x" % random.getrandbits(128),
        "{HEX}": lambda: "%016X" % random.getrandbits(64),
        "{hash}": lambda: "%08x" % random.getrandbits(32),
        "{date}": lambda: "2025%02d%02d" % (random.randint(1, 12), random.randint(1, 28)),
        "{name}": lambda: NAMES[nth % len(NAMES)],
        "{word}": lambda: next(words, WORDS[0]),
        "{field}": lambda: random.choice(FIELDS),
        "{code}": lambda: str(random.choice([4201, 4202, 4203])),
    }.items():
        while key in text:
            text = text.replace(key, value(), 1)
    return text


for nth in range(500):
    kind, round = nth % len(KINDS), nth // len(KINDS)
    category, method, url, location, detail = (filled(text, round) for text in KINDS[kind])
    apart = kind in TOLD_APART
    event = {
        "category": category,
        "module": SERVICES[0 if apart else round % len(SERVICES)],
        "environment": "prod" if apart else f"zone-{round // len(SERVICES)}",
        "url": url, "method": method, "location": location, "detail": detail,
    }
    print(json.dumps(event, ensure_ascii=False))
