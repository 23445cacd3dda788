"""What is counted, as Prometheus text at `/metrics`. Labels are channels and outcomes, never anything of a person."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Counts:
    """One set of counters for each application, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = self._counter("received", "Messages taken in", "channel")
        self.repeated = self._counter("repeated", "Repeats of messages that were there already", "channel")
        self.outcomes = self._counter("outcomes", "What was decided", "outcome")
        self.sent = self._counter("sent", "Messages that a provider took", "channel", "kind")
        self.sent_again = self._counter("sent_again", "Messages sent again that may have gone before", "channel")
        self.in_doubt = self._counter("in_doubt", "Messages left in the middle of being sent", "channel")
        self.tried_later = self._counter("tried_later", "Sends put off", "channel")
        self.given_up = self._counter("given_up", "Messages given up", "channel")
        self.trouble = self._counter("trouble", "Turns that failed for a cause of our own", "where")
        self.audit_faults = self._counter("audit_faults", "Faults that the auditor saw, each time it looked", "what")
        self.audit_healed = self._counter("audit_healed", "Faults that the auditor put right", "what")
        self.heartbeats = self._counter("heartbeats", "Times the address outside was told that all is well", "heard")
        self.faults_now = Gauge(
            "varde_audit_faults_now", "Faults that stood when this process looked last", registry=self.registry
        )
        self.answer_seconds = Histogram(
            "varde_answer_seconds",
            "From a message taken in to its reply written down",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.waiting = Gauge("varde_outbox_waiting", "Messages that wait to go out", registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"varde_{name}", meaning, labels, registry=self.registry)
