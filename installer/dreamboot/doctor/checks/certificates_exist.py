"""The certificates that variables name exist."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Status

NAMES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")


def run(facts: Facts) -> Outcome:
    """Each of the three variables that Python's clients read."""
    for name in NAMES:
        if name in facts.missing_paths:
            return error(
                f"{name} names a file that does not exist.",
                f"It is {facts.missing_paths[name]!r}: every download fails.",
                manual(f"unset {name}", "the default certificates are taken again"),
            )
    return ok("the configured certificates exist")


CHECK = Check(
    id="certificates-exist",
    area="network-auth",
    why="With a missing certificate file no model and no package can be fetched.",
    run=run,
    cases=("net-ssl-proxy",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(missing_paths={"SSL_CERT_FILE": "/gone.pem"}), expect=Status.ERROR),
    ),
)
