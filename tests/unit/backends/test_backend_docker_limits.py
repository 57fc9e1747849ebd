"""Limits on containers: an engine that has none says so, and then so do the faults that need them."""

import pytest

from harness.backends import docker_resources
from harness.backends.docker_resources import unlimited
from harness.faults.cpu import Cpu
from harness.faults.memory import Memory

ABLE = {"CpuCfsQuota": True, "MemoryLimit": True, "CgroupVersion": "2", "CgroupDriver": "systemd"}


@pytest.mark.parametrize(
    ("fault", "limit", "what"), [(Cpu, "CpuCfsQuota", "CPU"), (Memory, "MemoryLimit", "memory")]
)
class TestOfAnEngine:
    @pytest.fixture
    def told(self, monkeypatch):
        """What the engine tells of itself; it is asked anew in each test."""
        told = dict(ABLE)

        class Client:
            api = property(lambda self: self)

            def info(self):
                return told

            def close(self):
                pass

        monkeypatch.setattr(docker_resources, "connect", Client)
        docker_resources.limit_lacking.cache_clear()
        yield told
        docker_resources.limit_lacking.cache_clear()

    def test_that_has_the_limit__the_fault_can_be_had(self, fault, limit, what, told):
        assert fault.available("docker") is None

    def test_that_lacks_the_limit__the_fault_says_why_it_cannot(self, fault, limit, what, told):
        told.update({limit: False, "CgroupDriver": "none"})
        said = fault.available("docker")
        assert said.startswith(f"the Docker engine cannot limit the {what} of containers")
        assert f"`{limit}: false`" in said
        assert "version 2, driver none" in said

    def test_that_lacks_the_limit__processes_do_not_need_it(self, fault, limit, what, told):
        told.update({limit: False})
        assert fault.available("process") is None

    def test_that_does_not_mention_it__is_none(self, fault, limit, what):
        assert f"`{limit}: false`" in unlimited({}, limit)
