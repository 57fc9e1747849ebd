"""Which iptables a helper uses, and whether this kernel has all that links need: found out by doing."""

import functools
import secrets

from harness.backends.docker_engine import connect
from harness.backends.docker_helper import Helper
from harness.backends.docker_rules import TRIAL
from harness.backends.gate import Gate
from harness.backends.images import PYTHON, ensure_base, ensure_helper_image
from harness.errors import HarnessError

# NET_RAW, to send anew what was held back, is among the capabilities that the engine gives anyway.
CAPABILITIES = ("NET_ADMIN",)

_KINDS = ("nft", "legacy")


def apply_rules(helper: Helper, kind: str, rules: str) -> None:
    """Apply rules, as one transaction, beside the helper's member."""
    restore = f'printf %s "$1" | iptables-{kind}-restore --noflush --wait'
    helper.run("sh", "-c", restore, "sh", rules)


def iptables_kind(helper: Helper) -> str:
    """Return which of the two kinds of iptables can do all that our rules do.

    Raises:
        HarnessError: neither.
    """
    errors = []
    for kind in _KINDS:
        try:
            apply_rules(helper, kind, TRIAL)
        except HarnessError as error:
            errors.append(f"{kind}: {error}")
        else:
            return kind
    raise HarnessError(
        "this kernel lacks what links are cut and slowed with: iptables with statistic, REJECT and NFQUEUE "
        f"({'; '.join(errors)})"
    )


@functools.cache
def links_lacking() -> str | None:
    """Return what this machine lacks for links between containers, `None`: nothing.

    Tried by doing, in a container without a network, about a second; then remembered. The helpers' image is
    built when it is not there.
    """
    client = connect()
    helper = Helper(client.api, "trial", Gate())
    try:
        image = ensure_helper_image(
            client, ensure_base(client, PYTHON, lambda line: None), say=lambda line: None
        )
        helper.create(image, run_id=f"trial-{secrets.token_hex(4)}", capabilities=CAPABILITIES)
        helper.join()
        iptables_kind(helper)
        helper.run("python3", "-m", "netns.trial")
    except HarnessError as error:
        return str(error)
    finally:
        helper.remove()
        client.close()
    return None
