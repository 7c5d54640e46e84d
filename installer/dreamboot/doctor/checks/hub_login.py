"""A token is there where gated models are used."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Hub
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """The token's presence only; it is never read."""
    if facts.hub.gated and not facts.hub.token:
        return warning(
            "A gated model is used, and no token is stored.",
            f"{facts.hub.gated[0]} asks for an account that accepted its licence; HF_HOME is {facts.hub.home}.",
            manual("hf auth login", "stores a token; accept the licence on the model's page first"),
        )
    if facts.environ.get("HF_HUB_OFFLINE") or facts.environ.get("TRANSFORMERS_OFFLINE"):
        return info("the hub is switched off (HF_HUB_OFFLINE): only cached models can be loaded")
    return ok("a token is stored" if facts.hub.token else "no token (only gated models need one)")


CHECK = Check(
    id="hub-login",
    area="network-auth",
    why="Gated models answer 401, also when the token lies in another HF_HOME.",
    run=run,
    cases=("net-gated-flux", "net-gated-token-fine-grained"),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(hub=Hub(home="/h", gated=("models--black-forest-labs--FLUX.1-dev",))), expect=Status.WARNING),
        Case(facts=Facts(environ={"HF_HUB_OFFLINE": "1"}), expect=Status.INFO),
    ),
)
