"""A collector of traces: `collector.py FILE`: says its port, and writes each span that it is sent as a line of JSON."""

import http.server
import json
import logging
import sys

from google.protobuf.json_format import MessageToDict
from oteltest import sink


class Loopback(http.server.HTTPServer):
    def __init__(self, _address, handler):
        handler.log_message = lambda *_: None
        super().__init__(("127.0.0.1", 0), handler)
        print(self.server_port, flush=True)


class Writer(sink.RequestHandler):
    def handle_logs(self, request, headers):
        raise AssertionError("nobody sends logs")

    def handle_metrics(self, request, headers):
        raise AssertionError("nobody sends metrics")

    def handle_trace(self, request, headers):
        for resource in request.resource_spans:
            of = {one.key: MessageToDict(one.value) for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.write(of, span)

    def write(self, resource, span):
        attributes = {}
        for one in span.attributes:
            kind = one.value.WhichOneof("value")
            value = getattr(one.value, kind)
            attributes[one.key] = [each.string_value for each in value.values] if kind == "array_value" else value
        line = {
            "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
            "name": span.name, "kind": span.kind, "took_ns": span.end_time_unix_nano - span.start_time_unix_nano,
            "status": span.status.code, "said": span.status.message, "attributes": attributes, "of": resource,
        }
        with open(sys.argv[1], "a") as out:
            out.write(json.dumps(line) + "\n")


sink.HTTPServer = Loopback
sink.HttpSink(Writer(), logging.getLogger("collector")).run_server()
