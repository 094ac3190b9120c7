"""py-consul against agents, as its users use it: argv[1:] are the ports of two agents."""
import sys
import threading

import consul

one, other = (consul.Consul(host="127.0.0.1", port=int(port)) for port in sys.argv[1:])


def served(client, **kwargs):
    """Index, and ids with the statuses of all their checks."""
    index, found = client.health.service("py-web", **kwargs)
    return int(index), {entry["Service"]["ID"]: [check["Status"] for check in entry["Checks"]] for entry in found}


def until(client, index, wanted, **kwargs):
    """Blocks as clients do, until the answer is what is wanted."""
    while True:
        index, found = served(client, index=index, wait="10s", **kwargs)
        if wanted(found):
            return index, found


index, found = served(other)
assert found == {}, found

# Registered with a ttl and not reported on yet: there, and not passing.
assert one.agent.service.register("py-web", service_id="py1", address="127.0.0.1", port=9001, tags=["a", "b"],
                                  meta={"k": "v"}, check=consul.Check.ttl("30s"))
index, found = until(other, index, lambda found: "py1" in found)
assert found["py1"] == ["passing", "critical"], found
assert served(other, passing=True)[1] == {}

# Somebody waits at the other agent while it is reported on at this one.
told = []
waiting = threading.Thread(target=lambda: told.append(until(other, index, lambda found: "py1" in found, passing=True)))
waiting.start()
assert one.agent.check.ttl_pass("service:py1", "all well")
waiting.join(20)
assert told and told[0][1]["py1"] == ["passing", "passing"], told

# Everything else that is asked of it.
_, services = other.catalog.services()
assert sorted(services["py-web"]) == ["a", "b"], services
_, listed = other.catalog.service("py-web", tag="a")
assert [(one["ServiceID"], one["ServicePort"], one["ServiceMeta"]) for one in listed] == [("py1", 9001, {"k": "v"})], listed
assert other.catalog.service("py-web", tag="c")[1] == []
_, nodes = other.catalog.nodes()
assert len(nodes) == 2, nodes
_, checks = other.health.checks("py-web")
assert [check["CheckID"] for check in checks] == ["service:py1"], checks
_, state = other.health.state("passing")
assert len(state) == 3, state
assert "py1" in one.agent.services() and "py1" not in other.agent.services()
assert one.agent.checks()["service:py1"]["Output"] == "all well"
assert one.agent.self()["Config"]["NodeName"] and len(one.agent.members()) == 2
assert other.status.leader() and len(other.status.peers()) == 2 and other.catalog.datacenters() == ["dc1"]

# Out of service and back, ill and gone.
index = served(other)[0]
assert one.agent.service.maintenance("py1", True, "upgrade")
index, _ = until(other, index, lambda found: "critical" in found["py1"])
assert one.agent.service.maintenance("py1", False)
index, _ = until(other, index, lambda found: found["py1"] == ["passing", "passing"])
assert one.agent.check.ttl_warn("service:py1")
index, _ = until(other, index, lambda found: found["py1"] == ["passing", "warning"])
assert one.agent.check.ttl_fail("service:py1")
index, _ = until(other, index, lambda found: found["py1"] == ["passing", "critical"])
assert one.agent.service.deregister("py1")
until(other, index, lambda found: found == {})
print("done")
