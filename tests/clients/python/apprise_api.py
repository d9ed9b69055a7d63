"""The notify endpoints of Apprise API, as its documentation and its views have them, around the real apprise library.

Apprise API itself is a container's image and no package; what passes the message on is the same library. The arguments are
stored configurations, each KEY=TEXT.
"""

import sys

import apprise
from flask import Flask, request
from werkzeug.serving import make_server

stored = dict(argument.split("=", 1) for argument in sys.argv[1:])
app = Flask("apprise-api")


def answer(status, error=None):
    return {"error": error}, status


def notify(services, content):
    if not content.get("body") or content.get("type", "info") not in apprise.NOTIFY_TYPES:
        return answer(400, "Payload lacks minimum requirements")
    if content.get("format", "text") not in apprise.NOTIFY_FORMATS:
        return answer(400, "An invalid body input format was specified")
    sent = services.notify(
        content["body"],
        title=content.get("title", ""),
        notify_type=content.get("type", "info"),
        body_format=content.get("format", "text"),
        tag=content.get("tag"),
    )
    return answer(200) if sent else answer(424, "One or more notification could not be sent")


@app.post("/notify/<key>")
def stateful(key):
    if key not in stored:
        return answer(204, "There was no configuration found")
    config, services = apprise.AppriseConfig(), apprise.Apprise()
    config.add_config(stored[key], format="text")
    services.add(config)
    return notify(services, request.get_json())


@app.post("/notify")
def stateless():
    content, services = request.get_json(), apprise.Apprise()
    services.add(content.get("urls"))
    if not len(services):
        return answer(204, "There was no valid URLs provided to notify")
    return notify(services, content)


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
