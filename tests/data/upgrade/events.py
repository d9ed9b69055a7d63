#!/usr/bin/env python3
"""Prints 500 different errors as native events, one a line: what the store of an older version is filled with.

Always the same ones. Kinds of error with values that vary, in five services and several environments; some of
them an older rule set told apart by what a newer one takes for a value.
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
NAMES = ["김민수", "이서연", "박도현", "최지우", "정하윤"]
WORDS = ["mango", "harbor", "ember", "lagoon", "quartz", "walnut"]
FIELDS = ["price", "user", "items", "total"]


def filled(text):
    for key, value in {
        "{n}": lambda: str(random.randint(100, 99_999)),
        "{d}": lambda: str(random.randint(1, 9)),
        "{uuid}": lambda: "%08x-%04x-4%03x-a%03x-%012x" % tuple(random.getrandbits(b) for b in (32, 16, 12, 12, 48)),
        "{hex}": lambda: "%032x" % random.getrandbits(128),
        "{HEX}": lambda: "%016X" % random.getrandbits(64),
        "{hash}": lambda: "%08x" % random.getrandbits(32),
        "{date}": lambda: "2025%02d%02d" % (random.randint(1, 12), random.randint(1, 28)),
        "{name}": lambda: random.choice(NAMES),
        "{word}": lambda: random.choice(WORDS),
        "{field}": lambda: random.choice(FIELDS),
        "{code}": lambda: str(random.choice([4201, 4202, 4203])),
    }.items():
        while key in text:
            text = text.replace(key, value(), 1)
    return text


for nth in range(500):
    category, method, url, location, detail = (filled(text) for text in KINDS[nth % len(KINDS)])
    event = {
        "category": category,
        "module": SERVICES[nth // len(KINDS) % len(SERVICES)],
        "environment": f"zone-{nth // (len(KINDS) * len(SERVICES))}",
        "url": url, "method": method, "location": location, "detail": detail,
    }
    print(json.dumps(event, ensure_ascii=False))
