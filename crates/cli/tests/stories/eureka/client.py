"""py-eureka-client against agents, as its users use it: argv[1:] are the ports of two agents."""
import asyncio
import sys

from py_eureka_client.eureka_client import EurekaClient

one, other = ("http://127.0.0.1:%s/eureka/" % port for port in sys.argv[1:])


async def until(wanted):
    """The library asks for differences every second; so long anything may take."""
    for _ in range(200):
        if wanted():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come to pass")


async def main():
    # One application registers at one agent, another follows the other agent.
    registered = EurekaClient(eureka_server=one, app_name="py-app", instance_host="127.0.0.1", instance_ip="127.0.0.1",
                              instance_port=9501, renewal_interval_in_secs=1, duration_in_secs=30,
                              metadata={"color": "blue"}, should_discover=False)
    watching = EurekaClient(eureka_server=other, app_name="py-watcher", instance_host="127.0.0.1", instance_ip="127.0.0.1",
                            instance_port=9502, should_register=False, renewal_interval_in_secs=1)
    await registered.start()
    await watching.start()

    def up():
        application = watching.applications.get_application("PY-APP")
        return [(instance.ipAddr, instance.port.port, instance.metadata.get("color")) for instance in application.up_instances]

    blue = [("127.0.0.1", 9501, "blue")]
    await until(lambda: up() == blue)
    # Renewals keep it there; and when it stops, it goes, which is told as a difference.
    for _ in range(3):
        await registered.send_heartbeat()
        assert up() == blue, up()
    await registered.stop()
    await until(lambda: up() == [])
    await watching.stop()
    print("done")


asyncio.run(main())
